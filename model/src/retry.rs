//! Trying again: when, and after how long. Models and the nodes of graphs follow the same rule.

use std::time::Duration;

use crate::Error;

/// When something that failed is tried again, and after how long. Waits grow from the first; where the other side says how
/// long to wait, that counts, and one that asks for more than the longest wait is not tried again.
///
/// ```
/// use std::time::Duration;
/// use lorewell_model::Retry;
///
/// let retry = Retry::default().attempts_max(5).first(Duration::from_millis(100)).longest(Duration::from_secs(10));
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Retry {
    /// Attempts in all, the first one included.
    pub attempts_max: u32,
    /// The wait after the first failure.
    pub first: Duration,
    /// Each wait is this many times the one before.
    pub factor: f64,
    /// No wait is longer.
    pub longest: Duration,
    /// The share of a wait that chance may take off, 0 to 1, so that those who failed together do not return together.
    pub jitter: f64,
    /// Whether an error is worth another attempt; [`Error::is_retryable`] unless said otherwise.
    pub on: fn(&Error) -> bool,
}

/// Three attempts, half a second apart, then a second: what LangGraph does by default.
impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts_max: 3,
            first: Duration::from_millis(500),
            factor: 2.0,
            longest: Duration::from_secs(128),
            jitter: 0.5,
            on: Error::is_retryable,
        }
    }
}

impl Retry {
    /// Tries once.
    #[must_use]
    pub fn never() -> Self {
        Self::default().attempts_max(1)
    }

    /// Sets the number of attempts, the first one included.
    #[must_use]
    pub fn attempts_max(mut self, attempts: u32) -> Self {
        self.attempts_max = attempts;
        self
    }

    /// Sets the wait after the first failure.
    #[must_use]
    pub fn first(mut self, wait: Duration) -> Self {
        self.first = wait;
        self
    }

    /// Sets how many times the one before each wait is.
    #[must_use]
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// Sets the longest wait.
    #[must_use]
    pub fn longest(mut self, wait: Duration) -> Self {
        self.longest = wait;
        self
    }

    /// Sets the share of a wait that chance may take off, 0 to 1.
    #[must_use]
    pub fn jitter(mut self, share: f64) -> Self {
        self.jitter = share;
        self
    }

    /// Sets which errors are worth another attempt. Unless set, those that are `RateLimited`, `Timeout` or `Unavailable`;
    /// an error of reading a file, say, is not.
    #[must_use]
    pub fn on(mut self, worth: fn(&Error) -> bool) -> Self {
        self.on = worth;
        self
    }

    /// Returns how long to wait after attempt number `attempt` (from 1) has failed; `None` if there is to be no other. A
    /// `chance` is drawn by the caller, 0 to 1.
    #[must_use]
    pub fn wait(&self, attempt: u32, error: &Error, chance: f64) -> Option<Duration> {
        if attempt >= self.attempts_max || !(self.on)(error) {
            return None;
        }
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let longest = self.longest.as_secs_f64();
        let wait = (self.first.as_secs_f64() * self.factor.powi(exponent)).clamp(0.0, longest);
        let jittered = wait * (1.0 - self.jitter.clamp(0.0, 1.0) * chance);
        let wait = Duration::try_from_secs_f64(jittered).unwrap_or(self.longest);
        match error.retry_after() {
            Some(asked) if asked > self.longest => None,
            Some(asked) => Some(asked.max(wait)),
            None => Some(wait),
        }
    }
}
