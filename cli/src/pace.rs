//! How fast an answer came.

use std::time::{Duration, Instant};

use lorewell::model::{Model, Usage};

/// Measures an answer from the moment it was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    asked: Instant,
    first: Option<Duration>,
}

impl Pace {
    pub(crate) fn begin() -> Self {
        Self { asked: Instant::now(), first: None }
    }

    /// Notes that words, thoughts or calls have come.
    pub(crate) fn come(&mut self) {
        self.first.get_or_insert_with(|| self.asked.elapsed());
    }

    /// Says how fast a model of this machine is: ` - 41.7 tokens/s after 0.31 s`. The first token has come by then, so the
    /// others are counted. How fast others send says more of the network than of them.
    pub(crate) fn say(&self, model: &Model, usage: &Usage) -> String {
        let Some(first) = self.first.filter(|_| model.name().is_local()) else { return String::new() };
        let (after, writing) = (first.as_secs_f64(), (self.asked.elapsed() - first).as_secs_f64());
        match usage.output_tokens {
            0 | 1 => format!(" - after {after:.2} s"),
            tokens => format!(" - {:.1} tokens/s after {after:.2} s", (tokens - 1) as f64 / writing.max(1e-9)),
        }
    }
}
