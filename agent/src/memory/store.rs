//! The store of memories: its file, its embedder, and what keeps the two together. Words are searchable as soon as something is
//! stored; vectors are made in batches, and those of different embedders never meet.

use std::fmt;
use std::future::IntoFuture;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use lorewell_embed::Embedder;
use lorewell_model::{Error, Kind, Result};
use rusqlite::{Transaction, params};
use tokio::task::JoinHandle;

use super::Namespace;
use super::database::{Database, Durable, Work};
use super::item::MemoryId;
use super::time::micros;
use super::vectors::{self, EMBED_BATCH};
use super::{namespace, rows};

/// Memories that a namespace holds, unless said: what is worth knowing of years with one person.
pub const CAPACITY: usize = 10_000;
/// Memories that a namespace may hold: a search reads the vectors of all of them. What is more is a library, and has an index.
pub const CAPACITY_MAX: usize = 200_000;
/// Memories that one transaction of a sweep takes out, so that others get their turn.
const SWEEP_BATCH: i64 = 1000;

/// The long-term memory of agents, in one SQLite file. Clones are handles on the same connections, and any number of processes
/// may share the file.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use lorewell_agent::memory::{Fact, MemorySource, MemoryStore};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("memory.sqlite");
/// let memory = MemoryStore::open(path).await?; // with `.embedder(..)` it is searched by meaning too
/// let anna = memory.namespace(["user", "anna"])?;
/// anna.remember("Prefers short answers.").source(MemorySource::new().thread("ticket-42")).await?;
/// let hits = anna.search("how long should answers be?").limit(5).await?;
/// assert_eq!(hits[0].item.text, "Prefers short answers.");
///
/// anna.fact(Fact::new("ACME", "ceo", "Ms. Bolt")).await?;
/// anna.fact(Fact::new("ACME", "ceo", "Mr. Carl")).await?; // closes the other, and does not delete it
/// assert_eq!(anna.facts("ACME").await?[0].statement.value, "Mr. Carl");
/// assert_eq!(anna.history("ACME").await?[0].statement.value, "Ms. Bolt");
///
/// let bert = memory.namespace(["user", "bert"])?;
/// assert!(bert.search("short answers").await?.is_empty());
/// # Ok::<(), lorewell_agent::Error>(()) }).unwrap();
/// ```
///
/// # Cost
/// A search costs in proportion to what its namespace holds: it compares the question with each vector that the filter leaves,
/// read from the file, and reads the words that it has in common with the question. Nothing is kept in memory but the caches of
/// five connections, 2 MB each; so there is no copy that outlives what is forgotten.
#[derive(Clone)]
pub struct MemoryStore(Arc<Handle>);

/// What ends when the last clone is dropped.
struct Handle {
    shared: Arc<Shared>,
    catching_up: Option<JoinHandle<()>>,
}

/// What the background shares with the handles.
#[derive(Debug)]
pub(super) struct Shared {
    database: Database,
    embedder: Option<Embedder>,
    capacity: usize,
    /// One at a time makes the vectors that are missing.
    embedding: tokio::sync::Mutex<()>,
}

/// How far a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryStatus {
    /// Memories of all namespaces.
    pub memories: usize,
    /// Those without a vector: they are found by their words.
    pub pending: usize,
    /// The fingerprint of the embedder that made the vectors, if there are any.
    pub embedder: Option<String>,
}

/// What a sweep has taken out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// Memories whose time was over.
    pub expired: usize,
    /// Memories that were worth least in namespaces above their capacity.
    pub crowded_out: usize,
}

/// How a store is opened: `.await` it.
#[derive(Debug, Clone)]
#[must_use = "a store is not opened until this is awaited"]
pub struct OpenMemory {
    path: PathBuf,
    embedder: Option<Embedder>,
    capacity: usize,
}

impl OpenMemory {
    /// Sets what makes vectors, so that memories are found by meaning; without one, they are found by words. The store keeps to
    /// one embedder: another one takes its place, and makes all vectors anew in the background.
    pub fn embedder(mut self, embedder: Embedder) -> Self {
        self.embedder = Some(embedder);
        self
    }

    /// Sets how many memories a namespace holds, at most [`CAPACITY_MAX`]; [`CAPACITY`] unless said. In a full one what is worth
    /// least to keep is forgotten, see [`MemoryItem::retention`](super::MemoryItem::retention); first of what nobody
    /// vouches for.
    pub fn capacity(mut self, memories: usize) -> Self {
        self.capacity = memories;
        self
    }
}

impl IntoFuture for OpenMemory {
    type Output = Result<MemoryStore>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    /// # Errors
    /// `Config` if the capacity is none, or a newer Lorewell wrote the file; `NotFound` if the folder is missing, `BadInput` if
    /// the file belongs to another program, `Corrupt` if it is damaged or no database at all, `Io` if it cannot be opened,
    /// `Unavailable` if another process does not let go of it.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            if !(1..=CAPACITY_MAX).contains(&self.capacity) {
                let message = format!("a namespace holds 1 to {CAPACITY_MAX} memories, not {}", self.capacity);
                return Err(Error::new(Kind::Config, message));
            }
            let database = Database::open(&self.path).await?;
            let Self { embedder, capacity, .. } = self;
            let shared = Arc::new(Shared { database, embedder, capacity, embedding: tokio::sync::Mutex::default() });
            let pending = shared.pin().await?;
            let catching_up = (pending > 0).then(|| {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    if let Err(error) = shared.embed_pending().await {
                        tracing::warn!("memories stay without vectors, and are found by their words alone: {error}");
                    }
                })
            });
            Ok(MemoryStore(Arc::new(Handle { shared, catching_up })))
        })
    }
}

impl MemoryStore {
    /// Opens a store, making its file if there is none.
    pub fn open(path: impl AsRef<Path>) -> OpenMemory {
        OpenMemory { path: path.as_ref().to_owned(), embedder: None, capacity: CAPACITY }
    }

    /// The file, with links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.database().path()
    }

    /// Returns a namespace by its parts: `["user", "anna"]`. It is there for as long as it holds something.
    ///
    /// # Errors
    /// `BadInput` if the parts are no names: see [`Namespace`].
    pub fn namespace<P: AsRef<str>>(&self, parts: impl IntoIterator<Item = P>) -> Result<Namespace> {
        Namespace::new(self.clone(), parts)
    }

    /// Returns the paths of at most `limit` namespaces that come after `after`, in the order of their bytes.
    ///
    /// # Errors
    /// The memory cannot be read.
    pub async fn namespaces(&self, after: &str, limit: usize) -> Result<Vec<String>> {
        let after = after.to_owned();
        self.database().read(move |transaction| namespace::paths(transaction, &after, limit)).await
    }

    /// Tells how far the store is.
    ///
    /// # Errors
    /// The memory cannot be read.
    pub async fn status(&self) -> Result<MemoryStatus> {
        self.database().read(status).await
    }

    /// Waits until every memory has its vector, making those that are missing. Without an embedder there is nothing to do.
    ///
    /// # Errors
    /// Those of the embedder; `Conflict` if somebody has opened the file with another one since. What was embedded before stays.
    pub async fn embed_pending(&self) -> Result<()> {
        self.0.shared.embed_pending().await
    }

    /// Forgets what has expired, and what is worth least in namespaces that hold more than they may.
    ///
    /// # Errors
    /// The memory cannot be changed. What was forgotten before stays so.
    pub async fn sweep(&self, now: impl Into<SystemTime>) -> Result<Swept> {
        let (now, capacity) = (micros(now.into()), self.0.shared.capacity);
        let mut swept = Swept::default();
        // Each round takes out a whole batch, but for the last one.
        loop {
            let gone = self.database().write(Durable::Yes, move |transaction| expire(transaction, now)).await?;
            swept.expired += gone;
            if gone < usize::try_from(SWEEP_BATCH).unwrap_or(usize::MAX) {
                break;
            }
        }
        let crowded = move |transaction: &Transaction<'_>| namespace::above(transaction, capacity);
        for namespace in self.database().read(crowded).await? {
            let trim = move |transaction: &Transaction<'_>| rows::make_room(transaction, namespace, capacity, 0, now);
            swept.crowded_out += self.database().write(Durable::Yes, trim).await?.len();
        }
        if swept != Swept::default() {
            self.database().scrub().await?;
        }
        Ok(swept)
    }

    /// Writes the file anew without what is free in it, which takes as much room beside it for that time.
    ///
    /// # Errors
    /// `Io` if there is no room; `Unavailable` while somebody else reads or writes.
    pub async fn compact(&self) -> Result<()> {
        self.database().vacuum().await
    }

    pub(super) fn database(&self) -> &Database {
        &self.0.shared.database
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.0.shared)
    }

    pub(super) fn embedder(&self) -> Option<&Embedder> {
        self.0.shared.embedder.as_ref()
    }

    /// Embeds texts that are to be stored; none gets a vector without an embedder.
    pub(super) async fn embed(&self, texts: &[&str]) -> Result<Vec<Option<Vec<f32>>>> {
        match self.embedder() {
            None => Ok(vec![None; texts.len()]),
            Some(embedder) => Ok(vectors::passages(embedder, texts).await?.into_iter().map(Some).collect()),
        }
    }

    pub(super) async fn embed_one(&self, text: &str) -> Result<Option<Vec<f32>>> {
        Ok(self.embed(&[text]).await?.pop().flatten())
    }
}

impl Shared {
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn fingerprint(&self) -> Option<&str> {
        self.embedder.as_ref().map(|embedder| &*embedder.info().fingerprint)
    }

    /// Makes the embedder the one of the file. Returns how many memories have no vector of it yet.
    async fn pin(&self) -> Result<usize> {
        let Some(fingerprint) = self.fingerprint().map(str::to_owned) else { return Ok(0) };
        let pin = move |transaction: &Transaction<'_>| {
            if rows::embedder(transaction)?.as_ref() != Some(&fingerprint) {
                transaction.execute("DELETE FROM vectors", [])?;
                let sql = "INSERT OR REPLACE INTO settings (name, value) VALUES ('embedder', ?1)";
                transaction.execute(sql, [fingerprint])?;
            }
            Ok(status(transaction)?.pending)
        };
        self.database.write(Durable::Yes, pin).await
    }

    async fn embed_pending(&self) -> Result<()> {
        let Some(embedder) = &self.embedder else { return Ok(()) };
        let _one_at_a_time = self.embedding.lock().await;
        let mut after = i64::MIN;
        // Each round goes on after the row where the last one ended.
        loop {
            let batch = self.database.read(move |transaction| unembedded(transaction, after)).await?;
            let Some(last) = batch.last() else { return Ok(()) };
            after = last.row;
            let texts: Vec<&str> = batch.iter().map(|memory| &*memory.text).collect();
            let vectors = vectors::passages(embedder, &texts).await?;
            let fingerprint = embedder.info().fingerprint.clone();
            let store = move |transaction: &Transaction<'_>| {
                rows::check_embedder(transaction, Some(&fingerprint))?;
                batch.iter().zip(&vectors).try_for_each(|(memory, vector)| memory.store(transaction, vector))
            };
            self.database.write(Durable::Yes, store).await?;
        }
    }
}

/// A memory that has no vector.
struct Unembedded {
    row: i64,
    text: String,
    hash: [u8; 32],
}

impl Unembedded {
    /// Stores its vector, unless it was changed or forgotten meanwhile.
    fn store(&self, transaction: &Transaction<'_>, vector: &[f32]) -> Work<()> {
        let sql =
            "INSERT OR IGNORE INTO vectors (memory, value) SELECT row, ?3 FROM memories WHERE row = ?1 AND hash = ?2";
        transaction.prepare_cached(sql)?.execute(params![self.row, self.hash, rows::bytes(vector)])?;
        Ok(())
    }
}

fn unembedded(transaction: &Transaction<'_>, after: i64) -> Work<Vec<Unembedded>> {
    let sql = "SELECT row, text, hash FROM memories LEFT JOIN vectors ON vectors.memory = memories.row
        WHERE row > ?1 AND vectors.memory IS NULL ORDER BY row LIMIT ?2";
    let mut statement = transaction.prepare_cached(sql)?;
    let rows = statement.query_map(params![after, i64::try_from(EMBED_BATCH).unwrap_or(i64::MAX)], |row| {
        Ok(Unembedded { row: row.get(0)?, text: row.get(1)?, hash: row.get(2)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn status(transaction: &Transaction<'_>) -> Work<MemoryStatus> {
    let sql = "SELECT (SELECT count(*) FROM memories), (SELECT count(*) FROM vectors)";
    let (memories, vectors): (i64, i64) = transaction.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let count = |number: i64| usize::try_from(number).unwrap_or_default();
    let embedder = rows::embedder(transaction)?;
    Ok(MemoryStatus { memories: count(memories), pending: count(memories - vectors), embedder })
}

/// Takes out a batch of what has expired. Returns how many.
fn expire(transaction: &Transaction<'_>, now: i64) -> Work<usize> {
    let sql = "SELECT row, id, namespace FROM memories WHERE expires <= ?1 LIMIT ?2";
    let mut statement = transaction.prepare_cached(sql)?;
    let gone = statement.query_map([now, SWEEP_BATCH], |row| Ok((row.get(0)?, rows::id(row, 1)?, row.get(2)?)))?;
    let gone: Vec<(i64, MemoryId, i64)> = gone.collect::<rusqlite::Result<_>>()?;
    for (row, id, namespace) in &gone {
        rows::delete(transaction, *row, *id)?;
        rows::drop_if_empty(transaction, *namespace)?;
    }
    Ok(gone.len())
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(catching_up) = &self.catching_up {
            catching_up.abort(); // what is missing, the next one who opens the file will make
        }
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let embedder = self.embedder().map(|embedder| &embedder.info().name);
        f.debug_struct("MemoryStore").field("path", &self.path()).field("embedder", &embedder).finish_non_exhaustive()
    }
}
