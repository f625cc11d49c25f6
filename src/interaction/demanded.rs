//! What a change of somebody's factors demands, judged once more in the transaction that makes it (attack: a page that was opened before
//! a stronger factor was added, or an address verified, goes on with what was enough then).

use super::Interaction;
use super::task::Door;
use super::task::Task;
use crate::app::App;
use crate::assurance::Decision;
use crate::assurance::SessionView;
use crate::assurance::ledger::Event;
use crate::base::id::CredentialId;
use crate::base::id::InteractionId;
use crate::base::id::UserId;
use crate::base::time::Time;
use crate::store::Written;
use crate::store::connection::Conn;
use crate::store::credentials;
use crate::store::lost;
use crate::store::users;

pub struct Demanded {
    user: UserId,
    task: Task,
    door: Door,
    interaction: InteractionId,
    events: Vec<Event>,
    set_up_here: Option<CredentialId>,
    /// A mailed code is still to be asked for if there is an address for it.
    wants_code: bool,
}

impl Demanded {
    pub fn of(app: &App, on: &Interaction, user: &UserId, task: Task) -> Self {
        let door = on.door();
        Self {
            user: user.clone(),
            task,
            door,
            interaction: on.id().clone(),
            events: on.events(),
            set_up_here: on.progress.theirs.enrolled.clone(),
            wants_code: app.mail.is_some() && !on.progress.theirs.mail_confirmed,
        }
    }

    /// It is met, and no factor of this user changes until this transaction ends; else nothing is done. The caller looks, beside this,
    /// whether what was shown still stands.
    pub fn is_met(&self, c: &mut Conn, now: Time) -> Written<()> {
        users::lock(c, &self.user)?;
        let Some(account) = credentials::account(c, &self.user)? else { return lost() };
        let account = match &self.task {
            // It was removed in another tab: there is nothing to replace.
            Task::Replace { lost: gone, .. } if !account.has_factor(gone) => return lost(),
            Task::Replace { lost, .. } => account.without(lost),
            Task::Enrol(_) | Task::RecoveryCodes | Task::NewPassword | Task::Rename | Task::Remove => account,
        };
        let here = Some(self.interaction.clone());
        let Some(demand) = self.task.demand(&account, self.set_up_here.as_ref(), self.door, here) else {
            return lost();
        };
        let view = SessionView { user: &self.user, events: &self.events };
        if !matches!(demand.guard.decide(Some(&view), &account, now), Decision::Satisfied(_)) {
            return lost();
        }
        if demand.mailed_code && self.wants_code && !users::addresses(c, &self.user)?.is_empty() {
            return lost();
        }
        Ok(())
    }
}
