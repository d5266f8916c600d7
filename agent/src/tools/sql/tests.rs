//! The tool as an agent calls it, on real files: what a query may see, what it must not do, and where it ends.

use std::fs;
use std::future::Future as _;
use std::task::{Context, Waker};

use lorewell_model::{Part, ToolCall};
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use super::*;

const SHOP: &str = "
    CREATE TABLE cities (name TEXT PRIMARY KEY, country TEXT) WITHOUT ROWID;
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT REFERENCES cities (name), \"in debt\" REAL);
    CREATE VIEW paris AS SELECT id, name FROM customers WHERE city = 'Paris';
    CREATE VIRTUAL TABLE letters USING fts5 (subject, body);
    INSERT INTO cities VALUES ('Paris', 'FR'), ('Oslo', 'NO');
    INSERT INTO customers VALUES (1, 'Ann', 'Paris', 0.1), (2, 'Bob', 'Oslo', NULL), (9007199254740993, 'Zoë', 'Paris', 1e300);
    INSERT INTO letters VALUES ('Late', 'My parcel is late'), ('Thanks', 'All is well');";

/// A database of the test. The folder lives as long as it.
fn database(sql: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.sqlite");
    Connection::open(&path).unwrap().execute_batch(&format!("BEGIN; {sql}; COMMIT")).unwrap();
    (folder, path)
}

async fn call(sql: &Sql, arguments: Value) -> Result<String, String> {
    let cx = ToolCx::new(ToolCall::new("1", "sql_query", &arguments), "key");
    let output = sql.tool().call(cx, arguments).await.map_err(|error| error.for_model("sql_query"))?;
    assert_eq!(output.origin, Some(Origin::Document));
    match output.parts.as_slice() {
        [Part::Text(text)] => Ok(text.text.clone()),
        parts => panic!("{parts:?}"),
    }
}

async fn query(sql: &Sql, text: &str) -> Result<String, String> {
    call(sql, json!({"sql": text})).await
}

#[test]
fn the_description_holds_the_tables() {
    let (_folder, path) = database(SHOP);
    let tool = Sql::open(&path).unwrap().name("shop").tool();
    assert_eq!((tool.access(), &*tool.spec().name), (Access::READ, "shop"));
    assert_eq!((tool.origin(), tool.described_by()), (Origin::Developer, Origin::Document));
    let (_, tables) = tool.spec().description.split_once("instructions:\n").unwrap();
    expect_test::expect![[r#"
        cities(name TEXT primary key, country TEXT)
        customers(id INTEGER primary key, name TEXT, city TEXT references cities(name), "in debt" REAL)
        letters(subject, body)
        view paris(id INTEGER, name TEXT)"#]]
    .assert_eq(tables);
}

#[test]
fn a_description_is_no_longer_than_its_limit_and_no_order() {
    let tables: String = (0..600).map(|n| format!("CREATE TABLE t{n:03} (a, b, c, d, e, f, g, h, i, j);")).collect();
    let (_folder, path) = database(&tables);
    let description = Sql::open(&path).unwrap().tool().spec().description.clone();
    assert!(description.len() < 13_000, "{}", description.len());
    let last = description.lines().last().unwrap();
    assert_eq!(
        last,
        format!("[{} more are not shown; read `sqlite_schema`]", 600 - description.matches("\nt").count())
    );

    let columns: Vec<String> = (0..150).map(|n| format!("c{n}")).collect();
    let long = "x".repeat(500);
    let hostile = format!(
        "CREATE TABLE \"a\n\u{202E}b\"\" [done]\u{E0041}\" (\"c\u{1b}[2J\" \"TEXT\nIgnore: it\", \"{long}\");
         CREATE TABLE wide ({});
         CREATE VIEW broken AS SELECT * FROM gone;",
        columns.join(", ")
    );
    let (_folder, path) = database(&hostile);
    let description = Sql::open(&path).unwrap().tool().spec().description.clone();
    let (_, tables) = description.split_once("instructions:\n").unwrap();
    let lines: Vec<&str> = tables.lines().collect();
    assert_eq!(lines[0], format!("\"ab\"\" [done]\"(\"c[2J\" TEXTIgnore it, \"{}…\")", &long[..128]));
    assert_eq!(lines[1], "view broken(its columns cannot be read)");
    assert!(lines[2].ends_with("c98, c99, and 50 more)"), "{}", lines[2]);

    let (_folder, path) = database("");
    assert!(Sql::open(&path).unwrap().tool().spec().description.ends_with("[no tables]"));
}

#[tokio::test]
async fn rows_are_shown_as_they_are() {
    let (_folder, path) = database(SHOP);
    let sql = Sql::open(&path).unwrap();
    assert_eq!(
        query(&sql, "SELECT * FROM customers ORDER BY id").await.unwrap(),
        "[\"id\",\"name\",\"city\",\"in debt\"]\n[1,\"Ann\",\"Paris\",0.1]\n[2,\"Bob\",\"Oslo\",null]\n\
         [9007199254740993,\"Zoë\",\"Paris\",1e300]"
    );
    let values =
        "SELECT NULL, 'null', 1, '1', 1.0, -9223372036854775808, 9e999, -9e999, 0.1 + 0.2, x'00ff', zeroblob(0),
        'a\"b\\c' || char(10, 9, 0, 27, 8238, 917569), CAST(x'80' AS TEXT)";
    let shown = query(&sql, values).await.unwrap();
    assert_eq!(
        shown.lines().nth(1).unwrap(),
        "[null,\"null\",1,\"1\",1.0,-9223372036854775808,Infinity,-Infinity,0.30000000000000004,<blob of 2 bytes>,\
         <blob of 0 bytes>,\"a\\\"b\\\\c\\n\\t\\u0000\\u001b\\u202e\\udb40\\udc41\",\"\u{FFFD}\"]"
    );
    assert_eq!(query(&sql, "SELECT name FROM paris WHERE id > 5;").await.unwrap(), "[\"name\"]\n[\"Zoë\"]");
    assert_eq!(query(&sql, "SELECT 1 AS a WHERE 0 -- none").await.unwrap(), "[\"a\"]\n[no rows]");
    let found =
        query(&sql, "SELECT subject, snippet(letters, 1, '<', '>', '', 2) FROM letters WHERE letters MATCH 'parcel'")
            .await;
    assert!(found.unwrap().contains("\"Late\""));
    for reading in [
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT sum(i) FROM n",
        "SELECT value FROM json_each('[1, 2]')",
        "SELECT name, rank() OVER (ORDER BY id) FROM customers",
        "EXPLAIN QUERY PLAN SELECT * FROM customers",
        "SELECT sql FROM sqlite_schema",
        "SELECT name FROM pragma_table_info('cities')",
        "PRAGMA table_info(cities)",
        "VALUES (date('now'))",
    ] {
        assert!(query(&sql, reading).await.is_ok(), "{reading}: {:?}", query(&sql, reading).await);
    }
}

#[tokio::test]
async fn parameters_are_values() {
    let (_folder, path) = database(SHOP);
    let sql = Sql::open(&path).unwrap();
    let ask = async |text: &str, parameters: Value| call(&sql, json!({"sql": text, "parameters": parameters})).await;
    let shown = ask("SELECT ?, ?, ?, ?, ?", json!([null, true, -7, 2.5, "'; DROP TABLE cities"])).await.unwrap();
    assert!(shown.ends_with("\n[null,1,-7,2.5,\"'; DROP TABLE cities\"]"), "{shown}");
    let shown = ask("SELECT id FROM customers WHERE name = ?2 AND city = ?1", json!(["Oslo", "Bob"])).await.unwrap();
    assert!(shown.ends_with("\n[2]"), "{shown}");
    for (parameters, words) in [
        (json!([]), "`sql` has 1 parameters, and `parameters` has 0"),
        (json!([1, 2]), "`sql` has 1 parameters, and `parameters` has 2"),
        (json!([[1]]), "`parameters[0]` is no number"),
        (json!([u64::MAX]), "`parameters[0]` is no number"),
        (json!("1"), "the arguments do not fit"),
    ] {
        let told = ask("SELECT ?", parameters).await.unwrap_err();
        assert!(told.contains(words) && told.contains("Call `sql_query` again"), "{told}");
    }
}

/// Everything that lies in a folder, by name.
fn contents(folder: &TempDir) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> =
        entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect();
    files.sort();
    files
}

/// What a query might try. `{other}` is a database beside, `{new}` a file that is not there.
const ESCAPES: &[&str] = &[
    "INSERT INTO cities VALUES ('Rome', 'IT')",
    "UPDATE cities SET name = 'x'",
    "DELETE FROM cities",
    "DELETE FROM cities RETURNING name",
    "REPLACE INTO cities VALUES ('Oslo', 'SE')",
    "WITH gone AS (SELECT name FROM cities) DELETE FROM cities WHERE name IN gone RETURNING name",
    "WITH gone AS (DELETE FROM cities RETURNING name) SELECT * FROM gone",
    "CREATE TABLE t (a)",
    "CREATE TEMP TABLE t (a)",
    "CREATE TEMP VIEW v AS SELECT 1",
    "CREATE VIRTUAL TABLE temp.t USING fts5 (a)",
    "DROP TABLE cities",
    "ALTER TABLE cities ADD COLUMN x",
    "CREATE INDEX i ON cities (country)",
    "REINDEX",
    "ANALYZE",
    "VACUUM",
    "VACUUM INTO '{new}'",
    "ATTACH '{other}' AS other",
    "ATTACH 'file:{other}?mode=rw' AS other",
    "ATTACH 'file:{new}?mode=rwc' AS other",
    "ATTACH ':memory:' AS other",
    "DETACH main",
    "BEGIN EXCLUSIVE",
    "COMMIT",
    "SAVEPOINT s",
    "PRAGMA writable_schema = ON",
    "PRAGMA query_only = OFF",
    "PRAGMA query_only",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA user_version = 7",
    "PRAGMA page_size = 512",
    "PRAGMA temp_store_directory = '/'",
    "PRAGMA hard_heap_limit = 1",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "SELECT * FROM pragma_database_list",
    "SELECT load_extension('x')",
    "SELECT LOAD_EXTENSION('x', 'y')",
    "SELECT fts3_tokenizer('simple')",
    "SELECT writefile('x', 'y')",
    "SELECT readfile('secret.txt')",
    "SELECT edit('x', 'sh')",
    "UPDATE sqlite_schema SET sql = ''",
    "INSERT INTO letters (letters) VALUES ('rebuild')",
    "UPDATE sqlite_dbpage SET data = zeroblob(4096) WHERE pgno = 1",
    "SELECT 1; DELETE FROM cities",
    "SELECT 1; SELECT 2",
    "; DELETE FROM cities",
    "EXPLAIN DELETE FROM cities",
    ".open x",
    "SELECT 1\0; DELETE FROM cities",
    "",
    "-- nothing",
];

#[tokio::test]
async fn nothing_is_changed_and_nothing_else_is_reached() {
    let (folder, path) = database(SHOP);
    fs::write(folder.path().join("secret.txt"), "secret").unwrap();
    let other = folder.path().join("other.sqlite");
    Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE secrets (a); INSERT INTO secrets VALUES ('secret')")
        .unwrap();
    let before = contents(&folder);
    let sql = Sql::open(&path).unwrap();
    let other = other.display().to_string();
    let new = folder.path().join("new.sqlite").display().to_string();
    for escape in ESCAPES {
        let escape = escape.replace("{other}", &other).replace("{new}", &new);
        let told = query(&sql, &escape).await;
        let told = told.expect_err(&escape);
        assert!(told.ends_with("Call `sql_query` again with other arguments."), "{escape}: {told}");
        assert_eq!(contents(&folder), before, "{escape}");
    }
}

#[tokio::test]
async fn mistakes_are_told_in_the_words_of_sqlite() {
    let (_folder, path) = database(SHOP);
    let sql = Sql::open(&path).unwrap();
    for (text, words) in [
        ("SELECT nam FROM cities", "no such column: nam"),
        ("SELECT \"nam\" FROM cities", "no such column"),
        ("SELECT * FROM town", "no such table: town"),
        ("SELEC 1", "near \"SELEC\": syntax error"),
        ("SELECT json('{')", "malformed JSON"),
        ("SELECT abs(-9223372036854775808)", "integer overflow"),
        ("DELETE FROM cities", "not authorized: the database can only be read"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("", "`sql` returns nothing"),
    ] {
        let told = query(&sql, text).await.unwrap_err();
        assert!(told.contains(words) && told.contains("Call `sql_query` again"), "{text}: {told}");
    }
}

#[tokio::test]
async fn what_is_too_much_is_left_out_and_counted() {
    let (_folder, path) = database(SHOP);
    let sql = Sql::open(&path).unwrap().rows_max(3);
    let count = |n: u32| {
        format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {n}) SELECT i FROM n")
    };
    assert_eq!(query(&sql, &count(3)).await.unwrap(), "[\"i\"]\n[1]\n[2]\n[3]");
    let shown = query(&sql, &count(10)).await.unwrap();
    assert!(
        shown.ends_with("[3]\n[3 rows are shown and 7 more are not; narrow the query, or let SQL count and add]"),
        "{shown}"
    );
    let shown = query(&sql, &count(1_000_000)).await.unwrap();
    assert!(shown.contains("at least 10000 more"), "{shown}");

    let sql = Sql::open(&path).unwrap();
    let long = query(&sql, "SELECT printf('%.*c', 5000, 'x') || 'é'").await.unwrap();
    assert_eq!(long.lines().nth(1).unwrap(), format!("[\"{}\" (and 3002 bytes more)]", "x".repeat(2000)));
    let text = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT i, printf('%.*c', 2000, 'x') FROM n";
    let shown = query(&sql, text).await.unwrap();
    assert!(
        shown.len() < 50_000 && shown.contains("24 rows are shown and 76 more are not"),
        "{}",
        shown.lines().last().unwrap()
    );
    let wide: Vec<&str> = vec!["printf('%.*c', 2000, 'x')"; 30];
    let shown = query(&sql, &format!("SELECT {}", wide.join(", "))).await.unwrap();
    assert!(
        shown.ends_with("[1 rows, of which the first is too long to show; select fewer columns, or parts of them]")
    );
    let told = query(&sql, "SELECT length(zeroblob(2000000))").await.unwrap_err();
    assert!(told.contains("string or blob too big"), "{told}");
    let told = query(&sql, &format!("SELECT {}", vec!["1"; 300].join(", "))).await.unwrap_err();
    assert!(told.contains("too many columns in result set"), "{told}");
    let told = query(&sql, &format!("SELECT '{}'", "x".repeat(40_000))).await.unwrap_err();
    assert!(told.contains("statement too long"), "{told}");
}

#[test]
fn wide_tables_and_long_values_can_be_read_in_parts() {
    let columns: Vec<String> = (0..400).map(|n| format!("c{n}")).collect();
    let (_folder, path) =
        database(&format!("CREATE TABLE wide ({}); INSERT INTO wide (c0, c399) VALUES (1, 2)", columns.join(",")));
    let connection = connect(&path, &Stop::after(QUERY_TIMEOUT)).unwrap();
    let sum: i64 = connection.query_row("SELECT c0 + c399 FROM wide", (), |row| row.get(0)).unwrap();
    assert_eq!(sum, 3);
    let (_folder, path) = database("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, zeroblob(3000000))");
    let connection = connect(&path, &Stop::after(QUERY_TIMEOUT)).unwrap();
    assert_eq!(connection.query_row("SELECT a FROM t", (), |row| row.get::<_, i64>(0)).unwrap(), 1);
    assert!(connection.query_row("SELECT hex(b) FROM t", (), |_| Ok(())).is_err());
}

/// A query that never ends.
const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

#[tokio::test]
async fn a_query_that_takes_too_long_is_stopped() {
    let (_folder, path) = database(SHOP);
    let sql = Sql::open(&path).unwrap().timeout(Duration::from_millis(200));
    let told = query(&sql, ENDLESS).await.unwrap_err();
    assert!(told.starts_with("the query took longer than 0.2 s and was stopped"), "{told}");
    let slow_after_some =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 5 OR i < 0";
    let shown = query(&sql.clone().rows_max(2), slow_after_some).await.unwrap();
    assert!(
        shown.ends_with("[2 rows are shown and at least 2 more are not; narrow the query, or let SQL count and add]"),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_dropped_stops_its_query() {
    let (_folder, path) = database(SHOP);
    let sql = Sql::open(&path).unwrap().timeout(Duration::from_secs(3600));
    let mut calls: Vec<_> = (0..QUERIES_MAX).map(|_| Box::pin(query(&sql, ENDLESS))).collect();
    while sql.running.available_permits() > 0 {
        for call in &mut calls {
            assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        tokio::task::yield_now().await;
    }
    drop(calls);
    // Every thread is busy until its query stops: this one runs only if they do.
    assert_eq!(query(&sql, "SELECT 1 AS a").await.unwrap(), "[\"a\"]\n[1]");
    let all = u32::try_from(QUERIES_MAX).unwrap();
    assert!(sql.running.acquire_many(all).await.is_ok(), "all of them have stopped");
}

#[tokio::test]
async fn a_file_that_another_writes_is_read_as_it_is() {
    let (_folder, path) = database(SHOP);
    let writer = Connection::open(&path).unwrap();
    writer.pragma_update(None, "journal_mode", "wal").unwrap();
    let sql = Sql::open(&path).unwrap();
    let count = "SELECT count(*) FROM cities";
    assert_eq!(query(&sql, count).await.unwrap().lines().nth(1), Some("[2]"));
    writer.execute_batch("BEGIN IMMEDIATE; INSERT INTO cities VALUES ('Rome', 'IT')").unwrap();
    assert_eq!(query(&sql, count).await.unwrap().lines().nth(1), Some("[2]"), "not before it is committed");
    writer.execute_batch("COMMIT; CREATE TABLE late (a)").unwrap();
    assert_eq!(query(&sql, count).await.unwrap().lines().nth(1), Some("[3]"));
    assert_eq!(query(&sql, "SELECT count(*) FROM late").await.unwrap().lines().nth(1), Some("[0]"));

    let (_folder, path) = database(SHOP);
    let sql = Sql::open(&path).unwrap();
    let writer = Connection::open(&path).unwrap();
    writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let told = query(&sql, count).await.unwrap_err();
    assert!(told.starts_with("another program keeps the database to itself"), "{told}");
    assert_eq!(Sql::open(&path).unwrap_err().kind(), Kind::Unavailable);
}

#[test]
fn what_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Sql::open(folder.path().join("missing.sqlite")).unwrap_err();
    assert_eq!(missing.kind(), Kind::NotFound);
    assert!(missing.to_string().starts_with("opening the database `"), "{missing}");
    assert!(!folder.path().join("missing.sqlite").exists(), "none is made");
    fs::write(folder.path().join("text"), "this is no database, whatever it is called".repeat(100)).unwrap();
    let wrong = Sql::open(folder.path().join("text")).unwrap_err();
    assert!(wrong.kind() == Kind::Corrupt && wrong.to_string().contains("is it a SQLite file?"), "{wrong}");
    assert_eq!(Sql::open(folder.path()).unwrap_err().kind(), Kind::Io);
}

#[tokio::test]
async fn a_damaged_file_is_told_to_people_and_not_to_models() {
    let many = "CREATE TABLE t (a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT i FROM n";
    let (_folder, path) = database(many);
    let sql = Sql::open(&path).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096..].fill(0x5a);
    fs::write(&path, bytes).unwrap();
    let told = query(&sql, "SELECT sum(a) FROM t").await.unwrap_err();
    assert_eq!(told, "`sql_query` failed. The reason was logged for the people who run it.");
}

#[tokio::test]
async fn virtual_tables_are_read_where_reading_is_all_they_do() {
    let (_folder, path) = database(
        "CREATE VIRTUAL TABLE old USING fts4 (body);
         INSERT INTO old VALUES ('an old letter');
         CREATE VIRTUAL TABLE places USING rtree (id, x0, x1);
         INSERT INTO places VALUES (1, 2.0, 3.0)",
    );
    let sql = Sql::open(&path).unwrap();
    let description = sql.tool().spec().description.clone();
    assert!(description.ends_with("\nold(body)\nplaces(its columns cannot be read)"), "{description}");
    let found = query(&sql, "SELECT body FROM old WHERE old MATCH 'letter'").await.unwrap();
    assert_eq!(found, "[\"body\"]\n[\"an old letter\"]");
    let told = query(&sql, &format!("SELECT {}", "x".repeat(20_000))).await.unwrap_err();
    assert!(told.contains("x…\n") && told.len() < 1100, "{told}");
    let told = query(&sql, "SELECT * FROM places").await.unwrap_err();
    assert!(told.contains("Call `sql_query` again"), "{told}");
}

/// A file made to do harm when it is read.
#[tokio::test]
async fn the_schema_of_a_file_is_not_trusted() {
    let (_folder, path) = database(
        "CREATE TABLE t (a);
         INSERT INTO t VALUES (1);
         CREATE VIEW evil AS SELECT load_extension('x') FROM t;
         CREATE VIEW page AS SELECT * FROM sqlite_dbpage;",
    );
    let sql = Sql::open(&path).unwrap();
    for view in ["evil", "page"] {
        let told = query(&sql, &format!("SELECT * FROM {view}")).await;
        assert!(told.is_err(), "{view}: {told:?}");
    }
}
