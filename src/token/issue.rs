//! From a grant to the tokens that it buys: shared by the grants that stand for a user.

use super::endpoint::TokenError;
use super::endpoint::Tokens;
use crate::app::App;
use crate::base::secret::GrantSecret;
use crate::base::secret::Secret;
use crate::base::time::Seconds;
use crate::base::time::Time;
use crate::client::Client;
use crate::config::Lifetimes;
use crate::mint::access_token;
use crate::mint::access_token::Audience;
use crate::mint::granted;
use crate::mint::granted::GrantedRequest;
use crate::mint::granted::Stated;
use crate::mint::id_token;
use crate::mint::id_token::IdTokenFor;
use crate::protocol::error::ErrorCode;
use crate::protocol::error::Fault;
use crate::protocol::list::TokenList;
use crate::protocol::metadata::SigningAlg;
use crate::protocol::parameters::Parameters;
use crate::protocol::standard_claims;
use crate::store::Written;
use crate::store::connection::Conn;
use crate::store::grants::Grant;
use crate::store::refresh_tokens;
use crate::store::refresh_tokens::NewToken;
use serde_json::Map;
use serde_json::Value;

/// A grant that may buy tokens now, taken apart.
pub struct Basis {
    pub grant: Grant,
    pub request: GrantedRequest,
    pub stated: Stated,
    pub user_claims: Map<String, Value>,
}

/// What the client wants of it this time.
#[derive(Clone, Default)]
pub struct Wish {
    /// The one resource server that the access token shall be for (RFC 8707 §2.2).
    pub resource: Option<String>,
    /// Fewer scopes than were granted (RFC 6749 §6).
    pub scope: Option<TokenList>,
}

/// How long refresh tokens live: 30 days unused, 180 in all.
const IDLE: Seconds = Seconds::days(30);
const WHOLE: Seconds = Seconds::days(180);

impl Basis {
    /// Without the user's claims. `None`, with a line in the log, for a grant that this version can't read. Nothing was proved later
    /// than now, whatever a clock said that was set back since, or that of an instance beside this one.
    pub fn of(grant: Grant, now: Time) -> Option<Self> {
        let request = granted::read::<GrantedRequest>(&grant.request)?;
        let mut stated = granted::read::<Stated>(&grant.assurance)?;
        stated.auth_time = stated.auth_time.min(now);
        Some(Self { grant, request, stated, user_claims: Map::new() })
    }

    /// With the claims of its user, as JSON.
    pub fn with_claims(self, claims: &str) -> Self {
        Self { user_claims: serde_json::from_str(claims).unwrap_or_default(), ..self }
    }
}

impl Wish {
    pub fn parse(parameters: &Parameters) -> Result<Self, Fault> {
        let resource = match parameters.many("resource")?.as_slice() {
            [] => None,
            [one] => Some((*one).to_owned()),
            _ => return Err(Fault::new(ErrorCode::InvalidTarget, "A token is for one resource; name one.")),
        };
        let scope = parameters.one("scope")?.map(|raw| TokenList::parse("scope", raw)).transpose()?;
        Ok(Self { resource, scope })
    }
}

/// Mints what `basis` buys for `audience`. `nonce` is stated only in answer to the code (OIDC Core §12.2).
pub fn tokens(
    app: &App,
    client: &Client,
    basis: &Basis,
    audience: &Audience,
    first: bool,
    refresh_token: Option<GrantSecret>,
) -> Result<Tokens, TokenError> {
    let (now, Basis { grant, request, stated, .. }) = (app.now(), basis);
    let access_token = access_token::mint(app, grant, stated, audience, now)?;
    let id_token = if request.scope.contains("openid") {
        let for_ = IdTokenFor {
            grant,
            stated,
            alg: client.metadata.id_token_signed_response_alg,
            nonce: request.nonce.as_deref().filter(|_| first),
            access_token: &access_token,
            claims: wanted_claims(basis),
        };
        Some(id_token::mint(app, for_, now)?)
    } else {
        None
    };
    Ok(Tokens {
        access_token,
        token_type: "Bearer",
        expires_in: app.config.lifetimes.access_token.0,
        scope: audience.scope.to_string(),
        id_token,
        refresh_token: refresh_token.map(|token| token.reveal().to_owned()),
    })
}

/// RFC 8707 §2.2: one audience, among those that the authorization request named; none named: this server.
pub fn audience(app: &App, request: &GrantedRequest, wish: &Wish) -> Result<Audience, Fault> {
    let target = |description| Fault::new(ErrorCode::InvalidTarget, description);
    let (aud, granted, alg) = match (&wish.resource, request.resources.as_slice()) {
        (None, []) => (app.config.issuer.as_str(), &request.scope, SigningAlg::of_access_tokens()),
        (None, [only]) => (only.identifier.as_str(), &only.scope, only.alg),
        (None, _) => {
            return Err(target("Several resources were granted; name the one that the token is for."));
        }
        (Some(wanted), resources) => {
            let found = resources.iter().find(|resource| resource.identifier == *wanted);
            let found =
                found.ok_or_else(|| target("resource was not named in the authorization request."))?;
            (found.identifier.as_str(), &found.scope, found.alg)
        }
    };
    let aud = aud.to_owned();
    let Some(fewer) = &wish.scope else { return Ok(Audience { aud, scope: granted.clone(), alg }) };
    let known = |scope: &str| {
        request.scope.contains(scope) || request.resources.iter().any(|r| r.scope.contains(scope))
    };
    if !fewer.iter().all(known) {
        let description = "scope asks for more than was granted; ask for less, or leave it out.";
        return Err(Fault::new(ErrorCode::InvalidScope, description));
    }
    Ok(Audience { aud, scope: granted.filtered(|scope| fewer.contains(scope)), alg })
}

/// The refresh token of a generation: derived, so that a repeated request can be answered the same without its ever being
/// stored in plain.
pub fn refresh_token(app: &App, grant: &Grant, generation: i64) -> GrantSecret {
    let secret = app.master.code("refresh token", &[grant.id.as_str(), &generation.to_string()]);
    GrantSecret::new(&grant.id, &Secret::presented(&secret))
}

/// Writes the refresh token of a generation; says until when it lives, for the grant has to be kept as long.
pub fn write_refresh_token(
    c: &mut Conn,
    grant: &Grant,
    (generation, token): (i64, &GrantSecret),
    paid_until: Time,
    now: Time,
) -> Written<Time> {
    let expires_at = now.plus(IDLE).min(grant.granted_at.plus(WHOLE));
    let hash = token.hash();
    let new = NewToken { hash: &hash, grant: &grant.id, generation, issued_at: now, expires_at, paid_until };
    refresh_tokens::insert(c, &new)?;
    Ok(expires_at)
}

/// Until when a grant is kept whose code buys a refresh token, besides what else the code buys.
pub fn kept_until(lifetimes: &Lifetimes, now: Time) -> Time {
    now.plus(IDLE).max(now.plus(lifetimes.code).plus(lifetimes.longest_token()))
}

/// OIDC Core §5.5: claims that were asked for by name, as far as the granted scopes open them.
fn wanted_claims(basis: &Basis) -> Map<String, Value> {
    let open = standard_claims::released(&basis.user_claims, &basis.request.scope);
    let wanted = &basis.request.id_token_claims;
    open.into_iter().filter(|(name, _)| wanted.contains(name)).collect()
}
