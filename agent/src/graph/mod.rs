//! A graph as its author writes it: nodes and arrows, checked as a whole by `build`, which makes a [`Flow`] of it.

mod cache;
mod check;
mod command;
mod draw;
mod net;
mod node;
mod plan;
mod shape;

use std::fmt;
use std::sync::Arc;

use lorewell_model::Result;
use serde_json::{Map, Value};

pub use cache::Cache;
pub(crate) use check::nearest;
pub use command::{Command, Goto, Name, Route};
pub(crate) use command::{StoredGoto, Upward};
pub(crate) use draw::{dot, mermaid};
pub use lorewell_model::Retry;
pub use node::{IntoNode, Node, node, node_with};
pub(crate) use node::{NodeFuture, Settings};
use plan::{Branch, Follow};
pub(crate) use plan::{Exits, Plan, Target};
pub(crate) use shape::Shape;
pub use shape::{END, START};
use shape::{ShapeBranch, ShapeJoin, ShapeNode};

use crate::flow::Flow;
use crate::state::State;

/// A graph that is being put together. [`build`](Self::build) checks it and makes a [`Flow`].
///
/// ```
/// use lorewell_agent::{Cx, END, Graph, Outcome, Result, State};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Default, State)]
/// struct Count { #[reduce(sum)] n: u32 }
///
/// async fn add(_: Cx<Count>) -> Result<CountUpdate> {
///     Ok(Count::update().n(1u32))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let flow = Graph::<Count>::new()
///     .node("add", add)
///     .start("add")
///     .branch("add", ["add", END], |count: &Count| if count.n < 3 { "add" } else { END })
///     .build()?;
/// let Outcome::Done(count) = flow.run(Count::default()).await? else { unreachable!("nothing asks") };
/// assert_eq!(count.n, 3);
/// # Ok(())
/// # }
/// ```
pub struct Graph<S: State> {
    blank: S,
    shape: Shape,
    nodes: Vec<Node<S>>,    // parallel to the nodes of the shape
    follow: Vec<Follow<S>>, // parallel to the branches of the shape
    limits: GraphLimits,
    migration: Option<Migration>,
}

/// What a graph says of all its runs: where they stop for a person to look, and after how many supersteps at last.
#[derive(Debug, Clone, Default)]
pub(crate) struct GraphLimits {
    pub(crate) gates_before: Vec<String>,
    pub(crate) gates_after: Vec<String>,
    pub(crate) steps_max: Option<u64>,
}

/// How states that an older version of the graph stored are read.
#[derive(Clone)]
pub(crate) struct Migration {
    pub(crate) version: u32,
    pub(crate) migrate: Migrate,
}

type Migrate = Arc<dyn Fn(u32, Stored<'_>) -> Result<()> + Send + Sync>;

/// Something that an older version of a graph stored, to be brought up to date in place.
#[derive(Debug)]
pub enum Stored<'a> {
    /// A state: its fields by name.
    State(&'a mut Map<String, Value>),
    /// An update: the written fields by name, each as the update type serialises it.
    Update(&'a mut Map<String, Value>),
}

impl<S: State + Default> Graph<S> {
    /// Begins a graph on a state whose blank value is its default.
    #[must_use]
    pub fn new() -> Self {
        Self::from_blank(S::default())
    }
}

impl<S: State + Default> Default for Graph<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: State> Graph<S> {
    /// Begins a graph on a state with this blank value, which says what fields there are and holds what stands in them
    /// before anything is written.
    #[must_use]
    pub fn from_blank(blank: S) -> Self {
        let limits = GraphLimits::default();
        Self { blank, shape: Shape::default(), nodes: Vec::new(), follow: Vec::new(), limits, migration: None }
    }

    /// Adds a node: an async function, a [`Node`] with settings, or a [`Flow`] on the same state.
    ///
    /// A function is `async fn(Cx<S>) -> Result<R>`, where `R` is an update of the state, a [`Command`] or `()`. The parameter
    /// of a closure needs its type: `|cx: Cx<S>| async move { .. }`. To work with something shared, see [`node_with`].
    #[must_use]
    pub fn node<M>(mut self, name: &str, node: impl IntoNode<S, M>) -> Self {
        let node = node.into_node();
        let settings = &node.settings;
        self.shape.nodes.push(ShapeNode {
            name: name.to_owned(),
            deferred: settings.deferred,
            on_error: settings.on_error.clone(),
            goto: settings.goto.clone(),
            writes: settings.writes.clone(),
            inner: node.inner.clone(),
        });
        self.nodes.push(node);
        self
    }

    /// Lets a run begin with a node. Said more than once, it begins with all of them.
    #[must_use]
    pub fn start(self, node: &str) -> Self {
        self.edge(START, node)
    }

    /// Lets `to` run after `from`.
    #[must_use]
    pub fn edge(mut self, from: &str, to: &str) -> Self {
        self.shape.edges.push((from.to_owned(), to.to_owned()));
        self
    }

    /// Lets a function choose what runs after `from`, among declared targets. It sees the state with what `from` wrote, and
    /// must depend on nothing else.
    ///
    /// It may return a name, which must not be borrowed from the state, a [`Goto`], `None` for nowhere, several of them in a
    /// `Vec` or an array, or a `Result` of one of these. `branch(START, ..)` chooses where a run begins.
    #[must_use]
    pub fn branch<R: Route, T: AsRef<str>>(
        mut self,
        from: &str,
        targets: impl IntoIterator<Item = T>,
        choose: impl Fn(&S) -> R + Send + Sync + 'static,
    ) -> Self {
        let targets = targets.into_iter().map(|target| target.as_ref().to_owned()).collect();
        self.shape.branches.push(ShapeBranch { from: from.to_owned(), targets, many: R::MANY });
        self.follow.push(Arc::new(move |state| choose(state).targets()));
        self
    }

    /// Lets `target` run when all of `sources` have run, be it in different supersteps.
    #[must_use]
    pub fn join<T: AsRef<str>>(mut self, sources: impl IntoIterator<Item = T>, target: &str) -> Self {
        let sources = sources.into_iter().map(|source| source.as_ref().to_owned()).collect();
        self.shape.joins.push(ShapeJoin { sources, target: target.to_owned() });
        self
    }

    /// Stops every run before a node, until it is resumed.
    #[must_use]
    pub fn gate_before(mut self, node: &str) -> Self {
        self.shape.gates.push(node.to_owned());
        self.limits.gates_before.push(node.to_owned());
        self
    }

    /// Stops every run after a node, until it is resumed.
    #[must_use]
    pub fn gate_after(mut self, node: &str) -> Self {
        self.shape.gates.push(node.to_owned());
        self.limits.gates_after.push(node.to_owned());
        self
    }

    /// Sets how many supersteps a run may have, pauses and crashes not counted; 100 unless said.
    #[must_use]
    pub fn steps_max(mut self, steps: u64) -> Self {
        self.limits.steps_max = Some(steps);
        self
    }

    /// Gives the state a version, 0 unless said, and a function that brings what an older version stored up to date. It
    /// is called with the older version for each stored state and update before they are read.
    #[must_use]
    pub fn migration(
        mut self,
        version: u32,
        migrate: impl Fn(u32, Stored<'_>) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.migration = Some(Migration { version, migrate: Arc::new(migrate) });
        self
    }

    /// Checks the graph and makes it ready to run.
    ///
    /// # Errors
    /// With [`Kind::Config`](lorewell_model::Kind::Config) and all faults at once: a target that is no node, a node that
    /// nothing leads to, no start, a cycle without a way out, nodes that can write the same field at the same time, a
    /// join that can never be complete.
    pub fn build(self) -> Result<Flow<S>> {
        check::check(&self.shape, &self.blank.fields())?;
        Ok(Flow::new(Arc::new(self.lay_out())))
    }

    /// Makes the graph ready to run without a check, for tests that go where the checks let nobody.
    #[cfg(test)]
    pub(crate) fn unchecked(self) -> Arc<Plan<S>> {
        Arc::new(self.lay_out())
    }

    fn lay_out(self) -> Plan<S> {
        let branches = self.shape.branches.iter().zip(self.follow);
        let branches =
            branches.map(|(shape, follow)| Branch { from: shape.from.clone(), targets: shape.targets.clone(), follow });
        let branches = branches.collect();
        Plan::new(self.blank, Arc::new(self.shape), self.nodes, branches, &self.limits, self.migration)
    }

    /// Draws the graph in Mermaid, checked or not.
    #[must_use]
    pub fn mermaid(&self) -> String {
        draw::mermaid(&self.shape)
    }

    /// Draws the graph in DOT, the language of Graphviz, checked or not.
    #[must_use]
    pub fn dot(&self) -> String {
        draw::dot(&self.shape)
    }
}

impl<S: State> fmt::Debug for Graph<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").field("shape", &self.shape).finish_non_exhaustive()
    }
}
