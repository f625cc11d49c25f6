//! A provider of its own: a folder, a database, a client, a few people, and what stands in the database.

use crate::app::CALLBACK;
use crate::app::PASSWORD;
use crate::app::SECRET;
use crate::database::postgres;
use crate::program::Place;
use crate::program::Serving;
use crate::wire::Wire;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::BigInt;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;
use serde_json::json;
use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

pub struct Provider {
    pub place: Place,
    pub database: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct Said {
    #[diesel(sql_type = Text)]
    said: String,
}

const SETTINGS: &str = "trusted_proxies = [\"127.0.0.1\"]\n[argon2]\nmemory_kib = 8\niterations = 1\n\
    [lifetimes]\ncode = \"10m\"\naccess_token = \"12h\"\n";

impl Provider {
    /// With the client `rp` and so many people, `person0` and so on.
    pub fn on(database: &str, people: usize) -> Self {
        Self::empty(database).with(people)
    }

    /// On a PostgreSQL to which the program has a way that can be cut; what is looked at here goes straight.
    pub fn on_wire(people: usize) -> (Self, Wire) {
        let database = postgres();
        let wire = Wire::to(&database);
        (Self::of(&wire.url, &database).with(people), wire)
    }

    fn with(self, people: usize) -> Self {
        let metadata = json!({
            "client_id": "rp", "client_secret": SECRET, "redirect_uris": [CALLBACK], "skip_consent": true,
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "client_secret_post",
        });
        self.place.says(&["client", "add"], &metadata.to_string());
        for n in 0..people {
            self.place.says(&["user", "add", &format!("person{n}"), "--password-stdin"], PASSWORD);
        }
        self
    }

    /// Nothing was made yet.
    pub fn empty(database: &str) -> Self {
        let url = if database == "SQLite" { "sqlite://var/stepgate.db".into() } else { postgres() };
        Self::of(&url, &url)
    }

    fn of(url: &str, database: &str) -> Self {
        let place = Place::on(url);
        fs::write(place.path("stepgate.toml"), SETTINGS).unwrap();
        Self { place, database: database.to_owned() }
    }

    /// Started, and how long until it answers.
    pub fn serve(&self) -> (Serving, Duration) {
        let mut command = self.place.command(&["serve"]);
        // Nobody reads what it says: a pipe would fill, and hold it up.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let began = Instant::now();
        let serving = Serving(command.spawn().unwrap());
        while !self.place.is_up() {
            assert!(began.elapsed() < Duration::from_secs(20), "the server does not answer");
            sleep(Duration::from_millis(5));
        }
        (serving, began.elapsed())
    }

    /// The one number that `sql` says, whoever else uses the database.
    pub fn number(&self, sql: &str) -> i64 {
        let query = sql_query(format!("SELECT ({sql}) AS n"));
        match self.is_sqlite() {
            true => query.get_result::<Count>(&mut self.sqlite()).unwrap().n,
            false => query.get_result::<Count>(&mut self.postgres()).unwrap().n,
        }
    }

    /// The one text that `sql` says.
    pub fn text(&self, sql: &str) -> String {
        let query = sql_query(format!("SELECT coalesce(({sql}), '') AS said"));
        match self.is_sqlite() {
            true => query.get_result::<Said>(&mut self.sqlite()).unwrap().said,
            false => query.get_result::<Said>(&mut self.postgres()).unwrap().said,
        }
    }

    /// Runs statements.
    pub fn run(&self, sql: &str) {
        match self.is_sqlite() {
            true => self.sqlite().batch_execute(sql).unwrap(),
            false => self.postgres().batch_execute(sql).unwrap(),
        }
    }

    pub fn is_sqlite(&self) -> bool {
        self.database.starts_with("sqlite://")
    }

    pub fn sqlite(&self) -> SqliteConnection {
        let path = self.place.path(self.database.strip_prefix("sqlite://").unwrap());
        let mut c = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        c.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
        c
    }

    pub fn postgres(&self) -> PgConnection {
        PgConnection::establish(&self.database).unwrap()
    }

    /// Whatever was cut off: nothing in the database is half there. The audit has no index of sessions, so what is compared with it
    /// is compared at once: hundreds of kills leave a hundred thousand lines.
    pub fn is_whole(&self) {
        for (what, sql) in [
            (
                "sessions without the event that opened them",
                "SELECT count(*) FROM sessions s WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.session_id = s.id)",
            ),
            (
                "sessions without their line in the audit",
                "SELECT count(*) FROM sessions WHERE id NOT IN \
                 (SELECT session_id FROM audit WHERE what = 'sign_in' AND session_id IS NOT NULL)",
            ),
            (
                "lines in the audit without their session",
                "SELECT count(*) FROM audit a WHERE a.what = 'sign_in' AND NOT EXISTS \
                 (SELECT 1 FROM sessions s WHERE s.id = a.session_id)",
            ),
            (
                "codes more than lines in the audit",
                "SELECT (SELECT count(*) FROM grants) - \
                 (SELECT count(*) FROM audit WHERE what = 'authorization' AND outcome = 'done')",
            ),
            (
                "redemptions more than lines in the audit",
                "SELECT (SELECT count(*) FROM grants WHERE redeemed_at IS NOT NULL) - \
                 (SELECT count(*) FROM audit WHERE what = 'code.redeemed' AND outcome = 'done')",
            ),
            (
                "redemptions without their first refresh token, or with two",
                "SELECT count(*) FROM grants g WHERE g.redeemed_at IS NOT NULL AND 1 <> \
                 (SELECT count(*) FROM refresh_tokens t WHERE t.grant_id = g.id AND t.generation = 1)",
            ),
            (
                "used refresh tokens without their successor",
                "SELECT count(*) FROM refresh_tokens t WHERE t.used_at IS NOT NULL AND NOT EXISTS \
                 (SELECT 1 FROM refresh_tokens n WHERE n.grant_id = t.grant_id AND n.generation = t.generation + 1)",
            ),
            (
                "successors of refresh tokens that were not used",
                "SELECT count(*) FROM refresh_tokens t WHERE t.used_at IS NULL AND EXISTS \
                 (SELECT 1 FROM refresh_tokens n WHERE n.grant_id = t.grant_id AND n.generation = t.generation + 1)",
            ),
            (
                "refresh tokens of what was never redeemed",
                "SELECT count(*) FROM refresh_tokens t JOIN grants g ON g.id = t.grant_id WHERE g.redeemed_at IS NULL",
            ),
            (
                "revocations without a line in the audit",
                "SELECT count(*) FROM grants WHERE revoked_at IS NOT NULL AND (session_id, client_id) NOT IN \
                 (SELECT session_id, client_id FROM audit WHERE (what = 'token.revoked' OR outcome = 'refused') \
                 AND session_id IS NOT NULL AND client_id IS NOT NULL)",
            ),
            (
                "sessions whose interaction is still open",
                "SELECT count(*) FROM events e JOIN interactions i ON i.id = e.interaction_id WHERE i.finished_at IS NULL",
            ),
        ] {
            assert_eq!(self.number(sql), 0, "{what}");
        }
        self.is_sound();
    }

    /// As a database.
    pub fn is_sound(&self) {
        if self.is_sqlite() {
            let sound = "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'";
            assert_eq!(self.number(sound), 1, "PRAGMA integrity_check");
            assert_eq!(self.number("SELECT count(*) FROM pragma_foreign_key_check"), 0);
        }
    }
}
