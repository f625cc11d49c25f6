//! What an interaction rests on, looked at once more in the transaction that makes something of it (attack: a page that was
//! loaded a moment before its factor was replaced or taken away, its user disabled, its session ended, its client changed).

use super::Interaction;
use super::approval::AskedScope;
use crate::base::id::ClientId;
use crate::base::id::CredentialId;
use crate::base::id::EventId;
use crate::base::id::SessionId;
use crate::base::id::UserId;
use crate::base::time::Time;
use crate::store::Written;
use crate::store::clients;
use crate::store::connection::Conn;
use crate::store::consents;
use crate::store::credentials;
use crate::store::events;
use crate::store::lost;
use crate::store::sessions;
use crate::store::sessions::Session;

/// Who asks: a client and its resource servers, in the versions that were judged.
#[derive(Clone, Default)]
pub struct Askers(Vec<(ClientId, i64)>);

impl Askers {
    pub fn of<'a>(them: impl Iterator<Item = (&'a ClientId, i64)>) -> Self {
        Self(them.map(|(id, version)| (id.clone(), version)).collect())
    }

    /// They stay as they were judged until this transaction ends; else nothing is done.
    pub fn stand(&self, c: &mut Conn) -> Written<()> {
        if clients::stand(c, &self.0)? { Ok(()) } else { lost() }
    }
}

pub struct Ground {
    askers: Askers,
    /// What was approved by the user, and has to be remembered still.
    approved: Option<(ClientId, Vec<String>)>,
    user: UserId,
    /// Those that were proved with, and since when they are what they are.
    factors: Vec<(CredentialId, Time)>,
    /// The one that it is in, which is noted as in use, and what stood in it.
    session: Option<(SessionId, Vec<EventId>)>,
}

impl Ground {
    pub fn of(on: &Interaction, user: &UserId) -> Self {
        let factors = on.proofs().map(|proof| (proof.credential, proof.factor_enrolled_at)).collect();
        let events = |session: &Session| session.events.iter().map(|event| event.id.clone()).collect();
        let session = on.session().map(|session| (session.id.clone(), events(session)));
        let approval = on.ask.approval.as_ref().filter(|approval| !approval.given);
        let approval = approval
            .filter(|approval| !approval.is_open(&on.remembered, on.progress.theirs.approved_at.is_some()));
        let approved = approval.map(|approval| {
            let scopes = approval.scopes.iter().map(AskedScope::remembered);
            (approval.client.clone(), scopes.collect())
        });
        Self { askers: on.askers.clone(), approved, user: user.clone(), factors, session }
    }

    /// The user and what they showed stand until this transaction ends, and so do those who ask and what was approved for them; else
    /// nothing is done. Asked before the interaction's row is touched: a command takes the user first and what is open about them
    /// then, and on PostgreSQL each would wait for the other.
    pub fn person_stands(&self, c: &mut Conn) -> Written<()> {
        self.askers.stand(c)?;
        // Before what was approved, which goes with a user who is deleted.
        if !credentials::stand(c, &self.user, &self.factors)? {
            return lost();
        }
        if let Some((client, scopes)) = &self.approved
            && !consents::stand(c, &self.user, client, scopes)?
        {
            return lost();
        }
        Ok(())
    }

    /// Their session does; asked after that, in the order in which a sign-out takes them.
    pub fn session_stands(&self, c: &mut Conn, now: Time) -> Written<()> {
        let Some((session, shown)) = &self.session else { return Ok(()) };
        let stands = sessions::touch(c, session, now)? && events::all_held(c, session, shown)?;
        if stands { Ok(()) } else { lost() }
    }
}
