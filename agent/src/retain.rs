//! How much of a thread is kept: pruning to the newest checkpoints, deleting what nobody has touched for long.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lorewell_model::{Kind, Result};

use crate::checkpoint::{Batch, Checkpoints, Claim, Cut, Prune, Span, ThreadInfo};
use crate::engine::{Engine, Limits};
use crate::run::lineage;
use crate::scope::{Scope, ThreadName};
use crate::state::State;
use crate::thread::Thread;

/// Removes what lies before checkpoint `oldest` of the branch that runs go on from, and all other branches. The state there
/// becomes a snapshot first, in the same transaction.
pub(crate) async fn prune<S: State>(thread: &Thread<S>, claim: &Claim, info: &ThreadInfo, oldest: u64) -> Result<()> {
    let spans = lineage(&info.forks, "", info.head);
    let upto: Vec<Span> = spans.iter().map(|span| Span { seq_max: span.seq_max.min(oldest), ..*span }).collect();
    let loaded = thread.store().load(thread.name(), "", &upto).await?;
    let Some(row) = loaded.step.clone() else { return Ok(()) };
    let name = Arc::new(ThreadName::new(info.name.clone()));
    let scope = Scope::root(name, row.place.branch);
    let plan = thread.flow().plan().clone();
    let mut engine = Engine::restore(plan, scope, Arc::new(Limits::default()), loaded, &Default::default(), None)?;
    let rows = thread.store().steps(thread.name(), "", &spans, None, usize::MAX).await?;
    let branches: BTreeSet<u32> =
        rows.iter().filter(|row| row.place.seq >= oldest).map(|row| row.place.branch).collect();
    let branches: Vec<u32> = branches.into_iter().chain([info.head]).collect();
    let cuts = branches.iter().map(|branch| Cut { path: "".into(), branch: *branch, below: oldest }).collect();
    let prune = Prune { branches, root_below: oldest, cuts };
    let records = vec![engine.snapshot(oldest)?];
    thread.store().write(claim, Batch { records, prune: Some(prune), durable: true, ..Batch::default() }).await
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
