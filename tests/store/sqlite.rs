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
