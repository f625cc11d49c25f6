//! Passkeys and security keys (WebAuthn Level 3): the ceremonies, begun and finished. The one home of webauthn-rs.
//! A passkey verifies its user, always (§6.1, UV). A security key may not, and is worth something beside a password only.
//! What a ceremony has to remember is [`Ceremony::state`]: kept in the database, used once, never shown to a browser.

use super::aaguid;
use crate::base::id::UserId;
use crate::base::secret::base64url;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;
use url::Origin;
use url::Url;
use uuid::Uuid;
use webauthn_rs::Webauthn;
use webauthn_rs::WebauthnBuilder;
use webauthn_rs::prelude::AuthenticationResult;
use webauthn_rs::prelude::Credential;
use webauthn_rs::prelude::DiscoverableAuthentication;
use webauthn_rs::prelude::Passkey;
use webauthn_rs::prelude::PasskeyAuthentication;
use webauthn_rs::prelude::PasskeyRegistration;
use webauthn_rs::prelude::PublicKeyCredential;
use webauthn_rs::prelude::RegisterPublicKeyCredential;
use webauthn_rs::prelude::SecurityKey;
use webauthn_rs::prelude::SecurityKeyAuthentication;
use webauthn_rs::prelude::SecurityKeyRegistration;
use webauthn_rs::prelude::WebauthnError;

/// The relying party of WebAuthn: the issuer's host.
pub struct Passkeys {
    webauthn: Webauthn,
    origin: Origin,
    /// The relying party identifier.
    pub rp_id: String,
}

/// The two kinds are stored apart: nothing makes one of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    Passkey,
    SecurityKey,
}

/// A ceremony that has begun.
pub struct Ceremony {
    /// For `navigator.credentials`, as JSON (§5.1.8, §5.1.9).
    pub options: Value,
    /// For the database only.
    pub state: String,
}

/// A new passkey or security key, as it is stored.
pub struct Registered {
    pub kind: Kind,
    /// base64url of the credential id.
    pub lookup: String,
    pub stored: String,
    pub detail: Detail,
}

/// What is told to its owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// Who keeps it, by its AAGUID. Nobody vouches for that: it is a name to show and nothing else.
    pub provider: Option<String>,
    /// It may be copied to other devices, and has been (§6.1.3: BE, BS).
    pub backup_eligible: bool,
    pub backed_up: bool,
}

/// An assertion that was verified.
pub struct Asserted {
    pub user_verified: bool,
    pub backup_eligible: bool,
    pub backed_up: bool,
    /// To be stored instead of what was, if anything changed.
    pub stored: Option<String>,
}

#[derive(Debug, Error)]
pub enum PasskeyError {
    #[error("not an answer to this ceremony: {0}")]
    Unreadable(String),
    /// Its counter went back: somebody may have copied it (§6.1.1).
    #[error("the signature counter went back")]
    Copied,
    #[error("{0}")]
    Refused(WebauthnError),
}

/// What the browser answered with, before anything about it is believed.
pub struct Presented(PublicKeyCredential);

/// §5.8.1, as far as it speaks of frames.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    cross_origin: Option<bool>,
    top_origin: Option<String>,
}

#[derive(Serialize, Deserialize)]
enum State {
    SignIn(DiscoverableAuthentication),
    Passkey(PasskeyAuthentication),
    SecurityKey(SecurityKeyAuthentication),
    NewPasskey(PasskeyRegistration),
    NewSecurityKey(SecurityKeyRegistration),
}

impl Passkeys {
    /// `None` where the issuer's host is an address: WebAuthn wants a name.
    pub fn of(issuer: &Url, name: &str) -> Option<Self> {
        let rp_id = issuer.domain()?.to_owned();
        let builder = WebauthnBuilder::new(&rp_id, issuer).ok()?.rp_name(name);
        // Beside a password a touch is enough, and a PIN would be one thing more to remember.
        let webauthn = builder.danger_set_user_presence_only_security_keys(true).build().ok()?;
        Some(Self { webauthn, origin: issuer.origin(), rp_id })
    }

    /// For whoever comes: the authenticator says who it is.
    pub fn begin_sign_in(&self) -> Result<Ceremony, PasskeyError> {
        let (mut options, state) =
            self.webauthn.start_discoverable_authentication().map_err(PasskeyError::Refused)?;
        // How it is shown is the page's business.
        options.mediation = None;
        ceremony(&options.public_key, &State::SignIn(state))
    }

    /// For one user: only what `stored` holds may answer (§7.2 step 5), passkeys with user verification.
    pub fn begin_proof(&self, kind: Kind, stored: &[&str]) -> Result<Ceremony, PasskeyError> {
        match kind {
            Kind::Passkey => {
                let (options, state) = self
                    .webauthn
                    .start_passkey_authentication(&read_all::<Passkey>(stored)?)
                    .map_err(PasskeyError::Refused)?;
                ceremony(&options.public_key, &State::Passkey(state))
            }
            Kind::SecurityKey => {
                let (options, state) = self
                    .webauthn
                    .start_securitykey_authentication(&read_all::<SecurityKey>(stored)?)
                    .map_err(PasskeyError::Refused)?;
                ceremony(&options.public_key, &State::SecurityKey(state))
            }
        }
    }

    /// `stored` is what the user has already, of either kind: an authenticator that holds one of it makes no second.
    pub fn begin_registration(
        &self,
        kind: Kind,
        user: &UserId,
        username: &str,
        stored: &[&str],
    ) -> Result<Ceremony, PasskeyError> {
        let id = Uuid::parse_str(user.as_str()).map_err(unreadable)?;
        let known = read_all::<Passkey>(stored)?.iter().map(|key| key.cred_id().clone()).collect::<Vec<_>>();
        let known = (!known.is_empty()).then_some(known);
        match kind {
            Kind::Passkey => {
                let (mut options, state) = self
                    .webauthn
                    .start_passkey_registration(id, username, username, known)
                    .map_err(PasskeyError::Refused)?;
                // The library does without; a passkey has to be found without a user name.
                if let Some(selection) = &mut options.public_key.authenticator_selection {
                    selection.require_resident_key = true;
                    selection.resident_key = serde_json::from_value("required".into()).ok();
                }
                ceremony(&options.public_key, &State::NewPasskey(state))
            }
            Kind::SecurityKey => {
                let (options, state) = self
                    .webauthn
                    .start_securitykey_registration(id, username, username, known, None, None)
                    .map_err(PasskeyError::Refused)?;
                ceremony(&options.public_key, &State::NewSecurityKey(state))
            }
        }
    }

    /// Verifies an assertion (§7.2) by the credential that is stored under its id.
    pub fn finish_proof(
        &self,
        state: &str,
        presented: &Presented,
        stored: &str,
    ) -> Result<Asserted, PasskeyError> {
        self.not_framed(presented.0.response.client_data_json.as_ref())?;
        match read::<State>(state)? {
            State::SignIn(state) => {
                // §7.2 step 6: nobody was asked for, so the answer has to say whose it is.
                presented.0.get_user_unique_id().ok_or_else(|| unreadable("it does not say whose it is"))?;
                let mut passkey = read::<Passkey>(stored)?;
                let result = self
                    .webauthn
                    .finish_discoverable_authentication_v2(&presented.0, state, &passkey)
                    .map_err(refused)?;
                let changed = passkey.update_credential(&result);
                asserted(&result, changed, &passkey)
            }
            State::Passkey(state) => {
                let mut passkey = read::<Passkey>(stored)?;
                let result =
                    self.webauthn.finish_passkey_authentication(&presented.0, &state).map_err(refused)?;
                let changed = passkey.update_credential(&result);
                asserted(&result, changed, &passkey)
            }
            State::SecurityKey(state) => {
                let mut key = read::<SecurityKey>(stored)?;
                let result =
                    self.webauthn.finish_securitykey_authentication(&presented.0, &state).map_err(refused)?;
                let changed = key.update_credential(&result);
                asserted(&result, changed, &key)
            }
            State::NewPasskey(_) | State::NewSecurityKey(_) => Err(unreadable("a registration was begun")),
        }
    }

    /// Verifies a registration (§7.1).
    pub fn finish_registration(&self, state: &str, presented: &str) -> Result<Registered, PasskeyError> {
        let presented = read::<RegisterPublicKeyCredential>(presented)?;
        self.not_framed(presented.response.client_data_json.as_ref())?;
        let provider = aaguid::of(&presented.response.attestation_object).and_then(aaguid::name);
        let (kind, mut credential) = match read::<State>(state)? {
            State::NewPasskey(state) => {
                let made = self.webauthn.finish_passkey_registration(&presented, &state).map_err(refused)?;
                (Kind::Passkey, Credential::from(made))
            }
            State::NewSecurityKey(state) => {
                let made =
                    self.webauthn.finish_securitykey_registration(&presented, &state).map_err(refused)?;
                (Kind::SecurityKey, Credential::from(made))
            }
            State::SignIn(_) | State::Passkey(_) | State::SecurityKey(_) => {
                return Err(unreadable("an assertion was asked for"));
            }
        };
        // The library keeps those that are vouched for; to a browser they are hints, and it finds the way with them.
        credential.transports = presented.response.transports.clone();
        let stored = match kind {
            Kind::Passkey => write(&Passkey::from(credential.clone()))?,
            Kind::SecurityKey => write(&SecurityKey::from(credential.clone()))?,
        };
        let detail = Detail {
            provider: provider.map(str::to_owned),
            backup_eligible: credential.backup_eligible,
            backed_up: credential.backup_state,
        };
        Ok(Registered { kind, lookup: base64url(&credential.cred_id), stored, detail })
    }
}

impl Passkeys {
    /// §7.1 steps 10 and 11, §7.2 steps 13 and 14: our pages are in nobody's frame (attack: a page around ours leads the click). The
    /// library looks at neither.
    fn not_framed(&self, client_data: &[u8]) -> Result<(), PasskeyError> {
        let client = serde_json::from_slice::<ClientData>(client_data).map_err(unreadable)?;
        let is_ours = |top: &String| Url::parse(top).is_ok_and(|top| top.origin() == self.origin);
        match client.cross_origin == Some(true) || client.top_origin.as_ref().is_some_and(|top| !is_ours(top))
        {
            true => Err(unreadable("it was given in a frame of another origin")),
            false => Ok(()),
        }
    }
}

impl Presented {
    pub fn parse(text: &str) -> Result<Self, PasskeyError> {
        read(text).map(Self)
    }

    /// base64url of the credential id.
    pub fn lookup(&self) -> String {
        base64url(self.0.get_credential_id())
    }

    /// Whether it says that it is of `user`. One that was asked for by its id may say nothing.
    pub fn is_of(&self, user: &UserId) -> bool {
        let handle = self.0.get_user_unique_id().map(Uuid::from_slice);
        handle.is_none_or(|handle| handle.is_ok_and(|handle| handle.to_string() == user.as_str()))
    }
}

fn asserted(
    result: &AuthenticationResult,
    changed: Option<bool>,
    credential: &impl Serialize,
) -> Result<Asserted, PasskeyError> {
    let stored = if changed == Some(true) { Some(write(credential)?) } else { None };
    Ok(Asserted {
        user_verified: result.user_verified(),
        backup_eligible: result.backup_eligible(),
        backed_up: result.backup_state(),
        stored,
    })
}

fn ceremony(options: &impl Serialize, state: &State) -> Result<Ceremony, PasskeyError> {
    let options = serde_json::to_value(options).map_err(unreadable)?;
    Ok(Ceremony { options, state: write(state)? })
}

fn read_all<T: DeserializeOwned>(stored: &[&str]) -> Result<Vec<T>, PasskeyError> {
    stored.iter().map(|text| read(text)).collect()
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, PasskeyError> {
    serde_json::from_str(text).map_err(unreadable)
}

fn write(value: &impl Serialize) -> Result<String, PasskeyError> {
    serde_json::to_string(value).map_err(unreadable)
}

fn refused(why: WebauthnError) -> PasskeyError {
    match why {
        WebauthnError::CredentialPossibleCompromise => PasskeyError::Copied,
        why => PasskeyError::Refused(why),
    }
}

fn unreadable(why: impl ToString) -> PasskeyError {
    PasskeyError::Unreadable(why.to_string())
}
