//! A code that is mailed before something is set up, where mail is set up and the address is verified: who has only the password has
//! to have the mailbox too. The code is derived, and kept in no row but the mail's. It is good in its own interaction alone, and only
//! while it is the newest of its user.

use super::Interaction;
use super::brake;
use super::progress::Notice;
use super::progress::Person;
use super::progress::Progress;
use super::prove::ProveError;
use super::told::Letter;
use super::told::What;
use crate::app::App;
use crate::base::id::InteractionId;
use crate::base::id::UserId;
use crate::base::time::Time;
use crate::credential::seal::MasterKey;
use crate::store::StoreError;
use crate::store::Written;
use crate::store::audit;
use crate::store::audit::Entry;
use crate::store::connection::Conn;
use crate::store::interactions;
use crate::store::lost;
use crate::store::mail_codes;
use crate::store::throttles;
use subtle::ConstantTimeEq;

/// More than this nobody needs in one interaction.
const MOST_MAILS: u32 = 3;

/// Until when no code is mailed here, if the address has had enough of them.
pub fn full_until(on: &Interaction, now: Time) -> Option<Time> {
    on.progress.theirs.mails_full.filter(|until| *until > now)
}

/// Mails a code, if `again` or none was mailed yet.
pub async fn send(app: &App, on: &Interaction, person: &Person, again: bool) -> Result<(), StoreError> {
    let (now, mailed) = (app.now(), on.progress.theirs.mailed);
    if mailed >= MOST_MAILS || (mailed > 0 && !again) || full_until(on, now).is_some() {
        return Ok(());
    }
    let Some(code) = expected(app, on, mailed + 1) else { return Ok(()) };
    let Some(letter) = Letter::about(app, on, person, What::Code(code)) else { return Ok(()) };
    let sent = on.progress.with(|theirs| (theirs.mailed, theirs.mails_full) = (mailed + 1, None));
    let sent = Progress { notice: None, ..sent }.resting()?;
    let (row, expires_at) = (on.row.clone(), on.expires_at(app, now));
    let (user, entry) = (person.user.clone(), entry(app, on, person).because("mailed"));
    let written = app.store.write(move |c| {
        let recipients = match with_room(c, &letter, now)? {
            Ok(recipients) => recipients,
            Err(until) => return Ok(Err(until)),
        };
        mail_codes::note(c, &user, &row.id, mailed + 1)?;
        interactions::advance(c, &row, &sent, expires_at)?;
        letter.post_to(c, &recipients, None)?;
        audit::append(c, &entry).map(Ok)
    });
    match written.await? {
        Ok(()) => app.mail_waiting.notify_one(),
        Err(until) => refuse(app, on, person, until).await?,
    }
    Ok(())
}

/// The addresses that have not had too many codes, each of which is counted; or when the first of them may get one again.
fn with_room(c: &mut Conn, letter: &Letter, now: Time) -> Written<Result<Vec<String>, Time>> {
    let recipients = letter.recipients(c)?.into_iter();
    let mut rations = recipients.map(|to| (brake::mailed_codes(&to), to)).collect::<Vec<_>>();
    // In one order, so that nobody waits in a circle.
    rations.sort_by(|(one, _), (other, _)| one.key.cmp(&other.key));
    let (mut open, mut full) = (Vec::new(), Vec::new());
    for (ration, to) in rations {
        match throttles::spend(c, &ration, now)? {
            Ok(()) => open.push(to),
            Err(until) => full.push(until),
        }
    }
    match full.into_iter().min() {
        Some(until) if open.is_empty() => Ok(Err(until)),
        // The address is gone by now: what is asked for is another question.
        None if open.is_empty() => lost(),
        _ => Ok(Ok(open)),
    }
}

/// The page says so; and the interaction remembers it, so that looking again writes nothing.
async fn refuse(app: &App, on: &Interaction, person: &Person, until: Time) -> Result<(), StoreError> {
    let full = on.progress.with(|theirs| theirs.mails_full = Some(until));
    let progress = Progress { notice: None, ..full }.resting()?;
    let (row, expires_at) = (on.row.clone(), on.expires_at(app, app.now()));
    let entry = entry(app, on, person).refused("too many codes");
    let write = move |c: &mut Conn| {
        interactions::advance(c, &row, &progress, expires_at)?;
        audit::append(c, &entry)
    };
    app.store.write(write).await
}

/// The try is counted before it is judged, and its step taken with the count; five wrong ones end the interaction, as with any code.
pub async fn confirm(app: &App, on: &Interaction, person: &Person, typed: &str) -> Result<(), ProveError> {
    let (now, mail) = (app.now(), on.progress.theirs.mailed);
    let typed = typed.chars().filter(|c| !matches!(c, ' ' | '-')).collect::<String>();
    let fits =
        expected(app, on, mail).is_some_and(|code| bool::from(code.as_bytes().ct_eq(typed.as_bytes())));
    let confirmed = on.progress.with(|theirs| theirs.mail_confirmed = true);
    let right = Progress { wrong_codes: 0, notice: None, ..confirmed };
    let wrong_codes = on.progress.wrong_codes + 1;
    let wrong = Progress { wrong_codes, notice: Some(Notice::WrongMailCode), ..on.progress.clone() };
    let (right, wrong) = (right.resting()?, wrong.resting()?);
    let (row, user, source) = (on.row.clone(), person.user.clone(), on.source.clone());
    let (entry, expires_at) = (entry(app, on, person), on.expires_at(app, now));
    let judged = app.store.write(move |c| {
        if let Err(until) = brake::count_mail_code(c, &user, &source, now)? {
            return Ok(Err(until));
        }
        if fits && mail_codes::take(c, &user, &row.id, mail)? {
            brake::take_back_mail_code(c, &user, &source)?;
            interactions::advance(c, &row, &right, expires_at)?;
            return audit::append(c, &entry.because("right")).map(Ok);
        }
        interactions::advance(c, &row, &wrong, expires_at)?;
        audit::append(c, &entry.refused("wrong")).map(Ok)
    });
    match judged.await? {
        Ok(()) => Ok(()),
        Err(until) => {
            note_braked(app, on, person, now).await?;
            Err(ProveError::Braked(until))
        }
    }
}

/// One line, however often somebody knocks: what is braked costs a stranger nothing, so it may not cost us a row each.
async fn note_braked(app: &App, on: &Interaction, person: &Person, now: Time) -> Result<(), StoreError> {
    let line = brake::braked_line(&person.user, &on.source);
    let entry = entry(app, on, person).refused("braked");
    let write = move |c: &mut Conn| match throttles::spend(c, &line, now)? {
        Ok(()) => audit::append(c, &entry),
        Err(_) => Ok(()),
    };
    app.store.write(write).await
}

fn entry(app: &App, on: &Interaction, person: &Person) -> Entry {
    on.entry(app, person, audit::What::MailCode)
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
