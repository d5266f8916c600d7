//! A random graph on a random state, from a seed: as a description that the reference reads, and as the plan that the
//! engine runs.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use lorewell_model::Result;
use serde_json::{Value, json};

use super::dice::{Dice, digest};
use super::script;
use crate::cx::Cx;
use crate::graph::{END, Goto, Graph, Plan, Retry, START, node};
use crate::state::{Json, Rule};

/// A graph and its state, as they were thrown.
#[derive(Debug)]
pub(super) struct Spec {
    pub(super) seed: u64,
    /// In the order of declaration, which is not that of their names.
    pub(super) nodes: Vec<Node>,
    /// From, to.
    pub(super) edges: Vec<(String, String)>,
    pub(super) joins: Vec<(Vec<String>, String)>,
    pub(super) branches: Vec<Branch>,
    pub(super) gates_before: Vec<String>,
    pub(super) gates_after: Vec<String>,
    pub(super) fields: Vec<Field>,
    /// Whether nodes write much, so that snapshots are taken.
    pub(super) is_heavy: bool,
    /// Whether some runs store what they did at their end only. What decides where such a run goes must not change when
    /// it runs again.
    pub(super) has_exits: bool,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) deferred: bool,
    pub(super) attempts_max: u32,
    pub(super) on_error: Option<String>,
    pub(super) goto: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Branch {
    pub(super) from: String,
    pub(super) targets: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) rule: Rule,
    pub(super) start: Value,
}

/// The values of a state by name.
pub(super) type Fields = BTreeMap<String, Value>;

/// Every task adds 1: what keeps a run from growing without end.
pub(super) const COUNT: &str = "count";
/// Every task adds its name: where order shows.
pub(super) const LOG: &str = "log";
/// What was drawn by chance, which no decision may depend on.
pub(super) const DRAWN: &str = "drawn";

const NAMES: [&str; 12] = ["n1", "n10", "n2", "alpha", "zeta", "kilo", "Beta", "m", "q", "x_y", "oh", "delta"];

impl Spec {
    pub(super) fn throw(seed: u64) -> Self {
        let mut dice = Dice::of(seed, &["graph"]);
        let mut names = NAMES.map(str::to_owned);
        dice.shuffle(&mut names);
        let names = &names[..dice.below(6) + 2];
        let nodes: Vec<Node> = names.iter().map(|name| Node::throw(&mut dice, name, names)).collect();
        let from_start = [vec![START.to_owned()], names.to_vec()].concat();
        let mut edges = vec![(START.to_owned(), dice.pick(names).clone())];
        for from in &from_start {
            let most = if dice.percent(60) { 2 } else { 1 };
            edges.extend(dice.some(names, most).into_iter().map(|to| (from.clone(), to)));
        }
        if dice.percent(20) {
            edges.push((dice.pick(names).clone(), END.to_owned()));
        }
        let mut branches = Vec::new();
        for from in &from_start {
            if dice.percent(35) {
                branches.push(Branch { from: from.clone(), targets: dice.some(names, 3) });
            }
        }
        let mut spec = Self {
            seed,
            joins: joins(&mut dice, names),
            gates_before: if dice.percent(15) { dice.some(names, 2) } else { Vec::new() },
            gates_after: if dice.percent(15) { dice.some(names, 2) } else { Vec::new() },
            fields: fields(&mut dice),
            is_heavy: dice.percent(18),
            has_exits: dice.percent(20),
            nodes,
            edges,
            branches,
        };
        spec.branches.push(Branch { from: dice.pick(names).clone(), targets: names.to_vec() });
        spec
    }

    pub(super) fn node(&self, name: &str) -> &Node {
        self.nodes.iter().find(|node| node.name == name).expect("names come from the graph")
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.nodes.iter().map(|node| node.name.as_str()).collect()
    }

    pub(super) fn fields_of(&self, rules: &[Rule]) -> Vec<&str> {
        self.fields.iter().filter(|field| rules.contains(&field.rule)).map(|field| field.name.as_str()).collect()
    }

    pub(super) fn blank(&self) -> Fields {
        self.fields.iter().map(|field| (field.name.clone(), field.start.clone())).collect()
    }

    /// What scripts see of a state: all that is the same after a crash.
    pub(super) fn view<'a>(&self, fields: impl Iterator<Item = (&'a String, &'a Value)>) -> u64 {
        digest(fields.filter(|(name, _)| *name != DRAWN && !name.starts_with("untracked")))
    }

    /// The same graph for the engine.
    pub(super) fn plan(self: &Rc<Self>) -> Arc<Plan<Json>> {
        let mut graph = Graph::from_blank(self.json());
        for thrown in &self.nodes {
            let mut node = node(nothing).goto(&thrown.goto);
            if thrown.attempts_max > 1 {
                let retry = Retry::default().attempts_max(thrown.attempts_max).first(Duration::from_millis(8));
                node = node.retry(retry);
            }
            if let Some(handler) = &thrown.on_error {
                node = node.on_error(handler);
            }
            graph = graph.node(&thrown.name, if thrown.deferred { node.defer() } else { node });
        }
        for (from, to) in &self.edges {
            graph = graph.edge(from, to);
        }
        for (sources, target) in &self.joins {
            graph = graph.join(sources, target);
        }
        for (index, branch) in self.branches.iter().enumerate() {
            let chooser = Chooser::new(self, index);
            graph = graph.branch(&branch.from, &branch.targets, move |state: &Json| chooser.choose(state));
        }
        graph = self.gates_before.iter().fold(graph, |graph, node| graph.gate_before(node));
        graph = self.gates_after.iter().fold(graph, |graph, node| graph.gate_after(node));
        graph.unchecked()
    }

    fn json(&self) -> Json {
        let (custom, plain): (Vec<_>, Vec<_>) = self.fields.iter().partition(|field| field.rule == Rule::Custom);
        let plain = plain.into_iter().map(|field| (field.name.clone(), field.rule, field.start.clone()));
        let json = Json::new(plain).expect("the fields fit their rules");
        custom.into_iter().fold(json, |json, field| {
            let fold = |kept: &mut Value, written: Value| *kept = script::fold(kept, &written);
            json.custom(field.name.clone(), field.start.clone(), fold).expect("the name is free")
        })
    }
}

/// The engine runs no node here: the simulator acts in their place.
async fn nothing(_: Cx<Json>) -> Result<()> {
    Ok(())
}

/// A branch for the engine.
struct Chooser {
    seed: u64,
    index: usize,
    targets: Vec<String>,
}

impl Chooser {
    fn new(spec: &Spec, index: usize) -> Self {
        Self { seed: spec.seed, index, targets: spec.branches[index].targets.clone() }
    }

    fn choose(&self, state: &Json) -> Result<Vec<Goto>> {
        let object = state.object();
        let seen = digest(object.iter().filter(|(name, _)| *name != DRAWN && !name.starts_with("untracked")));
        let chosen = script::choose(self.seed, self.index, &self.targets, seen, object.get(COUNT));
        Ok(chosen.into_iter().map(script::Target::goto).collect())
    }
}

impl Node {
    fn throw(dice: &mut Dice, name: &str, names: &[String]) -> Self {
        let others: Vec<String> = names.iter().filter(|other| *other != name).cloned().collect();
        Self {
            name: name.to_owned(),
            deferred: dice.percent(15),
            attempts_max: if dice.percent(40) { 2 + u32::from(dice.percent(50)) } else { 1 },
            on_error: dice.percent(30).then(|| dice.pick(&others).clone()),
            goto: if dice.percent(50) { dice.some(names, 3) } else { Vec::new() },
        }
    }
}

fn joins(dice: &mut Dice, names: &[String]) -> Vec<(Vec<String>, String)> {
    let mut joins: Vec<(Vec<String>, String)> = Vec::new();
    for _ in 0..dice.below(3) {
        let mut sources = dice.some(names, 3);
        dice.shuffle(&mut sources);
        let target = dice.pick(names).clone();
        let is_new = joins.iter().all(|(others, other)| *other != target || *others != sources);
        if sources.len() > 1 && is_new {
            joins.push((sources, target));
        }
    }
    joins
}

fn fields(dice: &mut Dice) -> Vec<Field> {
    let field = |name: &str, rule, start| Field { name: name.to_owned(), rule, start };
    let mut fields = vec![
        field(COUNT, Rule::Sum, json!(0)),
        field(LOG, Rule::Append, json!([])),
        field(DRAWN, Rule::Append, json!([])),
    ];
    let others = [
        field("last 0", Rule::Last, json!(null)),
        field("last 1", Rule::Last, json!("begin")),
        field("list", Rule::Append, json!(["first"])),
        field("map", Rule::Merge, json!({"a": 0})),
        field("messages", Rule::Messages, json!([{"id": "0", "text": "hello"}])),
        field("greatest", Rule::Max, json!(null)),
        field("least", Rule::Min, json!(50)),
        field("real", Rule::Sum, json!(0.5)),
        field("fold", Rule::Custom, json!(7)),
        field("ephemeral 0", Rule::Ephemeral, json!("blank")),
        field("ephemeral 1", Rule::Ephemeral, json!(null)),
        field("untracked", Rule::Untracked, json!("never stored")),
    ];
    let is_rich = dice.percent(70);
    fields.extend(others.into_iter().filter(|_| dice.percent(if is_rich { 65 } else { 15 })));
    dice.shuffle(&mut fields);
    fields
}
