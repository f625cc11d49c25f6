//! Users and the names they sign in with. A name is stored and looked up in one normal form: ASCII, lower case.

use super::connection::Conn;
use super::failed_sign_ins;
use super::schema::login_names;
use super::schema::users;
use super::statement::Statement;
use crate::assurance::factors::SecondFactor;
use crate::base::id::UserId;
use crate::base::time::Time;
use diesel::prelude::*;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

/// A user as stored; `claims` is the JSON object of their standard claims.
#[derive(Clone, Debug)]
pub struct User {
    pub id: UserId,
    pub username: String,
    pub claims: String,
    pub second_factor: SecondFactor,
    pub disabled: bool,
}

/// A name that can be signed in with: one spelling for all of its variants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginName(String);

#[derive(Debug, PartialEq, Eq)]
pub enum Added {
    Done,
    NameTaken,
}

pub struct NewUser<'a> {
    pub id: &'a UserId,
    pub name: &'a LoginName,
    /// Given by an administrator, and thereby verified.
    pub email: Option<&'a LoginName>,
    pub claims: &'a str,
    pub second_factor: SecondFactor,
}

impl LoginName {
    /// 1 to 254 printable ASCII characters without spaces; homoglyphs and invisible marks have no way in.
    pub fn parse(text: &str) -> Option<Self> {
        let sound = (1..=254).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        sound.then(|| Self(text.to_ascii_lowercase()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub fn insert(c: &mut Conn, user: &NewUser, now: Time) -> QueryResult<Added> {
    let added = c.transaction(|c| {
        diesel::insert_into(users::table)
            .values((
                users::id.eq(user.id.as_str()),
                users::username.eq(user.name.as_str()),
                users::claims.eq(user.claims),
                users::second_factor.eq(second_factor_text(user.second_factor)),
                users::created_at.eq(now.micros()),
            ))
            .run(c)?;
        for (name, kind) in [(Some(user.name), "username"), (user.email, "email")] {
            let Some(name) = name else { continue };
            insert_name(c, user.id, name, kind, now)?;
        }
        Ok(1)
    });
    Ok(if super::unless_taken(added)? { Added::Done } else { Added::NameTaken })
}

/// The user whom a user name or a verified e-mail address names.
pub fn by_login_name(c: &mut Conn, name: &LoginName) -> QueryResult<Option<User>> {
    login_names::table
        .inner_join(users::table)
        .filter(login_names::name.eq(name.as_str()))
        .filter(login_names::verified_at.is_not_null())
        .select(COLUMNS)
        .row::<Row>(c)
        .map(|row| row.map(user))
}

/// The verified e-mail addresses of a user: where they are told what happens to their account.
pub fn addresses(c: &mut Conn, id: &UserId) -> QueryResult<Vec<String>> {
    login_names::table
        .filter(login_names::user_id.eq(id.as_str()))
        .filter(login_names::kind.eq("email"))
        .filter(login_names::verified_at.is_not_null())
        .order(login_names::name)
        .select(login_names::name)
        .rows(c)
}

/// Everything that a user is called: what they sign in with, and the names among their claims (OIDC Core §5.1).
pub fn names(c: &mut Conn, id: &UserId) -> QueryResult<Vec<String>> {
    let mut names = login_names(c, id)?;
    let claims = by_id(c, id)?.map(|user| user.claims).unwrap_or_default();
    names.extend(names_among(&serde_json::from_str(&claims).unwrap_or_default()));
    Ok(names)
}

/// What a user signs in with.
pub fn login_names(c: &mut Conn, id: &UserId) -> QueryResult<Vec<String>> {
    let of_user = login_names::table.filter(login_names::user_id.eq(id.as_str()));
    of_user.order(login_names::name).select(login_names::name).rows(c)
}

pub fn names_among(claims: &Value) -> Vec<String> {
    const NAMES: [&str; 7] =
        ["name", "given_name", "middle_name", "family_name", "nickname", "preferred_username", "email"];
    NAMES.iter().filter_map(|name| claims.get(name)?.as_str().map(str::to_owned)).collect()
}

pub fn by_id(c: &mut Conn, id: &UserId) -> QueryResult<Option<User>> {
    let row = users::table.find(id.as_str()).select(COLUMNS).row::<Row>(c)?;
    Ok(row.map(user))
}

/// Of all who change the factors of a user, one at a time does: what one reads of them stays so until its transaction ends.
pub fn lock(c: &mut Conn, id: &UserId) -> QueryResult<()> {
    users::table.find(id.as_str()).select(users::id).locked().row::<String>(c).map(drop)
}

/// Replaces the claims that were read as `known`; `false` if they are others by now.
pub fn replace_claims(c: &mut Conn, id: &UserId, known: &str, claims: &str) -> QueryResult<bool> {
    diesel::update(users::table.find(id.as_str()))
        .filter(users::claims.eq(known))
        .set(users::claims.eq(claims))
        .run(c)
        .map(|rows| rows == 1)
}

pub fn set_second_factor(c: &mut Conn, id: &UserId, second_factor: SecondFactor) -> QueryResult<()> {
    diesel::update(users::table.find(id.as_str()))
        .set(users::second_factor.eq(second_factor_text(second_factor)))
        .run(c)
        .map(drop)
}

/// Gives a user this verified address to sign in with, instead of the one they had.
pub fn replace_email(c: &mut Conn, id: &UserId, email: &LoginName, now: Time) -> QueryResult<Added> {
    diesel::delete(login_names::table)
        .filter(login_names::user_id.eq(id.as_str()))
        .filter(login_names::kind.eq("email"))
        .run(c)?;
    let inserted = c.transaction(|c| insert_name(c, id, email, "email", now));
    match super::unless_taken(inserted)? {
        true => Ok(Added::Done),
        false => Ok(Added::NameTaken),
    }
}

fn insert_name(c: &mut Conn, id: &UserId, name: &LoginName, kind: &str, now: Time) -> QueryResult<usize> {
    diesel::insert_into(login_names::table)
        .values((
            login_names::name.eq(name.as_str()),
            login_names::user_id.eq(id.as_str()),
            login_names::kind.eq(kind),
            login_names::verified_at.eq(now.micros()),
        ))
        .run(c)
}

/// The user is enabled until this transaction ends; else nothing is done. Taken before anything else, as by whoever disables them.
pub fn stays(c: &mut Conn, id: &UserId) -> QueryResult<()> {
    let enabled = users::table.find(id.as_str()).filter(users::disabled_at.is_null());
    match enabled.select(users::id).held().row::<String>(c)? {
        Some(_) => Ok(()),
        None => super::lost(),
    }
}

/// Until this transaction ends, nobody records a proof of this user; whoever is about to is waited for.
pub fn hold(c: &mut Conn, id: &UserId) -> QueryResult<()> {
    diesel::update(users::table.find(id.as_str())).set(users::username.eq(users::username)).run(c).map(drop)
}

/// Disables a user from `at` on, or enables them.
pub fn set_disabled(c: &mut Conn, id: &UserId, at: Option<Time>) -> QueryResult<()> {
    diesel::update(users::table.find(id.as_str()))
        .set(users::disabled_at.eq(at.map(Time::micros)))
        .run(c)
        .map(drop)
}

/// Deletes a user with their names, factors, sessions and events.
pub fn delete(c: &mut Conn, id: &UserId) -> QueryResult<()> {
    failed_sign_ins::forget(c, id)?;
    diesel::delete(users::table.find(id.as_str())).run(c).map(drop)
}

/// Every user, by name. For administrators, not for requests.
pub fn list(c: &mut Conn) -> QueryResult<Vec<User>> {
    let rows = users::table.order(users::username).select(COLUMNS).rows::<Row>(c)?;
    Ok(rows.into_iter().map(user).collect())
}

type Row = (String, String, String, String, Option<i64>);
type Columns = (users::id, users::username, users::claims, users::second_factor, users::disabled_at);
const COLUMNS: Columns =
    (users::id, users::username, users::claims, users::second_factor, users::disabled_at);

fn user((id, username, claims, second_factor, disabled_at): Row) -> User {
    User {
        id: UserId::from_text(id),
        username,
        claims,
        second_factor: if second_factor == "step-up" { SecondFactor::StepUp } else { SecondFactor::SignIn },
        disabled: disabled_at.is_some(),
    }
}

pub fn second_factor_text(second_factor: SecondFactor) -> &'static str {
    match second_factor {
        SecondFactor::SignIn => "sign-in",
        SecondFactor::StepUp => "step-up",
    }
}
