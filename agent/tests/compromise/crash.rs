//! Runs that break off: the future is dropped after some of its steps, as when its process ends there.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// When runs are to break off: after how many steps of each, one run after the other; the others go on to their ends.
#[derive(Debug, Default)]
pub(crate) struct Crash {
    after: Vec<usize>,
    /// How often one has broken off.
    pub(crate) cuts: usize,
}

impl Crash {
    pub(crate) fn after(steps: Vec<usize>) -> Self {
        Self { after: steps, cuts: 0 }
    }

    /// Runs something, unless it breaks off.
    pub(crate) async fn cut<T>(&mut self, run: impl Future<Output = T>) -> Option<T> {
        let Some(mut left) = self.after.pop() else { return Some(run.await) };
        let mut run = pin!(run);
        let ended = poll_fn(|cx| {
            if left == 0 {
                return Poll::Ready(None);
            }
            left -= 1;
            run.as_mut().poll(cx).map(Some)
        });
        let ended = ended.await;
        self.cuts += usize::from(ended.is_none());
        ended
    }
}
