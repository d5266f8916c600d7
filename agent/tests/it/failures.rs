//! What fails: siblings keep what they did, errors are handled in the same superstep, time limits and retries hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lorewell_agent::{Cache, Cancel, Cx, Error, Graph, Kind, Result, Retry, State, node};

use crate::{Shelf, done};

#[derive(Clone, Debug, Default, PartialEq, State)]
struct Desk {
    #[reduce(append)]
    notes: Vec<String>,
}

async fn note(cx: Cx<Desk>) -> Result<DeskUpdate> {
    Ok(Desk::update().notes([cx.node().to_owned()]))
}

/// Fails until it was run so many times.
fn flaky(
    times: u32,
    kind: Kind,
) -> (Arc<AtomicU32>, impl Fn(Cx<Desk>) -> futures_util::future::BoxFuture<'static, Result<DeskUpdate>>) {
    let runs = Arc::new(AtomicU32::new(0));
    let counter = runs.clone();
    let node = move |cx: Cx<Desk>| {
        let n = counter.fetch_add(1, Ordering::Relaxed);
        let end: futures_util::future::BoxFuture<'static, Result<DeskUpdate>> = match n < times {
            true => Box::pin(async move { Err(Error::new(kind, "not yet")) }),
            false => Box::pin(note(cx)),
        };
        end
    };
    (runs, node)
}

#[tokio::test]
async fn a_failure_leaves_siblings_done_and_only_the_failed_runs_again() {
    for mut shelf in Shelf::all().await {
        let (good, count_good) = flaky(0, Kind::Internal);
        let (bad, fails_once) = flaky(1, Kind::Internal);
        let flow =
            Graph::new().node("good", count_good).node("bad", fails_once).start("good").start("bad").build().unwrap();
        let thread = flow.thread("t", shelf.store.clone());
        let error = thread.run(Desk::default()).await.unwrap_err();
        assert_eq!(error.to_string(), "node `bad`: not yet");
        assert_eq!(thread.standing().await.unwrap().state.notes, Vec::<String>::new());
        shelf.reopen().await;
        let thread = flow.thread("t", shelf.store.clone());
        assert_eq!(done(thread.resume().await.unwrap()).notes, ["bad", "good"]);
        assert_eq!((good.load(Ordering::Relaxed), bad.load(Ordering::Relaxed)), (1, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn retries_wait_and_only_for_errors_worth_it() {
    let (runs, fails_twice) = flaky(2, Kind::Unavailable);
    let flow = Graph::new().node("a", node(fails_twice).retry(Retry::default())).start("a").build().unwrap();
    let began = tokio::time::Instant::now();
    assert_eq!(done(flow.run(Desk::default()).await.unwrap()).notes, ["a"]);
    assert_eq!(runs.load(Ordering::Relaxed), 3);
    let waited = began.elapsed();
    assert!(waited >= Duration::from_millis(750) && waited <= Duration::from_millis(1500), "{waited:?}");

    let (runs, fails) = flaky(1, Kind::BadInput);
    let flow = Graph::new().node("a", node(fails).retry(Retry::default())).start("a").build().unwrap();
    assert_eq!(flow.run(Desk::default()).await.unwrap_err().kind(), Kind::BadInput);
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn timeouts_stop_what_takes_long_or_shows_no_life() {
    async fn alive(cx: Cx<Desk>) -> Result<DeskUpdate> {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            cx.alive();
        }
        note(cx).await
    }
    let run = |is_slow: bool, limit: Duration, idle: Duration| async move {
        let graph = match is_slow {
            true => Graph::<Desk>::new().node("a", node(slow).timeout(limit).idle_timeout(idle)),
            false => Graph::<Desk>::new().node("a", node(alive).timeout(limit).idle_timeout(idle)),
        };
        graph.start("a").build().unwrap().run(Desk::default()).await
    };
    let long = Duration::from_secs(1000);
    let error = run(true, Duration::from_secs(5), long).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
    assert!(error.to_string().contains("timeout of 5s"), "{error}");
    let error = run(true, long, Duration::from_secs(5)).await.unwrap_err();
    assert!(error.to_string().contains("no sign of life for 5s"), "{error}");
    assert_eq!(done(run(false, long, long).await.unwrap()).notes, ["a"]);
}

async fn slow(_: Cx<Desk>) -> Result<()> {
    tokio::time::sleep(Duration::from_secs(60)).await;
    Ok(())
}

#[tokio::test]
async fn an_error_handler_runs_in_the_same_superstep() {
    async fn handle(cx: Cx<Desk>) -> Result<DeskUpdate> {
        let failure = cx.failure().unwrap();
        assert_eq!(failure.kind, Kind::Internal);
        Ok(Desk::update().notes([format!("{}: {}", failure.node, failure.message)]))
    }
    for shelf in Shelf::all().await {
        let (_, fails) = flaky(9, Kind::Internal);
        let flow = Graph::new()
            .node("bad", node(fails).on_error("handler"))
            .node("handler", handle)
            .node("sibling", note)
            .node("after", note)
            .start("bad")
            .start("sibling")
            .edge("handler", "after")
            .build()
            .unwrap();
        let thread = flow.thread("t", shelf.store.clone());
        assert_eq!(done(thread.run(Desk::default()).await.unwrap()).notes, ["bad: not yet", "sibling", "after"]);
        assert_eq!(thread.history(None, 10).await.unwrap().len(), 3);
    }
}

#[tokio::test]
async fn a_panic_is_an_error_of_its_node() {
    async fn panics(_: Cx<Desk>) -> Result<()> {
        panic!("oh no");
    }
    let flow = Graph::new().node("a", panics).node("b", note).start("a").start("b").build().unwrap();
    let error = flow.run(Desk::default()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Internal);
    assert_eq!(error.to_string(), "node `a`: the node panicked: oh no");
}

#[tokio::test]
async fn cancelling_drops_what_runs_and_the_thread_can_be_resumed() {
    for shelf in Shelf::all().await {
        let (cancel, dropped) = (Cancel::new(), Arc::new(AtomicU32::new(0)));
        let (switch, count) = (cancel.clone(), dropped.clone());
        let flow = Graph::new()
            .node("a", note)
            .node("b", move |cx: Cx<Desk>| {
                let (switch, guard) = (switch.clone(), Guard(count.clone()));
                async move {
                    let _guard = guard;
                    if !switch.is_cancelled() {
                        switch.cancel();
                        std::future::pending::<()>().await;
                    }
                    note(cx).await
                }
            })
            .start("a")
            .edge("a", "b")
            .build()
            .unwrap();
        let thread = flow.thread("t", shelf.store.clone());
        let error = thread.run(Desk::default()).cancel(&cancel).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Cancelled);
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
        assert_eq!(done(thread.resume().await.unwrap()).notes, ["a", "b"]);
    }
}

struct Guard(Arc<AtomicU32>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_cached_result_is_taken_instead_of_a_run() {
    let (runs, works) = flaky(0, Kind::Internal);
    let cache = Cache::new(Duration::from_secs(60));
    let cached = node(works).cache(cache, |cx: &Cx<Desk>| cx.state().notes.len());
    let flow = Graph::new().node("a", cached).start("a").build().unwrap();
    for _ in 0..3 {
        assert_eq!(done(flow.run(Desk::default()).await.unwrap()).notes, ["a"]);
    }
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    let other = Desk { notes: vec!["x".to_owned()] };
    assert_eq!(done(flow.run(other).await.unwrap()).notes, ["x", "a"]);
    assert_eq!(runs.load(Ordering::Relaxed), 2);
}
