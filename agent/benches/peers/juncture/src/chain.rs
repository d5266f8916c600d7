//! W5: the saver by itself, in SQLite: a chain of checkpoints of one channel, each with the write of one task.

use std::collections::HashMap;
use std::path::Path;

use juncture_checkpoint::SqliteSaver;
use juncture_core::RunnableConfig;
use juncture_core::checkpoint::{Checkpoint, CheckpointMetadata, CheckpointSaver, CheckpointSource, PendingWrite};
use serde_json::json;

use crate::juncture::{settle, sqlite};
use crate::measure::{Outcome, Workload};

/// Checkpoints of a run.
const CHECKPOINTS: u64 = 100;

/// A chain of checkpoints.
pub(crate) struct Chain {
    value: String,
}

impl Chain {
    /// Makes one of values of a size.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { value: "x".repeat(bytes) }
    }

    fn checkpoint(&self, seq: u64) -> Checkpoint {
        Checkpoint {
            id: format!("{seq:036}"),
            channel_values: json!({ "value": self.value }),
            channel_versions: HashMap::from([("value".to_owned(), seq + 1)]),
            versions_seen: HashMap::new(),
            pending_tasks: Vec::new(),
            pending_sends: Vec::new(),
            pending_interrupts: Vec::new(),
            schema_version: 1,
            created_at: format!("2026-01-01T00:00:00.{seq:06}Z"),
            v: 1,
            new_versions: HashMap::from([("value".to_owned(), seq + 1)]),
            counters_since_delta_snapshot: HashMap::new(),
        }
    }
}

impl Workload for Chain {
    type Store = (SqliteSaver, sqlx::SqlitePool);

    fn supersteps(&self) -> u64 {
        CHECKPOINTS
    }

    async fn open(&self, folder: &Path) -> Outcome<Self::Store> {
        sqlite(folder).await
    }

    async fn run(&self, (saver, _): &Self::Store, thread: &str) -> Outcome<()> {
        let mut config = RunnableConfig::new().with_thread_id(thread);
        for seq in 0..CHECKPOINTS {
            let metadata = CheckpointMetadata {
                source: CheckpointSource::Loop,
                step: i64::try_from(seq)?,
                writes: HashMap::new(),
                parents: HashMap::new(),
                run_id: thread.to_owned(),
                return_value: None,
            };
            config = saver.put(&config, self.checkpoint(seq), metadata).await?;
            let task = format!("task-{seq}");
            let write = PendingWrite { task_id: task.clone(), channel: "value".to_owned(), value: json!(self.value) };
            saver.put_writes(&config, vec![write], &task).await?;
        }
        let found = saver.get_tuple(&RunnableConfig::new().with_thread_id(thread)).await?;
        match found.is_some_and(|tuple| tuple.checkpoint.channel_values["value"] == json!(self.value)) {
            true => Ok(()),
            false => Err("the last checkpoint is not there".into()),
        }
    }

    async fn close(&self, (saver, pool): Self::Store) -> Outcome<()> {
        drop(saver);
        settle(pool).await
    }
}
