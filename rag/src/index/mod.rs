//! The index: one directory that keeps documents, words and vectors in step.
//!
//! `table` decides what is live, `writer` is the one path by which anything changes, `ingest` brings files in,
//! `vectors` gives chunks their vectors, `rebuild` makes a new generation beside the live one, `reader` is what
//! queries see.

mod ingest;
mod lock;
mod manifest;
mod names;
mod prepare;
mod reader;
mod rebuild;
mod status;
pub(crate) mod table;
mod vectors;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use lorewell_embed::Embedder;
use lorewell_model::{Error, Kind, Result, ResultExt as _};

use crate::chunk::{ChunkOptions, Chunker, chunker};
use crate::load::Loader;
use lock::WriterLock;
use manifest::{EmbedderPin, FORMAT, Generation, Manifest};

pub use ingest::{Ingest, Progress, Removal, Report};
use prepare::CONTEXT_TOKENS;
pub(crate) use prepare::hash_file;
pub(crate) use reader::Reader;
pub use status::{Agreement, DocumentInfo, FileInfo, FileState, Status};

/// How an index is made and opened. Start from [`Options::default`] and set fields.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Makes the vectors; none for an index of words only.
    pub embedder: Option<Embedder>,
    /// How documents are cut.
    pub chunks: ChunkOptions,
    /// Reads files, in this process or in isolated workers. The default is this process, because only a program can
    /// say how it is started as a worker; a service that reads files of strangers should, with [`Loader::isolated`].
    pub loader: Loader,
    /// Folder that document paths are stored relative to, so that it can be moved together with the index. Files
    /// outside it, and all files if it is none, are stored by absolute path. Only read when the index is made.
    pub root: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { embedder: None, chunks: ChunkOptions::default(), loader: Loader::in_process(), root: None }
    }
}

impl Options {
    /// Returns the defaults with the embedder that is bundled with Lorewell.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] if the bundled weights are damaged.
    #[cfg(feature = "bundled-minilm")]
    pub fn bundled() -> Result<Self> {
        Ok(Self { embedder: Some(Embedder::bundled()?), ..Self::default() })
    }
}

/// A query that a commit overtakes is asked again. Commits are tens of milliseconds apart, queries take a few, so one
/// that is overtaken so often is on a machine too busy for any answer.
const QUERY_ATTEMPTS_MAX: u32 = 10;

/// How long to wait for another process that is making the same index; that takes some milliseconds.
const CREATE_TIME_MAX: Duration = Duration::from_secs(5);
const CREATE_POLL: Duration = Duration::from_millis(5);

/// A handle on an index: cheap to clone, shared by all threads. Many handles, in many processes, may read; one
/// writes at a time.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use lorewell_rag::index::{Index, Options};
///
/// let folder = tempfile::tempdir().unwrap();
/// std::fs::write(folder.path().join("tea.md"), "# Tea\n\nGreen tea wants water of 80 degrees.\n").unwrap();
///
/// let index = Index::open(folder.path().join("kb"), Options::default()).await?;
/// index.add([folder.path().join("tea.md")]).await?;
/// let hits = index.search("how hot should the water be?").limit(1).await?;
/// assert!(hits.hits[0].text.contains("80 degrees"));
/// # Ok::<(), lorewell_model::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Index(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    options: Options,
    chunker: Arc<dyn Chunker>,
    reader: RwLock<Arc<Reader>>,
}

impl Index {
    /// Tells whether a directory holds an index.
    #[must_use]
    pub fn exists(dir: &Path) -> bool {
        Manifest::exists(dir)
    }

    /// Opens an index, making it if there is none.
    ///
    /// # Errors
    /// [`Kind::Config`] if another version of Lorewell wrote it, or if the passages that `options` ask for are longer
    /// than what its embedder reads; [`Kind::BadInput`] if the directory holds other files; [`Kind::Corrupt`] if the
    /// index is damaged, [`Kind::Io`] if the directory cannot be used.
    pub async fn open(dir: impl Into<PathBuf>, options: Options) -> Result<Self> {
        let dir = dir.into();
        let chunker = chunker(&options.chunks)?;
        check_lengths(&options)?;
        let wanted = Generation { number: 1, chunker: chunker.fingerprint(), embedder: pin(options.embedder.as_ref()) };
        if !Manifest::exists(&dir) {
            create(&dir, options.root.as_deref(), wanted).await?;
        }
        let reader = Reader::open(&dir).await?;
        Ok(Self(Arc::new(Inner { dir, options, chunker, reader: RwLock::new(Arc::new(reader)) })))
    }

    /// Returns the index directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Returns the folder that relative document paths start from.
    #[must_use]
    pub fn root(&self) -> Option<PathBuf> {
        self.0.current().root.clone()
    }

    /// Returns the embedder this handle was opened with.
    #[must_use]
    pub fn embedder(&self) -> Option<&Embedder> {
        self.0.options.embedder.as_ref()
    }

    /// Returns what reads files.
    pub(crate) fn loader(&self) -> &Loader {
        &self.0.options.loader
    }

    /// Returns where a document's file lies.
    #[must_use]
    pub fn file_of(&self, path: &str) -> PathBuf {
        match self.root() {
            Some(root) => root.join(path), // an absolute `path` replaces the root
            None => PathBuf::from(path),
        }
    }

    /// Returns the names a person may mean by a path: as it stands, and as it lies from where they are.
    pub(crate) fn names_of(&self, path: &str) -> Result<Vec<String>> {
        Ok(vec![path.to_owned(), self.0.key(Path::new(path))?])
    }

    /// Returns what queries see now: the live generation, reopened if it was swapped since.
    pub(crate) async fn reader(&self) -> Result<Arc<Reader>> {
        let current = self.0.current();
        if current.is_current(&self.0.dir)? {
            return Ok(current);
        }
        let reader = Arc::new(Reader::open(&self.0.dir).await?);
        *self.0.reader.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&reader);
        Ok(reader)
    }

    /// Runs a query until no commit came in between: what it read of the table and of the stores then belongs
    /// together. A swap of generations, which takes a query's files away, is met in the same way.
    pub(crate) async fn query<T, F>(&self, run: impl Fn(Arc<Reader>) -> F + Send + Sync) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send,
        T: Send,
    {
        let mut attempt = 1;
        loop {
            let reader = self.reader().await?;
            let before = reader.commit().await;
            let result = run(Arc::clone(&reader)).await;
            let is_steady = match (&before, reader.commit().await) {
                (Ok(before), Ok(after)) => *before == after && reader.is_current(&self.0.dir)?,
                _ => reader.is_current(&self.0.dir)?,
            };
            if is_steady || attempt == QUERY_ATTEMPTS_MAX {
                return result;
            }
            attempt += 1;
        }
    }
}

impl Inner {
    fn current(&self) -> Arc<Reader> {
        Arc::clone(&self.reader.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns how this handle's options would make the live generation anew. A handle without an embedder leaves
    /// the vectors alone: it cannot make better ones.
    fn wanted(&self, live: &Generation) -> Generation {
        let embedder = pin(self.options.embedder.as_ref());
        if embedder.is_none() && live.embedder.is_some() {
            return live.clone();
        }
        Generation { number: live.number, chunker: self.chunker.fingerprint(), embedder }
    }

    /// Tells whether this handle's options cut documents as a generation's are.
    fn cuts_like(&self, generation: &Generation) -> bool {
        let embedder = pin(self.options.embedder.as_ref());
        generation.is_made_like(&Generation {
            number: generation.number,
            chunker: self.chunker.fingerprint(),
            embedder,
        })
    }

    /// Counts tokens as the embedder does, or by rule of thumb without one.
    pub(crate) fn count_tokens(&self) -> Box<dyn Fn(&str) -> usize + Send + Sync> {
        match self.options.embedder.clone() {
            Some(embedder) => Box::new(move |text| embedder.count_tokens(text)),
            None => Box::new(crate::chunk::estimate_tokens),
        }
    }
}

fn pin(embedder: Option<&Embedder>) -> Option<EmbedderPin> {
    embedder.map(Embedder::info).map(|info| EmbedderPin {
        name: info.name.clone(),
        fingerprint: info.fingerprint.clone(),
        dims: info.dims.get(),
    })
}

/// Refuses passages whose ends the embedder would not read: they could be found by their beginnings only.
fn check_lengths(options: &Options) -> Result<()> {
    let Some(info) = options.embedder.as_ref().map(Embedder::info) else { return Ok(()) };
    let most = (info.tokens_max as usize).saturating_sub(CONTEXT_TOKENS);
    if options.chunks.tokens_max <= most {
        return Ok(());
    }
    let message = format!(
        "passages of {} tokens are too long for the embedder `{}`, which reads {} tokens, {CONTEXT_TOKENS} of them for \
         headings; set the most tokens of a passage (`chunk_tokens_max`) to {most}, or take another embedder",
        options.chunks.tokens_max, info.name, info.tokens_max
    );
    Err(Error::new(Kind::Config, message))
}

/// Refuses to make an index in a folder of other things: it may be a folder of documents that was named by mistake.
/// Hidden files and settings may stand there before the index does, and so may an index that was not finished.
fn check_empty(dir: &Path) -> Result<()> {
    let is_ours = |name: &str| {
        name.starts_with('.')
            || name.ends_with(".toml")
            || name.starts_with("gen-")
            || name.starts_with("manifest.json")
            || name.starts_with("writer.lock")
    };
    for entry in std::fs::read_dir(dir).context(|| format!("listing `{}`", dir.display()))? {
        let name = entry.context(|| format!("listing `{}`", dir.display()))?.file_name();
        if !is_ours(&name.to_string_lossy()) {
            let message = format!(
                "`{}` is no index, but holds other files, such as `{}`; name a new or empty folder",
                dir.display(),
                name.display()
            );
            return Err(Error::new(Kind::BadInput, message));
        }
    }
    Ok(())
}

/// Makes an index directory. The manifest comes last: until it stands, there is no index.
async fn create(dir: &Path, root: Option<&Path>, live: Generation) -> Result<()> {
    std::fs::create_dir_all(dir).context(|| format!("creating `{}`", dir.display()))?;
    check_empty(dir)?;
    let Some(_lock) = lock_to_create(dir).await? else { return Ok(()) }; // someone else was faster
    let root = root.map(|root| relative_root(dir, root)).transpose()?;
    writer::create_generation(&live, dir).await?;
    Manifest { format: FORMAT, root, live, building: None }.write(dir)
}

/// Takes the writer's lock of an index that is not there yet. None if it is, once whoever is making it is done.
async fn lock_to_create(dir: &Path) -> Result<Option<WriterLock>> {
    let give_up = Instant::now() + CREATE_TIME_MAX;
    loop {
        match WriterLock::take(dir) {
            Err(error) if error.kind() == Kind::Conflict && Instant::now() < give_up => {
                tokio::time::sleep(CREATE_POLL).await;
            }
            lock => return if Manifest::exists(dir) { Ok(None) } else { lock.map(Some) },
        }
    }
}

/// Expresses the root relative to the index directory where it is an ancestor, so that both can move together.
fn relative_root(dir: &Path, root: &Path) -> Result<PathBuf> {
    let absolute = |path: &Path| std::path::absolute(path).context(|| format!("resolving `{}`", path.display()));
    let (dir, root) = (absolute(dir)?, absolute(root)?);
    match dir.strip_prefix(&root) {
        Ok(inside) => Ok(inside.components().map(|_| "..").collect()),
        Err(_) => Ok(root),
    }
}

/// Runs blocking work off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(run: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(run).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::new(Kind::Cancelled, "the runtime is shutting down")),
    }
}
