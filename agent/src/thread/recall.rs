//! What a thread keeps in memory of its last run, so that the next one need not read all that is stored: the cost of a turn
//! does not grow with reading the conversation before it. What is kept is used only if nobody has written since.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lorewell_model::Result;

use super::{Guard, Thread};
use crate::checkpoint::{Claim, Span, StepRow};
use crate::engine::Left;
use crate::state::State;

/// What is kept by all handles that were cloned from one.
pub(super) struct Recall<S: State>(Arc<Memory<S>>);

struct Memory<S: State> {
    /// Whether there was a run before: who runs a thread once has no use for its state, and it costs a copy.
    has_run: AtomicBool,
    kept: Mutex<Option<Kept<S>>>,
}

struct Kept<S: State> {
    /// The claim of the run. Whoever writes or deletes meanwhile makes the next one skip a number.
    epoch: u64,
    left: Left<S>,
}

impl<S: State> Recall<S> {
    fn swap(&self, kept: Option<Kept<S>>) -> Option<Kept<S>> {
        std::mem::replace(&mut *self.0.kept.lock().unwrap_or_else(PoisonError::into_inner), kept)
    }
}

impl<S: State> Clone for Recall<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: State> Default for Recall<S> {
    fn default() -> Self {
        Self(Arc::new(Memory { has_run: AtomicBool::new(false), kept: Mutex::default() }))
    }
}

impl<S: State> Thread<S> {
    /// Lets go of the state that is kept in memory; the next run reads it.
    pub fn forget(&self) {
        self.recall.swap(None);
    }

    /// Tells whether what a run leaves is of use: the thread is still held by somebody who has run it before.
    pub(crate) fn is_held(&self) -> bool {
        let is_held = Arc::strong_count(&self.recall.0) > 1;
        self.recall.0.has_run.swap(true, Ordering::Relaxed) && is_held
    }

    /// Keeps what a run has left that came to its end.
    pub(super) fn keep(&self, guard: &Guard, left: Left<S>) {
        self.recall.swap(Some(Kept { epoch: guard.claim.epoch, left }));
    }

    /// Takes what the last run has left, if nobody has written since, with the newest checkpoint.
    pub(super) async fn recalled(&self, claim: &Claim, spans: &[Span]) -> Result<Option<(StepRow, Left<S>)>> {
        let kept = self.recall.swap(None).filter(|kept| kept.epoch.checked_add(1) == Some(claim.epoch));
        let Some(Kept { left, .. }) = kept else { return Ok(None) };
        let step = self.store.steps(&self.name, "", spans, None, 1).await?.pop();
        Ok(step.map(|step| (step, left)))
    }
}
