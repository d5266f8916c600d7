//! Chain of thought: one call, in which the model reasons before it answers. All other strategies are built from it.

use async_trait::async_trait;
use lorewell_model::{Message, Request, Result};

use super::{Reasoning, Solution, Strategy, prompts};

/// Lets the model think step by step, once.
///
/// With examples it is the prompting of Wei et al. 2022 (arXiv:2201.11903), without any that of Kojima et al. 2022
/// (arXiv:2205.11916). It has no measure of confidence.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use lorewell_agent::reason::{ChainOfThought, Reasoner};
/// use lorewell_model::{Message, Model, mock::Script};
///
/// let script = Script::new([Message::assistant("Half of 16 is 8.\nAnswer: 8")]);
/// let reasoner = Reasoner::new(Model::new("mock:script".parse()?, script));
/// let strategy = ChainOfThought::new().example("Half of 6?", "6 / 2 = 3.\nAnswer: 3");
/// assert_eq!(reasoner.solve(&strategy, "Half of 16?").await?.answer.as_deref(), Some("8"));
/// # Ok::<(), lorewell_agent::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Default)]
pub struct ChainOfThought {
    examples: Vec<(String, String)>,
}

impl ChainOfThought {
    /// Makes one without examples.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a question, and an answer as the model should write it: the steps, then the answer.
    #[must_use]
    pub fn example(mut self, question: impl Into<String>, answer: impl Into<String>) -> Self {
        self.examples.push((question.into(), answer.into()));
        self
    }

    fn request(&self, reasoning: &Reasoning, question: &str) -> Request {
        let mut request = reasoning.request(prompts::think(question, reasoning.ending()));
        let shown = self.examples.iter().flat_map(|(question, answer)| {
            [Message::user(prompts::think(question, reasoning.ending())), Message::assistant(answer.as_str())]
        });
        let at = request.messages.len() - 1;
        request.messages.to_mut().splice(at..at, shown);
        request
    }
}

#[async_trait]
impl Strategy for ChainOfThought {
    async fn solve(&self, reasoning: &Reasoning, question: &str) -> Result<Solution> {
        let reply = reasoning.ask("answer", self.request(reasoning, question)).await?;
        let reply = reply.ok_or_else(|| reasoning.nothing())?;
        Ok(reasoning.solution(reply.text()))
    }
}
