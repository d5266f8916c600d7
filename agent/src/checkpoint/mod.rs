//! Where threads are kept. A store knows records and bytes, nothing of graphs or states: what they mean is decided
//! above it, so a new store is a small thing to write. Every store passes [`conformance`].

pub mod conformance;
mod lineage;
mod memory;
mod shared;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use lorewell_model::{Error, Kind, Result};
use serde::{Deserialize, Serialize};

pub use memory::Memory;
#[cfg(feature = "sqlite")]
pub use sqlite::{Commits, Sqlite};

/// The greatest number of a checkpoint, of a root and of a fork: what a signed column of 64 bits holds. Bounds of spans
/// and of a [`Prune`] may be above it.
pub const SEQ_MAX: u64 = i64::MAX.cast_unsigned();

/// A store of threads.
///
/// A thread is a tree of *lines*: one for each graph that ran in it (its `path`: empty for the thread's own graph) and
/// each `branch` (0, and one more for every fork). A line is a sequence of checkpoints counted by `seq`. What belongs
/// to a checkpoint is kept in four kinds of [`Record`]. Along a line, the roots of its steps never fall.
///
/// # What a store promises
/// - [`write`](Self::write) is one transaction: all of a batch or nothing. Batches of one claim take effect in the order of
///   the calls, also when the caller does not wait for one before it makes the next.
/// - There are no gaps: when a batch of a claim has failed, those after it fail with `Conflict` until the thread is
///   claimed again.
/// - When `write` of a durable batch has returned, it and all batches before it survive a power cut. Batches that
///   are not durable survive the death of the process.
/// - A record that is written again replaces the one of the same key.
/// - While one claim on a thread is held by a living process, another is refused with `Conflict`; and what is written
///   with a claim that is no longer the newest is refused with `Conflict` and changes nothing.
#[async_trait]
pub trait Checkpoints: fmt::Debug + Send + Sync + 'static {
    /// Claims a thread for writing; makes it if it does not exist. The claim of a process that has died is taken over.
    /// When the future is dropped before it is ready, nobody holds the thread afterwards.
    ///
    /// # Errors
    /// `Conflict` if someone living holds it; `BadInput` if the name is empty.
    async fn claim(&self, thread: &str) -> Result<Claim>;

    /// Gives a claim back, after all that was written with it. Without effect if it is not the newest any more.
    fn release(&self, claim: &Claim);

    /// Writes a batch: what it removes first, then forks, records and the head. The call itself takes its place in the
    /// order of writes, before the future is polled; the batch is written also if the future is dropped.
    ///
    /// # Errors
    /// `Conflict` if the claim is not the newest, was released or has had a batch fail; `BadInput` if a number is above
    /// [`SEQ_MAX`]; `Limit` if the caller has left too many batches unawaited; `Io` if the disk is full or fails. In each
    /// case nothing of the batch is there.
    fn write(&self, claim: &Claim, batch: Batch) -> BoxFuture<'static, Result<()>>;

    /// Describes a thread; `None` if there is none of this name.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn thread(&self, thread: &str) -> Result<Option<ThreadInfo>>;

    /// Describes at most `limit` threads whose names come after `after`, in the order of the bytes of their names.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn threads(&self, after: &str, limit: usize) -> Result<Vec<ThreadInfo>>;

    /// Reads what is needed to go on from the newest checkpoint of a lineage. The work is in proportion to what is
    /// returned, not to what the thread holds.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn load(&self, thread: &str, path: &str, lineage: &[Span]) -> Result<Loaded>;

    /// Lists the step records of a lineage, newest first, beginning below `before` if it is given.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn steps(
        &self,
        thread: &str,
        path: &str,
        lineage: &[Span],
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<StepRow>>;

    /// Lists the paths of a thread that begin with `prefix` and have records, in order.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn paths(&self, thread: &str, prefix: &str) -> Result<Vec<Arc<str>>>;

    /// Reads one entry of a checkpoint.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn entry(&self, thread: &str, place: &Place, key: &EntryKey) -> Result<Option<Vec<u8>>>;

    /// Copies a thread with all that belongs to it but its claim, in one transaction.
    ///
    /// # Errors
    /// `NotFound` if there is no `from`, `Conflict` if there is a `to`, `BadInput` if that name is empty.
    async fn copy(&self, from: &str, to: &str) -> Result<()>;

    /// Deletes a thread and all that belongs to it, in one transaction. Returns whether it was there.
    ///
    /// # Errors
    /// `Conflict` if someone living holds it.
    async fn delete(&self, thread: &str) -> Result<bool>;
}

/// The right to write to a thread, until it is released or its process dies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The thread.
    pub thread: Arc<str>,
    /// Grows by one with each claim on a thread of this name, and by more when it was deleted in between; only the newest may
    /// write. So whoever gets the number after that of its own last claim knows that nobody has written since.
    pub epoch: u64,
}

/// What a store knows of a thread without reading its records.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThreadInfo {
    /// Its name.
    pub name: Arc<str>,
    /// The branch that runs go on from.
    pub head: u32,
    /// The forks, in the order in which they were made.
    pub forks: Vec<Fork>,
    /// When it was last claimed, or made by a copy.
    pub touched: SystemTime,
}

impl ThreadInfo {
    /// Describes a thread.
    #[must_use]
    pub fn new(name: Arc<str>, head: u32, forks: Vec<Fork>, touched: SystemTime) -> Self {
        Self { name, head, forks, touched }
    }
}

/// A line that begins inside another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// The graph whose line it is.
    pub path: Arc<str>,
    /// The new branch.
    pub branch: u32,
    /// The branch that it left.
    pub from: u32,
    /// The last checkpoint that both have.
    pub seq: u64,
}

/// A part of a lineage: the checkpoints of one branch up to a bound. A lineage lists its own branch first, then the one
/// that it left, and so on; where two hold a checkpoint of the same number, the first one counts, with its records.
/// What lies above the last checkpoint within a span belongs to a superstep that is not committed, and counts only in
/// the lineage's own branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The branch.
    pub branch: u32,
    /// Checkpoints up to this one count.
    pub seq_max: u64,
    /// Checkpoints made within supersteps of the thread's own graph up to this one count.
    pub root_max: u64,
}

/// The line and number of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The graph within the thread; empty for the thread's own.
    pub path: Arc<str>,
    /// The branch.
    pub branch: u32,
    /// The checkpoint.
    pub seq: u64,
}

/// What is written in one transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Records, each of which may replace an older one of its key.
    pub records: Vec<Record>,
    /// New lines that begin inside others. A fork of the same path and branch is replaced.
    pub forks: Vec<Fork>,
    /// The branch that runs go on from, if it changes.
    pub head: Option<u32>,
    /// What to remove, before the records are written.
    pub prune: Option<Prune>,
    /// Whether it must survive a power cut before `write` returns.
    pub durable: bool,
}

/// What is removed from a thread when only its newest checkpoints are kept. Forks stay: they are small, and say which
/// branches there have been.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prune {
    /// Lines of other branches than these go with all their records.
    pub branches: Vec<u32>,
    /// Lines go whose steps were all made within supersteps of the thread's own graph below this one. A line without any
    /// step stays.
    pub root_below: u64,
    /// Lines of these paths, and of paths that go on from one of them with `/` or `.`, stay in any case.
    pub spared: Vec<Arc<str>>,
    /// Of these lines, records of checkpoints below a number go.
    pub cuts: Vec<Cut>,
}

impl Prune {
    /// Tells whether a line goes: its path and branch, and the root of its newest step.
    pub(crate) fn takes(&self, path: &str, branch: u32, newest_root: Option<u64>) -> bool {
        let is_past = !self.branches.contains(&branch) || newest_root.is_some_and(|root| root < self.root_below);
        let is_within = |spared: &Arc<str>| {
            path.strip_prefix(&**spared).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.']))
        };
        is_past && !self.spared.iter().any(is_within)
    }
}

/// The beginning of a line, to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The graph whose line it is.
    pub path: Arc<str>,
    /// The branch.
    pub branch: u32,
    /// The first checkpoint that stays.
    pub below: u64,
}

/// One record of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which checkpoint it belongs to.
    pub place: Place,
    /// What it holds.
    pub body: Body,
}

/// What a record holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The checkpoint itself: what comes next. Its presence is what makes a superstep committed.
    Step {
        /// The superstep of the thread's own graph within which it was made; its own number there.
        root: u64,
        /// Opaque to the store.
        value: Vec<u8>,
    },
    /// The whole state at this checkpoint.
    Snapshot(Vec<u8>),
    /// What a task of the superstep that led to this checkpoint wrote.
    Result {
        /// The place of the task among those of its superstep.
        task: u32,
        /// Opaque to the store.
        value: Vec<u8>,
    },
    /// Anything else that is known of a task before its superstep is committed.
    Entry {
        /// Which one.
        key: EntryKey,
        /// Opaque to the store.
        value: Vec<u8>,
    },
}

/// The name of an entry within its checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntryKey {
    /// The place of the task among those of its superstep.
    pub task: u32,
    /// What kind of entry it is.
    pub kind: EntryKind,
    /// Which one of its kind.
    pub name: String,
}

/// Kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EntryKind {
    /// The result of an effect.
    Effect,
    /// Why a task failed for good, so that its error handler runs.
    Failure,
    /// The questions a task waits for.
    Pause,
    /// The answer to a question.
    Answer,
    /// A gate at which the run has stopped.
    Gate,
}

impl EntryKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Effect, Self::Failure, Self::Pause, Self::Answer, Self::Gate];

    /// Finds a kind by its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns its name, as stores write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Effect => "effect",
            Self::Failure => "failure",
            Self::Pause => "pause",
            Self::Answer => "answer",
            Self::Gate => "gate",
        }
    }
}

/// The step record of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRow {
    /// Its line and number.
    pub place: Place,
    /// The superstep of the thread's own graph within which it was made.
    pub root: u64,
    /// As it was written.
    #[serde(with = "text")]
    pub value: Vec<u8>,
}

/// What is needed to go on from the newest checkpoint of a lineage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// The newest checkpoint. Without one there are no snapshot and no results.
    pub step: Option<StepRow>,
    /// The newest snapshot at or before it,
    #[serde(with = "text::numbered")]
    pub snapshot: Option<(u64, Vec<u8>)>,
    /// The results after the snapshot, in order; those of a number above the checkpoint's belong to the superstep that is
    /// not committed.
    pub results: Vec<ResultRow>,
    /// The entries of the lineage's own branch whose number is above the checkpoint's, in order; all of them if there is
    /// no checkpoint.
    pub entries: Vec<EntryRow>,
}

impl Loaded {
    /// The records, as those of one branch.
    pub(crate) fn records(self, path: &Arc<str>, branch: u32) -> Vec<Record> {
        let record = |seq, body| Record { place: Place { path: path.clone(), branch, seq }, body };
        let step = self.step.map(|row| record(row.place.seq, Body::Step { root: row.root, value: row.value }));
        let snapshot = self.snapshot.map(|(seq, value)| record(seq, Body::Snapshot(value)));
        let results =
            self.results.into_iter().map(|row| record(row.seq, Body::Result { task: row.task, value: row.value }));
        let entries =
            self.entries.into_iter().map(|row| record(row.seq, Body::Entry { key: row.key, value: row.value }));
        step.into_iter().chain(snapshot).chain(results).chain(entries).collect()
    }
}

/// The result record of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultRow {
    /// The checkpoint its superstep led to, or leads to.
    pub seq: u64,
    /// The place of the task among those of its superstep.
    pub task: u32,
    /// As it was written.
    #[serde(with = "text")]
    pub value: Vec<u8>,
}

/// An entry record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRow {
    /// The checkpoint its superstep leads to.
    pub seq: u64,
    /// Its name.
    pub key: EntryKey,
    /// As it was written.
    #[serde(with = "text")]
    pub value: Vec<u8>,
}

/// Checks the name of a thread that is to be made.
fn check_name(thread: &str) -> Result<()> {
    // Listings begin after the empty name.
    if thread.is_empty() {
        return Err(Error::new(Kind::BadInput, "the name of a thread is empty; give it one"));
    }
    Ok(())
}

/// Checks the numbers of a batch.
fn check_batch(batch: &Batch) -> Result<()> {
    let check = |what: &str, path: &str, seq: u64| match seq {
        ..=SEQ_MAX => Ok(()),
        _ => Err(Error::new(Kind::BadInput, format!("{what} {seq} of `{path}` is above the limit of {SEQ_MAX}"))),
    };
    for record in &batch.records {
        check("checkpoint", &record.place.path, record.place.seq)?;
        if let Body::Step { root, .. } = &record.body {
            check("the root", &record.place.path, *root)?;
        }
    }
    batch.forks.iter().try_for_each(|fork| check("the fork at checkpoint", &fork.path, fork.seq))
}

/// The claim is not the newest one, or was given back.
fn stale(claim: &Claim) -> Error {
    let thread = &claim.thread;
    Error::new(
        Kind::Conflict,
        format!("this claim on thread `{thread}` is over, someone else may hold it; claim it again"),
    )
}

/// An earlier batch of the claim is missing.
fn after_failure(claim: &Claim) -> Error {
    let thread = &claim.thread;
    let message =
        format!("an earlier step of thread `{thread}` could not be stored, so this one was not; claim it again");
    Error::new(Kind::Conflict, message)
}

fn no_thread(thread: &str) -> Error {
    Error::new(Kind::NotFound, format!("no thread `{thread}`"))
}

fn thread_exists(thread: &str) -> Error {
    Error::new(Kind::Conflict, format!("there is a thread `{thread}` already; choose another name or delete it"))
}

fn held_here(thread: &str) -> Error {
    Error::new(Kind::Conflict, format!("thread `{thread}` is being run by this process; wait for it to finish"))
}
