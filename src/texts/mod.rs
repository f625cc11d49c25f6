//! What a person reads on a page: every text once in each language, plain, without HTML. A text that a language lacks
//! does not compile. To add one: a field here, and its words in `english.rs` and `german.rs`.
//! What is for developers (`Fault`), for administrators (commands) and for the log is English and not here.

mod english;
mod german;

use crate::base::time::Seconds;
use crate::credential::password::BadPassword;
use crate::interaction::approval::AskedScope;
use crate::interaction::progress::Notice;
use crate::interaction::sentence::Why;
use crate::protocol::language::Language;

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

    // Somebody proves again, or one thing more.
    pub confirm: &'static str,
    pub why: fn(&Why) -> String,

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

    // The error page: its titles, its sentences, and what stands before the request's id.
    pub title_method: &'static str,
    pub title_not_found: &'static str,
    pub title_refused: &'static str,
    pub title_too_many: &'static str,
    pub title_unavailable: &'static str,
    pub braked: fn(Seconds) -> String,
    pub forged_browser: &'static str,
    pub forged_sign_in: &'static str,
    pub gone: &'static str,
    pub method_not_allowed: &'static str,
    pub not_found: &'static str,
    pub too_many_open: &'static str,
    pub unavailable: &'static str,
    pub request: &'static str,
}

/// What stands before and after something that the page emphasises.
pub struct Around {
    pub before: &'static str,
    pub after: &'static str,
}
