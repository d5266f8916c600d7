//! The stream of events, its back-pressure, and replays.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use expect_test::expect;
use futures_util::StreamExt;
use lorewell_agent::{
    Cx, Durability, END, Error, EventKind, Flow, Goto, Graph, IntoNode, Kind, Recorder, Recording, Result, Retry,
    START, State, node,
};

use crate::{Shelf, done, paused};

#[derive(Clone, Debug, Default, PartialEq, State)]
struct Desk {
    #[reduce(append)]
    notes: Vec<String>,
}

#[tokio::test]
async fn events_come_in_order_and_keep_their_types() {
    let flow = Graph::new()
        .node("a", |cx: Cx<Desk>| async move {
            cx.emit("progress", 0.5).await;
            cx.token("hel").await;
            Ok(Desk::update().notes(["a".to_owned()]))
        })
        .start("a")
        .edge("a", END)
        .build()
        .unwrap();
    let mut events = flow.run(Desk::default()).states().events();
    let mut lines = String::new();
    while let Some(event) = events.next().await {
        match &event.kind {
            EventKind::Finished { updates } => assert!(updates[0].downcast_ref::<DeskUpdate>().is_some()),
            EventKind::State { state } => assert!(state.get::<Desk>().is_some()),
            _ => {}
        }
        lines += &(serde_json::to_string(&event).unwrap() + "\n");
    }
    done(events.outcome().await.unwrap());
    expect![[r#"
        {"path":"","seq":0,"event":"checkpoint","next":["a"]}
        {"path":"","seq":0,"event":"state","state":{"notes":[]}}
        {"path":"","seq":1,"task":["a",0],"event":"started","attempt":1}
        {"path":"","seq":1,"task":["a",0],"event":"custom","name":"progress","value":0.5}
        {"path":"","seq":1,"task":["a",0],"event":"token","text":"hel"}
        {"path":"","seq":1,"task":["a",0],"event":"finished","updates":[{"notes":{"add":["a"]}}]}
        {"path":"","seq":1,"event":"checkpoint","next":[]}
        {"path":"","seq":1,"event":"state","state":{"notes":["a"]}}
    "#]]
    .assert_eq(&lines);
}

#[tokio::test]
async fn who_does_not_read_slows_the_run_down() {
    let told = Arc::new(AtomicU32::new(0));
    let count = told.clone();
    let flow = Graph::<Desk>::new()
        .node("talk", move |cx: Cx<Desk>| {
            let count = count.clone();
            async move {
                for n in 0..1000 {
                    cx.emit("n", n).await;
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            }
        })
        .start("talk")
        .build()
        .unwrap();
    let mut events = flow.run(Desk::default()).events();
    for _ in 0..10 {
        events.next().await.unwrap();
    }
    assert!(told.load(Ordering::Relaxed) < 200, "{}", told.load(Ordering::Relaxed));
    done(events.outcome().await.unwrap());
    assert_eq!(told.load(Ordering::Relaxed), 1000);
}

#[tokio::test]
async fn reading_can_be_given_up_and_taken_up_again_at_any_point() {
    for shelf in Shelf::all().await {
        for durability in [Durability::Sync, Durability::Background, Durability::OnExit] {
            let calls = Arc::default();
            let thread = busy(&calls).thread(&format!("{durability:?}"), shelf.store.clone());
            let mut events = thread.run(Desk::default()).durability(durability).events();
            let mut seen = 0;
            loop {
                match tokio::time::timeout(std::time::Duration::from_micros(50), events.next()).await {
                    Err(_) => {}
                    Ok(Some(_)) => seen += 1,
                    Ok(None) => break,
                }
            }
            assert!(seen > 40, "{seen}");
            assert_eq!(paused(events.outcome().await.unwrap()).questions.len(), 1);
            assert_eq!(calls.load(Ordering::Relaxed), 24);
        }
        // As a stream it is the same.
        let calls = Arc::default();
        let thread = busy(&calls).thread("stream", shelf.store.clone());
        let mut events = thread.run(Desk::default()).events();
        assert!(events.by_ref().count().await > 40);
        assert_eq!(paused(events.outcome().await.unwrap()).questions.len(), 1);
    }
}

/// Fails where it must, beside others, alone, and inside; tells something before it does.
fn failing() -> Flow<Desk> {
    async fn maybe(cx: Cx<Desk>) -> Result<DeskUpdate> {
        cx.emit("try", cx.attempt()).await;
        let draw = |_| async { Ok(chance() % 3) };
        let chance: u64 = cx.effect(&format!("chance {}", cx.attempt()), draw).await?;
        tokio::time::sleep(std::time::Duration::from_millis(chance)).await;
        match chance {
            0 if cx.attempt() < 9 => Err(Error::new(Kind::Unavailable, "not yet")),
            _ => Ok(Desk::update().notes([cx.node().to_owned()])),
        }
    }
    let retry = || node(maybe).retry(Retry::default().attempts_max(10).first(std::time::Duration::ZERO));
    let inner = Graph::new().node("x", retry()).node("y", maybe).start("x").start("y").build().unwrap();
    Graph::new()
        .node("a", retry())
        .node("b", retry())
        .node("alone", retry())
        .node("inner", inner.into_node().retry(Retry::default().attempts_max(20).first(std::time::Duration::ZERO)))
        .node("c", retry())
        .start("a")
        .start("b")
        .join(["a", "b"], "alone")
        .edge("alone", "inner")
        .edge("alone", "c")
        .build()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_failed_when_it_was_recorded_fails_when_it_is_replayed() {
    for shelf in Shelf::all().await {
        for run in 0..8 {
            let recorder = Recorder::new();
            let thread = failing().thread(&run.to_string(), shelf.store.clone());
            let _ = thread.run(Desk::default()).record(&recorder).await;
            let replayed = failing().replay(&recorder.recording()).unwrap().into_future();
            let replayed = tokio::time::timeout(std::time::Duration::from_secs(20), replayed).await;
            replayed.expect("a replay does not hang").map(drop).unwrap_or_else(|error| {
                assert!(error.to_string().contains("not yet") && !error.to_string().contains("recording"), "{error}");
            });
        }
    }
}

/// Eight tasks that take turns by chance, each with effects and words; then a pause.
fn busy(calls: &Arc<AtomicU32>) -> Flow<Desk> {
    let calls = calls.clone();
    Graph::new()
        .node("work", move |cx: Cx<Desk>| {
            let calls = calls.clone();
            async move {
                let n: u32 = cx.input()?;
                let mut total = 0;
                for step in 0..3 {
                    let act = |_| async {
                        calls.fetch_add(1, Ordering::Relaxed);
                        let wait = chance() % 3;
                        tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
                        Ok(wait)
                    };
                    total += cx.effect("wait", act).await?;
                    cx.emit("step", (n, step, total)).await;
                }
                Ok(Desk::update().notes([format!("{n} {total} {:?} {}", cx.now(), cx.random())]))
            }
        })
        .node("ask", |cx: Cx<Desk>| async move {
            let word: String = cx.ask("word?").await?;
            Ok(Desk::update().notes([word]))
        })
        .branch(START, ["work"], |_: &Desk| (0..8u32).map(|n| Goto::send("work", n)).collect::<Vec<_>>())
        .edge("work", "ask")
        .build()
        .unwrap()
}

fn chance() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_recorded_run_replays_to_the_same_bytes_and_does_nothing() {
    for shelf in Shelf::all().await {
        let calls = Arc::default();
        let flow = busy(&calls);
        let thread = flow.thread("t", shelf.store.clone());
        let (first, second) = (Recorder::new(), Recorder::new());
        let open = paused(thread.run(Desk::default()).record(&first).await.unwrap()).questions;
        thread.answer(&open[0].id, "word").await.unwrap();
        let end = done(thread.resume().record(&second).await.unwrap());
        let made = calls.load(Ordering::Relaxed);
        assert_eq!(made, 24);
        for recorder in [first, second] {
            let file = serde_json::to_string(&recorder.recording()).unwrap();
            let recording: Recording = serde_json::from_str(&file).unwrap();
            for _ in 0..5 {
                let again = Recorder::new();
                let run = flow.replay(&recording).unwrap();
                let mut events = run.events();
                let mut lines = Vec::new();
                while let Some(event) = events.next().await {
                    lines.push(serde_json::to_string(&event).unwrap());
                }
                let _ = events.outcome().await.unwrap();
                assert_eq!(lines, recording.events().collect::<Vec<_>>());
                drop(again);
            }
        }
        assert_eq!(end.notes.len(), 9);
        assert_eq!(calls.load(Ordering::Relaxed), made);
    }
}

#[tokio::test]
async fn a_replay_tells_where_the_program_has_changed() {
    let flow = |word: &'static str| {
        Graph::new()
            .node("a", move |_: Cx<Desk>| async move { Ok(Desk::update().notes([word.to_owned()])) })
            .start("a")
            .build()
            .unwrap()
    };
    let recorder = Recorder::new();
    done(flow("old").run(Desk::default()).record(&recorder).await.unwrap());
    let recording = recorder.recording();
    assert_eq!(recording.end(), Some(r#"{"done":{"notes":["old"]}}"#));
    done(flow("old").replay(&recording).unwrap().await.unwrap());
    let error = flow("new").replay(&recording).unwrap().await.unwrap_err();
    assert_eq!(error.kind(), Kind::BadOutput);
    assert!(error.to_string().contains("at event 3") && error.to_string().contains("new"), "{error}");
}
