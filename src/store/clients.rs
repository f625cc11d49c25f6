//! Registered clients, some of which are resource servers (RFC 8707). The metadata is opaque here.

use super::connection::Conn;
use super::schema::client_origins;
use super::schema::clients;
use super::schema::users;
use super::statement::Statement;
use crate::base::id::ClientId;
use crate::base::secret::SecretHash;
use crate::base::time::Time;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;
use diesel::result::Error;

/// A client as stored; `version` changes with every update.
#[derive(Clone, Debug)]
pub struct ClientRow {
    pub id: ClientId,
    pub version: i64,
    pub metadata: String,
    pub secret_hash: Option<SecretHash>,
    pub disabled: bool,
}

pub struct NewClient<'a> {
    pub id: &'a ClientId,
    pub metadata: &'a str,
    pub secret_hash: Option<&'a SecretHash>,
    pub resource: Option<&'a str>,
    /// Of web pages that may read our answers to it.
    pub origins: &'a [String],
}

#[derive(Debug, PartialEq, Eq)]
pub enum Registered {
    Done,
    /// The id or the resource identifier belongs to another client.
    Taken,
    /// The id stands for something else already; or the resource identifier does.
    IdMeansAnother,
    ResourceMeansAnother,
    /// Somebody else changed the client meanwhile, or there is none.
    Changed,
}

pub fn insert(c: &mut Conn, client: &NewClient, now: Time) -> QueryResult<Registered> {
    alone(c)?;
    if let Some(refused) = ambiguous(c, client)? {
        return Ok(refused);
    }
    let inserted = c.transaction(|c| {
        diesel::insert_into(clients::table)
            .values((
                clients::id.eq(client.id.as_str()),
                // One that is registered anew under an id is another one, whose version was never seen.
                clients::version.eq(now.micros()),
                clients::metadata.eq(client.metadata),
                clients::secret_hash.eq(client.secret_hash.map(SecretHash::as_str)),
                clients::resource.eq(client.resource),
                clients::created_at.eq(now.micros()),
            ))
            .run(c)?;
        replace_origins(c, client)
    });
    registered(inserted)
}

/// Replaces the metadata of the `version` that was read; a concurrent change wins and this one is told so.
pub fn update(c: &mut Conn, client: &NewClient, version: i64) -> QueryResult<Registered> {
    alone(c)?;
    if let Some(refused) = ambiguous(c, client)? {
        return Ok(refused);
    }
    let updated = c.transaction(|c| {
        let updated = diesel::update(clients::table)
            .filter(clients::id.eq(client.id.as_str()))
            .filter(clients::version.eq(version))
            .set((
                clients::version.eq(version + 1),
                clients::metadata.eq(client.metadata),
                clients::secret_hash.eq(client.secret_hash.map(SecretHash::as_str)),
                clients::resource.eq(client.resource),
            ))
            .run(c)?;
        if updated == 0 {
            return Ok(0);
        }
        replace_origins(c, client)
    });
    registered(updated)
}

/// One registration at a time: of two that want one name for two things, one gets it. SQLite has one writer anyway.
fn alone(c: &mut Conn) -> QueryResult<()> {
    match c {
        Conn::Sqlite(_) => Ok(()),
        Conn::Postgres(c) => {
            diesel::sql_query("LOCK TABLE clients IN SHARE ROW EXCLUSIVE MODE").execute(c).map(drop)
        }
    }
}

/// Attack: a token about a client, or for it, that passes for one about a user, or for a resource server.
fn ambiguous(c: &mut Conn, client: &NewClient) -> QueryResult<Option<Registered>> {
    let id = client.id.as_str();
    let user = users::table.find(id).select(users::id).row::<String>(c)?;
    let server = clients::table.filter(clients::resource.eq(id)).select(clients::id).row::<String>(c)?;
    // Its own resource identifier is told as such.
    let of_another = server.is_some_and(|server| server != id);
    if user.is_some() || of_another {
        return Ok(Some(Registered::IdMeansAnother));
    }
    let Some(resource) = client.resource else { return Ok(None) };
    let named = clients::table.find(resource).select(clients::id).row::<String>(c)?;
    Ok((resource == id || named.is_some()).then_some(Registered::ResourceMeansAnother))
}

fn replace_origins(c: &mut Conn, client: &NewClient) -> QueryResult<usize> {
    diesel::delete(client_origins::table.filter(client_origins::client_id.eq(client.id.as_str()))).run(c)?;
    for origin in client.origins {
        let row = (client_origins::client_id.eq(client.id.as_str()), client_origins::origin.eq(origin));
        diesel::insert_into(client_origins::table).values(row).run(c)?;
    }
    Ok(1)
}

/// Whether an enabled client is registered with this origin.
pub fn has_origin(c: &mut Conn, origin: &str) -> QueryResult<bool> {
    let found = client_origins::table
        .inner_join(clients::table)
        .filter(client_origins::origin.eq(origin))
        .filter(clients::disabled_at.is_null())
        .select(clients::id)
        .limit(1)
        .row::<String>(c)?;
    Ok(found.is_some())
}

/// Deletes a client; `false` if there was none. What was granted to it is inactive from now on.
pub fn delete(c: &mut Conn, id: &ClientId) -> QueryResult<bool> {
    diesel::delete(clients::table.find(id.as_str())).run(c).map(|rows| rows == 1)
}

/// Replaces a client's secret; `false` if the client is none that has one.
pub fn replace_secret(c: &mut Conn, id: &ClientId, hash: &SecretHash) -> QueryResult<bool> {
    diesel::update(clients::table.find(id.as_str()))
        .filter(clients::secret_hash.is_not_null())
        .set((clients::secret_hash.eq(hash.as_str()), clients::version.eq(clients::version + 1)))
        .run(c)
        .map(|rows| rows == 1)
}

pub fn by_id(c: &mut Conn, id: &ClientId) -> QueryResult<Option<ClientRow>> {
    let row = clients::table.find(id.as_str()).select(COLUMNS).row::<Row>(c)?;
    Ok(row.map(client))
}

/// The resource servers with these identifiers.
pub fn by_resources(c: &mut Conn, identifiers: &[&str]) -> QueryResult<Vec<ClientRow>> {
    if identifiers.is_empty() {
        return Ok(Vec::new());
    }
    let named = clients::resource.eq_any(identifiers);
    let rows = clients::table.filter(named).select(COLUMNS).rows::<Row>(c)?;
    Ok(rows.into_iter().map(client).collect())
}

/// Whether each of these is enabled and in the version that was read, until this transaction ends.
pub fn stand(c: &mut Conn, read: &[(ClientId, i64)]) -> QueryResult<bool> {
    if read.is_empty() {
        return Ok(true);
    }
    let there = clients::table
        .filter(clients::id.eq_any(read.iter().map(|(id, _)| id.as_str())))
        .filter(clients::disabled_at.is_null())
        .select((clients::id, clients::version))
        .held()
        .rows::<(String, i64)>(c)?;
    let is_there = |(id, version): &(ClientId, i64)| {
        there.iter().any(|(known, now)| known == id.as_str() && now == version)
    };
    Ok(read.iter().all(is_there))
}

/// Every client, by id. For administrators, not for requests.
pub fn list(c: &mut Conn) -> QueryResult<Vec<ClientRow>> {
    let rows = clients::table.order(clients::id).select(COLUMNS).rows::<Row>(c)?;
    Ok(rows.into_iter().map(client).collect())
}

type Row = (String, i64, String, Option<String>, Option<i64>);
type Columns = (clients::id, clients::version, clients::metadata, clients::secret_hash, clients::disabled_at);
const COLUMNS: Columns =
    (clients::id, clients::version, clients::metadata, clients::secret_hash, clients::disabled_at);

fn client((id, version, metadata, secret_hash, disabled_at): Row) -> ClientRow {
    ClientRow {
        id: ClientId::from_text(id),
        version,
        metadata,
        secret_hash: secret_hash.map(SecretHash::from_stored),
        disabled: disabled_at.is_some(),
    }
}

fn registered(outcome: QueryResult<usize>) -> QueryResult<Registered> {
    match outcome {
        Ok(1) => Ok(Registered::Done),
        Ok(_) => Ok(Registered::Changed),
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Ok(Registered::Taken),
        Err(error) => Err(error),
    }
}
