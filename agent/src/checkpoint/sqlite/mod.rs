//! The store in one SQLite file. One thread writes for the whole handle, so that what many runs write at the same time
//! shares a transaction and a sync; a few connections read beside it. WAL mode: readers never wait for the writer, and
//! other processes may use the same file.

mod batch;
mod owner;
mod queue;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod threads;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{BoxFuture, ready};
use lorewell_model::{Error, Kind, Result};
use rusqlite::ErrorCode;
use tokio::sync::oneshot;

use super::{Batch, Checkpoints, Claim, EntryKey, Loaded, Place, SEQ_MAX, Span, StepRow, ThreadInfo, check_name};
use owner::Owners;
use queue::{Done, Job, Queue, Work};
use read::Readers;
use writer::Writer;

use crate::database::BUSY_TIMEOUT;

/// A store in one SQLite file. Clones are handles on the same connections; when the last one is dropped, everything that
/// was written is stored, and the file is left without its `-wal`.
///
/// A claim is held by the handle: when its process dies, or the last clone is dropped, others may take the thread over.
/// Two handles opened on one file exclude each other like two processes.
///
/// Beside the file lie SQLite's own `-wal` and `-shm`, and the folder `-owners`, in which each living handle that has
/// claimed a thread keeps a locked file. On Unix all are for their owner's eyes only.
///
/// ```
/// # async fn example() -> lorewell_model::Result<()> {
/// use lorewell_agent::checkpoint::{Checkpoints, Sqlite};
///
/// let store = Sqlite::open("threads.sqlite").await?;
/// for thread in store.threads("", 100).await? {
///     println!("{}", thread.name);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Sqlite(Arc<Handle>);

struct Handle {
    path: Arc<Path>,
    queue: Arc<Queue>,
    counts: Arc<Counts>,
    readers: Arc<Readers>,
    writer: Option<JoinHandle<()>>,
}

/// How many transactions a handle has committed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commits {
    /// All of them.
    pub all: u64,
    /// Those after which the disk was told to keep what it has.
    pub synced: u64,
}

#[derive(Default)]
struct Counts {
    all: AtomicU64,
    synced: AtomicU64,
}

impl Sqlite {
    /// Opens a store, making its file if there is none.
    ///
    /// # Errors
    /// `NotFound` if the folder is missing, `BadInput` if the file belongs to another program, `Corrupt` if it is damaged
    /// or no database at all, `Config` if a newer Lorewell wrote it, `Io` if it cannot be opened, `Unavailable` if another
    /// process does not let go of it.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        blocking(move || Self::open_here(&path)).await
    }

    fn open_here(path: &Path) -> Result<Self> {
        let (path, connection) = schema::FILE.open(path)?;
        let path: Arc<Path> = Arc::from(path);
        let queue = Arc::new(Queue::default());
        let counts = Arc::new(Counts::default());
        let owners = Owners::beside(&path);
        let writer = Writer::new(Arc::clone(&path), connection, owners, Arc::clone(&counts));
        let jobs = Arc::clone(&queue);
        let writer = std::thread::Builder::new().name("lorewell-store".to_owned()).spawn(move || writer.run(&jobs))?;
        let readers = Arc::new(Readers::new(Arc::clone(&path)));
        Ok(Self(Arc::new(Handle { path, queue, counts, readers, writer: Some(writer) })))
    }

    /// The file, with links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Counts the transactions that this handle has committed since it was opened.
    #[must_use]
    pub fn commits(&self) -> Commits {
        let counts = &self.0.counts;
        Commits { all: counts.all.load(Ordering::Relaxed), synced: counts.synced.load(Ordering::Relaxed) }
    }

    /// Has the writer do something and waits for it.
    async fn ask(&self, work: Work) -> Result<Done> {
        let (reply, answer) = oneshot::channel();
        self.0.queue.push(Job { work, reply: Some(reply) })?;
        answer.await.unwrap_or_else(|_| Err(writer_gone()))
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sqlite").field(&self.0.path).finish()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.readers.close(); // the last connection to be closed is the one that tidies up
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has dropped its replies, so whoever waited has heard of it.
            let _ = writer.join();
        }
    }
}

/// A claim on its way. Dropped before it arrives, it is given back.
struct Arriving<'a> {
    queue: &'a Queue,
    answer: oneshot::Receiver<Result<Done>>,
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        self.answer.close(); // from here on, the writer itself gives back what nobody waits for
        if let Ok(Ok(Done::Claimed(claim))) = self.answer.try_recv() {
            self.queue.push_release(&claim);
        }
    }
}

/// A thread that was just given back is free a moment later; so a claim is tried for a tenth of a second.
const CLAIM_TRIES: u32 = 20;
const CLAIM_WAIT: Duration = Duration::from_millis(5);

impl Sqlite {
    async fn try_claim(&self, thread: &str) -> Result<Claim> {
        let (reply, answer) = oneshot::channel();
        self.0.queue.push(Job { work: Work::Claim(Arc::from(thread)), reply: Some(reply) })?;
        let mut arriving = Arriving { queue: &self.0.queue, answer };
        let done = (&mut arriving.answer).await.unwrap_or_else(|_| Err(writer_gone()))?;
        let Done::Claimed(claim) = done else { unreachable!("a claim is answered with a claim") };
        Ok(claim)
    }
}

#[async_trait]
impl Checkpoints for Sqlite {
    async fn claim(&self, thread: &str) -> Result<Claim> {
        check_name(thread)?;
        for _ in 1..CLAIM_TRIES {
            match self.try_claim(thread).await {
                Err(error) if error.kind() == Kind::Conflict => {}
                end => return end,
            }
            let wait = tokio::task::spawn_blocking(|| std::thread::sleep(CLAIM_WAIT));
            wait.await.map_err(|error| Error::from_source(Kind::Cancelled, error))?;
        }
        self.try_claim(thread).await
    }

    fn release(&self, claim: &Claim) {
        self.0.queue.push_release(claim);
    }

    fn write(&self, claim: &Claim, batch: Batch) -> BoxFuture<'static, Result<()>> {
        let (reply, answer) = oneshot::channel();
        match self.0.queue.push(Job { work: Work::Write(claim.clone(), batch), reply: Some(reply) }) {
            Ok(()) => Box::pin(async { answer.await.unwrap_or_else(|_| Err(writer_gone())).map(drop) }),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }

    async fn thread(&self, thread: &str) -> Result<Option<ThreadInfo>> {
        let thread = thread.to_owned();
        self.0.readers.read(move |reader| reader.thread(&thread)).await
    }

    async fn threads(&self, after: &str, limit: usize) -> Result<Vec<ThreadInfo>> {
        let after = after.to_owned();
        self.0.readers.read(move |reader| reader.threads(&after, limit)).await
    }

    async fn load(&self, thread: &str, path: &str, lineage: &[Span]) -> Result<Loaded> {
        let (thread, path, lineage) = (thread.to_owned(), path.to_owned(), lineage.to_vec());
        self.0.readers.read(move |reader| reader.load(&thread, &path, &lineage)).await
    }

    async fn steps(
        &self,
        thread: &str,
        path: &str,
        lineage: &[Span],
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<StepRow>> {
        let (thread, path, lineage) = (thread.to_owned(), path.to_owned(), lineage.to_vec());
        self.0.readers.read(move |reader| reader.steps(&thread, &path, &lineage, before, limit)).await
    }

    async fn paths(&self, thread: &str, prefix: &str) -> Result<Vec<Arc<str>>> {
        let (thread, prefix) = (thread.to_owned(), prefix.to_owned());
        self.0.readers.read(move |reader| reader.paths(&thread, &prefix)).await
    }

    async fn entry(&self, thread: &str, place: &Place, key: &EntryKey) -> Result<Option<Vec<u8>>> {
        let (thread, place, key) = (thread.to_owned(), place.clone(), key.clone());
        self.0.readers.read(move |reader| reader.entry(&thread, &place, &key)).await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        check_name(to)?;
        self.ask(Work::Copy { from: Arc::from(from), to: Arc::from(to) }).await.map(drop)
    }

    async fn delete(&self, thread: &str) -> Result<bool> {
        Ok(matches!(self.ask(Work::Delete(Arc::from(thread))).await?, Done::Deleted(true)))
    }
}

/// Runs what waits for the disk where it holds up nobody.
async fn blocking<T: Send + 'static>(run: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(run).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::new(Kind::Cancelled, "the runtime is shutting down")),
    }
}

fn writer_gone() -> Error {
    Error::new(Kind::Internal, "the writer of the checkpoint store has stopped; open the store again")
}

/// What can go wrong on the way: SQLite, or something that has its message already.
#[derive(Debug)]
enum Fault {
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
    let (kind, message) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt) => (
            Kind::Corrupt,
            format!("`{path}` is damaged; put a copy in its place, or move it away to begin with an empty store"),
        ),
        Some(ErrorCode::NotADatabase) => {
            (Kind::Corrupt, format!("`{path}` is not a database, or is damaged; check the path, or move it away"))
        }
        Some(ErrorCode::DiskFull) => {
            (Kind::Io, format!("the disk of `{path}` is full: nothing of this step was stored; free space and resume"))
        }
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => {
            (Kind::Io, format!("`{path}` cannot be read or written: {error}; check the disk and resume"))
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            (Kind::Io, format!("`{path}` cannot be written to; check its permissions"))
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            Kind::Unavailable,
            format!("another process has kept `{path}` to itself for {} s; try again", BUSY_TIMEOUT.as_secs()),
        ),
        Some(ErrorCode::TooBig) => (Kind::Limit, "a record is longer than SQLite allows; keep it in a file".to_owned()),
        Some(_) | None => (Kind::Internal, format!("`{path}`: {error}")),
    };
    Error::new(kind, message).caused_by(error)
}

/// A number as SQLite holds it. Those above the limit are bounds, which nothing stored reaches.
fn signed(number: u64) -> i64 {
    number.min(SEQ_MAX).cast_signed()
}

/// A number that was stored by [`signed`].
fn unsigned(number: i64) -> rusqlite::Result<u64> {
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, number))
}
