//! A graph that runs inside a task: driven to its end or its pause, its events passed on, its pause made the task's.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::FutureExt;
use lorewell_model::{Error, Kind, Origin, Result, Spent};

use super::TaskScope;
use crate::engine::{Begin, End, Engine, Known, Persist};
use crate::event::Gate;
use crate::flow::Flow;
use crate::graph::Upward;
use crate::question::Question;
use crate::run::{Drive, Told};
use crate::scope::Call;
use crate::state::State;

/// Events that are passed on together.
const BURST_MAX: usize = 64;

/// How the graph ended.
pub(crate) struct Ended<C: State> {
    pub(crate) state: Arc<C>,
    pub(crate) updates: Vec<C::Update>,
    pub(crate) parent: Option<Box<Upward>>,
    pub(crate) spent: Spent,
    /// Whose texts it has read that nobody vouches for.
    pub(crate) read: BTreeSet<Origin>,
}

/// The state in which the graph ended, or what it waits for.
pub(crate) enum Inner<C: State> {
    Ended(Ended<C>),
    Paused {
        questions: Vec<Question>,
        gates: Vec<Gate>,
    },
    /// The error may say what a text says that was read.
    Failed {
        error: Error,
        read: BTreeSet<Origin>,
    },
}

/// Runs a graph as the next one of a task; where it waits for a person, the task does.
pub(super) async fn run<C: State>(task: &Arc<TaskScope>, flow: &Flow<C>, begin: Begin<C>) -> Result<Ended<C>> {
    match run_call(task, flow, begin, task.next_call(), "", &BTreeSet::new()).await? {
        Inner::Ended(ended) => {
            task.spend_inside(ended.spent);
            task.note_read(ended.read.iter().copied());
            Ok(ended)
        }
        Inner::Paused { questions, gates } => {
            task.pause_with(questions, gates);
            std::future::pending().await
        }
        Inner::Failed { error, read } => {
            task.note_read(read);
            Err(error)
        }
    }
}

/// Runs a graph inside a task, until it ends or waits for a person. `occasion` tells apart the times that one task runs a graph
/// which keeps its state; `has_read` is what whoever calls it has read that nobody vouches for.
pub(crate) async fn run_call<C: State>(
    task: &Arc<TaskScope>,
    flow: &Flow<C>,
    begin: Begin<C>,
    call: Call,
    occasion: &str,
    has_read: &BTreeSet<Origin>,
) -> Result<Inner<C>> {
    // What the graph stores may depend on what was drawn before.
    task.before_effect().await?;
    let keep = flow.keeps();
    let scope = task.inside(call, keep);
    let _alone = keep.then(|| task.session.hold(scope.path())).transpose()?;
    let shared = match &begin {
        Begin::Shared(state) => Some(Known::Shared(state.clone())),
        Begin::Input(_) => None,
    };
    let mut limits = (*task.limits).clone();
    (limits.gates_before, limits.gates_after) = (Vec::new(), Vec::new());
    limits.loads |= !task.fresh;
    limits.has_read.extend(task.has_read().iter().chain(has_read));
    if limits.persist == Persist::AtEnd {
        limits.persist = Persist::Each; // into what is staged
    }
    limits.steps_max = flow.plan().steps_max;
    let limits = Arc::new(limits);
    let (plan, session) = (flow.plan().clone(), &task.session);
    let loaded = match keep || !task.fresh {
        true => session.load(&scope).await?,
        false => None,
    };
    let mut engine = match loaded {
        Some(loaded) => Engine::restore(plan.clone(), scope.clone(), limits.clone(), loaded, &session.answers, shared)?,
        None => Engine::fresh(plan.clone(), scope.clone(), limits.clone()),
    };
    let occasion = keep.then(|| format!("{}#{}{occasion}", task.key.seq, task.key.index));
    let goes_on = engine.head().is_some() && engine.occasion() == occasion.as_deref();
    if let Some(occasion) = occasion {
        engine.set_occasion(occasion);
    }
    let path = scope.path().clone();
    let mut drive = Drive::new(engine, plan, scope, session.clone(), limits);
    // What its unfinished tasks have spent they count themselves.
    let before = if goes_on { drive.spent() } else { Spent::default() };
    task.session.spend(|| path.to_string(), before, false);
    drive.begin((!goes_on).then_some(begin));
    match drive_to_end(task, &mut drive).await {
        End::Done { state, parent } => {
            let (spent, read) = (drive.spent().time_ms(0), drive.read());
            Ok(Inner::Ended(Ended { state, updates: drive.collected(), parent, spent, read }))
        }
        End::Paused { questions, gates, .. } => Ok(Inner::Paused { questions, gates }),
        End::Failed(error) => Ok(Inner::Failed { error, read: drive.read() }),
    }
}

/// Passes events on: together what comes without a wait, for each send may wake another thread.
async fn drive_to_end<C: State>(task: &TaskScope, drive: &mut Drive<C>) -> End<C> {
    let mut burst = Vec::new();
    loop {
        let told = match burst.len() {
            0 => Some(drive.next().await),
            BURST_MAX.. => None,
            _ => drive.next().now_or_never(),
        };
        match told {
            Some(Told::Event(event)) => burst.push(event),
            Some(Told::End(end)) => {
                task.forward(burst).await;
                return end;
            }
            None => task.forward(std::mem::take(&mut burst)).await,
        }
    }
}

/// Keeps a graph that keeps its state from being run twice at the same time.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) session: Arc<crate::run::Session>,
    pub(crate) path: Arc<str>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.session.unhold(&self.path);
    }
}

pub(crate) fn already_held(path: &str) -> Error {
    let message =
        format!("the graph at `{path}` keeps its state between runs, so it cannot run twice at the same time");
    Error::new(Kind::Conflict, message)
}
