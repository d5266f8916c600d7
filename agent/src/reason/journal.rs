//! Where the results of calls are kept. In a node of a graph each is an effect of the task, so a run that was cut off does not
//! make a call again; elsewhere they are kept nowhere.

use std::fmt;
use std::sync::Arc;

use lorewell_model::{Budget, Error, Model, Result, Spent};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::agent::Chat;
use crate::cx::Cx;
use crate::state::State;

/// Where results are kept.
#[derive(Clone, Default)]
pub(super) struct Journal(Option<Arc<Cx<Chat>>>);

/// What has failed.
#[derive(Debug)]
pub(super) enum Failed {
    /// What was to be done.
    Act(Error),
    /// The journal, so nothing more may be done.
    Journal(Error),
}

impl Journal {
    /// That of a task. The state of its graph is not looked at, so any will do.
    pub(super) fn of<S: State>(cx: &Cx<S>) -> Self {
        Self(Some(Arc::new(Cx::new(Arc::new(Chat::default()), cx.task().clone()))))
    }

    /// Does something once, and returns what came of it. A failure is not kept.
    pub(super) async fn once<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        act: impl Future<Output = Result<T>>,
    ) -> Result<T, Failed> {
        let Some(cx) = &self.0 else { return act.await.map_err(Failed::Act) };
        let mut has_failed = false;
        let failed = &mut has_failed;
        let acting = async move |_| act.await.inspect_err(|_| *failed = true);
        match cx.effect(name, acting).await {
            Ok(value) => Ok(value),
            Err(error) if has_failed => Err(Failed::Act(error)),
            Err(error) => Err(Failed::Journal(error)),
        }
    }

    /// A model that spends from the budget of the run, and counts for itself what that is.
    pub(super) fn paid(&self, model: &Model, own: &Budget) -> Model {
        let model = model.clone().budget(own);
        match self.0.as_ref().and_then(|cx| cx.task().session.purse()) {
            Some(budget) => model.budget(budget),
            None => model,
        }
    }

    /// Counts what a call has spent, now or before a crash.
    pub(super) fn spend(&self, name: &str, spent: Spent, is_counted: bool) {
        if let Some(cx) = &self.0 {
            cx.task().spend(name, spent, is_counted);
        }
    }

    /// Shows that the task is alive.
    pub(super) fn alive(&self) {
        if let Some(cx) = &self.0 {
            cx.alive();
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Journal").field(&self.0.as_ref().map(|cx| cx.node().to_owned())).finish()
    }
}
