//! What a thread keeps in memory between its runs, and when it reads all of it again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use lorewell_agent::checkpoint::{Batch, Checkpoints, Claim, EntryKey, Loaded, Place, Span, StepRow, ThreadInfo};
use lorewell_agent::{Cx, Durability, Flow, Graph, Input, Kind, Result, State};

use crate::{Shelf, done, paused};

/// A store that counts how often states are read.
#[derive(Debug, Clone)]
struct Counted {
    inner: Arc<dyn Checkpoints>,
    loads: Arc<AtomicU32>,
}

impl Counted {
    fn new(inner: &Arc<dyn Checkpoints>) -> Self {
        Self { inner: inner.clone(), loads: Arc::default() }
    }

    /// How often since this was asked last.
    fn loads(&self) -> u32 {
        self.loads.swap(0, Ordering::Relaxed)
    }
}

#[async_trait]
impl Checkpoints for Counted {
    async fn claim(&self, thread: &str) -> Result<Claim> {
        self.inner.claim(thread).await
    }

    fn release(&self, claim: &Claim) {
        self.inner.release(claim);
    }

    fn write(&self, claim: &Claim, batch: Batch) -> BoxFuture<'static, Result<()>> {
        self.inner.write(claim, batch)
    }

    async fn thread(&self, thread: &str) -> Result<Option<ThreadInfo>> {
        self.inner.thread(thread).await
    }

    async fn threads(&self, after: &str, limit: usize) -> Result<Vec<ThreadInfo>> {
        self.inner.threads(after, limit).await
    }

    async fn load(&self, thread: &str, path: &str, lineage: &[Span]) -> Result<Loaded> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        self.inner.load(thread, path, lineage).await
    }

    async fn steps(
        &self,
        thread: &str,
        path: &str,
        lineage: &[Span],
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<StepRow>> {
        self.inner.steps(thread, path, lineage, before, limit).await
    }

    async fn paths(&self, thread: &str, prefix: &str) -> Result<Vec<Arc<str>>> {
        self.inner.paths(thread, prefix).await
    }

    async fn entry(&self, thread: &str, place: &Place, key: &EntryKey) -> Result<Option<Vec<u8>>> {
        self.inner.entry(thread, place, key).await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        self.inner.copy(from, to).await
    }

    async fn delete(&self, thread: &str) -> Result<bool> {
        self.inner.delete(thread).await
    }
}

#[derive(Clone, Debug, Default, PartialEq, State)]
struct Desk {
    #[reduce(append)]
    notes: Vec<String>,
    ask: bool,
    fail: bool,
}

fn said(note: &str) -> DeskUpdate {
    Desk::update().notes([note.to_owned()])
}

/// Notes how many notes there are; asks or fails if it is told to.
fn desk() -> Flow<Desk> {
    let count = |cx: Cx<Desk>| async move {
        let Desk { notes, ask, fail } = cx.state();
        if *ask {
            let _: bool = cx.ask("really?").await?;
        }
        if *fail {
            return Err(lorewell_agent::Error::new(Kind::BadInput, "it was told to fail"));
        }
        Ok(Desk::update().notes([notes.len().to_string()]).ask(false))
    };
    Graph::new().node("count", count).start("count").build().unwrap()
}

#[tokio::test]
async fn a_run_goes_on_from_what_the_one_before_it_has_left() {
    for durability in [Durability::Sync, Durability::Background] {
        for shelf in Shelf::all().await {
            let store = Counted::new(&shelf.store);
            let thread = desk().thread("t", store.clone());
            let run = |note: &str| thread.run(Input::Update(said(note))).durability(durability);
            done(run("a").await.unwrap());
            done(run("b").await.unwrap());
            assert_eq!(store.loads(), 2, "nothing is kept for a thread that is run once");
            for note in ["c", "d", "e"] {
                done(run(note).await.unwrap());
            }
            let end = done(thread.clone().run(Input::Update(said("f"))).await.unwrap());
            assert_eq!(store.loads(), 0, "a state was read");
            assert_eq!(end.notes.join(" "), "a 1 b 3 c 5 d 7 e 9 f 11");
            let other = desk().thread("t", store.clone());
            assert_eq!(other.standing().await.unwrap().state, end, "another handle reads the same");
            assert_eq!(done(thread.resume().await.unwrap()), end);
            assert_eq!(done(thread.resume().await.unwrap()), end);
            store.loads();
            thread.forget();
            assert_eq!(done(thread.resume().await.unwrap()), end);
            assert_eq!(store.loads(), 1);
        }
    }
}

#[tokio::test]
async fn what_others_have_written_meanwhile_is_read() {
    for shelf in Shelf::all().await {
        let store = Counted::new(&shelf.store);
        let (thread, other) = (desk().thread("t", store.clone()), desk().thread("t", store.clone()));
        let run = |note: &str| thread.run(Input::Update(said(note)));
        done(run("a").await.unwrap());
        done(thread.resume().await.unwrap());
        done(other.run(Input::Update(said("b"))).await.unwrap());
        assert_eq!(done(run("c").await.unwrap()).notes.join(" "), "a 1 b 3 c 5");
        other.edit(said("d")).await.unwrap();
        assert_eq!(done(run("e").await.unwrap()).notes.join(" "), "a 1 b 3 c 5 d e 8");
        let back = thread.history(None, 100).await.unwrap().pop().unwrap();
        other.fork(&back.id).await.unwrap();
        let standing = thread.standing().await.unwrap();
        assert_eq!((standing.state.notes, standing.next.len()), (vec!["a".to_owned()], 1));
        assert_eq!(done(thread.resume().await.unwrap()).notes.join(" "), "a 1");
        other.prune(1).await.unwrap();
        store.loads();
        assert_eq!(done(run("f").await.unwrap()).notes.join(" "), "a 1 f 3");
        assert_eq!(store.loads(), 1);
    }
}

#[tokio::test]
async fn a_thread_of_the_same_name_is_not_taken_for_the_one_before_it() {
    for shelf in Shelf::all().await {
        let thread = desk().thread("t", shelf.store.clone());
        let run = |note: &str| thread.run(Input::Update(said(note)));
        done(run("a").await.unwrap());
        done(thread.resume().await.unwrap());
        assert!(desk().thread("t", shelf.store.clone()).delete().await.unwrap());
        assert_eq!(done(run("b").await.unwrap()).notes.join(" "), "b 1");

        let like = desk().thread("like", shelf.store.clone());
        done(like.run(Input::Update(said("other"))).await.unwrap());
        assert!(thread.delete().await.unwrap());
        let copy = like.copy("t").await.unwrap();
        assert_eq!(done(run("c").await.unwrap()).notes.join(" "), "other 1 c 3");
        assert_eq!(done(copy.run(Input::Update(said("d"))).await.unwrap()).notes.len(), 6);
    }
}

#[tokio::test]
async fn what_has_not_come_to_its_end_is_read_again() {
    for shelf in Shelf::all().await {
        let store = Counted::new(&shelf.store);
        let thread = desk().thread("t", store.clone());
        done(thread.run(Input::Update(said("a"))).await.unwrap());
        done(thread.resume().await.unwrap());
        let asks = paused(thread.run(Input::Update(said("b").ask(true))).await.unwrap());
        thread.answer(&asks.questions[0].id, true).await.unwrap();
        store.loads();
        assert_eq!(done(thread.resume().await.unwrap()).notes.join(" "), "a 1 b 3");
        assert_eq!(store.loads(), 1);
        thread.run(Input::Update(said("c").fail(true))).await.unwrap_err();
        thread.edit(Desk::update().fail(false)).await.unwrap();
        assert_eq!(done(thread.resume().await.unwrap()).notes.join(" "), "a 1 b 3 c 5");
        let run = thread.run(Input::Update(said("d"))).durability(Durability::OnExit);
        assert_eq!(done(run.await.unwrap()).notes.len(), 8);
        store.loads();
        assert_eq!(done(thread.run(Input::Update(said("e"))).await.unwrap()).notes.len(), 10);
        assert_eq!(store.loads(), 1, "what is stored at the end only is read");
    }
}

#[derive(Clone, Debug, Default, PartialEq, State)]
struct Scratch {
    #[reduce(append)]
    seen: Vec<u32>,
    #[reduce(untracked)]
    scratch: u32,
}

#[tokio::test]
async fn what_is_never_stored_is_blank_in_the_next_run() {
    for shelf in Shelf::all().await {
        let look = |cx: Cx<Scratch>| async move { Ok(Scratch::update().seen([cx.state().scratch]).scratch(7)) };
        let flow = Graph::new().node("look", look).start("look").build().unwrap();
        let thread = flow.thread("t", shelf.store.clone());
        for runs in 1..=3 {
            let end = done(thread.run(Input::Update(Scratch::update())).await.unwrap());
            assert_eq!((end.seen, end.scratch), (vec![0; runs], 7));
        }
    }
}
