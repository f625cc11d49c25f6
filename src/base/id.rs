//! Names of rows. Ours are UUIDv7 text; a client's id may be any text. An id proves nothing.

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

            pub fn from_text(text: impl Into<String>) -> Self {
                Self(text.into())
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
