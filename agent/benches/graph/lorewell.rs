//! Our side: a flow with what it begins with and what it must end with, run on the store of a variant.

use std::path::Path;
use std::sync::Arc;

use lorewell_agent::checkpoint::{Checkpoints, Memory, Sqlite};
use lorewell_agent::{Durability, EventKind, Flow, Input, Outcome, Run, State};

use crate::measure::{self, Workload};
use crate::variant::Variant;

/// More than any workload has.
const STEPS_MAX: u64 = 1_000_000_000;

/// Says what is wrong with a state.
pub(crate) type Check<S> = Box<dyn Fn(&S) -> Result<(), String>>;

/// A flow as a workload.
pub(crate) struct Graph<S: State> {
    /// What runs.
    pub(crate) flow: Flow<S>,
    /// What each run begins with.
    pub(crate) input: Input<S>,
    /// Supersteps of a run, those of subgraphs too; counted where events are read.
    pub(crate) supersteps: u64,
    /// Graphs of a run: each makes a checkpoint of what it begins with, which is no superstep.
    pub(crate) graphs: u64,
    /// Says what is wrong with the state at the end.
    pub(crate) check: Check<S>,
    /// How it is stored.
    pub(crate) variant: Variant,
}

/// The store of a variant, if it has one.
pub(crate) type Store = Option<Arc<dyn Checkpoints>>;

impl<S: State> Graph<S> {
    fn prepare(&self, store: &Store, thread: &str) -> Run<S> {
        let run = match store {
            None => self.flow.run(self.input.clone()),
            Some(store) => self.flow.thread(thread, store.clone()).run(self.input.clone()),
        };
        run.steps_max(STEPS_MAX).durability(match self.variant {
            Variant::MemoryExit => Durability::OnExit,
            Variant::MemoryBackground | Variant::SqliteBackground => Durability::Background,
            Variant::Await | Variant::Events | Variant::SqliteSync => Durability::Sync,
        })
    }

    async fn drain(&self, run: Run<S>) -> measure::Outcome<Outcome<S>> {
        if self.variant == Variant::Await {
            return Ok(run.await?);
        }
        let mut events = run.events();
        let mut checkpoints = 0;
        while let Some(event) = events.next().await {
            checkpoints += u64::from(matches!(event.kind, EventKind::Checkpoint { .. }));
        }
        let outcome = events.outcome().await?;
        if checkpoints != self.supersteps + self.graphs {
            return Err(format!("{checkpoints} checkpoints after {} supersteps", self.supersteps).into());
        }
        Ok(outcome)
    }
}

impl<S: State> Workload for Graph<S> {
    type Store = Store;

    fn supersteps(&self) -> u64 {
        self.supersteps
    }

    async fn open(&self, folder: &Path) -> measure::Outcome<Store> {
        Ok(match self.variant {
            Variant::Await | Variant::Events => None,
            Variant::MemoryExit | Variant::MemoryBackground => Some(Arc::new(Memory::new())),
            Variant::SqliteBackground | Variant::SqliteSync => {
                Some(Arc::new(Sqlite::open(folder.join("threads.sqlite")).await?))
            }
        })
    }

    async fn run(&self, store: &Store, thread: &str) -> measure::Outcome<()> {
        let state = self.drain(self.prepare(store, thread)).await?.done()?;
        Ok((self.check)(&state)?)
    }

    async fn close(&self, store: Store) -> measure::Outcome<()> {
        drop(store); // the last handle waits until all is written
        Ok(())
    }
}
