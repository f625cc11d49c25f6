//! How a statement runs on whichever database the connection is to. It is compiled for each, so that diesel knows it by its type
//! and finds it prepared without writing its text.

use super::connection::Conn;
use diesel::backend::Backend;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::query_builder::AstPass;
use diesel::query_builder::Query;
use diesel::query_builder::QueryFragment;
use diesel::query_builder::QueryId;
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::query_dsl::methods::LoadQuery;
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
        Kept(self)
    }
}

impl<T> Statement for T {}

/// A statement that stays prepared, known by its text. Diesel listens to this only for statements that return rows.
pub struct Kept<T>(T);

impl<T: QueryFragment<DB>, DB: Backend> QueryFragment<DB> for Kept<T> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
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

/// An UPDATE of the rows that meet `which`, which stays prepared. Diesel's own does so only where it returns rows, and SQLite builds
/// a table for these.
pub fn change<T, W, V>(table: T, which: W, values: V) -> Change<T::FromClause, W, V::Changeset>
where
    T: Table,
    W: AppearsOnTable<T>,
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
