//! W5: a store by itself. A chain of checkpoints of one channel, each awaited: the checkpoint, the state and what the
//! task wrote, in one batch. The peer makes two calls of it, and stores the same value twice as well.

use std::path::Path;
use std::sync::Arc;

use lorewell_agent::checkpoint::{Batch, Body, Checkpoints, Memory, Place, Record, Sqlite};

use crate::measure::{Outcome, Workload};
use crate::variant::Variant;

/// Checkpoints of a run.
const CHECKPOINTS: u64 = 100;

/// A chain of checkpoints.
pub(crate) struct Chain {
    value: Vec<u8>,
    variant: Variant,
}

impl Chain {
    /// Makes one of values of a size.
    pub(crate) fn new(bytes: usize, variant: Variant) -> Self {
        Self { value: format!("\"{}\"", "x".repeat(bytes)).into_bytes(), variant }
    }

    fn batch(&self, seq: u64) -> Batch {
        let place = Place { path: "".into(), branch: 0, seq };
        let step = br#"{"at":1790000000000,"source":"loop","next":["node"]}"#.to_vec();
        let bodies = [
            Body::Result { task: 0, value: self.value.clone() },
            Body::Snapshot(self.value.clone()),
            Body::Step { root: seq, value: step },
        ];
        let records = bodies.map(|body| Record { place: place.clone(), body }).into();
        Batch { records, durable: self.variant == Variant::SqliteSync, ..Batch::default() }
    }
}

impl Workload for Chain {
    type Store = Arc<dyn Checkpoints>;

    fn supersteps(&self) -> u64 {
        CHECKPOINTS
    }

    async fn open(&self, folder: &Path) -> Outcome<Self::Store> {
        match self.variant.is_on_disk() {
            true => Ok(Arc::new(Sqlite::open(folder.join("threads.sqlite")).await?)),
            false => Ok(Arc::new(Memory::new())),
        }
    }

    async fn run(&self, store: &Self::Store, thread: &str) -> Outcome<()> {
        let claim = store.claim(thread).await?;
        for seq in 0..CHECKPOINTS {
            store.write(&claim, self.batch(seq)).await?;
        }
        store.release(&claim);
        let known = store.thread(thread).await?;
        known.map(drop).ok_or_else(|| "the thread is not there".into())
    }

    async fn close(&self, store: Self::Store) -> Outcome<()> {
        drop(store);
        Ok(())
    }
}
