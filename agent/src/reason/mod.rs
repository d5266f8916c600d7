//! Reasoning at inference time: ways to spend several answers of a model on one question, so that the last answer is better
//! than the first. A [`Strategy`] says how; a [`Reasoner`], which has an example, with which model, under which seed and within
//! which budget. They are apart from agents because they use no tools, and need nothing of a graph but its journal.

mod allowance;
mod best_of;
mod chain;
mod consistency;
mod debate;
mod difficulty;
mod extract;
mod journal;
mod lines;
mod prompts;
mod reasoner;
mod reasoning;
mod refine;
mod reward;
mod solution;
mod tree;
mod verifier;
mod verify;
mod vote;

use std::fmt;
use std::ops::RangeInclusive;

use async_trait::async_trait;
use lorewell_model::{Error, Kind, Result};

pub use best_of::BestOfN;
pub use chain::ChainOfThought;
pub use consistency::SelfConsistency;
pub use debate::Debate;
pub use difficulty::{ByDifficulty, Difficulty, Disagreement, Estimate};
pub use extract::Extract;
pub use reasoner::{CALLS_MAX, PARALLEL_MAX, Reasoner};
pub use reasoning::{REPAIRS_MAX, Reasoning};
pub use refine::Refine;
pub use reward::{JUDGED_MAX, Judge, Reward};
pub use solution::{Solution, Tried};
pub use tree::{PathScore, TreeOfThoughts};
pub use verifier::{ChainOfVerification, Check, Verifier};
pub use verify::Verify;

/// Samples, agents or candidates that one strategy may ask for: far above the 40 of Wang et al. 2022 (arXiv:2203.11171), who see
/// the gain level off before.
pub const SAMPLES_MAX: usize = 512;

/// Rounds of critique, correction or debate: far above the four that Madaan et al. 2023 (arXiv:2303.17651) take at most.
pub const ROUNDS_MAX: usize = 16;

/// A way to answer a question with several answers of a model.
///
/// It asks through [`Reasoning::ask`] and, for what may run side by side, [`Reasoning::each`]; these keep to the budget, give
/// every call its seed and journal it. When the budget is spent they say so by a value, and the strategy returns the best that
/// it has; only if it has nothing, [`Reasoning::nothing`] is its error.
///
/// ```
/// use async_trait::async_trait;
/// use lorewell_agent::Result;
/// use lorewell_agent::reason::{Reasoner, Reasoning, Solution, Strategy};
/// use lorewell_model::model;
///
/// /// Asks twice, and takes the longer answer.
/// struct Longer;
///
/// #[async_trait]
/// impl Strategy for Longer {
///     async fn solve(&self, reasoning: &Reasoning, question: &str) -> Result<Solution> {
///         let ask = |own: Reasoning, _| async move { own.ask("answer", own.request(question)).await };
///         let replies = reasoning.each("sample", 0..2, 0, ask).await?;
///         let texts = replies.iter().filter_map(|(_, reply)| reply.as_ref().map(|reply| reply.text()));
///         let longest = texts.max_by_key(String::len).ok_or_else(|| reasoning.nothing())?;
///         Ok(reasoning.solution(longest))
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let solution = Reasoner::new(model("mock:echo").await?).solve(&Longer, "hello").await?;
/// assert_eq!((solution.text.as_str(), solution.calls), ("hello", 2));
/// # Ok::<(), lorewell_agent::Error>(()) }).unwrap();
/// ```
#[async_trait]
pub trait Strategy: Send + Sync {
    /// Answers a question.
    ///
    /// # Errors
    /// Those of the model; `Limit` if the budget is spent before there is anything to return.
    async fn solve(&self, reasoning: &Reasoning, question: &str) -> Result<Solution>;
}

impl fmt::Debug for dyn Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Strategy")
    }
}

/// Checks a number that a strategy was given.
fn within_limits(what: &str, number: usize, limits: RangeInclusive<usize>) -> Result<()> {
    match limits.contains(&number) {
        true => Ok(()),
        false => {
            let message = format!("{number} {what}; give {} to {}", limits.start(), limits.end());
            Err(Error::new(Kind::Config, message))
        }
    }
}

#[cfg(test)]
mod tests;
