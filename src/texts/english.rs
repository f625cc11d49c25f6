//! The English texts.

use super::Around;
use super::Texts;
use crate::assurance::ledger::Method;
use crate::credential::password::BadPassword;
use crate::interaction::approval::AskedScope;
use crate::interaction::progress::Notice;
use crate::interaction::sentence::When;
use crate::interaction::sentence::Why;
use crate::protocol::language::Language;
use crate::protocol::standard_claims::OFFLINE;

pub static TEXTS: Texts = Texts {
    language: Language::English,

    account: "Account:",
    cancel: "Cancel",
    proceed: "Continue",
    different_account: "Use a different account",
    help: "Help",
    not_now: "Not now",
    password: "Password",
    sign_out: "Sign out",
    signed_in_here: "Signed in in this browser:",
    try_another_way: "Try another way",
    wrong: "Error:",
    goes_on: Around { before: "You will go on to ", after: "." },

    sign_in: "Sign in",
    sign_in_to_go_on: |who| format!("Sign in to go on to {who}."),
    sign_in_as_known: |who| {
        format!("{who} asks for the account that it knows you by. Sign in with that one.")
    },
    username_or_email: "User name or e-mail",

    create_account: "Create an account",
    create_to_go_on: |who| format!("Create an account to go on to {who}."),
    create_the_account: "Create the account",
    have_an_account: "I have an account",
    password_hint: "8 characters or more, of any kind. A few words that only you put together are good.",
    username: "User name",

    choose_account: "Choose an account",
    choose_to_go_on: |who| format!("Choose an account to go on to {who}."),

    allow: "Allow",
    allow_it: |who| format!("Allow {who}?"),
    asks_for_access: |who| format!("{who} asks for access to your account."),
    dont_allow: "Don’t allow",
    lasts_for_the_session: "Its access ends when you sign out here.",
    lasts_offline: "It keeps this access after you sign out: 180 days at most, and 30 days without being used.",
    would_be_able_to: "It would be able to:",
    want,

    confirm: "Confirm that it is you",
    why,

    code_hint: |provider| format!("Open your authenticator app and type the code for {provider}."),
    code_label: "6-digit code",
    code_shape: "six digits",
    enter_code: "Enter your code",

    notice,
    bad_password,

    going_on: "Going on",
    going_on_by_itself: "You are on your way back to the application. If nothing happens, press the button.",

    home: "Home",
    home_nobody: "Nobody is signed in in this browser. Open an application and sign in from there.",
    home_why: "This service signs people in to applications, and asks them again when it matters.",
    welcome: "Welcome",

    sign_out_really: "Sign out?",
    signed_out: "You are signed out",
    signed_out_title: "Signed out",
    signed_out_why: "Nobody is signed in here in this browser. \
                     Applications that you used may still know you; sign out there too.",
    stay_signed_in: "Stay signed in",

    title_method: "This does not work here",
    title_not_found: "There is nothing here",
    title_refused: "This can't go on",
    title_too_many: "Too many requests",
    title_unavailable: "Something is out of order",
    braked: |wait| format!("Too many tries failed. Wait {wait}, go back, and try again."),
    forged_browser: "This form was not made for this browser. Open the page again.",
    forged_sign_in: "This form was not made for this sign-in. Go back to your application and start again.",
    gone: "This sign-in is over, has expired, or belongs to another browser. \
           Go back to your application and start again.",
    method_not_allowed: "This address can't be used that way. Go back to your application.",
    not_found: "This address does not exist. Go back to your application.",
    too_many_open: "Too many sign-ins are open from your network. Finish one of them, or wait ten minutes.",
    unavailable: "This service can't answer at the moment. Please try again in a few seconds.",
    request: "request",
};

fn why(Why { who, what, when }: &Why) -> String {
    let (what, used) = match what {
        Method::Pwd => ("your password", "entered"),
        Method::Otp => ("a code from your authenticator app", "entered"),
        Method::Webauthn => ("your passkey", "used"),
        Method::Recovery => ("a recovery code", "entered"),
    };
    match when {
        When::Anew => format!("{who} asks you to prove anew that it is you, with {what}."),
        When::Within { most, age: None } => format!("{who} asks for {what} {used} in the last {most}."),
        When::Within { most, age: Some(age) } => {
            format!("{who} asks for {what} {used} in the last {most}; yours was {used} {age} ago.")
        }
        When::Again { age } => format!("{who} asks for {what} again; yours was {used} {age} ago."),
        When::AsWell => format!("{who} asks for {what} as well, to be sure that it is you."),
    }
}

fn want(scope: &AskedScope) -> String {
    match (&scope.at, scope.name.as_str()) {
        (Some(at), "") => format!("use {} in your name", at.name),
        (Some(at), name) => format!("use {} in your name: “{name}”", at.name),
        (None, "openid") => "know that it is you, when you come back too".into(),
        (None, "profile") => "see your profile: name, picture, birthday, language and the like".into(),
        (None, "email") => "see your e-mail address".into(),
        (None, "address") => "see your postal address".into(),
        (None, "phone") => "see your telephone number".into(),
        (None, "groups") => "see the groups that you belong to".into(),
        (None, OFFLINE) => "keep this access when you are not signed in".into(),
        (None, "") => "get access in your name".into(),
        (None, other) => format!("“{other}”"),
    }
}

fn notice(notice: Notice, known: bool) -> &'static str {
    match notice {
        Notice::WrongPassword if known => "That password did not match. Try again.",
        Notice::WrongPassword => "That did not match. Check the user name and the password and try again.",
        Notice::WrongCode => {
            "That code is not valid now. Codes change every 30 seconds and work once; enter the one shown now."
        }
        Notice::NameTaken => "That user name is taken. Choose another one.",
        Notice::BadName => {
            "A user name has letters a-z, digits and marks such as . _ -, without spaces and without @."
        }
        Notice::BadPassword(why) => bad_password(why),
    }
}

fn bad_password(why: BadPassword) -> &'static str {
    match why {
        BadPassword::Short => "The password is shorter than 8 characters; choose a longer one.",
        BadPassword::Long => "The password is longer than 1024 bytes; choose a shorter one.",
        BadPassword::Common => {
            "That password is one of the first that everybody guesses; choose another one."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Seconds;

    #[test]
    fn the_sentence_says_who_asks_for_what_and_why() {
        let (most, age) = (Seconds::minutes(5), Seconds::minutes(42));
        for (what, when, said) in [
            (
                Method::Pwd,
                When::Within { most, age: Some(age) },
                "Acme Shop asks for your password entered in the last 5 minutes; yours was entered 42 minutes ago.",
            ),
            (
                Method::Otp,
                When::Within { most, age: None },
                "Acme Shop asks for a code from your authenticator app entered in the last 5 minutes.",
            ),
            (
                Method::Pwd,
                When::Again { age },
                "Acme Shop asks for your password again; yours was entered 42 minutes ago.",
            ),
            (
                Method::Otp,
                When::AsWell,
                "Acme Shop asks for a code from your authenticator app as well, to be sure that it is you.",
            ),
            (Method::Pwd, When::Anew, "Acme Shop asks you to prove anew that it is you, with your password."),
        ] {
            assert_eq!(why(&Why { who: "Acme Shop", what, when }), said);
        }
    }
}
