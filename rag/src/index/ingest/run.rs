//! A running ingest: candidates are prepared in parallel by a thread of their own, committed in batches in order, and
//! what was committed gets its vectors at the end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use lorewell_model::{Result, ResultExt as _};
use rayon::prelude::*;

use super::{Ingest, Progress, Report, What};
use crate::index::Inner;
use crate::index::lock::WriterLock;
use crate::index::manifest::Manifest;
use crate::index::prepare::{Candidate, Prepared, Tools, cut, nanoseconds, prepare};
use crate::index::rebuild::{rebuild, sweep};
use crate::index::table::read::file;
use crate::index::table::{Batch, FileRow, FileState, write};
use crate::index::writer::{Committed, Writer};
use crate::load::Loaded;

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

/// A running ingest.
pub(super) struct Run {
    pub(super) inner: Arc<Inner>,
    pub(super) ingest: Ingest,
    pub(super) report: Report,
    began: Instant,
    files: u64,
    chunks: u64,
}

impl Run {
    pub(super) fn new(ingest: Ingest) -> Self {
        let inner = Arc::clone(&ingest.index.0);
        Self { inner, ingest, report: Report::default(), began: Instant::now(), files: 0, chunks: 0 }
    }

    pub(super) async fn run(mut self) -> Result<Report> {
        if self.ingest.dry_run {
            return self.plan().await;
        }
        let lock = WriterLock::take(&self.inner.dir)?;
        let manifest = Manifest::read(&self.inner.dir)?;
        sweep(&manifest, &self.inner.dir)?;
        let mut writer = Writer::open(&lock, &manifest.live, &self.inner.dir).await?;
        let what = std::mem::replace(&mut self.ingest.what, What::Paths(Vec::new()));
        match what {
            What::Paths(paths) => self.paths(&mut writer, paths).await?,
            What::Text { name, text } => self.text(&mut writer, name, text).await?,
        }
        // Vectors can take long, and until then every query would meet the chunks that are gone.
        writer.bury().await?;
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
        let changed = work.candidates.par_iter().filter(|candidate| !candidate.is_unchanged()).count();
        self.report.indexed = changed as u64;
        self.report.unchanged += (work.candidates.len() - changed) as u64;
        self.report.removed = work.gone;
        Ok(self.report)
    }

    fn cancelled(&self) -> bool {
        self.ingest.cancel.load(Ordering::Relaxed)
    }

    pub(super) fn progress(&self, progress: Progress) {
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
            rebuild(&self.inner, lock, &cancel, &tell).await?
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
