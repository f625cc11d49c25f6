//! The one sentence of a page: who asks for what, and why now.

use super::Asker;
use super::approval::Approval;
use super::approval::AskedScope;
use crate::assurance::ledger::Event;
use crate::assurance::ledger::Method;
use crate::assurance::need::Need;
use crate::base::time::Seconds;
use crate::base::time::Time;
use crate::protocol::standard_claims::OFFLINE;

/// For someone who has to prove again, or one thing more.
pub fn why(asker: &Asker, need: &Need, method: Method, events: &[Event], now: Time) -> String {
    let who = &asker.name;
    let what = noun(method);
    let last = events.iter().filter(|event| event.method == method).map(|event| event.at).max();
    if need.anew || need.max_age == Some(Seconds(0)) {
        return format!("{who} asks you to prove anew that it is you, with {what}.");
    }
    match (need.max_age, last) {
        (Some(most), Some(last)) => {
            let age = now.seconds_since(last);
            format!("{who} asks for {what} entered in the last {most}; yours was entered {age} ago.")
        }
        (Some(most), None) => format!("{who} asks for {what} entered in the last {most}."),
        (None, Some(last)) => {
            format!("{who} asks for {what} again; yours was entered {} ago.", now.seconds_since(last))
        }
        (None, None) => format!("{who} asks for {what} as well, to be sure that it is you."),
    }
}

fn noun(method: Method) -> &'static str {
    match method {
        Method::Pwd => "your password",
        Method::Otp => "a code from your authenticator app",
        Method::Webauthn => "your passkey",
        Method::Recovery => "a recovery code",
    }
}

/// What an application wants, in words.
pub fn wants(scopes: &[AskedScope]) -> Vec<String> {
    let words = scopes.iter().map(|scope| match (&scope.at, scope.name.as_str()) {
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
    });
    words.collect()
}

/// For how long.
pub fn lasts(approval: Option<&Approval>) -> &'static str {
    let offline = approval.is_some_and(|a| a.scopes.iter().any(|s| s.at.is_none() && s.name == OFFLINE));
    if offline {
        "It keeps this access after you sign out: 180 days at most, and 30 days without being used."
    } else {
        "Its access ends when you sign out here."
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assurance::need::Requested;
    use crate::base::id::CredentialId;
    use crate::base::id::EventId;
    use crate::base::id::InteractionId;

    const NOW: Time = Time::from_unix_seconds(1_800_000_000);

    #[test]
    fn the_sentence_says_who_asks_for_what_and_why() {
        let asker = Asker { name: "Acme Shop".into(), host: None, origin: String::new() };
        let need = |max_age: Option<u32>, anew| Need {
            requested: Requested::Any,
            floors: vec![],
            max_age: max_age.map(Seconds),
            anew,
            silent: false,
            subject: None,
            interaction: None,
        };
        let event = Event {
            id: EventId::from_text("e"),
            method: Method::Pwd,
            at: NOW.minus(Seconds::minutes(42)),
            interaction: InteractionId::from_text("i"),
            credential: CredentialId::from_text("c"),
            uv: false,
            device_bound: false,
            attested: false,
            factor_enrolled_at: NOW,
        };
        let said = |need: &Need, method| why(&asker, need, method, std::slice::from_ref(&event), NOW);
        assert_eq!(
            said(&need(Some(300), false), Method::Pwd),
            "Acme Shop asks for your password entered in the last 5 minutes; yours was entered 42 minutes ago."
        );
        assert_eq!(
            said(&need(Some(300), false), Method::Otp),
            "Acme Shop asks for a code from your authenticator app entered in the last 5 minutes."
        );
        assert_eq!(
            said(&need(None, false), Method::Otp),
            "Acme Shop asks for a code from your authenticator app as well, to be sure that it is you."
        );
        assert_eq!(
            said(&need(Some(0), true), Method::Pwd),
            "Acme Shop asks you to prove anew that it is you, with your password."
        );
    }
}
