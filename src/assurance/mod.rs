//! The heart: from what was shown, by whom and when, to the one true statement that a token may make.
//! Pure and total; the only place where `acr`, `amr` and `auth_time` come from (OIDC Core §2, RFC 9470 §5).

#![deny(clippy::wildcard_enum_match_arm)]

pub mod aal;
pub mod factors;
pub mod guard;
pub mod ledger;
pub mod need;
pub mod plan;
pub mod policy;

mod judge;

use crate::base::id::UserId;
use crate::base::time::Time;
use factors::Account;
use judge::Judge;
use ledger::Assurance;
use ledger::Event;
use need::Need;
use need::Requested;
use plan::Menu;
use policy::Policy;

/// What a request gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// State this.
    Satisfied(Assurance),
    /// Ask the person for one of these.
    Challenge(Menu),
    /// Nothing the account has would do; one of these, set up now, would.
    Enrol(Menu),
    Refuse(Reason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Only classes were asked for that this server does not know.
    UnknownClass,
    /// Somebody would have to act, and the request forbids a page.
    LoginRequired,
    /// A factor would have to be set up, and the request forbids a page.
    WouldEnrol,
    /// Nobody can show this.
    Unmet,
}

/// Whose events these are: those of the session that stand, and the proofs that rest in the interaction.
#[derive(Clone, Copy, Debug)]
pub struct SessionView<'a> {
    pub user: &'a UserId,
    pub events: &'a [Event],
}

/// Decides what `need` gets from what was shown so far.
pub fn decide(
    need: &Need,
    session: Option<&SessionView>,
    account: Option<&Account>,
    policy: &Policy,
    now: Time,
) -> Decision {
    let judge = Judge { need, policy, now };
    if judge.only_unknown_classes() {
        return Decision::Refuse(Reason::UnknownClass);
    }
    let Some((events, account)) = known_person(need, session, account) else {
        return match need.silent {
            true => Decision::Refuse(Reason::LoginRequired),
            false => Decision::Challenge(Menu::first_proof(judge.leading_class(), judge.a_passkey_helps())),
        };
    };
    if let Some(assurance) = judge.statement(events, account) {
        return Decision::Satisfied(assurance);
    }
    let preferred = matches!(need.requested, Requested::Preferred(_));
    let without_preference = || decide(&need.without_preference(), session, Some(account), policy, now);
    if need.silent && preferred {
        return without_preference();
    }
    if let Some(menu) = judge.challenge(events, account) {
        return if need.silent { Decision::Refuse(Reason::LoginRequired) } else { Decision::Challenge(menu) };
    }
    if preferred {
        return without_preference();
    }
    match judge.enrolment(events, account) {
        Some(_) if need.silent => Decision::Refuse(Reason::WouldEnrol),
        Some(menu) => Decision::Enrol(menu),
        None => Decision::Refuse(Reason::Unmet),
    }
}

/// Before the first proof nobody is known, and every account looks the same.
fn known_person<'a>(
    need: &Need,
    session: Option<&SessionView<'a>>,
    account: Option<&'a Account>,
) -> Option<(&'a [Event], &'a Account)> {
    let (session, account) = (session?, account?);
    let named = need.subject.as_ref().is_none_or(|subject| subject == session.user);
    (named && *session.user == account.user && !session.events.is_empty())
        .then_some((session.events, account))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::CredentialId;
    use crate::base::id::EventId;
    use crate::base::id::InteractionId;
    use crate::base::time::Seconds;
    use factors::Factor;
    use factors::SecondFactor;
    use ledger::Method;
    use plan::Step;

    const NOW: Time = Time::from_unix_seconds(1_000_000);

    /// What was shown, how many seconds ago; a passkey verifies its user, a security key does not.
    fn ledger(shown: &[(&str, u32)]) -> Vec<Event> {
        let event = |(n, (kind, ago)): (usize, &(&str, u32))| Event {
            id: EventId::from_text(n.to_string()),
            method: method(kind),
            at: NOW.minus(Seconds(*ago)),
            interaction: InteractionId::from_text("earlier"),
            credential: CredentialId::from_text(*kind),
            uv: *kind == "passkey",
            device_bound: false,
            attested: false,
            factor_enrolled_at: NOW.minus(Seconds::days(30)),
        };
        shown.iter().enumerate().map(event).collect()
    }

    fn method(kind: &str) -> Method {
        if matches!(kind, "passkey" | "key") { Method::Webauthn } else { Method::parse(kind).unwrap() }
    }

    fn account(kinds: &[&str], second_factor: SecondFactor) -> Account {
        let factor = |kind: &&str| Factor {
            credential: CredentialId::from_text(*kind),
            method: method(kind),
            uv: *kind == "passkey",
            device_bound: false,
            attested: false,
            enrolled_at: NOW.minus(Seconds::days(30)),
        };
        let factors = kinds.iter().map(factor).collect();
        Account { user: UserId::from_text("ada"), factors, second_factor }
    }

    fn need(acr: Option<&str>, max_age: Option<u32>) -> Need {
        let requested = acr.map_or(Requested::Any, |acr| Requested::Required(vec![acr.into()]));
        let max_age = max_age.map(Seconds);
        Need {
            requested,
            floors: vec![],
            max_age,
            anew: false,
            silent: false,
            subject: None,
            interaction: None,
        }
    }

    fn decided(need: &Need, shown: &[(&str, u32)], account: &Account) -> Decision {
        let events = ledger(shown);
        let view = SessionView { user: &account.user, events: &events };
        decide(need, Some(&view), Some(account), &Policy::default(), NOW)
    }

    /// `acr | amr | seconds since auth_time`, or the first methods of the challenge, or the refusal.
    fn said(need: &Need, shown: &[(&str, u32)], account: &Account) -> String {
        match decided(need, shown, account) {
            Decision::Satisfied(a) => {
                format!("{} | {} | {}", a.acr, a.amr.join(" "), NOW.seconds_since(a.auth_time).0)
            }
            Decision::Challenge(menu) => {
                let steps = menu.next_steps();
                let mut methods = steps.into_iter().map(|step| step.method.as_str()).collect::<Vec<_>>();
                methods.dedup();
                format!("ask {}", methods.join(" or "))
            }
            Decision::Enrol(menu) => format!("enrol {}", menu.ways.len()),
            Decision::Refuse(reason) => format!("{reason:?}"),
        }
    }

    #[test]
    fn what_was_shown_is_stated_and_nothing_more() {
        let ada = account(&["pwd", "otp", "passkey", "key", "recovery"], SecondFactor::StepUp);
        let mfa = "urn:stepgate:acr:mfa";
        for (acr, max_age, shown, expected) in [
            (None, None, &[("pwd", 100)][..], "urn:stepgate:acr:pwd | pwd | 100"),
            (Some("urn:stepgate:acr:1fa"), None, &[("pwd", 100)], "urn:stepgate:acr:1fa | pwd | 100"),
            (None, None, &[("pwd", 100), ("otp", 40)], "urn:stepgate:acr:mfa | pwd otp mfa | 40"),
            (
                Some("urn:stepgate:acr:pwd"),
                None,
                &[("pwd", 100), ("otp", 40)],
                "urn:stepgate:acr:pwd | pwd | 100",
            ),
            (None, None, &[("passkey", 7)], "phr | webauthn pop user mfa | 7"),
            (Some(mfa), None, &[("passkey", 7)], "urn:stepgate:acr:mfa | webauthn pop user mfa | 7"),
            (None, None, &[("pwd", 100), ("key", 9)], "phr | pwd webauthn pop mfa | 9"),
            (None, None, &[("pwd", 100), ("recovery", 9)], "urn:stepgate:acr:mfa | pwd otp mfa | 9"),
            // A held password stands for twelve hours; the code must be as fresh as was asked.
            (
                Some(mfa),
                Some(300),
                &[("pwd", 43_200), ("otp", 300)],
                "urn:stepgate:acr:mfa | pwd otp mfa | 300",
            ),
            (Some(mfa), Some(300), &[("pwd", 100), ("otp", 301)], "ask webauthn or otp or recovery"),
            (Some(mfa), Some(300), &[("pwd", 43_201), ("otp", 10)], "ask webauthn or pwd"),
            (None, Some(60), &[("pwd", 61)], "ask webauthn or pwd or otp or recovery"),
            // A new password never renews an old code.
            (Some(mfa), Some(60), &[("otp", 61), ("pwd", 0)], "ask webauthn or otp or recovery"),
        ] {
            assert_eq!(said(&need(acr, max_age), shown, &ada), expected, "{acr:?} {max_age:?} {shown:?}");
        }
    }

    #[test]
    fn a_mandatory_totp_is_a_floor_and_a_passkey_is_none() {
        let pwd = &[("pwd", 5)][..];
        assert_eq!(said(&need(None, None), pwd, &account(&["pwd", "otp"], SecondFactor::SignIn)), "ask otp");
        let acr = "urn:stepgate:acr:pwd | pwd | 5";
        assert_eq!(said(&need(None, None), pwd, &account(&["pwd", "otp"], SecondFactor::StepUp)), acr);
        assert_eq!(said(&need(None, None), pwd, &account(&["pwd", "passkey"], SecondFactor::SignIn)), acr);
    }

    #[test]
    fn who_lacks_the_factor_may_enrol_and_who_can_never_reach_it_is_refused() {
        let bob = account(&["pwd"], SecondFactor::SignIn);
        assert_eq!(said(&need(Some("urn:stepgate:acr:mfa"), None), &[("pwd", 5)], &bob), "enrol 2");
        assert_eq!(said(&need(Some("phr"), None), &[("pwd", 5)], &bob), "enrol 1");
        assert_eq!(said(&need(Some("gold"), None), &[("pwd", 5)], &bob), "UnknownClass");
        let silent = Need { silent: true, ..need(Some("phr"), None) };
        assert_eq!(said(&silent, &[("pwd", 5)], &bob), "WouldEnrol");
        assert_eq!(said(&silent, &[], &bob), "LoginRequired");
        let preferred = Need { requested: Requested::Preferred(vec!["phr".into()]), ..need(None, None) };
        assert_eq!(said(&preferred, &[("pwd", 5)], &bob), "urn:stepgate:acr:pwd | pwd | 5");
    }

    #[test]
    fn a_wish_for_classes_that_nobody_knows_is_no_wish() {
        let wish = |names: &[&str], silent| Need {
            requested: Requested::Preferred(names.iter().map(|name| (*name).to_owned()).collect()),
            silent,
            ..need(None, None)
        };
        let (ada, bob) = (
            account(&["pwd", "otp", "passkey"], SecondFactor::StepUp),
            account(&["pwd"], SecondFactor::SignIn),
        );
        let pwd = "urn:stepgate:acr:pwd | pwd | 5";
        for silent in [false, true] {
            for names in [&["gold"][..], &["gold", "silver"], &[]] {
                assert_eq!(
                    said(&wish(names, silent), &[("passkey", 7)], &ada),
                    "phr | webauthn pop user mfa | 7"
                );
                assert_eq!(said(&wish(names, silent), &[("pwd", 5)], &bob), pwd);
            }
            // Beside one that is known it is left out, and out of reach even that one is.
            let both = wish(&["gold", "urn:stepgate:acr:1fa"], silent);
            assert_eq!(said(&both, &[("pwd", 5)], &bob), "urn:stepgate:acr:1fa | pwd | 5");
            assert_eq!(said(&wish(&["gold", "phr"], silent), &[("pwd", 5)], &bob), pwd);
        }
    }

    #[test]
    fn before_the_first_proof_every_account_looks_the_same() {
        let bare = account(&[], SecondFactor::SignIn);
        let full = account(&["pwd", "otp", "passkey"], SecondFactor::SignIn);
        let asked = decided(&need(Some("phr"), None), &[], &bare);
        assert_eq!(asked, decided(&need(Some("phr"), None), &[], &full));
        assert_eq!(asked, decide(&need(Some("phr"), None), None, None, &Policy::default(), NOW));
        let step = |method, uv| vec![Step::of_anybody(method, uv)];
        let ways = vec![step(Method::Webauthn, true), step(Method::Pwd, false)];
        assert_eq!(asked, Decision::Challenge(Menu { class: "phr".into(), ways }));
        // A passkey is not offered where it can't help, whoever asks.
        let only = vec![step(Method::Pwd, false)];
        let pwd = decide(&need(Some("urn:stepgate:acr:pwd"), None), None, None, &Policy::default(), NOW);
        assert_eq!(pwd, Decision::Challenge(Menu { class: "urn:stepgate:acr:pwd".into(), ways: only }));
    }

    #[test]
    fn max_age_zero_and_prompt_login_want_every_proof_anew() {
        let ada = account(&["pwd", "otp"], SecondFactor::StepUp);
        let anew = Need { anew: true, ..need(Some("urn:stepgate:acr:mfa"), None) };
        assert_eq!(said(&anew, &[("pwd", 0), ("otp", 0)], &ada), "ask pwd");
        let here = Need { interaction: Some(InteractionId::from_text("earlier")), ..anew };
        assert_eq!(said(&here, &[("pwd", 9), ("otp", 4)], &ada), "urn:stepgate:acr:mfa | pwd otp mfa | 4");
    }
}
