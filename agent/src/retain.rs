//! How much of a thread is kept: pruning to the newest checkpoints, deleting what nobody has touched for long.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lorewell_model::{Kind, Result};

use crate::checkpoint::{Batch, Checkpoints, Claim, Cut, Prune, Span, StepRow, ThreadInfo};
use crate::run::lineage;
use crate::scope::keeps_state;
use crate::state::State;
use crate::thread::Thread;

/// Removes all but the newest checkpoints of the branch that runs go on from, and all other branches. The state at the
/// oldest of them becomes a snapshot first, in the same transaction.
pub(crate) async fn prune<S: State>(
    thread: &Thread<S>,
    claim: &Claim,
    info: &ThreadInfo,
    newest: &[StepRow],
) -> Result<()> {
    let Some(oldest) = newest.last().map(|row| row.place.seq) else { return Ok(()) };
    let open = open_paths(thread, info).await?;
    let spans = lineage(&info.forks, "", info.head);
    let upto: Vec<Span> = spans.iter().map(|span| Span { seq_max: span.seq_max.min(oldest), ..*span }).collect();
    let loaded = thread.store().load(thread.name(), "", &upto).await?;
    let Some(row) = loaded.step.clone() else { return Ok(()) };
    let mut engine = thread.restore(info, loaded, row.place.branch)?;
    let kept = newest.iter().map(|row| row.place.branch);
    let branches = with_origins(info, kept.chain([info.head]).collect());
    let cuts = branches.iter().map(|branch| Cut { path: "".into(), branch: *branch, below: oldest }).collect();
    // Graphs that keep their state are still needed when they have not run for long; those of open tasks, always.
    let mut spared = thread.store().paths(thread.name(), "").await?;
    spared.retain(|path| keeps_state(path));
    spared.extend(open);
    let prune = Prune { branches, root_below: oldest, spared, cuts };
    let records = vec![engine.snapshot(oldest)?];
    thread.store().write(claim, Batch { records, prune: Some(prune), durable: true, ..Batch::default() }).await
}

/// The paths of graphs that tasks of the open superstep run.
async fn open_paths<S: State>(thread: &Thread<S>, info: &ThreadInfo) -> Result<Vec<Arc<str>>> {
    let loaded = thread.store().load(thread.name(), "", &lineage(&info.forks, "", info.head)).await?;
    let engine = thread.restore(info, loaded, info.head)?;
    Ok(engine.open_paths())
}

/// The branches, and those that graphs inside have left for them.
fn with_origins(info: &ThreadInfo, mut branches: BTreeSet<u32>) -> Vec<u32> {
    loop {
        let inside = info.forks.iter().filter(|fork| !fork.path.is_empty() && branches.contains(&fork.branch));
        let origins: Vec<u32> = inside.map(|fork| fork.from).filter(|from| !branches.contains(from)).collect();
        if origins.is_empty() {
            return branches.into_iter().collect();
        }
        branches.extend(origins);
    }
}

/// Threads that are looked at together.
const PAGE: usize = 256;

/// Deletes the threads of a store that nobody has run, answered or edited for so long. Those that run are left alone.
/// Returns how many were deleted.
///
/// # Errors
/// The store cannot be read or written.
pub async fn expire(store: &dyn Checkpoints, idle: Duration) -> Result<usize> {
    let mut deleted = 0;
    let mut after = Arc::from("");
    loop {
        let page = store.threads(&after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(deleted) };
        after = last.name.clone();
        for thread in page {
            let is_idle = SystemTime::now().duration_since(thread.touched).is_ok_and(|since| since >= idle);
            if !is_idle {
                continue;
            }
            match store.delete(&thread.name).await {
                Ok(was_there) => deleted += usize::from(was_there),
                Err(error) if error.kind() == Kind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
    }
}
