//! The graph engine from the outside: supersteps, pauses, threads. One binary, one module per subject.

#![expect(clippy::unwrap_used, reason = "a test that cannot run its graph has nothing to say")]

mod effects;
mod events;
mod failures;
mod history;
mod pauses;
mod recall;
#[cfg(feature = "trace")]
mod spans;
mod subgraphs;
mod supersteps;
mod threads;

use std::sync::Arc;

use lorewell_agent::checkpoint::{Checkpoints, Memory, Sqlite};
use lorewell_agent::{Outcome, Paused, State};

/// A store, and the folder it lies in.
struct Shelf {
    store: Arc<dyn Checkpoints>,
    folder: Option<tempfile::TempDir>,
}

impl Shelf {
    /// One of each kind.
    async fn all() -> [Self; 2] {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = Sqlite::open(folder.path().join("threads.sqlite")).await.unwrap();
        [Self { store: Arc::new(Memory::new()), folder: None }, Self { store: Arc::new(sqlite), folder: Some(folder) }]
    }

    /// The store as another process would find it after this one has ended.
    async fn reopen(&mut self) {
        if let Some(folder) = &self.folder {
            self.store = Arc::new(Memory::new());
            self.store = Arc::new(Sqlite::open(folder.path().join("threads.sqlite")).await.unwrap());
        }
    }
}

fn done<S>(outcome: Outcome<S>) -> S {
    match outcome {
        Outcome::Done(state) => state,
        Outcome::Paused(paused) => panic!("paused: {:?} {:?}", paused.questions, paused.gates),
    }
}

fn paused<S: State>(outcome: Outcome<S>) -> Paused<S> {
    match outcome {
        Outcome::Paused(paused) => paused,
        Outcome::Done(_) => panic!("it came to its end"),
    }
}
