//! The future of one attempt: it ends when the node ends, panics, takes too long, or waits for a person.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lorewell_model::{Error, Kind, Result};

use super::span::TaskSpan;
use crate::cx::TaskScope;
use crate::engine::TaskEnd;
use crate::graph::{Command, NodeFuture, Settings};
use crate::state::State;

/// An attempt that runs.
pub(super) struct Attempt<S: State> {
    future: Option<NodeFuture<S>>,
    task: Arc<TaskScope>,
    span: TaskSpan,
}

impl<S: State> Attempt<S> {
    pub(super) fn new(future: NodeFuture<S>, task: Arc<TaskScope>, settings: &Settings, delay: Duration) -> Self {
        let is_plain = delay.is_zero() && settings.timeout.is_none() && settings.idle_timeout.is_none();
        let future = match is_plain {
            true => future,
            false => Box::pin(timed(future, task.clone(), settings.timeout, settings.idle_timeout, delay)),
        };
        let span = TaskSpan::new(&task);
        Self { future: Some(future), task, span }
    }

    /// Polls the node until it ends, and drops it then.
    fn poll_node(&mut self, cx: &mut Context<'_>) -> Poll<TaskEnd<S>> {
        let _entered = self.span.enter();
        let Some(future) = &mut self.future else { return Poll::Pending };
        // A node that panicked is dropped and not polled again, so nobody sees what it left half done.
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        let end = match polled {
            Ok(Poll::Ready(Ok(command))) => Ok(command),
            Ok(Poll::Ready(Err(error))) => Err(error),
            Ok(Poll::Pending) if self.task.has_paused() => {
                self.future = None;
                let (pause, journal) = (self.task.take_pause(), self.task.take_journal());
                return Poll::Ready(TaskEnd::Asked { pause, journal });
            }
            Ok(Poll::Pending) => return Poll::Pending,
            Err(panic) => Err(panicked("the node", &*panic)),
        };
        // Dropped here, so that the state it holds is free before the end is known.
        self.future = None;
        Poll::Ready(match end {
            Ok(command) => TaskEnd::Done { command, journal: self.task.take_journal() },
            Err(error) => TaskEnd::Failed { error, journal: self.task.take_journal() },
        })
    }
}

impl<S: State> Future for Attempt<S> {
    type Output = TaskEnd<S>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TaskEnd<S>> {
        let polled = self.poll_node(cx);
        if let Poll::Ready(end) = &polled {
            self.span.end(end);
        }
        polled
    }
}

/// Makes an error of a panic.
pub(crate) fn panicked(what: &str, panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    Error::new(Kind::Internal, format!("{what} panicked: {text}"))
}

/// Waits, then runs a node within its limits of time.
async fn timed<S: State>(
    future: NodeFuture<S>,
    task: Arc<TaskScope>,
    limit: Option<Duration>,
    idle: Option<Duration>,
    delay: Duration,
) -> Result<Command<S>> {
    tokio::time::sleep(delay).await;
    let too_long = async {
        match limit {
            None => std::future::pending().await,
            Some(limit) => tokio::time::sleep(limit).await,
        }
        format!("it took longer than its timeout of {limit:?}", limit = limit.unwrap_or_default())
    };
    let too_still = async {
        let Some(idle) = idle else { return std::future::pending().await };
        still(&task, idle).await;
        format!("it showed no sign of life for {idle:?}; see `Cx::alive`")
    };
    let timed_out = tokio::select! {
        biased;
        end = future => return end,
        message = too_long => message,
        message = too_still => message,
    };
    Err(Error::new(Kind::Timeout, timed_out))
}

/// Returns when the task has shown no sign of life for so long.
async fn still(task: &TaskScope, idle: Duration) {
    let began = tokio::time::Instant::from_std(task.watch());
    loop {
        let seen = task.alive_ms();
        let until = began.checked_add(Duration::from_millis(seen)).and_then(|last| last.checked_add(idle));
        let Some(until) = until else { return std::future::pending().await };
        tokio::time::sleep_until(until).await;
        if task.alive_ms() == seen {
            return;
        }
    }
}
