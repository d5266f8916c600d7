//! Tree of thoughts: a search over steps, each proposed by the model and scored by a reward. One chain cannot take a step back;
//! a search can.

use std::sync::Arc;

use async_trait::async_trait;
use lorewell_model::{Error, Kind, OutputSchema, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use super::reward::score;
use super::{Reasoning, Reward, SAMPLES_MAX, Solution, Strategy, prompts, within_limits};

/// Steps that are proposed at once, unless said; also how many paths a beam keeps, which is what the paper takes.
const STEPS: usize = 5;
/// How long a path may be, unless said; the tasks of the paper take up to ten steps.
const DEPTH: usize = 10;
/// The longest path that can be asked for.
const DEPTH_MAX: usize = 256;
/// The most expansions that can be asked for; each is a call, and paths that are open are kept in memory.
const EXPANSIONS_MAX: usize = 4096;

/// Searches a tree of steps (Yao et al. 2023, arXiv:2305.10601).
///
/// The model proposes the next steps of a path in one call, a [`Reward`] scores them. [`beam`](Self::beam) goes level by level
/// and keeps the best paths; [`best_first`](Self::best_first) goes on from the best path anywhere, so that it takes steps back.
/// A path ends with a step that holds an answer. Of two with the same score the longer one is gone on with, which is closer to
/// an answer; then the one that was found first. A step that is proposed twice in one place counts once; a proposal that cannot
/// be read is a dead end.
///
/// A beam ends with the first answer that has the score 1, best-first with the first answer that no open path is better than;
/// both end when the levels, expansions or calls are used up. Then the best path with an answer is taken, or the best one
/// without. The confidence is the score of the path.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use lorewell_agent::reason::{Reasoner, TreeOfThoughts};
/// use lorewell_model::{Message, Model, mock::Script};
///
/// let said = [r#"{"steps": ["2 + 2 = 4", "2 × 3 = 6"]}"#, r#"{"steps": ["6 × 4 = 24\nAnswer: 2 × 3 × 4"]}"#];
/// let reasoner = Reasoner::new(Model::new("mock:script".parse()?, Script::new(said.map(Message::assistant))));
/// let reward = |_: &str, steps: &[String]| if steps[0].starts_with("2 × 3") { 1.0 } else { 0.2 };
/// let solution = reasoner.solve(&TreeOfThoughts::new(reward).best_first(10), "24 from 2, 3 and 4").await?;
/// assert_eq!(solution.answer.as_deref(), Some("2 × 3 × 4"));
/// # Ok::<(), lorewell_agent::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct TreeOfThoughts {
    reward: Arc<dyn Reward>,
    search: Search,
    steps: usize,
    depth_max: usize,
    path_score: PathScore,
}

/// What a path is worth, from the scores of its steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathScore {
    /// That of its last step: the reward looks at where the path has come to.
    #[default]
    Last,
    /// The product of all: each score is the probability that the step is right. With this the search is process-supervised
    /// (Lightman et al. 2023, arXiv:2305.20050).
    Product,
    /// The lowest: a path is as good as its worst step. Lightman et al. try it as well.
    Lowest,
}

#[derive(Debug, Clone, Copy)]
enum Search {
    Beam { width: usize },
    BestFirst { expansions: usize },
}

#[derive(Debug, Clone, Default)]
struct Path {
    steps: Vec<String>,
    score: f64,
    has_answer: bool,
}

/// What the model proposes.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "next_steps")]
struct Proposal {
    steps: Vec<String>,
}

impl TreeOfThoughts {
    /// Searches for what a reward scores high: a function, a [`Judge`](super::Judge), your own. A beam of five unless said.
    #[must_use]
    pub fn new(reward: impl Reward + 'static) -> Self {
        Self {
            reward: Arc::new(reward),
            search: Search::Beam { width: STEPS },
            steps: STEPS,
            depth_max: DEPTH,
            path_score: PathScore::default(),
        }
    }

    /// Goes level by level, and keeps so many paths.
    #[must_use]
    pub fn beam(mut self, width: usize) -> Self {
        self.search = Search::Beam { width };
        self
    }

    /// Goes on from the best path anywhere, so many times at most.
    #[must_use]
    pub fn best_first(mut self, expansions: usize) -> Self {
        self.search = Search::BestFirst { expansions };
        self
    }

    /// Sets how many steps are proposed at once; 5 unless said.
    #[must_use]
    pub fn steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    /// Sets how long a path may be; 10 unless said.
    #[must_use]
    pub fn depth_max(mut self, steps: usize) -> Self {
        self.depth_max = steps;
        self
    }

    /// Sets what a path is worth.
    #[must_use]
    pub fn path_score(mut self, path_score: PathScore) -> Self {
        self.path_score = path_score;
        self
    }

    async fn beam_search(&self, reasoning: &Reasoning, question: &str, width: usize) -> Result<Option<Path>> {
        let (mut open, mut best) = (vec![Path::root()], None);
        for level in 1..=self.depth_max {
            let here = reasoning.inside(&format!("level {level}"));
            let propose = |own: Reasoning, at: usize| {
                let path = &open[at];
                async move { self.propose(&own, question, path).await }
            };
            let keep = self.reward.calls(open.len() * self.steps);
            let proposed = here.each("path", 0..open.len(), keep, propose).await?;
            let longer = proposed.into_iter().flat_map(|(at, steps)| steps.into_iter().map(move |step| (at, step)));
            let Some(paths) = self.extend(&here, question, &open, longer.collect()).await? else { break };
            best = best_of(best, &paths);
            if best.as_ref().is_some_and(|best| best.has_answer && best.score >= 1.0) {
                break;
            }
            open = paths.into_iter().filter(|path| !path.has_answer).collect();
            sort(&mut open);
            open.truncate(width);
        }
        Ok(best)
    }

    async fn best_first_search(
        &self,
        reasoning: &Reasoning,
        question: &str,
        expansions: usize,
    ) -> Result<Option<Path>> {
        let (mut open, mut best) = (vec![Path::root()], None);
        for number in 1..=expansions {
            if open.is_empty() {
                break;
            }
            let from = [open.remove(0)];
            let here = reasoning.inside(&format!("expansion {number}"));
            let steps = self.propose(&here, question, &from[0]).await?;
            let longer = steps.into_iter().map(|step| (0, step)).collect();
            let paths = self.extend(&here, question, &from, longer).await?.unwrap_or_default();
            best = best_of(best, &paths);
            open.extend(paths.into_iter().filter(|path| !path.has_answer && path.steps.len() < self.depth_max));
            sort(&mut open);
            let highest = open.first().map_or(0.0, |path| path.score);
            if reasoning.is_cut() || best.as_ref().is_some_and(|best| best.has_answer && best.score >= highest) {
                break;
            }
        }
        Ok(best)
    }

    /// Lets the model propose next steps. None are there when the budget is spent, and where it cannot be read what it proposes.
    async fn propose(&self, own: &Reasoning, question: &str, path: &Path) -> Result<Vec<String>> {
        let request = own.request(prompts::propose(question, &path.steps, self.steps, own.ending()));
        let request = request.output(OutputSchema::of::<Proposal>());
        match own.ask_as("steps", request, |proposal: Proposal| Ok(proposal.steps)).await {
            Ok(steps) => Ok(distinct(steps.unwrap_or_default(), self.steps)),
            Err(error) if error.kind() == Kind::BadOutput => {
                own.note_failure("steps", &error);
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// Makes paths longer by a step, and scores them. `None` if there is no step, or nothing is left to score it with.
    async fn extend(
        &self,
        here: &Reasoning,
        question: &str,
        from: &[Path],
        longer: Vec<(usize, String)>,
    ) -> Result<Option<Vec<Path>>> {
        let steps = |(at, step): &(usize, String)| from[*at].steps.iter().chain([step]).cloned().collect();
        let candidates: Vec<Vec<String>> = longer.iter().map(steps).collect();
        let scores = score(&*self.reward, &here.inside("reward"), question, &candidates).await?;
        let Some(scores) = scores else { return Ok(None) };
        let paths =
            candidates.into_iter().zip(scores).zip(longer).zip(1..).map(|(((steps, score), (at, step)), number)| {
                here.note_score(&format!("step {number}"), step.as_str(), score);
                let score = self.path_score.of(from[at].score, score);
                Path { steps, score, has_answer: here.answer(&step).is_some() }
            });
        Ok(Some(paths.collect()))
    }

    fn check(&self) -> Result<()> {
        within_limits("steps at once", self.steps, 1..=SAMPLES_MAX)?;
        within_limits("steps of a path", self.depth_max, 1..=DEPTH_MAX)?;
        match self.search {
            Search::Beam { width } => within_limits("paths of a beam", width, 1..=SAMPLES_MAX),
            Search::BestFirst { expansions } => within_limits("expansions", expansions, 1..=EXPANSIONS_MAX),
        }
    }
}

#[async_trait]
impl Strategy for TreeOfThoughts {
    async fn solve(&self, reasoning: &Reasoning, question: &str) -> Result<Solution> {
        self.check()?;
        let best = match self.search {
            Search::Beam { width } => self.beam_search(reasoning, question, width).await?,
            Search::BestFirst { expansions } => self.best_first_search(reasoning, question, expansions).await?,
        };
        match best {
            Some(path) => Ok(reasoning.solution(path.steps.join("\n")).confidence(path.score)),
            None if reasoning.is_cut() => Err(reasoning.nothing()),
            None => {
                let message = "the model has proposed no first step that can be read; ask it in another way";
                Err(Error::new(Kind::BadOutput, message))
            }
        }
    }
}

impl Path {
    /// The path without steps.
    fn root() -> Self {
        Self { score: 1.0, ..Self::default() }
    }
}

impl PathScore {
    fn of(self, so_far: f64, step: f64) -> f64 {
        match self {
            Self::Last => step,
            Self::Product => so_far * step,
            Self::Lowest => so_far.min(step),
        }
    }
}

/// Puts the best score first, of those the longest path, and keeps the order of what is as good.
fn sort(paths: &mut [Path]) {
    paths.sort_by(|one, other| other.score.total_cmp(&one.score).then(other.steps.len().cmp(&one.steps.len())));
}

/// Returns the best path: one with an answer before all without, then the highest score, then the first that was found.
fn best_of(best: Option<Path>, paths: &[Path]) -> Option<Path> {
    paths.iter().cloned().fold(best, |best, path| match best {
        Some(best) if (best.has_answer, best.score) >= (path.has_answer, path.score) => Some(best),
        _ => Some(path),
    })
}

/// Takes so many steps that are not blank and not said before.
fn distinct(steps: Vec<String>, count: usize) -> Vec<String> {
    let mut taken: Vec<String> = Vec::new();
    for step in steps {
        let step = step.trim();
        if !step.is_empty() && taken.len() < count && taken.iter().all(|other| other != step) {
            taken.push(step.to_owned());
        }
    }
    taken
}
