//! What one node of a graph has read, all that runs later has read: agents in graphs of any state, and in later runs.

use std::collections::BTreeSet;

use super::*;
use crate::{Cache, Cx, END, Flow, Graph, Input, State};

#[derive(Debug, Clone, Default, PartialEq, State)]
struct Desk {
    page: String,
    log: String,
}

/// The same turn, a few times.
fn again(turn: [Message; 2]) -> impl Iterator<Item = Message> {
    turn.into_iter().cycle().take(8)
}

/// An agent that reads a page.
fn reader() -> Agent {
    let (reader, _) = scripted(again([calls(&[("read", json!({"text": ""}))]), Message::assistant("the page")]));
    let page = tool(|_: Note| async { Ok::<_, ToolError>(ToolOutput::text("page").origin(Origin::Web)) });
    reader.name("reader").tool("read", page)
}

/// An agent that writes a note, which it may.
fn writer(notes: &Notes) -> Agent {
    let (writer, _) = scripted(again([calls(&[("note", json!({"text": "n"}))]), Message::assistant("noted")]));
    writer.name("writer").tool("note", notes.tool()).allow(Access::WRITE)
}

fn within(agent: &Agent, write: fn(String) -> DeskUpdate) -> crate::Node<Desk> {
    agent.flow().unwrap().within(|cx: &Cx<Desk>| Chat::say(cx.state().page.clone()), move |chat| write(chat.text()))
}

fn reads() -> crate::Node<Desk> {
    within(&reader(), |text| Desk::update().page(text))
}

fn writes(notes: &Notes) -> crate::Node<Desk> {
    within(&writer(notes), |text| Desk::update().log(text))
}

/// What was read before the first question of a run; none if it asks nothing.
fn asked<S: State>(outcome: Outcome<S>) -> Option<Value> {
    outcome.paused().map(|paused| paused.questions[0].prompt["has_read"].clone())
}

fn line(first: crate::Node<Desk>, notes: &Notes) -> Flow<Desk> {
    let graph = Graph::new().node("first", first).node("write", writes(notes));
    graph.start("first").edge("first", "write").edge("write", END).build().unwrap()
}

#[tokio::test]
async fn an_agent_asks_where_an_agent_before_it_has_read() {
    let notes = Notes::default();
    let flow = line(reads(), &notes);
    let thread = flow.thread("t", Memory::new());
    let Outcome::Paused(waits) = thread.run(Desk::default()).await.unwrap() else { panic!("it asks") };
    assert_eq!((&waits.questions[0].prompt["has_read"], notes.texts().len()), (&json!(["web"]), 0));
    assert_eq!(thread.standing().await.unwrap().has_read, BTreeSet::from([Origin::Web]));
    thread.answer(&waits.questions[0].id, true).await.unwrap();
    let end = thread.resume().await.unwrap().done().unwrap();
    assert_eq!((end.log.as_str(), notes.texts().len()), ("noted", 1));

    // Where nothing was read nobody is asked.
    let flow = line(crate::node(|_: Cx<Desk>| async { Ok(Desk::update().page("mine")) }), &notes);
    assert_eq!(flow.run(Desk::default()).await.unwrap().done().unwrap().log, "noted");
}

#[tokio::test]
async fn it_is_so_after_a_restart_and_in_later_runs_until_a_state_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.sqlite");
    let notes = Notes::default();
    let read = Graph::new().node("read", reads()).start("read").build().unwrap();
    let store = crate::checkpoint::Sqlite::open(&path).await.unwrap();
    read.thread("t", store).run(Desk::default()).await.unwrap().done().unwrap();

    let write = || Graph::new().node("write", writes(&notes)).start("write").build().unwrap();
    let store = crate::checkpoint::Sqlite::open(&path).await.unwrap();
    let thread = write().thread("t", store.clone());
    thread.edit(Desk::update().log("by hand")).await.unwrap();
    let run = thread.run(Input::Update(Desk::update())).await.unwrap();
    assert_eq!(asked(run), Some(json!(["web"])));
    let run = thread.run(Desk::default()).discard_unfinished().await.unwrap();
    assert_eq!(asked(run), None);
}

#[tokio::test]
async fn a_node_says_itself_what_it_has_read() {
    let notes = Notes::default();
    let load = crate::node(|cx: Cx<Desk>| async move {
        cx.note_read(Origin::Document);
        cx.note_read(Origin::User);
        assert_eq!(cx.has_read(), BTreeSet::from([Origin::Document]));
        Ok(Desk::update().page("a file"))
    });
    assert_eq!(
        asked(line(load, &notes).thread("t", Memory::new()).run(Desk::default()).await.unwrap()),
        Some(json!(["document"]))
    );
}

#[tokio::test]
async fn what_is_read_in_graphs_inside_counts_outside() {
    let notes = Notes::default();
    // On the same state, two levels down.
    let inner = Graph::new().node("read", reads()).start("read").build().unwrap();
    let middle = Graph::new().node("inner", inner).start("inner").build().unwrap();
    let graph =
        Graph::new().node("middle", middle).node("write", writes(&notes)).start("middle").edge("middle", "write");
    let run = graph.build().unwrap().thread("t", Memory::new()).run(Desk::default()).await.unwrap();
    assert_eq!(asked(run), Some(json!(["web"])));
    // One after the other, within one node.
    let (read, write) = (reader().flow().unwrap(), writer(&notes).flow().unwrap());
    let both = crate::node(move |cx: Cx<Desk>| {
        let (read, write) = (read.clone(), write.clone());
        async move {
            let page = cx.run(&read, Chat::say("read")).await?.text();
            let log = cx.run(&write, Chat::say(page.as_str())).await?.text();
            Ok(Desk::update().page(page).log(log))
        }
    });
    let flow = Graph::new().node("both", both).start("both").build().unwrap();
    assert_eq!(asked(flow.thread("t", Memory::new()).run(Desk::default()).await.unwrap()), Some(json!(["web"])));
    // A graph that is a tool.
    let flow = Graph::new().node("read", reads()).start("read").build().unwrap();
    let flow = flow.as_tool("Reads.", |_: Note| Desk::default(), |desk| desk.page.clone());
    let (boss, _) = scripted([calls(&[("page", json!({"text": ""}))]), calls(&[("note", json!({"text": "n"}))])]);
    let boss = boss.tool("page", flow).tool("note", notes.tool()).allow(Access::WRITE);
    let run = boss.thread("t", Memory::new()).unwrap().run(Chat::say("go")).await.unwrap();
    assert_eq!((asked(run), notes.texts().len()), (Some(json!(["tool", "web"])), 0));
}

#[tokio::test]
async fn a_cached_result_was_read_by_whoever_takes_it() {
    let notes = Notes::default();
    let cache = Cache::new(Duration::from_secs(600));
    for _ in 0..2 {
        let first = reads().cache(cache.clone(), |_: &Cx<Desk>| "page");
        let run = line(first, &notes).thread("t", Memory::new()).run(Desk::default()).await.unwrap();
        assert_eq!(asked(run), Some(json!(["web"])));
    }
}

#[tokio::test]
async fn who_takes_over_from_a_node_that_failed_has_read_what_it_read() {
    let notes = Notes::default();
    let read = reader().flow().unwrap();
    let fails = crate::node(move |cx: Cx<Desk>| {
        let read = read.clone();
        async move {
            cx.run(&read, Chat::say("read")).await?;
            Err::<DeskUpdate, _>(crate::Error::new(crate::Kind::BadInput, "no"))
        }
    });
    let graph = Graph::new().node("read", fails.on_error("write")).node("write", writes(&notes)).start("read");
    let run = graph.build().unwrap().thread("t", Memory::new()).run(Desk::default()).await.unwrap();
    assert_eq!(asked(run), Some(json!(["web"])));
}

#[tokio::test]
async fn who_runs_beside_a_reader_does_not_see_what_it_reads() {
    let notes = Notes::default();
    let graph = Graph::new().node("read", reads()).node("write", writes(&notes)).start("read").start("write");
    let thread = graph.build().unwrap().thread("t", Memory::new());
    assert_eq!(asked(thread.run(Desk::default()).await.unwrap()), None);
    assert_eq!(thread.standing().await.unwrap().has_read, BTreeSet::from([Origin::Web]));
}

#[tokio::test]
async fn an_error_may_say_what_was_read() {
    // The agent reads, and then fails before its turn is over.
    let notes = Notes::default();
    let reads_and_fails = || {
        let (reader, _) = scripted([calls(&[("read", json!({"text": ""}))])]);
        let page = tool(|_: Note| async { Ok::<_, ToolError>(ToolOutput::text("page").origin(Origin::Web)) });
        reader.name("reader").tool("read", page).steps_max(1)
    };
    let first = within(&reads_and_fails(), |text| Desk::update().page(text)).on_error("write");
    let graph = Graph::new().node("read", first).node("write", writes(&notes)).start("read");
    let run = graph.build().unwrap().thread("t", Memory::new()).run(Desk::default()).await.unwrap();
    assert_eq!(asked(run), Some(json!(["web"])));
    // Whoever catches the error of a graph inside.
    let flow = reads_and_fails().flow().unwrap();
    let catches = crate::node(move |cx: Cx<Desk>| {
        let flow = flow.clone();
        async move {
            let error = cx.run(&flow, Chat::say("read")).await.unwrap_err();
            Ok(Desk::update().page(error.to_string()))
        }
    });
    assert_eq!(
        asked(line(catches, &notes).thread("t", Memory::new()).run(Desk::default()).await.unwrap()),
        Some(json!(["web"]))
    );
    // An agent that is told of the error of another.
    let (boss, _) = scripted([calls(&[("ask", json!({"task": "read"}))]), calls(&[("note", json!({"text": "n"}))])]);
    let boss = boss.tool("ask", reads_and_fails().as_tool("Reads.")).tool("note", notes.tool()).allow(Access::WRITE);
    let run = boss.thread("t", Memory::new()).unwrap().run(Chat::say("go")).await.unwrap();
    assert_eq!((asked(run), notes.texts().len()), (Some(json!(["web"])), 0));
}

#[tokio::test]
async fn what_was_read_for_an_effect_is_read_with_its_result() {
    let notes = Notes::default();
    let asks = crate::node(|cx: Cx<Desk>| async move {
        let effect = cx.effect("search", async |_| {
            cx.note_read(Origin::Document);
            Ok("found".to_owned())
        });
        let page: String = effect.await?;
        let yes: bool = cx.ask("Go on?").await?;
        assert_eq!((yes, cx.has_read()), (true, BTreeSet::from([Origin::Document])));
        Ok(Desk::update().page(page))
    });
    let flow = line(asks, &notes);
    let store = Memory::new();
    let Outcome::Paused(waits) = flow.thread("t", store.clone()).run(Desk::default()).await.unwrap() else {
        panic!("it asks")
    };
    let thread = flow.thread("t", store);
    thread.answer(&waits.questions[0].id, true).await.unwrap();
    let recorder = Recorder::new();
    assert_eq!(asked(thread.resume().record(&recorder).await.unwrap()), Some(json!(["document"])));
    let replayed = flow.replay(&recorder.recording()).unwrap().await.unwrap();
    assert_eq!(asked(replayed), Some(json!(["document"])));
}

#[tokio::test]
async fn a_cached_result_of_what_stands_in_the_state_was_read_by_those_who_wrote_that() {
    let notes = Notes::default();
    let cache = Cache::new(Duration::from_secs(600));
    let sum = || {
        let sum = |cx: Cx<Desk>| async move { Ok(Desk::update().page(format!("sum of {}", cx.state().page))) };
        crate::node(sum).cache(cache.clone(), |_: &Cx<Desk>| "sum")
    };
    let graph = Graph::new().node("read", reads()).node("sum", sum()).start("read").edge("read", "sum");
    graph.build().unwrap().thread("t", Memory::new()).run(Desk::default()).await.unwrap().done().unwrap();
    let run = line(sum(), &notes).thread("u", Memory::new()).run(Desk::default()).await.unwrap();
    assert_eq!(asked(run), None, "the names of the nodes differ, so it was not cached");
    let graph = Graph::new().node("sum", sum()).node("write", writes(&notes)).start("sum").edge("sum", "write");
    let run = graph.build().unwrap().thread("v", Memory::new()).run(Desk::default()).await.unwrap();
    assert_eq!(asked(run), Some(json!(["web"])));
}

#[tokio::test]
async fn a_task_whose_result_is_refused_has_read_all_the_same() {
    let notes = Notes::default();
    let strays = crate::node(|cx: Cx<Desk>| async move {
        cx.note_read(Origin::Document);
        Ok(crate::Command::<Desk>::from(()).goto("nowhere"))
    });
    let graph = Graph::new().node("read", strays.on_error("write")).node("write", writes(&notes)).start("read");
    let run = graph.build().unwrap().thread("t", Memory::new()).run(Desk::default()).await.unwrap();
    assert_eq!(asked(run), Some(json!(["document"])));
}
