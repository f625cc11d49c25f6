//! `prompt` and `max_age` (OIDC Core §3.1.2.1): what the relying party wants shown, and how recent a proof must be.

use super::error::Fault;
use super::list::TokenList;
use crate::base::time::Seconds;
use serde::Deserialize;
use serde::Serialize;

/// The values of `prompt`, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    pub none: bool,
    pub login: bool,
    pub consent: bool,
    pub select_account: bool,
    /// Initiating User Registration via OpenID Connect 1.0 §4.1.
    pub create: bool,
}

impl Prompt {
    /// `create` is known only where people may make accounts.
    pub fn parse(raw: &str, create: bool) -> Result<Self, Fault> {
        let mut prompt = Self::default();
        for value in TokenList::parse("prompt", raw)?.iter() {
            match value {
                "none" => prompt.none = true,
                "login" => prompt.login = true,
                "consent" => prompt.consent = true,
                "select_account" => prompt.select_account = true,
                "create" if create => prompt.create = true,
                _ => {
                    return Err(Fault::invalid_request("prompt has a value that this server does not know."));
                }
            }
        }
        if prompt.none && (prompt.login || prompt.consent || prompt.select_account || prompt.create) {
            return Err(Fault::invalid_request("prompt=none can't be combined with another value."));
        }
        Ok(prompt)
    }
}

/// Digits and nothing else: no sign, fraction, exponent or overflow. Zero is a value, not its absence.
pub fn parse_max_age(raw: &str) -> Result<Seconds, Fault> {
    let digits = !raw.is_empty() && raw.bytes().all(|b| b.is_ascii_digit());
    let seconds = digits.then(|| raw.parse().ok()).flatten().map(Seconds);
    seconds.ok_or_else(|| {
        Fault::invalid_request("max_age is not a whole number of seconds from 0 to 4294967295.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_stands_alone_and_unknown_values_are_refused() {
        assert_eq!(Prompt::parse("none", false), Ok(Prompt { none: true, ..Prompt::default() }));
        assert_eq!(
            Prompt::parse("login consent", false),
            Ok(Prompt { login: true, consent: true, ..Prompt::default() })
        );
        for raw in ["none login", "none consent", "create", "Login", "login,consent"] {
            assert!(Prompt::parse(raw, false).is_err(), "{raw}");
        }
        assert_eq!(Prompt::parse("create", true), Ok(Prompt { create: true, ..Prompt::default() }));
        assert!(Prompt::parse("none create", true).is_err());
    }

    #[test]
    fn max_age_is_digits_only_and_zero_is_not_absent() {
        assert_eq!(parse_max_age("0"), Ok(Seconds(0)));
        assert_eq!(parse_max_age("300"), Ok(Seconds(300)));
        for raw in ["", "-1", "+1", "1.0", "1e3", "0x10", " 1", "4294967296", "٣", "NaN"] {
            assert!(parse_max_age(raw).is_err(), "{raw}");
        }
    }
}
