//! Knows whether what runs is inside an effect. What an effect tells is told when it is done and not when its result is read
//! back, so a replay takes such events from the recording.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

thread_local! {
    static WITHIN: Cell<bool> = const { Cell::new(false) };
}

/// Tells whether an effect is being done.
pub(super) fn is_within() -> bool {
    WITHIN.get()
}

/// The future of an effect.
pub(super) struct Within<F>(Pin<Box<F>>);

impl<F> Within<F> {
    pub(super) fn new(act: F) -> Self {
        Self(Box::pin(act))
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // Set back in any case: a node that panics must not leave its thread marked.
        let _mark = Mark(WITHIN.replace(true));
        self.0.as_mut().poll(cx)
    }
}

struct Mark(bool);

impl Drop for Mark {
    fn drop(&mut self) {
        WITHIN.set(self.0);
    }
}
