//! Effects happen once; time, chance and ids are the same when a task runs again.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use lorewell_agent::{Cx, Durability, Error, EventKind, Flow, Graph, Kind, Retry, Run, Source, State, Thread, node};

use crate::{Shelf, done, paused};

#[derive(Clone, Debug, Default, PartialEq, State)]
struct Desk {
    #[reduce(append)]
    seen: Vec<String>,
}

#[tokio::test]
async fn an_effect_happens_once_however_often_its_task_runs() {
    for durability in [Durability::Sync, Durability::Background, Durability::OnExit] {
        for mut shelf in Shelf::all().await {
            let keys: Arc<Mutex<Vec<String>>> = Arc::default();
            let drawn: Arc<Mutex<Vec<String>>> = Arc::default();
            let (k, d) = (keys.clone(), drawn.clone());
            let flow = Graph::new()
                .node("pay", move |cx: Cx<Desk>| {
                    let (keys, drawn) = (k.clone(), d.clone());
                    async move {
                        let own = format!("{:?} {} {}", cx.now(), cx.random(), cx.id());
                        drawn.lock().unwrap().push(own);
                        let act = |key: String| async move {
                            keys.lock().unwrap().push(key);
                            Ok(42)
                        };
                        let receipt: u32 = cx.effect("pay", act).await?;
                        let yes: bool = cx.ask("sure?").await?;
                        Ok(Desk::update().seen([format!("{receipt} {yes}")]))
                    }
                })
                .start("pay")
                .build()
                .unwrap();
            let thread = flow.thread("t", shelf.store.clone());
            let open = paused(thread.run(Desk::default()).durability(durability).await.unwrap()).questions;
            shelf.reopen().await;
            let thread = flow.thread("t", shelf.store.clone());
            thread.answer(&open[0].id, true).await.unwrap();
            assert_eq!(done(thread.resume().durability(durability).await.unwrap()).seen, ["42 true"]);
            assert_eq!(keys.lock().unwrap().len(), 1);
            let drawn = drawn.lock().unwrap();
            assert_eq!(drawn.len(), 2);
            assert_eq!(drawn[0], drawn[1]);
        }
    }
}

#[tokio::test]
async fn a_failed_effect_is_tried_again_with_the_same_key_and_a_finished_one_is_not() {
    let keys: Arc<Mutex<Vec<String>>> = Arc::default();
    let others = Arc::new(AtomicU32::new(0));
    let (k, o) = (keys.clone(), others.clone());
    let pay = move |cx: Cx<Desk>| {
        let (keys, others) = (k.clone(), o.clone());
        async move {
            let count = |_| async { Ok(others.fetch_add(1, Ordering::Relaxed)) };
            let n: u32 = cx.effect("other", count).await?;
            let receipt: u32 = cx
                .effect("pay", |key| async {
                    keys.lock().unwrap().push(key);
                    match cx.attempt() {
                        1 => Err(Error::new(Kind::Unavailable, "down")),
                        attempt => Ok(attempt),
                    }
                })
                .await?;
            Ok(Desk::update().seen([format!("{n} {receipt}")]))
        }
    };
    let retry = Retry::default().first(std::time::Duration::from_millis(1));
    let flow = Graph::new().node("pay", node(pay).retry(retry)).start("pay").build().unwrap();
    assert_eq!(done(flow.run(Desk::default()).await.unwrap()).seen, ["0 2"]);
    let keys = keys.lock().unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1]);
    assert_eq!(others.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn keys_differ_between_threads_runs_and_forks() {
    for shelf in Shelf::all().await {
        let keys: Arc<Mutex<Vec<String>>> = Arc::default();
        let k = keys.clone();
        let flow = Graph::new()
            .node("pay", move |cx: Cx<Desk>| {
                let keys = k.clone();
                async move {
                    for _ in 0..2 {
                        let act = |key| async {
                            keys.lock().unwrap().push(key);
                            Ok(())
                        };
                        cx.effect("pay", act).await?;
                    }
                    Ok(())
                }
            })
            .start("pay")
            .build()
            .unwrap();
        for name in ["a", "b"] {
            let thread = flow.thread(name, shelf.store.clone());
            done(thread.run(Desk::default()).await.unwrap());
            done(thread.run(Desk::update()).await.unwrap());
            let first = thread.history(None, 10).await.unwrap().pop().unwrap();
            thread.fork(&first.id).await.unwrap();
            done(thread.resume().await.unwrap());
        }
        done(flow.run(Desk::default()).await.unwrap());
        done(flow.run(Desk::default()).await.unwrap());
        let keys = keys.lock().unwrap();
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!((keys.len(), distinct.len()), (16, 16));
    }
}

/// Three nodes in a row, each with an effect; the last one waits for ever as long as it is told to.
fn chain(calls: &Arc<Mutex<Vec<String>>>, hang: &Arc<AtomicU32>) -> Flow<Desk> {
    let step = |calls: &Arc<Mutex<Vec<String>>>, hang: &Arc<AtomicU32>| {
        let (calls, hang) = (calls.clone(), hang.clone());
        move |cx: Cx<Desk>| {
            let (calls, hang) = (calls.clone(), hang.clone());
            async move {
                let act = |_| async {
                    calls.lock().unwrap().push(cx.node().to_owned());
                    Ok(calls.lock().unwrap().len())
                };
                let n: usize = cx.effect("call", act).await?;
                if cx.node() == "c" && hang.load(Ordering::Relaxed) == 1 {
                    std::future::pending::<()>().await;
                }
                Ok(Desk::update().seen([format!("{} {n}", cx.node())]))
            }
        }
    };
    let graph = Graph::new().node("a", step(calls, hang)).node("b", step(calls, hang)).node("c", step(calls, hang));
    graph.start("a").edge("a", "b").edge("b", "c").build().unwrap()
}

#[tokio::test]
async fn a_run_that_was_to_be_stored_at_its_end_can_be_resumed_after_a_crash() {
    for mut shelf in Shelf::all().await {
        let (calls, hang) = (Arc::default(), Arc::new(AtomicU32::new(1)));
        let flow = chain(&calls, &hang);
        let crash = async |thread: &Thread<Desk>, run: Run<Desk>| {
            let limit = std::time::Duration::from_millis(300);
            assert!(tokio::time::timeout(limit, run.durability(Durability::OnExit).into_future()).await.is_err());
            assert_eq!(thread.history(None, 10).await.unwrap()[0].source, Source::Input);
        };
        let thread = flow.thread("t", shelf.store.clone());
        crash(&thread, thread.run(Desk::default())).await;
        assert_eq!(*calls.lock().unwrap(), ["a", "b", "c"]);
        drop(thread);
        shelf.reopen().await;
        let thread = flow.thread("t", shelf.store.clone());
        assert_eq!(thread.run(Desk::default()).await.unwrap_err().kind(), Kind::Conflict);
        // Another run in its place does not get what the first one has done.
        crash(&thread, thread.run(Desk::default()).discard_unfinished()).await;
        assert_eq!(calls.lock().unwrap().len(), 6);
        hang.store(0, Ordering::Relaxed);
        let desk = done(thread.resume().durability(Durability::OnExit).await.unwrap());
        assert_eq!(desk.seen, ["a 4", "b 5", "c 6"]);
        assert_eq!(calls.lock().unwrap().len(), 6);
    }
}

/// Draws who pays; then one of many does.
fn lottery(payments: &Arc<Mutex<Vec<String>>>) -> Flow<Desk> {
    let pay = |cx: Cx<Desk>, payments: Arc<Mutex<Vec<String>>>| async move {
        let act = |_| async {
            payments.lock().unwrap().push(cx.node().to_owned());
            Ok(cx.node().to_owned())
        };
        let payer: String = cx.effect("pay", act).await?;
        cx.emit("paid", ()).await;
        Ok(Desk::update().seen([format!("{} has the receipt of {payer}", cx.node())]))
    };
    let names: Vec<String> = (0..100).map(|n| format!("payer{n}")).collect();
    let mut graph = Graph::new()
        .node("draw", |cx: Cx<Desk>| async move { Ok(Desk::update().seen([format!("payer{}", cx.random() % 100)])) });
    for name in &names {
        let payments = payments.clone();
        graph = graph.node(name, move |cx| pay(cx, payments.clone()));
    }
    graph.start("draw").branch("draw", names, |desk: &Desk| desk.seen[0].clone()).build().unwrap()
}

#[tokio::test]
async fn after_a_crash_a_run_stored_at_its_end_does_not_take_another_way_and_pay_twice() {
    for mut shelf in Shelf::all().await {
        let payments = Arc::default();
        let flow = lottery(&payments);
        let thread = flow.thread("t", shelf.store.clone());
        let mut events = thread.run(Desk::default()).durability(Durability::OnExit).events();
        while let Some(event) = events.next().await {
            if matches!(event.kind, EventKind::Custom { .. }) {
                break;
            }
        }
        drop(events);
        drop(thread);
        shelf.reopen().await;
        let thread = flow.thread("t", shelf.store.clone());
        let desk = done(thread.resume().durability(Durability::OnExit).await.unwrap());
        let payer = payments.lock().unwrap()[0].clone();
        assert_eq!(desk.seen, [payer.clone(), format!("{payer} has the receipt of {payer}")]);
        assert_eq!(payments.lock().unwrap().len(), 1);
    }
}

/// Has no form in JSON.
#[derive(serde::Deserialize)]
struct Shapeless;

impl serde::Serialize for Shapeless {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no form"))
    }
}

#[tokio::test]
async fn a_result_that_nobody_can_read_back_is_not_encoded() {
    let draw = |cx: Cx<Desk>| async move {
        cx.effect("draw", async |_| Ok(Shapeless)).await?;
        Ok(Desk::update().seen(["drawn".to_owned()]))
    };
    let flow = Graph::new().node("draw", draw).start("draw").build().unwrap();
    assert_eq!(done(flow.run(Desk::default()).await.unwrap()).seen, ["drawn"]);

    // Another attempt could.
    let retried = Graph::new().node("draw", node(draw).retry(Retry::default())).start("draw").build().unwrap();
    assert!(retried.run(Desk::default()).await.unwrap_err().to_string().contains("no form"));
    for shelf in Shelf::all().await {
        let error = flow.thread("t", shelf.store.clone()).run(Desk::default()).await.unwrap_err();
        assert!(error.to_string().contains("no form"), "{error}");
    }
}
