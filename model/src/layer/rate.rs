//! Keeping to a rate, so that a provider need not refuse.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::chat::{ChatModel, Events};
use crate::event::Event;
use crate::message::{Message, Part};
use crate::request::Request;
use crate::{Error, Kind, Result};

/// Requests that may wait for their turn; more are refused with `Limit`.
const WAITING_MAX: usize = 4096;

/// The longest wait for a turn; a request that would wait longer is refused with `RateLimited`.
const WAIT_MAX: Duration = Duration::from_secs(600);
const MINUTE: Duration = Duration::from_secs(60);
/// Bytes of English text for each token, about: what OpenAI gives as a rule of thumb.
const BYTES_PER_TOKEN: usize = 4;

/// A rate to keep to. Handles share it: give one to all models that count together.
///
/// ```
/// use lorewell_model::RateLimit;
///
/// let limit = RateLimit::new().requests_per_minute(60).tokens_per_minute(100_000).at_once(8);
/// ```
#[derive(Debug, Clone, Default)]
pub struct RateLimit {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    at_once: Option<Arc<Semaphore>>,
    waiting: Arc<std::sync::atomic::AtomicUsize>,
}

impl RateLimit {
    /// Makes one without limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits requests per minute.
    #[must_use]
    pub fn requests_per_minute(mut self, requests: u32) -> Self {
        self.requests = Some(Bucket::new(requests));
        self
    }

    /// Limits tokens per minute, of requests and answers together. A request counts by its length until its usage is
    /// known.
    #[must_use]
    pub fn tokens_per_minute(mut self, tokens: u32) -> Self {
        self.tokens = Some(Bucket::new(tokens));
        self
    }

    /// Limits requests that are answered at the same time.
    #[must_use]
    pub fn at_once(mut self, requests: usize) -> Self {
        self.at_once = Some(Arc::new(Semaphore::new(requests.max(1))));
        self
    }

    /// Waits for the turn of a request.
    async fn turn(&self, tokens: f64) -> Result<Option<tokio::sync::OwnedSemaphorePermit>> {
        let _waits = self.wait()?;
        let permit = match &self.at_once {
            Some(semaphore) => semaphore.clone().acquire_owned().await.ok(),
            None => None,
        };
        // Given back if the wait is given up.
        let taken = [
            self.requests.as_ref().map(|bucket| bucket.take(1.0)),
            self.tokens.as_ref().map(|bucket| bucket.take(tokens)),
        ];
        if let Some(until) = taken.iter().flatten().map(|taken| taken.until).max() {
            let wait = until.duration_since(Instant::now());
            if wait > WAIT_MAX {
                let message = format!("the rate limit would let it wait for {} s; ask later", wait.as_secs());
                return Err(Error::new(Kind::RateLimited, message).after(wait));
            }
            tokio::time::sleep_until(until).await;
        }
        taken.into_iter().flatten().for_each(Taken::keep);
        Ok(permit)
    }

    fn wait(&self) -> Result<Waits> {
        use std::sync::atomic::Ordering;
        let waits = Waits(self.waiting.clone());
        match self.waiting.fetch_add(1, Ordering::Relaxed) < WAITING_MAX {
            true => Ok(waits),
            false => Err(Error::new(
                Kind::Limit,
                format!("{WAITING_MAX} requests wait for the rate limit already; ask later"),
            )),
        }
    }
}

/// One request that waits.
struct Waits(Arc<std::sync::atomic::AtomicUsize>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// A token bucket: it fills evenly, holds what a minute brings, and may be overdrawn by who then waits.
#[derive(Debug, Clone)]
struct Bucket {
    per_minute: f64,
    level: Arc<Mutex<(f64, Option<Instant>)>>,
}

impl Bucket {
    fn new(per_minute: u32) -> Self {
        let per_minute = f64::from(per_minute.max(1));
        Self { per_minute, level: Arc::new(Mutex::new((per_minute, None))) }
    }

    /// Takes out so much.
    fn take(&self, amount: f64) -> Taken<'_> {
        let now = Instant::now();
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let since = level.1.map_or(Duration::ZERO, |last| now.duration_since(last));
        let filled = level.0 + since.as_secs_f64() / MINUTE.as_secs_f64() * self.per_minute;
        *level = (filled.min(self.per_minute) - amount, Some(now));
        let until = now + MINUTE.mul_f64((-level.0 / self.per_minute).max(0.0));
        Taken { bucket: self, amount, until }
    }

    /// Takes out more, or puts back what was not used, without a wait.
    fn correct(&self, amount: f64) {
        self.level.lock().unwrap_or_else(PoisonError::into_inner).0 -= amount;
    }
}

/// What was taken out; it is put back unless it is kept.
struct Taken<'a> {
    bucket: &'a Bucket,
    amount: f64,
    /// From when on that is right.
    until: Instant,
}

impl Taken<'_> {
    fn keep(mut self) {
        self.amount = 0.0;
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.bucket.correct(-self.amount);
    }
}

/// About how many tokens a request has.
fn tokens(request: &Request) -> f64 {
    let bytes: usize = request.messages.iter().map(message_bytes).sum();
    let answer = f64::from(request.output_tokens_max.unwrap_or(0));
    count(bytes / BYTES_PER_TOKEN) + answer
}

fn message_bytes(message: &Message) -> usize {
    let bytes = |part: &Part| match part {
        Part::Text(text) => text.text.len(),
        Part::Reasoning(reasoning) => reasoning.text.len(),
        Part::ToolCall(call) => call.arguments_json.len(),
        Part::ToolResult(result) => result.text().len(),
        Part::Image(_) | Part::File(_) | Part::Citation(_) | Part::Opaque(_) => 0,
    };
    message.parts.iter().map(bytes).sum()
}

fn count(tokens: usize) -> f64 {
    f64::from(u32::try_from(tokens).unwrap_or(u32::MAX))
}

/// A model that keeps to a rate.
#[derive(Debug)]
pub(crate) struct Paced {
    inner: Arc<dyn ChatModel>,
    limit: RateLimit,
}

impl Paced {
    pub(crate) fn new(inner: Arc<dyn ChatModel>, limit: RateLimit) -> Self {
        Self { inner, limit }
    }
}

impl ChatModel for Paced {
    fn stream(&self, request: Request) -> Events {
        let (inner, limit) = (self.inner.clone(), self.limit.clone());
        Events::new(async_stream::try_stream! {
            let mut counted = tokens(&request);
            let _permit = limit.turn(counted).await?;
            let mut events = inner.stream(request);
            while let Some(event) = events.next().await {
                let event = event?;
                if let (Event::Usage { usage }, Some(bucket)) = (&event, &limit.tokens) {
                    let used = count(usize::try_from(usage.total_tokens()).unwrap_or(usize::MAX));
                    bucket.correct(used - counted);
                    counted = used;
                }
                yield event;
            }
        })
    }

    fn window_tokens(&self) -> Option<usize> {
        self.inner.window_tokens()
    }

    fn count_tokens(&self, text: &str) -> Option<usize> {
        self.inner.count_tokens(text)
    }

    fn can_constrain(&self) -> bool {
        self.inner.can_constrain()
    }
}
