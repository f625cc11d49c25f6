//! The one sentence of a page, before it is said in any language: who asks for what, and why now.

use super::Asker;
use crate::assurance::ledger::Event;
use crate::assurance::ledger::Method;
use crate::assurance::need::Need;
use crate::base::time::Seconds;
use crate::base::time::Time;

/// Why someone has to prove again, or one thing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Why<'a> {
    pub who: &'a str,
    pub what: Method,
    pub when: When,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Whatever was shown before.
    Anew,
    /// In the last `most`; the one there is, if there is one, is as old as `age`.
    Within { most: Seconds, age: Option<Seconds> },
    /// One is there, and does not do.
    Again { age: Seconds },
    /// Beside what was shown.
    AsWell,
}

pub fn why<'a>(asker: &'a Asker, need: &Need, what: Method, events: &[Event], now: Time) -> Why<'a> {
    let come = events.iter().filter(|event| event.method == what && event.at.has_come(now));
    let last = come.map(|event| event.at).max();
    let age = last.map(|last| now.seconds_since(last));
    let when = match (need.max_age, age) {
        _ if need.anew || need.max_age == Some(Seconds(0)) => When::Anew,
        (Some(most), age) => When::Within { most, age },
        (None, Some(age)) => When::Again { age },
        (None, None) => When::AsWell,
    };
    Why { who: &asker.name, what, when }
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
    fn the_sentence_knows_who_asks_for_what_and_why_now() {
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
        let (most, age) = (Seconds::minutes(5), Seconds::minutes(42));
        for (max_age, anew, what, when) in [
            (Some(300), false, Method::Pwd, When::Within { most, age: Some(age) }),
            (Some(300), false, Method::Otp, When::Within { most, age: None }),
            (None, false, Method::Pwd, When::Again { age }),
            (None, false, Method::Otp, When::AsWell),
            (None, true, Method::Pwd, When::Anew),
            (Some(0), false, Method::Pwd, When::Anew),
        ] {
            let said = why(&asker, &need(max_age, anew), what, std::slice::from_ref(&event), NOW);
            assert_eq!(said, Why { who: "Acme Shop", what, when });
        }
    }
}
