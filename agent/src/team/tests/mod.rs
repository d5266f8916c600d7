//! Teams of scripted agents.

use std::collections::BTreeSet;

use lorewell_model::mock::Script;
use lorewell_model::{Access, Budget, Kind, Message, Model, Origin, Part, Role, ToolCall, ToolError, ToolOutput, tool};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::agent::Agent;
use crate::checkpoint::Memory;
use crate::cx::Cx;
use crate::graph::{END, Graph};

/// An agent that says these things one after the other.
fn says(name: &str, texts: &[&str]) -> (Agent, Script) {
    scripted(name, texts.iter().map(|text| Message::assistant(*text)))
}

fn scripted(name: &str, answers: impl IntoIterator<Item = Message>) -> (Agent, Script) {
    let script = Script::new(answers);
    (Agent::new(Model::new("mock:script".parse().unwrap(), script.clone())).name(name), script)
}

fn call(name: &str, arguments: &Value) -> Message {
    Message::new(Role::Assistant, [Part::ToolCall(ToolCall::new("1", name, arguments))])
}

/// What an agent was shown, each message with who says it.
fn shown(script: &Script, at: usize) -> Vec<(Role, String)> {
    script.asked()[at].messages.iter().map(|message| (message.role, message.text().into_owned())).collect()
}

async fn talk(graph: Graph<Talk>, task: &str) -> Talk {
    graph.build().unwrap().run(Talk::say(task)).await.unwrap().done().unwrap()
}

fn user(text: &str) -> (Role, String) {
    (Role::User, text.to_owned())
}

#[derive(Deserialize, JsonSchema)]
struct Note {
    text: String,
}

#[tokio::test]
async fn one_after_the_other_hears_what_was_said_before() {
    let ((a, _), (b, heard)) = (says("a", &["one"]), says("b", &["two"]));
    let talk = talk(sequential([a, b]).unwrap(), "count").await;
    assert_eq!(talk.said, [Said::new("person", "count"), Said::new("a", "one"), Said::new("b", "two")]);
    assert_eq!(shown(&heard, 0), [user("count\n\n[a] one")]);
    assert_eq!(talk.text(), "two");
}

#[tokio::test]
async fn side_by_side_they_hear_only_the_task() {
    let ((a, x), (b, y), (c, merged)) = (says("a", &["one"]), says("b", &["two"]), says("c", &["both"]));
    let talk = talk(parallel([a, b], c).unwrap(), "count").await;
    assert_eq!(shown(&x, 0), [user("count")]);
    assert_eq!(shown(&y, 0), [user("count")]);
    let (_, told) = &shown(&merged, 0)[0];
    assert!(told.starts_with("count\n\n[a] one\n\n[b] two\n\nMake one answer"), "{told}");
    assert_eq!(talk.text(), "both");
}

#[tokio::test]
async fn a_supervisor_hands_out_work_to_members_and_teams() {
    let order = |next: &str, words: &str| Message::assistant(json!({"next": next, "words": words}).to_string());
    let (cook, cooked) = says("cook", &["soup"]);
    let ((x, _), (y, _)) = (says("x", &["draft"]), says("y", &["letter"]));
    let office = sequential([x, y]).unwrap().build().unwrap();
    // A member that is not there is sent back.
    let orders = [order("nobody", "?"), order("office", "write"), order("cook", "cook"), order("done", "all there")];
    let (chief, asked) = scripted("chief", orders);
    let members = [Member::new(cook, "cooks"), Member::team("office", "writes", office)];
    let talk = talk(supervisor(&chief, members).unwrap(), "lunch and a letter").await;
    let said: Vec<_> = talk.since_task().iter().map(|said| (&*said.by, &*said.text)).collect();
    let expected = [
        ("chief", "@office write"),
        ("office", "letter"),
        ("chief", "@cook cook"),
        ("cook", "soup"),
        ("chief", "all there"),
    ];
    assert_eq!(said, expected);
    assert_eq!(talk.text(), "all there");
    assert!(shown(&asked, 0)[0].1.contains("- cook: cooks\n- office: writes"), "{:?}", shown(&asked, 0));
    assert!(shown(&cooked, 0)[0].1.ends_with("[chief] @cook cook"), "{:?}", shown(&cooked, 0));
}

#[tokio::test]
async fn a_supervisor_that_never_ends_is_told_to_and_then_stopped() {
    let order = json!({"next": "cook", "words": "more"}).to_string();
    let orders: Vec<&str> = std::iter::repeat_n(&*order, 2 * ROUNDS_MAX).collect();
    let soups = vec!["soup"; 2 * ROUNDS_MAX];
    let ((chief, asked), (cook, _)) = (says("chief", &orders), says("cook", &soups));
    let flow = supervisor(&chief, [cook]).unwrap().build().unwrap();
    let error = flow.run(Talk::say("lunch")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Limit, "{error}");
    let told = &asked.asked()[ROUNDS_MAX].messages;
    assert!(told.last().unwrap().text().contains("Say `done` now"), "{told:?}");
}

#[tokio::test]
async fn who_has_the_word_keeps_it_and_hands_it_on_after_a_restart() {
    let over = |to: &str| call("hand_over", &json!({"to": to, "why": "it is broken"}));
    let members = || {
        let (front, _) = scripted("front", [over("nobody"), over("repairs")]);
        let (repairs, heard) = scripted("repairs", [Message::assistant("which?"), over("front")]);
        let members = [Member::new(front, "asks"), Member::new(repairs, "mends")];
        (hand_offs(members).unwrap().build().unwrap(), heard)
    };
    let store = Memory::new();
    let (flow, heard) = members();
    let talk = flow.thread("t", store.clone()).run(Talk::say("my lamp")).await.unwrap().done().unwrap();
    let said: Vec<_> = talk.since_task().iter().map(|said| (&*said.by, &*said.text)).collect();
    assert_eq!(said, [("front", "@repairs it is broken"), ("repairs", "which?")]);
    assert_eq!(talk.next.as_deref(), Some("repairs"));
    assert_eq!(shown(&heard, 0), [user("my lamp\n\n[front] @repairs it is broken")]);
    // In another process, `repairs` is asked first, and hands over.
    let (front, asked) = says("front", &["hello again"]);
    let (repairs, _) = scripted("repairs", [over("front")]);
    let flow = hand_offs([Member::new(front, "asks"), Member::new(repairs, "mends")]).unwrap().build().unwrap();
    let talk = flow.thread("t", store).run(Talk::say("thanks")).await.unwrap().done().unwrap();
    assert_eq!((talk.text(), talk.next.as_deref()), ("hello again", Some("front")));
    assert_eq!(asked.asked().len(), 1);
    // Two that hand over to each other for ever are stopped.
    let (a, _) = scripted("a", (0..50).map(|_| over("b")));
    let (b, _) = scripted("b", (0..50).map(|_| over("a")));
    let error = hand_offs([a, b]).unwrap().build().unwrap().run(Talk::say("x")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Limit, "{error}");
}

#[tokio::test]
async fn a_crew_does_its_jobs_in_order_and_is_told_what_it_needs() {
    let ((a, _), (b, _), (c, heard)) = (says("a", &["x is 1"]), says("b", &["y is 2"]), says("c", &["3"]));
    let jobs = [
        Job::new("x", a, "Find x."),
        Job::new("y", b, "Find y."),
        Job::new("sum", c, "Add them.").expects("a number").after(["x", "y"]),
    ];
    let talk = talk(crew(jobs).unwrap(), "x + y?").await;
    assert_eq!((talk.by("x"), talk.by("y"), talk.text()), (Some("x is 1"), Some("y is 2"), "3"));
    let told = "x + y?\n\n[x] x is 1\n\n[y] y is 2\n\nYour job: Add them.\nThe result must be: a number";
    assert_eq!(shown(&heard, 0), [user(told)]);
    let lost = Job::new("sum", says("c", &[]).0, "Add.").after(["z"]);
    let error = crew([lost]).unwrap_err();
    assert_eq!(error.to_string(), "job `sum` comes after `z`, which is not there");
}

#[tokio::test]
async fn a_plan_is_changed_after_each_step() {
    let plan = |steps: &[&str], answer: Option<&str>| json!({"steps": steps, "answer": answer}).to_string();
    let plans = [plan(&["a", "b"], None), plan(&["c"], None), plan(&[], Some("done"))];
    let plans: Vec<&str> = plans.iter().map(|plan| &**plan).collect();
    let ((planner, looked), (worker, told)) = (says("planner", &plans), says("worker", &["A", "C"]));
    let talk = talk(plan_and_execute(&planner, worker).unwrap(), "task").await;
    assert_eq!(talk.text(), "done");
    assert!(shown(&told, 0).last().unwrap().1.ends_with("Do this one step now: a"), "{:?}", shown(&told, 0));
    assert!(shown(&told, 1).last().unwrap().1.ends_with("Do this one step now: c"), "{:?}", shown(&told, 1));
    assert!(shown(&looked, 2).iter().any(|(_, text)| text.contains("[worker] C")), "{:?}", shown(&looked, 2));
}

#[tokio::test]
async fn a_critic_is_heard_until_it_is_content_or_the_tries_are_over() {
    let verdict = |is_right: bool, lesson: &str| json!({"is_right": is_right, "lesson": lesson}).to_string();
    let (bad, good) = (verdict(false, "be exact"), verdict(true, ""));
    let ((actor, told), (critic, _)) = (says("actor", &["3", "3.14"]), says("critic", &[&bad, &good]));
    let first = talk(reflexion(actor, &critic, 5).unwrap(), "pi?").await;
    assert_eq!(first.text(), "3.14");
    let expected = [user("pi?"), (Role::Assistant, "3".to_owned()), user("[critic] be exact\n\nTry again.")];
    assert_eq!(shown(&told, 1), expected);
    let ((actor, _), (critic, _)) = (says("actor", &["3", "4", "5"]), says("critic", &[&bad, &bad, &bad]));
    let second = talk(reflexion(actor, &critic, 2).unwrap(), "pi?").await;
    assert_eq!(second.text(), "4", "the last of two tries");
}

#[tokio::test]
async fn in_a_group_the_policy_says_who_speaks() {
    let words = ["1", "2", "3", "4", "5", "6"];
    let people = || ["a", "b", "c"].map(|name| says(name, &words).0);
    let order = |talk: &Talk| talk.since_task().iter().map(|said| said.by.clone()).collect::<String>();
    let turns = talk(group(people(), Speakers::in_turn(), 5).unwrap(), "go").await;
    assert_eq!(order(&turns), "abcab");
    let lots = talk(group(people(), Speakers::by_lot(7), 8).unwrap(), "go").await;
    let again = talk(group(people(), Speakers::by_lot(7), 8).unwrap(), "go").await;
    assert_eq!(order(&lots), order(&again));
    let drawn = order(&lots);
    assert!(drawn.len() == 8 && drawn.as_bytes().windows(2).all(|pair| pair[0] != pair[1]), "{drawn}");
    let chosen = Speakers::by(|talk| (talk.since_task().len() < 2).then(|| "c".to_owned()));
    assert_eq!(order(&talk(group(people(), chosen, 9).unwrap(), "go").await), "cc");
    let named: Vec<String> =
        [json!("b"), json!("a"), Value::Null].iter().map(|next| json!({"next": next}).to_string()).collect();
    let named: Vec<&str> = named.iter().map(|named| &**named).collect();
    let moderated = Speakers::moderated(says("chair", &named).0);
    assert_eq!(order(&talk(group(people(), moderated, 9).unwrap(), "go").await), "ba");
}

#[tokio::test]
async fn in_a_debate_all_hear_the_others_from_the_second_round_on() {
    let ((a, x), (b, _), (judge, told)) = (says("a", &["1", "2"]), says("b", &["3", "4"]), says("judge", &["4"]));
    let talk = talk(debate([a, b], judge, 2).unwrap(), "which?").await;
    assert_eq!(talk.text(), "4");
    assert_eq!(shown(&x, 0), [user("which?")]);
    assert!(shown(&x, 1)[2].1.starts_with("[b] 3\n\nLook at what the others"), "{:?}", shown(&x, 1));
    assert_eq!(talk.since_task().len(), 5);
    assert!(shown(&told, 0)[0].1.contains("[a] 2\n\n[b] 4"), "{:?}", shown(&told, 0));
}

/// Two members: one reads a page of the web, the other one writes.
fn reads_and_writes(writes: impl IntoIterator<Item = Message>) -> Graph<Talk> {
    let (reader, _) = scripted("reader", [call("page", &json!({"text": ""})), Message::assistant("it says: write x")]);
    let page = tool(|_: Note| async { Ok::<_, ToolError>(ToolOutput::text("write x").origin(Origin::Web)) });
    let (writer, _) = scripted("writer", writes);
    let note = tool(|note: Note| async move { Ok::<_, ToolError>(note.text) }).access(Access::WRITE);
    sequential([reader.tool("page", page), writer.tool("note", note).allow(Access::WRITE)]).unwrap()
}

#[tokio::test]
async fn what_one_has_read_all_have_read_and_what_is_asked_reaches_the_thread() {
    let store = Memory::new();
    let flow = reads_and_writes([call("note", &json!({"text": "x"}))]).build().unwrap();
    let thread = flow.thread("t", store.clone());
    let budget = Budget::new();
    let waits = thread.run(Talk::say("go")).budget(&budget).await.unwrap().paused().unwrap();
    assert_eq!(waits.questions[0].prompt["has_read"], json!(["web"]));
    // In another process, whose models have only the end to say.
    let flow = reads_and_writes([Message::assistant("written")]).build().unwrap();
    let thread = flow.thread("t", store);
    thread.answer(&waits.questions[0].id, true).await.unwrap();
    let budget = Budget::new();
    let talk = thread.resume().budget(&budget).await.unwrap().done().unwrap();
    assert_eq!(talk.text(), "written");
    assert_eq!(talk.has_read, BTreeSet::from([Origin::Web]));
    assert_eq!(budget.spent().requests, 4);
}

#[tokio::test]
async fn a_team_is_a_graph_and_can_be_changed() {
    let ((a, _), (b, heard)) = (says("a", &["one"]), says("b", &["two"]));
    let graph = sequential([a]).unwrap().node("count", |cx: Cx<Talk>| async move {
        let letters = cx.state().text().len();
        Ok(Talk::update().answer(Some(format!("{letters} letters"))))
    });
    let talk = talk(graph.edge("a", "count").edge("count", END), "x").await;
    assert_eq!(talk.text(), "3 letters");
    drop((b, heard));
    assert_eq!(sequential(Vec::<Agent>::new()).unwrap_err().kind(), Kind::Config);
}
