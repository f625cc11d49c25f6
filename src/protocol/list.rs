//! Space-separated lists: `scope` (RFC 6749 §3.3) and `acr_values` (OIDC Core §3.1.2.1). Order is kept, repeats fall out.

use super::error::Fault;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

/// Distinct tokens, in the order of their first mention.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenList(Vec<String>);

const MOST_TOKENS: usize = 50;

impl TokenList {
    pub fn parse(name: &str, raw: &str) -> Result<Self, Fault> {
        let mut tokens = Vec::<String>::new();
        for token in raw.split(' ').filter(|token| !token.is_empty()) {
            if !is_token(token) {
                return Err(Fault::invalid_request(format!("{name} has a character that is not allowed.")));
            }
            if !tokens.iter().any(|known| known == token) {
                tokens.push(token.to_owned());
            }
            if tokens.len() > MOST_TOKENS {
                return Err(Fault::invalid_request(format!("{name} names more than {MOST_TOKENS} values.")));
            }
        }
        Ok(Self(tokens))
    }

    pub fn from_tokens(tokens: impl IntoIterator<Item = String>) -> Self {
        let mut list = Vec::<String>::new();
        for token in tokens {
            if !list.contains(&token) {
                list.push(token);
            }
        }
        Self(list)
    }

    pub fn contains(&self, token: &str) -> bool {
        self.0.iter().any(|known| known == token)
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tokens that `keep` wants, in the same order.
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|token| keep(token)).cloned().collect())
    }

    pub fn to_vec(&self) -> Vec<String> {
        self.0.clone()
    }
}

impl fmt::Display for TokenList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl TryFrom<String> for TokenList {
    type Error = String;

    fn try_from(raw: String) -> Result<Self, Self::Error> {
        Self::parse("the list", &raw).map_err(|fault| fault.description.into_owned())
    }
}

impl From<TokenList> for String {
    fn from(list: TokenList) -> Self {
        list.to_string()
    }
}

/// `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_and_repeats_fall_out() {
        let list = TokenList::parse("scope", " openid  email openid ").unwrap();
        assert_eq!(list.to_string(), "openid email");
        assert!(list.contains("email") && !list.contains("mail"));
        assert!(TokenList::parse("scope", "a\"b").is_err());
        assert!(TokenList::parse("scope", "ü").is_err());
    }
}
