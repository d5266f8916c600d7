//! What all graphs of one run share: the store and the claim on the thread, the answers, the recording.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use lorewell_model::{Budget, Error, Result, Spent};
use serde_json::Value;

use super::{BACKGROUND_MAX, Cancel, Durability};
use crate::checkpoint::{Batch, Checkpoints, Claim, Fork, Loaded, Memory, Record, Span};
use crate::cx::{Held, already_held};
use crate::record::Tape;
use crate::scope::{Scope, ThreadName};

/// What all graphs of one run share.
pub(crate) struct Session {
    pub(crate) thread: Arc<ThreadName>,
    pub(crate) link: Option<Link>,
    pub(crate) answers: HashMap<String, Value>,
    pub(crate) cancel: Option<Cancel>,
    pub(crate) tape: Tape,
    /// Graphs that keep their state and are running.
    kept: Mutex<HashSet<Arc<str>>>,
    account: Account,
}

/// What the run may spend, and what of it is counted already. A task that runs again finds in its journal what it has paid
/// for, and a graph what it had spent when it was stored: each counts once.
#[derive(Default)]
struct Account {
    budget: Option<Budget>,
    counted: Mutex<HashSet<String>>,
}

/// The way to the store.
pub(crate) struct Link {
    pub(crate) store: Arc<dyn Checkpoints>,
    pub(crate) claim: Claim,
    pub(crate) forks: Vec<Fork>,
    pub(crate) durability: Durability,
    /// Writes that are on their way, in order.
    behind: tokio::sync::Mutex<VecDeque<BoxFuture<'static, Result<()>>>>,
    /// Where the checkpoints of graphs inside are until the thread's own graph ends, if the run is stored then.
    staged: Option<Staged>,
}

/// A store for the length of a run.
struct Staged {
    store: Memory,
    claim: Claim,
    /// What tasks have drawn since an effect was last stored.
    drawn: Mutex<Vec<Record>>,
}

impl Staged {
    async fn new(thread: &str) -> Result<Self> {
        let store = Memory::new();
        let claim = store.claim(thread).await?;
        Ok(Self { store, claim, drawn: Mutex::default() })
    }

    async fn write(&self, records: Vec<Record>) -> Result<()> {
        self.store.write(&self.claim, Batch { records, ..Batch::default() }).await
    }

    /// Reads a graph, with what the thread's store knows of it where nothing is staged yet.
    async fn load(&self, scope: &Scope, link: &Link) -> Result<Loaded> {
        let own = [Span { branch: scope.branch(), seq_max: UNBOUNDED, root_max: UNBOUNDED }];
        let staged = self.store.load(&self.claim.thread, scope.path(), &own).await?;
        if staged.step.is_some() {
            return Ok(staged);
        }
        let stored = link.read(scope).await?;
        self.write(stored.clone().records(scope.path(), scope.branch())).await?;
        Ok(stored)
    }
}

impl Link {
    pub(crate) async fn new(
        store: Arc<dyn Checkpoints>,
        claim: Claim,
        forks: Vec<Fork>,
        durability: Durability,
    ) -> Result<Self> {
        let staged = match durability {
            Durability::OnExit => Some(Staged::new(&claim.thread).await?),
            Durability::Sync | Durability::Background => None,
        };
        Ok(Self { store, claim, forks, durability, behind: tokio::sync::Mutex::default(), staged })
    }

    async fn read(&self, scope: &Scope) -> Result<Loaded> {
        let spans = lineage(&self.forks, scope.path(), scope.branch());
        self.store.load(scope.thread(), scope.path(), &spans).await
    }
}

impl Session {
    pub(crate) fn unstored(cancel: Option<Cancel>, tape: Tape) -> Self {
        let recording = tape.recording();
        let thread =
            recording.map_or_else(ThreadName::default, |run| ThreadName::new(run.thread.as_str().into(), run.born));
        let answers = recording.map_or_else(HashMap::new, |run| run.answers.clone());
        Self::new(Arc::new(thread), None, answers, cancel, tape)
    }

    pub(crate) fn new(
        thread: Arc<ThreadName>,
        link: Option<Link>,
        answers: HashMap<String, Value>,
        cancel: Option<Cancel>,
        tape: Tape,
    ) -> Self {
        Self { thread, link, answers, cancel, tape, kept: Mutex::default(), account: Account::default() }
    }

    /// Sets what the run may spend.
    pub(crate) fn budget(mut self, budget: Option<Budget>) -> Self {
        self.account.budget = budget;
        self
    }

    /// Returns what the run may spend.
    pub(crate) fn purse(&self) -> Option<&Budget> {
        self.account.budget.as_ref()
    }

    /// Counts what was spent under an id, once.
    pub(crate) fn spend(&self, id: impl FnOnce() -> String, spent: Spent, is_counted: bool) {
        let Some(budget) = &self.account.budget else { return };
        let is_new = self.account.counted.lock().unwrap_or_else(PoisonError::into_inner).insert(id());
        if is_new && !is_counted {
            budget.count(spent);
        }
    }

    /// The run has taken as long as it may.
    pub(crate) fn late(&self) -> Error {
        Budget::over("the run has taken as long as it may; resume it with more time")
    }

    /// Stores a batch of an engine, as the durability of the run says.
    pub(crate) async fn write(&self, scope: &Scope, mut batch: Batch) -> Result<()> {
        let Some(link) = &self.link else { return Ok(()) };
        match link.durability {
            Durability::Sync => link.store.write(&link.claim, batch).await,
            Durability::Background => {
                let write = link.store.write(&link.claim, batch);
                let mut behind = link.behind.lock().await;
                behind.push_back(write);
                while behind.len() > BACKGROUND_MAX {
                    first(&mut behind).await?;
                }
                Ok(())
            }
            Durability::OnExit => match &link.staged {
                Some(staged) if !scope.is_root() => staged.write(batch.records).await,
                staged => {
                    let inside = staged.iter().flat_map(|staged| staged.store.records(&staged.claim.thread));
                    batch.records.extend(inside);
                    link.store.write(&link.claim, batch).await
                }
            },
        }
    }

    /// Notes what a task has drawn. A run that is stored at its end is played again after a crash, and must come by the
    /// effects that it had; so what led to an effect is stored with it.
    pub(crate) fn note_drawn(&self, record: impl FnOnce() -> Record) {
        if let Some(staged) = self.link.as_ref().and_then(|link| link.staged.as_ref()) {
            staged.drawn.lock().unwrap_or_else(PoisonError::into_inner).push(record());
        }
    }

    /// Stores records before anything else happens.
    pub(crate) async fn write_now(&self, scope: &Scope, mut records: Vec<Record>) -> Result<()> {
        let Some(link) = &self.link else { return Ok(()) };
        if let Some(staged) = &link.staged {
            if !scope.is_root() {
                staged.write(records.clone()).await?;
            }
            records.splice(0..0, std::mem::take(&mut *staged.drawn.lock().unwrap_or_else(PoisonError::into_inner)));
        }
        let batch = Batch { records, durable: true, ..Batch::default() };
        // Behind what is on its way: the store keeps the order.
        link.store.write(&link.claim, batch).await
    }

    /// Tells whether results of effects outlive their task: in the store or in a recording.
    pub(crate) fn keeps_results(&self) -> bool {
        self.link.is_some() || !matches!(self.tape, Tape::Off)
    }

    /// Waits until all is stored.
    pub(crate) async fn flush(&self) -> Result<()> {
        let Some(link) = &self.link else { return Ok(()) };
        let mut behind = link.behind.lock().await;
        while !behind.is_empty() {
            first(&mut behind).await?;
        }
        Ok(())
    }

    /// Reads what is stored of a graph inside; `None` if nothing is stored at all.
    pub(crate) async fn load(&self, scope: &Scope) -> Result<Option<Loaded>> {
        let Some(link) = &self.link else { return Ok(self.tape.loaded(scope.path())) };
        self.flush().await?;
        // An attempt that was stopped may have left a write on its way; the next one is behind it.
        link.store.write(&link.claim, Batch::default()).await?;
        let loaded = match &link.staged {
            Some(staged) => staged.load(scope, link).await?,
            None => link.read(scope).await?,
        };
        self.tape.note_loaded(scope.path(), &loaded);
        Ok(Some(loaded))
    }

    /// Notes that a graph which keeps its state runs.
    pub(crate) fn hold(self: &Arc<Self>, path: &Arc<str>) -> Result<Held> {
        let is_new = self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone());
        match is_new {
            true => Ok(Held { session: self.clone(), path: path.clone() }),
            false => Err(already_held(path)),
        }
    }

    pub(crate) fn unhold(&self, path: &str) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
    }
}

/// Waits for the first of some writes. It stays where it is until then, so nothing is lost if the wait is given up.
async fn first(writes: &mut VecDeque<BoxFuture<'static, Result<()>>>) -> Result<()> {
    let Some(write) = writes.front_mut() else { return Ok(()) };
    let end = write.await;
    writes.pop_front();
    end
}

/// A bound above all numbers that a store can hold.
const UNBOUNDED: u64 = i64::MAX as u64;

/// The checkpoints that a branch of a graph has, with those of the branches that it came from.
pub(crate) fn lineage(forks: &[Fork], path: &str, branch: u32) -> Vec<Span> {
    let mut spans = vec![Span { branch, seq_max: UNBOUNDED, root_max: UNBOUNDED }];
    let mut at = branch;
    // Each fork leaves a branch that was there before it, so this ends.
    loop {
        let of = |path: &str| forks.iter().find(|fork| *fork.path == *path && fork.branch == at);
        let span = match (of(path), of("")) {
            (Some(own), _) => Span { branch: own.from, seq_max: own.seq, root_max: UNBOUNDED },
            (None, Some(root)) => Span { branch: root.from, seq_max: UNBOUNDED, root_max: root.seq },
            (None, None) => return spans,
        };
        if span.branch >= at {
            return spans;
        }
        at = span.branch;
        spans.push(span);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("thread", &self.thread).finish_non_exhaustive()
    }
}
