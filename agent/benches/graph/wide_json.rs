//! W4 again on a state of JSON, whose fields are known only at run time: what a graph read from a file runs on.

use lorewell_agent::{Cx, END, Graph, Json, JsonUpdate, Result, Rule};
use serde_json::{Value, json};

use crate::inputs::{Letters, document};
use crate::lorewell::{self, Store};
use crate::measure::Workload;
use crate::variant::Variant;
use crate::wide::Size;

const LISTS: [&str; 6] =
    ["messages", "trigger_events", "relevant_rules", "memory_docs", "categorizations", "responses"];
const OBJECTS: [&str; 6] =
    ["autoresponse", "issue", "user_info", "crm_info", "slack_participants", "notified_assignees"];

fn blank() -> Result<Json> {
    let empty = |value: &Value| value.is_null() || value == "";
    let non_empty = move |kept: &mut Value, written: Value| {
        if !empty(&written) {
            *kept = written;
        }
    };
    Json::new([
        ("messages", Rule::Append, json!([])),
        ("trigger_events", Rule::Append, json!([])),
        ("autoresponse", Rule::Last, json!(null)),
        ("relevant_rules", Rule::Last, json!([])),
        ("memory_docs", Rule::Last, json!([])),
        ("categorizations", Rule::Append, json!([])),
        ("responses", Rule::Append, json!([])),
        ("slack_participants", Rule::Merge, json!({})),
        ("bot_id", Rule::Last, json!(null)),
        ("notified_assignees", Rule::Merge, json!({})),
    ])?
    .custom("primary_issue_medium", json!("email"), non_empty)?
    .custom("issue", json!(null), non_empty)?
    .custom("user_info", json!(null), non_empty)?
    .custom("crm_info", json!(null), non_empty)?
    .custom("email_thread_id", json!(null), non_empty)
}

/// Writes what is read to each field, in the form of that field.
fn write(cx: &Cx<Json>, read: &str, fields: &[&str], length: usize) -> JsonUpdate {
    let value = cx.state().get(read).cloned().unwrap_or_default();
    let list = match value {
        Value::Array(list) => list,
        single => vec![single],
    };
    let mut letters = Letters::new(u64::try_from(list.len()).expect("a length"));
    let mut update = JsonUpdate::new();
    for field in fields {
        update = match field {
            field if LISTS.contains(field) => update.set(*field, list.clone()),
            field if OBJECTS.contains(field) => update.set(*field, list.last().cloned().unwrap_or_default()),
            field => update.set(*field, letters.word(length)),
        };
    }
    update
}

/// Makes the workload of a size.
pub(crate) fn workload(size: Size, variant: Variant) -> Result<impl Workload<Store = Store>> {
    let node = |read: &'static str, fields: &'static [&'static str]| {
        move |cx: Cx<Json>| {
            let update = write(&cx, read, fields, size.length);
            async { Ok(update) }
        }
    };
    let messages = |state: &Json| length(state, "messages");
    let five = &["user_info", "crm_info", "email_thread_id", "slack_participants", "bot_id", "notified_assignees"];
    let flow = Graph::from_blank(blank()?)
        .node("one", node("messages", &["trigger_events", "primary_issue_medium"]))
        .node("two", node("trigger_events", &["autoresponse", "issue"]))
        .node("three", node("autoresponse", &["relevant_rules"]))
        .node("four", node("trigger_events", &["categorizations", "responses", "memory_docs"]))
        .node("five", node("categorizations", five))
        .node("six", node("responses", &["messages"]))
        .start("one")
        .edge("one", "two")
        .edge("two", "three")
        .edge("two", "four")
        .join(["three", "four"], "five")
        .edge("five", "six")
        .branch("six", ["one", END], move |state: &Json| if messages(state) > size.length { END } else { "one" })
        .build()?;
    let input = JsonUpdate::new().set("messages", json!([document(size.outer, size.inner)])).into();
    Ok(lorewell::Graph {
        flow,
        input,
        supersteps: size.supersteps(),
        graphs: 1,
        check: Box::new(move |state| check(state, size)),
        variant,
    })
}

fn length(state: &Json, field: &str) -> usize {
    state.get(field).and_then(Value::as_array).map_or(0, Vec::len)
}

fn check(state: &Json, size: Size) -> Result<(), String> {
    let lengths = ["messages", "trigger_events", "memory_docs", "categorizations", "responses"];
    let lengths = lengths.map(|field| length(state, field));
    match lengths == size.lengths() {
        true => Ok(()),
        false => Err(format!("lists of {lengths:?} elements instead of {:?}", size.lengths())),
    }
}
