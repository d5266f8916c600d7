//! The store of the simulated world: the one in memory, with a log of its batches beside it, so that a power cut can take
//! back what was not yet safe.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::FutureExt;
use lorewell_model::Result;

use super::dice::Dice;
use super::expected::parse;
use crate::checkpoint::{
    Batch, Body, Checkpoints, Claim, EntryKey, EntryKind, Fork, Loaded, Memory, Place, Record, SEQ_MAX, Span,
};
use crate::engine::weight::ROW_WEIGHT;

/// The name of the one thread.
pub(super) const THREAD: &str = "simulated";
/// When it was made, as stores count.
pub(super) const BORN: u64 = 7;

/// A thread in a store.
pub(super) struct Store {
    /// Whether some runs store all they have when they end.
    has_exits: bool,
    memory: Memory,
    claim: Claim,
    log: Vec<Batch>,
    /// Batches before this one survive a power cut.
    safe: usize,
    /// What the log says, by branch and number.
    /// Of each whether it is behind, and how long the run had run.
    steps: BTreeMap<(u32, u64), (bool, u64)>,
    results: BTreeSet<(u32, u64, u32)>,
    entries: BTreeMap<(u32, u64, EntryKey), Vec<u8>>,
    forks: Vec<Fork>,
    head: u32,
}

/// What the reference needs to know of a thread.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// The branch and number of the newest checkpoint.
    pub(super) newest: Option<(u32, u64)>,
    /// Whether supersteps after it may have run that were never stored.
    pub(super) is_behind: bool,
    pub(super) ran: u64,
    /// Tasks of the open superstep whose results are there.
    pub(super) results: BTreeSet<u32>,
    /// Entries above the newest checkpoint.
    pub(super) entries: BTreeMap<(u64, EntryKey), Vec<u8>>,
}

impl Store {
    pub(super) fn new(has_exits: bool) -> Self {
        let memory = Memory::new();
        let claim = now(memory.claim(THREAD)).expect("nobody else claims it");
        Self {
            has_exits,
            memory,
            claim,
            log: Vec::new(),
            safe: 0,
            steps: BTreeMap::new(),
            results: BTreeSet::new(),
            entries: BTreeMap::new(),
            forks: Vec::new(),
            head: 0,
        }
    }

    pub(super) fn write(&mut self, batch: Batch) -> Result<()> {
        if is_superstep(&batch) && !self.has_exits {
            self.check_snapshot(&batch);
        }
        now(self.memory.write(&self.claim, batch.clone()))?;
        self.forks.extend(batch.forks.iter().cloned());
        self.head = batch.head.unwrap_or(self.head);
        for Record { place: Place { branch, seq, .. }, body } in &batch.records {
            match body {
                Body::Snapshot(_) => {}
                Body::Step { value, .. } => {
                    let step = parse(value);
                    let ran = step["ran"].as_u64().unwrap_or_default();
                    self.steps.insert((*branch, *seq), (step["deferred"] == true, ran));
                }
                Body::Result { task, .. } => drop(self.results.insert((*branch, *seq, *task))),
                Body::Entry { key, value } => {
                    self.entries.insert((*branch, *seq, key.clone()), value.clone());
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

    /// A snapshot that goes with a superstep weighs at most half of what it takes the place of.
    fn check_snapshot(&self, batch: &Batch) {
        let snapshot = batch.records.iter().find_map(|record| match &record.body {
            Body::Snapshot(value) => Some(value.len()),
            _ => None,
        });
        let Some(snapshot) = snapshot else { return };
        let loaded = self.load();
        let row = usize::try_from(ROW_WEIGHT).expect("it is small");
        let new = batch.records.iter().map(|record| match &record.body {
            Body::Result { value, .. } => value.len() + row,
            Body::Step { .. } | Body::Snapshot(_) | Body::Entry { .. } => 0,
        });
        let since = loaded.results.iter().map(|result| result.value.len() + row).chain(new).sum::<usize>();
        let last = loaded.snapshot.map_or(0, |(_, value)| value.len());
        assert!(
            2 * snapshot <= since + last,
            "a snapshot of {snapshot} bytes after {since} bytes of updates, and the last one had {last}"
        );
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
        *self = Self::new(self.has_exits);
        for batch in log {
            self.write(batch).expect("it could be written before");
        }
        self.safe = self.log.len();
        lost
    }

    pub(super) fn load(&self) -> Loaded {
        let spans: Vec<Span> = self.lineage().into_iter().map(|(branch, seq_max)| span(branch, seq_max)).collect();
        now(self.memory.load(THREAD, "", &spans)).expect("memory can be read")
    }

    pub(super) fn head(&self) -> u32 {
        self.head
    }

    /// The branch that runs go on from and those that it came from, with the last checkpoint that counts of each.
    fn lineage(&self) -> Vec<(u32, u64)> {
        let mut lineage = vec![(self.head, SEQ_MAX)];
        let mut at = self.head;
        while let Some(fork) = self.forks.iter().find(|fork| fork.branch == at) {
            lineage.push((fork.from, fork.seq));
            at = fork.from;
        }
        lineage
    }

    /// The checkpoints of the lineage, each with its branch.
    pub(super) fn checkpoints(&self) -> BTreeMap<u64, u32> {
        let mut found = BTreeMap::new();
        for (branch, bound) in self.lineage() {
            for ((branch, seq), _) in self.steps.range((branch, 0)..=(branch, bound)) {
                found.entry(*seq).or_insert(*branch);
            }
        }
        found
    }

    /// What the reference needs to know.
    pub(super) fn rows(&self) -> Rows {
        let newest = self.checkpoints().last_key_value().map(|(seq, branch)| (*branch, *seq));
        let next = newest.map_or(0, |(_, newest)| newest + 1);
        let results = self.results.range((self.head, next, 0)..=(self.head, next, u32::MAX));
        let results = results.filter(|_| newest.is_some()).map(|(_, _, task)| *task).collect();
        let least = EntryKey { task: 0, kind: EntryKind::Effect, name: String::new() };
        let entries =
            self.entries.range((self.head, next, least)..).take_while(|((branch, ..), _)| *branch == self.head);
        let entries = entries.map(|((_, seq, key), value)| ((*seq, key.clone()), value.clone())).collect();
        let (is_behind, ran) = newest.map_or((false, 0), |newest| self.steps[&newest]);
        Rows { newest, is_behind, ran, results, entries }
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
    Span { branch, seq_max, root_max: SEQ_MAX }
}

/// The store in memory never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("memory answers at once")
}
