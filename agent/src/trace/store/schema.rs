//! The tables of the file of traces, and what its errors mean. Times are nanoseconds since 1970, ids are bytes.

use std::path::Path;

use lorewell_model::{Error, Kind};
use rusqlite::ErrorCode;

use crate::database::{BUSY_TIMEOUT, Database};

/// The file of traces.
pub(super) const FILE: Database = Database {
    application_id: 0x4c77_5472, // "LwTr"
    what: "a file of traces",
    migrations: MIGRATIONS,
    prepare: |connection| {
        // Only takes effect as long as the file is empty: what is deleted gives its place back to the disk.
        connection.pragma_update(None, "auto_vacuum", "incremental")?;
        // A power cut may cost the newest batches; a trace is not worth waiting for the disk.
        connection.pragma_update(None, "synchronous", "normal")
    },
    failed,
};

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
