//! The connections to the file of a memory: one that writes, a few that read beside it. WAL mode: readers never wait for the
//! writer, and other processes may use the same file.

mod schema;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lorewell_model::{Error, Kind, Result};
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use tokio::sync::Semaphore;

use crate::database::BUSY_TIMEOUT;

/// Connections that read at the same time; each has a cache of 2 MB, and more do not make one disk faster.
const READERS_MAX: usize = 4;

/// Whether a commit waits until the disk has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durable {
    /// It survives a power cut.
    Yes,
    /// It survives the process. For what is no loss: when something was last used.
    No,
}

/// The connections to one file.
pub(super) struct Database {
    path: Arc<Path>,
    writer: Arc<tokio::sync::Mutex<Connection>>,
    readers: Arc<Readers>,
}

struct Readers {
    path: Arc<Path>,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Database {
    pub(super) async fn open(path: &Path) -> Result<Self> {
        let path = path.to_owned();
        let (path, connection) = blocking(move || schema::FILE.open(&path)).await?;
        let path: Arc<Path> = Arc::from(path);
        let permits = Arc::new(Semaphore::new(READERS_MAX));
        let readers = Arc::new(Readers { path: Arc::clone(&path), permits, idle: Mutex::default() });
        Ok(Self { path, writer: Arc::new(tokio::sync::Mutex::new(connection)), readers })
    }

    /// Where the file is, with links resolved.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Changes the file in one transaction: all or nothing. It goes on when the future is dropped.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        durable: Durable,
        work: impl FnOnce(&Transaction<'_>) -> Work<T> + Send + 'static,
    ) -> Result<T> {
        self.with_writer(move |connection| {
            let synchronous = if durable == Durable::Yes { "full" } else { "normal" };
            connection.pragma_update(None, "synchronous", synchronous)?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })
        .await
    }

    /// Takes what was deleted out of the log too, unless somebody reads it: then the next call does.
    pub(super) async fn scrub(&self) -> Result<()> {
        self.with_writer(|connection| Ok(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?))
            .await
    }

    /// Writes the file anew, without what is free in it.
    pub(super) async fn vacuum(&self) -> Result<()> {
        self.with_writer(|connection| Ok(connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")?)).await
    }

    async fn with_writer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Work<T> + Send + 'static,
    ) -> Result<T> {
        let mut connection = Arc::clone(&self.writer).lock_owned().await;
        let path = Arc::clone(&self.path);
        blocking(move || work(&mut connection).map_err(|fault| fault.told(&path))).await
    }

    /// Reads one state of the file.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Work<T> + Send + 'static,
    ) -> Result<T> {
        let closed = |_| Error::new(Kind::Internal, "the memory is closed; open it again");
        let permit = Arc::clone(&self.readers.permits).acquire_owned().await.map_err(closed)?;
        let readers = Arc::clone(&self.readers);
        blocking(move || {
            let done = readers.run(work);
            drop(permit);
            done
        })
        .await
    }
}

impl Readers {
    fn run<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Work<T>) -> Result<T> {
        let pooled = self.idle().pop();
        let mut connection = pooled.map_or_else(|| schema::FILE.connect(&self.path), Ok)?;
        let read = || {
            let transaction = connection.transaction()?;
            let done = work(&transaction)?;
            transaction.finish()?;
            Ok(done)
        };
        let done = read().map_err(|fault: Fault| fault.told(&self.path))?;
        // One that has failed is not worth keeping.
        self.idle().push(connection);
        Ok(done)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.path).finish()
    }
}

/// Runs what waits for the disk where it holds up nobody.
pub(super) async fn blocking<T: Send + 'static>(run: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(run).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::new(Kind::Cancelled, "the runtime is shutting down")),
    }
}

/// The result of work within a transaction.
pub(super) type Work<T> = std::result::Result<T, Fault>;

/// What can go wrong on the way: SQLite, or something that has its message already.
#[derive(Debug)]
pub(super) enum Fault {
    Sql(rusqlite::Error),
    Told(Error),
}

impl Fault {
    fn told(self, path: &Path) -> Error {
        match self {
            Self::Sql(error) => failed(path, error),
            Self::Told(error) => error,
        }
    }

    /// Something is stored that cannot have been written here.
    pub(super) fn corrupt(what: impl fmt::Display) -> Self {
        let message = format!("the memory is damaged: {what}; put a copy of its file in its place");
        Self::Told(Error::new(Kind::Corrupt, message))
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

/// Turns an error of SQLite into one of ours.
fn failed(path: &Path, error: rusqlite::Error) -> Error {
    let path = path.display();
    let damaged =
        || format!("`{path}` is damaged; put a copy in its place, or move it away to begin with an empty memory");
    let (kind, message) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt) => (Kind::Corrupt, damaged()),
        Some(ErrorCode::NotADatabase) => {
            (Kind::Corrupt, format!("`{path}` is not a database, or is damaged; check the path, or move it away"))
        }
        Some(ErrorCode::DiskFull) => {
            (Kind::Io, format!("the disk of `{path}` is full: nothing was changed; free space"))
        }
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => {
            (Kind::Io, format!("`{path}` cannot be read or written: {error}; check the disk"))
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            (Kind::Io, format!("`{path}` cannot be written to; check its permissions"))
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            Kind::Unavailable,
            format!("another process has kept `{path}` to itself for {} s; try again", BUSY_TIMEOUT.as_secs()),
        ),
        None => match &error {
            rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => (Kind::Corrupt, damaged()),
            _ => (Kind::Internal, format!("`{path}`: {error}")),
        },
        Some(_) => (Kind::Internal, format!("`{path}`: {error}")),
    };
    Error::new(kind, message).caused_by(error)
}
