//! Names of rows. Ours are UUIDv7 text; a client's id may be any text without control characters. An id proves nothing.

use super::entropy::Entropy;
use super::entropy::random;
use super::time::Time;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;
use uuid::Builder;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            pub fn generate(entropy: &dyn Entropy, now: Time) -> Self {
                Self(uuid_v7(entropy, now))
            }

            /// What a row, or a token that we signed, names.
            pub fn from_text(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// What a stranger names; no id has a control character (attack: PostgreSQL can't hold a NUL, and its error is that of
            /// a database in trouble).
            pub fn parse(text: impl Into<String>) -> Option<Self> {
                let text = text.into();
                (!text.chars().any(char::is_control)).then_some(Self(text))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// A user's `sub` (OIDC Core §2): never reused.
    UserId
    /// `client_id` (RFC 6749 §2.2).
    ClientId
    /// A browser's row; its cookie is another thing, and changes.
    BrowserId
    /// A session's `sid`.
    SessionId
    /// One authentication event in a session's ledger.
    EventId
    /// One factor of a user: a password, a TOTP secret, a passkey, a recovery code.
    CredentialId
    /// One request that needs a page.
    InteractionId
    /// One authorization: a code and everything it bought.
    GrantId
    /// One WebAuthn ceremony.
    CeremonyId
    /// One line of the audit.
    AuditId
    /// One mail, to one address; its `Message-ID` too.
    MailId
}

fn uuid_v7(entropy: &dyn Entropy, now: Time) -> String {
    let millis = u64::try_from(now.micros() / 1000).unwrap_or(0);
    Builder::from_unix_timestamp_millis(millis, &random::<10>(entropy)).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_names_no_id_with_a_control_character() {
        for text in ["", "shop", "https://shop.test/ü", "0190f3a8-0000-7000-8000-000000000000"] {
            assert_eq!(ClientId::parse(text), Some(ClientId::from_text(text)));
        }
        for text in ["\0", "shop\0", "a\nb", "\u{7f}", "\u{85}"] {
            assert_eq!(ClientId::parse(text), None, "{text:?}");
        }
    }
}
