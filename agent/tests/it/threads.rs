//! What is stored, how much, and who may write.

use std::sync::Arc;

use lorewell_agent::checkpoint::{Memory, Sqlite};
use lorewell_agent::{Cx, Durability, END, Graph, Kind, Result, State, Stored};
use serde_json::json;

use crate::{Shelf, done};

#[derive(Clone, Debug, Default, PartialEq, State)]
struct Desk {
    #[reduce(append)]
    notes: Vec<String>,
    #[reduce(sum)]
    n: u32,
}

#[tokio::test]
async fn a_second_run_of_a_thread_is_refused_while_the_first_one_runs() {
    for shelf in Shelf::all().await {
        let gate = Arc::new(tokio::sync::Notify::new());
        let open = gate.clone();
        let flow = Graph::new()
            .node("wait", move |_: Cx<Desk>| {
                let open = open.clone();
                async move {
                    open.notified().await;
                    Ok(())
                }
            })
            .start("wait")
            .build()
            .unwrap();
        let thread = flow.thread("t", shelf.store.clone());
        let first = tokio::spawn(thread.run(Desk::default()).into_future());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert_eq!(thread.run(Desk::default()).await.unwrap_err().kind(), Kind::Conflict);
        assert_eq!(thread.resume().await.unwrap_err().kind(), Kind::Conflict);
        assert_eq!(thread.delete().await.unwrap_err().kind(), Kind::Conflict);
        gate.notify_one();
        done(first.await.unwrap().unwrap());
        gate.notify_one();
        done(thread.run(Desk::default()).await.unwrap());
    }
}

#[tokio::test]
async fn every_durability_ends_in_the_same_state() {
    async fn step(_: Cx<Desk>) -> Result<DeskUpdate> {
        Ok(Desk::update().n(1).notes(["x".repeat(100)]))
    }
    for durability in [Durability::Sync, Durability::Background, Durability::OnExit] {
        for mut shelf in Shelf::all().await {
            let flow = Graph::new()
                .node("a", step)
                .node("b", step)
                .start("a")
                .start("b")
                .branch("a", ["a", "b", END], |desk: &Desk| match desk.n {
                    0..400 => vec!["a", "b"],
                    _ => vec![END],
                })
                .build()
                .unwrap();
            let thread = flow.thread("t", shelf.store.clone());
            let end = done(thread.run(Desk::default()).steps_max(1000).durability(durability).await.unwrap());
            shelf.reopen().await;
            let thread = flow.thread("t", shelf.store.clone());
            assert_eq!(thread.standing().await.unwrap().state, end);
            let checkpoints = thread.history(None, 10_000).await.unwrap().len();
            match durability {
                // The input, and the end.
                Durability::OnExit => assert_eq!(checkpoints, 2),
                _ => assert!(checkpoints > 200, "{checkpoints}"),
            }
        }
    }
}

#[tokio::test]
async fn a_run_commits_once_per_superstep_and_grows_in_line() {
    async fn step(_: Cx<Desk>) -> Result<DeskUpdate> {
        Ok(Desk::update().n(1).notes(["x".repeat(1000)]))
    }
    let mut sizes = Vec::new();
    for steps in [200u32, 400, 800] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("threads.sqlite");
        let store = Sqlite::open(&path).await.unwrap();
        let flow = Graph::new()
            .node("step", step)
            .start("step")
            .branch("step", ["step", END], move |desk: &Desk| if desk.n < steps { "step" } else { END })
            .build()
            .unwrap();
        let before = store.commits();
        done(flow.thread("t", store.clone()).run(Desk::default()).steps_max(10_000).await.unwrap());
        let synced = store.commits().synced - before.synced;
        assert!((u64::from(steps) + 1..=u64::from(steps) + 3).contains(&synced), "{synced} for {steps} supersteps");
        drop(flow);
        drop(store);
        sizes.push(std::fs::metadata(&path).unwrap().len());
    }
    // Snapshots cost no more than what they stand for.
    assert!(sizes[2] < 800 * 1000 * 3, "{sizes:?}");
    assert!(sizes[2] < sizes[1] * 5 / 2 && sizes[1] < sizes[0] * 5 / 2, "{sizes:?}");
}

#[tokio::test]
async fn an_older_state_is_brought_up_to_date() {
    #[derive(Clone, Debug, Default, PartialEq, State)]
    struct Old {
        #[reduce(append)]
        lines: Vec<u32>,
        gone: String,
    }
    #[derive(Clone, Debug, Default, PartialEq, State)]
    struct New {
        #[reduce(append)]
        lines: Vec<String>,
        fresh: u32,
    }
    async fn old(_: Cx<Old>) -> Result<OldUpdate> {
        Ok(Old::update().lines([2, 3]))
    }
    async fn new(_: Cx<New>) -> Result<NewUpdate> {
        Ok(New::update().lines(["4".to_owned()]))
    }
    for mut shelf in Shelf::all().await {
        let flow = Graph::new().node("a", old).start("a").build().unwrap();
        done(flow.thread("t", shelf.store.clone()).run(Old { lines: vec![1], gone: String::new() }).await.unwrap());
        shelf.reopen().await;
        let graph = || Graph::<New>::new().node("a", new).start("a");
        let thread = graph().build().unwrap().thread("t", shelf.store.clone());
        let error = thread.standing().await.unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt);
        assert!(error.to_string().contains("`migration`"), "{error}");

        let migrated = graph().migration(1, |from, stored| {
            assert_eq!(from, 0);
            let fields = match stored {
                Stored::State(fields) | Stored::Update(fields) => fields,
            };
            let strings = |items: &serde_json::Value| -> serde_json::Value {
                items.as_array().unwrap().iter().map(|n| json!(n.to_string())).collect()
            };
            if let Some(lines) = fields.get_mut("lines") {
                *lines = match lines.get("add") {
                    Some(added) => json!({"add": strings(added)}),
                    None => strings(lines),
                };
            }
            Ok(())
        });
        let flow = migrated.build().unwrap();
        let thread = flow.thread("t", shelf.store.clone());
        assert_eq!(thread.standing().await.unwrap().state.lines, ["1", "2", "3"]);
        assert_eq!(done(thread.run(New::update().fresh(5)).await.unwrap()).lines, ["1", "2", "3", "4"]);
        // The older program refuses what the newer one wrote.
        let thread = graph().build().unwrap().thread("t", shelf.store.clone());
        assert_eq!(thread.standing().await.unwrap_err().kind(), Kind::Config);
    }
}

#[tokio::test]
async fn a_node_that_is_gone_is_named() {
    async fn step(cx: Cx<Desk>) -> Result<()> {
        let _: bool = cx.ask("?").await?;
        Ok(())
    }
    let store = Memory::new();
    let flow = Graph::new().node("old", step).start("old").build().unwrap();
    let _ = flow.thread("t", store.clone()).run(Desk::default()).await.unwrap();
    let flow = Graph::<Desk>::new().node("new", step).start("new").build().unwrap();
    let error = flow.thread("t", store).resume().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.to_string().contains("`old`"), "{error}");
}
