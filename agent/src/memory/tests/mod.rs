//! The memory on real files, with an embedder that knows a few words: what is found and in which order, what is forgotten, what
//! survives, what is refused.

mod consolidation;
mod damage;
mod embedders;
mod facts;
mod files;
mod forgetting;
mod namespaces;
mod processes;
mod searching;
mod tools;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use lorewell_embed::{Embed, Embedder, Info, Purpose, Vectors, normalize};
use lorewell_model::{Error, Kind, Origin, Result};
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;

/// Words that mean the same to the embedder; each group has a component of its own, and all other words share the rest.
const MEANINGS: [&[&str]; 4] = [&["dog", "puppy", "hound"], &["car", "auto"], &["short", "brief"], &["city", "town"]];

/// An embedder of a few words.
#[derive(Debug)]
struct Words {
    info: Info,
    /// Texts that it still embeds before it fails.
    left: AtomicUsize,
    embedded: Arc<AtomicUsize>,
}

impl Words {
    fn new(fingerprint: &str) -> Self {
        let name = format!("words ({fingerprint})");
        let info = Info { name, fingerprint: fingerprint.to_owned(), dims: 16.try_into().unwrap(), tokens_max: 512 };
        Self { info, left: AtomicUsize::new(usize::MAX), embedded: Arc::default() }
    }

    fn failing_after(self, texts: usize) -> Self {
        Self { left: AtomicUsize::new(texts), ..self }
    }

    /// The vectors of another fingerprint are others.
    fn vector(&self, text: &str) -> Vec<f32> {
        let shift = self.info.fingerprint.len();
        let mut vector = vec![0.0; 16];
        for word in words::terms(text).into_keys() {
            let meaning = MEANINGS.iter().position(|group| group.contains(&&*word));
            let other =
                || MEANINGS.len() + usize::from(blake3::hash(word.as_bytes()).as_bytes()[0]) % (16 - MEANINGS.len());
            vector[(meaning.unwrap_or_else(other) + shift) % 16] += 1.0;
        }
        normalize(&mut vector);
        vector
    }
}

#[async_trait]
impl Embed for Words {
    fn info(&self) -> &Info {
        &self.info
    }

    async fn embed(&self, texts: &[&str], _: Purpose) -> Result<Vectors> {
        let left = self.left.load(Ordering::Relaxed);
        if left < texts.len() {
            return Err(Error::new(Kind::Unavailable, "the embedder is down"));
        }
        self.left.store(left - texts.len(), Ordering::Relaxed);
        self.embedded.fetch_add(texts.len(), Ordering::Relaxed);
        Ok(Vectors::new(16, texts.iter().flat_map(|text| self.vector(text)).collect()))
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
}

/// A store in a folder of its own.
struct Bench {
    store: MemoryStore,
    folder: TempDir,
}

impl Bench {
    /// With an embedder.
    async fn new() -> Self {
        Self::open(|open| open.embedder(Embedder::new(Words::new("a")))).await
    }

    async fn open(set: impl FnOnce(OpenMemory) -> OpenMemory) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = set(MemoryStore::open(folder.path().join("memory.sqlite"))).await.unwrap();
        Self { store, folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("memory.sqlite")
    }

    fn anna(&self) -> Namespace {
        self.store.namespace(["user", "anna"]).unwrap()
    }

    /// Looks at the file, or does to it what no call does.
    fn connection(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

fn embedder(fingerprint: &str) -> Embedder {
    Embedder::new(Words::new(fingerprint))
}

/// A time in seconds since 1970.
fn at(seconds: u64) -> std::time::SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn texts(hits: &[MemoryHit]) -> Vec<&str> {
    hits.iter().map(|hit| &*hit.item.text).collect()
}

/// All that is so now, in order.
async fn all(namespace: &Namespace) -> Vec<String> {
    let items = namespace.list(&MemoryFilter::new(), 1000).await.unwrap();
    items.into_iter().map(|item| item.text).collect()
}

/// Remembers texts one after the other.
async fn remember_all(namespace: &Namespace, texts: &[&str]) -> Vec<MemoryId> {
    let mut ids = Vec::new();
    for text in texts {
        ids.push(namespace.remember(*text).await.unwrap().id);
    }
    ids
}
