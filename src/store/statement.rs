//! How a statement runs on whichever database the connection is to. It is compiled for each, so that diesel knows it by its type
//! and finds it prepared without writing its text.

use super::connection::Conn;
use diesel::backend::Backend;
use diesel::pg::Pg;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::query_builder::AstPass;
use diesel::query_builder::Query;
use diesel::query_builder::QueryFragment;
use diesel::query_builder::QueryId;
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::query_dsl::methods::LoadQuery;
use diesel::sql_types::BoolOrNullableBool;
use diesel::sqlite::Sqlite;
use diesel::sqlite::SqliteConnection;

/// The same expression for a connection to SQLite and for one to PostgreSQL.
macro_rules! either {
    ($conn:expr, $c:ident => $then:expr) => {
        match $conn {
            $crate::store::connection::Conn::Sqlite($c) => $then,
            $crate::store::connection::Conn::Postgres($c) => $then,
        }
    };
}
pub(super) use either;

pub trait Statement: Sized {
    /// How many rows it concerned.
    fn run(self, c: &mut Conn) -> QueryResult<usize>
    where
        Self: ExecuteDsl<SqliteConnection> + ExecuteDsl<PgConnection>,
    {
        either!(c, c => ExecuteDsl::execute(self, c))
    }

    fn rows<'query, T>(self, c: &mut Conn) -> QueryResult<Vec<T>>
    where
        Self: LoadQuery<'query, SqliteConnection, T> + LoadQuery<'query, PgConnection, T>,
    {
        either!(c, c => self.internal_load(c)?.collect())
    }

    /// The only row, or the first.
    fn row<'query, T>(self, c: &mut Conn) -> QueryResult<Option<T>>
    where
        Self: LoadQuery<'query, SqliteConnection, T> + LoadQuery<'query, PgConnection, T>,
    {
        either!(c, c => self.internal_load(c)?.next().transpose())
    }

    /// For statements that are run all the time and return rows: diesel prepares an UPDATE or a list anew each time, unless it
    /// is told not to.
    fn kept(self) -> Kept<Self> {
        Kept { statement: self, lock: "" }
    }

    /// Kept, and what it reads stays as it was read until the transaction ends: whoever changes it meanwhile waits, or has to be
    /// waited for. SQLite has one writer, so nobody does.
    fn held(self) -> Kept<Self> {
        Kept { statement: self, lock: " FOR SHARE" }
    }

    /// Kept, and nobody else gets it so, or changes it, until the transaction ends. References to the rows may still be made.
    fn locked(self) -> Kept<Self> {
        Kept { statement: self, lock: " FOR NO KEY UPDATE" }
    }
}

impl<T> Statement for T {}

/// A statement that stays prepared, known by its text. Diesel listens to this only for statements that return rows.
pub struct Kept<T> {
    statement: T,
    /// On PostgreSQL, after the statement.
    lock: &'static str,
}

impl<T: QueryFragment<Sqlite>> QueryFragment<Sqlite> for Kept<T> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.statement.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &Sqlite) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<T: QueryFragment<Pg>> QueryFragment<Pg> for Kept<T> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.statement.walk_ast(out.reborrow())?;
        out.push_sql(self.lock);
        Ok(())
    }

    fn is_safe_to_cache_prepared(&self, _: &Pg) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<T> QueryId for Kept<T> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<T: Query> Query for Kept<T> {
    type SqlType = T::SqlType;
}

impl<T, C> RunQueryDsl<C> for Kept<T> {}

/// An UPDATE of the rows that meet `which`; it stays prepared. Diesel's own does so only where it returns rows, and SQLite builds
/// a table for these.
pub fn change<T, W, V>(table: T, which: W, values: V) -> Change<T::FromClause, W, V::Changeset>
where
    T: Table,
    W: AppearsOnTable<T> + Expression<SqlType: BoolOrNullableBool>,
    V: AsChangeset<Target = T>,
{
    Change { table: table.from_clause(), which, values: values.as_changeset() }
}

pub struct Change<T, W, V> {
    table: T,
    which: W,
    values: V,
}

impl<T, W, V, DB> QueryFragment<DB> for Change<T, W, V>
where
    T: QueryFragment<DB>,
    W: QueryFragment<DB>,
    V: QueryFragment<DB>,
    DB: Backend,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("UPDATE ");
        self.table.walk_ast(out.reborrow())?;
        out.push_sql(" SET ");
        self.values.walk_ast(out.reborrow())?;
        out.push_sql(" WHERE ");
        self.which.walk_ast(out)
    }
}

impl<T, W, V> QueryId for Change<T, W, V> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

#[cfg(test)]
mod tests {
    use super::super::schema::throttles;
    use super::*;
    use diesel::connection::InstrumentationEvent;
    use diesel::connection::SimpleConnection;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;

    #[test]
    fn an_update_is_prepared_once_and_says_how_many_rows_it_changed() -> Result<(), Box<dyn std::error::Error>>
    {
        let mut c = SqliteConnection::establish(":memory:")?;
        c.batch_execute(
            "CREATE TABLE throttles (key TEXT, failures INT); INSERT INTO throttles VALUES ('k', 0)",
        )?;
        let prepared = Arc::new(AtomicUsize::new(0));
        let counter = prepared.clone();
        c.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::CacheQuery { .. } = event {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut c = Conn::Sqlite(c);
        for (key, failures, rows) in [("k", 1, 1), ("k", 2, 1), ("nobody's", 3, 0)] {
            let this = throttles::key.eq(key).and(throttles::failures.lt(failures));
            let changed = change(throttles::table, this, throttles::failures.eq(failures)).run(&mut c)?;
            assert_eq!((changed, prepared.load(Ordering::Relaxed)), (rows, 1));
        }
        Ok(())
    }
}
