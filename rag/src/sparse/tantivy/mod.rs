//! The words of chunks in a tantivy index on disk: writing, committing, the lock, errors. `schema` says what is
//! stored, `view` reads it.
//!
//! tantivy gives the inverted index, atomic commits and merging; the analysis before and the scoring after are ours.

mod schema;
mod view;

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use lorewell_model::{Error, Kind, Result, ResultExt};
use rayon::prelude::*;
use tantivy::directory::MmapDirectory;
use tantivy::directory::error::{LockError, OpenDirectoryError, OpenReadError};
use tantivy::index::{SegmentId, SegmentMeta};
use tantivy::indexer::IndexWriterOptions;
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, TantivyError, Term};
use tokio::task::spawn_blocking;

use self::schema::{Fields, Record};
use self::view::View;
use super::{Access, SparseStore, TermScore, Terms};
use crate::ids::{ChunkId, IdSet, Scored};

/// Memory for terms that wait to be written out as one part of the index. More gives fewer parts to merge; this is
/// some 30,000 chunks.
const WRITER_BYTES: usize = 64 << 20;

/// Removed chunks, in percent of a part of the index, from which it pays to write the part anew.
const REMOVED_PERCENT_MAX: u64 = 10;

const LOCK_FILE: &str = "writer.lock";

/// A [`SparseStore`] in a folder, on tantivy. Clones share everything.
#[derive(Clone)]
pub struct TantivySparse(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    fields: Fields,
    index: Index,
    reader: IndexReader,
    view: Mutex<Arc<View>>,
    /// The commit that the view shows, once it was refreshed.
    shown: Mutex<Option<State>>,
    access: Access,
    writer: Mutex<Writer>,
    _lock: Option<File>, // locked as long as it is open; gone with the process, however that ends
}

/// What tells one commit, or one merge, from another.
#[derive(PartialEq, Eq)]
struct State {
    opstamp: u64,
    segments: Vec<(SegmentId, Option<u64>)>,
}

impl State {
    fn of(index: &Index) -> Result<Self> {
        let metas = index.load_metas().map_err(from_tantivy)?;
        let segments = metas.segments.iter().map(|segment| (segment.id(), segment.delete_opstamp())).collect();
        Ok(Self { opstamp: metas.opstamp, segments })
    }
}

/// Made when first needed: a store that is only searched needs no threads.
#[derive(Default)]
struct Writer {
    tantivy: Option<IndexWriter>,
    has_queued: bool,
}

impl TantivySparse {
    /// Opens the store in a folder, for writing also one that does not exist yet.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is nothing to read; [`Kind::Conflict`] if another writer has it open;
    /// [`Kind::Corrupt`] if it is damaged or of another version: it can only be built anew.
    pub async fn open(dir: impl Into<PathBuf>, access: Access) -> Result<Self> {
        let dir = dir.into();
        let context = format!("opening the word index in `{}`", dir.display());
        let opened = spawn_blocking(move || Inner::open(dir, access)).await;
        let inner = opened.unwrap_or_else(|_| Err(damaged("tantivy gave up on it"))).context(|| context)?;
        Ok(Self(Arc::new(inner)))
    }

    /// Runs what may wait for the disk off the async threads. tantivy panics on some kinds of damage; here that
    /// becomes an error.
    async fn run<T: Send + 'static>(&self, job: impl FnOnce(&Inner) -> Result<T> + Send + 'static) -> Result<T> {
        let inner = Arc::clone(&self.0);
        let done = spawn_blocking(move || job(&inner)).await;
        done.unwrap_or_else(|_| Err(damaged("tantivy gave up on it")))
            .context(|| format!("word index in `{}`", self.0.dir.display()))
    }
}

impl std::fmt::Debug for TantivySparse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TantivySparse")
            .field("dir", &self.0.dir)
            .field("access", &self.0.access)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl SparseStore for TantivySparse {
    async fn add(&self, chunks: &[Terms<'_>]) -> Result<()> {
        // Analysed here and now, as the texts are only borrowed.
        let records: Vec<Record> = chunks.par_iter().map(Record::new).collect();
        self.run(move |inner| inner.add(&records)).await
    }

    async fn remove(&self, ids: &[ChunkId]) -> Result<()> {
        let ids = ids.to_vec();
        self.run(move |inner| inner.remove(&ids)).await
    }

    async fn commit(&self) -> Result<()> {
        self.run(Inner::commit).await
    }

    async fn rollback(&self) -> Result<()> {
        self.run(Inner::rollback).await
    }

    async fn search(&self, question: &str, limit: usize, allowed: Option<&IdSet>) -> Result<Vec<Scored>> {
        let (question, allowed) = (question.to_owned(), allowed.cloned());
        let search = move |inner: &Inner| {
            inner.view().search(&inner.fields, &question, limit, allowed.as_ref()).map_err(from_tantivy)
        };
        self.run(search).await
    }

    async fn explain(&self, question: &str, id: ChunkId) -> Result<Vec<TermScore>> {
        let question = question.to_owned();
        let explain = move |inner: &Inner| {
            let scores = inner.view().explain(&inner.fields, &question, id).map_err(from_tantivy)?;
            scores.ok_or_else(|| Error::new(Kind::NotFound, format!("no chunk {}", id.0)))
        };
        self.run(explain).await
    }

    async fn ids(&self) -> Result<Vec<ChunkId>> {
        self.run(|inner| Ok(inner.view().ids())).await
    }

    async fn refresh(&self) -> Result<()> {
        self.run(Inner::refresh).await
    }

    async fn compact(&self) -> Result<()> {
        self.run(Inner::compact).await
    }
}

impl Inner {
    fn open(dir: PathBuf, access: Access) -> Result<Self> {
        let fields = Fields::new();
        let (index, lock) = match access {
            Access::Read => (open_existing(&dir)?, None),
            Access::Write => {
                let lock = lock(&dir)?;
                (open_or_create(&dir, &fields)?, Some(lock))
            }
        };
        if index.schema() != fields.schema {
            return Err(Error::new(Kind::Corrupt, "it was made by another version of Lorewell; build it anew"));
        }
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(from_tantivy)?;
        let view = View::new(&fields, &reader.searcher(), None).map_err(from_tantivy)?;
        let (view, shown, writer) = (Mutex::new(Arc::new(view)), Mutex::default(), Mutex::default());
        Ok(Self { dir, fields, index, reader, view, shown, access, writer, _lock: lock })
    }

    fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn writer(&self) -> Result<MutexGuard<'_, Writer>> {
        if self.access == Access::Read {
            return Err(Error::new(Kind::BadInput, "it was opened to be read; open it with `Access::Write`"));
        }
        // A panic in the middle of a change leaves a writer that cannot be trusted; what it had queued is lost.
        Ok(self.writer.lock().unwrap_or_else(|poisoned| {
            let mut writer = poisoned.into_inner();
            *writer = Writer::default();
            self.writer.clear_poison();
            writer
        }))
    }

    fn queue(&self, change: impl FnOnce(&IndexWriter) -> tantivy::Result<()>) -> Result<()> {
        let mut writer = self.writer()?;
        if writer.tantivy.is_none() {
            writer.tantivy = Some(self.start_writer()?);
        }
        writer.has_queued = true;
        writer.tantivy.as_ref().map_or(Ok(()), change).map_err(from_tantivy)
    }

    fn start_writer(&self) -> Result<IndexWriter> {
        let options =
            IndexWriterOptions::builder().num_worker_threads(1).memory_budget_per_thread(WRITER_BYTES).build();
        self.index.writer_with_options(options).map_err(from_tantivy)
    }

    fn add(&self, records: &[Record]) -> Result<()> {
        self.queue(|writer| {
            records.iter().try_for_each(|record| writer.add_document(self.fields.document(record)).map(drop))
        })
    }

    fn remove(&self, ids: &[ChunkId]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        self.queue(|writer| {
            for id in ids {
                writer.delete_term(Term::from_field_u64(self.fields.id, id.0));
            }
            Ok(())
        })
    }

    fn commit(&self) -> Result<()> {
        let mut writer = self.writer()?;
        if !writer.has_queued {
            return Ok(());
        }
        let committed = writer.tantivy.as_mut().map_or(Ok(0), IndexWriter::commit);
        if let Err(error) = committed {
            *writer = Writer::default(); // the next one starts from the last commit
            return Err(from_tantivy(error));
        }
        writer.has_queued = false;
        self.refresh()
    }

    fn rollback(&self) -> Result<()> {
        let mut writer = self.writer()?;
        if writer.has_queued {
            *writer = Writer::default();
        }
        Ok(())
    }

    /// Moves the view to the last commit. Where that is what it shows already, a look at a small file tells.
    fn refresh(&self) -> Result<()> {
        // One at a time, so that nobody puts an older view in the place of a newer one.
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = State::of(&self.index)?;
        if shown.as_ref() == Some(&latest) {
            return Ok(());
        }
        self.reader.reload().map_err(from_tantivy)?;
        let old = self.view();
        let new = View::new(&self.fields, &self.reader.searcher(), Some(&old)).map_err(from_tantivy)?;
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        // A commit in between is seen by the next look; that it is shown already does no harm.
        *shown = Some(latest);
        Ok(())
    }

    fn compact(&self) -> Result<()> {
        let mut writer = self.writer()?;
        if writer.has_queued {
            return Err(Error::new(Kind::Conflict, "changes are queued; commit or roll them back before compacting"));
        }
        finish_merges(&mut writer)?;
        let worn = self.worn_segments()?;
        if !worn.is_empty() {
            let tantivy = writer.tantivy.insert(self.start_writer()?);
            tantivy.merge(&worn).wait().map_err(from_tantivy)?;
            finish_merges(&mut writer)?;
        }
        // Files stay as long as a view needs them, so our own has to move on before they can go.
        self.refresh()?;
        self.start_writer()?.garbage_collect_files().wait().map_err(from_tantivy)?;
        Ok(())
    }

    fn worn_segments(&self) -> Result<Vec<SegmentId>> {
        let parts = self.index.searchable_segment_metas().map_err(from_tantivy)?;
        Ok(parts.iter().filter(|part| is_worn(part)).map(SegmentMeta::id).collect())
    }
}

/// Tells whether a part of the index has so many removed chunks that it should be written anew.
fn is_worn(part: &SegmentMeta) -> bool {
    u64::from(part.num_deleted_docs()) * 100 >= u64::from(part.max_doc()) * REMOVED_PERCENT_MAX
}

/// Waits for what the writer merges in the background. That ends the writer; the next change starts another.
fn finish_merges(writer: &mut Writer) -> Result<()> {
    writer.tantivy.take().map_or(Ok(()), IndexWriter::wait_merging_threads).map_err(from_tantivy)
}

fn lock(dir: &Path) -> Result<File> {
    std::fs::create_dir_all(dir)?;
    let file = File::options().create(true).truncate(false).write(true).open(dir.join(LOCK_FILE))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::new(Kind::Conflict, "another process is writing to it; wait until it is done"))
        }
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn open_existing(dir: &Path) -> Result<Index> {
    let directory = MmapDirectory::open(dir).map_err(|error| from_tantivy(error.into()))?;
    if !Index::exists(&directory).map_err(|error| from_tantivy(error.into()))? {
        return Err(Error::new(Kind::NotFound, "there is no word index"));
    }
    Index::open(directory).map_err(from_tantivy)
}

fn open_or_create(dir: &Path, fields: &Fields) -> Result<Index> {
    clear_leftovers(dir)?;
    let directory = MmapDirectory::open(dir).map_err(|error| from_tantivy(error.into()))?;
    if Index::exists(&directory).map_err(|error| from_tantivy(error.into()))? {
        return Index::open(directory).map_err(from_tantivy);
    }
    Index::create(directory, fields.schema.clone(), tantivy::IndexSettings::default()).map_err(from_tantivy)
}

/// Removes files that a killed writer was about to rename into place. tantivy itself removes the parts of an index
/// that no commit knows.
fn clear_leftovers(dir: &Path) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b".tmp") && entry.file_type()?.is_file() {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn damaged(how: &str) -> Error {
    Error::new(Kind::Corrupt, format!("it is damaged ({how}); build it anew"))
}

fn from_tantivy(error: TantivyError) -> Error {
    use TantivyError as E;
    let kind = match &error {
        E::LockFailure(LockError::LockBusy, _) => Kind::Conflict,
        E::OpenDirectoryError(OpenDirectoryError::DoesNotExist(_)) => Kind::NotFound,
        E::OpenReadError(OpenReadError::FileDoesNotExist(_) | OpenReadError::IncompatibleIndex(_)) => Kind::Corrupt,
        E::DataCorruption(_) | E::IncompatibleIndex(_) | E::DeserializeError(_) => Kind::Corrupt,
        E::OpenReadError(OpenReadError::IoError { io_error, .. }) | E::IoError(io_error) => io_kind(io_error),
        E::OpenWriteError(_) | E::OpenDirectoryError(_) | E::LockFailure(..) => Kind::Io,
        _ => Kind::Internal,
    };
    let told = if kind == Kind::Corrupt { damaged(&error.to_string()) } else { Error::new(kind, error.to_string()) };
    told.caused_by(error)
}

/// A file that ends too early or reads as nonsense is damage, not a fault of the device.
fn io_kind(error: &io::Error) -> Kind {
    let is_damage = matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData);
    if is_damage { Kind::Corrupt } else { Kind::Io }
}

#[cfg(test)]
mod quality;
#[cfg(test)]
mod tests;
