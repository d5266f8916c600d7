//! What an ingest does not throw away: documents whose source cannot be reached just now, and what it does again because
//! Lorewell itself, or the options, have changed.

use lorewell_model::Kind;
use lorewell_rag::chunk::{ChunkOptions, ChunkerKind};
use lorewell_rag::index::FileState;

use crate::world::{World, agrees, export, found, section, sections, states};

#[tokio::test]
async fn a_folder_that_is_not_there_keeps_what_was_read_of_it_unless_it_is_named() {
    let world = World::new();
    world.write("disk/a.md", section("kettle"));
    world.write("b.md", section("kettle"));
    let index = world.open().await;
    index.add([world.file("disk"), world.file("b.md")]).await.unwrap();
    std::fs::rename(world.file("disk"), world.file("elsewhere")).unwrap();
    world.remove("b.md");

    let report = index.refresh().await.unwrap();
    assert_eq!(report.removed, ["b.md"], "a file that is gone from its folder is gone");
    assert_eq!((report.failed.len(), report.unchanged), (1, 1));
    let (name, why) = report.failed.first_key_value().unwrap();
    assert_eq!(*name, world.file("disk").display().to_string());
    assert!(why.starts_with("it is not there, so what was read of it stays"), "{why}");
    assert_eq!(found(&index, "kettle").await, ["disk/a.md"]);

    std::fs::rename(world.file("elsewhere"), world.file("disk")).unwrap();
    let report = index.refresh().await.unwrap();
    assert_eq!((report.failed.len(), report.unchanged, report.indexed), (0, 1, 0));

    std::fs::remove_dir_all(world.file("disk")).unwrap();
    assert_eq!(index.add([world.file("disk")]).await.unwrap().removed, ["disk/a.md"]);
    agrees(&index).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_became_a_pipe_is_neither_waited_for_nor_kept() {
    let world = World::new();
    world.write("a.md", section("kettle"));
    let index = world.open().await;
    world.ingest(&index).await;
    world.remove("a.md");
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(rustix::fs::CWD, world.file("a.md"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let answer = index.quote("What stands beside the kettle?").await.unwrap();
    assert!(answer.sentences.is_empty(), "{answer:?}");
    world.ingest(&index).await;
    assert_eq!(states(&index).await, [("a.md".to_owned(), FileState::Skipped)]);
    assert_eq!(found(&index, "kettle").await, [""; 0]);
}

#[tokio::test]
async fn what_another_handle_cut_in_its_own_way_is_cut_again() {
    let world = World::new();
    world.write("a.md", sections(&["kettle", "lamp", "clock"]));
    let index = world.open().await;
    world.ingest(&index).await;
    let mut other = world.options();
    other.chunks = ChunkOptions::default().kind(ChunkerKind::Fixed).tokens_max(20).tokens_overlap(0);
    world.write("b.md", sections(&["mirror", "window", "bench"]));
    world.open_as(other).await.add([world.tree()]).words_only().await.unwrap();
    world.ingest(&index).await;

    let fresh = lorewell_rag::index::Index::open(world.dir.path().join("fresh"), world.options()).await.unwrap();
    world.ingest(&fresh).await;
    let questions = ["kettle", "mirror on the table"];
    assert_eq!(export(&index, &questions).await, export(&fresh, &questions).await);
    let report = world.ingest(&index).await;
    assert_eq!((report.vectors_made, report.unchanged), (0, 2), "and only once");
}

#[cfg(unix)]
#[tokio::test]
async fn loaders_that_do_not_start_stop_the_ingest_and_cost_nothing() {
    use lorewell_rag::load::{Limits, Loader, Worker};
    let world = World::new();
    world.write("a.md", section("kettle"));
    let index = world.open().await;
    world.ingest(&index).await;
    world.touch("a.md");
    world.write("a.md", section("kettle and lamp"));
    let mut broken = world.options();
    broken.loader = Loader::isolated(Worker { program: "/no/such/program".into(), args: vec![] }, Limits::default());
    let error = world.open_as(broken).await.add([world.tree()]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.message().contains("cannot be started"), "{error}");
    assert_eq!(found(&index, "kettle").await, ["a.md"]);
    assert_eq!(world.ingest(&index).await.indexed, 1);
}
