//! The pages: one struct per template, filled by `web` and never deciding anything. The one home of askama, which
//! escapes whatever it prints.

use crate::interaction::progress::Person;
use crate::texts::Texts;
use askama::Template;

/// What every page shows around its own content.
pub struct Frame {
    pub name: String,
    pub support: Option<String>,
    /// Of this answer's content security policy.
    pub nonce: String,
    /// What it says, in its language.
    pub t: &'static Texts,
}

/// What every form of an interaction has.
pub struct Form {
    pub action: String,
    pub code: String,
    pub step: String,
    /// What its row holds, sealed.
    pub kept: Option<String>,
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
    /// No other name is meant.
    pub chosen: bool,
    /// People may make accounts for themselves.
    pub create: bool,
    pub passkey: bool,
    /// A passkey that the browser may forget, and where it belongs.
    pub unknown: Option<String>,
    pub rp: String,
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
    /// Those who are signed in.
    pub people: Vec<Person>,
    /// Those who were.
    pub remembered: Vec<Person>,
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
#[template(path = "continue.html")]
pub struct ContinuePage {
    pub frame: Frame,
    pub form: Form,
    pub person: Person,
    pub asker: String,
    pub other_account: bool,
}

#[derive(Template)]
#[template(path = "password.html")]
pub struct PasswordPage {
    pub frame: Frame,
    pub form: Form,
    pub person: Person,
    pub other_way: Option<&'static str>,
    pub other_account: bool,
}

#[derive(Template)]
#[template(path = "totp.html")]
pub struct TotpPage {
    pub frame: Frame,
    pub form: Form,
    pub person: Person,
    pub other_way: Option<&'static str>,
    pub other_account: bool,
}

#[derive(Template)]
#[template(path = "passkey.html")]
pub struct PasskeyPage {
    pub frame: Frame,
    pub form: Form,
    pub person: Person,
    pub security_key: bool,
    /// It asks at once.
    pub auto: bool,
    pub other_way: Option<&'static str>,
    pub other_account: bool,
}

#[derive(Template)]
#[template(path = "recovery.html")]
pub struct RecoveryPage {
    pub frame: Frame,
    pub form: Form,
    pub person: Person,
    pub other_way: Option<&'static str>,
    pub other_account: bool,
}

#[derive(Template)]
#[template(path = "mail-code.html")]
pub struct MailCodePage {
    pub frame: Frame,
    pub form: Form,
    pub person: Person,
    /// There is a code to enter.
    pub is_mailed: bool,
}

#[derive(Template)]
#[template(path = "enrol-passkey.html")]
pub struct EnrolPasskeyPage {
    pub frame: Frame,
    pub form: Form,
    pub person: Person,
    pub security_key: bool,
    pub other_way: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "enrol-totp.html")]
pub struct EnrolTotpPage {
    pub frame: Frame,
    pub form: Form,
    pub person: Person,
    /// An SVG of ours.
    pub qr: String,
    /// As it is typed.
    pub secret: String,
    pub other_way: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "recovery-codes.html")]
pub struct RecoveryCodesPage {
    pub frame: Frame,
    pub form: Form,
    pub codes: Vec<String>,
}

#[derive(Template)]
#[template(path = "account-password.html")]
pub struct NewPasswordPage {
    pub frame: Frame,
    pub form: Form,
    pub person: Person,
}

/// A passkey as its owner sees it.
pub struct KeyShown {
    pub id: String,
    pub label: String,
    pub facts: Vec<String>,
}

#[derive(Template)]
#[template(path = "account-passkeys.html")]
pub struct PasskeysPage {
    pub frame: Frame,
    pub username: String,
    pub user: String,
    /// Of the forms.
    pub code: String,
    pub said: Option<&'static str>,
    /// About sign-ins that failed.
    pub failed: Option<String>,
    pub keys: Vec<KeyShown>,
    pub totp: Option<String>,
    /// About a replacement that waits.
    pub waiting: Option<String>,
    pub may_replace: bool,
    /// What is left of the recovery codes, in words; `None` where there is nothing that they could stand in for.
    pub codes: Option<String>,
    /// For password managers: where they belong, to whom, and which are good.
    pub rp: String,
    pub handle: String,
    pub accepted: String,
}

#[derive(Template)]
#[template(path = "account-recovery.html")]
pub struct RecoveryCancelPage {
    pub frame: Frame,
    /// The secret of the link; `None` once it was used.
    pub cancel: Option<String>,
    pub said: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    pub frame: Frame,
    pub title: &'static str,
    pub sentence: String,
    /// Of a fault, whose sentence is for developers and English.
    pub code: Option<&'static str>,
    pub request_id: String,
}

#[derive(Template)]
#[template(path = "home.html")]
pub struct HomePage {
    pub frame: Frame,
    pub people: Vec<String>,
    /// Accounts were used in this browser.
    pub remembers: bool,
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
    pub remembers: bool,
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
    use crate::protocol::language::Language;
    use crate::texts;

    /// What a page is given, which is the same in each language.
    const GIVEN: [&str; 20] = [
        "Acme &#60;ID&#62;",
        "&#60;script&#62;alert(1)&#60;/script&#62; asks",
        "rp.test&#34;&#62;&#60;img&#62;",
        "That didn&#39;t match.",
        "ada&#60;b&#62;",
        "&#60;b&#62;all&#60;/b&#62;",
        "for ever",
        "No",
        "No – Acme &#60;ID&#62;",
        "&#60;i&#62;no&#60;/i&#62;",
        "invalid_request",
        "&#60;u&#62;ada",
        "req-1",
        "&#60;b&#62;&#34; onfocus",
        "OTHER WAY",
        "GEZD GNBV",
        "ABCD-EFGH",
        "Passkeys",
        "Passkeys – Acme &#60;ID&#62;",
        "Name",
    ];

    fn frame(language: Language) -> Frame {
        Frame {
            name: "Acme <ID>".into(),
            support: Some("https://help.test/".into()),
            nonce: "n".into(),
            t: texts::of(language),
        }
    }

    fn form() -> Form {
        Form {
            action: "/interaction/1/login".into(),
            code: "c".into(),
            kept: None,
            step: "1".into(),
            why: "<script>alert(1)</script> asks".into(),
            host: Some("rp.test\"><img>".into()),
            notice: Some("That didn't match."),
        }
    }

    /// Every page, with everything on it.
    fn pages(language: Language) -> Vec<String> {
        let person = Person { user: UserId::from_text("u"), username: "ada<b>".into() };
        let frame = || frame(language);
        let someone = person.clone();
        let (other_way, other_account) = (Some("OTHER WAY"), true);
        let home = |people, remembers| HomePage { frame: frame(), people, remembers, code: "c".into() };
        let error = |code| ErrorPage {
            frame: frame(),
            title: "No",
            sentence: "<i>no</i>".into(),
            code,
            request_id: "req-1".into(),
        };
        let pages = [
            LoginPage {
                frame: frame(),
                form: form(),
                hint: "\" onfocus=x".into(),
                chosen: true,
                create: true,
                passkey: true,
                unknown: Some("\" onfocus=x".into()),
                rp: "op.test".into(),
            }
            .render(),
            CreatePage { frame: frame(), form: form(), name: "\" onfocus=x".into(), wrong_password: true }
                .render(),
            SelectPage {
                frame: frame(),
                form: form(),
                people: vec![person.clone()],
                remembered: vec![person.clone()],
            }
            .render(),
            ConsentPage {
                frame: frame(),
                form: form(),
                person: person.clone(),
                asker: "<i>shop".into(),
                wants: vec!["<b>all</b>".into()],
                lasts: "for ever",
            }
            .render(),
            ContinuePage {
                frame: frame(),
                form: form(),
                person: person.clone(),
                asker: "<i>shop".into(),
                other_account,
            }
            .render(),
            PasswordPage { frame: frame(), form: form(), person: person.clone(), other_way, other_account }
                .render(),
            TotpPage { frame: frame(), form: form(), person: person.clone(), other_way, other_account }
                .render(),
            PasskeyPage {
                frame: frame(),
                form: form(),
                person: person.clone(),
                security_key: false,
                auto: true,
                other_way,
                other_account,
            }
            .render(),
            RecoveryPage { frame: frame(), form: form(), person: person.clone(), other_way, other_account }
                .render(),
            MailCodePage { frame: frame(), form: form(), person: person.clone(), is_mailed: true }.render(),
            EnrolPasskeyPage {
                frame: frame(),
                form: form(),
                person: person.clone(),
                security_key: true,
                other_way,
            }
            .render(),
            EnrolTotpPage {
                frame: frame(),
                form: form(),
                person,
                qr: "<svg></svg>".into(),
                secret: "GEZD GNBV".into(),
                other_way,
            }
            .render(),
            RecoveryCodesPage { frame: frame(), form: form(), codes: vec!["ABCD-EFGH".into()] }.render(),
            PasskeysPage {
                frame: frame(),
                username: "<u>ada".into(),
                user: "u".into(),
                code: "c".into(),
                said: None,
                failed: Some("for ever".into()),
                keys: vec![KeyShown {
                    id: "k".into(),
                    label: "<b>\" onfocus".into(),
                    facts: vec!["<i>no</i>".into()],
                }],
                totp: Some("t".into()),
                waiting: Some("for ever".into()),
                may_replace: true,
                codes: Some("for ever".into()),
                rp: "op.test".into(),
                handle: "h".into(),
                accepted: "a b".into(),
            }
            .render(),
            NewPasswordPage { frame: frame(), form: form(), person: someone }.render(),
            RecoveryCancelPage { frame: frame(), cancel: Some("\" onfocus=x".into()), said: None }.render(),
            error(Some("invalid_request")).render(),
            error(None).render(),
            home(vec!["<u>ada".into()], true).render(),
            home(vec![], true).render(),
            LogoutPage {
                frame: frame(),
                people: vec!["<u>ada".into()],
                remembers: true,
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
        pages.map(Result::unwrap).into()
    }

    /// What a person reads: without tags, but with the titles in them, style and script.
    fn read(page: &str) -> Vec<String> {
        let (head, rest) = page.split_once("<style").unwrap();
        let page = [head, rest.split_once("</style>").unwrap().1];
        page.into_iter().flat_map(texts_of).collect()
    }

    fn texts_of(page: &str) -> Vec<String> {
        let scripts = page.split("<script").enumerate().map(|(n, part)| match n {
            0 => part,
            _ => part.split_once("</script>").map_or("", |(_, rest)| rest),
        });
        let page = scripts.collect::<Vec<_>>().concat();
        let page = page.as_str();
        let title = page.split("title=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let parts = page.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text.trim());
        parts.chain(title).filter(|text| text.chars().any(char::is_alphabetic)).map(str::to_owned).collect()
    }

    #[test]
    fn every_page_renders_in_every_language_and_escapes_what_it_is_given() {
        for language in Language::ALL {
            for page in pages(language) {
                for raw in ["<script>", "<img>", "<b>", "<i>", "<u>", "<ID>", "\" onfocus"] {
                    assert!(!page.contains(raw), "{raw} in {page}");
                }
                assert!(page.contains("data-page=\""), "{page}");
                assert!(page.contains(&format!("<html lang=\"{}\">", language.tag())), "{page}");
            }
        }
    }

    #[test]
    fn no_page_says_anything_in_one_language_only() {
        for (english, german) in pages(Language::English).iter().zip(&pages(Language::German)) {
            let (english, german) = (read(english), read(german));
            assert_eq!(english.len(), german.len());
            for (one, other) in english.iter().zip(&german) {
                assert!(one != other || GIVEN.contains(&one.as_str()), "{one} is said in both languages");
            }
        }
    }

    #[test]
    fn the_sentence_of_a_fault_is_marked_as_english() {
        let pages = pages(Language::German);
        let marked = pages.iter().filter(|page| page.contains("role=\"alert\" lang=\"en\">"));
        assert_eq!(marked.count(), 1);
    }
}
