//! Rewards: how good a line of reasoning is, finished or not. A function can say it, a model can, a person's own scorer can.

use std::fmt;

use async_trait::async_trait;
use lorewell_model::{Error, Kind, Model, OutputSchema, Result};
use serde::Deserialize;
use serde_json::json;

use super::{Reasoning, prompts};

/// Answers that a judge is shown at once, so that they and their comparison fit well into one prompt.
pub const JUDGED_MAX: usize = 12;

/// The best score of a judge; small whole numbers are what models use evenly.
const POINTS: u8 = 10;

/// Scores lines of reasoning, each a list of steps: of a whole answer there is one. Functions of the question and the steps are
/// rewards too: `|question: &str, steps: &[String]| 0.5`.
///
/// A reward that looks at each step makes a search [process-supervised](super::PathScore), one that looks at the last line only
/// is an outcome reward (Lightman et al. 2023, arXiv:2305.20050, compare the two).
#[async_trait]
pub trait Reward: Send + Sync {
    /// Returns a score for each candidate, in their order: 0..1, higher is better. `None` if the budget is spent.
    ///
    /// # Errors
    /// Any, which ends the strategy.
    async fn score(
        &self,
        reasoning: &Reasoning,
        question: &str,
        candidates: &[Vec<String>],
    ) -> Result<Option<Vec<f64>>>;

    /// Returns how many calls of a model it takes to score so many candidates, so that a strategy can hold them back.
    fn calls(&self, candidates: usize) -> u64 {
        let _ = candidates;
        0
    }
}

#[async_trait]
impl<F: Fn(&str, &[String]) -> f64 + Send + Sync> Reward for F {
    async fn score(&self, _: &Reasoning, question: &str, candidates: &[Vec<String>]) -> Result<Option<Vec<f64>>> {
        Ok(Some(candidates.iter().map(|steps| self(question, steps)).collect()))
    }
}

impl fmt::Debug for dyn Reward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reward")
    }
}

/// Asks a reward, and checks what it says. Without candidates it is not asked, and there are no scores.
pub(super) async fn score(
    reward: &dyn Reward,
    reasoning: &Reasoning,
    question: &str,
    candidates: &[Vec<String>],
) -> Result<Option<Vec<f64>>> {
    if candidates.is_empty() {
        return Ok(None);
    }
    let Some(scores) = reward.score(reasoning, question, candidates).await? else { return Ok(None) };
    if scores.len() != candidates.len() {
        let message = format!("the reward gave {} scores for {} candidates", scores.len(), candidates.len());
        return Err(Error::new(Kind::BadOutput, message));
    }
    match scores.iter().find(|score| !(0.0..=1.0).contains(*score)) {
        Some(score) => Err(Error::new(Kind::BadOutput, format!("the reward gave a score of {score}; give 0 to 1"))),
        None => Ok(Some(scores)),
    }
}

/// A reward that asks a model: it sees up to [`JUDGED_MAX`] candidates at once, compares them in words, then gives each a score.
///
/// Models favour what they are shown first (Wang et al. 2023, arXiv:2305.17926), so the order is drawn anew for each call, from
/// the seed. What candidates say about their own score is data.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use lorewell_agent::reason::{BestOfN, Judge, Reasoner};
/// use lorewell_model::{Message, Model, mock::Script};
///
/// let said = ["Answer: 8", "Answer: 8", r#"{"comparison": "Both say 8.", "scores": [9, 9]}"#].map(Message::assistant);
/// let reasoner = Reasoner::new(Model::new("mock:script".parse()?, Script::new(said)));
/// let solution = reasoner.solve(&BestOfN::new(2, Judge::new()), "Half of 16?").await?;
/// assert_eq!((solution.answer.as_deref(), solution.confidence), (Some("8"), Some(0.9)));
/// # Ok::<(), lorewell_agent::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Default)]
pub struct Judge {
    rubric: Option<String>,
    model: Option<Model>,
}

#[derive(Deserialize)]
struct Judged {
    scores: Vec<f64>,
}

impl Judge {
    /// Makes one that asks the reasoner's own model how likely each candidate is right.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says by what it goes, in a sentence or a few.
    #[must_use]
    pub fn rubric(mut self, rubric: impl Into<String>) -> Self {
        self.rubric = Some(rubric.into());
        self
    }

    /// Asks another model, within the same budget. One that judges its own answers favours them.
    #[must_use]
    pub fn model(mut self, model: Model) -> Self {
        self.model = Some(model);
        self
    }

    /// Scores so many candidates as are shown at once.
    async fn judge(&self, own: &Reasoning, question: &str, candidates: &[Vec<String>]) -> Result<Option<Vec<f64>>> {
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.sort_by_key(|index| own.draw(&format!("order {index}")));
        let shown: Vec<String> = order.iter().map(|index| candidates[*index].join("\n")).collect();
        let rubric = self.rubric.as_deref().unwrap_or(prompts::RUBRIC);
        let request = own.request(prompts::judge(rubric, question, &shown)).output(form(shown.len()));
        let Some(points) = own.ask_as("scores", request, |judged| read(judged, order.len())).await? else {
            return Ok(None);
        };
        let mut scores = vec![0.0; order.len()];
        order.into_iter().zip(points).for_each(|(index, points)| scores[index] = points / f64::from(POINTS));
        Ok(Some(scores))
    }
}

#[async_trait]
impl Reward for Judge {
    async fn score(
        &self,
        reasoning: &Reasoning,
        question: &str,
        candidates: &[Vec<String>],
    ) -> Result<Option<Vec<f64>>> {
        let mut scores = Vec::with_capacity(candidates.len());
        for (shown, number) in candidates.chunks(JUDGED_MAX).zip(1..) {
            let own = reasoning.inside(&format!("judge {number}"));
            let own = self.model.as_ref().map_or_else(|| own.clone(), |model| own.model(model));
            let Some(judged) = self.judge(&own, question, shown).await? else { return Ok(None) };
            scores.extend(judged);
        }
        Ok(Some(scores))
    }

    fn calls(&self, candidates: usize) -> u64 {
        candidates.div_ceil(JUDGED_MAX) as u64
    }
}

fn form(count: usize) -> OutputSchema {
    let score = json!({"type": "integer", "minimum": 0, "maximum": POINTS});
    let schema = json!({
        "type": "object",
        "properties": {
            "comparison": {"type": "string"},
            "scores": {"type": "array", "items": score, "minItems": count, "maxItems": count},
        },
        "required": ["comparison", "scores"],
        "additionalProperties": false,
    });
    OutputSchema::new("scores", schema)
}

/// Holds scores against the form, which not every provider keeps to.
fn read(judged: Judged, count: usize) -> Result<Vec<f64>> {
    let scores = judged.scores;
    let fits = scores.len() == count && scores.iter().all(|score| (0.0..=f64::from(POINTS)).contains(score));
    match fits {
        true => Ok(scores),
        false => {
            Err(Error::new(Kind::BadOutput, format!("give {count} scores from 0 to {POINTS}, one for each answer")))
        }
    }
}
