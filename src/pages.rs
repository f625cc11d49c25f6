//! The pages: one struct per template, filled by `web` and never deciding anything. The one home of askama, which
//! escapes whatever it prints.

use crate::interaction::progress::Person;
use askama::Template;

/// What every page shows around its own content.
pub struct Frame {
    pub name: String,
    pub support: Option<String>,
    /// Of this answer's content security policy.
    pub nonce: String,
}

/// What every form of an interaction has.
pub struct Form {
    pub action: String,
    pub code: String,
    pub step: i64,
    /// Who asks for what, and why now.
    pub why: String,
    pub host: Option<String>,
    pub notice: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "login.html")]
pub struct LoginPage {
    pub frame: Frame,
    pub form: Form,
    pub hint: String,
    /// People may make accounts for themselves.
    pub create: bool,
}

#[derive(Template)]
#[template(path = "create.html")]
pub struct CreatePage {
    pub frame: Frame,
    pub form: Form,
    pub name: String,
    /// What is wrong is the password; else it is the name.
    pub wrong_password: bool,
}

#[derive(Template)]
#[template(path = "select-account.html")]
pub struct SelectPage {
    pub frame: Frame,
    pub form: Form,
    pub people: Vec<Person>,
}

#[derive(Template)]
#[template(path = "consent.html")]
pub struct ConsentPage {
    pub frame: Frame,
    pub form: Form,
    pub person: Person,
    pub asker: String,
    pub wants: Vec<String>,
    pub lasts: &'static str,
}

#[derive(Template)]
#[template(path = "password.html")]
pub struct PasswordPage {
    pub frame: Frame,
    pub form: Form,
    pub person: Person,
    pub other_way: bool,
    pub other_account: bool,
}

#[derive(Template)]
#[template(path = "totp.html")]
pub struct TotpPage {
    pub frame: Frame,
    pub form: Form,
    pub person: Person,
    pub other_way: bool,
    pub other_account: bool,
}

#[derive(Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    pub frame: Frame,
    pub title: &'static str,
    pub sentence: String,
    pub code: Option<&'static str>,
    pub request_id: String,
}

#[derive(Template)]
#[template(path = "home.html")]
pub struct HomePage {
    pub frame: Frame,
    pub people: Vec<String>,
    /// Of the form that signs out.
    pub code: String,
}

#[derive(Template)]
#[template(path = "form-post.html")]
pub struct FormPostPage<'a> {
    pub frame: Frame,
    pub uri: String,
    pub members: &'a [(String, String)],
}

#[derive(Template)]
#[template(path = "logout.html")]
pub struct LogoutPage {
    pub frame: Frame,
    pub people: Vec<String>,
    pub code: String,
    /// The request, as it came.
    pub query: String,
}

#[derive(Template)]
#[template(path = "logged-out.html")]
pub struct LoggedOutPage {
    pub frame: Frame,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::UserId;

    fn frame() -> Frame {
        Frame { name: "Acme <ID>".into(), support: Some("https://help.test/".into()), nonce: "n".into() }
    }

    fn form() -> Form {
        Form {
            action: "/interaction/1/login".into(),
            code: "c".into(),
            step: 1,
            why: "<script>alert(1)</script> asks".into(),
            host: Some("rp.test\"><img>".into()),
            notice: Some("That didn't match."),
        }
    }

    #[test]
    fn every_page_renders_and_escapes_what_it_is_given() {
        let person = Person { user: UserId::from_text("u"), username: "ada<b>".into() };
        let (other_way, other_account) = (true, true);
        let pages = [
            LoginPage { frame: frame(), form: form(), hint: "\" onfocus=x".into(), create: true }.render(),
            CreatePage { frame: frame(), form: form(), name: "\" onfocus=x".into(), wrong_password: true }
                .render(),
            SelectPage { frame: frame(), form: form(), people: vec![person.clone()] }.render(),
            ConsentPage {
                frame: frame(),
                form: form(),
                person: person.clone(),
                asker: "<i>shop".into(),
                wants: vec!["<b>all</b>".into()],
                lasts: "for ever",
            }
            .render(),
            PasswordPage { frame: frame(), form: form(), person: person.clone(), other_way, other_account }
                .render(),
            TotpPage { frame: frame(), form: form(), person, other_way, other_account }.render(),
            ErrorPage {
                frame: frame(),
                title: "No",
                sentence: "<i>no</i>".into(),
                code: Some("invalid_request"),
                request_id: "r".into(),
            }
            .render(),
            HomePage { frame: frame(), people: vec!["<u>ada".into()], code: "c".into() }.render(),
            LogoutPage {
                frame: frame(),
                people: vec!["<u>ada".into()],
                code: "c".into(),
                query: "\" onfocus=x".into(),
            }
            .render(),
            LoggedOutPage { frame: frame() }.render(),
            FormPostPage {
                frame: frame(),
                uri: "https://rp.test/\" onfocus=x".into(),
                members: &[("state".into(), "<b>\" onfocus".into())],
            }
            .render(),
        ];
        for page in pages {
            let page = page.unwrap();
            for raw in ["<script>", "<img>", "<b>", "<i>", "<u>", "<ID>", "\" onfocus"] {
                assert!(!page.contains(raw), "{raw} in {page}");
            }
            assert!(page.contains("data-page=\""), "{page}");
        }
    }
}
