//! A checked graph, laid out for running: nodes are numbers in the order of their names, arrows are lists of numbers. A
//! superstep looks only at what ran and what runs next, however many nodes there are.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use lorewell_model::{Error, Kind, Result};

use super::command::Goto;
use super::node::{CacheKey, Node, Run, Settings};
use super::shape::{END, START, Shape};
use super::{Cache, GraphLimits, Migration};
use crate::engine::STEPS_MAX;
use crate::payload::Payload;
use crate::state::{Rule, State};

pub(crate) type Follow<S> = Arc<dyn Fn(&S) -> Result<Vec<Goto>> + Send + Sync>;

/// A graph, ready to run.
pub(crate) struct Plan<S: State> {
    pub(crate) blank: S,
    pub(crate) shape: Arc<Shape>,
    /// In the order of their names, which is the order in which their writes are applied.
    pub(crate) nodes: Vec<PlanNode<S>>,
    index: HashMap<Arc<str>, u32>,
    pub(crate) start: Exits<S>,
    pub(crate) joins: Vec<Join>,
    pub(crate) migration: Option<Migration>,
    /// Whether a field is blank again after each superstep, so that writes are applied even where there are none.
    pub(crate) ephemeral: bool,
    /// Whether a field is never stored, so that a state which is read back is another one.
    pub(crate) untracked: bool,
    pub(crate) steps_max: u64,
}

/// A node, ready to run.
pub(crate) struct PlanNode<S: State> {
    pub(crate) name: Arc<str>,
    pub(crate) run: Run<S>,
    pub(crate) settings: Settings,
    pub(crate) cache: Option<(Cache, CacheKey<S>)>,
    pub(crate) on_error: Option<u32>,
    pub(crate) gate_before: bool,
    pub(crate) gate_after: bool,
    pub(crate) exits: Exits<S>,
    /// Where its commands may go.
    goto: BTreeSet<u32>,
}

/// What follows a node.
pub(crate) struct Exits<S> {
    pub(crate) edges: Vec<u32>,
    /// The joins that it has a part in, and which part.
    pub(crate) joins: Vec<(u32, u32)>,
    pub(crate) branches: Vec<(Follow<S>, Vec<u32>)>,
}

/// A node that waits for others.
pub(crate) struct Join {
    /// How it is called in a checkpoint.
    pub(crate) name: String,
    pub(crate) target: u32,
    pub(crate) sources: Vec<u32>,
}

/// A branch, as it was declared.
pub(crate) struct Branch<S> {
    pub(crate) from: String,
    pub(crate) targets: Vec<String>,
    pub(crate) follow: Follow<S>,
}

/// Where a task leads.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Pull(u32),
    Send(u32, Payload),
}

impl<S: State> Plan<S> {
    /// Lays out a graph that has passed the checks, so that every name in it is a node.
    pub(crate) fn new(
        blank: S,
        shape: Arc<Shape>,
        nodes: Vec<Node<S>>,
        branches: Vec<Branch<S>>,
        limits: &GraphLimits,
        migration: Option<Migration>,
    ) -> Self {
        let mut named: Vec<(Arc<str>, Node<S>)> =
            shape.nodes.iter().map(|node| node.name.as_str().into()).zip(nodes).collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        let index: HashMap<Arc<str>, u32> = (0..).zip(&named).map(|(id, (name, _))| (name.clone(), id)).collect();
        let joins: Vec<Join> = shape.joins.iter().map(|join| Join::new(&join.sources, &join.target, &index)).collect();
        let mut exits = all_exits(&shape, &joins, branches, &index);
        let start = exits.remove(START).unwrap_or_default();
        let nodes = named.into_iter().map(|(name, node)| PlanNode {
            exits: exits.remove(&*name).unwrap_or_default(),
            on_error: node.settings.on_error.as_deref().map(|handler| index[handler]),
            goto: ids(&node.settings.goto, &index).into_iter().collect(),
            gate_before: limits.gates_before.iter().any(|gate| **gate == *name),
            gate_after: limits.gates_after.iter().any(|gate| **gate == *name),
            run: node.run,
            settings: node.settings,
            cache: node.cache,
            name,
        });
        let nodes = nodes.collect();
        let fields = blank.fields();
        let any = |rule| fields.iter().any(|field| field.rule == rule);
        let (ephemeral, untracked) = (any(Rule::Ephemeral), any(Rule::Untracked));
        Self {
            blank,
            shape,
            nodes,
            index,
            start,
            joins,
            migration,
            ephemeral,
            untracked,
            steps_max: limits.steps_max.unwrap_or(STEPS_MAX),
        }
    }

    pub(crate) fn node(&self, id: u32) -> &PlanNode<S> {
        &self.nodes[id as usize]
    }

    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.index.get(name).copied()
    }

    /// Finds a node that a checkpoint names.
    pub(crate) fn stored(&self, name: &str) -> Result<u32> {
        self.find(name).ok_or_else(|| {
            let message = format!(
                "the checkpoint goes on with node `{name}`, which the graph does not have; open the thread with the graph \
                 that it was run with, bring the node back, or fork from an earlier checkpoint"
            );
            Error::new(Kind::Config, message)
        })
    }

    /// Says that there is no such node.
    pub(crate) fn unknown(&self, name: &str, what_for: &str) -> Error {
        let nearest = super::nearest(name, self.nodes.iter().map(|node| &*node.name));
        let hint = nearest.map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"));
        Error::new(Kind::BadInput, format!("the graph has no node `{name}` {what_for}{hint}"))
    }

    /// The version that states are stored with.
    pub(crate) fn version(&self) -> u32 {
        self.migration.as_ref().map_or(0, |migration| migration.version)
    }

    /// Turns where a command of a node goes into targets.
    pub(crate) fn commanded(&self, from: u32, goto: Vec<Goto>, targets: &mut Vec<Target>) -> Result<()> {
        let node = self.node(from);
        for goto in goto {
            if goto.node() == END {
                continue;
            }
            let id = self.find(goto.node()).filter(|id| node.goto.contains(id));
            let id = id.ok_or_else(|| undeclared(&node.name, "a command", goto.node(), "`.goto([..])` of the node"))?;
            targets.push(Target::new(id, goto));
        }
        Ok(())
    }

    /// Asks the branches after `exits` where to go.
    pub(crate) fn branched(&self, from: &str, exits: &Exits<S>, state: &S, targets: &mut Vec<Target>) -> Result<()> {
        for (follow, declared) in &exits.branches {
            for goto in follow(state).map_err(|error| error.context(format!("the branch after `{from}`")))? {
                if goto.node() == END {
                    continue;
                }
                let id = self.find(goto.node()).filter(|id| declared.contains(id));
                let id = id.ok_or_else(|| undeclared(from, "the branch", goto.node(), "the targets of the branch"))?;
                targets.push(Target::new(id, goto));
            }
        }
        Ok(())
    }
}

fn undeclared(from: &str, what: &str, target: &str, place: &str) -> Error {
    let message = format!("{what} of `{from}` goes to `{target}`, which was not declared; add it to {place}");
    Error::new(Kind::BadOutput, message)
}

impl Target {
    fn new(id: u32, goto: Goto) -> Self {
        match goto {
            Goto::To(_) => Self::Pull(id),
            Goto::Send { input, .. } => Self::Send(id, input),
        }
    }
}

impl<S> Default for Exits<S> {
    fn default() -> Self {
        Self { edges: Vec::new(), joins: Vec::new(), branches: Vec::new() }
    }
}

impl Join {
    fn new(sources: &[String], target: &str, index: &HashMap<Arc<str>, u32>) -> Self {
        let name = format!("{}>{target}", sources.join("+"));
        Self { name, target: index[target], sources: sources.iter().map(|source| index[&**source]).collect() }
    }
}

fn all_exits<S>(
    shape: &Shape,
    joins: &[Join],
    branches: Vec<Branch<S>>,
    index: &HashMap<Arc<str>, u32>,
) -> HashMap<String, Exits<S>> {
    let mut exits: HashMap<String, Exits<S>> = HashMap::new();
    for (from, to) in shape.edges.iter().filter(|(_, to)| to != END) {
        exits.entry(from.clone()).or_default().edges.push(index[&**to]);
    }
    for ((id, join), shape) in (0..).zip(joins).zip(&shape.joins) {
        for (part, source) in (0..).zip(&shape.sources) {
            debug_assert_eq!(join.sources[part as usize], index[&**source]);
            exits.entry(source.clone()).or_default().joins.push((id, part));
        }
    }
    for branch in branches {
        let targets = ids(branch.targets.iter().filter(|target| *target != END), index);
        exits.entry(branch.from).or_default().branches.push((branch.follow, targets));
    }
    exits
}

fn ids<'a>(names: impl IntoIterator<Item = &'a String>, index: &HashMap<Arc<str>, u32>) -> Vec<u32> {
    names.into_iter().filter(|name| *name != END).map(|name| index[&**name]).collect()
}
