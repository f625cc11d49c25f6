//! What a person reads on a page: every text once in each language, plain, without HTML. A text that a language lacks
//! does not compile. To add one: a field here, and its words in `english.rs` and `german.rs`.
//! What is for developers (`Fault`), for administrators (commands) and for the log is English and not here.

mod english;
mod german;

use crate::account::passkeys::Changed;
use crate::assurance::plan::Step;
use crate::base::time::Seconds;
use crate::base::time::Time;
use crate::credential::password::BadPassword;
use crate::interaction::approval::AskedScope;
use crate::interaction::enrol::Enrolment;
use crate::interaction::progress::Notice;
use crate::interaction::sentence::Why;
use crate::interaction::told::Told;
use crate::protocol::language::Language;
use crate::store::failed_sign_ins::FailedSignIns;

pub const fn of(language: Language) -> &'static Texts {
    match language {
        Language::English => &english::TEXTS,
        Language::German => &german::TEXTS,
    }
}

/// Where a sentence has arguments, it is a function: of who asks, unless something else is said.
pub struct Texts {
    pub language: Language,

    // What several pages say.
    pub account: &'static str,
    pub cancel: &'static str,
    pub proceed: &'static str,
    pub different_account: &'static str,
    pub help: &'static str,
    pub not_now: &'static str,
    pub password: &'static str,
    pub sign_out: &'static str,
    pub signed_in_here: &'static str,
    pub try_another_way: &'static str,
    /// Before the title of a page that says what was wrong.
    pub wrong: &'static str,
    /// Around the host where the browser goes in the end.
    pub goes_on: Around,

    // The sign-in page.
    pub sign_in: &'static str,
    pub sign_in_to_go_on: fn(&str) -> String,
    pub sign_in_as_known: fn(&str) -> String,
    pub username_or_email: &'static str,

    // An account is made.
    pub create_account: &'static str,
    pub create_to_go_on: fn(&str) -> String,
    pub create_the_account: &'static str,
    pub have_an_account: &'static str,
    pub password_hint: &'static str,
    pub username: &'static str,

    // One of several accounts is chosen.
    pub choose_account: &'static str,
    pub choose_to_go_on: fn(&str) -> String,
    pub forget_account: fn(&str) -> String,
    pub remove_from_list: &'static str,
    pub sign_in_as: fn(&str) -> String,
    pub used_here_before: &'static str,

    // An application is approved, or not.
    pub allow: &'static str,
    pub allow_it: fn(&str) -> String,
    pub asks_for_access: fn(&str) -> String,
    pub dont_allow: &'static str,
    pub lasts_for_the_session: &'static str,
    pub lasts_offline: &'static str,
    pub would_be_able_to: &'static str,
    /// Of a scope, after `would_be_able_to`.
    pub want: fn(&AskedScope) -> String,

    // An application on the device that was approved before: its name, and that of the account.
    pub continue_as: fn(&str, &str) -> String,
    pub continue_why: &'static str,

    // Somebody proves again, or one thing more.
    pub confirm: &'static str,
    pub why: fn(&Why) -> String,

    /// For somebody who is about to set something up.
    pub first_prove: fn(&str) -> String,
    /// The name of this way, after an offer of another one.
    pub another_way: fn(&Step) -> &'static str,

    // A passkey or a security key.
    pub passkey: &'static str,
    pub passkeys: &'static str,
    pub security_key: &'static str,
    pub passkey_failed: &'static str,
    pub passkey_taken_here: &'static str,
    pub passkey_working: &'static str,
    pub passkeys_missing: &'static str,
    pub passkeys_need_script: &'static str,
    pub or_with_password: &'static str,
    pub sign_in_with_passkey: &'static str,
    pub use_passkey: &'static str,
    pub use_security_key: &'static str,

    // A recovery code.
    pub enter_recovery_code: &'static str,
    pub recovery_code: &'static str,
    pub recovery_code_hint: &'static str,

    // A code by mail.
    pub look_into_mail: &'static str,
    pub mail_again: &'static str,
    pub mail_code: &'static str,
    pub mail_code_hint: &'static str,
    pub mailed_why: fn(&str) -> String,
    pub mails_full: fn(Seconds) -> String,

    // Something is set up, because it is asked for or wished.
    pub add_passkey: &'static str,
    pub add_security_key: &'static str,
    pub add_totp: &'static str,
    pub enrol_instead: fn(Enrolment) -> &'static str,
    pub enrol_why: fn(&str) -> String,
    pub enrol_wished: &'static str,
    pub passkey_is: &'static str,
    pub security_key_is: &'static str,
    pub qr_is: &'static str,
    pub scan: &'static str,
    pub totp_completes: &'static str,
    pub type_secret: &'static str,

    // Recovery codes are made.
    pub codes_kept: &'static str,
    pub codes_once: &'static str,
    pub codes_why: &'static str,
    pub keep_codes: &'static str,

    // The passkeys of an account.
    pub added_on: fn(Time) -> String,
    pub authenticator_app: &'static str,
    pub change_password: &'static str,
    pub changed: fn(Changed) -> &'static str,
    pub codes_left: fn(Option<i64>) -> String,
    pub codes_need_a_factor: &'static str,
    pub failed_sign_ins: fn(FailedSignIns) -> String,
    pub device_bound: &'static str,
    pub kept_by: fn(String) -> String,
    pub lost_it: &'static str,
    pub make_codes: &'static str,
    pub no_passkeys: &'static str,
    pub nothing_to_prove_with: &'static str,
    pub passkey_name: &'static str,
    pub remove: &'static str,
    pub rename: &'static str,
    pub replacement: &'static str,
    pub replacement_waits: fn(Option<Time>) -> String,
    pub security_key_fact: &'static str,
    pub synced: &'static str,
    pub used_on: fn(Option<Time>) -> String,

    // Another password.
    pub new_password: &'static str,
    pub new_password_why: &'static str,

    // A lost factor is replaced, and the replacement cancelled.
    pub cancel_it: &'static str,
    pub cancel_replacement: &'static str,
    pub cancel_replacement_why: &'static str,
    pub nothing_to_cancel: &'static str,
    pub recovery_cancelled: &'static str,
    pub replace_why: fn(Seconds) -> String,

    // What is mailed: a subject and a text.
    pub mail: fn(&Told) -> (String, String),

    // A code from an authenticator app.
    pub code_hint: fn(&str) -> String,
    pub code_label: &'static str,
    pub code_shape: &'static str,
    pub enter_code: &'static str,

    // What the last step came to, for a page that knows its person, or for one that asks for the name too.
    pub notice: fn(Notice, bool) -> &'static str,
    pub bad_password: fn(BadPassword) -> &'static str,

    // On the way back.
    pub going_on: &'static str,
    pub going_on_by_itself: &'static str,

    // The home page.
    pub home: &'static str,
    pub home_nobody: &'static str,
    pub home_why: &'static str,
    pub welcome: &'static str,

    // Sign-out.
    pub sign_out_really: &'static str,
    pub signed_out: &'static str,
    pub signed_out_title: &'static str,
    pub signed_out_why: &'static str,
    pub stay_signed_in: &'static str,
    pub forget_me: &'static str,
    pub sign_out_and_forget: &'static str,

    // The error page: its titles, its sentences, and what stands before the request's id.
    pub title_method: &'static str,
    pub title_not_found: &'static str,
    pub title_refused: &'static str,
    pub title_too_many: &'static str,
    pub title_unavailable: &'static str,
    pub asked_again: fn(&str, Seconds) -> String,
    pub braked: fn(Seconds) -> String,
    pub locked: &'static str,
    pub forged_browser: &'static str,
    pub forged_sign_in: &'static str,
    pub gone: &'static str,
    pub method_not_allowed: &'static str,
    pub not_found: &'static str,
    /// Something else than a person's own window asked for a page.
    pub not_in_a_window: &'static str,
    pub too_many_open: &'static str,
    pub unavailable: &'static str,
    pub request: &'static str,
}

/// What stands before and after something that the page emphasises.
pub struct Around {
    pub before: &'static str,
    pub after: &'static str,
}
