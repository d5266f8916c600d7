//! What nodes and branches do: functions of the seed, of who asks, of what it can see, and of nothing else.

use serde_json::{Map, Value, json};

use super::dice::{Dice, Hash};
use super::graph::{COUNT, LOG, Spec};
use crate::graph::{END, Goto};
use crate::state::{Json, Rule};

/// Where a task leads.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Target {
    Pull(String),
    Send(String, Value),
}

impl Target {
    pub(super) fn node(&self) -> &str {
        match self {
            Self::Pull(node) | Self::Send(node, _) => node,
        }
    }

    pub(super) fn goto(self) -> Goto {
        match self {
            Self::Pull(node) => Goto::from(node),
            Self::Send(node, input) => Goto::send(node, input),
        }
    }
}

/// Something that a node does before it returns.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Op {
    /// Draws a number by chance.
    Draw,
    /// Does something that must not happen twice.
    Effect(&'static str),
    /// Asks so many questions at once, and waits for all answers.
    Ask(usize),
}

/// What a node is going to do.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) ops: Vec<Op>,
    pub(super) fault: Option<Fault>,
}

/// How a node fails.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    /// After so many of its operations.
    pub(super) after: usize,
    pub(super) retryable: bool,
    /// So many attempts of one run of it, or so many in all, if the world may heal.
    pub(super) times: u32,
}

/// What a node returns.
#[derive(Debug, Clone)]
pub(super) struct Returned {
    pub(super) updates: Vec<Value>,
    pub(super) targets: Vec<Target>,
}

/// Who does something: the node, what it sees of the state, what it was sent, and whether in the place of another.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    pub(super) node: String,
    pub(super) seen: u64,
    pub(super) input: Option<Value>,
    pub(super) failed: Option<String>,
}

impl Actor {
    fn dice(&self, seed: u64, what: &str) -> Dice {
        let mut hash = Hash::default();
        if let Some(input) = &self.input {
            hash.value(input);
        }
        let (seen, input) = (self.seen.to_string(), hash.end().to_string());
        Dice::of(seed, &[what, &self.node, &seen, &input, self.failed.as_deref().unwrap_or("")])
    }

    pub(super) fn part(&self, spec: &Spec) -> Part {
        let mut dice = self.dice(spec.seed, "part");
        let mut ops = Vec::new();
        for _ in 0..dice.below(4) {
            let op = match dice.below(10) {
                0..=2 => Op::Draw,
                3..=7 => Op::Effect(dice.pick::<&str>(&["pay", "mail"])),
                _ => Op::Ask(1 + dice.below(2)),
            };
            // Questions are what holds a run up most.
            if !matches!(op, Op::Ask(_)) || dice.percent(60) {
                ops.push(op);
            }
        }
        let mut fault = dice.percent(25).then(|| Fault {
            after: dice.below(ops.len() + 1),
            retryable: dice.percent(70),
            times: 1 + u32::from(dice.percent(40)) + u32::from(dice.percent(15)) * 5,
        });
        if spec.has_exits {
            fault = fault.and_then(|fault| self.steady(spec, fault));
        }
        Part { ops, fault }
    }

    /// A fault that comes in the same way when the node runs again: for good, or less often than it is tried.
    fn steady(&self, spec: &Spec, fault: Fault) -> Option<Fault> {
        let node = spec.node(&self.node);
        let (is_handled, is_retried) = (node.on_error.is_some() && self.failed.is_none(), node.attempts_max > 1);
        match (is_handled, is_retried) {
            (_, true) if fault.times == 1 || !is_handled => Some(Fault { retryable: true, times: 1, ..fault }),
            (true, _) => Some(Fault { times: u32::MAX, ..fault }),
            (false, _) => None,
        }
    }

    /// What it returns when it was given these answers and results.
    pub(super) fn returns(&self, spec: &Spec, state: &Json, given: &[Value]) -> Returned {
        let mut hash = Hash::default();
        given.iter().for_each(|value| hash.value(value));
        let mut dice = self.dice(spec.seed, &format!("returns {}", hash.end()));
        let updates = match dice.below(20) {
            0 => 0,
            1 | 2 => 2,
            _ => 1,
        };
        let updates = (0..updates).map(|index| self.update(spec, state, &mut dice, index)).collect();
        let mut targets = Vec::new();
        let node = spec.node(&self.node);
        let (is_small, is_large) = (counted(state.get(COUNT)) < 12, counted(state.get(COUNT)) > 40);
        for name in dice.some(&node.goto, if is_large { 1 } else { 3 }) {
            let is_sent = is_small && dice.percent(40);
            targets.push(if is_sent { Target::Send(name, json!(dice.below(9))) } else { Target::Pull(name) });
        }
        if dice.percent(2) {
            targets.push(Target::Pull(dice.pick(&[END, "undeclared"]).to_string()));
        }
        Returned { updates, targets }
    }

    fn update(&self, spec: &Spec, state: &Json, dice: &mut Dice, index: usize) -> Value {
        let mut set = Map::new();
        let mut replace = Map::new();
        if index == 0 {
            set.insert(COUNT.to_owned(), json!(1));
        }
        let pad = if spec.is_heavy { "x".repeat(4000) } else { String::new() };
        set.insert(LOG.to_owned(), json!([format!("{} {}{pad}", self.node, dice.below(100))]));
        for field in &spec.fields {
            let n = dice.below(100);
            let value = match field.rule {
                Rule::Last | Rule::Untracked | Rule::Ephemeral if n < 9 => json!(n * 7),
                Rule::Append if n < 25 && field.name == "list" => json!([n, self.node]),
                Rule::Merge if n < 30 => json!({ *dice.pick(&["a", "b", "c"]): n }),
                Rule::Messages if n < 30 => messages(state.get(&field.name), dice, index == 0),
                Rule::Max | Rule::Min if n < 4 => Value::Null,
                Rule::Max | Rule::Min if n < 30 => json!(dice.below(100)),
                Rule::Sum if n < 25 && field.name != COUNT => json!(f64::from(u32::try_from(n).unwrap_or(0)) / 4.0),
                Rule::Custom if n < 40 => json!([n]),
                _ => continue,
            };
            set.insert(field.name.clone(), value);
        }
        for name in spec.fields_of(&[Rule::Append, Rule::Merge]) {
            if dice.percent(3) && (name == "list" || name == "map") {
                let whole = if name == "list" { json!(["anew"]) } else { json!({"anew": 1}) };
                replace.insert(name.to_owned(), whole);
            }
        }
        // What is heavy and does not stay makes snapshots worth their bytes.
        if spec.is_heavy && index == 0 && state.get(LOG).and_then(Value::as_array).is_some_and(|log| log.len() > 4) {
            replace.insert(LOG.to_owned(), json!([]));
        }
        if !replace.is_empty() {
            set.insert("$replace".to_owned(), Value::Object(replace));
        }
        Value::Object(set)
    }
}

/// Edits of messages, which never remove what is not there.
fn messages(kept: Option<&Value>, dice: &mut Dice, is_first: bool) -> Value {
    let ids: Vec<&str> =
        kept.and_then(Value::as_array).into_iter().flatten().filter_map(|message| message["id"].as_str()).collect();
    let text = dice.below(100);
    json!([match dice.below(6) {
        0 if !ids.is_empty() && is_first => json!({"$remove": dice.pick(&ids)}),
        1 => json!({"$clear": true}),
        2 | 3 if !ids.is_empty() => json!({"id": dice.pick(&ids), "text": text}),
        _ => json!({"text": text}),
    }])
}

fn counted(count: Option<&Value>) -> u64 {
    count.and_then(Value::as_u64).unwrap_or(0)
}

/// Where a branch goes.
pub(super) fn choose(seed: u64, index: usize, targets: &[String], seen: u64, count: Option<&Value>) -> Vec<Target> {
    let mut dice = Dice::of(seed, &["branch", &index.to_string(), &seen.to_string()]);
    let count = counted(count);
    if count > 60 || dice.percent(if count > 40 { 75 } else { 12 }) {
        return vec![Target::Pull(END.to_owned())];
    }
    let mut chosen = Vec::new();
    for name in dice.some(targets, if count > 30 { 1 } else { 2 }) {
        let is_sent = count < 15 && dice.percent(25);
        let times = if is_sent { 1 + dice.below(2) } else { 1 };
        for _ in 0..times {
            let input = json!({ "n": dice.below(5) });
            chosen.push(if is_sent { Target::Send(name.clone(), input) } else { Target::Pull(name.clone()) });
        }
    }
    chosen
}

/// The function of the fields with a rule of their own: order shows in it.
pub(super) fn fold(kept: &Value, written: &Value) -> Value {
    let mut hash = Hash::default();
    hash.value(written);
    json!((kept.as_u64().unwrap_or(0) * 31 + hash.end() % 1000) % 1_000_003)
}

/// The answer to a question.
pub(super) fn answer(seed: u64, id: &str) -> Value {
    json!(Dice::of(seed, &["answer", id]).below(1000))
}
