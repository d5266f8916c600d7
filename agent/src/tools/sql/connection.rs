//! A connection that can only read, by several fences of which each would do: how the file is opened, what SQLite
//! refuses, and what an authorizer lets through. And what a query may cost.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lorewell_model::{Error, Kind};
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};

/// Without a mutex: one thread has a connection.
const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);
/// How long a query waits for a process that keeps the file to itself, as some do for the moment of a commit.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);
/// Steps of SQLite's machine between two looks at the clock: some microseconds, so that the clock costs little.
const STEPS: i32 = 1000;
/// Bytes of one text or blob, read or made. Rows hold less as a rule; a query that builds longer ones is out of hand.
const VALUE_BYTES_MAX: i32 = 1 << 20;
/// Bytes of a query: models write some hundred.
const SQL_BYTES_MAX: i32 = 32 << 10;
/// Columns of a result: with the limit of a value, what a row may hold in memory.
const COLUMNS_MAX: i32 = 256;
/// Kibibytes of pages that are kept in memory, for the file and for what is sorted: the rest goes to temporary files.
const CACHE_KIB: i32 = 8 << 10;
/// Bytes of a pattern for `LIKE` and `GLOB`, whose time grows with its square.
const PATTERN_BYTES_MAX: i32 = 1000;

/// Settings that may be read, and which change nothing when they are given an argument. `data_version` and `page_size`
/// are asked by full-text tables.
const PRAGMAS: &[&str] = &[
    "data_version",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "page_size",
    "table_info",
    "table_list",
    "table_xinfo",
];
/// Of these, those that an argument does change.
const PRAGMAS_WITHOUT_ARGUMENT: &[&str] = &["data_version", "page_size"];

/// Functions that reach beyond the database: they load code, or read and write files where a build of SQLite has them.
const FUNCTIONS_DENIED: &[&str] = &["edit", "fts3_tokenizer", "load_extension", "readfile", "writefile"];

/// When a query has to end.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    at: Instant,
    limit: Duration,
    is_unwanted: Arc<AtomicBool>,
}

/// Stops a query when it is dropped.
#[derive(Debug)]
pub(super) struct Stopping(Arc<AtomicBool>);

impl Stop {
    pub(super) fn after(limit: Duration) -> Self {
        Self { at: Instant::now() + limit, limit, is_unwanted: Arc::default() }
    }

    pub(super) fn when_dropped(&self) -> Stopping {
        Stopping(self.is_unwanted.clone())
    }

    pub(super) fn is_due(&self) -> bool {
        self.is_unwanted.load(Ordering::Relaxed) || Instant::now() >= self.at
    }

    /// How long the query had.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }
}

impl Drop for Stopping {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Opens a file for reading, until it is time to stop.
pub(super) fn connect(path: &Path, stop: &Stop) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_with_flags(path, FLAGS)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let stop = stop.clone();
    connection.progress_handler(STEPS, Some(move || stop.is_due()))?;
    distrust(&connection)?;
    limit(&connection)?;
    connection.authorizer(Some(authorize))?;
    Ok(connection)
}

/// Makes SQLite refuse what a hostile file or query would need (<https://sqlite.org/security.html>).
fn distrust(connection: &Connection) -> rusqlite::Result<()> {
    for (setting, is_on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false),
        // Closing moves no log into the file.
        (DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
        // A word in double quotes that names nothing is a mistake, not a text.
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
    ] {
        connection.set_db_config(setting, is_on)?;
    }
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cell_size_check", true)
}

/// Bounds what a query may take.
fn limit(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "file")?;
    // Reads the schema, whose tables may have more columns than a result.
    connection.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()))?;
    for (limit, max) in [
        (Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, SQL_BYTES_MAX),
        (Limit::SQLITE_LIMIT_COLUMN, COLUMNS_MAX),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, PATTERN_BYTES_MAX),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, max)?;
    }
    Ok(())
}

/// Decides about each thing that a statement would do, before it runs.
fn authorize(asked: AuthContext<'_>) -> Authorization {
    let is_allowed = match asked.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => true,
        AuthAction::Function { function_name } => !is_among(FUNCTIONS_DENIED, function_name),
        AuthAction::Pragma { pragma_name, pragma_value } => {
            let needs_none = is_among(PRAGMAS_WITHOUT_ARGUMENT, pragma_name);
            is_among(PRAGMAS, pragma_name) && !(needs_none && pragma_value.is_some())
        }
        _ => false,
    };
    if is_allowed { Authorization::Allow } else { Authorization::Deny }
}

fn is_among(names: &[&str], name: &str) -> bool {
    names.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// Turns an error of SQLite that is not about a query into one of ours.
pub(super) fn failed(error: rusqlite::Error) -> Error {
    let (kind, advice) = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => (Kind::Corrupt, "; is it a SQLite file?"),
        Some(ErrorCode::DatabaseCorrupt) => (Kind::Corrupt, "; put a copy in its place"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (Kind::Unavailable, "; another process keeps it to itself, try again")
        }
        Some(ErrorCode::OperationInterrupted) => (Kind::Timeout, "; it took too long"),
        _ => (Kind::Io, "; check that it and its folder can be read"),
    };
    Error::new(kind, format!("{error}{advice}")).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database with one row, on a connection that may write.
    fn writable() -> (tempfile::TempDir, std::path::PathBuf, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.sqlite");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)").unwrap();
        (folder, path, connection)
    }

    #[track_caller]
    fn refuses(connection: &Connection, sql: &str, words: &str) {
        let refused = connection.execute_batch(sql).unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    }

    #[test]
    fn every_fence_holds_by_itself() {
        let (_folder, path, _) = writable();
        let opened = Connection::open_with_flags(&path, FLAGS).unwrap();
        refuses(&opened, "DELETE FROM t", "attempt to write a readonly database");

        let (_folder, _, distrusting) = writable();
        distrust(&distrusting).unwrap();
        refuses(&distrusting, "DELETE FROM t", "attempt to write a readonly database");
        distrusting.execute_batch("PRAGMA query_only = OFF; PRAGMA writable_schema = ON").unwrap();
        refuses(&distrusting, "UPDATE sqlite_schema SET sql = ''", "may not be modified");

        let (_folder, _, mut authorized) = writable();
        authorized.authorizer(Some(authorize)).unwrap();
        refuses(&authorized, "DELETE FROM t", "not authorized");
        refuses(&authorized, "ATTACH ':memory:' AS other", "not authorized");
    }

    #[test]
    fn a_stop_is_due_when_its_time_is_up_or_nobody_waits() {
        assert!(Stop::after(Duration::ZERO).is_due());
        let stop = Stop::after(Duration::from_secs(3600));
        let stopping = stop.when_dropped();
        assert!(!stop.is_due());
        drop(stopping);
        assert!(stop.is_due());
    }
}
