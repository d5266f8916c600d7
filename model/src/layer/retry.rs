//! Asking again.

use std::sync::Arc;
use std::time::Duration;

use crate::Error;
use crate::chat::{ChatModel, Events};
use crate::request::Request;

/// When a model is asked again: if the failure may pass (see [`Error::is_retryable`]) and nothing was said yet. Waits grow
/// twofold from the first, each shortened by up to half at random, so that many who failed together do not come back
/// together. Where the other side says how long to wait, that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retry {
    /// How often it is asked in all.
    pub attempts_max: u32,
    /// The first wait.
    pub first: Duration,
    /// The longest wait. A side that asks for a longer one is not asked again.
    pub wait_max: Duration,
}

impl Default for Retry {
    /// Three attempts, waits from half a second to a minute.
    fn default() -> Self {
        Self { attempts_max: 3, first: Duration::from_millis(500), wait_max: Duration::from_secs(60) }
    }
}

impl Retry {
    /// Asks once.
    #[must_use]
    pub fn never() -> Self {
        Self { attempts_max: 1, ..Self::default() }
    }

    /// Sets how often it is asked in all.
    #[must_use]
    pub fn attempts_max(mut self, attempts: u32) -> Self {
        self.attempts_max = attempts;
        self
    }

    /// Sets the first wait.
    #[must_use]
    pub fn first(mut self, wait: Duration) -> Self {
        self.first = wait;
        self
    }

    /// Sets the longest wait.
    #[must_use]
    pub fn wait_max(mut self, wait: Duration) -> Self {
        self.wait_max = wait;
        self
    }

    /// The wait before another attempt; none if there is to be none.
    fn wait(&self, attempt: u32, error: &Error) -> Option<Duration> {
        if !error.is_retryable() || attempt >= self.attempts_max {
            return None;
        }
        match error.retry_after() {
            Some(wait) => (wait <= self.wait_max).then_some(wait),
            None => {
                let doubled = self.first.saturating_mul(1 << (attempt - 1).min(16));
                Some(doubled.min(self.wait_max).mul_f64(1.0 - chance() / 2.0))
            }
        }
    }
}

/// A number from 0 to 1, for the spread of waits only.
fn chance() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    let drawn = u32::try_from(RandomState::new().hash_one(()) >> 32).unwrap_or_default();
    f64::from(drawn) / f64::from(u32::MAX)
}

/// A model that is asked again.
#[derive(Debug)]
pub(crate) struct Retried {
    inner: Arc<dyn ChatModel>,
    retry: Retry,
}

impl Retried {
    pub(crate) fn new(inner: Arc<dyn ChatModel>, retry: Retry) -> Self {
        Self { inner, retry }
    }
}

impl ChatModel for Retried {
    fn stream(&self, request: Request) -> Events {
        let (inner, retry) = (self.inner.clone(), self.retry);
        Events::new(async_stream::stream! {
            for attempt in 1.. {
                let mut events = inner.stream(request.clone());
                let mut has_content = false;
                let error = loop {
                    match events.next().await {
                        Some(Ok(event)) => {
                            has_content |= event.is_content();
                            yield Ok(event);
                        }
                        Some(Err(error)) => break error,
                        None => return,
                    }
                };
                let wait = if has_content { None } else { retry.wait(attempt, &error) };
                let Some(wait) = wait else {
                    yield Err(tried(error, attempt));
                    return;
                };
                tracing::debug!(attempt, ?wait, %error, "asking the model again");
                tokio::time::sleep(wait).await;
            }
        })
    }
}

fn tried(error: Error, attempts: u32) -> Error {
    match attempts {
        1 => error,
        _ => error.context(format!("after {attempts} attempts")),
    }
}
