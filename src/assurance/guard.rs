//! What a change of an account's factors demands. It rests on the factors that the account has, and never on the order, the number or
//! the names of the acr classes (attack: a class that is appended to the policy, and that a password alone reaches, opens the door to a
//! stronger factor). NIST SP 800-63B §6.1.2.1: a factor is bound to an account with the strongest that is there.

use super::Decision;
use super::SessionView;
use super::decide;
use super::factors::Account;
use super::factors::Factor;
use super::ledger::Method;
use super::need::Need;
use super::policy::Policy;
use super::policy::Proof;
use super::policy::Within;
use crate::base::id::InteractionId;
use crate::base::time::Seconds;
use crate::base::time::Time;

/// What an account can prove at best, the weakest first. A recovery code has no rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    Password,
    OtpWithPassword,
    WebauthnWithPassword,
    Passkey,
    DeviceBoundPasskey,
    AttestedPasskey,
}

/// When it has to be proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fresh {
    /// No longer ago than this; a password that is proved together with another factor may be older, as in an acr class.
    Within(Seconds),
    /// Every proof in this interaction.
    Here,
}

/// What has to be proved before something is done to the factors of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    need: Need,
    policy: Policy,
}

/// How old a password may be that is proved together with another factor.
const HELD: Seconds = Seconds::hours(12);

impl Rank {
    const ALL: [Self; 6] = [
        Self::Password,
        Self::OtpWithPassword,
        Self::WebauthnWithPassword,
        Self::Passkey,
        Self::DeviceBoundPasskey,
        Self::AttestedPasskey,
    ];

    /// The highest rank that the account can prove; `None` if it can prove none.
    pub fn of(account: &Account) -> Option<Self> {
        let shows = |proof: &Proof| account.factors.iter().any(|factor| is_shown_by(proof, factor));
        Self::ALL.into_iter().rev().find(|rank| rank.combination().iter().all(shows))
    }

    /// The proofs that make this rank.
    fn combination(self) -> Vec<Proof> {
        let passkey = Proof { uv: true, ..proof(Method::Webauthn) };
        let with_password =
            |method| vec![proof(method), Proof { within: Some(Within::Span(HELD)), ..proof(Method::Pwd) }];
        match self {
            Self::Password => vec![proof(Method::Pwd)],
            Self::OtpWithPassword => with_password(Method::Otp),
            Self::WebauthnWithPassword => with_password(Method::Webauthn),
            Self::Passkey => vec![passkey],
            Self::DeviceBoundPasskey => vec![Proof { device_bound: true, ..passkey }],
            Self::AttestedPasskey => vec![Proof { attested: true, ..passkey }],
        }
    }
}

impl Guard {
    /// A proof of the account's highest rank, or of a higher one; `None` for an account that can prove none.
    pub fn of_highest(account: &Account, fresh: Fresh, interaction: Option<InteractionId>) -> Option<Self> {
        let highest = Rank::of(account)?;
        let combinations = Rank::ALL.into_iter().filter(|rank| *rank >= highest).map(Rank::combination);
        let (max_age, anew) = match fresh {
            Fresh::Within(span) => (Some(span), false),
            Fresh::Here => (None, true),
        };
        Some(Self::new(
            account,
            combinations.collect(),
            Need { max_age, anew, interaction, ..Need::default() },
        ))
    }

    /// What is left to somebody who has lost a factor: the password, with a recovery code or a code of an authenticator app, both in this
    /// interaction. `account` is without the lost factor. The code that was shown may have been the last one.
    pub fn of_replacement(account: &Account, interaction: Option<InteractionId>) -> Self {
        let beside_the_password = |method| vec![proof(Method::Pwd), proof(method)];
        let combinations = [Method::Recovery, Method::Otp].map(beside_the_password).to_vec();
        Self::new(account, combinations, Need { anew: true, interaction, ..Need::default() })
    }

    /// Whether an account without the lost factor could show that.
    pub fn is_replacement_possible(account: &Account) -> bool {
        account.has(Method::Pwd) && (account.has(Method::Recovery) || account.has(Method::Otp))
    }

    fn new(account: &Account, combinations: Vec<Vec<Proof>>, need: Need) -> Self {
        let need = Need { subject: Some(account.user.clone()), ..need };
        Self { need, policy: Policy::of_guard(combinations) }
    }

    /// Whether it is met, or what is still to be proved.
    pub fn decide(&self, session: Option<&SessionView>, account: &Account, now: Time) -> Decision {
        decide(&self.need, session, Some(account), &self.policy, now)
    }

    pub fn need(&self) -> &Need {
        &self.need
    }
}

const fn proof(method: Method) -> Proof {
    Proof { method, uv: false, device_bound: false, attested: false, aged: None, within: None }
}

fn is_shown_by(proof: &Proof, factor: &Factor) -> bool {
    proof.method == factor.method
        && (!proof.uv || factor.uv)
        && (!proof.device_bound || factor.device_bound)
        && (!proof.attested || factor.attested)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assurance::factors::SecondFactor;
    use crate::base::id::CredentialId;
    use crate::base::id::UserId;

    fn account(kinds: &[&str]) -> Account {
        let factor = |kind: &&str| Factor {
            credential: CredentialId::from_text(*kind),
            method: match *kind {
                "pwd" => Method::Pwd,
                "otp" => Method::Otp,
                "recovery" => Method::Recovery,
                _ => Method::Webauthn,
            },
            uv: kind.ends_with("passkey"),
            device_bound: kind.starts_with("bound"),
            attested: kind.starts_with("attested"),
            enrolled_at: Time::from_unix_seconds(0),
        };
        let factors = kinds.iter().map(factor).collect();
        Account { user: UserId::from_text("ada"), factors, second_factor: SecondFactor::StepUp }
    }

    #[test]
    fn the_rank_of_an_account_is_the_highest_that_its_factors_prove_and_recovery_codes_have_none() {
        for (kinds, rank) in [
            (&["pwd"][..], Some(Rank::Password)),
            (&["pwd", "recovery"], Some(Rank::Password)),
            (&["recovery"], None),
            (&["otp"], None),
            (&["key"], None),
            (&["otp", "key", "recovery"], None),
            (&[], None),
            (&["pwd", "otp"], Some(Rank::OtpWithPassword)),
            (&["pwd", "otp", "key"], Some(Rank::WebauthnWithPassword)),
            (&["pwd", "otp", "key", "passkey"], Some(Rank::Passkey)),
            (&["passkey"], Some(Rank::Passkey)),
            (&["passkey", "bound passkey"], Some(Rank::DeviceBoundPasskey)),
            (&["pwd", "bound passkey", "attested passkey", "passkey"], Some(Rank::AttestedPasskey)),
        ] {
            assert_eq!(Rank::of(&account(kinds)), rank, "{kinds:?}");
        }
    }

    #[test]
    fn a_lost_factor_is_replaced_with_the_password_and_one_thing_more() {
        for (kinds, is_possible) in [
            (&["pwd", "recovery"][..], true),
            (&["pwd", "otp"], true),
            (&["pwd", "passkey"], false),
            (&["pwd"], false),
            (&["otp", "recovery"], false),
            (&["passkey", "recovery"], false),
        ] {
            assert_eq!(Guard::is_replacement_possible(&account(kinds)), is_possible, "{kinds:?}");
        }
    }
}
