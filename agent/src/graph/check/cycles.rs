//! Cycles that a run can enter and never leave.
//!
//! A node is bound if one of its arrows is always followed and leads on to a bound node of the same cycle: an edge, or a
//! branch with one choice none of whose targets lies outside. A command or a failure may end what edges go on with, so a
//! node with a `goto` or an `on_error` that leads out is not bound.

use std::collections::{HashMap, HashSet, VecDeque};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::DiGraph;
use petgraph::visit::EdgeRef;

use super::{NAMES_MAX, shown};
use crate::graph::net::{Arrow, Id, Net};
use crate::graph::shape::Shape;

/// Arrows looked at to find out which joins a cycle always completes. Only a graph with hundreds of joins in one cycle
/// comes to it; cycles that only they close are then not found.
const FORCED_STEPS_MAX: usize = 1_000_000;

/// Names the cycles without a way out.
pub(super) fn faults(net: &Net<'_>, shape: &Shape, reached: &[bool]) -> Vec<String> {
    let mut ties = Ties::new(net, shape, reached);
    let closed_by_joins = ties.close_joins();
    ties.release();
    let bound = ties.graph();
    // Not Tarjan's algorithm: that of petgraph is recursive, and a long chain is as deep as it is long.
    let mut places = kosaraju_scc(&bound);
    places.retain(|ring| ring.len() > 1 || bound.contains_edge(ring[0], ring[0]));
    places.iter_mut().for_each(|ring| ring.sort_unstable());
    places.sort_unstable();
    let mut rings: Vec<Vec<Id>> = places.iter().map(|places| around(&bound, places)).collect();
    let mut told: HashSet<Option<usize>> = rings.iter().map(|ring| ties.component[ring[0].index()]).collect();
    rings.extend(closed_by_joins.into_iter().filter(|ring| told.insert(ties.component[ring[0].index()])));
    rings.iter().map(|ring| fault(net, shape, ring)).collect()
}

fn fault(net: &Net<'_>, shape: &Shape, ring: &[Id]) -> String {
    let mut names: Vec<String> = ring.iter().map(|id| shown(net, shape, *id).to_string()).collect();
    if names.len() > NAMES_MAX {
        let rest = names.len() - NAMES_MAX;
        names.truncate(NAMES_MAX);
        names.push(format!("({rest} more)"));
    }
    names.push(shown(net, shape, ring[0]).to_string());
    format!("cycle {}: it has no way out; let a branch choose between it and `END` or another node", names.join(" -> "))
}

/// What binds nodes to their cycles.
struct Ties<'n, 'a> {
    net: &'n Net<'a>,
    shape: &'n Shape,
    /// For each place, the number of its strongly connected component; `None` if it cannot be reached.
    component: Vec<Option<usize>>,
    /// For each place, whether it is bound, as far as is known.
    bound: Vec<bool>,
    /// For each place, how many arrows that are always followed bind it.
    ties: Vec<usize>,
    /// For each branch, whether it has one choice and all its targets are bound.
    closed: Vec<bool>,
}

impl<'n, 'a> Ties<'n, 'a> {
    fn new(net: &'n Net<'a>, shape: &'n Shape, reached: &[bool]) -> Self {
        let mut component = vec![None; reached.len()];
        for (number, places) in kosaraju_scc(&net.graph).into_iter().enumerate() {
            for place in places.into_iter().filter(|place| reached[place.index()]) {
                component[place.index()] = Some(number);
            }
        }
        component[net.end.index()] = None;
        let bound = component.iter().map(Option::is_some).collect();
        let closed = shape.branches.iter().map(|branch| !branch.many).collect();
        Self { net, shape, component, bound, ties: vec![0; reached.len()], closed }
    }

    fn inside(&self, from: Id, to: Id) -> bool {
        let component = self.component[from.index()];
        component.is_some() && component == self.component[to.index()]
    }

    /// Finds the targets of joins that lead to themselves in every case, and binds them. Returns the ways around.
    fn close_joins(&mut self) -> Vec<Vec<Id>> {
        let parts = self.net.join_parts(self.shape.joins.len());
        let mut steps_left = FORCED_STEPS_MAX;
        let mut ways = Vec::new();
        for (number, join) in self.shape.joins.iter().enumerate() {
            let Some(target) = self.net.find(&join.target) else { continue };
            let mut sources = self.net.entries(target).filter(|(_, arrow)| *arrow == Arrow::Join(number));
            if sources.all(|(source, _)| self.inside(source, target))
                && let Some(way) = self.forced(target, &parts, &mut steps_left)
            {
                self.ties[target.index()] += 1;
                ways.push(way);
            }
        }
        ways
    }

    /// Follows what always follows `first`, inside its component. Returns the way if that comes back to `first`.
    fn forced(&self, first: Id, parts: &[usize], steps_left: &mut usize) -> Option<Vec<Id>> {
        let (mut before, mut arrived) = (HashMap::new(), HashMap::new());
        let mut queue = VecDeque::from([first]);
        while let Some(from) = queue.pop_front() {
            if self.net.exits(from).any(|(_, arrow)| matches!(arrow, Arrow::Goto | Arrow::Error)) {
                continue;
            }
            for (to, arrow) in self.net.exits(from) {
                *steps_left = steps_left.checked_sub(1)?;
                let follows = match arrow {
                    Arrow::Edge => true,
                    Arrow::Join(join) => {
                        let arrived = arrived.entry(join).or_insert(0);
                        *arrived += 1;
                        *arrived == parts[join]
                    }
                    Arrow::Branch(_) | Arrow::Goto | Arrow::Error => false,
                };
                if follows && self.inside(first, to) && !before.contains_key(&to) {
                    before.insert(to, from);
                    queue.push_back(to);
                }
            }
            if before.contains_key(&first) {
                return Some(way_back(&before, first));
            }
        }
        None
    }

    /// Releases what can get out, until only what cannot is bound.
    fn release(&mut self) {
        let mut free = self.ways_out();
        for from in self.net.graph.node_indices() {
            let ties = self.net.exits(from).filter(|(to, arrow)| match arrow {
                Arrow::Edge => self.inside(from, *to),
                Arrow::Branch(branch) => self.closed[*branch],
                Arrow::Join(_) | Arrow::Goto | Arrow::Error => false,
            });
            self.ties[from.index()] += ties.count();
            if self.ties[from.index()] == 0 {
                free.push_back(from);
            }
        }
        while let Some(id) = free.pop_front() {
            if std::mem::replace(&mut self.bound[id.index()], false) {
                self.release_before(id, &mut free);
            }
        }
    }

    /// Opens the branches that lead out of a cycle, and returns the nodes that may leave it without one.
    fn ways_out(&mut self) -> VecDeque<Id> {
        let net = self.net;
        let mut free = VecDeque::new();
        for edge in net.graph.edge_references() {
            if self.inside(edge.source(), edge.target()) {
                continue;
            }
            match *edge.weight() {
                Arrow::Branch(branch) => self.closed[branch] = false,
                Arrow::Goto | Arrow::Error => free.push_back(edge.source()),
                Arrow::Edge | Arrow::Join(_) => {}
            }
        }
        free
    }

    /// Takes away what `to` was to the places before it.
    fn release_before(&mut self, to: Id, free: &mut VecDeque<Id>) {
        let net = self.net;
        for (from, arrow) in net.entries(to) {
            if !self.inside(from, to) {
                continue;
            }
            let lost = match arrow {
                Arrow::Edge => 1,
                // All arrows of the branch, once.
                Arrow::Branch(branch) if std::mem::replace(&mut self.closed[branch], false) => {
                    net.exits(from).filter(|(_, other)| *other == arrow).count()
                }
                Arrow::Goto | Arrow::Error => self.ties[from.index()],
                Arrow::Branch(_) | Arrow::Join(_) => 0,
            };
            let ties = &mut self.ties[from.index()];
            *ties = ties.saturating_sub(lost);
            if *ties == 0 {
                free.push_back(from);
            }
        }
    }

    /// The bound nodes, with the arrows that bind them.
    fn graph(&self) -> DiGraph<(), ()> {
        let mut graph = self.net.graph.map(|_, _| (), |_, _| ());
        graph.retain_edges(|_, edge| {
            let (from, to) = self.net.graph.edge_endpoints(edge).expect("the edges are the same");
            let followed = match self.net.graph[edge] {
                Arrow::Edge => true,
                Arrow::Branch(branch) => self.closed[branch],
                Arrow::Join(_) | Arrow::Goto | Arrow::Error => false,
            };
            followed && self.inside(from, to) && self.bound[from.index()] && self.bound[to.index()]
        });
        graph
    }
}

/// The shortest way around, from the node that was declared first; `ring` is sorted.
fn around(bound: &DiGraph<(), ()>, ring: &[Id]) -> Vec<Id> {
    let first = ring[0];
    let mut before: HashMap<Id, Id> = HashMap::new();
    let mut queue = VecDeque::from([first]);
    while let Some(from) = queue.pop_front() {
        let mut next: Vec<Id> = bound.edges(from).map(|edge| edge.target()).collect();
        next.sort_unstable();
        for to in next {
            if ring.binary_search(&to).is_ok() && !before.contains_key(&to) {
                before.insert(to, from);
                queue.push_back(to);
            }
        }
        if before.contains_key(&first) {
            break;
        }
    }
    way_back(&before, first)
}

/// The places from `first` around to it again, of what was found before each of them.
fn way_back(before: &HashMap<Id, Id>, first: Id) -> Vec<Id> {
    let mut way = Vec::new();
    let mut place = first;
    while let Some(from) = before.get(&place).copied() {
        way.push(from);
        place = from;
        if place == first {
            break;
        }
    }
    way.reverse();
    way
}
