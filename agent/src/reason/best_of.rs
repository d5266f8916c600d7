//! Best of N: several candidates, of which a reward picks one.

use std::sync::Arc;

use async_trait::async_trait;
use lorewell_model::Result;

use super::consistency::majority;
use super::reward::score;
use super::{ChainOfThought, Reasoning, Reward, SAMPLES_MAX, Solution, Strategy, within_limits};

/// Draws candidates and takes the one with the best score (Cobbe et al. 2021, arXiv:2110.14168).
///
/// A tie goes to the candidate that was drawn first. The confidence is its score. If the budget ends before there are scores,
/// it takes the answer that most candidates give, as [`SelfConsistency`](super::SelfConsistency) does.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use lorewell_agent::reason::{BestOfN, Reasoner};
/// use lorewell_model::{Message, Model, mock::Script};
///
/// let said = ["Answer: 4", "Answer: 49", "Answer: 64"].map(Message::assistant);
/// let reasoner = Reasoner::new(Model::new("mock:script".parse()?, Script::new(said)));
/// let squares = |_: &str, steps: &[String]| if steps[0].ends_with("49") { 1.0 } else { 0.0 };
/// let solution = reasoner.solve(&BestOfN::new(3, squares), "Which square lies between 40 and 60?").await?;
/// assert_eq!((solution.answer.as_deref(), solution.confidence), (Some("49"), Some(1.0)));
/// # Ok::<(), lorewell_agent::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct BestOfN {
    candidates: usize,
    reward: Arc<dyn Reward>,
    inner: Arc<dyn Strategy>,
}

impl BestOfN {
    /// Draws so many candidates, 1 to [`SAMPLES_MAX`], for a reward: a [`Judge`](super::Judge), a function, your own.
    #[must_use]
    pub fn new(candidates: usize, reward: impl Reward + 'static) -> Self {
        Self { candidates, reward: Arc::new(reward), inner: Arc::new(ChainOfThought::new()) }
    }

    /// Draws candidates of another strategy; [`ChainOfThought`] unless said.
    #[must_use]
    pub fn over(mut self, strategy: impl Strategy + 'static) -> Self {
        self.inner = Arc::new(strategy);
        self
    }
}

#[async_trait]
impl Strategy for BestOfN {
    async fn solve(&self, reasoning: &Reasoning, question: &str) -> Result<Solution> {
        within_limits("candidates", self.candidates, 1..=SAMPLES_MAX)?;
        let solve = |own: Reasoning, _| async move { self.inner.solve(&own, question).await };
        let keep = self.reward.calls(self.candidates);
        let drawn = reasoning.each("candidate", 0..self.candidates, keep, solve).await?;
        let texts: Vec<Vec<String>> = drawn.iter().map(|(_, solution)| vec![solution.text.clone()]).collect();
        let Some(scores) = score(&*self.reward, &reasoning.inside("reward"), question, &texts).await? else {
            let mut solution = majority(drawn.into_iter().map(|(_, solution)| solution).collect());
            solution.iter_mut().for_each(|solution| solution.confidence = None);
            return solution.ok_or_else(|| reasoning.nothing());
        };
        let mut best: Option<(Solution, f64)> = None;
        for ((index, solution), score) in drawn.into_iter().zip(scores) {
            reasoning.note_score(&format!("candidate {}", index + 1), solution.text.as_str(), score);
            if best.as_ref().is_none_or(|(_, highest)| score > *highest) {
                best = Some((solution, score));
            }
        }
        best.map(|(solution, score)| solution.confidence(score)).ok_or_else(|| reasoning.nothing())
    }
}
