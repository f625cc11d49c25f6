//! A software authenticator (WebAuthn §6): makes key pairs, signs assertions, and lies where a test tells it to.

use ciborium::Value as Cbor;
use openssl::bn::BigNum;
use openssl::bn::BigNumContext;
use openssl::ec::EcGroup;
use openssl::ec::EcKey;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::pkey::Private;
use openssl::sign::Signer;
use serde_json::Value;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;
use stepgate::base::secret::base64url;
use stepgate::base::secret::from_base64url;

pub struct Authenticator {
    held: Vec<Held>,
    /// It verifies its user.
    pub verifies: bool,
    /// Its keys may be copied to other devices, and are.
    pub synced: bool,
    /// The origin that its browser is at.
    pub origin: String,
    /// Added to the counter with each use; `None`: it has no counter.
    pub counts: Option<i64>,
    pub aaguid: [u8; 16],
    /// Whether its browser says that it is in a frame of another origin (`crossOrigin`), and of which (`topOrigin`).
    pub cross_origin: Option<bool>,
    pub top_origin: Option<String>,
    /// It says whose key it is that it answers with.
    pub names_user: bool,
}

struct Held {
    id: Vec<u8>,
    user: Vec<u8>,
    key: EcKey<Private>,
    counter: i64,
}

impl Authenticator {
    /// A phone or laptop: verifies its user, finds its keys by itself.
    pub fn new(origin: &str) -> Self {
        Self {
            held: Vec::new(),
            verifies: true,
            synced: false,
            origin: origin.to_owned(),
            counts: None,
            aaguid: [0; 16],
            cross_origin: Some(false),
            top_origin: None,
            names_user: true,
        }
    }

    /// Answers `navigator.credentials.create`.
    pub fn create(&mut self, options: &Value) -> String {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = EcKey::generate(&group).unwrap();
        let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
        let mut context = BigNumContext::new().unwrap();
        key.public_key().affine_coordinates(&group, &mut x, &mut y, &mut context).unwrap();
        let number = |n: i64| Cbor::Integer(n.into());
        let point = |n: &BigNum| Cbor::Bytes(n.to_vec_padded(32).unwrap());
        let cose = Cbor::Map(vec![
            (number(1), number(2)),
            (number(3), number(-7)),
            (number(-1), number(1)),
            (number(-2), point(&x)),
            (number(-3), point(&y)),
        ]);
        let id = Sha256::digest(x.to_vec()).to_vec();
        let user = from_base64url(options["user"]["id"].as_str().unwrap()).unwrap();
        let length = u16::try_from(id.len()).unwrap().to_be_bytes();
        let attested = [&self.aaguid[..], &length, &id, &cbor(&cose)].concat();
        let data = self.data(options["rp"]["id"].as_str().unwrap(), 0, Some(&attested));
        let attestation = Cbor::Map(vec![
            (Cbor::Text("fmt".into()), Cbor::Text("none".into())),
            (Cbor::Text("attStmt".into()), Cbor::Map(vec![])),
            (Cbor::Text("authData".into()), Cbor::Bytes(data)),
        ]);
        self.held.push(Held { id: id.clone(), user, key, counter: 0 });
        let client = self.client_data("webauthn.create", options);
        answer(
            &id,
            json!({
                "clientDataJSON": base64url(&client),
                "attestationObject": base64url(&cbor(&attestation)),
                "transports": ["internal"],
            }),
        )
    }

    /// Answers `navigator.credentials.get` with a key that is allowed, or the newest one where any will do.
    pub fn get(&mut self, options: &Value) -> String {
        let allowed = options["allowCredentials"].as_array().cloned().unwrap_or_default();
        let allowed = allowed.iter().map(|one| from_base64url(one["id"].as_str().unwrap()).unwrap());
        let allowed = allowed.collect::<Vec<_>>();
        let fits = |held: &Held| allowed.is_empty() || allowed.contains(&held.id);
        let at = self.held.iter().rposition(fits).expect("a key that is allowed");
        self.sign(options, at)
    }

    /// Answers with its newest key, whatever is allowed.
    pub fn get_anyway(&mut self, options: &Value) -> String {
        let at = self.held.len() - 1;
        self.sign(options, at)
    }

    fn sign(&mut self, options: &Value, at: usize) -> String {
        let counts = self.counts;
        let held = &mut self.held[at];
        held.counter += counts.unwrap_or(0);
        let (id, user, counter) = (held.id.clone(), held.user.clone(), held.counter);
        let key = PKey::from_ec_key(held.key.clone()).unwrap();
        let data = self.data(options["rpId"].as_str().unwrap(), u32::try_from(counter).unwrap(), None);
        let client = self.client_data("webauthn.get", options);
        let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
        let signed = [data.as_slice(), &Sha256::digest(&client)].concat();
        let signature = signer.sign_oneshot_to_vec(&signed).unwrap();
        let mut response = json!({
            "clientDataJSON": base64url(&client),
            "authenticatorData": base64url(&data),
            "signature": base64url(&signature),
        });
        if self.names_user {
            response["userHandle"] = json!(base64url(&user));
        }
        answer(&id, response)
    }

    /// §6.1: authenticator data.
    fn data(&self, rp: &str, counter: u32, attested: Option<&[u8]>) -> Vec<u8> {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = 0x01
            | flag(self.verifies, 0x04)
            | flag(self.synced, 0x08 | 0x10)
            | flag(attested.is_some(), 0x40);
        let head = [Sha256::digest(rp).to_vec(), vec![flags], counter.to_be_bytes().to_vec()];
        [head.concat(), attested.unwrap_or_default().to_vec()].concat()
    }

    /// What its browser says of a ceremony, as it is sent.
    pub fn client_data_for(&self, kind: &str, options: &Value) -> String {
        base64url(&self.client_data(kind, options))
    }

    /// §5.8.1.
    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let mut data = json!({"type": kind, "challenge": options["challenge"], "origin": self.origin});
        if let Some(crosses) = self.cross_origin {
            data["crossOrigin"] = json!(crosses);
        }
        if let Some(top) = &self.top_origin {
            data["topOrigin"] = json!(top);
        }
        data.to_string().into_bytes()
    }
}

fn answer(id: &[u8], response: Value) -> String {
    let id = base64url(id);
    json!({"id": id, "rawId": id, "type": "public-key", "response": response, "extensions": {}}).to_string()
}

fn cbor(value: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}
