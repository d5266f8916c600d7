//! The store of the simulated world: the one in memory, with a log of its batches beside it, so that a power cut can take
//! back what was not yet safe.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::FutureExt;
use lorewell_model::Result;

use super::dice::Dice;
use super::expected::parse;
use crate::checkpoint::{Batch, Body, Checkpoints, Claim, EntryKey, Fork, Loaded, Memory, Span};

/// The name of the one thread.
pub(super) const THREAD: &str = "simulated";

/// A thread in a store.
pub(super) struct Store {
    memory: Memory,
    claim: Claim,
    log: Vec<Batch>,
    /// Batches before this one survive a power cut.
    safe: usize,
    pub(super) bytes: Bytes,
}

/// How much was written.
#[derive(Debug, Default)]
pub(super) struct Bytes {
    /// Of snapshots that came with a superstep.
    pub(super) snapshots: Vec<usize>,
    /// Of all else, with what a row costs.
    pub(super) others: usize,
}

/// What the reference needs to know of a thread.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// The branch and number of the newest checkpoint.
    pub(super) newest: Option<(u32, u64)>,
    /// Tasks of the open superstep whose results are there.
    pub(super) results: BTreeSet<u32>,
    /// Entries above the newest checkpoint.
    pub(super) entries: BTreeMap<(u64, EntryKey), Vec<u8>>,
}

impl Store {
    pub(super) fn new() -> Self {
        let memory = Memory::new();
        let claim = now(memory.claim(THREAD)).expect("nobody else claims it");
        Self { memory, claim, log: Vec::new(), safe: 0, bytes: Bytes::default() }
    }

    pub(super) fn write(&mut self, batch: Batch) -> Result<()> {
        now(self.memory.write(&self.claim, batch.clone()))?;
        for record in &batch.records {
            match &record.body {
                Body::Snapshot(value) if is_superstep(&batch) => self.bytes.snapshots.push(value.len()),
                Body::Snapshot(_) => {}
                Body::Step { value, .. } | Body::Result { value, .. } | Body::Entry { value, .. } => {
                    self.bytes.others += value.len() + 256;
                }
            }
        }
        let is_durable = batch.durable;
        self.log.push(batch);
        if is_durable {
            self.safe = self.log.len();
        }
        Ok(())
    }

    /// Someone else takes the thread over, as after the death of a process.
    pub(super) fn take_over(&mut self) {
        self.memory.release(&self.claim);
        self.claim = now(self.memory.claim(THREAD)).expect("it was released");
    }

    /// The power fails: of the batches that were not safe a beginning is left. Returns how many are lost.
    pub(super) fn cut_power(&mut self, dice: &mut Dice) -> usize {
        let kept = self.safe + dice.below(self.log.len() - self.safe + 1);
        let lost = self.log.len() - kept;
        let log: Vec<Batch> = self.log.drain(..kept).collect();
        let bytes = std::mem::take(&mut self.bytes);
        *self = Self::new();
        for batch in log {
            self.write(batch).expect("it could be written before");
        }
        (self.safe, self.bytes) = (self.log.len(), bytes);
        lost
    }

    pub(super) fn load(&self) -> Loaded {
        let spans: Vec<Span> = self.lineage().into_iter().map(|(branch, seq_max)| span(branch, seq_max)).collect();
        now(self.memory.load(THREAD, "", &spans)).expect("memory can be read")
    }

    pub(super) fn head(&self) -> u32 {
        self.log.iter().filter_map(|batch| batch.head).next_back().unwrap_or(0)
    }

    fn forks(&self) -> Vec<Fork> {
        self.log.iter().flat_map(|batch| batch.forks.iter().cloned()).collect()
    }

    /// The branch that runs go on from and those that it came from, with the last checkpoint that counts of each.
    fn lineage(&self) -> Vec<(u32, u64)> {
        let mut lineage = vec![(self.head(), crate::checkpoint::SEQ_MAX)];
        while let Some(fork) = self.forks().iter().find(|fork| Some(fork.branch) == lineage.last().map(|last| last.0)) {
            lineage.push((fork.from, fork.seq));
        }
        lineage
    }

    /// The checkpoints of the lineage, each with its branch, read off the log.
    pub(super) fn checkpoints(&self) -> BTreeMap<u64, u32> {
        let mut found = BTreeMap::new();
        for (branch, bound) in self.lineage() {
            let steps = self.records().filter(|record| record.0 == branch && record.1 <= bound);
            for (_, seq, _) in steps.filter(|(.., body)| matches!(body, Body::Step { .. })) {
                found.entry(seq).or_insert(branch);
            }
        }
        found
    }

    fn records(&self) -> impl Iterator<Item = (u32, u64, &Body)> {
        let records = self.log.iter().flat_map(|batch| &batch.records);
        records.map(|record| (record.place.branch, record.place.seq, &record.body))
    }

    /// What the reference needs to know, read off the log.
    pub(super) fn rows(&self) -> Rows {
        let newest = self.checkpoints().last_key_value().map(|(seq, branch)| (*branch, *seq));
        let mut rows = Rows { newest, ..Rows::default() };
        let head = self.head();
        let above = |seq: u64| newest.is_none_or(|(_, newest)| seq > newest);
        let open = newest.map(|(_, newest)| newest + 1);
        for (_, seq, body) in self.records().filter(|(branch, seq, _)| *branch == head && above(*seq)) {
            match body {
                Body::Result { task, .. } if Some(seq) == open => drop(rows.results.insert(*task)),
                Body::Entry { key, value } => drop(rows.entries.insert((seq, key.clone()), value.clone())),
                Body::Result { .. } | Body::Step { .. } | Body::Snapshot(_) => {}
            }
        }
        rows
    }
}

/// Whether a batch commits a superstep.
pub(super) fn is_superstep(batch: &Batch) -> bool {
    batch.records.iter().any(|record| match &record.body {
        Body::Step { value, .. } => parse(value)["source"] == "loop",
        Body::Snapshot(_) | Body::Result { .. } | Body::Entry { .. } => false,
    })
}

fn span(branch: u32, seq_max: u64) -> Span {
    Span { branch, seq_max, root_max: crate::checkpoint::SEQ_MAX }
}

/// The store in memory never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("memory answers at once")
}
