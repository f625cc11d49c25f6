//! What a resource requires of the authentication behind a token, and whether a token shows it (RFC 9470 §4).
//! The token must have been verified before: signature, `typ` `at+jwt`, `iss`, `aud`, `exp` (RFC 9068 §4).

use crate::challenge::Challenge;
use serde::Deserialize;

/// Both must hold; a member that is empty or absent asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    /// Classes, any of which will do, compared by exact string.
    pub acr: Vec<String>,
    /// The oldest that the authentication may be, in seconds.
    pub max_age: Option<u32>,
}

/// What a token states of its user's authentication.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Shown {
    #[serde(default)]
    pub acr: Option<String>,
    /// Seconds since 1970-01-01T00:00:00Z.
    #[serde(default)]
    pub auth_time: Option<i64>,
}

/// Clocks of two machines may differ by this much before a moment counts as one that has not come yet. Seconds.
const SKEW: i64 = 60;

impl Requirement {
    /// Meets the requirement, or says what to answer with `401`. `now` is in seconds since 1970, UTC.
    pub fn evaluate(&self, shown: &Shown, now: i64) -> Result<(), Challenge> {
        let class = self.acr.is_empty() || shown.acr.as_ref().is_some_and(|acr| self.acr.contains(acr));
        let recent =
            self.max_age.is_none_or(|most| shown.auth_time.is_some_and(|at| is_recent(at, most, now)));
        if class && recent {
            return Ok(());
        }
        let description = match class {
            false => "A different authentication level is required",
            true => "More recent authentication is required",
        };
        Err(Challenge {
            description: Some(description.into()),
            acr_values: self.acr.clone(),
            max_age: self.max_age,
            scope: None,
        })
    }
}

/// Whole seconds, no leeway. An authentication of the future is none.
fn is_recent(auth_time: i64, most: u32, now: i64) -> bool {
    let age = now.saturating_sub(auth_time);
    age >= -SKEW && age <= i64::from(most)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    #[test]
    fn class_and_age_must_both_hold() {
        let requirement = Requirement { acr: vec!["mfa".into(), "phr".into()], max_age: Some(300) };
        let holds = |acr: Option<&str>, age: Option<i64>| {
            let shown = Shown { acr: acr.map(str::to_owned), auth_time: age.map(|age| NOW - age) };
            requirement.evaluate(&shown, NOW).is_ok()
        };
        assert!(
            holds(Some("mfa"), Some(300)) && holds(Some("phr"), Some(0)) && holds(Some("mfa"), Some(-60))
        );
        for (acr, age) in [
            (Some("mfa"), Some(301)),
            (Some("MFA"), Some(0)),
            (Some("mfa "), Some(0)),
            (None, Some(0)),
            (Some("mfa"), None),
            (Some("mfa"), Some(-61)),
        ] {
            assert!(!holds(acr, age), "{acr:?} {age:?}");
        }
        let far = Shown { acr: Some("mfa".into()), auth_time: Some(i64::MIN) };
        assert!(requirement.evaluate(&far, i64::MAX).is_err());
    }

    #[test]
    fn the_challenge_says_what_is_required() {
        let requirement = Requirement { acr: vec!["mfa".into()], max_age: Some(0) };
        let shown: Shown = serde_json::from_str(r#"{"acr":"mfa","auth_time":1,"sub":"x"}"#).unwrap();
        let challenge = requirement.evaluate(&shown, NOW).unwrap_err();
        assert_eq!((challenge.acr_values, challenge.max_age), (vec!["mfa".to_owned()], Some(0)));
        assert_eq!(Requirement::default().evaluate(&Shown::default(), NOW), Ok(()));
    }
}
