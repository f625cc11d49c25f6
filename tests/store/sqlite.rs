use crate::database::sqlite;
use diesel::sql_query;
use diesel::sql_types::Text;
use stepgate::store::statement::Statement;

#[derive(diesel::QueryableByName)]
struct Compiled {
    #[diesel(sql_type = Text)]
    compile_options: String,
}

/// `.cargo/config.toml` says why; a build that does not read it is right and slow.
#[tokio::test]
async fn sqlite_is_compiled_to_keep_statements_prepared_and_to_share_no_lock() {
    let db = sqlite();
    let options = db.store.read(|c| sql_query("PRAGMA compile_options").rows::<Compiled>(c)).await.unwrap();
    let has = |name: &str| options.iter().any(|option| option.compile_options == name);
    for wanted in ["ENABLE_QPSG", "DEFAULT_MEMSTATUS=0", "THREADSAFE=2"] {
        assert!(has(wanted), "{wanted}");
    }
    assert!(!has("ENABLE_MEMORY_MANAGEMENT"));
}

#[derive(diesel::QueryableByName)]
struct Settings {
    #[diesel(sql_type = Text)]
    settings: String,
}

/// What was answered survives a power cut, and no row names one that is not there.
#[tokio::test]
async fn who_writes_to_sqlite_waits_for_the_disk_and_keeps_references_whole() {
    let db = sqlite();
    const SQL: &str = "SELECT journal_mode || ' ' || synchronous || ' ' || foreign_keys AS settings \
               FROM pragma_journal_mode, pragma_synchronous, pragma_foreign_keys";
    let settings = db.store.write(|c| sql_query(SQL).rows::<Settings>(c)).await.unwrap();
    assert_eq!(settings[0].settings, "wal 2 1");
}
