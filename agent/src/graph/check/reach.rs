//! Which nodes a run can come to at all.

use super::shown;
use crate::graph::net::{Arrow, Id, Net};
use crate::graph::shape::Shape;

/// For each place, whether a run can come to it. A join is passed when all its sources can be reached. What stands in the
/// place of a failed node has nothing in its own place if it fails as well.
pub(super) fn reached(net: &Net<'_>, shape: &Shape) -> Vec<bool> {
    let mut missing = net.join_parts(shape.joins.len());
    let mut reached = vec![false; net.graph.node_count()];
    let mut scheduled = reached.clone();
    scheduled[net.start.index()] = true;
    let mut stack = vec![net.start];
    while let Some(from) = stack.pop() {
        let is_first = !std::mem::replace(&mut reached[from.index()], true);
        for (to, arrow) in net.exits(from) {
            match arrow {
                Arrow::Error if scheduled[from.index()] && !reached[to.index()] => {
                    stack.push(to);
                    continue;
                }
                Arrow::Error => continue,
                Arrow::Join(join) if is_first => {
                    missing[join] -= 1;
                    if missing[join] > 0 {
                        continue;
                    }
                }
                Arrow::Join(_) => continue,
                Arrow::Edge | Arrow::Branch(_) | Arrow::Goto => {}
            }
            if !std::mem::replace(&mut scheduled[to.index()], true) {
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
    let is_handler = |(_, arrow): (Id, Arrow)| arrow == Arrow::Error;
    match net.entries(id).next() {
        Some(_) if net.entries(id).all(is_handler) => {
            format!("node {node}: it stands in for nodes that no run comes to, or that only stand in for others")
        }
        None => format!("node {node}: nothing leads to it; add an edge to it, or let a run start with it"),
        Some(_) => format!("node {node}: what leads to it cannot be reached from the start"),
    }
}
