//! Iterative refinement: the model finds fault with its own answer, and writes it anew.

use std::sync::Arc;

use async_trait::async_trait;
use lorewell_model::{OutputSchema, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{ChainOfThought, ROUNDS_MAX, Reasoning, Solution, Strategy, prompts, within_limits};

/// Rounds, unless said; the paper takes at most four, and sees little after the third.
const ROUNDS: usize = 3;

/// Lets the model criticise its answer and write it anew, until it finds nothing to improve or the rounds are used up: Self-Refine
/// (Madaan et al. 2023, arXiv:2303.17651).
///
/// It suits texts, code and plans. On questions with one right answer a model without help from outside as often makes a right
/// answer wrong (Huang et al. 2023, arXiv:2310.01798); there, [`Verify`](super::Verify) it. It has no measure of confidence.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use lorewell_agent::reason::{Reasoner, Refine};
/// use lorewell_model::{Message, Model, mock::Script};
///
/// let said = [
///     "Lorem.",
///     r#"{"critique": "It says nothing about Lorem.", "is_done": false}"#,
///     "Lorem is a placeholder.",
///     r#"{"critique": "", "is_done": true}"#,
/// ];
/// let reasoner = Reasoner::new(Model::new("mock:script".parse()?, Script::new(said.map(Message::assistant))));
/// let solution = reasoner.solve(&Refine::new(), "What is Lorem?").await?;
/// assert_eq!((solution.text.as_str(), solution.calls), ("Lorem is a placeholder.", 4));
/// # Ok::<(), lorewell_agent::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Refine {
    rounds: usize,
    inner: Arc<dyn Strategy>,
}

/// What is wrong with an answer.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "critique")]
struct Critique {
    critique: String,
    is_done: bool,
}

impl Default for Refine {
    fn default() -> Self {
        Self { rounds: ROUNDS, inner: Arc::new(ChainOfThought::new()) }
    }
}

impl Refine {
    /// Makes one of three rounds.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how often the answer may be written anew, 1 to [`ROUNDS_MAX`].
    #[must_use]
    pub fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    /// Begins with the answer of another strategy; [`ChainOfThought`] unless said.
    #[must_use]
    pub fn over(mut self, strategy: impl Strategy + 'static) -> Self {
        self.inner = Arc::new(strategy);
        self
    }
}

#[async_trait]
impl Strategy for Refine {
    async fn solve(&self, reasoning: &Reasoning, question: &str) -> Result<Solution> {
        within_limits("rounds of refinement", self.rounds, 1..=ROUNDS_MAX)?;
        let mut solution = self.inner.solve(&reasoning.inside("draft"), question).await?;
        for round in 1..=self.rounds {
            let request = reasoning.request(prompts::critique(question, &solution.text));
            let request = request.output(OutputSchema::of::<Critique>());
            let critique = reasoning.ask_as(&format!("critique {round}"), request, Ok::<Critique, _>).await?;
            let Some(critique) = critique.filter(|critique| !critique.is_done) else { break };
            let request =
                reasoning.request(prompts::revise(question, &solution.text, &critique.critique, reasoning.ending()));
            let Some(reply) = reasoning.ask(&format!("revision {round}"), request).await? else { break };
            solution = reasoning.solution(reply.text());
        }
        solution.confidence = None;
        Ok(solution)
    }
}
