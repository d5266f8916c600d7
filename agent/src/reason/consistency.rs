//! Self-consistency: the answer that most of several chains of thought come to.

use std::sync::Arc;

use async_trait::async_trait;
use lorewell_model::{Error, Kind, Result};

use super::vote::{count, lead};
use super::{ChainOfThought, Reasoning, SAMPLES_MAX, Solution, Strategy, within_limits};

/// Samples that are drawn at once where it stops early. The paper draws one after the other; five at once are never more than
/// four too many, and wait for one another a fifth as often.
const WAVE: usize = 5;

/// Draws samples and takes the answer that most of them give (Wang et al. 2022, arXiv:2203.11171).
///
/// Answers are compared without case, emphasis and zeros that say nothing. A tie goes to the answer that was given first. The
/// text is that of the first sample with the answer. The confidence is the share of its votes among all samples that came back,
/// those without an answer included; if none has an answer it is 0, and the text is that of the first sample.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use lorewell_agent::reason::{Reasoner, SelfConsistency};
/// use lorewell_model::{Message, Model, mock::Script};
///
/// let script = Script::new(["Answer: Rome"; 5].map(Message::assistant));
/// let reasoner = Reasoner::new(Model::new("mock:script".parse()?, script));
/// let solution = reasoner.solve(&SelfConsistency::new(40).stop_at(0.95), "The capital of Italy?").await?;
/// assert_eq!((solution.confidence, solution.calls), (Some(1.0), 5)); // the other 35 could hardly change it
/// # Ok::<(), lorewell_agent::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct SelfConsistency {
    samples: usize,
    stop_at: Option<f64>,
    inner: Arc<dyn Strategy>,
}

impl SelfConsistency {
    /// Draws so many samples, 1 to [`SAMPLES_MAX`].
    #[must_use]
    pub fn new(samples: usize) -> Self {
        Self { samples, stop_at: None, inner: Arc::new(ChainOfThought::new()) }
    }

    /// Stops as soon as the first answer stays ahead of the second with this probability, 0.5..1: adaptive consistency
    /// (Aggarwal et al. 2023, arXiv:2305.11860), which takes 0.95. The number of samples is then the most that are drawn.
    #[must_use]
    pub fn stop_at(mut self, probability: f64) -> Self {
        self.stop_at = Some(probability);
        self
    }

    /// Draws samples of another strategy; [`ChainOfThought`] unless said.
    #[must_use]
    pub fn over(mut self, strategy: impl Strategy + 'static) -> Self {
        self.inner = Arc::new(strategy);
        self
    }

    async fn draw(&self, reasoning: &Reasoning, question: &str) -> Result<Vec<Solution>> {
        let wave = if self.stop_at.is_some() { WAVE } else { self.samples };
        let mut drawn = Vec::new();
        for first in (0..self.samples).step_by(wave) {
            let which = first..self.samples.min(first + wave);
            let solve = |own: Reasoning, _| async move { self.inner.solve(&own, question).await };
            let came = reasoning.each("sample", which, 0, solve).await?;
            let is_spent = came.is_empty();
            drawn.extend(came.into_iter().map(|(_, solution)| solution));
            if is_spent || self.stop_at.is_some_and(|enough| lead(&count(answers(&drawn))) >= enough) {
                break;
            }
        }
        Ok(drawn)
    }

    fn check(&self) -> Result<()> {
        within_limits("samples of self-consistency", self.samples, 1..=SAMPLES_MAX)?;
        match self.stop_at {
            Some(probability) if !(0.5..=1.0).contains(&probability) => {
                let message = format!("self-consistency cannot stop at {probability}; give a probability, 0.5 to 1");
                Err(Error::new(Kind::Config, message))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Strategy for SelfConsistency {
    async fn solve(&self, reasoning: &Reasoning, question: &str) -> Result<Solution> {
        self.check()?;
        let drawn = self.draw(reasoning, question).await?;
        majority(drawn).ok_or_else(|| reasoning.nothing())
    }
}

fn answers(solutions: &[Solution]) -> impl Iterator<Item = Option<&str>> {
    solutions.iter().map(|solution| solution.answer.as_deref())
}

/// Returns the solution that most agree on, with their share as its confidence; `None` if there are no solutions.
pub(super) fn majority(mut solutions: Vec<Solution>) -> Option<Solution> {
    let votes = count(answers(&solutions)).into_iter().next();
    let (first, count) = votes.map_or((0, 0), |votes| (votes.first, votes.count));
    let share = count as f64 / solutions.len().max(1) as f64;
    (first < solutions.len()).then(|| solutions.swap_remove(first).confidence(share))
}
