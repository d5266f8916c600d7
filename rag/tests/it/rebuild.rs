//! Changing the embedder or the chunker: a new generation is built beside the live one, which answers until the new one
//! is complete.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lorewell_model::Kind;
use lorewell_rag::chunk::{ChunkOptions, ChunkerKind};
use lorewell_rag::index::{Options, Progress};
use lorewell_rag::search::{Meaning, Mode};

use crate::embedder::Words;
use crate::ingest::until;
use crate::world::{World, agrees, export, found, hits, section, sections};

/// The world's options with another embedder.
fn embedded_by(world: &World, words: &Words) -> Options {
    with(world.options(), |options| options.embedder = Some(words.embedder()))
}

fn with(mut options: Options, change: impl FnOnce(&mut Options)) -> Options {
    change(&mut options);
    options
}

fn generations(world: &World) -> Vec<String> {
    let entries = std::fs::read_dir(world.kb()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.filter_map(|name| name.into_string().ok()).collect();
    names.retain(|name| name.starts_with("gen-"));
    names.sort_unstable();
    names
}

#[tokio::test]
async fn the_old_generation_answers_until_the_new_one_is_complete() {
    let world = World::new();
    world.write("a.md", sections(&["kettle", "lamp"]));
    let old = world.open().await;
    world.ingest(&old).await;
    world.words.take();

    let other = Words::new("other", 32);
    let new = world.open_as(embedded_by(&world, &other)).await;
    let hits_before = new.search("kettle").await.unwrap();
    assert!(matches!(&hits_before.meaning, Meaning::Off { why } if why.contains("words") && why.contains("other")));
    assert_eq!(hits_before.mode, Mode::Words);
    assert_eq!(new.search("kettle").mode(Mode::Meaning).await.unwrap_err().kind(), Kind::Config);
    assert!(new.status().await.unwrap().embedder_differs);

    other.shut();
    let writer = tokio::spawn(std::future::IntoFuture::into_future(new.refresh()));
    until(async || new.status().await.unwrap().rebuilding).await;
    let meanwhile = old.search("kettle").await.unwrap();
    assert_eq!((meanwhile.meaning, meanwhile.hits.len()), (Meaning::Ready, 2), "the old vectors answer");
    assert_eq!(found(&new, "kettle").await, ["a.md"]);
    assert_eq!(generations(&world), ["gen-1", "gen-2"]);

    other.unshut();
    let report = writer.await.unwrap().unwrap();
    assert_eq!((report.vectors_made, other.take().len(), world.words.take().len()), (2, 2, 0));
    assert_eq!(generations(&world), ["gen-2"]);
    assert_eq!(new.search("kettle").await.unwrap().meaning, Meaning::Ready);
    let status = old.status().await.unwrap();
    assert_eq!((status.generation, status.embedder_differs), (2, true), "the other handle sees the swap");
    assert_eq!(found(&old, "lamp").await, ["a.md"]);
    agrees(&new).await;
}

#[tokio::test]
async fn a_rebuild_that_was_cancelled_goes_on_where_it_was() {
    let world = World::new();
    for number in 0..600 {
        world.write(&format!("{number}.md"), format!("Note {number} speaks of kettles and of nothing else."));
    }
    let old = world.open().await;
    world.ingest(&old).await;
    let other = Words::new("other", 32);
    let new = world.open_as(embedded_by(&world, &other)).await;
    let cancel: Arc<AtomicBool> = Arc::default();
    let flag = Arc::clone(&cancel);
    let ingest = new.refresh().cancel(cancel).on_progress(move |progress| {
        if matches!(progress, Progress::Embedded { chunks: 1.., .. }) {
            flag.store(true, Ordering::SeqCst);
        }
    });
    let report = ingest.await.unwrap();
    assert!(report.cancelled && report.vectors_pending > 0, "{report:?}");
    let status = new.status().await.unwrap();
    assert_eq!((status.generation, status.rebuilding), (1, true));
    assert_eq!(old.search("kettle").await.unwrap().meaning, Meaning::Ready);
    let before = other.take().len();

    // Files change in between: the half-built generation follows.
    world.remove("7.md");
    world.write("8.md", section("mirror"));
    world.write("new.md", section("clock"));
    let report = new.add([world.tree()]).await.unwrap();
    let after = other.take().len();
    assert_eq!(report.vectors_pending, 0);
    assert!(before > 0 && before + after <= 600 + 2, "nothing is embedded twice: {before} + {after}");
    assert_eq!(generations(&world), ["gen-2"]);
    assert_eq!(found(&new, "mirror").await, ["8.md"]);
    assert_eq!(found(&new, "clock").await, ["new.md"]);
    agrees(&new).await;
}

#[tokio::test]
async fn a_rebuild_whose_embedder_fails_leaves_the_old_one_alone() {
    let world = World::new();
    world.write("a.md", sections(&["kettle", "lamp"]));
    let old = world.open().await;
    world.ingest(&old).await;
    let other = Words::new("other", 32);
    other.fail_after(0);
    let new = world.open_as(embedded_by(&world, &other)).await;
    assert_eq!(new.refresh().await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(old.search("kettle").await.unwrap().meaning, Meaning::Ready);
    agrees(&old).await;
    // A third embedder, of other dimensions again: the half-built generation is of no use to it.
    let third = Words::new("third", 16);
    let new = world.open_as(embedded_by(&world, &third)).await;
    assert_eq!(new.refresh().await.unwrap().vectors_made, 2);
    agrees(&new).await;
}

#[tokio::test]
async fn a_change_of_chunker_cuts_everything_anew() {
    let world = World::new();
    world.write("a.md", sections(&["kettle", "lamp", "clock"]));
    let index = world.open().await;
    world.ingest(&index).await;
    let chunks = ChunkOptions::default().kind(ChunkerKind::Fixed).tokens_max(20).tokens_overlap(0);
    let options = with(world.options(), |options| options.chunks = chunks);
    let recut = world.open_as(options.clone()).await;
    world.ingest(&recut).await;
    let status = recut.status().await.unwrap();
    assert!(status.generation == 2 && status.chunks > 3, "{status:?}");
    assert_eq!(status.embedded, status.chunks);

    let fresh = lorewell_rag::index::Index::open(world.dir.path().join("fresh"), options).await.unwrap();
    world.ingest(&fresh).await;
    let questions = ["kettle", "lamp on the table"];
    assert_eq!(export(&recut, &questions).await, export(&fresh, &questions).await);
}

#[tokio::test]
async fn an_index_of_words_gets_vectors_and_a_handle_without_an_embedder_keeps_them() {
    let world = World::new();
    world.write("a.md", sections(&["kettle", "lamp"]));
    let plain = world.open_as(with(world.options(), |options| options.embedder = None)).await;
    assert_eq!(plain.add([world.tree()]).await.unwrap().vectors_pending, 2);
    assert!(matches!(plain.search("kettle").await.unwrap().meaning, Meaning::Off { .. }));
    let index = world.open().await;
    assert_eq!(index.refresh().await.unwrap().vectors_made, 2);
    assert_eq!(index.search("kettle").await.unwrap().meaning, Meaning::Ready);

    let chunks = ChunkOptions::default().kind(ChunkerKind::Fixed).tokens_max(20).tokens_overlap(0);
    let plain = world.open_as(with(world.options(), |options| (options.embedder, options.chunks) = (None, chunks)));
    let plain = plain.await;
    world.write("b.md", section("clock"));
    plain.add([world.tree()]).await.unwrap();
    let hits = index.search("kettle").await.unwrap();
    assert!(matches!(hits.meaning, Meaning::Partial { embedded: 2, .. }), "{:?}", hits.meaning);
    agrees(&index).await;
}

#[tokio::test]
async fn folders_of_generations_that_no_manifest_names_are_swept() {
    let world = World::new();
    world.write("a.md", section("kettle"));
    let index = world.open().await;
    let left: PathBuf = world.kb().join("gen-7");
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("table.sqlite"), "half").unwrap();
    world.ingest(&index).await;
    assert_eq!(generations(&world), ["gen-1"]);
    assert_eq!(hits(&index, "kettle", Mode::Hybrid).await.len(), 1);
}
