//! A code that is mailed before something is set up in the middle of a request, where mail is set up and the address is
//! verified: who has only the password has to have the mailbox too. The code is derived, and kept in no row but the mail's.

use super::Interaction;
use super::next_step::MOST_WRONG_CODES;
use super::progress::Notice;
use super::progress::Person;
use super::progress::Progress;
use super::submit::save;
use super::told::Letter;
use super::told::What;
use crate::app::App;
use crate::base::id::InteractionId;
use crate::base::id::UserId;
use crate::credential::seal::MasterKey;
use crate::store::StoreError;
use crate::store::interactions;
use subtle::ConstantTimeEq;

/// More than this nobody needs, and somebody's mailbox is not to be filled.
const MOST_MAILS: u32 = 3;

/// Mails a code, if `again` or none was mailed yet.
pub async fn send(app: &App, on: &Interaction, person: &Person, again: bool) -> Result<(), StoreError> {
    let mailed = on.progress.theirs.mailed;
    if mailed >= MOST_MAILS || (mailed > 0 && !again) {
        return Ok(());
    }
    let Some(code) = expected(app, on, mailed + 1) else { return Ok(()) };
    let letter = Letter::about(app, on, person, What::Code(code));
    let progress =
        Progress { notice: None, ..on.progress.with(|theirs| theirs.mailed = mailed + 1) }.resting()?;
    let (row, expires_at) = (on.row.clone(), on.expires_at(app, app.now()));
    let written = app.store.write(move |c| {
        interactions::advance(c, &row, &progress, expires_at)?;
        letter.iter().try_for_each(|letter| letter.post(c))
    });
    written.await?;
    app.mail_waiting.notify_one();
    Ok(())
}

/// Five wrong ones end the interaction, as with any code.
pub async fn confirm(app: &App, on: &Interaction, typed: &str) -> Result<(), StoreError> {
    let typed = typed.chars().filter(|c| !matches!(c, ' ' | '-')).collect::<String>();
    let expected = expected(app, on, on.progress.theirs.mailed);
    let right = expected.is_some_and(|code| bool::from(code.as_bytes().ct_eq(typed.as_bytes())));
    let wrong_codes = on.progress.wrong_codes + 1;
    let progress = match right {
        true if wrong_codes <= MOST_WRONG_CODES => {
            let confirmed = on.progress.with(|theirs| theirs.mail_confirmed = true);
            Progress { wrong_codes: 0, notice: None, ..confirmed }
        }
        _ => Progress { wrong_codes, notice: Some(Notice::WrongMailCode), ..on.progress.clone() },
    };
    save(app, on, progress).await
}

fn expected(app: &App, on: &Interaction, mail: u32) -> Option<String> {
    code(&app.master, on.id(), &on.progress.person()?.user, mail)
}

/// Eight digits of this interaction, its person and its mail of this number, the first of which is 1 (attack: the code that one person
/// was mailed is entered for the next).
pub fn code(master: &MasterKey, interaction: &InteractionId, user: &UserId, mail: u32) -> Option<String> {
    let bytes = master.bytes("mail code", &[interaction.as_str(), user.as_str(), &mail.to_string()]);
    let number = u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?);
    (mail > 0).then(|| format!("{:08}", number % 100_000_000))
}
