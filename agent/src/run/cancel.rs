//! Stopping a run from elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// A switch that stops the runs it was given to: their tasks are dropped where they wait, and they end with `Cancelled`.
/// What was stored stays, so they can be resumed. Handles share the switch.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<Switch>);

#[derive(Debug, Default)]
struct Switch {
    is_set: AtomicBool,
    waiting: Notify,
}

impl Cancel {
    /// Makes a switch that is not set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the runs, now and from now on.
    pub fn cancel(&self) {
        self.0.is_set.store(true, Ordering::Release);
        self.0.waiting.notify_waiters();
    }

    /// Tells whether it is set.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_set.load(Ordering::Acquire)
    }

    /// Waits until it is set.
    pub async fn cancelled(&self) {
        let waiting = self.0.waiting.notified();
        if !self.is_cancelled() {
            waiting.await;
        }
    }
}
