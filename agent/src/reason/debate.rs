//! Debate: several agents answer, read one another, and answer again.

use std::sync::Arc;

use async_trait::async_trait;
use lorewell_model::Result;

use super::consistency::majority;
use super::{ChainOfThought, ROUNDS_MAX, Reasoning, SAMPLES_MAX, Solution, Strategy, prompts, within_limits};

/// Lets agents answer, then answer anew in view of what the others said (Du et al. 2023, arXiv:2305.14325).
///
/// It ends when all agree, or when the rounds are used up. The answer is that of most agents, with the rules and the confidence of
/// [`SelfConsistency`](super::SelfConsistency). An agent that fails in a round keeps to what it said before.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use lorewell_agent::reason::{Debate, Reasoner};
/// use lorewell_model::{Message, Model, mock::Script};
///
/// let said = ["Answer: 6", "Answer: 8", "Agreed, it is 8.\nAnswer: 8", "Answer: 8"].map(Message::assistant);
/// let reasoner = Reasoner::new(Model::new("mock:script".parse()?, Script::new(said)));
/// let solution = reasoner.solve(&Debate::new(2, 2), "2 to the power of 3?").await?;
/// assert_eq!((solution.answer.as_deref(), solution.confidence, solution.calls), (Some("8"), Some(1.0), 4));
/// # Ok::<(), lorewell_agent::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Debate {
    agents: usize,
    rounds: usize,
    inner: Arc<dyn Strategy>,
}

impl Debate {
    /// Makes one of 2 to [`SAMPLES_MAX`] agents, with 1 to [`ROUNDS_MAX`] rounds after their first answers. The paper takes
    /// three agents and two rounds.
    #[must_use]
    pub fn new(agents: usize, rounds: usize) -> Self {
        Self { agents, rounds, inner: Arc::new(ChainOfThought::new()) }
    }

    /// Begins with answers of another strategy; [`ChainOfThought`] unless said.
    #[must_use]
    pub fn over(mut self, strategy: impl Strategy + 'static) -> Self {
        self.inner = Arc::new(strategy);
        self
    }
}

#[async_trait]
impl Strategy for Debate {
    async fn solve(&self, reasoning: &Reasoning, question: &str) -> Result<Solution> {
        within_limits("agents of a debate", self.agents, 2..=SAMPLES_MAX)?;
        within_limits("rounds of a debate", self.rounds, 1..=ROUNDS_MAX)?;
        let begin = |own: Reasoning, _| async move { self.inner.solve(&own, question).await };
        let begun = reasoning.each("agent", 0..self.agents, 0, begin).await?;
        let mut said: Vec<Solution> = begun.into_iter().map(|(_, solution)| solution).collect();
        for round in 1..=self.rounds {
            if all_agree(&said) {
                break;
            }
            let answer = |own: Reasoning, at: usize| {
                let others: Vec<&str> = others(&said, at).collect();
                let request = own.request(prompts::debate(question, &said[at].text, &others, own.ending()));
                async move { own.ask("answer", request).await }
            };
            let here = reasoning.inside(&format!("round {round}"));
            let answers = here.each("agent", 0..said.len(), 0, answer).await?;
            for (at, reply) in answers {
                if let Some(reply) = reply {
                    said[at] = reasoning.solution(reply.text());
                }
            }
        }
        majority(said).ok_or_else(|| reasoning.nothing())
    }
}

fn others(said: &[Solution], own: usize) -> impl Iterator<Item = &str> {
    said.iter().enumerate().filter(move |(at, _)| *at != own).map(|(_, solution)| solution.text.as_str())
}

/// Whether all have the same answer. One that is alone has nobody to talk to.
fn all_agree(said: &[Solution]) -> bool {
    majority(said.to_vec()).is_none_or(|most| most.confidence == Some(1.0)) || said.len() < 2
}
