//! Readers beside a writer: whatever they ask, they see whole commits.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use lorewell_rag::index::{Index, Progress};
use lorewell_rag::search::{Filter, Mode};
use tokio::runtime::{Builder, Runtime};

use crate::embedder::Words;
use crate::world::{World, agrees, section};

const EDITS: usize = 12;
const READERS: usize = 2;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs `write` while readers with handles of their own ask for the kettle, and checks each answer.
fn beside_readers(world: &World, write: impl FnOnce(&Runtime, &Index)) {
    let runtime = runtime();
    let index = runtime.block_on(world.open());
    runtime.block_on(async { index.add([world.tree()]).await }).unwrap();
    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| read_until(world, &done, &asked));
        }
        let stop = Stop(&done);
        write(&runtime, &index);
        while asked.load(Ordering::SeqCst) < READERS {
            std::thread::yield_now(); // each reader has to have asked at least once
        }
        drop(stop);
    });
    runtime.block_on(agrees(&runtime.block_on(world.open())));
}

/// Stops the readers, also when the writer fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn read_until(world: &World, done: &AtomicBool, asked: &AtomicUsize) {
    let runtime = runtime();
    let index = runtime.block_on(world.open());
    while !done.load(Ordering::SeqCst) {
        runtime.block_on(async {
            for mode in [Mode::Words, Mode::Hybrid] {
                let found = index.search("kettle").mode(mode).explain().await.unwrap();
                let versions = found.hits.iter().filter(|hit| hit.path == "a.md").count();
                assert_eq!(versions, 1, "{mode:?} finds one version of the file, the old or the new one");
            }
            let mut filter = Filter::default();
            filter.path = Some("a.md".into());
            let found = index.search("kettle").filter(filter).await.unwrap();
            assert_eq!(found.hits.len(), 1, "so it does behind a filter");
            assert_eq!(index.search("kettle").why("a.md").await.unwrap().chunks, 1);
            assert_eq!(index.documents().await.unwrap().len(), 2);
            let agreement = index.verify().await.unwrap();
            assert!(agreement.holds(), "{agreement:?}");
        });
        asked.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn an_edit_is_seen_whole() {
    let world = World::new();
    world.write("a.md", section("kettle"));
    world.write("b.md", section("lamp"));
    beside_readers(&world, |runtime, index| {
        for edit in 0..EDITS {
            world.write("a.md", section("kettle").replace("hall", &format!("hall {edit}")));
            runtime.block_on(async { index.add([world.tree()]).await }).unwrap();
        }
    });
}

#[test]
fn a_swap_of_generations_is_not_seen_at_all() {
    let world = World::new();
    world.write("a.md", section("kettle"));
    world.write("b.md", section("lamp"));
    beside_readers(&world, |runtime, _| {
        for swap in 0..EDITS / 2 {
            let words = Words::new(&format!("embedder {swap}"), 64);
            let mut options = world.options();
            options.embedder = Some(words.embedder());
            runtime.block_on(async {
                let index = world.open_as(options).await;
                index.refresh().await.unwrap();
            });
        }
        // Back to the embedder of the readers.
        runtime.block_on(async { world.open().await.refresh().await }).unwrap();
    });
}

#[test]
fn chunks_that_are_gone_take_no_places() {
    let world = World::new();
    for number in 0..300 {
        world.write(&format!("old/{number}.md"), section("kettle"));
    }
    world.write("a.md", format!("{} It is also near a lamp, a clock, a mirror.", section("kettle")));
    let runtime = runtime();
    runtime.block_on(async {
        let index = world.open().await;
        world.ingest(&index).await;
        std::fs::remove_dir_all(world.file("old")).unwrap();
        let reader = world.open().await;
        let seen = reader.clone();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let sender = std::sync::Mutex::new(Some(sender));
        let ingest = index.add([world.tree()]).words_only().on_progress(move |progress| {
            // The table has just dropped 300 chunks that both stores still hold.
            if let Progress::Searchable { .. } = progress
                && let Some(sender) = sender.lock().unwrap().take()
            {
                sender.send(top_five(seen.clone())).unwrap();
            }
        });
        ingest.await.unwrap();
        assert_eq!(receiver.await.unwrap(), ["a.md"]);
        assert_eq!(crate::world::found(&reader, "kettle").await, ["a.md"]);
    });
}

/// Asks from a thread of its own, as the ingest's may not wait.
fn top_five(index: Index) -> Vec<String> {
    let search = move || {
        let hits = runtime().block_on(async { index.search("kettle").limit(5).await }).unwrap().hits;
        hits.into_iter().map(|hit| hit.path).collect()
    };
    std::thread::spawn(search).join().unwrap()
}
