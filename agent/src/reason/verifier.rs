//! Verifiers: whether an answer holds, and if not, why. Tests, a compiler or a person's own check can say it; a model can, if it
//! is kept from repeating itself.

use std::fmt;

use async_trait::async_trait;
use lorewell_model::{Error, Kind, OutputSchema, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Reasoning, prompts};

/// Questions that a model asks to check an answer, unless said: enough for a paragraph, and each costs a call.
const QUESTIONS: usize = 5;

/// What a verifier has found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Check {
    /// Nothing is wrong.
    Passed,
    /// Something is; says what, for the model.
    Failed(String),
}

/// Checks answers. Functions of the question and the answer are verifiers too:
/// `|question: &str, answer: &str| Check::Passed`.
#[async_trait]
pub trait Verifier: Send + Sync {
    /// Checks an answer; `None` if the budget is spent.
    ///
    /// # Errors
    /// Any, which ends the strategy.
    async fn check(&self, reasoning: &Reasoning, question: &str, answer: &str) -> Result<Option<Check>>;
}

#[async_trait]
impl<F: Fn(&str, &str) -> Check + Send + Sync> Verifier for F {
    async fn check(&self, _: &Reasoning, question: &str, answer: &str) -> Result<Option<Check>> {
        Ok(Some(self(question, answer)))
    }
}

impl fmt::Debug for dyn Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

/// A verifier that asks a model (Dhuliawala et al. 2023, arXiv:2309.11495): it plans questions that would show whether the answer
/// is right, answers each by itself without seeing the answer that is checked, so that it does not repeat what is wrong in it,
/// and compares. That is the paper's *factored* form. [`Verify`](super::Verify) runs it.
///
/// ```
/// use lorewell_agent::reason::{ChainOfVerification, Verify};
///
/// let strategy = Verify::new(ChainOfVerification::new().questions_max(3));
/// ```
#[derive(Debug, Clone)]
pub struct ChainOfVerification {
    questions_max: usize,
}

/// The questions.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "questions")]
struct Plan {
    questions: Vec<String>,
}

/// What does not agree.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "disagreements")]
struct Compared {
    disagreements: Vec<String>,
}

impl Default for ChainOfVerification {
    fn default() -> Self {
        Self { questions_max: QUESTIONS }
    }
}

impl ChainOfVerification {
    /// Makes one that asks up to five questions.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many questions it asks at most. Those beyond are not asked.
    #[must_use]
    pub fn questions_max(mut self, questions: usize) -> Self {
        self.questions_max = questions;
        self
    }

    async fn plan(&self, reasoning: &Reasoning, question: &str, answer: &str) -> Result<Option<Vec<String>>> {
        let request = reasoning.request(prompts::plan_checks(question, answer, self.questions_max));
        let read = |plan: Plan| match plan.questions.is_empty() {
            true => Err(Error::new(Kind::BadOutput, "`questions` is empty; write at least one")),
            false => Ok(plan.questions.into_iter().take(self.questions_max).collect()),
        };
        reasoning.ask_as("plan", request.output(OutputSchema::of::<Plan>()), read).await
    }
}

#[async_trait]
impl Verifier for ChainOfVerification {
    async fn check(&self, reasoning: &Reasoning, question: &str, answer: &str) -> Result<Option<Check>> {
        let Some(questions) = self.plan(reasoning, question, answer).await? else { return Ok(None) };
        let ask = |own: Reasoning, at: usize| {
            let request = own.request(prompts::check(&questions[at]));
            async move { own.ask("finding", request).await }
        };
        let found = reasoning.each("question", 0..questions.len(), 1, ask).await?;
        let found = found.into_iter().filter_map(|(at, reply)| Some((questions[at].clone(), reply?.text())));
        let found: Vec<(String, String)> = found.collect();
        if found.is_empty() {
            return Ok(None);
        }
        let request = reasoning.request(prompts::compare(question, answer, &found));
        let request = request.output(OutputSchema::of::<Compared>());
        let compared = reasoning.ask_as("comparison", request, Ok::<Compared, _>).await?;
        Ok(compared.map(|compared| match compared.disagreements.is_empty() {
            true => Check::Passed,
            false => Check::Failed(compared.disagreements.join("\n")),
        }))
    }
}
