//! The file of the memory: whose it is, which version it has, and what is done to bring it up to date. Made to be read with
//! the `sqlite3` shell too.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use lorewell_model::{Error, Kind, Result};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{BUSY_TIMEOUT, failed};

/// Marks the file as ours, as `file` shows it: "Lrwm".
const APPLICATION_ID: i32 = 0x4c72_776d;
/// As large as a page of most disks, so that one write of SQLite is one of the disk.
const PAGE_BYTES: u32 = 4096;
/// What the write-ahead log is cut back to when a long read has let it grow.
const WAL_BYTES_MAX: u32 = 4 << 20;
/// All statements of a connection, so that none is prepared twice.
const STATEMENTS_CACHED: usize = 64;

/// The version of the schema that this program writes.
const VERSION: u32 = 1;
const _: () = assert!(MIGRATIONS.len() == VERSION as usize);

/// Each brings the schema from the version of its index to the next one. Those that were released never change. Times are
/// microseconds since 1970.
const MIGRATIONS: &[&str] = &["
CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,  -- `embedder`: the fingerprint of what made the vectors
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE namespaces (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE memories (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    namespace INTEGER NOT NULL REFERENCES namespaces (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    hash BLOB NOT NULL,              -- of kind and text
    origin TEXT NOT NULL,
    thread TEXT,
    message TEXT,
    document TEXT,
    importance REAL NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,        -- when this state of it was recorded
    used INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    valid_from INTEGER,
    valid_to INTEGER,
    expires INTEGER,
    entity TEXT,                     -- of a fact, as the next two
    attribute TEXT,
    value TEXT,
    terms INTEGER NOT NULL           -- words of the text
) STRICT;
CREATE INDEX memories_of ON memories (namespace, terms);
CREATE UNIQUE INDEX duplicates ON memories (namespace, hash) WHERE entity IS NULL AND valid_to IS NULL;
CREATE INDEX statements ON memories (namespace, entity, attribute) WHERE entity IS NOT NULL;
CREATE INDEX expiries ON memories (expires) WHERE expires IS NOT NULL;
-- The words of one namespace say nothing of those of another, so each has its own: the index of FTS5 would count all.
CREATE TABLE postings (
    namespace INTEGER NOT NULL,
    term TEXT NOT NULL,
    memory INTEGER NOT NULL REFERENCES memories (row) ON DELETE CASCADE,
    count INTEGER NOT NULL,
    PRIMARY KEY (namespace, term, memory)
) STRICT, WITHOUT ROWID;
CREATE INDEX postings_of ON postings (memory);
-- A memory without one is not embedded yet.
CREATE TABLE vectors (
    memory INTEGER PRIMARY KEY REFERENCES memories (row) ON DELETE CASCADE,
    value BLOB NOT NULL              -- floats of 32 bits, the low byte first
) STRICT;
-- What was known of facts before: each row as it was until `recorded_to`.
CREATE TABLE versions (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    namespace INTEGER NOT NULL REFERENCES namespaces (id) ON DELETE CASCADE,
    entity TEXT NOT NULL,
    attribute TEXT NOT NULL,
    value TEXT NOT NULL,
    origin TEXT NOT NULL,
    thread TEXT,
    message TEXT,
    document TEXT,
    valid_from INTEGER,
    valid_to INTEGER,
    recorded_from INTEGER NOT NULL,
    recorded_to INTEGER NOT NULL
) STRICT;
CREATE INDEX versions_of ON versions (namespace, entity, attribute);
CREATE INDEX versions_by_id ON versions (id);
"];

/// Opens the file for the writer and returns where it is, links resolved.
pub(super) fn open(path: &Path) -> Result<(PathBuf, Connection)> {
    make(path).map_err(|error| unreachable_file(path, error))?;
    let path = path.canonicalize().map_err(|error| unreachable_file(path, error))?;
    let mut connection = connect(&path)?;
    let version = check_owner(&path, &connection)?;
    check_length(&path)?;
    (|| {
        // Only takes effect as long as the file is empty.
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
        connection.pragma_update(None, "journal_size_limit", WAL_BYTES_MAX)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // What is forgotten is overwritten with zeros.
        connection.pragma_update(None, "secure_delete", true)?;
        connection.pragma_update(None, "synchronous", "full")
    })()
    .map_err(|error| failed(&path, error))?;
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(|error| failed(&path, error))?;
    if mode != "wal" {
        let message = format!("`{}` is on a disk that SQLite cannot share; choose a local one", path.display());
        return Err(Error::new(Kind::Config, message));
    }
    if version < VERSION {
        migrate(&path, &mut connection)?;
    }
    Ok((path, connection))
}

/// Opens a connection as reader and writer have it.
pub(super) fn connect(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| failed(path, error))?;
    (|| {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Nothing of a memory goes into a file that is left behind.
        connection.pragma_update(None, "temp_store", "memory")
    })()
    .map_err(|error| failed(path, error))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    Ok(connection)
}

/// Makes the file if there is none. SQLite gives the files beside it the same permissions.
fn make(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other.map(drop),
    }
    options.create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?;
    sync_folder(path)
}

/// Makes the name of a new file survive a power cut.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let path = path.canonicalize()?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Other systems keep names by themselves.
#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

fn unreachable_file(path: &Path, error: io::Error) -> Error {
    let shown = path.display();
    let message = match error.kind() {
        io::ErrorKind::NotFound => format!("the folder of `{shown}` does not exist; make it first"),
        io::ErrorKind::IsADirectory => format!("`{shown}` is a folder; name a file in it"),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            format!("`{shown}` cannot be written to; check its permissions")
        }
        _ => format!("`{shown}` cannot be opened: {error}"),
    };
    let kind = if error.kind() == io::ErrorKind::NotFound { Kind::NotFound } else { Kind::Io };
    Error::new(kind, message).caused_by(error)
}

/// Makes sure that the file is ours before anything in it is changed. Returns its version.
fn check_owner(path: &Path, connection: &Connection) -> Result<u32> {
    let read = || {
        let id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((id, version, objects))
    };
    let shown = path.display();
    match read().map_err(|error| failed(path, error))? {
        (0, 0, 0) => Ok(0),
        (APPLICATION_ID, version, _) => match u32::try_from(version) {
            Ok(version) if version <= VERSION => Ok(version),
            Ok(_) => {
                let message = format!("`{shown}` was written by a newer Lorewell; update this one");
                Err(Error::new(Kind::Config, message))
            }
            Err(_) => Err(Error::new(Kind::Corrupt, format!("`{shown}` has the impossible version {version}"))),
        },
        _ => {
            let message = format!("`{shown}` is not a Lorewell memory but a database of something else");
            Err(Error::new(Kind::BadInput, message))
        }
    }
}

/// SQLite reads a page that is cut off as if zeros followed. With a log beside it, that may be the trace of a crash, which the
/// log makes good.
fn check_length(path: &Path) -> Result<()> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
    if length(path) % u64::from(PAGE_BYTES) != 0 && length(log.as_ref()) == 0 {
        let path = path.display();
        let message = format!("`{path}` is damaged, its end is missing; put a copy in its place, or move it away");
        return Err(Error::new(Kind::Corrupt, message));
    }
    Ok(())
}

fn migrate(path: &Path, connection: &mut Connection) -> Result<()> {
    let mut run = || {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been faster.
        let version: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        for migration in MIGRATIONS.iter().skip(version as usize) {
            transaction.execute_batch(migration)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION.max(version))?;
        transaction.commit()
    };
    run().map_err(|error| failed(path, error).context(format!("preparing `{}`", path.display())))
}
