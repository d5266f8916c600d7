//! Looking back on a thread: its checkpoints, the state at each of them, and going on from one.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lorewell_model::{Error, Kind, Result};

use super::{Standing, Thread};
use crate::checkpoint::{Batch, Fork, Place, Span, StepRow, ThreadInfo};
use crate::engine::{Source, Step, decode};
use crate::flow::Flow;
use crate::run::lineage;
use crate::scope::keeps_state;
use crate::state::State;

/// The name of a checkpoint within its thread: `0.17` is number 17 of branch 0, and `research@4#0~0.2` number 2 of a graph
/// that ran inside.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckpointId(pub Place);

impl fmt::Display for CheckpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { path, branch, seq } = &self.0;
        match path.is_empty() {
            true => write!(f, "{branch}.{seq}"),
            false => write!(f, "{path}~{branch}.{seq}"),
        }
    }
}

impl FromStr for CheckpointId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (path, rest) = text.rsplit_once('~').unwrap_or(("", text));
        let parts = rest.split_once('.').and_then(|(branch, seq)| Some((branch.parse().ok()?, seq.parse().ok()?)));
        let Some((branch, seq)) = parts else {
            let message = format!("`{text}` is no checkpoint; they look like `0.17`, see the history of the thread");
            return Err(Error::new(Kind::BadInput, message));
        };
        Ok(Self(Place { path: path.into(), branch, seq }))
    }
}

/// A checkpoint in the history of a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// Its name.
    pub id: CheckpointId,
    /// When it was made.
    pub at: SystemTime,
    /// What made it.
    pub source: Source,
    /// The nodes that run next from there.
    pub next: Vec<String>,
}

impl<S: State> Thread<S> {
    /// Returns where the thread stood at a checkpoint of its own graph.
    ///
    /// # Errors
    /// `NotFound` if there is no such checkpoint, `BadInput` if it belongs to a graph inside.
    pub async fn standing_at(&self, checkpoint: &CheckpointId) -> Result<Standing<S>> {
        if !checkpoint.0.path.is_empty() {
            let message = format!("checkpoint `{checkpoint}` belongs to a graph inside; ask `standing_within` for it");
            return Err(Error::new(Kind::BadInput, message));
        }
        self.standing_within(&self.flow, checkpoint).await
    }

    /// Returns where a graph inside stood at a checkpoint of its own.
    ///
    /// # Errors
    /// `NotFound` if there is no such checkpoint, `BadInput` if the graph works on the state of the one around it, which
    /// has it.
    pub async fn standing_within<C: State>(&self, flow: &Flow<C>, checkpoint: &CheckpointId) -> Result<Standing<C>> {
        let info = self.info().await?;
        let Place { path, branch, seq } = &checkpoint.0;
        let mut spans = lineage(&info.forks, path, *branch);
        cap(&mut spans, *seq);
        let inner = Thread::new(flow.clone(), self.name.clone(), self.store.clone());
        let standing = inner.read(&info, path, *branch, &spans).await?;
        match standing.checkpoint.0.seq == *seq {
            true => Ok(standing),
            false => Err(self.no_checkpoint(checkpoint)),
        }
    }

    /// Lists the checkpoints of the thread's own graph, newest first: at most `limit`, older than `before` if it is given.
    ///
    /// # Errors
    /// `NotFound` if the thread does not exist.
    pub async fn history(&self, before: Option<&CheckpointId>, limit: usize) -> Result<Vec<Checkpoint>> {
        let info = self.info().await?;
        let spans = lineage(&info.forks, "", info.head);
        self.list("", &spans, before, limit).await
    }

    /// Lists the checkpoints of a graph that ran inside, newest first.
    ///
    /// # Errors
    /// `NotFound` if the thread does not exist.
    pub async fn history_of(&self, path: &str, before: Option<&CheckpointId>, limit: usize) -> Result<Vec<Checkpoint>> {
        let info = self.info().await?;
        let spans = lineage(&info.forks, path, info.head);
        self.list(path, &spans, before, limit).await
    }

    /// Lists the newest checkpoint of each branch, the branch that runs go on from first.
    ///
    /// # Errors
    /// `NotFound` if the thread does not exist.
    pub async fn branches(&self) -> Result<Vec<Checkpoint>> {
        let info = self.info().await?;
        let others = (0..=info.forks.iter().map(|fork| fork.branch).max().unwrap_or(0)).rev();
        let mut newest = Vec::new();
        for branch in [info.head].into_iter().chain(others.filter(|branch| *branch != info.head)) {
            let spans = lineage(&info.forks, "", branch);
            newest.extend(self.list("", &spans, None, 1).await?.into_iter().filter(|it| it.id.0.branch == branch));
        }
        Ok(newest)
    }

    /// Lists the paths of the graphs that ran inside.
    ///
    /// # Errors
    /// `NotFound` if the thread does not exist.
    pub async fn paths(&self) -> Result<Vec<Arc<str>>> {
        self.info().await?;
        let mut paths = self.store.paths(&self.name, "").await?;
        paths.retain(|path| !path.is_empty());
        Ok(paths)
    }

    async fn list(
        &self,
        path: &str,
        spans: &[Span],
        before: Option<&CheckpointId>,
        limit: usize,
    ) -> Result<Vec<Checkpoint>> {
        let rows = self.store.steps(&self.name, path, spans, before.map(|id| id.0.seq), limit).await?;
        rows.into_iter().map(checkpoint).collect()
    }

    /// Lets the next run go on from an earlier checkpoint, on a branch of its own; what came after it stays where it is.
    /// A checkpoint of a graph that ran inside will do: what is around it goes back to where it ran.
    ///
    /// Tasks that run again are new tasks: their effects happen again, with other keys.
    ///
    /// If the checkpoint has something left to run, [`resume`](Self::resume) runs it; another run gives it up with
    /// [`discard_unfinished`](crate::Run::discard_unfinished).
    ///
    /// # Errors
    /// `NotFound` if there is no such checkpoint, `BadInput` if it belongs to a graph that keeps its state, `Conflict`
    /// while the thread runs.
    pub async fn fork(&self, checkpoint: &CheckpointId) -> Result<()> {
        self.must_exist().await?;
        let guard = self.claim().await?;
        let info = self.info().await?;
        let Place { path, branch, seq } = &checkpoint.0;
        if keeps_state(path) {
            let message = format!(
                "`{checkpoint}` belongs to a graph that keeps its state from run to run; fork from a checkpoint of the \
                 graph around it"
            );
            return Err(Error::new(Kind::BadInput, message));
        }
        let spans = lineage(&info.forks, path, *branch);
        let rows = self.store.steps(&self.name, path, &spans, Some(seq + 1), 1).await?;
        let Some(row) = rows.first().filter(|row| row.place.seq == *seq) else {
            return Err(self.no_checkpoint(checkpoint));
        };
        let new = next_branch(&info);
        let mut forks = vec![Fork { path: path.clone(), branch: new, from: row.place.branch, seq: *seq }];
        for (around, seq) in around(path, row.root) {
            let spans = lineage(&info.forks, &around, *branch);
            let rows = self.store.steps(&self.name, &around, &spans, Some(seq), 1).await?;
            let from = rows.first().ok_or_else(|| self.no_checkpoint(checkpoint))?.place.clone();
            forks.push(Fork { path: around, branch: new, from: from.branch, seq: from.seq });
        }
        let batch = Batch { forks, head: Some(new), durable: true, ..Batch::default() };
        self.store.write(&guard.claim, batch).await
    }

    fn no_checkpoint(&self, id: &CheckpointId) -> Error {
        Error::new(Kind::NotFound, format!("thread `{}` has no checkpoint `{id}`; see its history", self.name))
    }
}

/// The number of a branch that the thread has never had: forks are never removed.
pub(super) fn next_branch(info: &ThreadInfo) -> u32 {
    let known = info.forks.iter().flat_map(|fork| [fork.branch, fork.from]).chain([info.head]);
    known.max().unwrap_or(0) + 1
}

/// The graphs around a path, from the inside out, each with the checkpoint that its superstep leads to. An edit may have
/// carried the task of the thread's own graph on, so for that graph the step says which superstep it was: `root`.
fn around(path: &str, root: u64) -> Vec<(Arc<str>, u64)> {
    let mut around = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (outer, last) = rest.rsplit_once('/').unwrap_or(("", rest));
        let seq = last.rsplit_once('@').and_then(|(_, at)| at.split_once('#')?.0.parse().ok());
        let seq = if outer.is_empty() { Some(root) } else { seq };
        around.extend(seq.map(|seq| (Arc::from(outer), seq)));
        rest = outer;
    }
    around
}

fn cap(spans: &mut [Span], seq: u64) {
    for span in spans {
        span.seq_max = span.seq_max.min(seq);
    }
}

fn checkpoint(row: StepRow) -> Result<Checkpoint> {
    let step: Step = decode("the step record", row.place.seq, &row.value)?;
    Ok(Checkpoint {
        id: CheckpointId(row.place),
        at: UNIX_EPOCH + Duration::from_millis(step.at),
        source: step.source,
        next: step.next.iter().map(|task| task.node.clone()).collect(),
    })
}
