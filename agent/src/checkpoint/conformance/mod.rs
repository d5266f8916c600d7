//! What every store must pass: each sentence of [`Checkpoints`] as a check. A store of your own calls [`check`] in one
//! test.

mod claims;
mod lineages;
mod records;
mod upkeep;

use std::sync::Arc;

use super::{
    Batch, Body, Checkpoints, Claim, EntryKey, EntryKind, Fork, Loaded, Place, Record, ResultRow, Span, StepRow,
};

/// A lineage of branch 0 alone.
const TRUNK: [Span; 1] = [Span { branch: 0, seq_max: u64::MAX, root_max: u64::MAX }];

/// Checks a store. `open` gives a new, empty one at each call.
///
/// ```
/// use lorewell_agent::checkpoint::{Memory, conformance};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// conformance::check(async || Memory::new()).await;
/// # }
/// ```
///
/// # Panics
/// If the store breaks a promise; the message says which.
pub async fn check<S: Checkpoints>(open: impl AsyncFn() -> S) {
    records::check(&open).await;
    lineages::check(&open).await;
    claims::check(&open).await;
    upkeep::check(&open).await;
}

/// A store with one claimed thread, and the words that the checks are written in.
struct Bench<S> {
    store: S,
    claim: Claim,
}

impl<S: Checkpoints> Bench<S> {
    async fn new(open: &impl AsyncFn() -> S) -> Self {
        let store = open().await;
        let claim = store.claim("thread").await.expect("a new thread can be claimed");
        Self { store, claim }
    }

    async fn write(&self, batch: Batch) {
        self.store.write(&self.claim, batch).await.expect("a valid batch is written");
    }

    async fn put(&self, records: impl IntoIterator<Item = Record>) {
        self.write(batch(records)).await;
    }

    async fn load(&self, path: &str, lineage: &[Span]) -> Loaded {
        self.store.load("thread", path, lineage).await.expect("the store can be read")
    }

    async fn steps(&self, lineage: &[Span], before: Option<u64>, limit: usize) -> Vec<StepRow> {
        self.store.steps("thread", "", lineage, before, limit).await.expect("the store can be read")
    }

    async fn entry(&self, seq: u64, key: &EntryKey) -> Option<Vec<u8>> {
        self.store.entry("thread", &place("", 0, seq), key).await.expect("the store can be read")
    }

    async fn paths(&self, prefix: &str) -> Vec<String> {
        let paths = self.store.paths("thread", prefix).await.expect("the store can be read");
        paths.iter().map(|path| (**path).to_owned()).collect()
    }
}

fn batch(records: impl IntoIterator<Item = Record>) -> Batch {
    Batch { records: records.into_iter().collect(), ..Batch::default() }
}

fn place(path: &str, branch: u32, seq: u64) -> Place {
    Place { path: Arc::from(path), branch, seq }
}

fn record(path: &str, branch: u32, seq: u64, body: Body) -> Record {
    Record { place: place(path, branch, seq), body }
}

/// A step whose value says where it belongs.
fn step(path: &str, branch: u32, seq: u64, root: u64) -> Record {
    record(path, branch, seq, Body::Step { root, value: format!("step {path} {branch} {seq}").into_bytes() })
}

fn step_row(path: &str, branch: u32, seq: u64, root: u64) -> StepRow {
    StepRow { place: place(path, branch, seq), root, value: format!("step {path} {branch} {seq}").into_bytes() }
}

fn snapshot(path: &str, branch: u32, seq: u64) -> Record {
    record(path, branch, seq, Body::Snapshot(format!("snapshot {path} {branch} {seq}").into_bytes()))
}

fn snapshot_row(path: &str, branch: u32, seq: u64) -> (u64, Vec<u8>) {
    (seq, format!("snapshot {path} {branch} {seq}").into_bytes())
}

fn result(path: &str, branch: u32, seq: u64, task: u32) -> Record {
    record(path, branch, seq, Body::Result { task, value: format!("result {path} {branch} {seq} {task}").into_bytes() })
}

fn result_row(path: &str, branch: u32, seq: u64, task: u32) -> ResultRow {
    ResultRow { seq, task, value: format!("result {path} {branch} {seq} {task}").into_bytes() }
}

fn key(task: u32, kind: EntryKind, name: &str) -> EntryKey {
    EntryKey { task, kind, name: name.to_owned() }
}

fn entry(path: &str, branch: u32, seq: u64, key: &EntryKey, value: &[u8]) -> Record {
    record(path, branch, seq, Body::Entry { key: key.clone(), value: value.to_vec() })
}

fn span(branch: u32, seq_max: u64) -> Span {
    Span { branch, seq_max, root_max: u64::MAX }
}

fn fork(path: &str, branch: u32, from: u32, seq: u64) -> Fork {
    Fork { path: Arc::from(path), branch, from, seq }
}
