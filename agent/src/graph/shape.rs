//! The structure of a graph without its functions: names and arrows. The checks and the drawings work on it.

use std::collections::BTreeSet;
use std::sync::Arc;

/// The name of the place where a run begins. Not a node.
pub const START: &str = "__start__";
/// The name of the place where a path of a run ends. Not a node.
pub const END: &str = "__end__";

/// Names and arrows of a graph, as they were declared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape {
    pub(crate) nodes: Vec<ShapeNode>,
    /// From, to.
    pub(crate) edges: Vec<(String, String)>,
    pub(crate) branches: Vec<ShapeBranch>,
    pub(crate) joins: Vec<ShapeJoin>,
    /// Nodes with a gate before or after them.
    pub(crate) gates: Vec<String>,
}

/// A node.
#[derive(Debug, Clone)]
pub(crate) struct ShapeNode {
    pub(crate) name: String,
    pub(crate) deferred: bool,
    pub(crate) on_error: Option<String>,
    /// Where its commands may go.
    pub(crate) goto: BTreeSet<String>,
    /// The only fields it writes, if that was declared.
    pub(crate) writes: Option<BTreeSet<String>>,
    /// The graph inside it.
    pub(crate) inner: Option<Arc<Shape>>,
}

/// A conditional branch.
#[derive(Debug, Clone)]
pub(crate) struct ShapeBranch {
    pub(crate) from: String,
    pub(crate) targets: Vec<String>,
    /// Whether it can go to more than one of them at once.
    pub(crate) many: bool,
}

/// A node that waits for all of several others.
#[derive(Debug, Clone)]
pub(crate) struct ShapeJoin {
    pub(crate) sources: Vec<String>,
    pub(crate) target: String,
}
