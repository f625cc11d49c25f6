//! Whether an access token is good now: signed here, not expired, not revoked, and everything it rests on stands.
//! Live: nothing is kept between two questions.

use crate::app::App;
use crate::base::id::ClientId;
use crate::client;
use crate::mint::access_token::AccessToken;
use crate::mint::granted;
use crate::mint::granted::Stated;
use crate::store::StoreError;
use crate::store::events;
use crate::store::grants;
use crate::store::revoked_tokens;
use serde_json::Map;
use serde_json::Value;

/// Whom an active token is about.
pub enum Holder {
    /// With the claims of the user as they are now.
    User(Map<String, Value>),
    /// The client itself.
    Client,
}

pub async fn holder(app: &App, token: &AccessToken) -> Result<Option<Holder>, StoreError> {
    let (jti, grant) = (token.jti.clone(), token.grant.clone());
    let Some(grant) = grant else {
        let id = ClientId::from_text(&token.client_id);
        let revoked = app.store.read(move |c| revoked_tokens::contains(c, &jti)).await?;
        return Ok(client::find(app, &id).await?.filter(|_| !revoked).map(|_| Holder::Client));
    };
    let claims = app.store.read(move |c| {
        let Some((grant, claims)) = grants::standing(c, &grant)? else { return Ok(None) };
        let Some(stated) = granted::read::<Stated>(&grant.assurance) else { return Ok(None) };
        if revoked_tokens::contains(c, &jti)? || events::any_voided(c, &stated.events)? {
            return Ok(None);
        }
        Ok(Some(claims))
    });
    Ok(claims.await?.map(|claims| Holder::User(serde_json::from_str(&claims).unwrap_or_default())))
}
