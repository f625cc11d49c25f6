//! The step-up challenge (RFC 9470 §3): a `WWW-Authenticate` value of the scheme `Bearer`, printed and parsed.
//! Never decides anything; whoever receives one has to remember by itself that it has been there before.

use http_auth::ChallengeRef;
use http_auth::parse_challenges;
use std::fmt;

/// What the resource server wants shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// For the developer who reads it; printable ASCII.
    pub description: Option<String>,
    /// Classes, any of which will do, in order of preference.
    pub acr_values: Vec<String>,
    /// The oldest that the authentication may be, in seconds.
    pub max_age: Option<u32>,
    /// The scopes that the request needs beside (RFC 6750 §3).
    pub scope: Option<String>,
}

/// The value is no list of challenges, or says something twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

pub const ERROR: &str = "insufficient_user_authentication";

const LONGEST: usize = 8192;

impl Challenge {
    /// The step-up challenge among those of a `WWW-Authenticate` value; `None` when it holds another one.
    pub fn parse(value: &str) -> Result<Option<Self>, Malformed> {
        if value.len() > LONGEST {
            return Err(Malformed);
        }
        let challenges = parse_challenges(value).map_err(|_| Malformed)?;
        for challenge in challenges.iter().filter(|c| c.scheme.eq_ignore_ascii_case("bearer")) {
            if parameter(challenge, "error")?.as_deref() == Some(ERROR) {
                return Self::read(challenge).map(Some);
            }
        }
        Ok(None)
    }

    fn read(challenge: &ChallengeRef<'_>) -> Result<Self, Malformed> {
        let acr_values = parameter(challenge, "acr_values")?.unwrap_or_default();
        let max_age = match parameter(challenge, "max_age")? {
            None => None,
            Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => {
                Some(text.parse().map_err(|_| Malformed)?)
            }
            Some(_) => return Err(Malformed),
        };
        Ok(Self {
            description: parameter(challenge, "error_description")?,
            acr_values: acr_values.split(' ').filter(|v| !v.is_empty()).map(str::to_owned).collect(),
            max_age,
            scope: parameter(challenge, "scope")?,
        })
    }
}

/// RFC 9110 §11.2: a parameter occurs once.
fn parameter(challenge: &ChallengeRef<'_>, name: &str) -> Result<Option<String>, Malformed> {
    let mut values = challenge.params.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some((_, value)), None) => {
            // RFC 6750 §3: what could not have been printed is not read either.
            let value = value.to_unescaped();
            value.chars().all(is_printable).then_some(Some(value)).ok_or(Malformed)
        }
        (Some(_), Some(_)) => Err(Malformed),
    }
}

fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~')
}

/// The value of `WWW-Authenticate`.
impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bearer error=\"{ERROR}\"")?;
        if let Some(description) = &self.description {
            write!(f, ", error_description=\"{}\"", Quoted(description))?;
        }
        if !self.acr_values.is_empty() {
            write!(f, ", acr_values=\"{}\"", Quoted(&self.acr_values.join(" ")))?;
        }
        if let Some(max_age) = self.max_age {
            write!(f, ", max_age=\"{max_age}\"")?;
        }
        if let Some(scope) = &self.scope {
            write!(f, ", scope=\"{}\"", Quoted(scope))?;
        }
        Ok(())
    }
}

/// RFC 9110 §5.6.4. What can't stand in a header at all is left out: no value ends its line.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars().filter(|c| is_printable(*c)) {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_rfc_9470_is_read() {
        let value = "Bearer error=\"insufficient_user_authentication\",\n  \
                     error_description=\"A different authentication level is required\",\n  acr_values=\"myACR\"";
        let challenge = Challenge::parse(&value.replace('\n', "")).unwrap().unwrap();
        assert_eq!((challenge.acr_values, challenge.max_age), (vec!["myACR".to_owned()], None));
        let value =
            "bearer realm=\"x\", ERROR=insufficient_user_authentication, max_age=5, Basic realm=\"a, b\"";
        assert_eq!(Challenge::parse(value).unwrap().unwrap().max_age, Some(5));
    }

    #[test]
    fn other_challenges_are_none_and_ambiguous_ones_an_error() {
        for value in [
            "Bearer",
            "Basic realm=\"x\"",
            "Bearer error=\"invalid_token\"",
            "DPoP error=\"insufficient_user_authentication\"",
        ] {
            assert_eq!(Challenge::parse(value), Ok(None), "{value}");
        }
        let error = "Bearer error=\"insufficient_user_authentication\"";
        for more in [
            "max_age=\"-1\"",
            "acr_values=\"a\tb\"",
            "error_description=\"a\tb\"",
            "error_description=\"a\\\tb\"",
            "max_age=\"1.5\"",
            "max_age=\"\"",
            "max_age=1, max_age=2",
            "acr_values=\"a\", ACR_VALUES=\"b\"",
        ] {
            assert_eq!(Challenge::parse(&format!("{error}, {more}")), Err(Malformed), "{more}");
        }
        for value in ["", "Bearer error=\"", "\u{0}", &"x".repeat(9000)] {
            assert_eq!(Challenge::parse(value), Err(Malformed), "{value}");
        }
    }

    #[test]
    fn no_value_ends_its_line_or_its_quotes() {
        let challenge =
            Challenge { description: Some("a\"\r\nSet-Cookie: x\\".into()), ..Challenge::default() };
        let printed = challenge.to_string();
        assert!(printed.ends_with("error_description=\"a\\\"Set-Cookie: x\\\\\""), "{printed}");
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(
            description in proptest::option::of("[ -~]{0,40}"),
            acr_values in proptest::collection::vec("[!-~]{1,20}", 0..4),
            max_age in proptest::option::of(any::<u32>()),
            scope in proptest::option::of("[ -~]{0,20}"),
        ) {
            let challenge = Challenge { description, acr_values, max_age, scope };
            prop_assert_eq!(Challenge::parse(&challenge.to_string()), Ok(Some(challenge)));
        }

        #[test]
        fn no_input_panics(value in ".{0,200}") {
            let _ = Challenge::parse(&value);
        }
    }
}
