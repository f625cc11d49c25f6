//! The outbox: mails that wait, written in the transaction of what they tell. A row is a mail that was not sent yet: it goes
//! when the mail is out, since its text may carry a code, and one that is given up keeps no text. Nothing here sends.

use super::connection::Conn;
use super::recoveries;
use super::schema::mails;
use super::statement::Statement;
use crate::base::id::CredentialId;
use crate::base::id::MailId;
use crate::base::id::UserId;
use crate::base::time::Seconds;
use crate::base::time::Time;
use diesel::prelude::*;
use std::fmt;

/// After so many tries, three quarters of a day after the first, a mail is given up.
pub const MOST_TRIES: i64 = 8;
/// How long after the first try the second one comes; each further wait is three times as long. No try may take as long: until
/// then a mail is its sender's alone.
pub const FIRST_WAIT: Seconds = Seconds::minutes(1);
/// How long it stays known that a mail was given up, and to whom it was.
const FAILED_KEPT: Seconds = Seconds::days(30);
/// Where nobody sends any more, what waits is forgotten.
const WAITING_KEPT: Seconds = Seconds::days(7);

pub struct NewMail<'a> {
    pub id: &'a MailId,
    /// Whom it is about; they may be deleted in the same transaction.
    pub user: Option<&'a UserId>,
    /// A bare address.
    pub recipient: &'a str,
    pub subject: &'a str,
    /// Plain text.
    pub body: &'a str,
    /// The replacement that is not due before this mail is settled.
    pub recovery: Option<&'a CredentialId>,
}

/// A mail that waits. `Debug` names it and tells nothing of it.
#[derive(Clone)]
pub struct Mail {
    pub id: MailId,
    pub recipient: String,
    pub subject: String,
    pub body: String,
    pub created_at: Time,
    /// How often somebody has begun to send it.
    pub tries: i64,
    pub next_try_at: Time,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mail({}, …)", self.id)
    }
}

/// Puts a mail into the outbox. Whoever does so where no mail is set up fills it for nobody.
pub fn push(c: &mut Conn, mail: &NewMail, now: Time) -> QueryResult<()> {
    diesel::insert_into(mails::table)
        .values((
            mails::id.eq(mail.id.as_str()),
            mails::user_id.eq(mail.user.map(UserId::as_str)),
            mails::recipient.eq(mail.recipient),
            mails::subject.eq(mail.subject),
            mails::body.eq(mail.body),
            mails::created_at.eq(now.micros()),
            mails::tries.eq(0),
            mails::next_try_at.eq(now.micros()),
            mails::recovery_id.eq(mail.recovery.map(CredentialId::as_str)),
        ))
        .run(c)
        .map(drop)
}

/// Mails whose time has come, those that have waited longest first.
pub fn due(c: &mut Conn, now: Time, limit: i64) -> QueryResult<Vec<Mail>> {
    let rows = mails::table
        .filter(mails::failed_at.is_null())
        .filter(mails::next_try_at.le(now.micros()))
        .order(mails::next_try_at)
        .limit(limit)
        .select((
            (mails::id, mails::recipient, mails::subject, mails::body),
            (mails::created_at, mails::tries, mails::next_try_at),
        ))
        .rows::<Row>(c)?;
    Ok(rows.into_iter().map(mail).collect())
}

type Row = ((String, String, String, String), (i64, i64, i64));

fn mail(((id, recipient, subject, body), (created_at, tries, next_try_at)): Row) -> Mail {
    Mail {
        id: MailId::from_text(id),
        recipient,
        subject,
        body,
        created_at: Time::from_micros(created_at),
        tries,
        next_try_at: Time::from_micros(next_try_at),
    }
}

/// Takes a mail for one try, as it was read; `true` for one sender of several. The next try comes by itself, whatever becomes
/// of this one.
pub fn claim(c: &mut Conn, mail: &Mail, now: Time) -> QueryResult<bool> {
    let tries = mail.tries + 1;
    diesel::update(mails::table.find(mail.id.as_str()))
        .filter(mails::next_try_at.eq(mail.next_try_at.micros()))
        .filter(mails::tries.eq(mail.tries))
        .filter(mails::failed_at.is_null())
        .set((mails::tries.eq(tries), mails::next_try_at.eq(now.plus(wait_after(tries)).micros())))
        .run(c)
        .map(|rows| rows == 1)
}

/// It is out: nothing of it is kept.
pub fn sent(c: &mut Conn, id: &MailId, now: Time) -> QueryResult<()> {
    let gone = diesel::delete(mails::table.find(id.as_str()))
        .returning((mails::recovery_id, mails::failed_at))
        .row::<(Option<String>, Option<i64>)>(c)?;
    match gone {
        Some((Some(recovery), None)) => recoveries::notice_settled(c, &recovery, true, now),
        _ => Ok(()),
    }
}

/// Nobody tries any more; `true` for the one who says so first.
pub fn give_up(c: &mut Conn, id: &MailId, now: Time) -> QueryResult<bool> {
    let given_up = diesel::update(mails::table.find(id.as_str()))
        .filter(mails::failed_at.is_null())
        .set((mails::failed_at.eq(now.micros()), mails::body.eq("")))
        .returning(mails::recovery_id)
        .row::<Option<String>>(c)?;
    if let Some(Some(recovery)) = &given_up {
        recoveries::notice_settled(c, recovery, false, now)?;
    }
    Ok(given_up.is_some())
}

/// Deletes a batch of those whose time is over.
pub fn forget(c: &mut Conn, now: Time, batch: i64) -> QueryResult<usize> {
    let failed = mails::table.filter(mails::failed_at.lt(now.minus(FAILED_KEPT).micros()));
    let mut old = failed.limit(batch).select(mails::id).rows::<String>(c)?;
    let waiting = mails::table
        .filter(mails::failed_at.is_null())
        .filter(mails::next_try_at.lt(now.minus(WAITING_KEPT).micros()));
    old.extend(waiting.limit(batch).select(mails::id).rows::<String>(c)?);
    if old.is_empty() {
        return Ok(0);
    }
    let gone = diesel::delete(mails::table.filter(mails::id.eq_any(old)))
        .returning((mails::recovery_id, mails::failed_at))
        .rows::<(Option<String>, Option<i64>)>(c)?;
    // What nobody has sent, nobody was told.
    for recovery in
        gone.iter().filter_map(|(recovery, failed)| recovery.as_ref().filter(|_| failed.is_none()))
    {
        recoveries::notice_settled(c, recovery, false, now)?;
    }
    Ok(gone.len())
}

fn wait_after(tries: i64) -> Seconds {
    let times = u32::try_from(tries - 1).unwrap_or(0).min(MOST_TRIES as u32);
    Seconds(FIRST_WAIT.0.saturating_mul(3_u32.saturating_pow(times)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_tried_for_most_of_a_day_less_and_less_often() {
        let waits = (1..MOST_TRIES).map(|tries| wait_after(tries).0 / 60).collect::<Vec<_>>();
        assert_eq!(waits, [1, 3, 9, 27, 81, 243, 729]);
        assert_eq!(waits.iter().sum::<u32>() / 60, 18, "hours");
    }

    #[test]
    fn a_mail_is_never_printed() {
        let mail = mail((("m".into(), "ada@op.test".into(), "s".into(), "123456".into()), (0, 0, 0)));
        assert_eq!(format!("{mail:?}"), "Mail(m, …)");
    }
}
