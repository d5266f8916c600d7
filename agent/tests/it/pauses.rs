//! Questions and gates: what waits, what runs again, and what an answer may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use lorewell_agent::{Cx, END, Flow, Graph, Kind, Result, Side, State};
use serde_json::json;

use crate::{Shelf, done, paused};

#[derive(Clone, Debug, Default, PartialEq, State)]
struct Desk {
    #[reduce(append)]
    notes: Vec<String>,
}

/// How often each node was run.
#[derive(Clone, Default)]
struct Runs(Arc<[AtomicU32; 3]>);

impl Runs {
    fn count(&self, node: usize) {
        self.0[node].fetch_add(1, Ordering::Relaxed);
    }

    fn all(&self) -> [u32; 3] {
        [0, 1, 2].map(|node| self.0[node].load(Ordering::Relaxed))
    }
}

/// `two` asks twice, `one` once, `none` not at all; all in one superstep.
fn three(runs: &Runs) -> Flow<Desk> {
    let (a, b, c) = (runs.clone(), runs.clone(), runs.clone());
    Graph::new()
        .node("two", move |cx: Cx<Desk>| {
            a.count(0);
            async move {
                let first: String = cx.ask("first?").await?;
                let second: u8 = cx.ask("second?").await?;
                Ok(Desk::update().notes([format!("{first} {second}")]))
            }
        })
        .node("one", move |cx: Cx<Desk>| {
            b.count(1);
            async move {
                let yes: bool = cx.ask("sure?").await?;
                Ok(Desk::update().notes([yes.to_string()]))
            }
        })
        .node("none", move |_: Cx<Desk>| {
            c.count(2);
            async move { Ok(Desk::update().notes(["done".to_owned()])) }
        })
        .start("two")
        .start("one")
        .start("none")
        .build()
        .unwrap()
}

#[tokio::test]
async fn only_the_answered_task_runs_again() {
    for mut shelf in Shelf::all().await {
        let runs = Runs::default();
        let flow = three(&runs);
        let thread = flow.thread("t", shelf.store.clone());
        let open = paused(thread.run(Desk::default()).await.unwrap()).questions;
        let prompts: Vec<_> = open.iter().map(|question| question.prompt.clone()).collect();
        assert_eq!(prompts, [json!("sure?"), json!("first?")]);
        assert_eq!(runs.all(), [1, 1, 1]);
        // Nobody has answered, so nothing runs.
        paused(thread.resume().await.unwrap());
        assert_eq!(runs.all(), [1, 1, 1]);

        thread.answer(&open[1].id, "yes").await.unwrap();
        drop(thread);
        shelf.reopen().await;
        let thread = flow.thread("t", shelf.store.clone());
        let still = paused(thread.resume().await.unwrap()).questions;
        assert_eq!(runs.all(), [2, 1, 1]);
        assert_eq!(still.iter().map(|question| question.prompt.clone()).collect::<Vec<_>>(), ["sure?", "second?"]);
        assert_eq!(still[0].id, open[0].id);

        thread.answer(&still[0].id, true).await.unwrap();
        thread.answer(&still[1].id, 7).await.unwrap();
        let desk = done(thread.resume().await.unwrap());
        assert_eq!(runs.all(), [3, 2, 1]);
        assert_eq!(desk.notes, ["done", "true", "yes 7"]);
        // The end is the end: resuming tells it again.
        assert_eq!(done(thread.resume().await.unwrap()), desk);
        assert_eq!(runs.all(), [3, 2, 1]);
    }
}

#[tokio::test]
async fn a_wrong_stale_or_used_answer_changes_nothing() {
    for shelf in Shelf::all().await {
        let thread = three(&Runs::default()).thread("t", shelf.store.clone());
        let open = paused(thread.run(Desk::default()).await.unwrap()).questions;
        let (sure, first) = (&open[0].id, &open[1].id);

        let error = thread.answer("nonsense", true).await.unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert!(error.to_string().contains(sure.as_str()), "{error}");
        let error = thread.answer(sure, "perhaps").await.unwrap_err();
        assert_eq!(error.kind(), Kind::BadInput);
        assert!(error.to_string().contains("not of type \"boolean\""), "{error}");

        thread.answer(sure, true).await.unwrap();
        assert_eq!(thread.answer(sure, false).await.unwrap_err().kind(), Kind::Conflict);
        thread.answer(first, "x").await.unwrap();
        let second = paused(thread.resume().await.unwrap()).questions;
        // `sure` has led on: its task has finished.
        let error = thread.answer(sure, true).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict);
        let error = thread.answer(&second[0].id, 1000).await.unwrap_err();
        assert_eq!(error.kind(), Kind::BadInput);
        thread.answer(&second[0].id, 255).await.unwrap();
        assert_eq!(done(thread.resume().await.unwrap()).notes, ["done", "true", "x 255"]);
        assert_eq!(thread.answer(&second[0].id, 1).await.unwrap_err().kind(), Kind::Conflict);
    }
}

#[tokio::test]
async fn what_is_not_there_cannot_be_resumed_or_answered() {
    for shelf in Shelf::all().await {
        let thread = three(&Runs::default()).thread("ghost", shelf.store.clone());
        assert_eq!(thread.resume().await.unwrap_err().kind(), Kind::NotFound);
        assert_eq!(thread.answer("q", 1).await.unwrap_err().kind(), Kind::NotFound);
        assert_eq!(thread.standing().await.unwrap_err().kind(), Kind::NotFound);
        assert!(!thread.delete().await.unwrap());
    }
}

#[tokio::test]
async fn gates_stop_before_and_after_and_are_passed_once() {
    async fn note(cx: Cx<Desk>) -> Result<DeskUpdate> {
        Ok(Desk::update().notes([cx.node().to_owned()]))
    }
    for mut shelf in Shelf::all().await {
        let flow = Graph::new()
            .node("a", note)
            .node("b", note)
            .node("c", note)
            .start("a")
            .edge("a", "b")
            .edge("b", "c")
            .edge("c", END)
            .gate_before("b")
            .build()
            .unwrap();
        let thread = flow.thread("t", shelf.store.clone());
        let first = paused(thread.run(Desk::default()).gate_after("b").await.unwrap());
        assert_eq!((&*first.gates[0].node, first.gates[0].side), ("b", Side::Before));
        assert_eq!(first.state.notes, ["a"]);
        shelf.reopen().await;
        let thread = flow.thread("t", shelf.store.clone());
        let second = paused(thread.resume().gate_after("b").await.unwrap());
        assert_eq!((&*second.gates[0].node, second.gates[0].side), ("b", Side::After));
        assert_eq!(done(thread.resume().await.unwrap()).notes, ["a", "b", "c"]);
        assert_eq!(thread.run(Desk::default()).gate_after("bb").await.unwrap_err().kind(), Kind::BadInput);
    }
}

#[tokio::test]
async fn an_unfinished_run_is_not_thrown_away_by_a_new_one() {
    for shelf in Shelf::all().await {
        let thread = three(&Runs::default()).thread("t", shelf.store.clone());
        paused(thread.run(Desk::default()).await.unwrap());
        let error = thread.run(Desk::default()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict);
        paused(thread.run(Desk::default()).discard_unfinished().await.unwrap());
    }
}
