//! What comes next, found out the slow way: from the beginning of the run, round by round, each time anew.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::graph::Spec;
use super::script::Target;
use crate::graph::END;

/// A superstep that is over, or the start of a run, or an edit.
#[derive(Debug, Clone)]
pub(super) struct Round {
    /// What ran, in the order of the tasks, and where it led besides along the edges.
    pub(super) ran: Vec<(String, Vec<Target>)>,
    /// Whether tasks go on waiting that do not belong to it.
    pub(super) others_wait: bool,
}

/// What follows.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Ready {
    /// Nodes with their inputs.
    pub(super) next: Vec<(String, Option<Value>)>,
    /// By join: which of its sources have run.
    arrived: BTreeMap<usize, BTreeSet<String>>,
    /// Deferred nodes that were reached.
    later: BTreeSet<String>,
}

impl Ready {
    pub(super) fn after(spec: &Spec, history: &[Round]) -> Self {
        let mut ready = Self::default();
        for round in history {
            ready.go(spec, round);
        }
        ready
    }

    fn go(&mut self, spec: &Spec, round: &Round) {
        let mut reached = BTreeSet::new();
        let mut sent = Vec::new();
        for (node, targets) in &round.ran {
            for target in targets.iter().filter(|target| target.node() != END) {
                match target {
                    Target::Pull(node) => drop(reached.insert(node.clone())),
                    Target::Send(node, input) => sent.push((node.clone(), Some(input.clone()))),
                }
            }
            let edges = spec.edges.iter().filter(|(from, to)| from == node && to != END);
            reached.extend(edges.map(|(_, to)| to.clone()));
            for (index, (sources, target)) in spec.joins.iter().enumerate() {
                if !sources.contains(node) {
                    continue;
                }
                let arrived = self.arrived.entry(index).or_default();
                arrived.insert(node.clone());
                if sources.iter().all(|source| arrived.contains(source)) {
                    self.arrived.remove(&index);
                    reached.insert(target.clone());
                }
            }
        }
        let (later, mut now): (BTreeSet<_>, BTreeSet<_>) =
            reached.into_iter().partition(|name| spec.node(name).deferred);
        self.later.extend(later);
        if now.is_empty() && sent.is_empty() && !round.others_wait {
            now = std::mem::take(&mut self.later);
        }
        self.next = now.into_iter().map(|name| (name, None)).chain(sent).collect();
    }

    /// As a step record says it.
    pub(super) fn joins(&self, spec: &Spec) -> Value {
        let joins = self.arrived.iter().map(|(index, arrived)| {
            let (sources, target) = &spec.joins[*index];
            let there: Vec<&String> = sources.iter().filter(|source| arrived.contains(*source)).collect();
            (format!("{}>{target}", sources.join("+")), json!(there))
        });
        Value::Object(joins.collect())
    }

    pub(super) fn later(&self) -> Value {
        json!(self.later)
    }
}
