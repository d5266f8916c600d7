//! The store of vectors that lives in a folder: what is written, in which order, and when it counts. Rows and bitmaps
//! are written and synced first, then the manifest that names them takes the place of the one before.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_trait::async_trait;
use lorewell_embed::Vectors;
use lorewell_model::{Error, Kind, Result, ResultExt};

use super::DenseStore;
use super::compact::compact;
use super::kernels::DIMS_MAX;
use super::lock::Lock;
use super::manifest::{Entry, Manifest};
use super::segment::{Layout, Writer};
use super::snapshot::Snapshot;
use crate::ids::{ChunkId, IdSet, Scored};
use crate::stores::Access;

/// How far from 1 the square of a vector's length may be: half-precision embedders round by a thousandth.
const UNIT_TOLERANCE: f32 = 0.01;

/// Sizes at which the store changes its ways. Tests use small ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Rows of a segment: the unit of compaction and of inverted lists. 65,536 rows of 384 components are 126 MB.
    pub(super) segment_rows_max: usize,
    /// Rows that are scanned exactly. Above, full segments get inverted lists: a scan of so many takes some 4 ms on two cores.
    pub(super) scan_rows_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { segment_rows_max: 65_536, scan_rows_max: 262_144 }
    }
}

/// A [`DenseStore`] in a folder: exact search over int8 codes, scored again by the vectors themselves; approximate
/// (inverted lists) once a collection outgrows the scan and has been compacted.
///
/// One process writes, any number read. A reader sees the state it has last [refreshed](DenseStore::refresh) to, even
/// while that is compacted away. What a call has returned from is on disk. The files are mapped: a program that cuts
/// them short while they are in use ends its readers.
///
/// ```
/// use std::num::NonZeroU32;
///
/// use lorewell_embed::Vectors;
/// use lorewell_rag::dense::{DenseStore, LocalDense};
/// use lorewell_rag::ids::ChunkId;
/// use lorewell_rag::stores::Access;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> lorewell_model::Result<()> {
/// # let folder = tempfile::tempdir()?;
/// let dims = NonZeroU32::new(2).expect("2 is not 0");
/// let store = LocalDense::open(folder.path().join("dense"), dims, Access::Write)?;
/// store.append(&[ChunkId(1), ChunkId(2)], &Vectors::new(2, vec![1.0, 0.0, 0.6, 0.8])).await?;
/// let hits = store.search(&[0.0, 1.0], 1, None).await?;
/// assert_eq!((hits[0].id, hits[0].score), (ChunkId(2), 0.8));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct LocalDense(Arc<Store>);

impl LocalDense {
    /// Opens the store in a folder for vectors of `dims` components. With [`Access::Write`] the folder is made if it is
    /// not there, and what an interrupted writer left behind is deleted. Blocks while it reads.
    ///
    /// # Errors
    /// `NotFound` if there is no store to read, `Conflict` if another handle writes, `BadInput` if the store has other
    /// dimensions, `Refused` if it has another format, `Corrupt` if it is damaged.
    pub fn open(dir: impl Into<PathBuf>, dims: NonZeroU32, access: Access) -> Result<Self> {
        Self::open_with(dir.into(), dims, access, Limits::default())
    }

    pub(super) fn open_with(dir: PathBuf, dims: NonZeroU32, access: Access, limits: Limits) -> Result<Self> {
        let Some(dims) = usize::try_from(dims.get()).ok().filter(|dims| *dims <= DIMS_MAX) else {
            let message = format!("a store of vectors of {dims} components; {DIMS_MAX} is the limit");
            return Err(Error::new(Kind::BadInput, message));
        };
        let turn = match access {
            Access::Read => None,
            Access::Write => Some(Mutex::new(Lock::take(&dir)?)),
        };
        if turn.is_some() && Manifest::read(&dir)?.is_none() {
            Manifest::empty(dims).commit(&dir)?;
        }
        let snapshot = Snapshot::load(&dir)?;
        let stored = snapshot.manifest.dims;
        if stored != dims {
            let message = format!(
                "`{}` holds vectors of {stored} components, not {dims}; use the embedder it was built with, or rebuild it",
                dir.display()
            );
            return Err(Error::new(Kind::BadInput, message));
        }
        if turn.is_some() {
            snapshot.manifest.sweep(&dir);
        }
        Ok(Self(Arc::new(Store {
            dir,
            layout: Layout { dims },
            limits,
            snapshot: RwLock::new(Arc::new(snapshot)),
            turn,
        })))
    }

    /// Runs file work where it may block.
    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&Store) -> Result<T> + Send + 'static) -> Result<T> {
        let store = Arc::clone(&self.0);
        let joined = tokio::task::spawn_blocking(move || work(&store)).await;
        joined.map_err(|error| Error::new(Kind::Internal, "the vector store failed; report it").caused_by(error))?
    }
}

#[async_trait]
impl DenseStore for LocalDense {
    async fn append(&self, ids: &[ChunkId], vectors: &Vectors) -> Result<()> {
        let (ids, vectors) = (ids.to_vec(), vectors.clone());
        self.blocking(move |store| store.append(&ids, &vectors)).await
    }

    async fn remove(&self, ids: &[ChunkId]) -> Result<()> {
        let ids = ids.to_vec();
        self.blocking(move |store| store.remove(&ids)).await
    }

    async fn verify(&self) -> Result<()> {
        self.blocking(|store| Snapshot::load(&store.dir)?.verify(&store.dir)).await
    }

    async fn fetch(&self, ids: &[ChunkId]) -> Result<Vec<Option<Vec<f32>>>> {
        let ids = ids.to_vec();
        self.blocking(move |store| {
            let snapshot = store.snapshot();
            ids.into_iter().map(|id| snapshot.fetch(id)).collect()
        })
        .await
    }

    async fn search(&self, query: &[f32], limit: usize, allowed: Option<&IdSet>) -> Result<Vec<Scored>> {
        self.0.check_vector(query).context(|| "the query".to_owned())?;
        let (query, allowed) = (query.to_vec(), allowed.cloned());
        self.blocking(move |store| {
            Ok(store.snapshot().search(&query, limit, allowed.as_ref(), store.limits.scan_rows_max))
        })
        .await
    }

    async fn ids(&self) -> Result<Vec<ChunkId>> {
        self.blocking(|store| Ok(store.snapshot().ids())).await
    }

    async fn refresh(&self) -> Result<()> {
        self.blocking(Store::refresh).await
    }

    async fn compact(&self) -> Result<()> {
        self.blocking(Store::compact).await
    }
}

/// The state behind the handles.
struct Store {
    dir: PathBuf,
    layout: Layout,
    limits: Limits,
    snapshot: RwLock<Arc<Snapshot>>,
    /// Whose turn it is to write; none if this store only reads.
    turn: Option<Mutex<Lock>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.snapshot().live();
        f.debug_struct("Store").field("dir", &self.dir).field("dims", &self.layout.dims).field("rows", &rows).finish()
    }
}

impl Store {
    fn snapshot(&self) -> Arc<Snapshot> {
        // A snapshot is replaced whole, so a panic elsewhere cannot have left half of one.
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn refresh(&self) -> Result<()> {
        let current = self.snapshot();
        if let Some(newer) = current.newer(&self.dir)? {
            let mut held = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
            // Another thread may have been faster.
            if held.manifest.generation < newer.manifest.generation {
                *held = Arc::new(newer);
            }
        }
        Ok(())
    }

    /// Makes a change: `work` writes files and describes the new state, or returns none if nothing has to change.
    fn write(&self, work: impl FnOnce(&Snapshot) -> Result<Option<Manifest>>) -> Result<()> {
        let Some(turn) = &self.turn else {
            let message = format!("`{}` was opened to read; open it with `Access::Write`", self.dir.display());
            return Err(Error::new(Kind::Refused, message));
        };
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        // A commit that failed in its last step may have come about all the same.
        self.refresh()?;
        let before = self.snapshot();
        if let Some(mut manifest) = work(&before)? {
            manifest.generation = before.manifest.generation + 1;
            manifest.commit(&self.dir)?;
            self.refresh()?;
            manifest.sweep(&self.dir);
        }
        Ok(())
    }

    fn append(&self, ids: &[ChunkId], vectors: &Vectors) -> Result<()> {
        self.check_rows(ids, vectors)?;
        self.write(|snapshot| {
            if let Some(id) = ids.iter().find(|id| snapshot.find(**id).is_some()) {
                let message = format!("chunk {} has a vector already; remove it first", id.0);
                return Err(Error::new(Kind::BadInput, message));
            }
            let mut manifest = snapshot.manifest.clone();
            let tail = snapshot.parts.last().map(|part| part.segment.id(part.segment.rows() - 1));
            let mut rows = ids.iter().zip(vectors.rows()).peekable();
            // Ids ascend within a segment, so lower ones than its last begin another.
            let mut fits = tail.zip(ids.first()).is_some_and(|(tail, first)| tail < first.0);
            while rows.peek().is_some() {
                if !manifest.segments.last().is_some_and(|last| fits && last.grows(self.limits.segment_rows_max)) {
                    let entry = Entry::new(&mut manifest.segment_next, 0);
                    manifest.segments.push(entry);
                }
                let entry = manifest.segments.last_mut().expect("one was pushed if there was none");
                let mut writer = Writer::open(self.dir.join(entry.rows_file()), self.layout, entry.rows)?;
                let room = self.limits.segment_rows_max - entry.rows;
                for (id, vector) in rows.by_ref().take(room) {
                    writer.push(id.0, vector)?;
                }
                entry.rows = writer.rows();
                writer.finish()?;
                fits = true;
            }
            Ok((!ids.is_empty()).then_some(manifest))
        })
    }

    fn remove(&self, ids: &[ChunkId]) -> Result<()> {
        self.write(|snapshot| {
            let mut manifest = snapshot.manifest.clone();
            let mut rows = vec![Vec::new(); snapshot.parts.len()];
            for (part, row) in ids.iter().filter_map(|id| snapshot.find(*id)) {
                rows[part].push(row);
            }
            let changed = rows.iter().any(|rows| !rows.is_empty());
            for ((entry, part), rows) in manifest.segments.iter_mut().zip(&snapshot.parts).zip(rows) {
                if !rows.is_empty() {
                    let mut removed = (*part.removed).clone();
                    rows.into_iter().for_each(|row| removed.insert(row));
                    removed.write(&self.dir.join(entry.remove_in(snapshot.manifest.generation + 1)))?;
                }
            }
            Ok(changed.then_some(manifest))
        })
    }

    fn compact(&self) -> Result<()> {
        self.write(|snapshot| compact(&self.dir, self.layout, self.limits, snapshot))
    }

    fn check_rows(&self, ids: &[ChunkId], vectors: &Vectors) -> Result<()> {
        if ids.len() != vectors.len() {
            let message = format!("{} ids for {} vectors; give one for each", ids.len(), vectors.len());
            return Err(Error::new(Kind::BadInput, message));
        }
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] >= pair[1]) {
            let message = format!("chunk {} comes after chunk {}; give ids ascending, each once", pair[1].0, pair[0].0);
            return Err(Error::new(Kind::BadInput, message));
        }
        for (id, vector) in ids.iter().zip(vectors.rows()) {
            self.check_vector(vector).context(|| format!("the vector of chunk {}", id.0))?;
        }
        Ok(())
    }

    fn check_vector(&self, vector: &[f32]) -> Result<()> {
        let dims = self.layout.dims;
        if vector.len() != dims {
            let message =
                format!("{} components where the store has {dims}; use the embedder it was built with", vector.len());
            return Err(Error::new(Kind::BadInput, message));
        }
        let square = vector.iter().map(|x| x * x).sum::<f32>();
        if (square - 1.0).abs() <= UNIT_TOLERANCE {
            return Ok(());
        }
        let message =
            format!("length {} where 1 is expected; check the embedder's output and normalise it", square.sqrt());
        Err(Error::new(Kind::BadInput, message))
    }
}
