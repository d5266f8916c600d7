//! A graph that runs inside a task: driven to its end or its pause, its events passed on, its pause made the task's.

use std::sync::Arc;

use futures_util::FutureExt;
use lorewell_model::{Error, Kind, Result};

use super::TaskScope;
use crate::engine::{Begin, End, Engine, Persist};
use crate::flow::Flow;
use crate::graph::Upward;
use crate::run::{Drive, Told};
use crate::state::State;

/// Events that are passed on together.
const BURST_MAX: usize = 64;

/// How the graph ended.
pub(super) struct Ended<C: State> {
    pub(super) state: Arc<C>,
    pub(super) updates: Vec<C::Update>,
    pub(super) parent: Option<Box<Upward>>,
}

pub(super) async fn run<C: State>(task: &Arc<TaskScope>, flow: &Flow<C>, begin: Begin<C>) -> Result<Ended<C>> {
    // What the graph stores may depend on what was drawn before.
    task.before_effect().await?;
    let keep = flow.keeps();
    let scope = task.next_call(keep);
    let _alone = keep.then(|| task.session.hold(scope.path())).transpose()?;
    let shared = match &begin {
        Begin::Shared(state) => Some(state.clone()),
        Begin::Input(_) => None,
    };
    let mut limits = (*task.limits).clone();
    (limits.gates_before, limits.gates_after) = (Vec::new(), Vec::new());
    limits.loads |= !task.fresh;
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
    let occasion = keep.then(|| format!("{}#{}", task.key.seq, task.key.index));
    let goes_on = engine.head().is_some() && engine.occasion() == occasion.as_deref();
    if let Some(occasion) = occasion {
        engine.set_occasion(occasion);
    }
    let mut drive = Drive::new(engine, plan, scope, session.clone(), limits);
    drive.begin((!goes_on).then_some(begin));
    match drive_to_end(task, &mut drive).await {
        End::Done { state, parent } => Ok(Ended { state, updates: drive.collected(), parent }),
        End::Paused { questions, gates, .. } => {
            task.pause_with(questions, gates);
            std::future::pending().await
        }
        End::Failed(error) => Err(error),
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
