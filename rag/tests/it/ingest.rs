//! What an ingest does to files that come, change, move, go, or cannot be read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lorewell_model::{Kind, Result};
use lorewell_rag::index::{FileState, Progress};
use lorewell_rag::search::Meaning;

use crate::world::{World, agrees, found, section, sections, states};

#[tokio::test]
async fn what_has_not_changed_is_not_touched() {
    let world = World::new();
    world.write("a.md", sections(&["kettle", "lamp"]));
    world.write("b.md", sections(&["clock"]));
    let index = world.open().await;
    let first = world.ingest(&index).await;
    assert_eq!((first.indexed, first.unchanged, first.chunks_added), (2, 0, 3), "{first:?}");
    assert_eq!(world.words.take().len(), 3);

    let again = world.ingest(&index).await;
    assert_eq!((again.indexed, again.unchanged, again.chunks_added), (0, 2, 0), "{again:?}");
    assert_eq!(world.words.take().len(), 0);
}

#[tokio::test]
async fn a_touched_file_is_read_once_more_and_then_trusted() {
    let world = World::new();
    world.write("a.md", sections(&["kettle"]));
    let index = world.open().await;
    world.ingest(&index).await;
    world.words.take();
    world.touch("a.md");
    let candidates = |index| {
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let note = Arc::clone(&seen);
        let ingest = lorewell_rag::index::Index::refresh(index).on_progress(move |progress| {
            if let Progress::Walked { candidates, .. } = progress {
                note.lock().unwrap().push(candidates);
            }
        });
        async move {
            let report = ingest.await.unwrap();
            let seen = seen.lock().unwrap().clone();
            (report.unchanged, seen)
        }
    };
    assert_eq!(candidates(&index).await, (1, vec![1]), "its content is compared");
    assert_eq!(candidates(&index).await, (1, vec![0]), "its new time is in the ledger");
    assert_eq!(world.words.take().len(), 0);
    agrees(&index).await;
}

#[tokio::test]
async fn an_edit_embeds_what_it_changed() {
    let world = World::new();
    world.write("a.md", sections(&["kettle", "lamp", "clock"]));
    let index = world.open().await;
    world.ingest(&index).await;
    world.words.take();
    world.write("a.md", sections(&["kettle", "mirror", "clock"]));
    let report = world.ingest(&index).await;
    assert_eq!((report.chunks_added, report.chunks_kept, report.chunks_removed), (1, 2, 1), "{report:?}");
    let embedded = world.words.take();
    assert!(embedded.len() == 1 && embedded[0].contains("mirror"), "{embedded:?}");
    assert_eq!(found(&index, "lamp").await, [""; 0]);
    assert_eq!(found(&index, "mirror").await, ["a.md"]);
}

#[tokio::test]
async fn an_edit_that_changes_no_passage_writes_none() {
    let world = World::new();
    world.write("a.md", sections(&["kettle", "lamp"]));
    let index = world.open().await;
    world.ingest(&index).await;
    world.write("a.md", sections(&["kettle", "lamp"]) + "\n\n\n");
    let report = world.ingest(&index).await;
    assert_eq!((report.indexed, report.chunks_added, report.chunks_kept), (1, 0, 2), "{report:?}");
    assert_eq!(world.ingest(&index).await.unchanged, 1);
}

#[tokio::test]
async fn chunks_that_stay_know_where_they_lie_now() {
    let world = World::new();
    world.write("a.md", sections(&["kettle", "lamp"]));
    let index = world.open().await;
    world.ingest(&index).await;
    let place = async || {
        let hits = index.search("kettle").limit(1).await.unwrap().hits;
        let text = index.text("a.md").await.unwrap();
        assert_eq!(&text[hits[0].range.clone()], hits[0].text, "the range is that of the text");
        hits[0].range.start
    };
    let before = place().await;
    world.write("a.md", sections(&["mirror", "lamp", "kettle"]));
    let report = world.ingest(&index).await;
    assert_eq!((report.chunks_added, report.chunks_kept), (1, 2), "{report:?}");
    assert!(place().await > before);
}

#[tokio::test]
async fn a_rename_embeds_nothing() {
    let world = World::new();
    world.write("old.md", sections(&["kettle", "lamp"]));
    let index = world.open().await;
    world.ingest(&index).await;
    world.words.take();
    std::fs::rename(world.file("old.md"), world.file("brandnew.md")).unwrap();
    let report = world.ingest(&index).await;
    assert_eq!((report.removed, report.vectors_reused), (vec!["old.md".to_owned()], 2));
    assert_eq!(world.words.take().len(), 0);
    assert_eq!(found(&index, "kettle").await, ["brandnew.md"]);
    assert_eq!(found(&index, "brandnew").await, ["brandnew.md"], "words of the new path are found");
    assert_eq!(found(&index, "old").await, [""; 0]);
    let hits = index.search("kettle").await.unwrap();
    assert_eq!(hits.meaning, Meaning::Ready);
    assert!(hits.hits[0].meaning.is_some(), "its vector came with it");
}

#[tokio::test]
async fn equal_passages_share_a_vector() {
    let world = World::new();
    world.write("a.md", section("kettle"));
    world.write("b.md", section("kettle"));
    let index = world.open().await;
    let report = world.ingest(&index).await;
    assert_eq!((report.vectors_made, report.vectors_reused), (1, 1));
    assert_eq!(world.words.take().len(), 1);
    // Also where the first of them was embedded long ago.
    world.write("c.md", section("kettle"));
    index.add([world.tree()]).words_only().await.unwrap();
    let report = world.ingest(&index).await;
    assert_eq!((world.words.take().len(), report.vectors_pending), (0, 0));
}

#[tokio::test]
async fn what_is_gone_from_disk_is_gone() {
    let world = World::new();
    for name in ["a.md", "folder/b.md", "folder/c.md", "folder2/d.md"] {
        world.write(name, section("kettle"));
    }
    let index = world.open().await;
    world.ingest(&index).await;
    world.remove("a.md");
    assert_eq!(world.ingest(&index).await.removed, ["a.md"]);
    std::fs::remove_dir_all(world.file("folder")).unwrap();
    let report = index.add([world.file("folder")]).await.unwrap();
    assert_eq!(report.removed, ["folder/b.md", "folder/c.md"], "a known folder that is gone is no error");
    assert_eq!(found(&index, "kettle").await, ["folder2/d.md"]);
    std::fs::remove_dir_all(world.tree()).unwrap();
    assert_eq!(index.add([world.tree()]).await.unwrap().removed, ["folder2/d.md"], "the root itself");
    assert_eq!(states(&index).await, []);
    agrees(&index).await;
}

#[tokio::test]
async fn remove_takes_out_files_folders_and_sources() {
    let world = World::new();
    for name in ["a.md", "folder/b.md", "folder/c.md"] {
        world.write(name, section("kettle"));
    }
    let index = world.open().await;
    index.add([world.file("a.md"), world.file("folder")]).await.unwrap();
    let removal = index.remove(world.file("folder")).await.unwrap();
    assert_eq!((removal.removed.len(), removal.chunks), (2, 2));
    assert_eq!(index.status().await.unwrap().sources, ["a.md"]);
    assert_eq!(index.refresh().await.unwrap().indexed, 0, "it does not come back by itself");
    assert_eq!(found(&index, "kettle").await, ["a.md"]);
    let error = index.remove(world.file("folder")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    agrees(&index).await;
}

#[tokio::test]
async fn the_root_folder_keeps_to_its_own_files() {
    let world = World::new();
    world.write("in.md", section("kettle"));
    let out = world.dir.path().join("out.md");
    std::fs::write(&out, section("kettle")).unwrap();
    let index = world.open().await;
    index.add([&out]).await.unwrap();
    index.add_text("note", section("kettle")).await.unwrap();
    let report = world.ingest(&index).await;
    assert_eq!(report.removed, [""; 0], "a file elsewhere and a text are not gone");
    assert_eq!(found(&index, "kettle").await, [out.to_str().unwrap(), "in.md", "text:note"]);
    assert_eq!(index.remove(world.tree()).await.unwrap().removed, ["in.md"]);
    assert_eq!(index.status().await.unwrap().sources, [out.to_str().unwrap()]);
}

#[tokio::test]
async fn an_index_inside_its_folder_is_no_document() {
    let world = World::new();
    world.write("a.md", section("kettle"));
    let index = lorewell_rag::index::Index::open(world.file("kb"), world.options()).await.unwrap();
    world.ingest(&index).await;
    world.ingest(&index).await;
    assert_eq!(states(&index).await, [("a.md".to_owned(), FileState::Indexed)]);
}

#[tokio::test]
async fn a_file_is_in_one_state_and_a_failed_one_has_no_document() {
    let world = World::new();
    world.write("a.json", r#"{"kettle": 3}"#);
    world.write("b.md", section("kettle"));
    world.write("empty.md", "");
    world.write("film.xyz", "kettle");
    let index = world.open().await;
    let report = world.ingest(&index).await;
    assert_eq!((report.indexed, keys(&report.skipped)), (2, vec!["empty.md", "film.xyz"]));

    world.write("a.json", r#"{"kettle": "#);
    world.write("b.md", [0, 159, 146, 150, 0, 0, 1, 2, 3, 0, 0, 0, 255]);
    let report = world.ingest(&index).await;
    assert_eq!((keys(&report.failed), keys(&report.skipped)), (vec!["a.json"], vec!["b.md", "empty.md", "film.xyz"]));
    assert_eq!(found(&index, "kettle").await, [""; 0]);
    let again = world.ingest(&index).await;
    assert_eq!((again.failed, again.skipped), (report.failed, report.skipped), "not read again, and not forgotten");
    let expected = [
        ("a.json", FileState::Failed),
        ("b.md", FileState::Skipped),
        ("empty.md", FileState::Skipped),
        ("film.xyz", FileState::Skipped),
    ];
    assert_eq!(states(&index).await, expected.map(|(path, state)| (path.to_owned(), state)));

    world.write("a.json", "");
    world.write("b.md", section("kettle"));
    let report = world.ingest(&index).await;
    assert_eq!((report.indexed, report.failed.len()), (1, 0), "{report:?}");
    assert_eq!(keys(&report.skipped), ["a.json", "empty.md", "film.xyz"]);
    assert_eq!(found(&index, "kettle").await, ["b.md"]);
}

fn keys(files: &BTreeMap<String, String>) -> Vec<&str> {
    files.keys().map(String::as_str).collect()
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_may_be_read_again_is_tried_again() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    let allow = |name: &str, mode| {
        std::fs::set_permissions(world.file(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    world.write("a.md", section("kettle"));
    world.write("folder/b.md", section("lamp"));
    let index = world.open().await;
    world.ingest(&index).await;
    world.touch("a.md");
    allow("a.md", 0o000);
    if std::fs::read(world.file("a.md")).is_ok() {
        println!("skipped: this user may read everything");
        return;
    }
    allow("folder", 0o000);
    let report = world.ingest(&index).await;
    assert_eq!(report.failed.keys().collect::<Vec<_>>(), ["a.md"]);
    assert_eq!((report.removed.len(), report.unchanged), (0, 1), "a folder that cannot be read keeps what it had");
    allow("a.md", 0o644);
    allow("folder", 0o755);
    let report = world.ingest(&index).await;
    assert_eq!((report.indexed, report.failed.len(), report.unchanged), (1, 0, 1));
}

#[tokio::test]
async fn a_text_is_a_document_of_its_own() {
    let world = World::new();
    let index = world.open().await;
    assert_eq!(index.add_text("note", section("kettle")).await.unwrap().indexed, 1);
    assert_eq!(index.add_text("note", section("kettle")).await.unwrap().unchanged, 1);
    assert_eq!(world.words.take().len(), 1);
    world.ingest(&index).await;
    assert_eq!(found(&index, "kettle").await, ["text:note"], "an ingest of files leaves texts alone");
    index.add_text("note", section("lamp")).await.unwrap();
    assert_eq!(found(&index, "kettle").await, [""; 0]);
    index.remove("text:note").await.unwrap();
    assert_eq!(found(&index, "lamp").await, [""; 0]);
    agrees(&index).await;
}

#[tokio::test]
async fn a_dry_run_changes_nothing_even_beside_a_writer() {
    let world = World::new();
    world.write("a.md", section("kettle"));
    world.write("b.md", section("lamp"));
    let index = world.open().await;
    world.ingest(&index).await;
    world.write("a.md", section("clock"));
    world.write("c.md", section("mirror"));
    world.remove("b.md");
    let before = (states(&index).await, index.status().await.unwrap());
    let plan = index.add([world.tree()]).dry_run().await.unwrap();
    assert_eq!((plan.indexed, plan.removed), (2, vec!["b.md".to_owned()]));
    assert_eq!((states(&index).await, index.status().await.unwrap()), before);

    world.words.shut();
    let writer = tokio::spawn(std::future::IntoFuture::into_future(index.add([world.tree()])));
    until(async || !found(&index, "mirror").await.is_empty()).await;
    let plan = index.add([world.tree()]).dry_run().await.unwrap();
    assert_eq!((plan.indexed, plan.unchanged), (0, 2), "the words are committed");
    world.words.unshut();
    writer.await.unwrap().unwrap();
    agrees(&index).await;
}

#[tokio::test]
async fn a_second_writer_is_refused_and_changes_nothing() -> Result<()> {
    let world = World::new();
    world.write("a.md", section("kettle"));
    let index = world.open().await;
    world.words.shut();
    let writer = tokio::spawn(std::future::IntoFuture::into_future(index.add([world.tree()])));
    until(async || !found(&index, "kettle").await.is_empty()).await;
    let other = world.open().await;
    let error = other.add_text("note", "lamp").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    assert_eq!(other.remove(world.file("a.md")).await.unwrap_err().kind(), Kind::Conflict);
    world.words.unshut();
    writer.await.unwrap()?;
    assert_eq!(states(&other).await, [("a.md".to_owned(), FileState::Indexed)]);
    other.add_text("note", "lamp").await?;
    agrees(&index).await;
    Ok(())
}

#[tokio::test]
async fn a_cancelled_run_keeps_what_it_committed_and_the_next_goes_on() {
    let world = World::new();
    for number in 0..700 {
        world.write(&format!("{number}.md"), format!("Note {number} speaks of kettles and of nothing else."));
    }
    let index = world.open().await;
    let cancel: Arc<AtomicBool> = Arc::default();
    let flag = Arc::clone(&cancel);
    let ingest = index.add([world.tree()]).cancel(cancel).on_progress(move |progress| {
        if matches!(progress, Progress::Embedded { chunks: 1.., .. }) {
            flag.store(true, Ordering::SeqCst);
        }
    });
    let report = ingest.await.unwrap();
    agrees(&index).await;
    let made = report.vectors_made;
    assert!(report.cancelled && report.vectors_pending > 0 && made > 0, "{report:?}");
    assert_eq!(world.words.take().len() as u64, made);
    let hits = index.search("kettle").await.unwrap();
    assert_eq!(hits.meaning, Meaning::Partial { embedded: made, chunks: 700 });
    let report = world.ingest(&index).await;
    assert_eq!((report.unchanged, report.vectors_made, report.vectors_pending), (700, 700 - made, 0));
}

#[tokio::test]
async fn a_dropped_run_stops() {
    let world = World::new();
    world.write("a.md", section("kettle"));
    let index = world.open().await;
    world.words.shut();
    let run = tokio::time::timeout(Duration::from_millis(300), index.add([world.tree()])).await;
    assert!(run.is_err(), "it waits for the embedder");
    world.words.unshut();
    until(async || index.add_text("note", "lamp").words_only().await.is_ok()).await;
    agrees(&index).await;
}

#[tokio::test]
async fn words_come_first_and_vectors_when_they_can() {
    let world = World::new();
    world.write("a.md", sections(&["kettle", "lamp"]));
    let index = world.open().await;
    let report = index.add([world.tree()]).words_only().await.unwrap();
    assert_eq!((report.vectors_made, world.words.take().len()), (0, 0));
    let hits = index.search("kettle").await.unwrap();
    assert_eq!(hits.meaning, Meaning::Partial { embedded: 0, chunks: 2 });
    assert_eq!(hits.hits[0].path, "a.md");
    let report = world.ingest(&index).await;
    assert_eq!((report.unchanged, report.vectors_made, report.vectors_pending), (1, 2, 0));
    assert_eq!(index.search("kettle").await.unwrap().meaning, Meaning::Ready);
}

/// Waits until something holds.
pub(crate) async fn until(holds: impl AsyncFn() -> bool) {
    for _ in 0..2_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came about");
}
