//! Compute by estimated difficulty: easy questions get little of it, hard ones more.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use lorewell_model::{Error, Kind, Result};

use super::consistency::majority;
use super::{ChainOfThought, Reasoning, SAMPLES_MAX, Solution, Strategy, within_limits};

/// How hard a question is.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Estimate {
    /// 0 for a question that the model always gets right, 1 for one that it never does.
    pub difficulty: f64,
    /// What was found on the way, if anything was.
    pub solution: Option<Solution>,
}

impl Estimate {
    /// Makes one of a difficulty, 0..1.
    #[must_use]
    pub fn new(difficulty: f64) -> Self {
        Self { difficulty, solution: None }
    }

    /// Adds what was found on the way.
    #[must_use]
    pub fn solution(mut self, solution: Solution) -> Self {
        self.solution = Some(solution);
        self
    }
}

/// Estimates how hard a question is. Functions of the question do so too: `|question: &str| 0.5`.
#[async_trait]
pub trait Difficulty: Send + Sync {
    /// Estimates it; `None` if the budget is spent.
    ///
    /// # Errors
    /// Any, which ends the strategy.
    async fn estimate(&self, reasoning: &Reasoning, question: &str) -> Result<Option<Estimate>>;
}

#[async_trait]
impl<F: Fn(&str) -> f64 + Send + Sync> Difficulty for F {
    async fn estimate(&self, _: &Reasoning, question: &str) -> Result<Option<Estimate>> {
        Ok(Some(Estimate::new(self(question))))
    }
}

impl fmt::Debug for dyn Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Difficulty")
    }
}

/// Estimates difficulty by how many of a few samples do not give the answer that most of them give. What most of them give is
/// what was found on the way.
#[derive(Debug, Clone)]
pub struct Disagreement {
    samples: usize,
}

impl Disagreement {
    /// Draws so many samples, 2 to [`SAMPLES_MAX`]; four tell easy questions from hard ones.
    #[must_use]
    pub fn new(samples: usize) -> Self {
        Self { samples }
    }
}

#[async_trait]
impl Difficulty for Disagreement {
    async fn estimate(&self, reasoning: &Reasoning, question: &str) -> Result<Option<Estimate>> {
        within_limits("samples to estimate difficulty by", self.samples, 2..=SAMPLES_MAX)?;
        let chain = ChainOfThought::new();
        let solve = |own: Reasoning, _| {
            let chain = &chain;
            async move { chain.solve(&own, question).await }
        };
        let drawn = reasoning.each("sample", 0..self.samples, 0, solve).await?;
        let most = majority(drawn.into_iter().map(|(_, solution)| solution).collect());
        let estimate = |most: Solution| Estimate::new(1.0 - most.confidence.unwrap_or_default()).solution(most);
        Ok(most.map(estimate))
    }
}

/// Picks a strategy by how hard the question is: the idea of compute-optimal scaling (Snell et al. 2024, arXiv:2408.03314), who
/// find that easy questions gain from little more than one answer, and hard ones from search.
///
/// The confidence is that of the strategy it picks. If the budget leaves that without an answer, it takes what the estimate has
/// found on the way.
///
/// ```
/// use lorewell_agent::reason::{BestOfN, ByDifficulty, ChainOfThought, Disagreement, Judge, SelfConsistency};
///
/// let strategy = ByDifficulty::new(Disagreement::new(4), BestOfN::new(16, Judge::new()))
///     .accept_up_to(0.0) // all four agree: that is the answer
///     .up_to(0.5, SelfConsistency::new(16).stop_at(0.95));
/// ```
#[derive(Debug, Clone)]
pub struct ByDifficulty {
    difficulty: Arc<dyn Difficulty>,
    accept_up_to: Option<f64>,
    /// By the difficulty up to which each is taken, lowest first.
    levels: Vec<(f64, Arc<dyn Strategy>)>,
    hardest: Arc<dyn Strategy>,
}

impl ByDifficulty {
    /// Takes an estimate, and the strategy for questions that are too hard for all others.
    #[must_use]
    pub fn new(difficulty: impl Difficulty + 'static, hardest: impl Strategy + 'static) -> Self {
        Self { difficulty: Arc::new(difficulty), accept_up_to: None, levels: Vec::new(), hardest: Arc::new(hardest) }
    }

    /// Takes another strategy for questions up to this difficulty, 0..1. Of several that would do, the one for the easiest.
    #[must_use]
    pub fn up_to(mut self, difficulty: f64, strategy: impl Strategy + 'static) -> Self {
        self.levels.push((difficulty, Arc::new(strategy)));
        self.levels.sort_by(|one, other| one.0.total_cmp(&other.0));
        self
    }

    /// Takes what the estimate has found on the way, up to this difficulty.
    #[must_use]
    pub fn accept_up_to(mut self, difficulty: f64) -> Self {
        self.accept_up_to = Some(difficulty);
        self
    }

    fn check(&self) -> Result<()> {
        let bounds = self.levels.iter().map(|(bound, _)| *bound).chain(self.accept_up_to);
        bounds.into_iter().try_for_each(|bound| share(bound, Kind::Config, "up to which a strategy is taken"))
    }
}

#[async_trait]
impl Strategy for ByDifficulty {
    async fn solve(&self, reasoning: &Reasoning, question: &str) -> Result<Solution> {
        self.check()?;
        let estimate = self.difficulty.estimate(&reasoning.inside("estimate"), question).await?;
        let Estimate { difficulty, solution } = estimate.ok_or_else(|| reasoning.nothing())?;
        share(difficulty, Kind::BadOutput, "that was estimated")?;
        reasoning.note_score("difficulty", question, difficulty);
        let found = match solution {
            Some(found) if self.accept_up_to.is_some_and(|bound| difficulty <= bound) => return Ok(found),
            Some(found) if reasoning.calls_left() == 0 => {
                reasoning.cut();
                return Ok(found);
            }
            found => found,
        };
        let level = self.levels.iter().find(|(bound, _)| difficulty <= *bound);
        let strategy = level.map_or(&self.hardest, |(_, strategy)| strategy);
        let solution = strategy.solve(&reasoning.inside("solve"), question).await?;
        match found {
            Some(found) if solution.answer.is_none() && reasoning.is_cut() => Ok(found),
            _ => Ok(solution),
        }
    }
}

fn share(difficulty: f64, kind: Kind, what: &str) -> Result<()> {
    match (0.0..=1.0).contains(&difficulty) {
        true => Ok(()),
        false => Err(Error::new(kind, format!("the difficulty {what} is {difficulty}; give 0 to 1"))),
    }
}
