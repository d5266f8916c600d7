//! Bringing files in: walk, compare with the ledger, prepare what changed in parallel, commit in batches, then give
//! the new chunks their vectors. Words are searchable after each commit; a run that is killed loses at most one
//! batch, and the next run goes on from there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::{Future, IntoFuture};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use lorewell_model::{Error, Kind, Result, ResultExt as _};
use rayon::prelude::*;
use rusqlite::Connection;
use serde::Serialize;

use super::lock::WriterLock;
use super::manifest::Manifest;
use super::prepare::{Candidate, Prepared, Tools, cut, nanoseconds, prepare};
use super::table::read::{file, files_under, sources};
use super::table::{Batch, FileRow, FileState, write};
use super::writer::{Committed, Writer};
use super::{Index, Inner, blocking};
use crate::load::{Found, Loaded, SkipReason, WalkOptions, walk};

/// A batch is committed when it holds this many documents …
const BATCH_FILES_MAX: usize = 512;
/// … or this much text, which bounds the memory of a run …
const BATCH_TEXT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// … or has waited this long, which bounds what a crash can lose.
const BATCH_AGE_MAX: Duration = Duration::from_secs(2);
/// Files prepared in parallel before they are handed on, in order.
const GROUP_FILES: usize = 64;
/// Groups prepared ahead of the committer; more would only cost memory.
const GROUPS_AHEAD_MAX: usize = 2;
/// A file modified this shortly before it was read may change again within the same time stamp; its time is not
/// trusted, so the next run compares its content.
const RACY_AGE: Duration = Duration::from_secs(2);

/// What an ingest is doing, for progress bars.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// The folders were walked.
    Walked {
        /// Files that may be read.
        files: u64,
        /// Files left out.
        skipped: u64,
        /// Files that have to be looked into.
        candidates: u64,
    },
    /// Files were read.
    Read {
        /// Of the candidates, so far.
        files: u64,
        /// Bytes of them.
        bytes: u64,
    },
    /// A batch is searchable by its words.
    Searchable {
        /// Candidates dealt with so far.
        files: u64,
        /// Chunks of them.
        chunks: u64,
    },
    /// Vectors were made.
    Embedded {
        /// Chunks that have a vector now, in this run.
        chunks: u64,
        /// Chunks that needed one when the run began to make them.
        of: u64,
    },
}

/// What an ingest came to. Every file of the walk is in exactly one of `indexed`, `unchanged`, `skipped`, `failed`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Files whose text is new or changed.
    pub indexed: u64,
    /// Files that are in the index as they are.
    pub unchanged: u64,
    /// Files left out, with the reason.
    pub skipped: BTreeMap<String, String>,
    /// Files that could not be read, with the reason.
    pub failed: BTreeMap<String, String>,
    /// Files that are gone, and with them their chunks.
    pub removed: Vec<String>,
    /// What a person should know about files that were indexed all the same.
    pub warnings: BTreeMap<String, Vec<String>>,
    /// Chunks written.
    pub chunks_added: u64,
    /// Chunks of changed files that stayed as they were.
    pub chunks_kept: u64,
    /// Chunks removed.
    pub chunks_removed: u64,
    /// Vectors computed.
    pub vectors_made: u64,
    /// Vectors taken over from chunks with the same meaning.
    pub vectors_reused: u64,
    /// Chunks still without a vector.
    pub vectors_pending: u64,
    /// Seconds until the words of all files were searchable.
    pub seconds_words: f64,
    /// Seconds in all.
    pub seconds: f64,
    /// The run was cancelled; what it had committed stays, the next run continues.
    pub cancelled: bool,
}

/// What [`Index::remove`] took out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Removal {
    /// Documents, by path.
    pub removed: Vec<String>,
    /// Chunks of them.
    pub chunks: u64,
}

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
        if known.is_empty() {
            writer.close().await?;
            return Err(Error::new(Kind::NotFound, format!("nothing under `{}` is in the index", path.display())));
        }
        let mut gone: Vec<String> = known.into_keys().collect();
        gone.sort_unstable();
        let batch = Batch { gone, ..Batch::default() };
        let committed = writer.commit(&batch).await?;
        write::remove_source(&writer.table, &key)?;
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
            let guard = CancelOnDrop(Arc::clone(&self.cancel), true);
            let result = on_writer_thread(move || Run::new(self).run()).await;
            std::mem::forget(guard);
            result
        })
    }
}

struct CancelOnDrop(Arc<AtomicBool>, bool);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(self.1, Ordering::Relaxed);
    }
}

/// Runs writing on a thread of its own, where the table may block.
async fn on_writer_thread<T: Send + 'static, F: Future<Output = Result<T>>>(
    work: impl FnOnce() -> F + Send + 'static,
) -> Result<T> {
    let runtime = tokio::runtime::Handle::current();
    blocking(move || runtime.block_on(work())).await
}

/// A running ingest.
struct Run {
    inner: Arc<Inner>,
    ingest: Ingest,
    report: Report,
    began: Instant,
    files: u64,
    chunks: u64,
}

/// What the walk and the ledger together say is to be done.
#[derive(Default)]
struct Work {
    candidates: Vec<Candidate>,
    left_out: Vec<FileRow>,
    gone: Vec<String>,
}

impl Run {
    fn new(ingest: Ingest) -> Self {
        let inner = Arc::clone(&ingest.index.0);
        Self { inner, ingest, report: Report::default(), began: Instant::now(), files: 0, chunks: 0 }
    }

    async fn run(mut self) -> Result<Report> {
        if self.ingest.dry_run {
            return self.plan().await;
        }
        let lock = WriterLock::take(&self.inner.dir)?;
        let manifest = Manifest::read(&self.inner.dir)?;
        let mut writer = Writer::open(&lock, &manifest.live, &self.inner.dir).await?;
        let what = std::mem::replace(&mut self.ingest.what, What::Paths(Vec::new()));
        match what {
            What::Paths(paths) => self.paths(&mut writer, paths).await?,
            What::Text { name, text } => self.text(&mut writer, name, text).await?,
        }
        self.report.seconds_words = self.began.elapsed().as_secs_f64();
        if self.ingest.words_only || self.cancelled() {
            writer.close().await?;
        } else {
            self.vectors(&lock, &manifest, writer).await?;
        }
        self.report.cancelled = self.cancelled();
        self.report.seconds = self.began.elapsed().as_secs_f64();
        Ok(self.report)
    }

    /// Says what a run would do. Reads only, so it works beside a writer.
    async fn plan(mut self) -> Result<Report> {
        let What::Paths(paths) = std::mem::replace(&mut self.ingest.what, What::Paths(Vec::new())) else {
            return Ok(Report { indexed: 1, ..self.report });
        };
        let reader = self.ingest.index.reader().await?;
        let work = reader.table.read(|table| {
            let roots = self.roots(table, paths)?;
            self.compare(table, &roots)
        })?;
        self.report.indexed = work.candidates.len() as u64;
        self.report.removed = work.gone;
        Ok(self.report)
    }

    fn cancelled(&self) -> bool {
        self.ingest.cancel.load(Ordering::Relaxed)
    }

    fn progress(&self, progress: Progress) {
        if let Some(on_progress) = &self.ingest.on_progress {
            on_progress(progress);
        }
    }

    /// Makes the vectors that are missing: in the live generation, or, if the embedder or the chunker is another one
    /// now, in a new generation that takes over when it is complete.
    async fn vectors(&mut self, lock: &WriterLock, manifest: &Manifest, mut writer: Writer) -> Result<()> {
        let wanted = self.inner.wanted(&manifest.live);
        let cancel = Arc::clone(&self.ingest.cancel);
        let on_progress = self.ingest.on_progress.clone();
        let tell = move |progress| {
            if let Some(on_progress) = &on_progress {
                on_progress(progress);
            }
        };
        let made = if manifest.live.is_made_like(&wanted) {
            let made = writer.embed(self.inner.options.embedder.as_ref(), &cancel, &tell).await?;
            writer.close().await?;
            made
        } else {
            writer.close().await?;
            super::rebuild::rebuild(&self.inner, lock, &cancel, &tell).await?
        };
        self.report.vectors_made += made.made;
        self.report.vectors_reused += made.reused;
        self.report.vectors_pending = made.pending;
        Ok(())
    }

    async fn text(&mut self, writer: &mut Writer, name: String, text: String) -> Result<()> {
        let hash = *blake3::hash(text.as_bytes()).as_bytes();
        let known = file(&writer.table, &name)?;
        let unchanged = known.is_some_and(|row| row.state == FileState::Indexed && row.hash == Some(hash));
        let (bytes, modified) = (text.len() as u64, nanoseconds(SystemTime::now()));
        let row = FileRow { path: name, state: FileState::Indexed, reason: None, bytes, modified, hash: Some(hash) };
        let prepared = if unchanged {
            Prepared::Unchanged(row)
        } else {
            let document = crate::load::load(Path::new("text.md"), text.as_bytes())?;
            let inner = Arc::clone(&self.inner);
            let count = inner.count_tokens();
            let tools = Tools { loader: &inner.options.loader, chunker: &*inner.chunker, count: &*count };
            Prepared::Changed(Box::new(cut(row, Loaded { document, hash, bytes }, tools)))
        };
        let mut batch = Batch::default();
        self.take(prepared, &mut batch);
        self.commit(writer, &mut batch).await
    }

    async fn paths(&mut self, writer: &mut Writer, paths: Vec<PathBuf>) -> Result<()> {
        let roots = self.roots(&writer.table, paths)?;
        for (key, _) in &roots {
            write::add_source(&writer.table, key)?;
        }
        let work = self.compare(&writer.table, &roots)?;
        let mut batch = Batch { files: work.left_out, ..Batch::default() };
        self.commit_prepared(writer, work.candidates, &mut batch).await?;
        if !self.cancelled() {
            // Last, so that a renamed file's vectors are still there for its new name to take over.
            batch.gone = work.gone;
        }
        self.commit(writer, &mut batch).await
    }

    /// Names the roots of this run; with none given, all that were ever added.
    fn roots(&self, table: &Connection, paths: Vec<PathBuf>) -> Result<Vec<(String, PathBuf)>> {
        if paths.is_empty() {
            let known = sources(table)?;
            return Ok(known.into_iter().map(|key| (key.clone(), self.ingest.index.file_of(&key))).collect());
        }
        let mut roots = Vec::with_capacity(paths.len());
        for path in paths {
            let key = self.inner.key(&path)?;
            let is_known = || files_under(table, &key).map(|files| !files.is_empty());
            if !path.exists() && !is_known()? {
                let message = format!("`{}` does not exist; check the spelling", path.display());
                return Err(Error::new(Kind::NotFound, message));
            }
            roots.push((key, path));
        }
        Ok(roots)
    }

    fn compare(&mut self, table: &Connection, roots: &[(String, PathBuf)]) -> Result<Work> {
        let mut known = HashMap::new();
        for (key, _) in roots {
            known.extend(files_under(table, key)?);
        }
        known.retain(|path, _| !path.starts_with("text:"));
        let walked = walk(&existing(roots), &WalkOptions::default());
        let mut work = Work::default();
        let mut seen = HashSet::new();
        for found in walked.found {
            let Some(path) = self.name(&found.path)? else { continue };
            if seen.insert(path.clone()) {
                self.compare_file(path, found, &known, &mut work);
            }
        }
        for skipped in walked.skipped {
            let Some(path) = self.name(&skipped.path)? else { continue };
            if seen.insert(path.clone()) {
                self.leave_out(path, &skipped.reason, &known, &mut work);
            }
        }
        work.gone = known.into_keys().filter(|path| !seen.contains(path)).collect();
        work.gone.sort_unstable();
        let skipped = self.report.skipped.len() as u64;
        let candidates = work.candidates.len() as u64;
        self.progress(Progress::Walked { files: seen.len() as u64 - skipped, skipped, candidates });
        Ok(work)
    }

    /// Returns the name a file is stored under; a file whose name is not text is left out, and the report says so.
    fn name(&mut self, path: &Path) -> Result<Option<String>> {
        if path.to_str().is_some() {
            return self.inner.key(path).map(Some);
        }
        let reason = "its name is not valid UTF-8; rename it".to_owned();
        self.report.skipped.insert(path.to_string_lossy().into_owned(), reason);
        Ok(None)
    }

    fn compare_file(&mut self, path: String, found: Found, known: &HashMap<String, FileRow>, work: &mut Work) {
        let modified = stamp(found.modified);
        let row = known.get(&path);
        let same = row.filter(|row| modified > 0 && row.modified == modified && row.bytes == found.bytes);
        match same.map(|row| (row.state, row.reason.clone().unwrap_or_default())) {
            Some((FileState::Indexed, _)) => self.report.unchanged += 1,
            Some((FileState::Failed, reason)) => drop(self.report.failed.insert(path, reason)),
            Some((FileState::Skipped, reason)) => drop(self.report.skipped.insert(path, reason)),
            None => {
                let known = row.filter(|row| row.state == FileState::Indexed).and_then(|row| row.hash);
                work.candidates.push(Candidate { path, file: found.path, bytes: found.bytes, modified, known });
            }
        }
    }

    fn leave_out(&mut self, path: String, why: &SkipReason, known: &HashMap<String, FileRow>, work: &mut Work) {
        let is_failure = why.is_failure();
        let state = if is_failure { FileState::Failed } else { FileState::Skipped };
        let row = FileRow { path, state, reason: Some(why.to_string()), bytes: 0, modified: 0, hash: None };
        if known.get(&row.path) != Some(&row) {
            work.left_out.push(row.clone());
        }
        let list = if is_failure { &mut self.report.failed } else { &mut self.report.skipped };
        list.insert(row.path, why.to_string());
    }

    async fn commit_prepared(
        &mut self,
        writer: &mut Writer,
        candidates: Vec<Candidate>,
        batch: &mut Batch,
    ) -> Result<()> {
        let (sender, groups) = sync_channel(GROUPS_AHEAD_MAX);
        let inner = Arc::clone(&self.inner);
        let cancel = Arc::clone(&self.ingest.cancel);
        let preparing = std::thread::Builder::new()
            .name("lorewell-prepare".into())
            .spawn(move || prepare_all(&inner, &candidates, &cancel, &sender))
            .context(|| "starting the reading thread".into())?;
        let committed = self.commit_groups(writer, &groups, batch).await;
        drop(groups); // a committer that failed stops the reader
        if let Err(panic) = preparing.join() {
            std::panic::resume_unwind(panic);
        }
        committed
    }

    async fn commit_groups(
        &mut self,
        writer: &mut Writer,
        groups: &Receiver<Vec<Prepared>>,
        batch: &mut Batch,
    ) -> Result<()> {
        let mut bytes = 0;
        let mut text = 0;
        let mut began = Instant::now();
        while let Ok(group) = groups.recv() {
            for prepared in group {
                bytes += prepared.bytes();
                text += prepared.text_bytes();
                self.take(prepared, batch);
                if batch.documents.len() >= BATCH_FILES_MAX
                    || text >= BATCH_TEXT_BYTES_MAX
                    || began.elapsed() >= BATCH_AGE_MAX
                {
                    self.commit(writer, batch).await?;
                    (text, began) = (0, Instant::now());
                }
            }
            self.progress(Progress::Read { files: self.files, bytes });
        }
        Ok(())
    }

    fn take(&mut self, prepared: Prepared, batch: &mut Batch) {
        self.files += 1;
        match prepared {
            Prepared::Unchanged(row) => {
                self.report.unchanged += 1;
                batch.files.push(row);
            }
            Prepared::Skipped(row) => {
                self.report.skipped.insert(row.path.clone(), row.reason.clone().unwrap_or_default());
                batch.files.push(row);
            }
            Prepared::Failed(row) => {
                self.report.failed.insert(row.path.clone(), row.reason.clone().unwrap_or_default());
                batch.files.push(row);
            }
            Prepared::Changed(new) => {
                self.report.indexed += 1;
                let warnings: Vec<String> = new.document.warnings.iter().map(ToString::to_string).collect();
                if !warnings.is_empty() {
                    self.report.warnings.insert(new.file.path.clone(), warnings);
                }
                batch.documents.push(*new);
            }
        }
    }

    async fn commit(&mut self, writer: &mut Writer, batch: &mut Batch) -> Result<()> {
        if batch.documents.is_empty() && batch.files.is_empty() && batch.gone.is_empty() {
            return Ok(());
        }
        let Committed { chunks_added, chunks_kept, chunks_removed, vectors_reused } = writer.commit(batch).await?;
        let batch = std::mem::take(batch);
        self.chunks += chunks_added + chunks_kept;
        self.report.chunks_added += chunks_added;
        self.report.chunks_kept += chunks_kept;
        self.report.chunks_removed += chunks_removed;
        self.report.vectors_reused += vectors_reused;
        self.report.removed.extend(batch.gone);
        self.progress(Progress::Searchable { files: self.files, chunks: self.chunks });
        Ok(())
    }
}

impl Prepared {
    fn bytes(&self) -> u64 {
        match self {
            Self::Unchanged(row) | Self::Skipped(row) | Self::Failed(row) => row.bytes,
            Self::Changed(new) => new.file.bytes,
        }
    }

    fn text_bytes(&self) -> usize {
        match self {
            Self::Unchanged(_) | Self::Skipped(_) | Self::Failed(_) => 0,
            Self::Changed(new) => new.document.text.len(),
        }
    }
}

fn prepare_all(inner: &Inner, candidates: &[Candidate], cancel: &AtomicBool, sender: &SyncSender<Vec<Prepared>>) {
    let count = inner.count_tokens();
    let tools = Tools { loader: &inner.options.loader, chunker: &*inner.chunker, count: &*count };
    for group in candidates.chunks(GROUP_FILES) {
        if cancel.load(Ordering::Relaxed) {
            return;
        }
        let prepared = group.par_iter().map(|candidate| prepare(candidate, tools)).collect();
        if sender.send(prepared).is_err() {
            return; // the committer failed and says why
        }
    }
}

impl Inner {
    /// Returns the name that a path is stored under: relative to the root where it lies below it, else absolute, with
    /// `/` between folders everywhere.
    pub(crate) fn key(&self, path: &Path) -> Result<String> {
        let absolute = normal(path)?;
        let root = self.current().root.clone();
        let relative = root.as_deref().and_then(|root| absolute.strip_prefix(root).ok()).unwrap_or(&absolute);
        let name = relative.to_str().map(|name| name.replace(std::path::MAIN_SEPARATOR, "/"));
        name.ok_or_else(|| Error::new(Kind::BadInput, format!("`{}` is not valid UTF-8; rename it", path.display())))
    }

    /// Counts tokens as the embedder does, or by rule of thumb without one.
    pub(crate) fn count_tokens(&self) -> Box<dyn Fn(&str) -> usize + Send + Sync> {
        match self.options.embedder.clone() {
            Some(embedder) => Box::new(move |text| embedder.count_tokens(text)),
            None => Box::new(crate::chunk::estimate_tokens),
        }
    }
}

/// Makes a path absolute and resolves `.` and `..` by name; symbolic links stay as they are written.
fn normal(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path).context(|| format!("resolving `{}`", path.display()))?;
    let mut normal = PathBuf::new();
    for component in absolute.components() {
        match component {
            std::path::Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    Ok(normal)
}

fn existing(roots: &[(String, PathBuf)]) -> Vec<PathBuf> {
    roots.iter().map(|(_, path)| path.clone()).filter(|path| path.exists()).collect()
}

/// Returns the time stamp to store: negative while it cannot be trusted, so that it equals none and still says the day.
fn stamp(modified: SystemTime) -> i64 {
    let is_racy = SystemTime::now().duration_since(modified).is_ok_and(|age| age < RACY_AGE);
    if is_racy { -nanoseconds(modified) } else { nanoseconds(modified) }
}
