//! The file of traces: how it is made, what is in it, what its errors mean. Times are nanoseconds since 1970, ids are bytes.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::time::Duration;

use lorewell_model::{Error, Kind, Result};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

/// `LwTr`, so that nobody takes the file for another database.
const APPLICATION_ID: i32 = 0x4c77_5472;
/// Writers of other processes hold the file for one batch.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// What the log is cut back to when a long read has let it grow.
const WAL_BYTES_MAX: u32 = 4 << 20;

/// The version of the schema that this program writes.
const VERSION: u32 = 1;
const _: () = assert!(MIGRATIONS.len() == VERSION as usize);

/// Each brings the schema from the version of its index to the next one. Those that were released never change.
const MIGRATIONS: &[&str] = &["
CREATE TABLE spans (
    trace BLOB NOT NULL,
    id BLOB NOT NULL,
    parent BLOB,
    name TEXT NOT NULL,
    started INTEGER NOT NULL,
    ended INTEGER,            -- null while it goes on
    attributes TEXT NOT NULL, -- an object of JSON
    content TEXT,             -- another: what was said, so that it need not be read to sum up
    UNIQUE (trace, id)
) STRICT;
CREATE INDEX outermost ON spans (started) WHERE parent IS NULL;
-- Records that a writer could not take.
CREATE TABLE dropped (at INTEGER NOT NULL, records INTEGER NOT NULL) STRICT;
"];

/// Opens the file, making it if there is none.
pub(super) fn open(path: &Path) -> Result<Connection> {
    make(path).map_err(|error| unreachable_file(path, error))?;
    let mut connection = connect(path)?;
    let version = check_owner(path, &connection)?;
    prepare(&mut connection, version).map_err(|error| failed(path, error))?;
    Ok(connection)
}

/// Opens a connection to the file.
pub(super) fn connect(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| failed(path, error))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(|error| failed(path, error))?;
    Ok(connection)
}

fn prepare(connection: &mut Connection, version: u32) -> rusqlite::Result<()> {
    // Only takes effect as long as the file is empty: what is deleted gives its place back to the disk.
    connection.pragma_update(None, "auto_vacuum", "incremental")?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_MAX)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    // A power cut may cost the newest batches; a trace is not worth waiting for the disk.
    connection.pragma_update(None, "synchronous", "normal")?;
    if version == VERSION {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    let version: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for migration in MIGRATIONS.iter().skip(version as usize) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION.max(version))?;
    transaction.commit()
}

/// Makes the file if there is none, for its owner's eyes only. SQLite gives the files beside it the same permissions.
fn make(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn unreachable_file(path: &Path, error: io::Error) -> Error {
    let shown = path.display();
    let (kind, message) = match error.kind() {
        io::ErrorKind::NotFound => (Kind::NotFound, format!("the folder of `{shown}` does not exist; make it first")),
        io::ErrorKind::IsADirectory => (Kind::Io, format!("`{shown}` is a folder; name a file in it")),
        _ => (Kind::Io, format!("`{shown}` cannot be opened: {error}")),
    };
    Error::new(kind, message).caused_by(error)
}

/// Makes sure that the file is ours before anything in it is changed. Returns its version.
fn check_owner(path: &Path, connection: &Connection) -> Result<u32> {
    let read = || {
        let id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((id, version, objects))
    };
    let shown = path.display();
    match read().map_err(|error| failed(path, error))? {
        (0, 0, 0) => Ok(0),
        (APPLICATION_ID, version, _) if version <= VERSION => Ok(version),
        (APPLICATION_ID, ..) => {
            let message = format!("`{shown}` was written by a newer Lorewell; update this one");
            Err(Error::new(Kind::Config, message))
        }
        _ => {
            let message = format!("`{shown}` holds no traces but is a database of something else");
            Err(Error::new(Kind::BadInput, message))
        }
    }
}

/// Turns an error of SQLite into one of ours.
pub(super) fn failed(path: &Path, error: rusqlite::Error) -> Error {
    let path = path.display();
    if let rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) = error {
        let message =
            format!("`{path}` holds something that is no span: {error}; move it away to begin with an empty one");
        return Error::new(Kind::Corrupt, message).caused_by(error);
    }
    let (kind, message) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            (Kind::Corrupt, format!("`{path}` is damaged or no database; move it away to begin with an empty one"))
        }
        Some(ErrorCode::DiskFull) => (Kind::Io, format!("the disk of `{path}` is full; free space")),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            (Kind::Io, format!("`{path}` cannot be written to; check its permissions"))
        }
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => {
            (Kind::Io, format!("`{path}` cannot be read or written: {error}; check the disk"))
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            Kind::Unavailable,
            format!("another process has kept `{path}` to itself for {} s; try again", BUSY_TIMEOUT.as_secs()),
        ),
        Some(_) | None => (Kind::Internal, format!("`{path}`: {error}")),
    };
    Error::new(kind, message).caused_by(error)
}
