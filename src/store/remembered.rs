//! Which accounts were used in a browser. It helps a person to choose and proves nothing.

use super::connection::Conn;
use super::schema::remembered_accounts;
use super::schema::users;
use super::sessions;
use super::statement::Statement;
use super::statement::change;
use crate::base::id::BrowserId;
use crate::base::id::UserId;
use crate::base::time::Time;
use diesel::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    pub user: UserId,
    pub username: String,
}

/// More than this nobody chooses from.
const MOST: usize = 10;
/// In so many browsers at most one person is remembered.
const MOST_BROWSERS: i64 = 500;
const PIECE: i64 = 100;

/// The account was used in this browser.
pub fn note(c: &mut Conn, browser: &BrowserId, user: &UserId, now: Time) -> QueryResult<()> {
    let this = remembered_accounts::browser_id.eq(browser.as_str());
    let this = this.and(remembered_accounts::user_id.eq(user.as_str()));
    let values = remembered_accounts::used_at.eq(now.micros());
    if change(remembered_accounts::table, this, values).run(c)? == 1 {
        return Ok(());
    }
    let others = remembered_accounts::table
        .filter(remembered_accounts::browser_id.eq(browser.as_str()))
        .order(remembered_accounts::used_at.desc())
        .select(remembered_accounts::user_id)
        .rows::<String>(c)?;
    for old in others.get(MOST - 1..).unwrap_or_default() {
        forget(c, browser, &UserId::from_text(old))?;
    }
    diesel::insert_into(remembered_accounts::table)
        .values((
            remembered_accounts::browser_id.eq(browser.as_str()),
            remembered_accounts::user_id.eq(user.as_str()),
            remembered_accounts::used_at.eq(now.micros()),
        ))
        .run(c)?;
    forget_oldest(c, user)
}

/// One person's browsers are not without number either; with the oldest goes its row, where nothing else needs it.
fn forget_oldest(c: &mut Conn, user: &UserId) -> QueryResult<()> {
    let old = remembered_accounts::table
        .filter(remembered_accounts::user_id.eq(user.as_str()))
        .order(remembered_accounts::used_at.desc())
        .offset(MOST_BROWSERS)
        .limit(PIECE)
        .select(remembered_accounts::browser_id)
        .rows::<String>(c)?;
    if old.is_empty() {
        return Ok(());
    }
    diesel::delete(remembered_accounts::table)
        .filter(remembered_accounts::user_id.eq(user.as_str()))
        .filter(remembered_accounts::browser_id.eq_any(&old))
        .run(c)?;
    sessions::forget_idle(c, &old).map(drop)
}

/// The accounts that were used in this browser, the last one first.
pub fn of_browser(c: &mut Conn, browser: &BrowserId) -> QueryResult<Vec<Remembered>> {
    let rows = remembered_accounts::table
        .inner_join(users::table)
        .filter(remembered_accounts::browser_id.eq(browser.as_str()))
        .order(remembered_accounts::used_at.desc())
        .select((users::id, users::username))
        .rows::<(String, String)>(c)?;
    let found = rows.into_iter().map(|(id, username)| Remembered { user: UserId::from_text(id), username });
    Ok(found.collect())
}

pub fn forget(c: &mut Conn, browser: &BrowserId, user: &UserId) -> QueryResult<()> {
    diesel::delete(remembered_accounts::table.find((browser.as_str(), user.as_str()))).run(c).map(drop)
}

pub fn forget_all(c: &mut Conn, browser: &BrowserId) -> QueryResult<()> {
    diesel::delete(remembered_accounts::table)
        .filter(remembered_accounts::browser_id.eq(browser.as_str()))
        .run(c)
        .map(drop)
}

/// Whether anybody signed in in this browser before.
pub fn knows_anybody(c: &mut Conn, browser: &BrowserId) -> QueryResult<bool> {
    let found = remembered_accounts::table
        .filter(remembered_accounts::browser_id.eq(browser.as_str()))
        .select(remembered_accounts::user_id)
        .limit(1)
        .row::<String>(c)?;
    Ok(found.is_some())
}

/// Whether the user signed in in this browser before.
pub fn knows(c: &mut Conn, browser: &BrowserId, user: &UserId) -> QueryResult<bool> {
    let found = remembered_accounts::table
        .find((browser.as_str(), user.as_str()))
        .select(remembered_accounts::user_id)
        .row::<String>(c)?;
    Ok(found.is_some())
}
