//! W4: fifteen fields with seven rules, two nodes side by side and a join, in a loop that grows four lists. The
//! documents in the lists are shared, as Python shares them.

use std::collections::BTreeMap;
use std::sync::Arc;

use lorewell_agent::{Cx, END, Graph, Result, State};
use serde_json::Value;

use crate::inputs::{Letters, document};
use crate::lorewell::{self, Store};
use crate::measure::Workload;
use crate::variant::Variant;

type Doc = Arc<BTreeMap<String, Arc<Value>>>;

#[derive(Clone, Default, State)]
struct Desk {
    #[reduce(append)]
    messages: Vec<Doc>,
    #[reduce(append)]
    trigger_events: Vec<Doc>,
    #[reduce(with = non_empty)]
    primary_issue_medium: String,
    autoresponse: Option<Doc>,
    #[reduce(with = some)]
    issue: Option<Doc>,
    relevant_rules: Vec<Doc>,
    memory_docs: Vec<Doc>,
    #[reduce(append)]
    categorizations: Vec<Doc>,
    #[reduce(append)]
    responses: Vec<Doc>,
    #[reduce(with = some)]
    user_info: Option<Doc>,
    #[reduce(with = some)]
    crm_info: Option<Doc>,
    #[reduce(with = some)]
    email_thread_id: Option<String>,
    #[reduce(merge)]
    slack_participants: BTreeMap<String, Arc<Value>>,
    bot_id: Option<String>,
    #[reduce(merge)]
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

/// The size of a case: objects and lists of the first document, length of strings and of the messages at which the loop
/// ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Objects in the document.
    pub(crate) outer: usize,
    /// Lists in each of them.
    pub(crate) inner: usize,
    /// Characters of a string, and messages to exceed.
    pub(crate) length: usize,
}

impl Size {
    /// Rounds through the loop: each turns the numbers of messages 1, 2, 6, 19, 60, 189, 595, 1873 into the next.
    fn rounds(self) -> usize {
        [2, 6, 19, 60, 189, 595, 1873].iter().position(|messages| *messages > self.length).map_or(7, |at| at + 1)
    }

    /// Supersteps of a run: five of each round.
    pub(crate) fn supersteps(self) -> u64 {
        5 * u64::try_from(self.rounds()).expect("at most seven")
    }

    /// Lengths at the end: messages, trigger events and documents in memory, categorizations and responses.
    pub(crate) fn lengths(self) -> [usize; 5] {
        match self.rounds() {
            7 => [1873, 872, 872, 1278, 1278],
            _ => [595, 277, 277, 406, 406],
        }
    }
}

/// Makes the workload of a size.
pub(crate) fn workload(size: Size, variant: Variant) -> Result<impl Workload<Store = Store>> {
    let word = move |seed: usize| Letters::new(u64::try_from(seed).expect("a length")).word(size.length);
    let one = move |cx: Cx<Desk>| {
        let messages = &cx.state().messages;
        let update = Desk::update().trigger_events(messages.clone()).primary_issue_medium(word(messages.len()));
        async { Ok(update) }
    };
    let five = move |cx: Cx<Desk>| {
        let last = cx.state().categorizations.last().cloned().expect("four has written some");
        let members = || last.iter().map(|(name, value)| (name.clone(), value.clone()));
        let update = Desk::update()
            .user_info(last.clone())
            .crm_info(last.clone())
            .email_thread_id(word(1))
            .slack_participants(members())
            .bot_id(word(2))
            .notified_assignees(members());
        async { Ok(update) }
    };
    let flow = Graph::<Desk>::new()
        .node("one", one)
        .node("two", two)
        .node("three", three)
        .node("four", four)
        .node("five", five)
        .node("six", six)
        .start("one")
        .edge("one", "two")
        .edge("two", "three")
        .edge("two", "four")
        .join(["three", "four"], "five")
        .edge("five", "six")
        .branch("six", ["one", END], move |desk: &Desk| if desk.messages.len() > size.length { END } else { "one" })
        .build()?;
    let input = Desk { messages: vec![first(size)], ..Desk::default() };
    Ok(lorewell::Graph {
        flow,
        input: input.into(),
        supersteps: size.supersteps(),
        graphs: 1,
        check: Box::new(move |desk| check(desk, size)),
        variant,
    })
}

fn first(size: Size) -> Doc {
    let Value::Object(members) = document(size.outer, size.inner) else { unreachable!("documents are objects") };
    Arc::new(members.into_iter().map(|(name, value)| (name, Arc::new(value))).collect())
}

async fn two(cx: Cx<Desk>) -> Result<DeskUpdate> {
    let last = cx.state().trigger_events.last().cloned();
    Ok(Desk::update().autoresponse(last.clone()).issue(last))
}

async fn three(cx: Cx<Desk>) -> Result<DeskUpdate> {
    Ok(Desk::update().relevant_rules(cx.state().autoresponse.iter().cloned().collect::<Vec<_>>()))
}

async fn four(cx: Cx<Desk>) -> Result<DeskUpdate> {
    let events = &cx.state().trigger_events;
    Ok(Desk::update().categorizations(events.clone()).responses(events.clone()).memory_docs(events.clone()))
}

async fn six(cx: Cx<Desk>) -> Result<DeskUpdate> {
    Ok(Desk::update().messages(cx.state().responses.clone()))
}

fn check(desk: &Desk, size: Size) -> Result<(), String> {
    let lengths = [
        desk.messages.len(),
        desk.trigger_events.len(),
        desk.memory_docs.len(),
        desk.categorizations.len(),
        desk.responses.len(),
    ];
    match lengths == size.lengths() && desk.notified_assignees.len() == size.outer {
        true => Ok(()),
        false => Err(format!("lists of {lengths:?} elements instead of {:?}", size.lengths())),
    }
}
