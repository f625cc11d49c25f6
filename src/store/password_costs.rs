//! At which costs passwords are stored (a PHC string without its hash and its salt). Found by steps through an index, one for each
//! cost: of a million passwords two or three rows are looked at.

use super::connection::Conn;
use super::schema::credentials;
use super::statement::Statement;
use crate::credential::costs::Cost;
use diesel::dsl::max;
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::Nullable;
use diesel::sql_types::Text;
use std::cmp::Reverse;

/// The expression of the index `credentials_cost`, to the letter.
const COST: &str = "CASE WHEN kind = 'pwd' THEN rtrim(rtrim(rtrim(rtrim(secret, \
                    'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'), '$'), \
                    'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'), '$') END";
/// More than any settings went through; beyond, the rest is not looked for.
const MOST: usize = 32;

/// Those at which passwords were hashed last, first, which is the order of the settings. When a password was set says nothing: it is
/// hashed anew at sign-ins.
pub fn stored(c: &mut Conn) -> QueryResult<Vec<Cost>> {
    let mut found = Vec::new();
    let mut last = String::new();
    while found.len() < MOST {
        let next = credentials::table.filter(cost().gt(&last)).order(cost()).select(cost()).limit(1);
        let Some(next) = next.row::<Option<String>>(c)?.flatten() else { break };
        let hashed = credentials::table.filter(cost().eq(&next)).select(max(credentials::hashed_at));
        found.push((hashed.row::<Option<i64>>(c)?.flatten(), next.clone()));
        last = next;
    }
    found.sort_by_key(|(hashed, _)| Reverse(*hashed));
    Ok(found.into_iter().map(|(_, cost)| Cost::from_stored(cost)).collect())
}

/// How many passwords are stored at it. For the start of a server, not for requests.
pub fn count(c: &mut Conn, at: &Cost) -> QueryResult<i64> {
    let count = credentials::table.filter(cost().eq(at.as_str())).count().row::<i64>(c)?;
    Ok(count.unwrap_or_default())
}

fn cost() -> SqlLiteral<Nullable<Text>> {
    sql(COST)
}
