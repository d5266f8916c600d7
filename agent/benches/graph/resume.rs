//! A thread that has had many supersteps and was stopped in the middle of its run: how long it takes to open its store,
//! to go on with the run and to come to its end.

use std::path::{Path, PathBuf};

use lorewell_agent::checkpoint::Sqlite;
use lorewell_agent::{Cx, Durability, END, Flow, Graph, Kind, State};

use crate::measure::{Outcome, Workload};

/// Supersteps before the run was stopped.
pub(crate) const SUPERSTEPS: u64 = 100_000;

#[derive(Clone, Default, State)]
struct Count {
    #[reduce(sum)]
    steps: u64,
    last: String,
}

async fn step(cx: Cx<Count>) -> lorewell_agent::Result<CountUpdate> {
    Ok(Count::update().steps(1u64).last(format!("step {} of many", cx.state().steps)))
}

/// The thread, made once and copied for each run.
pub(crate) struct Resume {
    flow: Flow<Count>,
    made: PathBuf,
}

impl Resume {
    /// Runs the thread up to where it stops.
    pub(crate) async fn make(scratch: &Path) -> Outcome<Self> {
        let flow = Graph::<Count>::new()
            .node("step", step)
            .start("step")
            .branch("step", ["step", END], |count: &Count| if count.steps > SUPERSTEPS { END } else { "step" })
            .build()?;
        let made = scratch.join("made.sqlite");
        let store = Sqlite::open(&made).await?;
        let run = flow.thread("long", store).run(Count::default());
        match run.steps_max(SUPERSTEPS).durability(Durability::Background).await {
            Err(error) if error.kind() == Kind::Limit => Ok(Self { flow, made }),
            Err(error) => Err(error.into()),
            Ok(_) => Err("the run was to be stopped by its limit".into()),
        }
    }
}

impl Workload for Resume {
    type Store = PathBuf;

    /// All that were there before count, for none of them may take time.
    fn supersteps(&self) -> u64 {
        SUPERSTEPS
    }

    /// The second time there is nothing left to go on with.
    fn runs_max(&self) -> u32 {
        1
    }

    async fn open(&self, folder: &Path) -> Outcome<PathBuf> {
        std::fs::copy(&self.made, folder.join("threads.sqlite"))?;
        Ok(folder.to_owned())
    }

    async fn run(&self, folder: &PathBuf, _: &str) -> Outcome<()> {
        let store = Sqlite::open(folder.join("threads.sqlite")).await?;
        let count = self.flow.thread("long", store).resume().steps_max(2 * SUPERSTEPS).await?.done()?;
        match count.steps {
            steps if steps == SUPERSTEPS + 1 => Ok(()),
            steps => Err(format!("{steps} steps were counted").into()),
        }
    }

    async fn close(&self, _: PathBuf) -> Outcome<()> {
        Ok(())
    }
}
