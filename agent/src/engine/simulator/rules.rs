//! The rules of a state once more, written for the reference: plainly, on JSON, and with nothing from `state`.

use lorewell_model::Kind;
use serde_json::{Value, json};

use super::graph::{Fields, Spec};
use super::script;
use crate::state::Rule;

/// What one task wrote: its place among the tasks, and an update.
pub(super) type Write = (usize, Value);

/// Applies the writes of one superstep.
pub(super) fn apply(spec: &Spec, state: &mut Fields, writes: &[Write]) -> Result<(), Kind> {
    for field in &spec.fields {
        let name = &field.name;
        let set: Vec<(usize, &Value)> =
            writes.iter().filter_map(|(task, update)| Some((*task, update.get(name)?))).collect();
        let value = state.get_mut(name).expect("the state has all fields");
        match field.rule {
            Rule::Last | Rule::Untracked => {
                if let Some(only) = one(&set)? {
                    *value = only;
                }
            }
            Rule::Ephemeral => *value = one(&set)?.unwrap_or_else(|| field.start.clone()),
            Rule::Append | Rule::Merge => *value = collect(name, value, writes)?,
            Rule::Messages => {
                for (_, edits) in set {
                    for edit in edits.as_array().expect("scripts write lists of messages") {
                        *value = edited(value, edit)?;
                    }
                }
            }
            Rule::Max => *value = extreme(value, &set, |kept, written| written > kept),
            Rule::Min => *value = extreme(value, &set, |kept, written| written < kept),
            Rule::Sum => *value = set.iter().fold(value.clone(), |sum, (_, written)| add(&sum, written)),
            Rule::Custom => *value = set.iter().fold(value.clone(), |kept, (_, written)| script::fold(&kept, written)),
        }
    }
    Ok(())
}

/// The one value that was written, by whichever task.
fn one(set: &[(usize, &Value)]) -> Result<Option<Value>, Kind> {
    let Some((first, _)) = set.first() else { return Ok(None) };
    if set.iter().any(|(task, _)| task != first) {
        return Err(Kind::Conflict);
    }
    Ok(set.last().map(|(_, value)| (*value).clone()))
}

/// What becomes of a list or a map: whoever replaces it comes first, whoever adds comes after, but for what the replacing
/// task added before.
fn collect(name: &str, kept: &Value, writes: &[Write]) -> Result<Value, Kind> {
    let replaces = |update: &Value| update.get("$replace").and_then(|replace| replace.get(name)).cloned();
    let replacing: Vec<(usize, usize, Value)> = writes
        .iter()
        .enumerate()
        .filter_map(|(place, (task, update))| Some((place, *task, replaces(update)?)))
        .collect();
    let mut whole = kept.clone();
    let mut skipped = Vec::new();
    if let Some((place, task, replacement)) = replacing.last() {
        if replacing.iter().any(|(_, other, _)| other != task) {
            return Err(Kind::Conflict);
        }
        whole = replacement.clone();
        skipped = (0..*place).filter(|earlier| writes[*earlier].0 == *task).collect();
        // What the replacing update itself adds stands right behind the replacement.
        join(&mut whole, writes[*place].1.get(name));
        skipped.push(*place);
    }
    for (place, (_, update)) in writes.iter().enumerate() {
        if !skipped.contains(&place) {
            join(&mut whole, update.get(name));
        }
    }
    Ok(whole)
}

fn join(whole: &mut Value, added: Option<&Value>) {
    match (whole, added) {
        (Value::Array(items), Some(Value::Array(added))) => items.extend(added.iter().cloned()),
        (Value::Object(members), Some(Value::Object(added))) => {
            members.extend(added.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        (_, None) => {}
        (whole, added) => panic!("cannot add {added:?} to {whole}"),
    }
}

fn edited(messages: &Value, edit: &Value) -> Result<Value, Kind> {
    let mut messages = messages.as_array().expect("messages are a list").clone();
    if edit.get("$clear").is_some() {
        return Ok(json!([]));
    }
    let (id, is_removed) = match edit.get("$remove") {
        Some(id) => (id, true),
        None => (&edit["id"], false),
    };
    let place = messages.iter().position(|message| message["id"] == *id);
    match (place, is_removed) {
        (Some(place), true) => drop(messages.remove(place)),
        (None, true) => return Err(Kind::BadInput),
        (Some(place), false) => messages[place] = edit.clone(),
        (None, false) => messages.push(edit.clone()),
    }
    Ok(Value::Array(messages))
}

fn extreme(kept: &Value, set: &[(usize, &Value)], is_better: impl Fn(i64, i64) -> bool) -> Value {
    let candidates = set.iter().filter_map(|(_, written)| written.as_i64());
    let best = candidates.fold(kept.as_i64(), |best, written| match best {
        Some(best) if !is_better(best, written) => Some(best),
        _ => Some(written),
    });
    json!(best)
}

fn add(sum: &Value, written: &Value) -> Value {
    match (sum.as_i64(), written.as_i64()) {
        (Some(sum), Some(written)) => json!(sum + written),
        _ => json!(sum.as_f64().expect("a sum is a number") + written.as_f64().expect("scripts add numbers")),
    }
}

/// An update as it is stored.
pub(super) fn tracked(spec: &Spec, update: &Value) -> Value {
    let mut update = update.clone();
    for name in spec.fields_of(&[Rule::Untracked]) {
        update.as_object_mut().expect("updates are objects").remove(name);
    }
    update
}

/// A state as it is read back.
pub(super) fn forget(spec: &Spec, state: &mut Fields) {
    for field in spec.fields.iter().filter(|field| field.rule == Rule::Untracked) {
        state.insert(field.name.clone(), field.start.clone());
    }
}
