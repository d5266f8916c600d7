//! Opening the file: whose it is, which version it has, and what is done to bring it up to date. Made to be read with
//! the `sqlite3` shell too, so values are text wherever they are UTF-8.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use lorewell_model::{Error, Kind, Result};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{BUSY_TIMEOUT, failed};

/// Marks the file as ours, as `file` shows it: "Lrwl".
const APPLICATION_ID: i32 = 0x4c72_776c;
/// As large as a page of most disks, so that one write of SQLite is one of the disk.
const PAGE_BYTES: u32 = 4096;
/// Pages of the write-ahead log after which they move to the file: 4 MiB, which a reader can skim at once.
const WAL_PAGES: u32 = 1000;
/// What the log is cut back to when a long read has let it grow.
const WAL_BYTES_MAX: u32 = 4 << 20;
/// All statements of the writer, so that none is prepared twice.
const STATEMENTS_CACHED: usize = 64;

/// The version of the schema that this program writes.
const VERSION: u32 = 1;
const _: () = assert!(MIGRATIONS.len() == VERSION as usize);

/// Each brings the schema from the version of its index to the next one. Those that were released never change.
const MIGRATIONS: &[&str] = &["
CREATE TABLE threads (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    head INTEGER NOT NULL,    -- the branch that runs go on from
    epoch INTEGER NOT NULL,   -- grows with each claim
    owner TEXT,               -- who holds it: a file in the folder `-owners`; it may be dead
    touched INTEGER NOT NULL  -- milliseconds since 1970
) STRICT;
-- The greatest epoch of a thread that was deleted; none of those is given out again.
CREATE TABLE deleted (epoch INTEGER NOT NULL) STRICT;
INSERT INTO deleted VALUES (0);
CREATE TABLE lines (
    id INTEGER PRIMARY KEY,
    thread INTEGER NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    path TEXT NOT NULL,       -- the graph; empty for the thread's own
    branch INTEGER NOT NULL,
    UNIQUE (thread, path, branch)
) STRICT;
CREATE TABLE forks (
    id INTEGER PRIMARY KEY,   -- in the order in which they were made
    thread INTEGER NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    branch INTEGER NOT NULL,
    origin INTEGER NOT NULL,  -- the branch that it left
    seq INTEGER NOT NULL,     -- after this checkpoint
    UNIQUE (thread, path, branch)
) STRICT;
CREATE TABLE steps (
    line INTEGER NOT NULL REFERENCES lines (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    root INTEGER,             -- the superstep of the thread's own graph, if it is not `seq`
    value ANY NOT NULL,
    PRIMARY KEY (line, seq)
) STRICT, WITHOUT ROWID;
-- With row ids: a page of a table takes a row of 4 kB whole, one of a `WITHOUT ROWID` table only a quarter of that.
CREATE TABLE snapshots (
    line INTEGER NOT NULL REFERENCES lines (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    value ANY NOT NULL,
    UNIQUE (line, seq)
) STRICT;
CREATE TABLE results (
    line INTEGER NOT NULL REFERENCES lines (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    task INTEGER NOT NULL,
    value ANY NOT NULL,
    UNIQUE (line, seq, task)
) STRICT;
CREATE TABLE entries (
    line INTEGER NOT NULL REFERENCES lines (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    task INTEGER NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    value ANY NOT NULL,
    UNIQUE (line, seq, task, kind, name)
) STRICT;
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
        connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
        connection.pragma_update(None, "journal_size_limit", WAL_BYTES_MAX)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "temp_store", "memory")
    })()
    .map_err(|error| failed(&path, error))?;
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(|error| failed(&path, error))?;
    if mode != "wal" {
        let message = format!("`{}` is on a disk that SQLite cannot share; choose a local one", path.display());
        return Err(Error::new(Kind::Config, message));
    }
    connection.pragma_update(None, "synchronous", "full").map_err(|error| failed(&path, error))?;
    if version < VERSION {
        migrate(&path, &mut connection)?;
    }
    Ok((path, connection))
}

/// Opens a connection as reader and writer have it.
pub(super) fn connect(path: &Path) -> Result<Connection> {
    // Readers need to write too: to the memory that WAL mode shares.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| failed(path, error))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(|error| failed(path, error))?;
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
            let message = format!("`{shown}` is not a Lorewell checkpoint store but a database of something else");
            Err(Error::new(Kind::BadInput, message))
        }
    }
}

/// SQLite reads a page that is cut off as if zeros followed, and a file that is all cut off as an empty one. With a log
/// beside it, that may be the trace of a crash, which the log makes good.
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
