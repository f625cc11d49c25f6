//! An open interaction is held against its client and its resource servers as they are now: for each page, for each form, and for
//! the answer (attack: a page that is kept open until its redirect URI is given up, its floors are raised, its approval is
//! withdrawn). [`Askers`](crate::interaction::ground::Askers) sees to it that they stay so until the transaction ends.

use super::AuthorizeError;
use super::ask;
use super::request;
use super::request::Asked;
use super::request::AuthorizationRequest;
use crate::app::App;
use crate::base::id::ClientId;
use crate::interaction::Interaction;
use crate::protocol::error::Fault;
use crate::protocol::redirect_uri::ReturnAddress;
use crate::store::StoreError;

/// What has become of the request that an interaction is about.
pub enum Again {
    /// The interaction asks for what it needs now.
    Stands(Box<AuthorizationRequest>),
    /// It can't be answered any more; without an address only the person is told.
    Over { client: ClientId, address: Option<Box<ReturnAddress>>, fault: Fault },
    /// It was written by another version of this program.
    Unreadable,
}

pub async fn again(app: &App, interaction: &mut Interaction) -> Result<Again, StoreError> {
    let asked = match serde_json::from_str::<Asked>(interaction.then().1) {
        Ok(asked) => asked,
        Err(why) => {
            tracing::error!(interaction = %interaction.id(), %why, "interaction.unreadable");
            return Ok(Again::Unreadable);
        }
    };
    let client = asked.client.clone();
    match request::again(app, asked).await {
        Ok(request) => {
            interaction.ask_anew(ask(&request, interaction.ask.select), request.askers());
            Ok(Again::Stands(Box::new(request)))
        }
        Err(AuthorizeError::Page(fault)) => Ok(Again::Over { client, address: None, fault }),
        Err(AuthorizeError::Client(address, fault)) => {
            Ok(Again::Over { client, address: Some(address), fault })
        }
        Err(AuthorizeError::Store(error)) => Err(error),
        Err(error @ (AuthorizeError::TooMany | AuthorizeError::AskedAgain(..))) => {
            Err(StoreError::Unavailable(error.to_string()))
        }
    }
}
