//! Which nodes a run can come to at all.

use super::shown;
use crate::graph::net::{Arrow, Id, Net};
use crate::graph::shape::Shape;

/// For each place, whether a run can come to it. A join is passed when all its sources can be reached.
pub(super) fn reached(net: &Net<'_>, shape: &Shape) -> Vec<bool> {
    let mut missing = net.join_parts(shape.joins.len());
    let mut reached = vec![false; net.graph.node_count()];
    reached[net.start.index()] = true;
    let mut stack = vec![net.start];
    while let Some(from) = stack.pop() {
        for (to, arrow) in net.exits(from) {
            if let Arrow::Join(join) = arrow {
                missing[join] -= 1;
                if missing[join] > 0 {
                    continue;
                }
            }
            if !std::mem::replace(&mut reached[to.index()], true) {
                stack.push(to);
            }
        }
    }
    reached
}

/// Names the nodes that no run comes to.
pub(super) fn faults(net: &Net<'_>, shape: &Shape, reached: &[bool]) -> Vec<String> {
    let lost = net.graph.node_indices().filter(|id| !reached[id.index()] && net.number(*id).is_some());
    // A second node of the same name cannot be referred to, which is a fault of its own.
    let lost = lost.filter(|id| net.number(*id).is_some_and(|number| net.find(&shape.nodes[number].name) == Some(*id)));
    lost.map(|id| fault(net, shape, id)).collect()
}

fn fault(net: &Net<'_>, shape: &Shape, id: Id) -> String {
    let node = shown(net, shape, id);
    match net.entries(id).next() {
        None => format!("node {node}: nothing leads to it; add an edge to it, or let a run start with it"),
        Some(_) => format!("node {node}: what leads to it cannot be reached from the start"),
    }
}
