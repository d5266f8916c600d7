//! A database file of Lorewell: made for its owner alone, known by its mark, brought up to date by migrations. What is in it the
//! stores decide; how its errors read, too. Made to be read with the `sqlite3` shell as well.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lorewell_model::{Error, Kind, Result};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

/// How long another process may keep the file to itself: for one batch, as a rule.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// As large as a page of most disks, so that one write of SQLite is one of the disk.
const PAGE_BYTES: u32 = 4096;
/// What the write-ahead log is cut back to when a long read has let it grow.
const WAL_BYTES_MAX: u32 = 4 << 20;
/// All statements of a connection, so that none is prepared twice.
const STATEMENTS_CACHED: usize = 64;

/// A kind of file.
pub(crate) struct Database {
    /// Marks the file as ours, as `file` shows it.
    pub(crate) application_id: i32,
    /// What it is, with its article.
    pub(crate) what: &'static str,
    /// Each brings the schema from the version of its index to the next one. Those that were released never change.
    pub(crate) migrations: &'static [&'static str],
    /// Sets the writer up, before there is anything in the file.
    pub(crate) prepare: fn(&Connection) -> rusqlite::Result<()>,
    /// Says what an error of SQLite means.
    pub(crate) failed: fn(&Path, rusqlite::Error) -> Error,
}

impl Database {
    /// Opens the file for the writer, making it if there is none, and returns where it is, links resolved.
    pub(crate) fn open(&self, path: &Path) -> Result<(PathBuf, Connection)> {
        make(path).map_err(|error| unreachable_file(path, error))?;
        let path = path.canonicalize().map_err(|error| unreachable_file(path, error))?;
        let mut connection = self.connect(&path)?;
        let version = self.check_owner(&path, &connection)?;
        check_length(&path)?;
        let prepare = || {
            // Only takes effect as long as the file is empty.
            connection.pragma_update(None, "page_size", PAGE_BYTES)?;
            connection.pragma_update(None, "journal_size_limit", WAL_BYTES_MAX)?;
            connection.pragma_update(None, "foreign_keys", true)?;
            (self.prepare)(&connection)?;
            connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))
        };
        let mode = prepare().map_err(|error| (self.failed)(&path, error))?;
        if mode != "wal" {
            let message = format!("`{}` is on a disk that SQLite cannot share; choose a local one", path.display());
            return Err(Error::new(Kind::Config, message));
        }
        if version < self.version() {
            let migrated = self.migrate(&mut connection);
            migrated.map_err(|error| (self.failed)(&path, error).context(format!("preparing `{}`", path.display())))?;
        }
        Ok((path, connection))
    }

    /// Opens a connection as readers and the writer have it.
    pub(crate) fn connect(&self, path: &Path) -> Result<Connection> {
        // Readers need to write too: to the memory that WAL mode shares.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connect = || {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            // Nothing of it goes into a file that is left behind.
            connection.pragma_update(None, "temp_store", "memory")?;
            Ok(connection)
        };
        let connection: Connection = connect().map_err(|error| (self.failed)(path, error))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        Ok(connection)
    }

    /// The version of the schema that this program writes.
    fn version(&self) -> u32 {
        u32::try_from(self.migrations.len()).expect("migrations are written by hand")
    }

    /// Makes sure that the file is ours before anything in it is changed. Returns its version.
    fn check_owner(&self, path: &Path, connection: &Connection) -> Result<u32> {
        let read = || {
            let id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
            let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
            let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            Ok((id, version, objects))
        };
        let shown = path.display();
        let (id, version, objects) = read().map_err(|error| (self.failed)(path, error))?;
        if (id, version, objects) == (0, 0, 0) {
            return Ok(0);
        }
        if id != self.application_id {
            let message = format!("`{shown}` is not {} but a database of something else", self.what);
            return Err(Error::new(Kind::BadInput, message));
        }
        match u32::try_from(version) {
            Ok(version) if version <= self.version() => Ok(version),
            Ok(_) => {
                let message = format!("`{shown}` was written by a newer Lorewell; update this one");
                Err(Error::new(Kind::Config, message))
            }
            Err(_) => Err(Error::new(Kind::Corrupt, format!("`{shown}` has the impossible version {version}"))),
        }
    }

    fn migrate(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been faster.
        let version: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        for migration in self.migrations.iter().skip(version as usize) {
            transaction.execute_batch(migration)?;
        }
        transaction.pragma_update(None, "application_id", self.application_id)?;
        transaction.pragma_update(None, "user_version", self.version().max(version))?;
        transaction.commit()
    }
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
