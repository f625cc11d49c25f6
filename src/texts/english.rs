//! The English texts.

use super::Around;
use super::Texts;
use crate::account::passkeys::Changed;
use crate::assurance::ledger::Method;
use crate::assurance::plan::Step;
use crate::base::time::Time;
use crate::credential::password::BadPassword;
use crate::interaction::approval::AskedScope;
use crate::interaction::enrol::Enrolment;
use crate::interaction::progress::Notice;
use crate::interaction::sentence::When;
use crate::interaction::sentence::Why;
use crate::interaction::told::Told;
use crate::interaction::told::What;
use crate::protocol::language::Language;
use crate::protocol::standard_claims::OFFLINE;
use crate::store::credentials::Kind;

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
    forget_account: |name| format!("Remove from this list: {name}"),
    remove_from_list: "Remove from this list",
    sign_in_as: |name| format!("Sign in as {name}"),
    used_here_before: "Used in this browser before:",

    allow: "Allow",
    allow_it: |who| format!("Allow {who}?"),
    asks_for_access: |who| format!("{who} asks for access to your account."),
    dont_allow: "Don’t allow",
    lasts_for_the_session: "Its access ends when you sign out here.",
    lasts_offline: "It keeps this access after you sign out: 180 days at most, and 30 days without being used.",
    would_be_able_to: "It would be able to:",
    want,

    continue_as: |who, name| format!("Continue to {who} as {name}"),
    continue_why: "An app on this device asks who you are. Go on if you have just opened it yourself.",

    confirm: "Confirm that it is you",
    why,

    first_prove: |who| {
        format!(
            "{who} asks for a stronger way to sign in, which you don't have yet. First confirm that it is you."
        )
    },
    another_way,

    passkey: "Passkey",
    passkeys: "Passkeys",
    security_key: "Security key",
    passkey_failed: "That was cancelled or did not work. Try again, or choose another way.",
    passkey_taken_here: "This device has one for this account already.",
    passkey_working: "Follow the instructions of your browser or device.",
    passkeys_missing: "This browser can't use passkeys. Choose another way.",
    passkeys_need_script: "Passkeys need JavaScript, which is off in this browser. Choose another way.",
    or_with_password: "Or with your password:",
    sign_in_with_passkey: "Sign in with a passkey",
    use_passkey: "Use your passkey",
    use_security_key: "Use your security key",

    enter_recovery_code: "Enter a recovery code",
    recovery_code: "Recovery code",
    recovery_code_hint: "One of those that you kept, as ABCD-EFGH-JKMN-PQRS. Each works once.",

    look_into_mail: "Look into your mail",
    mail_again: "Send another code",
    mail_code: "Code from the mail",
    mail_code_hint: "Eight digits. It can take a minute to arrive.",
    mailed_why: |who| {
        format!("Before you set up something new for {who}, enter the code that was mailed to your address.")
    },
    mails_full: |wait| {
        format!(
            "Many codes were mailed to your address, so no more are sent for now. Come back in {wait}. \
             If it was not you who asked for them, change your password."
        )
    },

    add_passkey: "Add a passkey",
    add_security_key: "Add a security key",
    add_totp: "Set up an authenticator app",
    enrol_instead: |what| match what {
        Enrolment::Passkey | Enrolment::SecurityKey => "Add a passkey instead",
        Enrolment::Totp => "Use an authenticator app instead",
    },
    enrol_why: |who| format!("{who} asks for a stronger way to sign in. Set one up now; it takes a minute."),
    enrol_wished: "It is another way to show that it is you.",
    passkey_is: "A passkey is your fingerprint, face or PIN on this device, or in your password manager. \
                 There is nothing to remember, and nobody can trick it out of you.",
    security_key_is: "A small key that you plug in or hold to your phone. It is asked for beside your password.",
    qr_is: "QR code for the authenticator app",
    scan: "Open an authenticator app on your phone and scan this picture.",
    totp_completes: "Then type the code that the app shows.",
    type_secret: "Or type this into the app:",

    codes_kept: "I have kept them",
    codes_once: "They are shown only now. Each works once.",
    codes_why: "If you ever lose what you sign in with, these codes let you in. Print them or write them down.",
    keep_codes: "Keep these recovery codes",

    authenticator_app: "Authenticator app",
    change_password: "Change your password",
    added_on: |at| format!("Added on {}", day(at)),
    changed: |what| match what {
        Changed::Added => "It is added.",
        Changed::Renamed => "It has its new name.",
        Changed::Removed => "It is removed. What you signed in to with it asks you again.",
        Changed::LastWayIn => "That is the only way in to your account. Add another one first.",
        Changed::Gone => "That one is not there any more.",
        Changed::PasswordChanged => "Your password is changed. You are signed out everywhere else.",
        Changed::Replacing => {
            "The new one waits, and then takes the place of what you lost. A mail about it is on its way to you."
        }
        Changed::ReplacementCancelled => "Everything stays as it was.",
        Changed::TooManyTries => "Too many tries did not match, so nothing was changed. Please start again.",
    },
    codes_left: |left| match left {
        None => "You have no recovery codes.".into(),
        Some(1) => "You have 1 recovery code left. New ones replace it.".into(),
        Some(left) => format!("You have {left} recovery codes left. New ones replace them."),
    },
    codes_need_a_factor: "Recovery codes are for the day you lose a passkey, a security key or your authenticator app. Add one of them first.",
    failed_sign_ins: |told| {
        let attempts = match told.count {
            1 => "1 failed sign-in attempt".into(),
            count => format!("{count} failed sign-in attempts"),
        };
        let (day, time) = (day(told.last_at), told.last_at.date("%H:%M"));
        format!(
            "{attempts} since your last sign-in, the last one on {day} at {time} (UTC). \
             If that was not you, change your password."
        )
    },
    device_bound: "On one device only",
    kept_by: |who| format!("Kept by {who}"),
    lost_it: "I have lost it",
    make_codes: "Make recovery codes",
    no_passkeys: "You have none yet. With a passkey you sign in without a password.",
    nothing_to_prove_with: "There is nothing left that you could confirm this with. \
                            Ask those who run this service for help.",
    passkey_name: "Name",
    remove: "Remove",
    rename: "Rename",
    replacement: "A replacement is waiting",
    replacement_waits: |at| match at {
        None => "It begins to wait once the mail about it has reached you.".into(),
        Some(at) => {
            format!("On {} at {} (UTC) it takes the place of what you lost.", day(at), at.date("%H:%M"))
        }
    },
    security_key_fact: "Security key: works beside your password",
    synced: "Synced between devices",
    used_on: |at| match at {
        None => "Not used yet".into(),
        Some(at) => format!("Last used on {}", day(at)),
    },

    new_password: "New password",
    new_password_why: "You stay signed in here, and are signed out everywhere else.",

    cancel_it: "Cancel the replacement",
    cancel_replacement: "Cancel a replacement",
    cancel_replacement_why: "Somebody says that they have lost what they sign in with, and has set up another one. \
                             If that was not you, cancel it, then sign in and change your password.",
    nothing_to_cancel: "There is nothing to cancel: it was cancelled already, or has taken effect. \
                        If it was not you, ask those who run this service for help.",
    recovery_cancelled: "It is cancelled: everything stays as it was. Now sign in and change your password.",
    replace_why: |delay| {
        format!(
            "Set up another one. A mail tells you of it, and can cancel it. {delay} after that it takes the place of \
             what you lost."
        )
    },

    mail,

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
    forget_me: "Forget the accounts used here",
    sign_out_and_forget: "Sign out and forget me",

    title_method: "This does not work here",
    title_not_found: "There is nothing here",
    title_refused: "This can't go on",
    title_too_many: "Too many requests",
    title_unavailable: "Something is out of order",
    locked: "This way is locked, since too many tries failed. Go back and choose another way, \
             or ask those who run this service for help.",
    asked_again: |who, wait| {
        format!(
            "{who} has asked you to confirm that it is you again and again. Something is wrong there. \
             You can try again in {wait}."
        )
    },
    braked: |wait| format!("Too many tries failed. Wait {wait}, go back, and try again."),
    forged_browser: "This form was not made for this browser. Open the page again.",
    forged_sign_in: "This form was not made for this sign-in. Go back to your application and start again.",
    gone: "This sign-in is over, has expired, or belongs to another browser. \
           Go back to your application and start again.",
    method_not_allowed: "This address can't be used that way. Go back to your application.",
    not_found: "This address does not exist. Go back to your application.",
    not_in_a_window: "This opens only in a window of its own, not inside another page. \
                      Go back to the application, and open it in the whole window.",
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

fn another_way(step: &Step) -> &'static str {
    match step.method {
        Method::Webauthn if step.uv => "passkey",
        Method::Webauthn => "security key",
        Method::Pwd => "password",
        Method::Otp => "authenticator app",
        Method::Recovery => "recovery code",
    }
}

fn day(at: Time) -> String {
    at.date("%-d %B %Y")
}

fn mail(told: &Told) -> (String, String) {
    let Told { what, provider, username, address, at } = told;
    let (subject, sentence) = match what {
        What::Code(code) => {
            let sentence = format!(
                "Somebody who knows how to sign in as {username} is setting up another way to do so. If it is you, \
                 enter this code:\n\n    {code}\n\nIt is good for a few minutes. Give it to nobody else."
            );
            return (format!("{code} is your code for {provider}"), sentence);
        }
        What::Replacing { kind, delay, link } => {
            let (lost, earliest) = (named(*kind), at.plus(*delay));
            let sentence = format!(
                "Somebody who knows your password, and has one more of your proofs, says that you have lost {lost} of your \
                 account {username} at {provider}. Another one takes its place {delay} after this mail has reached you, and \
                 not before {} at {} (UTC).\n\nIf it was you, there is nothing to do. If it was not, cancel it \
                 now:\n\n    {link}\n\nand then change your password at {address}.",
                day(earliest),
                earliest.date("%H:%M")
            );
            return (format!("Did you lose {lost}? ({provider})"), sentence);
        }
        What::Replaced(Kind::Totp) => {
            ("Your authenticator app was replaced", "The authenticator app was replaced that belongs to")
        }
        What::Replaced(_) => ("Your passkey was replaced", "A passkey was replaced that belongs to"),
        What::ReplacementCancelled => {
            ("The replacement was cancelled", "The replacement of something lost was cancelled for")
        }
        What::Added(Kind::Passkey) => ("A passkey was added", "A passkey was added to"),
        What::Added(Kind::SecurityKey) => ("A security key was added", "A security key was added to"),
        What::Added(Kind::Totp) => ("An authenticator app was set up", "An authenticator app was set up for"),
        What::Added(Kind::Recovery) => ("Recovery codes were made", "New recovery codes were made for"),
        What::Added(Kind::Password) => ("Your password was changed", "A new password was set for"),
        What::Removed(Kind::Passkey | Kind::SecurityKey) => {
            ("A passkey was removed", "A passkey was removed from")
        }
        What::Removed(_) => ("A way to sign in was removed", "A second factor was removed from"),
        What::RecoveryUsed => ("A recovery code was used", "A recovery code was used to sign in to"),
        What::NewAddress => ("Your e-mail address was changed", "Another e-mail address was set for"),
        What::Copied => {
            ("A passkey may have been copied", "An old copy of a passkey was refused at a sign-in to")
        }
    };
    let text = format!(
        "{sentence} your account {username} at {provider}, on {} at {} (UTC).\n\nIf it was you, there is nothing \
         to do. If it was not, sign in at {address} now, remove what is not yours, and change your password.",
        day(*at),
        at.date("%H:%M")
    );
    (format!("{subject} ({provider})"), text)
}

fn named(kind: Kind) -> &'static str {
    match kind {
        Kind::Password => "the password",
        Kind::Totp => "the authenticator app",
        Kind::Passkey => "a passkey",
        Kind::SecurityKey => "a security key",
        Kind::Recovery => "the recovery codes",
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
        Notice::WrongRecoveryCode => {
            "That is not one of your recovery codes, or it was used. Each of them works once."
        }
        Notice::WrongPasskey => "That did not work. Try again, or choose another way.",
        Notice::LatePasskey => "That took too long. Try again.",
        Notice::UnknownPasskey => {
            "That passkey is not known here any more. Sign in another way, and remove it from your device."
        }
        Notice::PasskeyNotEnough => "That passkey is not enough here. Use another one of yours.",
        Notice::ReplacementWaits => "Another replacement is waiting already. Cancel that one first.",
        Notice::TooManyKeys => "You have as many passkeys as can be kept. Remove one of them first.",
        Notice::PasskeyTaken => "That passkey is in use already. Choose another device or password manager.",
        Notice::WrongSetupCode => {
            "That code does not fit. Scan the picture again, and enter the code that the app shows now."
        }
        Notice::WrongMailCode => "That is not the code that was mailed to you. Enter the newest one.",
        Notice::NameTaken => "That user name is taken. Choose another one.",
        Notice::BadName => {
            "A user name has letters a-z, digits and marks such as . _ -, without spaces and without @."
        }
        Notice::ReservedName => "That user name is for those who run this service. Choose another one.",
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
        BadPassword::Named => {
            "That password is little more than a name of yours or of this service; choose another one."
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
