//! Which JSON fits which rule: as the value that a field keeps, as what a node writes, and as what replaces all of it.
//! Each question is answered with what is wrong, in words that fit into a longer sentence.

use serde_json::Value;

use super::update::{CLEAR, REMOVE};
use crate::state::{Identified, Rule};

/// Says why a field with this rule cannot keep a value, if it cannot.
pub(super) fn kept_fault(rule: Rule, value: &Value) -> Option<String> {
    let needs = match (rule, value) {
        (Rule::Append, Value::Array(_)) | (Rule::Merge, Value::Object(_)) => return None,
        (Rule::Sum | Rule::Max | Rule::Min, Value::Number(_) | Value::Null) => return None,
        (Rule::Messages, Value::Array(messages)) => return messages.iter().find_map(message_fault),
        (Rule::Last | Rule::Custom | Rule::Untracked | Rule::Ephemeral, _) => return None,
        (Rule::Append | Rule::Messages, _) => "an array",
        (Rule::Merge, _) => "an object",
        (Rule::Sum | Rule::Max | Rule::Min, _) => "a number or null",
    };
    Some(format!("{}, but the rule `{rule}` keeps {needs}", kind(value)))
}

/// Says why a node cannot write a value to a field with this rule, if it cannot.
pub(super) fn write_fault(field: &str, rule: Rule, value: &Value) -> Option<String> {
    let takes = match (rule, value) {
        (Rule::Append, Value::Array(_)) | (Rule::Merge, Value::Object(_)) | (Rule::Sum, Value::Number(_)) => {
            return None;
        }
        (Rule::Max | Rule::Min, Value::Number(_) | Value::Null) => return None,
        (Rule::Messages, Value::Array(edits)) => {
            let fault = edits.iter().find_map(edit_fault)?;
            return Some(format!("wrote `{field}` with {fault}"));
        }
        (Rule::Last | Rule::Custom | Rule::Untracked | Rule::Ephemeral, _) => return None,
        (Rule::Append, _) => "an array of what is added",
        (Rule::Merge, _) => "an object of what is put into it",
        (Rule::Sum, _) => "a number",
        (Rule::Max | Rule::Min, _) => "a number or null",
        (Rule::Messages, _) => "an array of messages",
    };
    Some(format!("wrote {} to `{field}`, whose rule `{rule}` takes {takes}", kind(value)))
}

/// Says why a node cannot replace all of a field with this rule, if it cannot.
pub(super) fn replacement_fault(field: &str, rule: Rule, whole: &Value) -> Option<String> {
    match rule {
        Rule::Append | Rule::Merge => {
            let fault = kept_fault(rule, whole)?;
            Some(format!("replaced `{field}` with {fault}"))
        }
        Rule::Messages => Some(format!(
            "replaced `{field}`, whose rule is `{rule}`; write `{{\"{CLEAR}\": true}}` before what is put"
        )),
        Rule::Last | Rule::Max | Rule::Min | Rule::Sum | Rule::Custom | Rule::Untracked | Rule::Ephemeral => {
            Some(format!("replaced `{field}`, whose rule is `{rule}`; only `append` and `merge` have a replacement"))
        }
    }
}

/// Tells whether this is a message that still needs an id.
pub(super) fn is_nameless(value: &Value) -> bool {
    let is_edit = value.get(REMOVE).is_some() || value.get(CLEAR).is_some();
    value.is_object() && !is_edit && value.get("id").is_none_or(Value::is_null)
}

fn edit_fault(value: &Value) -> Option<String> {
    let is_alone = value.as_object().is_some_and(|members| members.len() == 1);
    if let Some(id) = value.get(REMOVE) {
        let is_right = is_alone && id.is_string();
        return (!is_right).then(|| format!("a removal that is not of the form `{{\"{REMOVE}\": \"id\"}}`"));
    }
    if let Some(clear) = value.get(CLEAR) {
        let is_right = is_alone && clear == &Value::Bool(true);
        return (!is_right).then(|| format!("a clearance that is not of the form `{{\"{CLEAR}\": true}}`"));
    }
    message_fault(value)
}

fn message_fault(value: &Value) -> Option<String> {
    if !value.is_object() {
        return Some(format!("{} in it, but a message is an object", kind(value)));
    }
    let is_right = value.id().is_some() || value.get("id").is_none_or(Value::is_null);
    (!is_right).then(|| "a message in it whose `id` is no string".to_owned())
}

/// Names the kind of a value.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
