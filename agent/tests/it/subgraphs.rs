//! Graphs inside graphs: whose state they work on, what survives, how they are addressed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use lorewell_agent::{Command, Cx, Durability, END, Flow, Goto, Graph, Kind, Result, START, State, node};

use crate::{Shelf, done, paused};

#[derive(Clone, Debug, Default, PartialEq, State)]
struct Outer {
    #[reduce(append)]
    log: Vec<String>,
    topic: String,
}

#[derive(Clone, Debug, Default, PartialEq, State)]
struct Inner {
    topic: String,
    #[reduce(append)]
    found: Vec<String>,
    #[reduce(sum)]
    visits: u32,
}

async fn log(cx: Cx<Outer>) -> Result<OuterUpdate> {
    Ok(Outer::update().log([cx.node().to_owned()]))
}

/// Looks, then asks.
fn research(runs: &Arc<AtomicU32>) -> Flow<Inner> {
    let runs = runs.clone();
    Graph::new()
        .node("look", move |cx: Cx<Inner>| {
            runs.fetch_add(1, Ordering::Relaxed);
            async move { Ok(Inner::update().found([format!("looked at {}", cx.state().topic)]).visits(1)) }
        })
        .node("ask", |cx: Cx<Inner>| async move {
            let more: String = cx.ask(format!("more about {}?", cx.state().topic)).await?;
            Ok(Inner::update().found([more]))
        })
        .start("look")
        .edge("look", "ask")
        .build()
        .unwrap()
}

fn topic(cx: &Cx<Outer>) -> Inner {
    let topic = cx.input().unwrap_or_else(|_| cx.state().topic.clone());
    Inner { topic, ..Inner::default() }
}

#[tokio::test]
async fn a_graph_on_its_own_state_pauses_and_goes_on_where_it_was() {
    for mut shelf in Shelf::all().await {
        let runs = Arc::default();
        let inner = research(&runs).within(topic, |inner: Inner| Outer::update().log(inner.found));
        let flow = Graph::new()
            .node("research", inner)
            .node("after", log)
            .branch(START, ["research"], |_: &Outer| ["a", "b"].map(|t| Goto::send("research", t.to_owned())).to_vec())
            .edge("research", "after")
            .build()
            .unwrap();
        let thread = flow.thread("t", shelf.store.clone());
        let open = paused(thread.run(Outer::default()).await.unwrap()).questions;
        assert_eq!(open.iter().map(|open| &*open.path).collect::<Vec<_>>(), ["research@1#0", "research@1#1"]);
        shelf.reopen().await;
        let thread = flow.thread("t", shelf.store.clone());
        thread.answer(&open[1].id, "b!").await.unwrap();
        let left = paused(thread.resume().await.unwrap()).questions;
        assert_eq!(left, open[..1]);
        thread.answer(&open[0].id, "a!").await.unwrap();
        let outer = done(thread.resume().await.unwrap());
        assert_eq!(outer.log, ["looked at a", "a!", "looked at b", "b!", "after"]);
        assert_eq!(runs.load(Ordering::Relaxed), 2);
        assert_eq!(
            thread.paths().await.unwrap().iter().map(|p| &**p).collect::<Vec<_>>(),
            ["research@1#0", "research@1#1"]
        );
    }
}

#[tokio::test]
async fn a_graph_on_the_same_state_writes_through() {
    for mut shelf in Shelf::all().await {
        let runs = Arc::new(AtomicU32::new(0));
        let count = runs.clone();
        let inner = Graph::new()
            .node("first", move |cx: Cx<Outer>| {
                count.fetch_add(1, Ordering::Relaxed);
                async move { Ok(Outer::update().log([format!("saw {}", cx.state().log.len())]).topic("one")) }
            })
            .node("second", |cx: Cx<Outer>| async move {
                let word: String = cx.ask("word?").await?;
                Ok(Outer::update().log([format!("{word} after {}", cx.state().topic)]).topic("two"))
            })
            .start("first")
            .edge("first", "second")
            .build()
            .unwrap();
        let flow = Graph::new()
            .node("before", log)
            .node("inner", inner)
            .node("sibling", log)
            .node("after", log)
            .start("before")
            .edge("before", "inner")
            .edge("before", "sibling")
            .join(["inner", "sibling"], "after")
            .build()
            .unwrap();
        let thread = flow.thread("t", shelf.store.clone());
        let open = paused(thread.run(Outer::default()).await.unwrap()).questions;
        shelf.reopen().await;
        let thread = flow.thread("t", shelf.store.clone());
        thread.answer(&open[0].id, "word").await.unwrap();
        let outer = done(thread.resume().await.unwrap());
        assert_eq!(outer.log, ["before", "saw 1", "word after one", "sibling", "after"]);
        assert_eq!(outer.topic, "two");
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn a_kept_graph_remembers_and_cannot_run_twice_at_once() {
    for mut shelf in Shelf::all().await {
        async fn visit(_: Cx<Inner>) -> Result<InnerUpdate> {
            Ok(Inner::update().visits(1))
        }
        let inner = Graph::new().node("visit", visit).start("visit").build().unwrap().keep();
        let kept = inner.within(
            |_: &Cx<Outer>| Inner::update().found(["again".to_owned()]),
            |inner: Inner| Outer::update().log([format!("{} {}", inner.visits, inner.found.len())]),
        );
        let flow = Graph::new().node("kept", kept.clone()).start("kept").build().unwrap();
        let thread = flow.thread("t", shelf.store.clone());
        done(thread.run(Outer::default()).await.unwrap());
        done(thread.run(Outer::update()).await.unwrap());
        shelf.reopen().await;
        let thread = flow.thread("t", shelf.store.clone());
        assert_eq!(done(thread.run(Outer::update()).await.unwrap()).log, ["1 1", "2 2", "3 3"]);
        // A fork goes back to what the graph inside was then.
        let first = thread.history(None, 10).await.unwrap().into_iter().rev().nth(1).unwrap();
        thread.fork(&first.id).await.unwrap();
        assert_eq!(done(thread.run(Outer::update()).await.unwrap()).log, ["1 1", "2 2"]);

        // Pruning takes nothing from it.
        let thread = thread.retain(2);
        for visits in 3..6 {
            let last = done(thread.run(Outer::update()).await.unwrap()).log.pop().unwrap();
            assert_eq!(last, format!("{visits} {visits}"));
        }
        let kept_at = thread.history_of("kept", None, 1).await.unwrap().pop().unwrap();
        assert_eq!(thread.fork(&kept_at.id).await.unwrap_err().kind(), Kind::BadInput);

        let both = Graph::new()
            .node("kept", kept)
            .branch(START, ["kept"], |_: &Outer| vec![Goto::send("kept", 1), Goto::send("kept", 2)])
            .build()
            .unwrap();
        let error = both.thread("u", shelf.store.clone()).run(Outer::default()).await.err();
        assert!(error.is_none_or(|error| error.kind() == Kind::Conflict));
    }
}

#[tokio::test]
async fn a_node_may_run_graphs_and_command_the_graph_around() {
    async fn run_twice(cx: Cx<Outer>) -> Result<OuterUpdate> {
        let look = Graph::new()
            .node("look", |cx: Cx<Inner>| async move { Ok(Inner::update().found([cx.state().topic.clone()])) })
            .start("look")
            .build()?;
        let mut log = Vec::new();
        for topic in ["x", "y"] {
            let input = Inner { topic: topic.to_owned(), ..Inner::default() };
            log.extend(cx.run(&look, input).await?.found);
        }
        Ok(Outer::update().log(log))
    }
    async fn leave(_: Cx<Inner>) -> Result<Command<Inner>> {
        let around = Command::<Outer>::from(Outer::update().log(["left".to_owned()])).goto("landed");
        Command::from(()).parent(around)
    }
    for shelf in Shelf::all().await {
        let inner = Graph::new()
            .node("leave", leave)
            .node("never", leave)
            .start("leave")
            .edge("leave", "never")
            .build()
            .unwrap()
            .within(topic, |_: Inner| Outer::update().log(["stayed".to_owned()]));
        let flow = Graph::new()
            .node("twice", run_twice)
            .node("inner", inner.goto(["landed"]))
            .node("landed", log)
            .start("twice")
            .edge("twice", "inner")
            .edge("landed", END)
            .build()
            .unwrap();
        let thread = flow.thread("t", shelf.store.clone());
        assert_eq!(done(thread.run(Outer::default()).await.unwrap()).log, ["x", "y", "left", "landed"]);
        let paths = thread.paths().await.unwrap();
        assert_eq!(paths.iter().map(|path| &**path).collect::<Vec<_>>(), ["inner@2#0", "twice@1#0", "twice@1#0.1"]);
    }
    let alone = Graph::new().node("leave", node(leave)).start("leave").build().unwrap();
    assert_eq!(alone.run(Inner::default()).await.unwrap_err().kind(), Kind::BadOutput);
}

#[tokio::test]
async fn time_travel_into_a_graph_inside_runs_only_what_came_after() {
    for shelf in Shelf::all().await {
        let runs = Arc::default();
        let flow_inner = research(&runs);
        let inner = flow_inner.clone().within(topic, |inner: Inner| Outer::update().log(inner.found));
        let flow = Graph::new().node("research", inner).start("research").build().unwrap();
        let thread = flow.thread("t", shelf.store.clone());
        let open = paused(thread.run(Outer { topic: "t".to_owned(), ..Outer::default() }).await.unwrap()).questions;
        thread.answer(&open[0].id, "first answer").await.unwrap();
        assert_eq!(done(thread.resume().await.unwrap()).log, ["looked at t", "first answer"]);

        let history = thread.history_of("research@1#0", None, 10).await.unwrap();
        let before_ask = history.iter().find(|checkpoint| checkpoint.next == ["ask"]).unwrap();
        let standing = thread.standing_within(&flow_inner, &before_ask.id).await.unwrap();
        assert_eq!(standing.state.found, ["looked at t"]);
        thread.fork(&before_ask.id).await.unwrap();
        let again = paused(thread.resume().await.unwrap()).questions;
        assert_ne!(again[0].id, open[0].id);
        thread.answer(&again[0].id, "second answer").await.unwrap();
        assert_eq!(done(thread.resume().await.unwrap()).log, ["looked at t", "second answer"]);
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn a_gate_in_a_graph_inside_stops_the_graph_around() {
    for mut shelf in Shelf::all().await {
        let inner =
            Graph::new().node("x", log).node("y", log).start("x").edge("x", "y").gate_before("y").build().unwrap();
        let flow = Graph::new().node("inner", inner).node("after", log).start("inner").edge("inner", "after");
        let flow = flow.build().unwrap();
        let thread = flow.thread("t", shelf.store.clone());
        let stopped = paused(thread.run(Outer::default()).await.unwrap());
        assert_eq!((&*stopped.gates[0].path, &*stopped.gates[0].node), ("inner@1#0", "y"));
        shelf.reopen().await;
        let thread = flow.thread("t", shelf.store.clone());
        assert_eq!(done(thread.resume().await.unwrap()).log, ["x", "y", "after"]);
    }
}

/// Writes, asks, and writes again, on the state of the graph around.
fn shared() -> Flow<Outer> {
    Graph::new()
        .node("first", |_: Cx<Outer>| async { Ok(Outer::update().log(["first".to_owned()])) })
        .node("second", |cx: Cx<Outer>| async move {
            let word: String = cx.ask("word?").await?;
            Ok(Outer::update().log([word]))
        })
        .node("third", |cx: Cx<Outer>| async move {
            let word: String = cx.ask("another?").await?;
            Ok(Outer::update().log([word, format!("{}", cx.state().log.len())]))
        })
        .start("first")
        .edge("first", "second")
        .edge("second", "third")
        .build()
        .unwrap()
}

#[tokio::test]
async fn what_a_graph_on_the_same_state_wrote_is_there_after_a_pause_and_only_once() {
    for durability in [Durability::Sync, Durability::OnExit] {
        for mut shelf in Shelf::all().await {
            for inner in [shared(), shared().keep()] {
                let name = "t";
                let flow = Graph::new().node("inner", inner).start("inner").build().unwrap();
                let mut expected = Vec::new();
                for occasion in ["one", "two"] {
                    let thread = flow.thread(name, shelf.store.clone());
                    let mut outcome = thread.run(Outer::update()).durability(durability).await.unwrap();
                    for word in ["a", "b"] {
                        let open = paused(outcome).questions;
                        shelf.reopen().await;
                        let thread = flow.thread(name, shelf.store.clone());
                        thread.answer(&open[0].id, format!("{word} {occasion}")).await.unwrap();
                        outcome = thread.resume().durability(durability).await.unwrap();
                    }
                    let seen = (expected.len() + 2).to_string();
                    expected.extend(["first".to_owned(), format!("a {occasion}"), format!("b {occasion}"), seen]);
                    assert_eq!(done(outcome).log, expected, "{durability:?}");
                }
                shelf.store.delete(name).await.unwrap();
            }
        }
    }
}
