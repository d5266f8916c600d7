//! A compiled graph as a workload: its stores, its runs, and the events that are read.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use juncture_checkpoint::{MemorySaver, SqliteSaver};
use juncture_core::checkpoint::CheckpointSaver;
use juncture_core::pregel::Durability;
use juncture_core::stream::{EventEmitter, StreamMode};
use juncture_core::{CompiledGraph, Router, RunnableConfig, State, StateGraph};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::measure::{Outcome, Workload};

/// More than any workload has.
const STEPS_MAX: usize = 1_000_000_000;
/// As many tasks at once as our side runs.
const PARALLEL_MAX: usize = 64;
/// Events that wait to be read, as juncture's own streams hold.
const EVENTS_MAX: usize = 256;
/// How often a file is tried to be closed, for a second in all.
const TRIES_MAX: u32 = 100;

/// Says what is wrong with a state.
pub(crate) type Check<S> = Box<dyn Fn(&S) -> Result<(), String>>;

/// A graph as a workload.
pub(crate) struct Graph<S: State> {
    /// What is compiled anew for each store.
    pub(crate) graph: StateGraph<S>,
    /// What each run begins with.
    pub(crate) input: S,
    /// Supersteps of a run.
    pub(crate) supersteps: u64,
    /// What must come out.
    pub(crate) check: Check<S>,
    /// How it is stored.
    pub(crate) variant: String,
}

/// A compiled graph, and its file if it has one.
pub(crate) struct Store<S: State> {
    compiled: CompiledGraph<S>,
    pool: Option<sqlx::SqlitePool>,
}

/// Makes a router of a function.
pub(crate) fn router<S: State>(route: impl Fn(&S) -> &str + Send + Sync + 'static) -> Arc<dyn Router<S>> {
    Arc::new(route)
}

/// Makes an empty file in WAL mode, the mode of the other sides, and opens it.
pub(crate) async fn sqlite(folder: &Path) -> Outcome<(SqliteSaver, sqlx::SqlitePool)> {
    let url = format!("sqlite:{}", folder.join("threads.sqlite").display());
    let pool = sqlx::SqlitePool::connect(&format!("{url}?mode=rwc")).await?;
    sqlx::query("PRAGMA journal_mode=WAL").execute(&pool).await?;
    Ok((SqliteSaver::from_connection_string(&url).await?, pool))
}

impl<S> Graph<S>
where
    S: State + Clone + Serialize + DeserializeOwned + 'static,
    S::Update: Serialize,
{
    fn config(&self, thread: &str) -> RunnableConfig {
        let mut config = RunnableConfig::new()
            .with_recursion_limit(STEPS_MAX)
            .with_max_parallel_tasks(PARALLEL_MAX)
            .with_thread_id(thread);
        if !self.variant.starts_with("none") {
            // Writes of the first superstep are stored under a checkpoint, which must have a name before there is one.
            config = config.with_checkpoint_id(format!("{thread}-begins"));
        }
        config.durability = Some(match self.variant.as_str() {
            "memory, on exit" => Durability::Exit,
            "memory, background" | "SQLite, background" => Durability::Async,
            _ => Durability::Sync,
        });
        config
    }

    /// Runs with all updates read. This is the one way to run that stores each superstep in juncture 0.4.0: `invoke_async`
    /// and `stream` never hand the saver to the loop.
    async fn events(&self, compiled: &CompiledGraph<S>, config: &RunnableConfig) -> Outcome<S> {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(EVENTS_MAX);
        let emitter = EventEmitter::new(sender, StreamMode::Updates);
        let run = compiled.execute_with_emitter(self.input.clone(), config, emitter);
        let read = async { while receiver.recv().await.is_some() {} };
        let (state, ()) = futures_util::future::join(run, read).await;
        Ok(state?)
    }
}

impl<S> Workload for Graph<S>
where
    S: State + Clone + Serialize + DeserializeOwned + 'static,
    S::Update: Serialize,
{
    type Store = Store<S>;

    fn supersteps(&self) -> u64 {
        self.supersteps
    }

    async fn open(&self, folder: &Path) -> Outcome<Store<S>> {
        let mut pool = None;
        let saver: Option<Arc<dyn CheckpointSaver>> = match self.variant.as_str() {
            "none" | "none, awaited" => None,
            "memory, on exit" | "memory, background" => Some(Arc::new(MemorySaver::new())),
            _ => {
                let (saver, opened) = sqlite(folder).await?;
                pool = Some(opened);
                Some(Arc::new(saver))
            }
        };
        Ok(Store { compiled: self.graph.compile_with_checkpointer(saver)?, pool })
    }

    async fn run(&self, store: &Store<S>, thread: &str) -> Outcome<()> {
        let config = self.config(thread);
        let state = match self.variant.as_str() {
            "none, awaited" => store.compiled.invoke_async(self.input.clone(), &config).await?.value,
            _ => self.events(&store.compiled, &config).await?,
        };
        Ok((self.check)(&state)?)
    }

    async fn close(&self, store: Store<S>) -> Outcome<()> {
        drop(store.compiled);
        match store.pool {
            Some(pool) => settle(pool).await,
            None => Ok(()),
        }
    }
}

/// Has all that is in the log put into the file, as when the last of the other sides' handles closes. The handle of the
/// saver may take a moment to go.
pub(crate) async fn settle(pool: sqlx::SqlitePool) -> Outcome<()> {
    for _ in 0..TRIES_MAX {
        let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&pool).await?;
        if busy == 0 {
            pool.close().await;
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err("juncture's saver does not let go of its file".into())
}
