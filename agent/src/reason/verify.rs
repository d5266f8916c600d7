//! Verify and correct: an answer is checked from outside, and corrected until it passes.

use std::sync::Arc;

use async_trait::async_trait;
use lorewell_model::Result;

use super::{ChainOfThought, Check, ROUNDS_MAX, Reasoning, Solution, Strategy, Verifier, prompts, within_limits};

/// Corrections, unless said.
const ROUNDS: usize = 2;

/// Checks an answer and lets the model correct it, until it passes or the rounds are used up.
///
/// With [`ChainOfVerification`](super::ChainOfVerification) it is the method of Dhuliawala et al. 2023 (arXiv:2309.11495). With a
/// check from outside (tests, a compiler, a calculator) it is what makes self-correction work on questions with one right
/// answer (Huang et al. 2023, arXiv:2310.01798).
///
/// The confidence is 1 if the answer has passed and 0 if it has not; none if the budget ended before the last answer could be
/// checked.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use lorewell_agent::reason::{Check, Reasoner, Verify};
/// use lorewell_model::{Message, Model, mock::Script};
///
/// let said = ["Answer: 51", "51 is 3 × 17.\nAnswer: 53"].map(Message::assistant);
/// let reasoner = Reasoner::new(Model::new("mock:script".parse()?, Script::new(said)));
/// let is_prime = |_: &str, answer: &str| match answer.ends_with("53") {
///     true => Check::Passed,
///     false => Check::Failed("51 is not a prime".to_owned()),
/// };
/// let solution = reasoner.solve(&Verify::new(is_prime), "A prime above 50?").await?;
/// assert_eq!((solution.answer.as_deref(), solution.confidence), (Some("53"), Some(1.0)));
/// # Ok::<(), lorewell_agent::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Verify {
    verifier: Arc<dyn Verifier>,
    rounds: usize,
    inner: Arc<dyn Strategy>,
}

impl Verify {
    /// Checks with a verifier: [`ChainOfVerification`](super::ChainOfVerification), a function, your own.
    #[must_use]
    pub fn new(verifier: impl Verifier + 'static) -> Self {
        Self { verifier: Arc::new(verifier), rounds: ROUNDS, inner: Arc::new(ChainOfThought::new()) }
    }

    /// Sets how often the answer may be corrected, 1 to [`ROUNDS_MAX`]; 2 unless said.
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
impl Strategy for Verify {
    async fn solve(&self, reasoning: &Reasoning, question: &str) -> Result<Solution> {
        within_limits("rounds of correction", self.rounds, 1..=ROUNDS_MAX)?;
        let mut solution = self.inner.solve(&reasoning.inside("draft"), question).await?;
        solution.confidence = None;
        for round in 1.. {
            let here = reasoning.inside(&format!("check {round}"));
            let faults = match self.verifier.check(&here, question, &solution.text).await? {
                None => break,
                Some(Check::Passed) => return Ok(solution.confidence(1.0)),
                Some(Check::Failed(faults)) => faults,
            };
            solution.confidence = Some(0.0);
            if round > self.rounds {
                break;
            }
            let request = reasoning.request(prompts::revise(question, &solution.text, &faults, reasoning.ending()));
            let Some(reply) = reasoning.ask(&format!("correction {round}"), request).await? else { break };
            solution = reasoning.solution(reply.text());
        }
        Ok(solution)
    }
}
