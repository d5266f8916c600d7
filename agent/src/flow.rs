//! A checked graph: a handle that is cheap to clone, and runs in any number of threads at once.

use std::fmt;
use std::sync::Arc;

use lorewell_model::{Error, Kind, Result};
use serde_json::value::RawValue;

use crate::checkpoint::Checkpoints;
use crate::cx::Cx;
use crate::graph::{Command, Goto, IntoNode, Node, Plan, Upward, dot, mermaid};
use crate::record::Recording;
use crate::run::{Input, Run};
use crate::state::State;
use crate::thread::Thread;

/// A graph that has been checked and can run.
pub struct Flow<S: State> {
    plan: Arc<Plan<S>>,
    keep: bool,
}

impl<S: State> Flow<S> {
    pub(crate) fn new(plan: Arc<Plan<S>>) -> Self {
        Self { plan, keep: false }
    }

    pub(crate) fn plan(&self) -> &Arc<Plan<S>> {
        &self.plan
    }

    pub(crate) fn keeps(&self) -> bool {
        self.keep
    }

    /// Runs the graph once, and stores nothing. A run that asks ends paused and cannot go on: use a thread for it, with
    /// [`Memory`](crate::checkpoint::Memory) if nothing need survive.
    pub fn run(&self, input: impl Into<Input<S>>) -> Run<S> {
        Run::unstored(self.plan.clone(), input.into())
    }

    /// Runs a recorded run again: with the results that its effects had, in the order in which its parallel tasks did what
    /// they did. Nothing outside is reached, nothing is stored.
    ///
    /// The run fails with `BadOutput` where an event or the end is not, byte for byte, the recorded one.
    ///
    /// # Errors
    /// The recording does not fit the state of this graph.
    pub fn replay(&self, recording: &Recording) -> Result<Run<S>> {
        Run::replay(self.plan.clone(), recording)
    }

    /// Opens a thread: a durable sequence of runs under a name. Nothing is read before it is used. All graphs of a store
    /// share its names; a thread is opened with the graph that it was run with.
    pub fn thread(&self, name: &str, store: impl Checkpoints) -> Thread<S> {
        Thread::new(self.clone(), name.into(), Arc::new(store))
    }

    /// As a subgraph, keeps its state from one run to the next in the same thread, instead of beginning anew each time. It
    /// cannot run twice at once then.
    #[must_use]
    pub fn keep(mut self) -> Self {
        self.keep = true;
        self
    }

    /// Makes a node of it in a graph on another state: `input` says what it begins with, `output` what the node writes in
    /// the end.
    pub fn within<P, I, R>(
        self,
        input: impl Fn(&Cx<P>) -> I + Send + Sync + 'static,
        output: impl Fn(S) -> R + Send + Sync + 'static,
    ) -> Node<P>
    where
        P: State,
        I: Into<Input<S>>,
        R: Into<Command<P>>,
    {
        let shape = self.plan.shape.clone();
        let (input, output) = (Arc::new(input), Arc::new(output));
        let mut node = Node::from_run(Arc::new(move |cx: Cx<P>| {
            let (flow, input, output) = (self.clone(), input.clone(), output.clone());
            Box::pin(async move {
                let begin = input(&cx).into();
                match cx.run_within(&flow, begin).await? {
                    (_, Some(upward)) => received(*upward),
                    (state, None) => Ok(output(Arc::unwrap_or_clone(state)).into()),
                }
            })
        }));
        node.inner = Some(shape);
        node
    }

    /// Names its nodes, in order.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.plan.nodes.iter().map(|node| &*node.name)
    }

    /// Draws it in Mermaid, subgraphs as boxes.
    #[must_use]
    pub fn mermaid(&self) -> String {
        mermaid(&self.plan.shape)
    }

    /// Draws it in DOT, the language of Graphviz, subgraphs as clusters.
    #[must_use]
    pub fn dot(&self) -> String {
        dot(&self.plan.shape)
    }
}

/// A command from a graph inside, in the types of this one.
fn received<P: State>(upward: Upward) -> Result<Command<P>> {
    let read = |update: &RawValue| {
        serde_json::from_str(update.get()).map_err(|error| {
            let message =
                format!("the command for the graph around has an update that does not fit its state: {error}");
            Error::new(Kind::BadOutput, message).caused_by(error)
        })
    };
    let updates = upward.updates.iter().map(|update| read(update)).collect::<Result<_>>()?;
    let goto = upward.goto.into_iter().map(Goto::from).collect();
    Ok(Command { updates, goto, parent: None })
}

/// As a node of a graph on the same state, it works on that state, and all that its nodes write counts as written by
/// the node.
impl<S: State> IntoNode<S, Self> for Flow<S> {
    fn into_node(self) -> Node<S> {
        let shape = self.plan.shape.clone();
        let mut node = Node::from_run(Arc::new(move |cx: Cx<S>| {
            let flow = self.clone();
            Box::pin(async move {
                let (updates, upward) = cx.run_shared(&flow).await?;
                let mut command = match upward {
                    Some(upward) => received(*upward)?,
                    None => Command::from(()),
                };
                command.updates.splice(0..0, updates);
                Ok(command)
            })
        }));
        node.inner = Some(shape);
        node
    }
}

impl<S: State> Clone for Flow<S> {
    fn clone(&self) -> Self {
        Self { plan: self.plan.clone(), keep: self.keep }
    }
}

impl<S: State> fmt::Debug for Flow<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flow").field("nodes", &self.nodes().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}
