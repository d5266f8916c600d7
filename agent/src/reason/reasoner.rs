//! With what a strategy is run: the model, the seed, the budget, how answers are found in what the model writes.

use std::sync::Arc;

use lorewell_model::{Model, Request, Result};

use super::allowance::Allowance;
use super::extract::Extract;
use super::journal::Journal;
use super::reasoning::{Reasoning, Setup, Solving};
use super::{Solution, Strategy};
use crate::cx::Cx;
use crate::state::State;

/// Calls of a model for one question, unless said: more than any strategy here makes as it comes, and few enough that one which
/// goes astray is noticed.
pub const CALLS_MAX: u64 = 256;
/// Calls that are made at the same time, unless said: what providers allow one key, and what fills the batch of a local model.
pub const PARALLEL_MAX: usize = 8;

/// What a strategy is run with. Cheap to clone.
///
/// The same seed and a model that keeps to seeds give the same solution, in whatever order parallel calls end.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use lorewell_agent::reason::{Reasoner, SelfConsistency};
/// use lorewell_model::{Message, Model, mock::Script};
///
/// // A real model: `model("openai:gpt-5-mini").await?`, or `"gguf:model.gguf"`.
/// let said = ["6 × 7 is 42.\nAnswer: 42", "7 + 7 … is 41.\nAnswer: 41", "Answer: 42"];
/// let model = Model::new("mock:script".parse()?, Script::new(said.map(Message::assistant)));
///
/// let reasoner = Reasoner::new(model).seed(7).calls_max(64).tokens_max(200_000);
/// let solution = reasoner.solve(&SelfConsistency::new(3), "How much is 6 times 7?").await?;
/// assert_eq!(solution.answer.as_deref(), Some("42"));
/// assert_eq!((solution.confidence, solution.calls, solution.is_cut), (Some(2.0 / 3.0), 3, false));
/// # Ok::<(), lorewell_agent::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Reasoner {
    setup: Setup,
    calls_max: u64,
    tokens_max: u64,
    name: String,
}

impl Reasoner {
    /// Makes one that keeps nothing.
    #[must_use]
    pub fn new(model: Model) -> Self {
        let setup = Setup {
            model,
            seed: 0,
            parallel_max: PARALLEL_MAX,
            request: Request::default(),
            extract: Extract::default(),
            journal: Journal::default(),
        };
        Self { setup, calls_max: CALLS_MAX, tokens_max: u64::MAX, name: "reason".to_owned() }
    }

    /// Makes one for a node of a graph: every call is an [effect](Cx::effect) of its task, so that a run which was cut off goes
    /// on without making a call again. Two that run at the same time in one node need two [names](Self::name).
    ///
    /// ```
    /// use lorewell_agent::reason::{ChainOfThought, Reasoner};
    /// use lorewell_agent::{Cx, Graph, Result, State};
    /// use lorewell_model::model;
    ///
    /// #[derive(Clone, Debug, Default, State)]
    /// struct Desk { question: String, answer: String }
    ///
    /// async fn think(cx: Cx<Desk>) -> Result<DeskUpdate> {
    ///     let reasoner = Reasoner::within(&cx, model("mock:echo").await?);
    ///     let solution = reasoner.solve(&ChainOfThought::new(), &cx.state().question).await?;
    ///     Ok(Desk::update().answer(solution.text))
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let flow = Graph::new().node("think", think).start("think").build()?;
    /// let desk = flow.run(Desk { question: "Why?".to_owned(), ..Desk::default() }).await?.done()?;
    /// assert!(desk.answer.starts_with("Why?"));
    /// # Ok::<(), lorewell_agent::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn within<S: State>(cx: &Cx<S>, model: Model) -> Self {
        let mut reasoner = Self::new(model);
        reasoner.setup.journal = Journal::of(cx);
        reasoner
    }

    /// Sets what all chance begins with; 0 unless said.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.setup.seed = seed;
        self
    }

    /// Limits how often a model is asked for one question; [`CALLS_MAX`] unless said. No call is begun beyond it.
    #[must_use]
    pub fn calls_max(mut self, calls: u64) -> Self {
        self.calls_max = calls;
        self
    }

    /// Limits the tokens of one question, of requests and answers together; not limited unless said. Answers that have begun
    /// come to their end, for what they take is only known when they are there.
    #[must_use]
    pub fn tokens_max(mut self, tokens: u64) -> Self {
        self.tokens_max = tokens;
        self
    }

    /// Sets how many calls are made at the same time, at least one; [`PARALLEL_MAX`] unless said. The solution does not depend on
    /// it.
    #[must_use]
    pub fn parallel_max(mut self, calls: usize) -> Self {
        self.setup.parallel_max = calls;
        self
    }

    /// Sets how the model is asked: temperature, effort, tokens of an answer. Its messages come before what a strategy asks; its
    /// seed and form are not looked at. Strategies that draw samples need a temperature above 0.
    #[must_use]
    pub fn request(mut self, request: Request) -> Self {
        self.setup.request = request;
        self
    }

    /// Sets how the answer is found in what the model writes; the last line with `Answer:` unless said.
    #[must_use]
    pub fn extract(mut self, extract: Extract) -> Self {
        self.setup.extract = extract;
        self
    }

    /// Names it: effects and chance are told apart by it. `reason` unless said.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Answers a question, with the whole budget for it.
    ///
    /// # Errors
    /// Those of the strategy and of the model; `Limit` if the budget is spent before there is any answer; those of the store, in
    /// a node of a graph.
    pub async fn solve(&self, strategy: &dyn Strategy, question: &str) -> Result<Solution> {
        let solving = Arc::new(Solving::new(self.setup.clone()));
        let allowance = Arc::new(Allowance::new(self.calls_max, self.tokens_max));
        let reasoning = Reasoning::new(solving.clone(), self.name.as_str().into(), allowance.clone());
        let solved = strategy.solve(&reasoning, question).await;
        // A strategy may have taken it for the failure of one sample.
        if let Some(error) = solving.take_stop() {
            return Err(error);
        }
        let (spent, is_cut, trace) = (allowance.spent(), allowance.is_cut(), allowance.take_tried());
        Ok(Solution { calls: spent.calls, usage: spent.usage, is_cut, trace, ..solved? })
    }
}
