//! The document table: what is known of every file, every document and every chunk. It decides which chunks are
//! live; the stores of words and vectors only find them. SQLite in WAL mode, so that readers in other processes work
//! while one writer writes, and what was committed survives a power cut (`synchronous = FULL`).

pub(crate) mod read;
pub(crate) mod write;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lorewell_model::{Error, Kind, Result};
use rusqlite::{Connection, OpenFlags};

pub(crate) use read::{ChunkRow, DocumentRow, PendingChunk};
pub(crate) use write::{Batch, Digest, FileRow, FileState, NewChunk, NewDocument, Plan};

/// Readers and the writer wait this long for each other's short critical sections (WAL checkpoints, schema locks).
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Idle read connections kept for the next query; more are opened under load and closed afterwards.
const READERS_IDLE_MAX: usize = 4;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES ('next_chunk', 1), ('commit', 0), ('writing', 0), ('loaders', 0), ('mixed', 0);
-- What was asked to be ingested.
CREATE TABLE IF NOT EXISTS sources (path TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
-- The ledger: every file ever met is in exactly one state.
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('indexed', 'skipped', 'failed')),
    reason TEXT,
    bytes INTEGER NOT NULL,
    modified INTEGER NOT NULL, -- nanoseconds since the epoch; negative: not to be trusted; 0: not known
    hash BLOB                  -- BLAKE3 of the content, once read
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL UNIQUE,
    hash BLOB NOT NULL,
    format TEXT NOT NULL,
    title TEXT,
    date TEXT,     -- YYYY-MM-DD: stated by the document, else the file's modification
    tags TEXT NOT NULL,   -- JSON array
    layout TEXT NOT NULL, -- JSON: the document without its text
    text BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS documents_hash ON documents (hash);
CREATE TABLE IF NOT EXISTS chunks (
    id INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents (id),
    start INTEGER NOT NULL, -- bytes of the document's text
    stop INTEGER NOT NULL,
    headings TEXT NOT NULL, -- JSON array
    place TEXT NOT NULL,    -- JSON: lines, page
    words BLOB NOT NULL,    -- digest of all that the sparse store indexes
    meaning BLOB NOT NULL,  -- digest of what is embedded
    embedded INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS chunks_document ON chunks (document);
-- Only those with a vector: thousands of equal files are no reason to look at each of them for each of them.
CREATE INDEX IF NOT EXISTS chunks_vector ON chunks (meaning) WHERE embedded = 1;
CREATE INDEX IF NOT EXISTS chunks_pending ON chunks (id) WHERE embedded = 0;
-- The journal: chunks that left the table and may still be in the stores.
CREATE TABLE IF NOT EXISTS dead (chunk INTEGER PRIMARY KEY) STRICT;
";

/// A handle on the table of one generation.
#[derive(Debug)]
pub(crate) struct Table {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Table {
    /// Opens the table for reading.
    pub(crate) fn open(generation: &Path) -> Result<Self> {
        let table = Self { path: generation.join("table.sqlite"), idle: Mutex::new(Vec::new()) };
        table.read(|connection| meta(connection, "commit"))?; // SQLite opens a file when it is first read
        Ok(table)
    }

    /// Opens the table for writing, making it if need be. The caller holds the writer's lock.
    pub(crate) fn open_writer(generation: &Path) -> Result<Connection> {
        let connection = Connection::open(generation.join("table.sqlite")).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        connection.pragma_update(None, "journal_mode", "wal").map_err(failed)?;
        connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
        connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
        connection.execute_batch(SCHEMA).map_err(failed)?;
        Ok(connection)
    }

    /// Runs a closure in one read transaction, so that all it sees belongs to one commit.
    pub(crate) fn read<T>(&self, run: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let pooled = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match pooled {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let transaction = connection.transaction().map_err(failed)?;
        let result = run(&transaction);
        transaction.finish().map_err(failed)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < READERS_IDLE_MAX {
            idle.push(connection);
        }
        result
    }

    fn connect(&self) -> Result<Connection> {
        if !self.path.exists() {
            return Err(Error::new(Kind::NotFound, format!("the document table `{}` is gone", self.path.display())));
        }
        // Write access is what lets a reader take part in WAL's shared memory; nothing here writes to the table.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).or_else(|_| {
            Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        });
        let connection =
            connection.map_err(|error| failed(error).context(format!("opening `{}`", self.path.display())))?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        Ok(connection)
    }
}

/// Reads a number of the `meta` table.
pub(crate) fn meta(connection: &Connection, key: &str) -> Result<u64> {
    let value = connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get::<_, i64>(0));
    Ok(unsigned(value.map_err(failed)?))
}

/// Sets a number of the `meta` table.
pub(crate) fn set_meta(connection: &Connection, key: &str, value: u64) -> Result<()> {
    connection.execute("UPDATE meta SET value = ?2 WHERE key = ?1", (key, signed(value))).map_err(failed)?;
    Ok(())
}

/// SQLite counts in `i64`; ids and sizes stay far below its end.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The way back of [`signed`].
pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// Tells whether a name is `root` or lies below it. The empty name is the index's root folder: neither files stored by
/// absolute path nor texts lie there.
pub(crate) fn is_under(path: &str, root: &str) -> bool {
    if root.is_empty() {
        return !path.starts_with("text:") && !Path::new(path).is_absolute();
    }
    let below = |rest: &str| rest.is_empty() || rest.starts_with('/') || root.ends_with('/');
    path.strip_prefix(root).is_some_and(below)
}

/// Turns an error of SQLite into one of ours.
pub(super) fn failed(error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode;
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Kind::Corrupt,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Kind::Conflict,
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
            Kind::Io
        }
        Some(_) | None => Kind::Internal,
    };
    let remedy = if kind == Kind::Corrupt { "; delete the index folder and ingest again" } else { "" };
    Error::new(kind, format!("the document table: {error}{remedy}")).caused_by(error)
}

/// Reads a JSON column.
pub(super) fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    let broken = |error| Error::new(Kind::Corrupt, format!("the document table holds broken JSON: {error}"));
    serde_json::from_str(text).map_err(broken)
}

/// Writes a JSON column.
pub(super) fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("table columns are plain data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_under_a_name() {
        let check = |root: &str, expected: &[&str]| {
            let names = ["a", "a/b", "ab", "/x", "/x/y", "text:a"];
            let under: Vec<&str> = names.into_iter().filter(|name| is_under(name, root)).collect();
            assert_eq!(under, expected, "under `{root}`");
        };
        check("a", &["a", "a/b"]);
        check("", &["a", "a/b", "ab"]);
        check("/", &["/x", "/x/y"]);
        check("/x", &["/x", "/x/y"]);
        check("text:a", &["text:a"]);
    }
}
