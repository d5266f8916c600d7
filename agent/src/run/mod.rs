//! A run: a value with settings that is awaited for its outcome, or read event by event. Reading drives it, so whoever
//! reads slowly slows it down, and whoever drops it stops it.

mod cancel;
mod drive;
mod session;
mod span;
mod task;

use std::fmt;
use std::future::IntoFuture;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use futures_util::future::BoxFuture;
use lorewell_model::{Budget, Error, Kind, Result};

pub use cancel::Cancel;
pub(crate) use drive::{Drive, Told};
pub(crate) use session::{Link, Session, lineage};
pub(crate) use task::panicked;
use tracing::{Instrument as _, Span};

use crate::engine::{Begin, End, Engine, Limits, Persist};
use crate::event::{Event, Gate};
use crate::graph::Plan;
use crate::question::Question;
use crate::record::{Recorder, Recording, Tape};
use crate::scope::Scope;
use crate::state::{Json, JsonUpdate, State};
use crate::thread::{Guard, Opened, RunOf, Thread};

/// What a run begins with. A state takes the place of all that stood, so to add to a conversation give an update:
/// `thread.run(Chat::update().messages([message]))`.
#[derive(Debug, Clone)]
pub enum Input<S: State> {
    /// Exactly this state, whatever stood there before.
    State(S),
    /// What stands there, with this written to it.
    Update(S::Update),
}

impl<S: State> From<S> for Input<S> {
    fn from(state: S) -> Self {
        Self::State(state)
    }
}

impl From<JsonUpdate> for Input<Json> {
    fn from(update: JsonUpdate) -> Self {
        Self::Update(update)
    }
}

/// How a run ended that did not fail.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "the run may wait for a person; match on it, or call `done`"]
pub enum Outcome<S> {
    /// It came to its end, with this state.
    Done(S),
    /// It waits for a person.
    Paused(Paused<S>),
}

impl<S> Outcome<S> {
    /// Returns the state, wherever the run has stopped.
    pub fn state(&self) -> &S {
        match self {
            Self::Done(state) => state,
            Self::Paused(paused) => &paused.state,
        }
    }

    /// Returns what the run waits for, if it does.
    pub fn paused(self) -> Option<Paused<S>> {
        match self {
            Self::Done(_) => None,
            Self::Paused(paused) => Some(paused),
        }
    }

    /// Returns the state of a run that came to its end.
    ///
    /// # Errors
    /// `Refused` if it waits for a person, with what it asks.
    pub fn done(self) -> Result<S> {
        match self {
            Self::Done(state) => Ok(state),
            Self::Paused(paused) => {
                let asked: Vec<_> = paused.questions.iter().map(|question| question.prompt.to_string()).collect();
                let gates: Vec<_> = paused.gates.iter().map(|gate| format!("the gate at `{}`", gate.node)).collect();
                let message = format!("the run waits for a person: {}", [asked, gates].concat().join(", "));
                Err(Error::new(Kind::Refused, message))
            }
        }
    }
}

/// What a run waits for.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Paused<S> {
    /// The questions that are open, in the order of their tasks.
    pub questions: Vec<Question>,
    /// The gates at which it has stopped; resuming passes them.
    pub gates: Vec<Gate>,
    /// The state at the newest checkpoint.
    pub state: S,
}

/// When what a run does is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Each superstep before the next one begins.
    #[default]
    Sync,
    /// Each superstep while the next ones run, at most [`BACKGROUND_MAX`] behind; all of it when the run ends.
    Background,
    /// Where the run stands when it ends, however it ends. A crash loses the run; effects are stored as ever.
    OnExit,
}

/// Supersteps that may wait to be stored while the run goes on, with [`Durability::Background`].
pub const BACKGROUND_MAX: usize = 64;

/// A run to be: `.await` it for its outcome, or read its [`events`](Self::events). To spawn it or to join it with others,
/// make a future of it: `tokio::spawn(thread.run(input).into_future())`.
///
/// Dropping it, or the future or the events made of it, stops the run where it is and gives the thread back;
/// [`Thread::resume`] goes on from there.
///
/// # Errors
/// Those of the nodes, with the node in their context. `Conflict` if the thread runs elsewhere, if an earlier run of it is
/// unfinished, or if two tasks wrote what keeps one value; `NotFound` if there is nothing to resume; `BadInput` for a
/// gate at no node; `Limit` at the limit of supersteps; `Cancelled`; `Io`, `Corrupt` and `Config` of the store.
#[must_use = "a run does nothing until it is awaited"]
pub struct Run<S: State> {
    plan: Arc<Plan<S>>,
    thread: Option<Thread<S>>,
    input: Option<Input<S>>,
    limits: Limits,
    durability: Durability,
    discards: bool,
    cancel: Option<Cancel>,
    budget: Option<Budget>,
    tape: Tape,
}

impl<S: State> Run<S> {
    pub(crate) fn unstored(plan: Arc<Plan<S>>, input: Input<S>) -> Self {
        Self::new(plan, None, Some(input))
    }

    pub(crate) fn new(plan: Arc<Plan<S>>, thread: Option<Thread<S>>, input: Option<Input<S>>) -> Self {
        let limits = Limits { steps_max: plan.steps_max, ..Limits::default() };
        let durability = Durability::default();
        Self { plan, thread, input, limits, durability, discards: false, cancel: None, budget: None, tape: Tape::Off }
    }

    /// Sets how many supersteps the run may have, pauses and crashes not counted; what the graph says, unless said here.
    pub fn steps_max(mut self, steps: u64) -> Self {
        self.limits.steps_max = steps;
        self
    }

    /// Sets how many tasks of one graph may run at the same time; 64 unless said.
    pub fn parallel_max(mut self, tasks: usize) -> Self {
        self.limits.parallel_max = tasks.max(1);
        self
    }

    /// Sets when what it does is stored.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Stops before a node, until it is resumed.
    pub fn gate_before(mut self, node: &str) -> Self {
        self.limits.gates_before.push(node.to_owned());
        self
    }

    /// Stops after a node, until it is resumed.
    pub fn gate_after(mut self, node: &str) -> Self {
        self.limits.gates_after.push(node.to_owned());
        self
    }

    /// Gives up what an earlier run of the thread has left unfinished, instead of refusing to begin.
    pub fn discard_unfinished(mut self) -> Self {
        self.discards = true;
        self
    }

    /// Lets the run be stopped from elsewhere.
    pub fn cancel(mut self, cancel: &Cancel) -> Self {
        self.cancel = Some(cancel.clone());
        self
    }

    /// Limits what the run may spend: the models and tools of its agents, of agents and graphs inside them too, and its time.
    /// What the run had spent before a pause or a crash counts; [`Thread::resume`] may be given more.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> lorewell_agent::Result<()> {
    /// use lorewell_agent::checkpoint::Memory;
    /// use lorewell_agent::{Agent, Budget, Chat};
    /// use lorewell_model::model;
    ///
    /// let thread = Agent::new(model("mock:echo").await?).thread("t", Memory::new())?;
    /// let budget = Budget::new().tokens_max(50_000).calls_max(20);
    /// let chat = thread.run(Chat::say("Hello")).budget(&budget).await?.done()?;
    /// assert_eq!((chat.text().as_str(), budget.spent().requests), ("Hello", 1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn budget(mut self, budget: &Budget) -> Self {
        self.budget = Some(budget.clone());
        self
    }

    /// Puts the whole state after each superstep into the events.
    pub fn states(mut self) -> Self {
        self.limits.states = true;
        self
    }

    /// Records the run, so that it can be replayed.
    pub fn record(mut self, recorder: &Recorder) -> Self {
        self.tape = Tape::Record(recorder.clone());
        self.limits.listening = true;
        self
    }

    pub(crate) fn replay(plan: Arc<Plan<S>>, recording: &Recording) -> Result<Self> {
        let input = recording.input(&plan.blank)?;
        let limits = recording.limits.clone();
        let run = Self::new(plan, None, input);
        Ok(Self { limits, discards: true, tape: Tape::replay(recording.clone()), ..run })
    }

    /// Returns the events of the run, as they come. Reading them drives the run.
    pub fn events(mut self) -> Events<S> {
        self.limits.listening = true;
        Events { state: Reading::Opening(Box::pin(self.open())) }
    }

    async fn open(self) -> Result<Driven<S>> {
        let span = span::of_run();
        let opened = Box::pin(self.open_within(span.clone())).instrument(span.clone()).await;
        opened.inspect_err(|error| lorewell_model::span::failed(&span, error))
    }

    async fn open_within(mut self, span: Span) -> Result<Driven<S>> {
        self.check_gates()?;
        let tape = self.tape.clone();
        let Prepared { engine, session, guard, thread } = self.prepare().await?;
        if self.input.is_none() && engine.head().is_none() {
            let message = format!("thread `{}` has no run to resume; begin one with `run`", session.thread.get());
            return Err(Error::new(Kind::NotFound, message));
        }
        if self.input.is_some() && engine.is_unfinished() && !self.discards {
            return Err(unfinished(session.thread.get(), &engine));
        }
        span::opened(&span, &session);
        let scope = engine.scope().clone();
        tape.note_start(&session, scope.branch(), &self.limits, self.input.as_ref(), &self.plan.blank)?;
        let mut drive = Drive::new(engine, self.plan, scope, session, Arc::new(self.limits));
        drive.count_time(self.input.is_none());
        drive.begin(self.input.map(Begin::Input));
        Ok(Driven { drive, tape, guard, thread, span })
    }

    /// Makes the engine: from nothing, from a recording, or from what the store holds.
    async fn prepare(&mut self) -> Result<Prepared<S>> {
        let Some(thread) = self.thread.take() else {
            let session = Session::unstored(self.cancel.take(), std::mem::take(&mut self.tape));
            let session = Arc::new(session.budget(self.budget.take()));
            let branch = session.tape.recording().map_or(0, |recording| recording.branch);
            let scope = Scope::root(session.thread.clone(), branch);
            let (plan, limits) = (self.plan.clone(), Arc::new(self.limits.clone()));
            let engine = match session.tape.loaded("") {
                None => Engine::fresh(plan, scope, limits),
                Some(loaded) => Engine::restore(plan, scope, limits, loaded, &session.answers, None)?,
            };
            return Ok(Prepared { engine, session, guard: None, thread: None });
        };
        if self.input.is_none() {
            thread.must_exist().await?;
        }
        self.limits.persist = match self.durability {
            Durability::Sync | Durability::Background => Persist::Each,
            Durability::OnExit => Persist::AtEnd,
        };
        let run = RunOf {
            limits: Arc::new(self.limits.clone()),
            durability: self.durability,
            cancel: self.cancel.take(),
            budget: self.budget.take(),
            tape: std::mem::take(&mut self.tape),
        };
        let mut opened = thread.open(run.clone()).await?;
        if self.input.is_some() && self.discards && opened.engine.is_unfinished() {
            opened = thread.leave(opened, run).await?;
        }
        let Opened { engine, session, guard } = opened;
        Ok(Prepared { engine, session, guard: Some(guard), thread: Some(thread) })
    }

    fn check_gates(&self) -> Result<()> {
        let gates = self.limits.gates_before.iter().chain(&self.limits.gates_after);
        match gates.into_iter().find(|gate| self.plan.find(gate).is_none()) {
            None => Ok(()),
            Some(gate) => Err(self.plan.unknown(gate, "for a gate")),
        }
    }
}

fn unfinished<S: State>(thread: &str, engine: &Engine<S>) -> Error {
    let next: Vec<_> = engine.next().iter().map(|node| format!("`{node}`")).collect();
    let message = format!(
        "thread `{thread}` has an unfinished run, in which {} comes next; `resume` it, or begin with `discard_unfinished`",
        next.join(", ")
    );
    Error::new(Kind::Conflict, message)
}

impl<S: State> fmt::Debug for Run<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("limits", &self.limits)
            .field("durability", &self.durability)
            .finish_non_exhaustive()
    }
}

impl<S: State> IntoFuture for Run<S> {
    type Output = Result<Outcome<S>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut driven = Box::new(self.open().await?);
            loop {
                if let Told::End(end) = driven.next().await {
                    return driven.finish(end).await;
                }
            }
        })
    }
}

fn outcome<S: State>(end: End<S>) -> Result<Outcome<S>> {
    match end {
        End::Done { parent: Some(_), .. } => {
            let message = "a node gave a command to the graph around, and there is none: the graph runs by itself";
            Err(Error::new(Kind::BadOutput, message))
        }
        End::Done { state, parent: None } => Ok(Outcome::Done(Arc::unwrap_or_clone(state))),
        End::Paused { questions, gates, state } => {
            Ok(Outcome::Paused(Paused { questions, gates, state: Arc::unwrap_or_clone(state) }))
        }
        End::Failed(error) => Err(error),
    }
}

/// What is needed to drive a run.
struct Prepared<S: State> {
    engine: Engine<S>,
    session: Arc<Session>,
    guard: Option<Guard>,
    thread: Option<Thread<S>>,
}

/// A run that is being driven.
struct Driven<S: State> {
    drive: Drive<S>,
    tape: Tape,
    /// Gives the thread back when the run is over or given up.
    guard: Option<Guard>,
    thread: Option<Thread<S>>,
    span: Span,
}

impl<S: State> Driven<S> {
    async fn next(&mut self) -> Told<S> {
        let seen = match self.tape.told_by_effect() {
            Ok(Some(event)) => return Told::Event(event),
            Ok(None) => match self.drive.next().instrument(self.span.clone()).await {
                Told::Event(event) => self.tape.see(&event).map(|()| event),
                Told::End(end) => return Told::End(end),
            },
            Err(error) => Err(error),
        };
        seen.map_or_else(
            |error| {
                // The first difference is the one to tell.
                self.tape = Tape::Off;
                Told::End(End::Failed(error))
            },
            Told::Event,
        )
    }

    /// Gives the thread back, and makes an outcome of the end.
    async fn finish(self: Box<Self>, end: End<S>) -> Result<Outcome<S>> {
        let span = self.span.clone();
        let outcome = self.finish_within(end).instrument(span.clone()).await;
        span::ended(&span, &outcome);
        outcome
    }

    async fn finish_within(self: Box<Self>, end: End<S>) -> Result<Outcome<S>> {
        let Self { drive, tape, guard, thread, span: _ } = *self;
        let left = thread.as_ref().filter(|thread| thread.is_held()).and_then(|_| drive.left());
        drop(drive);
        tape.see_end(&end)?;
        let outcome = outcome(end);
        if let (Some(thread), Some(guard), Ok(_)) = (&thread, &guard, &outcome) {
            thread.ran(guard, left).await?;
        }
        drop(guard);
        outcome
    }
}

/// The events of a run, and its outcome when there are no more. As a [`Stream`] it gives the same.
///
/// The thread stays claimed until they are read to the end or dropped.
#[must_use = "a run does nothing until its events are read"]
pub struct Events<S: State> {
    state: Reading<S>,
}

enum Reading<S: State> {
    Opening(BoxFuture<'static, Result<Driven<S>>>),
    Within(Box<Driven<S>>),
    Ending(BoxFuture<'static, Result<Outcome<S>>>),
    After(Result<Outcome<S>>),
    /// Only while one state is made of another.
    Between,
}

impl<S: State> Events<S> {
    /// Returns the next event; `None` when the run is over. If the future is dropped, nothing is lost: the next call goes
    /// on.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            self.state = match &mut self.state {
                Reading::Opening(opening) => match opening.await {
                    Ok(driven) => Reading::Within(Box::new(driven)),
                    Err(error) => Reading::After(Err(error)),
                },
                Reading::Within(driven) => match driven.next().await {
                    Told::Event(event) => return Some(event),
                    Told::End(end) => match std::mem::replace(&mut self.state, Reading::Between) {
                        Reading::Within(driven) => Reading::Ending(Box::pin(driven.finish(end))),
                        other => other,
                    },
                },
                Reading::Ending(ending) => Reading::After(ending.await),
                Reading::After(_) | Reading::Between => return None,
            }
        }
    }

    /// Returns how the run ended; reads what is left of the events first.
    ///
    /// # Errors
    /// Those of the run.
    pub async fn outcome(mut self) -> Result<Outcome<S>> {
        while self.next().await.is_some() {}
        match self.state {
            Reading::After(outcome) => outcome,
            _ => Err(Error::new(Kind::Internal, "the events of a run ended before the run did")),
        }
    }
}

impl<S: State> Stream for Events<S> {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        // Nothing is lost with the future, and what it waits for wakes whoever polled last.
        pin!(self.get_mut().next()).poll(cx)
    }
}

impl<S: State> Unpin for Events<S> {}

impl<S: State> fmt::Debug for Events<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}
