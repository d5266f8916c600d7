//! Traces in one SQLite file: spans come from a layer of `tracing`, one thread writes them, and whoever looks reads beside it, other
//! processes too.

mod queue;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use lorewell_model::{Error, Kind, Result};
use rusqlite::Connection;
use tokio::sync::oneshot;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::id::TraceId;
use super::layer::layer;
use super::tree::{Trace, TraceSummary};
use queue::{Job, Queue};
use writer::Writer;

/// Traces in one SQLite file. Clones are handles on the same writer; when the last one is dropped, all spans that have ended are in
/// the file. A span that has begun and not ended is there too, as unfinished: of a run that died, they tell where.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> lorewell_agent::Result<()> {
/// use lorewell_agent::Agent;
/// use lorewell_agent::trace::TraceStore;
/// use tracing_subscriber::prelude::*;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("traces.sqlite");
/// let traces = TraceStore::open(path).await?;
/// let _guard = tracing_subscriber::registry().with(traces.layer()).set_default();
///
/// Agent::new(lorewell_model::model("mock:echo").await?).run("Hello").await?;
/// traces.flush().await?;
/// let newest = &traces.list(1).await?[0];
/// assert_eq!(newest.totals.answers, 1);
/// for span in traces.read(newest.id).await?.spans {
///     println!("{:width$}{}", "", span.name, width = 2 * span.depth);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TraceStore(Arc<Handle>);

struct Handle {
    path: Arc<Path>,
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
}

/// How much is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// Deletes traces that ended so long ago, or began then and have not ended.
    pub age_max: Option<Duration>,
    /// Deletes the oldest traces while the file holds more bytes than this.
    pub bytes_max: Option<u64>,
}

impl Retention {
    /// Keeps all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Deletes traces that ended so long ago, or began then and have not ended.
    #[must_use]
    pub fn age_max(mut self, age: Duration) -> Self {
        self.age_max = Some(age);
        self
    }

    /// Deletes the oldest traces while the file holds more bytes than this.
    #[must_use]
    pub fn bytes_max(mut self, bytes: u64) -> Self {
        self.bytes_max = Some(bytes);
        self
    }
}

impl TraceStore {
    /// Opens a store, making its file if there is none.
    ///
    /// # Errors
    /// `NotFound` if the folder is missing, `BadInput` if the file belongs to another program, `Corrupt` if it is damaged or no
    /// database, `Config` if a newer Lorewell wrote it, `Io` if it cannot be opened, `Unavailable` if another process does not let
    /// go of it.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        blocking(move || {
            let (path, connection) = schema::FILE.open(&path)?;
            let path: Arc<Path> = path.into();
            let (queue, jobs) = Queue::new();
            let queue = Arc::new(queue);
            let writer = Writer::new(path.clone(), connection, queue.clone());
            let thread = std::thread::Builder::new().name("lorewell-traces".to_owned());
            let writer = Some(thread.spawn(move || writer.run(&jobs))?);
            Ok(Self(Arc::new(Handle { path, queue, writer })))
        })
        .await
    }

    /// Returns the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Makes a layer for a subscriber, which stores the spans of Lorewell and leaves all else alone. It never waits for the disk:
    /// where the writer falls behind, spans are dropped, and [counted](Self::dropped). After the last handle on the store is
    /// dropped it stores nothing more.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        layer(self.0.queue.clone())
    }

    /// Waits until all is in the file that was there to be stored.
    ///
    /// # Errors
    /// Why something could not be stored since the last time.
    pub async fn flush(&self) -> Result<()> {
        self.work(|_, _, so_far| so_far).await
    }

    /// Returns the newest traces, newest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn list(&self, limit: usize) -> Result<Vec<TraceSummary>> {
        self.look(move |connection| read::list(connection, limit)).await
    }

    /// Returns a trace with all its spans.
    ///
    /// # Errors
    /// `NotFound` if there is none with this id; the file cannot be read.
    pub async fn read(&self, id: TraceId) -> Result<Trace> {
        let found = self.look(move |connection| read::trace(connection, id)).await?;
        found.ok_or_else(|| not_found(&id.to_string()))
    }

    /// Finds the one trace whose id begins with some hexadecimal digits.
    ///
    /// # Errors
    /// `NotFound` if there is none, `BadInput` if there are several, or if these are no such digits.
    pub async fn find(&self, beginning: &str) -> Result<TraceId> {
        let wanted = beginning.to_ascii_lowercase();
        if wanted.is_empty() || !wanted.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Error::new(Kind::BadInput, format!("`{beginning}` is not the beginning of a trace's id")));
        }
        let found = self.look(move |connection| read::find(connection, &wanted)).await?;
        match found[..] {
            [] => Err(not_found(beginning)),
            [id] => Ok(id),
            _ => {
                Err(Error::new(Kind::BadInput, format!("several traces begin with `{beginning}`; give more of the id")))
            }
        }
    }

    /// Deletes a trace; says whether there was one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn remove(&self, id: TraceId) -> Result<bool> {
        let work = move |path: &Path, connection: &mut Connection, _| {
            let removed = connection.execute("DELETE FROM spans WHERE trace = ?1", [id.to_bytes()]);
            removed.map(|spans| spans > 0).map_err(|error| schema::failed(path, error))
        };
        self.work(work).await
    }

    /// Deletes traces that need not be kept any more. Returns how many.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn expire(&self, keep: Retention) -> Result<u64> {
        let before = keep.age_max.and_then(|age| SystemTime::now().checked_sub(age));
        self.work(move |path, connection, _| writer::expire(path, connection, before, keep.bytes_max)).await
    }

    /// Returns how many records of spans were dropped so far, because they came faster than they could be stored. A span has two:
    /// its beginning and its end.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn dropped(&self) -> Result<u64> {
        self.look(read::dropped).await
    }

    /// Reads beside the writer.
    async fn look<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let path = self.0.path.clone();
        blocking(move || {
            let connection = schema::FILE.connect(&path)?;
            read(&connection).map_err(|error| schema::failed(&path, error))
        })
        .await
    }

    /// Has the writer do something behind all that it was given before.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path, &mut Connection, Result<()>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let (queue, path) = (self.0.queue.clone(), self.0.path.clone());
        let job = Job::Do(Box::new(move |connection, so_far| {
            // Nobody may be waiting any more.
            drop(reply.send(work(&path, connection, so_far)));
        }));
        let is_sent = blocking(move || Ok(queue.send(job))).await?;
        match is_sent {
            true => answer.await.unwrap_or_else(|_| Err(writer_gone())),
            false => Err(writer_gone()),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.queue.send(Job::Close)
            && let Some(writer) = self.writer.take()
        {
            // A writer that panicked has dropped its replies, so whoever waited has heard of it.
            let _ = writer.join();
        }
    }
}

impl fmt::Debug for TraceStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TraceStore").field(&self.0.path).finish()
    }
}

fn not_found(id: &str) -> Error {
    Error::new(Kind::NotFound, format!("there is no trace `{id}`; it may have been deleted by now"))
}

fn writer_gone() -> Error {
    Error::new(Kind::Internal, "the writer of the traces has stopped; open the store again")
}

/// A time as it is stored. What lies before 1970 or after 2262 is no time of a span.
fn nanoseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Runs what waits for the disk where it holds up nobody.
async fn blocking<T: Send + 'static>(run: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(run).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::new(Kind::Cancelled, "the runtime is shutting down")),
    }
}
