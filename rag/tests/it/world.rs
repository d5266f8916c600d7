//! A folder of documents and an index of it. Files get times of their own in the past: a file that has just changed is
//! not trusted by its time, and tests are faster than that.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use lorewell_rag::chunk::ChunkOptions;
use lorewell_rag::index::{FileState, Index, Options, Report};
use lorewell_rag::search::{Hit, Mode};
use tempfile::TempDir;

use crate::embedder::Words;

pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) words: Words,
    clock: AtomicU64,
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("tree")).unwrap();
        Self { dir, words: Words::new("words", 64), clock: AtomicU64::new(0) }
    }

    pub(crate) fn tree(&self) -> PathBuf {
        self.dir.path().join("tree")
    }

    pub(crate) fn kb(&self) -> PathBuf {
        self.dir.path().join("kb")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.tree().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::create_dir_all(self.file(name).parent().unwrap()).unwrap();
        std::fs::write(self.file(name), text).unwrap();
        self.touch(name);
    }

    /// Gives a file a time that it did not have before.
    pub(crate) fn touch(&self, name: &str) {
        let seconds = self.clock.fetch_add(1, Ordering::SeqCst);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds);
        File::options().write(true).open(self.file(name)).unwrap().set_modified(time).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        std::fs::remove_file(self.file(name)).unwrap();
    }

    pub(crate) fn options(&self) -> Options {
        let mut options = Options::default();
        options.embedder = Some(self.words.embedder());
        options.chunks = ChunkOptions::default().tokens_max(40).tokens_overlap(0);
        options.root = Some(self.tree());
        options
    }

    pub(crate) async fn open(&self) -> Index {
        self.open_as(self.options()).await
    }

    pub(crate) async fn open_as(&self, options: Options) -> Index {
        Index::open(self.kb(), options).await.unwrap()
    }

    /// Ingests the tree and checks that everything agrees.
    pub(crate) async fn ingest(&self, index: &Index) -> Report {
        let report = index.add([self.tree()]).await.unwrap();
        agrees(index).await;
        report
    }
}

/// Checks that table, words and vectors name the same chunks.
pub(crate) async fn agrees(index: &Index) {
    let agreement = index.verify().await.unwrap();
    assert!(agreement.is_exact(), "{agreement:?}");
}

/// A section that fills a chunk: its heading's word, again and again among others.
pub(crate) fn section(word: &str) -> String {
    let sentence = format!("The {word} stands beside another {word} on the long table in the hall. ");
    format!("## About {word}\n\n{}\n\n", sentence.repeat(2))
}

/// A document of such sections, whose title does not depend on them.
pub(crate) fn sections(words: &[&str]) -> String {
    let sections: String = words.iter().map(|word| section(word)).collect();
    format!("---\ntitle: The hall\n---\n{sections}")
}

pub(crate) async fn hits(index: &Index, question: &str, mode: Mode) -> Vec<Hit> {
    index.search(question).mode(mode).limit(100).await.unwrap().hits
}

/// Returns the paths of the documents that have a word, sorted.
pub(crate) async fn found(index: &Index, word: &str) -> Vec<String> {
    let mut paths: Vec<String> = hits(index, word, Mode::Words).await.into_iter().map(|hit| hit.path).collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}

/// Returns each file with its state.
pub(crate) async fn states(index: &Index) -> Vec<(String, FileState)> {
    index.files().await.unwrap().into_iter().map(|file| (file.path, file.state)).collect()
}

/// Writes down all that can be seen of an index, ids aside.
pub(crate) async fn export(index: &Index, questions: &[&str]) -> Vec<String> {
    agrees(index).await;
    let mut lines = Vec::new();
    lines.extend(index.documents().await.unwrap().iter().map(|document| format!("{document:?}")));
    lines.extend(index.files().await.unwrap().iter().map(|file| format!("{file:?}")));
    for question in questions {
        for mode in [Mode::Words, Mode::Meaning, Mode::Hybrid] {
            let mut shown: Vec<String> = hits(index, question, mode).await.iter().map(show).collect();
            shown.sort_unstable(); // equal scores may come in any order
            lines.append(&mut shown);
        }
    }
    lines
}

fn show(hit: &Hit) -> String {
    let score = |part: Option<lorewell_rag::search::Part>| part.map(|part| part.score);
    let scores = (score(hit.words), score(hit.meaning));
    format!("{} {:?} {:?} {scores:?} {:?}", hit.path, hit.place, hit.range, hit.text)
}
