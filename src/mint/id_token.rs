//! ID tokens (OIDC Core §2): who was authenticated, when, and how. Also reads them back, as hints (§3.1.2.1).

use super::granted::Stated;
use crate::app::App;
use crate::base::id::ClientId;
use crate::base::id::SessionId;
use crate::base::id::UserId;
use crate::base::secret::base64url;
use crate::base::time::Time;
use crate::config::Issuer;
use crate::jose::keyring::Keyring;
use crate::jose::keyring::SignError;
use crate::protocol::metadata::SigningAlg;
use crate::store::grants::Grant;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;
use sha2::Sha512;

pub struct IdTokenFor<'a> {
    pub grant: &'a Grant,
    pub stated: &'a Stated,
    pub alg: SigningAlg,
    pub nonce: Option<&'a str>,
    pub access_token: &'a str,
    /// Claims of the user that the request wanted in the token and its scopes open.
    pub claims: Map<String, Value>,
}

const TYPE: &str = "JWT";

pub fn mint(app: &App, for_: IdTokenFor, now: Time) -> Result<String, SignError> {
    let IdTokenFor { grant, stated, alg, nonce, access_token, claims } = for_;
    // The user's claims go first: none of them can take the place of one of ours.
    let mut token = claims;
    let own = json!({
        "iss": app.config.issuer.as_str(),
        "sub": grant.user,
        "aud": grant.client,
        "iat": now.unix_seconds(),
        "exp": now.plus(app.config.lifetimes.id_token).unix_seconds(),
        "auth_time": stated.auth_time.unix_seconds(),
        "acr": stated.acr,
        "amr": stated.amr,
        "sid": grant.session,
        "at_hash": at_hash(alg, access_token),
    });
    token.extend(own.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
    if let Some(nonce) = nonce {
        token.insert("nonce".into(), json!(nonce));
    }
    app.keys.sign(alg, TYPE, &Value::Object(token), now)
}

/// What an ID token of ours says; it may have expired long ago.
pub struct Hint {
    pub subject: UserId,
    pub client: ClientId,
    pub session: SessionId,
}

/// `None` for what `keys` did not sign as an ID token of `issuer`.
pub fn read(keys: &Keyring, issuer: &Issuer, hint: &str) -> Option<Hint> {
    let verified = keys.verify(hint)?;
    let text = |name: &str| verified.claims.get(name).and_then(Value::as_str);
    if verified.typ.as_deref() != Some(TYPE) || text("iss") != Some(issuer.as_str()) {
        return None;
    }
    Some(Hint {
        subject: UserId::from_text(text("sub")?),
        client: ClientId::from_text(text("aud")?),
        session: SessionId::from_text(text("sid")?),
    })
}

/// OIDC Core §3.1.3.6: the left half of the hash that the algorithm uses; Ed25519 hashes with SHA-512 (RFC 8032 §5.1).
fn at_hash(alg: SigningAlg, access_token: &str) -> String {
    let bytes = access_token.as_bytes();
    match alg {
        SigningAlg::RS256 | SigningAlg::ES256 | SigningAlg::PS256 => left_half(&Sha256::digest(bytes)),
        SigningAlg::EdDSA => left_half(&Sha512::digest(bytes)),
    }
}

fn left_half(hash: &[u8]) -> String {
    base64url(hash.get(..hash.len() / 2).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_hash_is_the_left_half_of_the_sha_256() {
        // OIDC Core, appendix A.3.
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(at_hash(SigningAlg::RS256, token), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(at_hash(SigningAlg::EdDSA, token).len(), 43);
    }
}
