//! Asking again.

use std::sync::Arc;

use crate::Error;
use crate::chat::{ChatModel, Events};
use crate::request::Request;
use crate::retry::Retry;

/// A number from 0 to 1, for the spread of waits only.
pub(crate) fn chance() -> f64 {
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
                let wait = if has_content { None } else { retry.wait(attempt, &error, chance()) };
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
