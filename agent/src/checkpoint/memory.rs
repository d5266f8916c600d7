//! The store that lives as long as the process: for tests, and for runs that need to pause but not to survive. It is
//! also the plainest reading of what a store is.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use futures_util::future::{BoxFuture, ready};
use lorewell_model::Result;

use super::lineage::{self, Lines, Step};
use super::{
    Batch, Body, Checkpoints, Claim, EntryKey, EntryRow, Fork, Loaded, Place, Prune, Record, ResultRow, Span, StepRow,
    ThreadInfo, after_failure, check_batch, check_name, held_here, no_thread, stale, thread_exists,
};

/// A store in memory. Clones share it; it is gone with the last of them.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    threads: BTreeMap<Arc<str>, Thread>,
    /// The greatest number that a thread had which was deleted.
    epoch_floor: u64,
}

#[derive(Clone)]
struct Thread {
    head: u32,
    forks: Vec<Fork>,
    epoch: u64,
    is_held: bool,
    /// A batch of the newest claim has failed.
    has_failed: bool,
    touched: SystemTime,
    graphs: BTreeMap<Arc<str>, Branches>,
}

type Branches = BTreeMap<u32, Line>;

#[derive(Clone, Default)]
struct Line {
    steps: BTreeMap<u64, (u64, Vec<u8>)>,
    snapshots: BTreeMap<u64, Vec<u8>>,
    results: BTreeMap<(u64, u32), Vec<u8>>,
    entries: BTreeMap<u64, BTreeMap<EntryKey, Vec<u8>>>,
}

impl Memory {
    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All records of a thread.
    pub(crate) fn records(&self, thread: &str) -> Vec<Record> {
        let state = self.state();
        let graphs = state.threads.get(thread).into_iter().flat_map(|thread| &thread.graphs);
        let lines =
            graphs.flat_map(|(path, branches)| branches.iter().map(move |(branch, line)| (path, *branch, line)));
        lines.flat_map(|(path, branch, line)| line.records(path, branch)).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, claim: &Claim, batch: Batch) -> Result<()> {
        let mut state = self.state();
        let thread = state.threads.get_mut(&claim.thread).filter(|thread| thread.is_held_by(claim));
        let thread = thread.ok_or_else(|| stale(claim))?;
        if thread.has_failed {
            return Err(after_failure(claim));
        }
        check_batch(&batch).inspect_err(|_| thread.has_failed = true)?;
        thread.apply(batch);
        Ok(())
    }

    /// Answers from the lines of one graph.
    fn read<T: Default>(&self, thread: &str, path: &str, read: impl FnOnce(&Branches) -> Result<T>) -> Result<T> {
        let state = self.state();
        match state.threads.get(thread).and_then(|thread| thread.graphs.get(path)) {
            Some(branches) => read(branches),
            None => Ok(T::default()),
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("threads", &self.state().threads.len()).finish()
    }
}

#[async_trait]
impl Checkpoints for Memory {
    async fn claim(&self, thread: &str) -> Result<Claim> {
        check_name(thread)?;
        let mut state = self.state();
        let epoch = state.epoch_floor;
        if !state.threads.contains_key(thread) {
            state.threads.insert(Arc::from(thread), Thread::new(epoch));
        }
        let found = state.threads.get_mut(thread).expect("it was inserted above");
        if found.is_held {
            return Err(held_here(thread));
        }
        found.epoch += 1;
        found.is_held = true;
        found.has_failed = false;
        found.touched = SystemTime::now();
        Ok(Claim { thread: Arc::from(thread), epoch: found.epoch })
    }

    fn release(&self, claim: &Claim) {
        let mut state = self.state();
        if let Some(thread) = state.threads.get_mut(&claim.thread).filter(|thread| thread.epoch == claim.epoch) {
            thread.is_held = false;
        }
    }

    fn write(&self, claim: &Claim, batch: Batch) -> BoxFuture<'static, Result<()>> {
        Box::pin(ready(self.apply(claim, batch)))
    }

    async fn thread(&self, thread: &str) -> Result<Option<ThreadInfo>> {
        let state = self.state();
        Ok(state.threads.get_key_value(thread).map(|(name, thread)| thread.info(name)))
    }

    async fn threads(&self, after: &str, limit: usize) -> Result<Vec<ThreadInfo>> {
        let state = self.state();
        let threads = state.threads.range::<str, _>((Bound::Excluded(after), Bound::Unbounded));
        Ok(threads.take(limit).map(|(name, thread)| thread.info(name)).collect())
    }

    async fn load(&self, thread: &str, path: &str, lineage: &[Span]) -> Result<Loaded> {
        self.read(thread, path, |branches| lineage::load(branches, path, lineage))
    }

    async fn steps(
        &self,
        thread: &str,
        path: &str,
        lineage: &[Span],
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<StepRow>> {
        self.read(thread, path, |branches| lineage::steps(branches, path, lineage, before, limit))
    }

    async fn paths(&self, thread: &str, prefix: &str) -> Result<Vec<Arc<str>>> {
        let state = self.state();
        let Some(thread) = state.threads.get(thread) else { return Ok(Vec::new()) };
        let paths = thread.graphs.range::<str, _>((Bound::Included(prefix), Bound::Unbounded)).map(|(path, _)| path);
        Ok(paths.take_while(|path| path.starts_with(prefix)).cloned().collect())
    }

    async fn entry(&self, thread: &str, place: &Place, key: &EntryKey) -> Result<Option<Vec<u8>>> {
        self.read(thread, &place.path, |branches| {
            let entries = branches.get(&place.branch).and_then(|line| line.entries.get(&place.seq));
            Ok(entries.and_then(|entries| entries.get(key)).cloned())
        })
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        check_name(to)?;
        let mut state = self.state();
        let Some(source) = state.threads.get(from) else { return Err(no_thread(from)) };
        if state.threads.contains_key(to) {
            return Err(thread_exists(to));
        }
        let fresh = Thread::new(state.epoch_floor);
        let copy = Thread { head: source.head, forks: source.forks.clone(), graphs: source.graphs.clone(), ..fresh };
        state.threads.insert(Arc::from(to), copy);
        Ok(())
    }

    async fn delete(&self, thread: &str) -> Result<bool> {
        let mut state = self.state();
        let Some(found) = state.threads.get(thread) else { return Ok(false) };
        if found.is_held {
            return Err(held_here(thread));
        }
        state.epoch_floor = state.epoch_floor.max(found.epoch + 1);
        state.threads.remove(thread);
        Ok(true)
    }
}

impl Thread {
    fn new(epoch: u64) -> Self {
        Self {
            head: 0,
            forks: Vec::new(),
            epoch,
            is_held: false,
            has_failed: false,
            touched: SystemTime::now(),
            graphs: BTreeMap::new(),
        }
    }

    fn is_held_by(&self, claim: &Claim) -> bool {
        self.is_held && self.epoch == claim.epoch
    }

    fn info(&self, name: &Arc<str>) -> ThreadInfo {
        ThreadInfo::new(Arc::clone(name), self.head, self.forks.clone(), self.touched)
    }

    fn apply(&mut self, batch: Batch) {
        if let Some(prune) = &batch.prune {
            self.prune(prune);
        }
        for fork in batch.forks {
            match self.forks.iter_mut().find(|old| old.path == fork.path && old.branch == fork.branch) {
                Some(old) => *old = fork,
                None => self.forks.push(fork),
            }
        }
        for record in batch.records {
            self.put(record);
        }
        self.head = batch.head.unwrap_or(self.head);
    }

    fn put(&mut self, Record { place: Place { path, branch, seq }, body }: Record) {
        let line = self.graphs.entry(path).or_default().entry(branch).or_default();
        match body {
            Body::Step { root, value } => drop(line.steps.insert(seq, (root, value))),
            Body::Snapshot(value) => drop(line.snapshots.insert(seq, value)),
            Body::Result { task, value } => drop(line.results.insert((seq, task), value)),
            Body::Entry { key, value } => drop(line.entries.entry(seq).or_default().insert(key, value)),
        }
    }

    fn prune(&mut self, prune: &Prune) {
        for (path, branches) in &mut self.graphs {
            branches.retain(|branch, line| !prune.takes(path, *branch, line.newest_root()));
        }
        for cut in &prune.cuts {
            let line = self.graphs.get_mut(&cut.path).and_then(|branches| branches.get_mut(&cut.branch));
            if let Some(line) = line {
                line.cut(cut.below);
            }
        }
        for branches in self.graphs.values_mut() {
            branches.retain(|_, line| !line.is_empty());
        }
        self.graphs.retain(|_, branches| !branches.is_empty());
    }
}

impl Line {
    fn records(&self, path: &Arc<str>, branch: u32) -> Vec<Record> {
        let record = |seq: &u64, body| Record { place: Place { path: path.clone(), branch, seq: *seq }, body };
        let steps =
            self.steps.iter().map(|(seq, (root, value))| record(seq, Body::Step { root: *root, value: value.clone() }));
        let snapshots = self.snapshots.iter().map(|(seq, value)| record(seq, Body::Snapshot(value.clone())));
        let results = self
            .results
            .iter()
            .map(|((seq, task), value)| record(seq, Body::Result { task: *task, value: value.clone() }));
        let entries = self.entries.iter().flat_map(|(seq, entries)| {
            entries.iter().map(|(key, value)| record(seq, Body::Entry { key: key.clone(), value: value.clone() }))
        });
        steps.chain(snapshots).chain(results).chain(entries).collect()
    }

    fn newest_root(&self) -> Option<u64> {
        self.steps.last_key_value().map(|(_, (root, _))| *root)
    }

    fn cut(&mut self, below: u64) {
        self.steps = self.steps.split_off(&below);
        self.snapshots = self.snapshots.split_off(&below);
        self.results = self.results.split_off(&(below, 0));
        self.entries = self.entries.split_off(&below);
    }

    fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.snapshots.is_empty() && self.results.is_empty() && self.entries.is_empty()
    }
}

impl Lines for Branches {
    type Line = u32;

    fn line(&self, branch: u32) -> Result<Option<u32>> {
        Ok(self.contains_key(&branch).then_some(branch))
    }

    fn step_at_most(&self, line: u32, seq: u64) -> Result<Option<(u64, u64)>> {
        Ok(self[&line].steps.range(..=seq).next_back().map(|(seq, (root, _))| (*seq, *root)))
    }

    fn step_at_least(&self, line: u32, seq: u64) -> Result<Option<u64>> {
        Ok(self[&line].steps.range(seq..).next().map(|(seq, _)| *seq))
    }

    fn steps(&self, line: u32, range: RangeInclusive<u64>, limit: usize) -> Result<Vec<Step>> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let steps = self[&line].steps.range(range).rev().take(limit);
        Ok(steps.map(|(seq, (root, value))| (*seq, *root, value.clone())).collect())
    }

    fn snapshot_at_most(&self, line: u32, seq: u64) -> Result<Option<u64>> {
        Ok(self[&line].snapshots.range(..=seq).next_back().map(|(seq, _)| *seq))
    }

    fn snapshot(&self, line: u32, seq: u64) -> Result<Vec<u8>> {
        Ok(self[&line].snapshots[&seq].clone())
    }

    fn results(&self, line: u32, range: RangeInclusive<u64>) -> Result<Vec<ResultRow>> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let results = self[&line].results.range((*range.start(), 0)..=(*range.end(), u32::MAX));
        Ok(results.map(|((seq, task), value)| ResultRow { seq: *seq, task: *task, value: value.clone() }).collect())
    }

    fn entries(&self, line: u32, range: RangeInclusive<u64>) -> Result<Vec<EntryRow>> {
        let entries = self[&line].entries.range(range).flat_map(|(seq, entries)| entries.iter().map(move |e| (seq, e)));
        Ok(entries.map(|(seq, (key, value))| EntryRow { seq: *seq, key: key.clone(), value: value.clone() }).collect())
    }
}
