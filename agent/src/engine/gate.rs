//! Gates: where a run stops for a person to look, before some nodes and after others, until it is resumed.

use std::collections::VecDeque;

use super::{End, Engine, Output, Persist};
use crate::checkpoint::{EntryKey, EntryKind};
use crate::event::{EventKind, Gate, Side};
use crate::state::State;

impl<S: State> Engine<S> {
    pub(super) fn gates(&self) -> Vec<Gate> {
        let path = self.scope.path();
        let gate = |node: u32, side| Gate { path: path.clone(), node: self.plan.node(node).name.clone(), side };
        let mut gates: Vec<Gate> = self.after.iter().map(|node| gate(*node, Side::After)).collect();
        let before = self.tasks.iter().map(|task| task.node).filter(|node| {
            let node = self.plan.node(*node);
            node.gate_before || self.limits.gates_before.iter().any(|gate| **gate == *node.name)
        });
        gates.extend(each_once(before).into_iter().map(|node| gate(node, Side::Before)));
        gates
    }

    /// The nodes of the tasks that have a gate after them.
    pub(super) fn gates_after(&self) -> Vec<u32> {
        let after = self.tasks.iter().map(|task| task.node).filter(|node| {
            let node = self.plan.node(*node);
            node.gate_after || self.limits.gates_after.iter().any(|gate| **gate == *node.name)
        });
        each_once(after)
    }

    pub(super) fn stop_at(&mut self, gates: Vec<Gate>, out: &mut VecDeque<Output<S>>) {
        if self.limits.persist != Persist::Nothing {
            let key = EntryKey { task: 0, kind: EntryKind::Gate, name: String::new() };
            let record = self.entry(key, b"{}".to_vec());
            self.write(vec![record], true, out);
        }
        self.stopped = true;
        self.emit(None, || EventKind::Paused { questions: Vec::new(), gates: gates.clone() }, out);
        self.end(End::Paused { questions: Vec::new(), gates, state: self.state.clone() }, out);
    }
}

/// Nodes in order, also those that several tasks ran.
fn each_once(nodes: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut nodes: Vec<u32> = nodes.collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}
