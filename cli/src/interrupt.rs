//! Ctrl-C while a model answers: the first stops the answer, a second before anyone has seen the first ends the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use crate::exit::Exit;

/// Listens to Ctrl-C for as long as the process lives: once somebody has listened to the signal, nobody else ends the
/// process at it.
#[derive(Debug, Clone)]
pub(crate) struct Interrupts(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    is_pending: AtomicBool,
    came: Notify,
}

impl Interrupts {
    /// Begins to listen, on the runtime that this is called in.
    pub(crate) fn listen() -> Self {
        let inner = Arc::new(Inner::default());
        tokio::spawn(watch(Arc::clone(&inner)));
        Self(inner)
    }

    /// Waits for Ctrl-C.
    pub(crate) async fn next(&self) {
        while !self.0.is_pending.swap(false, Ordering::SeqCst) {
            self.0.came.notified().await;
        }
    }

    /// Forgets a Ctrl-C that came while there was nothing to stop.
    pub(crate) fn forget(&self) {
        self.0.is_pending.store(false, Ordering::SeqCst);
    }
}

async fn watch(inner: Arc<Inner>) {
    while tokio::signal::ctrl_c().await.is_ok() {
        if inner.is_pending.swap(true, Ordering::SeqCst) {
            std::process::exit(Exit::Interrupted as i32);
        }
        inner.came.notify_one();
    }
}
