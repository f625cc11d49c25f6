//! Which code was mailed to a user last: the interaction that it is good in, and the number of its mail there. No code is kept here.

use super::connection::Conn;
use super::schema::mail_codes;
use super::statement::Statement;
use crate::base::id::InteractionId;
use crate::base::id::UserId;
use diesel::prelude::*;

/// A code is on its way; any other one of the user, in whatever interaction, is void.
pub fn note(c: &mut Conn, user: &UserId, interaction: &InteractionId, mail: u32) -> QueryResult<()> {
    let newest = (mail_codes::interaction_id.eq(interaction.as_str()), mail_codes::mail.eq(i64::from(mail)));
    diesel::insert_into(mail_codes::table)
        .values((mail_codes::user_id.eq(user.as_str()), newest))
        .on_conflict(mail_codes::user_id)
        .do_update()
        .set(newest)
        .run(c)
        .map(drop)
}

/// Spends the code of this mail; `false` where it is not the newest one of the user, or was spent.
pub fn take(c: &mut Conn, user: &UserId, interaction: &InteractionId, mail: u32) -> QueryResult<bool> {
    diesel::delete(mail_codes::table.find(user.as_str()))
        .filter(mail_codes::interaction_id.eq(interaction.as_str()))
        .filter(mail_codes::mail.eq(i64::from(mail)))
        .run(c)
        .map(|rows| rows == 1)
}

/// No code of this user is good any more.
pub fn forget(c: &mut Conn, user: &UserId) -> QueryResult<()> {
    diesel::delete(mail_codes::table.find(user.as_str())).run(c).map(drop)
}
