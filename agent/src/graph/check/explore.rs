//! All runs of small graphs, walked one by one: what the checks call impossible does not happen in any, and what they say
//! can happen does in one.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use proptest::prelude::*;

use super::{cycles, joins, parallel, reach};
use crate::graph::net::{Arrow, Id, Net};
use crate::graph::shape::{END, START, Shape, ShapeBranch, ShapeJoin, ShapeNode};
use crate::state::{Field, Rule};

const NODES: usize = 6;
/// Graphs with more are left out: they are not other in kind.
const STANDINGS_MAX: usize = 300;
const WAYS_MAX: usize = 3_000;

/// What is left of the supersteps so far, and what runs next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Standing {
    tasks: BTreeSet<Id>,
    arrived: BTreeMap<usize, BTreeSet<Id>>,
    later: BTreeSet<Id>,
}

/// One way through a superstep: what ran, in the place of what was to run, and where that leads.
#[derive(Debug, Clone, Default)]
struct Way {
    ran: BTreeSet<Id>,
    targets: BTreeSet<Id>,
    completed: BTreeSet<usize>,
    after: Standing,
}

struct Explored {
    next: HashMap<Standing, Vec<Way>>,
}

/// Each way to follow the arrows of `from`: the targets of each.
fn follow(net: &Net<'_>, shape: &Shape, from: Id) -> Vec<BTreeSet<Id>> {
    let mut ways = vec![BTreeSet::new()];
    for choice in net.choices(from) {
        let many = match choice.arrow {
            Arrow::Branch(branch) => shape.branches[branch].many,
            Arrow::Goto => true,
            Arrow::Edge => false,
            Arrow::Join(_) | Arrow::Error => continue,
        };
        let mut options: Vec<BTreeSet<Id>> = choice.targets.iter().map(|to| BTreeSet::from([*to])).collect();
        if many {
            options = (0..1_usize << choice.targets.len())
                .map(|bits| {
                    (0..choice.targets.len()).filter(|n| bits >> n & 1 == 1).map(|n| choice.targets[n]).collect()
                })
                .collect();
        }
        ways = ways.iter().flat_map(|way| options.iter().map(|option| way | option).collect::<Vec<_>>()).collect();
    }
    ways.into_iter().map(|way| way.into_iter().filter(|to| *to != net.end).collect()).collect()
}

fn ways(net: &Net<'_>, shape: &Shape, standing: &Standing) -> Option<Vec<Way>> {
    let first = Way { after: Standing { tasks: BTreeSet::new(), ..standing.clone() }, ..Way::default() };
    let mut ways = vec![first];
    for task in &standing.tasks {
        let handler = net.exits(*task).find(|(_, arrow)| *arrow == Arrow::Error).map(|(to, _)| to);
        let mut next = Vec::new();
        for ran in std::iter::once(*task).chain(handler) {
            for targets in follow(net, shape, ran) {
                for way in &ways {
                    let mut way = way.clone();
                    way.ran.insert(ran);
                    way.targets.extend(&targets);
                    arrive(net, &mut way, ran);
                    next.push(way);
                }
            }
        }
        ways = next;
        if ways.len() > WAYS_MAX {
            return None;
        }
    }
    for way in &mut ways {
        let after = &mut way.after;
        let (later, now) = way.targets.iter().partition(|id| shape.nodes[net.number(**id).unwrap()].deferred);
        let later: BTreeSet<Id> = later;
        after.later.extend(later);
        after.tasks = now;
        if after.tasks.is_empty() {
            after.tasks = std::mem::take(&mut after.later);
        }
    }
    Some(ways)
}

fn arrive(net: &Net<'_>, way: &mut Way, ran: Id) {
    for (to, arrow) in net.exits(ran) {
        let Arrow::Join(join) = arrow else { continue };
        let sources: BTreeSet<Id> =
            net.entries(to).filter(|(_, arrow)| *arrow == Arrow::Join(join)).map(|(from, _)| from).collect();
        let arrived = way.after.arrived.entry(join).or_default();
        arrived.insert(ran);
        if *arrived == sources {
            way.after.arrived.remove(&join);
            way.completed.insert(join);
            way.targets.insert(to);
        }
    }
}

impl Explored {
    fn new(net: &Net<'_>, shape: &Shape) -> Option<Self> {
        let start = Standing { tasks: BTreeSet::from([net.start]), ..Standing::default() };
        let mut next: HashMap<Standing, Vec<Way>> = HashMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(standing) = queue.pop_front() {
            if standing.tasks.is_empty() || next.contains_key(&standing) {
                continue;
            }
            let ways = ways(net, shape, &standing)?;
            queue.extend(ways.iter().map(|way| way.after.clone()));
            next.insert(standing, ways);
            if next.len() > STANDINGS_MAX {
                return None;
            }
        }
        Some(Self { next })
    }

    fn ways(&self) -> impl Iterator<Item = &Way> {
        self.next.values().flatten()
    }

    /// Tells whether a run in which a node has run can end.
    fn ends(&self, node: Id) -> bool {
        let mut queue: Vec<&Way> = self.ways().filter(|way| way.ran.contains(&node)).collect();
        let mut seen = BTreeSet::new();
        while let Some(way) = queue.pop() {
            match self.next.get_key_value(&way.after) {
                None => return true,
                Some((standing, ways)) => {
                    if seen.insert(std::ptr::from_ref(standing)) {
                        queue.extend(ways);
                    }
                }
            }
        }
        false
    }
}

fn name(number: usize) -> String {
    match number {
        NODES => START.to_owned(),
        number if number > NODES => END.to_owned(),
        number => format!("n{number}"),
    }
}

fn shape() -> impl Strategy<Value = Shape> {
    let to = || prop_oneof![8 => 0..NODES, 1 => Just(NODES + 1)].prop_map(name);
    let from = || prop_oneof![8 => 0..NODES, 1 => Just(NODES)].prop_map(name);
    let node = || (0..NODES).prop_map(name);
    let goto = prop::collection::btree_set(to(), 0..3);
    let nodes = prop::collection::vec(
        (
            prop::bool::weighted(0.15),
            prop::option::weighted(0.15, node()),
            prop::option::weighted(0.2, goto),
            any::<bool>(),
        ),
        NODES,
    );
    let edges = prop::collection::btree_set((from(), to()), 1..8);
    let branches = prop::collection::vec((from(), prop::collection::btree_set(to(), 1..4), any::<bool>()), 0..4);
    let joins = prop::collection::vec((prop::collection::btree_set(node(), 2..4), node()), 0..3);
    (nodes, edges, branches, joins, node()).prop_map(|(nodes, edges, branches, joins, start)| {
        let nodes = nodes.into_iter().enumerate().map(|(number, (deferred, on_error, goto, writes))| ShapeNode {
            on_error: on_error.filter(|handler| *handler != name(number)),
            name: name(number),
            deferred,
            goto: goto.unwrap_or_default(),
            writes: writes.then(|| BTreeSet::from(["answer".to_owned()])),
            inner: None,
        });
        let mut edges: BTreeSet<_> = edges;
        edges.insert((START.to_owned(), start));
        let branch = |(from, targets, many): (String, BTreeSet<String>, bool)| ShapeBranch {
            from,
            targets: targets.into_iter().collect(),
            many,
        };
        let join = |(sources, target): (BTreeSet<String>, String)| ShapeJoin {
            sources: sources.into_iter().collect(),
            target,
        };
        Shape {
            nodes: nodes.collect(),
            edges: edges.into_iter().collect(),
            branches: branches.into_iter().map(branch).collect(),
            joins: joins.into_iter().map(join).collect(),
            gates: Vec::new(),
        }
    })
}

/// The names in a fault that are nodes.
fn named(net: &Net<'_>, fault: &str) -> Vec<Id> {
    let mut ids: Vec<Id> =
        fault.split('`').filter_map(|name| net.find(name)).filter(|id| net.number(*id).is_some()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 1_000_000, ..ProptestConfig::default() })]

    #[test]
    fn faults_are_true_of_all_runs(shape in shape()) {
        let net = Net::meant(&shape, &HashMap::new());
        let reached = reach::reached(&net, &shape);
        let explored = Explored::new(&net, &shape);
        prop_assume!(explored.is_some());
        let explored = explored.unwrap();
        for id in net.graph.node_indices().filter(|id| net.number(*id).is_some() && !reached[id.index()]) {
            prop_assert!(explored.ways().all(|way| !way.ran.contains(&id)), "{id:?} runs");
        }
        for fault in cycles::faults(&net, &shape, &reached) {
            let ends = named(&net, &fault).into_iter().all(|id| explored.ends(id));
            prop_assert!(!ends, "{fault}, but it ends");
        }
        let never = joins::faults(&net, &shape, &reached);
        for (number, join) in shape.joins.iter().enumerate() {
            let place = super::names::join_shown(join);
            if never.iter().any(|fault| fault.starts_with(&place)) {
                prop_assert!(explored.ways().all(|way| !way.completed.contains(&number)), "{place} completes");
            }
        }
        // A cycle that never ends keeps deferred nodes from ever running, and so does a join what is behind it.
        let ran: BTreeSet<Id> = explored.ways().flat_map(|way| way.ran.iter().copied()).collect();
        prop_assume!(ran.iter().all(|id| explored.ends(*id)));
        prop_assume!(net.graph.node_indices().all(|id| !reached[id.index()] || net.number(id).is_none() || ran.contains(&id)));
        for fault in parallel::faults(&net, &shape, &reached, &[Field::new("answer", Rule::Last)]) {
            let nodes = named(&net, &fault);
            let meet = explored.ways().any(|way| nodes.iter().all(|node| way.ran.contains(node)));
            prop_assert!(meet, "{fault}, but they never do");
        }
    }
}
