//! Bringing files in, and taking them out: the requests. `compare` finds what has changed, `run` prepares it in
//! parallel and commits it in batches, then gives the new chunks their vectors; `report` is what it came to. Words
//! are searchable after each commit; a run that is killed loses at most one batch, and the next run goes on from there.

mod ahead;
mod compare;
mod report;
mod run;

use std::future::{Future, IntoFuture};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lorewell_model::{Error, Kind, Result, ResultExt as _};

use super::Index;
use super::lock::WriterLock;
use super::manifest::Manifest;
use super::table::read::files_under;
use super::table::{Batch, write};
use super::writer::Writer;
use run::Run;

pub use report::{Progress, Removal, Report};

type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// An ingest that has not begun; `.await` runs it.
#[must_use = "an ingest runs when it is awaited"]
pub struct Ingest {
    index: Index,
    what: What,
    on_progress: Option<OnProgress>,
    cancel: Arc<AtomicBool>,
    words_only: bool,
    dry_run: bool,
}

enum What {
    Paths(Vec<PathBuf>),
    Text { name: String, text: String },
}

impl std::fmt::Debug for Ingest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingest").field("index", &self.index).finish_non_exhaustive()
    }
}

impl Index {
    /// Brings files and folders in. Unchanged files are skipped; files that are gone from a folder leave the index.
    /// A path that is gone but known takes all that was under it out of the index.
    pub fn add<P: Into<PathBuf>>(&self, paths: impl IntoIterator<Item = P>) -> Ingest {
        self.ingest(What::Paths(paths.into_iter().map(Into::into).collect()))
    }

    /// Brings a text in under a name of its own, `text:NAME`. The same name replaces it.
    pub fn add_text(&self, name: impl Into<String>, text: impl Into<String>) -> Ingest {
        self.ingest(What::Text { name: format!("text:{}", name.into()), text: text.into() })
    }

    /// Brings everything up to date that was ever added as a path.
    pub fn refresh(&self) -> Ingest {
        self.ingest(What::Paths(Vec::new()))
    }

    fn ingest(&self, what: What) -> Ingest {
        let cancel = Arc::default();
        Ingest { index: self.clone(), what, on_progress: None, cancel, words_only: false, dry_run: false }
    }

    /// Takes documents out of the index: a file, or all that lies under a folder. Files on disk are left alone; the
    /// path is no longer a source.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if nothing of the index lies there, [`Kind::Conflict`] if another process is writing.
    pub async fn remove(&self, path: impl AsRef<Path>) -> Result<Removal> {
        let index = self.clone();
        let path = path.as_ref().to_owned();
        on_writer_thread(move || async move { index.remove_under(&path).await }).await
    }

    async fn remove_under(&self, path: &Path) -> Result<Removal> {
        let lock = WriterLock::take(self.dir())?;
        let manifest = Manifest::read(self.dir())?;
        let mut writer = Writer::open(&lock, &manifest.live, self.dir()).await?;
        let known = path.to_str().filter(|name| name.starts_with("text:")).map(str::to_owned);
        let key = match known {
            Some(name) => name,
            None => self.0.key(path)?,
        };
        let known = files_under(&writer.table, &key)?;
        let was_source = write::remove_sources(&writer.table, &key)?;
        if known.is_empty() && !was_source {
            writer.close().await?;
            return Err(Error::new(Kind::NotFound, format!("nothing under `{}` is in the index", path.display())));
        }
        let mut gone: Vec<String> = known.into_keys().collect();
        gone.sort_unstable();
        let batch = Batch { gone, ..Batch::default() };
        let committed = writer.commit(&batch).await?;
        writer.close().await?;
        Ok(Removal { removed: batch.gone, chunks: committed.chunks_removed })
    }
}

impl Ingest {
    /// Is told what goes on. Called from the ingest's own thread; keep it quick.
    pub fn on_progress(mut self, on_progress: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(Arc::new(on_progress));
        self
    }

    /// Stops after the current batch once the flag is set.
    pub fn cancel(mut self, cancel: Arc<AtomicBool>) -> Self {
        self.cancel = cancel;
        self
    }

    /// Leaves the vectors to a later run.
    pub fn words_only(mut self) -> Self {
        self.words_only = true;
        self
    }

    /// Says what would happen, and changes nothing.
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }
}

impl IntoFuture for Ingest {
    type Output = Result<Report>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Report>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            // A dropped future must not leave a writer running behind the caller's back.
            let mut guard = CancelOnDrop(Some(Arc::clone(&self.cancel)));
            let result = on_writer_thread(move || Run::new(self).run()).await;
            guard.0 = None;
            result
        })
    }
}

struct CancelOnDrop(Option<Arc<AtomicBool>>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(cancel) = &self.0 {
            cancel.store(true, Ordering::Relaxed);
        }
    }
}

/// Runs writing on a thread of its own, where the table may block.
async fn on_writer_thread<T: Send + 'static, F: Future<Output = Result<T>>>(
    work: impl FnOnce() -> F + Send + 'static,
) -> Result<T> {
    let runtime = tokio::runtime::Handle::current();
    let (tell, told) = tokio::sync::oneshot::channel();
    // Not one of the runtime's blocking threads: the stores use those, and a small runtime has only one.
    let thread = std::thread::Builder::new().name("lorewell-write".into()).spawn(move || {
        let _ = tell.send(runtime.block_on(work())); // nobody waits for a run that was dropped
    });
    let thread = thread.context(|| "starting the writing thread".into())?;
    match told.await {
        Ok(result) => result,
        Err(_) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => Err(Error::new(Kind::Internal, "the writing thread ended without a result")),
        },
    }
}
