//! A running ingest: candidates are prepared in parallel by threads of their own, committed in batches in order, and
//! what was committed gets its vectors at the end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::available_parallelism;
use std::time::{Duration, Instant, SystemTime};

use lorewell_model::{Error, Result, ResultExt as _};
use rayon::prelude::*;

use super::ahead::Ahead;
use super::{Ingest, Progress, Report, What};
use crate::index::Inner;
use crate::index::lock::WriterLock;
use crate::index::manifest::Manifest;
use crate::index::prepare::{Candidate, Prepared, Tools, cut, nanoseconds, prepare};
use crate::index::rebuild::{rebuild, sweep};
use crate::index::table::read::{file, sources};
use crate::index::table::{Batch, FileRow, FileState, is_under, meta, set_meta, write};
use crate::index::writer::{Committed, Writer};
use crate::load::{LOADERS, Loaded};

/// A batch is committed when it holds this many documents …
const BATCH_FILES_MAX: usize = 512;
/// … or this much text, which bounds the memory of a run …
const BATCH_TEXT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// … or has waited this long, which bounds what a crash can lose.
const BATCH_AGE_MAX: Duration = Duration::from_secs(2);
/// Bytes of files read ahead of the committer; more would only cost memory.
const AHEAD_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Bytes that the smallest file counts for: a document weighs more than its text.
const AHEAD_FILE_BYTES: u64 = 64 * 1024;
/// Between two reports of progress; eyes are not faster.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// A running ingest.
pub(super) struct Run {
    pub(super) inner: Arc<Inner>,
    pub(super) ingest: Ingest,
    pub(super) report: Report,
    began: Instant,
    files: u64,
    chunks: u64,
    /// The files in the table were read by loaders like ours, so that one that did not change need not be read again.
    pub(super) loaders_are_known: bool,
    /// The caller named what to look at, as opposed to all that was ever added.
    pub(super) is_named: bool,
    /// No root was out of reach.
    pub(super) all_reached: bool,
}

impl Run {
    pub(super) fn new(ingest: Ingest) -> Self {
        let inner = Arc::clone(&ingest.index.0);
        Self {
            inner,
            ingest,
            report: Report::default(),
            began: Instant::now(),
            files: 0,
            chunks: 0,
            loaders_are_known: true,
            is_named: true,
            all_reached: true,
        }
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
        let made = if manifest.live.is_made_like(&wanted) && !self.is_mixed(&writer)? {
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

    /// Tells whether parts of the live generation were cut as another handle's options say, and this one can cut them
    /// as the rest.
    fn is_mixed(&self, writer: &Writer) -> Result<bool> {
        Ok(meta(&writer.table, "mixed")? == 1 && self.inner.cuts_like(&writer.generation))
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
            let loaded = crate::load::load(Path::new("text.md"), text.as_bytes());
            let document = loaded.map_err(|error| refused(&row.path, &error))?;
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
        let covered = |source: &String| roots.iter().any(|(key, _)| is_under(source, key));
        let is_all = sources(&writer.table)?.iter().all(covered);
        let work = self.compare(&writer.table, &roots)?;
        let mut batch = Batch { files: work.left_out, ..Batch::default() };
        self.commit_prepared(writer, work.candidates, &mut batch).await?;
        if !self.cancelled() {
            // Last, so that a renamed file's vectors are still there for its new name to take over.
            batch.gone = work.gone;
        }
        self.commit(writer, &mut batch).await?;
        if is_all && self.all_reached && !self.cancelled() {
            set_meta(&writer.table, "loaders", LOADERS)?;
        }
        Ok(())
    }

    /// Reads on threads of its own: they wait for worker processes, and on the threads of everyone else a search
    /// would wait with them.
    async fn commit_prepared(
        &mut self,
        writer: &mut Writer,
        candidates: Vec<Candidate>,
        batch: &mut Batch,
    ) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        let cancel = Arc::clone(&self.ingest.cancel);
        let threads = available_parallelism().map_or(1, usize::from).min(candidates.len());
        let ahead = Arc::new(Ahead::new(candidates, weight, AHEAD_BYTES_MAX));
        let mut readers = Vec::with_capacity(threads);
        for thread in 0..threads {
            let (inner, cancel, ahead) = (Arc::clone(&inner), Arc::clone(&cancel), Arc::clone(&ahead));
            let named = std::thread::Builder::new().name(format!("lorewell-read-{thread}"));
            let stopped = Arc::clone(&ahead);
            let reader = named.spawn(move || read_ahead(&inner, &cancel, &ahead));
            readers.push(reader.inspect_err(|_| stopped.stop()).context(|| "starting a reading thread".into())?);
        }
        let committed = self.commit_in_order(writer, &ahead, batch).await;
        ahead.stop();
        for reader in readers {
            if let Err(panic) = reader.join() {
                std::panic::resume_unwind(panic);
            }
        }
        committed
    }

    async fn commit_in_order(
        &mut self,
        writer: &mut Writer,
        ahead: &Ahead<Candidate, Result<Prepared>>,
        batch: &mut Batch,
    ) -> Result<()> {
        let mut bytes = 0;
        let mut text = 0;
        let (mut began, mut told) = (Instant::now(), Instant::now());
        while let Some(prepared) = ahead.take() {
            let prepared = prepared?;
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
            if told.elapsed() >= PROGRESS_EVERY {
                self.progress(Progress::Read { files: self.files, bytes });
                told = Instant::now();
            }
        }
        self.progress(Progress::Read { files: self.files, bytes });
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
        if !batch.documents.is_empty() && !self.inner.cuts_like(&writer.generation) {
            set_meta(&writer.table, "mixed", 1)?;
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

/// Prepares files until none is left or someone cancels.
fn read_ahead(inner: &Inner, cancel: &AtomicBool, ahead: &Ahead<Candidate, Result<Prepared>>) {
    let count = inner.count_tokens();
    let tools = Tools { loader: &inner.options.loader, chunker: &*inner.chunker, count: &*count };
    ahead.work(|candidate| {
        if cancel.load(Ordering::Relaxed) {
            ahead.stop();
        }
        prepare(candidate, tools)
    });
}

/// Says that a text cannot be indexed, by the name its caller gave it.
fn refused(name: &str, error: &Error) -> Error {
    let message = error.message().replace("text.md", name.trim_start_matches("text:"));
    Error::new(error.kind(), message)
}

/// What a file takes while it is read ahead; an empty one takes a place, too.
fn weight(candidate: &Candidate) -> u64 {
    candidate.bytes.max(AHEAD_FILE_BYTES)
}
