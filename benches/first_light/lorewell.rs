//! This side: the library and the binary as a user has them, behind plain blocking calls that can be timed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use lorewell::embed::{Embed, Embedder, Info, Purpose, Vectors};
use lorewell::rag::chunk::ChunkOptions;
use lorewell::rag::index::{Index, Options, Report};
use lorewell::rag::search::{Fusion, Hits, Mode};
use lorewell_model::{Error, Kind, Result, ResultExt};
use tokio::runtime::{Builder, Runtime};

use crate::args::target_dir;
use crate::child::measure;

/// An embedder with a runtime to drive it.
#[derive(Debug)]
pub(crate) struct Engine {
    runtime: Runtime,
    embedder: Embedder,
}

impl Engine {
    /// Loads the bundled model.
    pub(crate) fn bundled() -> Result<Self> {
        Self::new(Embedder::bundled()?)
    }

    /// Loads the published model from its folder.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        Self::new(Embedder::open(dir)?)
    }

    fn new(embedder: Embedder) -> Result<Self> {
        Ok(Self { runtime: runtime()?, embedder })
    }

    /// Returns what tells its vectors from those of another model.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.embedder.info().fingerprint
    }

    /// Counts tokens without `[CLS]` and `[SEP]`.
    pub(crate) fn count_tokens(&self, text: &str) -> usize {
        self.embedder.count_tokens(text)
    }

    /// Embeds passages.
    pub(crate) fn embed(&self, texts: &[&str]) -> Result<Vectors> {
        self.runtime.block_on(self.embedder.embed(texts, Purpose::Passage))
    }

    /// Embeds questions.
    pub(crate) fn embed_queries(&self, texts: &[&str]) -> Result<Vectors> {
        self.runtime.block_on(self.embedder.embed(texts, Purpose::Query))
    }
}

fn runtime() -> Result<Runtime> {
    Builder::new_multi_thread().enable_all().build().context(|| "starting the runtime".into())
}

/// An index with a runtime to drive it.
#[derive(Debug)]
pub(crate) struct Brain {
    runtime: Runtime,
    index: Index,
    watched: Arc<Watched>,
}

impl Brain {
    /// Opens an index with the bundled model, and makes it if there is none.
    pub(crate) fn open(dir: &Path, chunks: ChunkOptions) -> Result<Self> {
        let runtime = runtime()?;
        let watched = Arc::new(Watched::new(Embedder::bundled()?));
        let mut options = Options::default();
        options.embedder = Some(Embedder::new(Shared(Arc::clone(&watched))));
        options.chunks = chunks;
        let index = runtime.block_on(Index::open(dir, options))?;
        Ok(Self { runtime, index, watched })
    }

    /// Ingests a folder to the end.
    pub(crate) fn add(&self, folder: &Path) -> Result<Report> {
        self.runtime.block_on(async { self.index.add([folder]).await })
    }

    /// Searches.
    pub(crate) fn search(&self, question: &str, mode: Mode, fusion: Fusion, limit: usize) -> Result<Hits> {
        self.runtime.block_on(async { self.index.search(question).mode(mode).fusion(fusion).limit(limit).await })
    }

    /// Returns the vectors of all passages embedded since the index was opened, row after row.
    pub(crate) fn passages(&self) -> Vec<f32> {
        self.watched.passages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Embeds a question now, so that its searches need not.
    pub(crate) fn remember(&self, question: &str) -> Result<Vec<f32>> {
        let vectors = self.runtime.block_on(self.watched.inner.embed(&[question], Purpose::Query))?;
        let vector = vectors.row(0).to_vec();
        let mut remembered = self.watched.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.insert(question.into(), vector.clone());
        Ok(vector)
    }
}

/// The bundled embedder with two ears: it keeps the vectors of passages, for an exact search to compare with, and
/// answers remembered questions at once, to time a search without its embedding.
#[derive(Debug)]
struct Watched {
    inner: Embedder,
    passages: Mutex<Vec<f32>>,
    remembered: Mutex<HashMap<String, Vec<f32>>>,
}

/// A [`Watched`] that an [`Embedder`] can own.
#[derive(Debug)]
struct Shared(Arc<Watched>);

impl Watched {
    fn new(inner: Embedder) -> Self {
        Self { inner, passages: Mutex::default(), remembered: Mutex::default() }
    }

    fn recall(&self, texts: &[&str]) -> Option<Vectors> {
        let [question] = texts else { return None };
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.get(*question).map(|vector| Vectors::new(vector.len(), vector.clone()))
    }
}

#[async_trait]
impl Embed for Shared {
    fn info(&self) -> &Info {
        self.0.inner.info()
    }

    async fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Vectors> {
        if purpose == Purpose::Query
            && let Some(vectors) = self.0.recall(texts)
        {
            return Ok(vectors);
        }
        let vectors = self.0.inner.embed(texts, purpose).await?;
        if purpose == Purpose::Passage {
            let mut passages = self.0.passages.lock().unwrap_or_else(PoisonError::into_inner);
            vectors.rows().for_each(|row| passages.extend_from_slice(row));
        }
        Ok(vectors)
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.0.inner.count_tokens(text)
    }
}

/// The released binary.
#[derive(Debug)]
pub(crate) struct Binary {
    path: PathBuf,
}

impl Binary {
    /// Builds it, as a user would.
    pub(crate) fn build() -> Result<Self> {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--release", "--package", "lorewell-cli"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        let target = target_dir();
        let status = cargo.arg("--target-dir").arg(&target).status().context(|| "running `cargo build`".into())?;
        if !status.success() {
            return Err(Error::new(Kind::Internal, format!("`cargo build` ended with {status}")));
        }
        Ok(Self { path: target.join("release").join(format!("lorewell{}", std::env::consts::EXE_SUFFIX)) })
    }

    /// Prepares a command on the brain below `home`. Caches and settings lie there too: a warm embedding cache or a
    /// person's own settings must not help.
    pub(crate) fn command(&self, home: &Path) -> Command {
        let mut command = Command::new(&self.path);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LOREWELL_")) {
            command.env_remove(name);
        }
        command.arg("--brain").arg(home.join("brain")).env("HOME", home);
        for folder in ["CONFIG", "DATA", "CACHE", "STATE"] {
            command.env(format!("XDG_{folder}_HOME"), home.join(folder.to_lowercase()));
        }
        command
    }

    /// Makes the brain below `home`.
    pub(crate) fn init(&self, home: &Path) -> Result<()> {
        std::fs::create_dir_all(home).context(|| format!("making `{}`", home.display()))?;
        measure(self.command(home).arg("init"), &[0]).map(drop)
    }
}
