//! What comes next: which tasks, which joins are part of the way, which nodes wait until nothing else is left. And how a
//! checkpoint says so.

use std::collections::{BTreeMap, BTreeSet};

use lorewell_model::{Origin, Result, Spent};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::apply::Ran;
use super::task::TaskKey;
use crate::graph::{Plan, Target, Upward};
use crate::payload::Payload;
use crate::state::State;

/// More tasks in one superstep than this are a mistake.
pub(super) const TASKS_MAX: usize = 1_000_000;

/// What is left of the supersteps so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frontier {
    /// Joins that are part of the way: which of their sources have run.
    arrived: BTreeMap<u32, BTreeSet<u32>>,
    /// Deferred nodes that were reached.
    later: BTreeSet<u32>,
}

/// A task to be.
#[derive(Debug, Clone)]
pub(crate) struct Seed {
    pub(crate) node: u32,
    pub(crate) input: Option<Payload>,
    pub(crate) key: Option<TaskKey>,
}

impl Frontier {
    pub(super) fn clear(&mut self) {
        self.arrived.clear();
        self.later.clear();
    }

    /// Takes what ran, in the order of its tasks, and says what runs next: each node that was reached once, in the order of
    /// their names, then each input that was sent, in the order of sending. Deferred nodes run when nothing else does and
    /// no others wait.
    pub(super) fn next<'a, S: State>(
        &mut self,
        plan: &'a Plan<S>,
        ran: impl IntoIterator<Item = Ran<'a, S>>,
        others_wait: bool,
    ) -> Vec<Seed> {
        let mut pulls = Vec::new();
        let mut sends = Vec::new();
        for (exits, targets) in ran {
            for target in targets {
                match target {
                    Target::Pull(node) => pulls.push(*node),
                    Target::Send(node, input) => {
                        sends.push(Seed { node: *node, input: Some(input.clone()), key: None });
                    }
                }
            }
            pulls.extend(&exits.edges);
            pulls.extend(exits.joins.iter().filter_map(|(join, part)| self.arrive(plan, *join, *part)));
        }
        self.later.extend(pulls.extract_if(.., |node| plan.node(*node).settings.deferred));
        if pulls.is_empty() && sends.is_empty() && !others_wait {
            pulls.extend(std::mem::take(&mut self.later));
        }
        pulls.sort_unstable();
        pulls.dedup();
        let mut seeds: Vec<Seed> = pulls.into_iter().map(|node| Seed { node, input: None, key: None }).collect();
        seeds.append(&mut sends);
        seeds
    }

    /// Notes that a source of a join has run; returns its target if that was the last one.
    fn arrive<S: State>(&mut self, plan: &Plan<S>, join: u32, part: u32) -> Option<u32> {
        let arrived = self.arrived.entry(join).or_default();
        arrived.insert(part);
        let shape = &plan.joins[join as usize];
        if arrived.len() < shape.sources.len() {
            return None;
        }
        self.arrived.remove(&join);
        Some(shape.target)
    }

    /// Reads what a checkpoint says.
    pub(super) fn stored<S: State>(plan: &Plan<S>, step: &Step) -> Result<Self> {
        let later = step.later.iter().map(|node| plan.stored(node)).collect::<Result<_>>()?;
        let mut arrived = BTreeMap::new();
        for (name, sources) in &step.joins {
            // A join that the graph does not have any more has nothing to wait for.
            let Some((id, join)) = (0..).zip(&plan.joins).find(|(_, join)| join.name == *name) else { continue };
            let parts = sources.iter().filter_map(|source| {
                let source = plan.find(source)?;
                (0..).zip(&join.sources).find(|(_, id)| **id == source).map(|(part, _)| part)
            });
            arrived.insert(id, parts.collect());
        }
        Ok(Self { arrived, later })
    }
}

/// Where a checkpoint comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Source {
    /// The input of a run.
    Input,
    /// A superstep.
    Loop,
    /// An edit by hand.
    Edit,
}

/// A step record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Step {
    /// When, in milliseconds since 1970.
    pub(crate) at: u64,
    pub(crate) source: Source,
    /// The checkpoint of the input of the run.
    pub(crate) first: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) next: Vec<NextTask>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) joins: BTreeMap<String, Vec<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) later: Vec<String>,
    /// Nodes with a gate after them, which the run has yet to stop at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) after: Vec<String>,
    /// Which run of a subgraph that keeps its state it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) occasion: Option<String>,
    /// Whether the graph works on the state of the one around it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) shared: bool,
    /// The command with which the graph has ended, for the graph around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<Box<Upward>>,
    /// When the thread was made, as the store counts; part of the ids of its tasks.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) born: u64,
    /// Whether supersteps after it may have run that were never stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) deferred: bool,
    /// What the run has spent so far, but for its time.
    #[serde(default, skip_serializing_if = "Spent::is_nothing")]
    pub(crate) spent: Spent,
    /// Whose texts were read for what stands in the state, and nobody vouches for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) read: BTreeSet<Origin>,
    /// How long it has run, in milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) ran: u64,
}

/// A task in a step record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NextTask {
    #[serde(rename = "n")]
    pub(crate) node: String,
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    input: Option<Box<RawValue>>,
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    key: Option<TaskKey>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(born: &u64) -> bool {
    *born == 0
}

impl Step {
    pub(super) fn new<S: State>(
        plan: &Plan<S>,
        source: Source,
        at: u64,
        first: u64,
        occasion: Option<String>,
        seeds: &[Seed],
        frontier: &Frontier,
    ) -> Result<Self> {
        let name = |node: u32| plan.node(node).name.to_string();
        let next = seeds.iter().map(|seed| {
            let input = seed.input.as_ref().map(Payload::to_raw).transpose()?;
            Ok(NextTask { node: name(seed.node), input, key: seed.key })
        });
        let joins = frontier.arrived.iter().map(|(id, parts)| {
            let join = &plan.joins[*id as usize];
            (join.name.clone(), parts.iter().map(|part| name(join.sources[*part as usize])).collect())
        });
        Ok(Self {
            at,
            source,
            first,
            next: next.collect::<Result<_>>()?,
            joins: joins.collect(),
            later: frontier.later.iter().map(|node| name(*node)).collect(),
            after: Vec::new(),
            occasion,
            shared: false,
            parent: None,
            born: 0,
            deferred: false,
            spent: Spent::default(),
            read: BTreeSet::new(),
            ran: 0,
        })
    }

    /// The tasks that come next.
    pub(super) fn seeds<S: State>(&self, plan: &Plan<S>) -> Result<Vec<Seed>> {
        let seeds = self.next.iter().map(|task| {
            let input = task.input.clone().map(Payload::from_json);
            Ok(Seed { node: plan.stored(&task.node)?, input, key: task.key })
        });
        seeds.collect()
    }
}
