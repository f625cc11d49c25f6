//! The browser's secret is replaced whenever somebody proves something there, or changes what they prove themself with (attack:
//! whoever knew the secret before goes on with it).

use super::Interaction;
use crate::app::App;
use crate::base::secret::Secret;
use crate::base::secret::SecretHash;
use crate::base::time::Time;
use crate::store::Written;
use crate::store::connection::Conn;
use crate::store::lost;
use crate::store::sessions;
use crate::store::sessions::Browser;

/// Another secret, for the transaction that calls for it.
pub struct NewSecret {
    browser: Browser,
    hash: SecretHash,
    /// The browser is.
    known_until: Time,
}

impl NewSecret {
    /// With the cookie that carries it.
    pub fn generate(app: &App, on: &Interaction) -> (Self, Secret) {
        let secret = Secret::generate(app.entropy.as_ref());
        let lifetimes = app.config.lifetimes;
        let known_until = app.now().plus(lifetimes.remember.max(lifetimes.session));
        (Self { browser: on.browser.clone(), hash: secret.hash(), known_until }, secret)
    }

    /// Of two answers that would replace one secret, one does; the other one's transaction is lost.
    pub fn write(&self, c: &mut Conn) -> Written<()> {
        if sessions::rotate(c, &self.browser, &self.hash, self.known_until)? { Ok(()) } else { lost() }
    }
}
