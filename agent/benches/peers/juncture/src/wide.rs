//! W4: fifteen fields, two nodes side by side and a join, in a loop that grows four lists.

use std::collections::BTreeMap;
use std::sync::Arc;

use juncture_core::node::NodeFnUpdate;
use juncture_core::{END, PathMap, StateGraph};
use juncture_derive::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::inputs::{Letters, document};
use crate::juncture::{Graph, router};
use crate::measure::{Outcome, Workload};

type Doc = Arc<BTreeMap<String, Arc<Value>>>;

#[derive(State, Clone, Debug, Default, Serialize, Deserialize)]
struct Desk {
    #[reducer(append)]
    messages: Vec<Doc>,
    #[reducer(append)]
    trigger_events: Vec<Doc>,
    #[reducer(custom = non_empty)]
    primary_issue_medium: String,
    autoresponse: Option<Doc>,
    #[reducer(custom = some)]
    issue: Option<Doc>,
    relevant_rules: Vec<Doc>,
    memory_docs: Vec<Doc>,
    #[reducer(append)]
    categorizations: Vec<Doc>,
    #[reducer(append)]
    responses: Vec<Doc>,
    #[reducer(custom = some)]
    user_info: Option<Doc>,
    #[reducer(custom = some)]
    crm_info: Option<Doc>,
    #[reducer(custom = some)]
    email_thread_id: Option<String>,
    #[reducer(append)]
    slack_participants: BTreeMap<String, Arc<Value>>,
    bot_id: Option<String>,
    #[reducer(append)]
    notified_assignees: BTreeMap<String, Arc<Value>>,
}

fn non_empty(value: &mut String, written: String) {
    if !written.is_empty() {
        *value = written;
    }
}

fn some<T>(value: &mut Option<T>, written: Option<T>) {
    if written.is_some() {
        *value = written;
    }
}

/// Makes the workload of a size, such as `25x300`.
pub(crate) fn workload(size: &str, variant: &str) -> Outcome<impl Workload> {
    let (values, length) = size.split_once('x').ok_or("a size is values and length")?;
    let (values, length): (usize, usize) = (values.parse()?, length.parse()?);
    let inner = if values == 25 { 5 } else { 3 };
    let Value::Object(members) = document(values / inner, inner) else { return Err("documents are objects".into()) };
    let first: Doc = Arc::new(members.into_iter().map(|(name, value)| (name, Arc::new(value))).collect());
    let graph = graph(length)?;
    let input = Desk { messages: vec![first], ..Desk::default() };
    let (supersteps, lengths) = match length {
        300 => (30, [595, 277, 277, 406, 406]),
        _ => (35, [1873, 872, 872, 1278, 1278]),
    };
    let check = move |desk: &Desk| {
        let lists = [&desk.messages, &desk.trigger_events, &desk.memory_docs, &desk.categorizations, &desk.responses];
        let found = lists.map(Vec::len);
        if found == lengths { Ok(()) } else { Err(format!("lists of {found:?} elements instead of {lengths:?}")) }
    };
    Ok(Graph { graph, input, supersteps, check: Box::new(check), variant: variant.to_owned() })
}

fn graph(length: usize) -> Outcome<StateGraph<Desk>> {
    let mut graph = StateGraph::<Desk>::new();
    let mut node = |name: &str, update: Box<dyn Fn(&Desk) -> DeskUpdate + Send + Sync>| {
        let node = NodeFnUpdate(move |desk: &Desk| {
            let update = update(desk);
            async { Ok(update) }
        });
        graph.add_node_simple(name, node).map(drop)
    };
    node(
        "one",
        Box::new(move |desk| DeskUpdate {
            trigger_events: Some(desk.messages.clone()),
            primary_issue_medium: Some(Letters::new(desk.messages.len() as u64).word(length)),
            ..DeskUpdate::default()
        }),
    )?;
    node(
        "two",
        Box::new(|desk| DeskUpdate {
            autoresponse: Some(desk.trigger_events.last().cloned()),
            issue: Some(desk.trigger_events.last().cloned()),
            ..DeskUpdate::default()
        }),
    )?;
    node(
        "three",
        Box::new(|desk| DeskUpdate {
            relevant_rules: Some(desk.autoresponse.iter().cloned().collect()),
            ..DeskUpdate::default()
        }),
    )?;
    node(
        "four",
        Box::new(|desk| DeskUpdate {
            categorizations: Some(desk.trigger_events.clone()),
            responses: Some(desk.trigger_events.clone()),
            memory_docs: Some(desk.trigger_events.clone()),
            ..DeskUpdate::default()
        }),
    )?;
    node("five", Box::new(move |desk| five(desk, length)))?;
    node("six", Box::new(|desk| DeskUpdate { messages: Some(desk.responses.clone()), ..DeskUpdate::default() }))?;
    graph.set_entry_point("one");
    // Three and four always run side by side, so two arrows are the join.
    for (from, to) in
        [("one", "two"), ("two", "three"), ("two", "four"), ("three", "five"), ("four", "five"), ("five", "six")]
    {
        graph.add_edge(from, to);
    }
    let route = router(move |desk: &Desk| if desk.messages.len() > length { END } else { "one" });
    graph.add_conditional_edges("six", route, PathMap::from([("one", "one"), (END, END)].as_slice()));
    Ok(graph)
}

fn five(desk: &Desk, length: usize) -> DeskUpdate {
    let last = desk.categorizations.last().cloned();
    let members: BTreeMap<_, _> =
        last.iter().flat_map(|last| last.iter()).map(|(name, value)| (name.clone(), value.clone())).collect();
    DeskUpdate {
        user_info: Some(last.clone()),
        crm_info: Some(last),
        email_thread_id: Some(Some(Letters::new(1).word(length))),
        slack_participants: Some(members.clone()),
        bot_id: Some(Some(Letters::new(2).word(length))),
        notified_assignees: Some(members),
        ..DeskUpdate::default()
    }
}
