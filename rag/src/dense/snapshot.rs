//! A snapshot: one committed state of the store, with its files mapped. Readers keep the one they began with, whatever
//! is committed meanwhile.

use std::path::Path;
use std::sync::Arc;

use lorewell_model::{Error, Kind, Result};
use rayon::prelude::*;

use super::lists::{self, Lists};
use super::manifest::{Entry, Manifest};
use super::scan::{OVERSAMPLE, Query, rescore, scan};
use super::segment::{Layout, Removed, Segment};
use crate::ids::{ChunkId, IdSet, Scored};

/// Times a state is read again because it was replaced while it was being read. A commit takes far longer than
/// reading one does, so losing this often in a row means that something else is wrong.
const LOADS_MAX: u32 = 32;

/// One committed state.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// What is committed.
    pub(super) manifest: Manifest,
    /// The manifest as it lies on disk: as long as it is the same, nothing has changed.
    bytes: Vec<u8>,
    /// The segments, as in the manifest.
    pub(super) parts: Vec<Part>,
}

/// A segment with what is known about its rows.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// The committed rows.
    pub(super) segment: Segment,
    /// Those that are removed.
    pub(super) removed: Arc<Removed>,
    /// The inverted lists, once built.
    pub(super) lists: Option<Arc<Lists>>,
}

impl Part {
    /// Returns the number of rows that are not removed.
    pub(super) fn live(&self) -> usize {
        self.segment.rows() - self.removed.len()
    }

    /// Iterates over the rows that are not removed, by ascending id.
    pub(super) fn live_rows(&self) -> impl Iterator<Item = usize> {
        (0..self.segment.rows()).filter(|row| !self.removed.contains(*row))
    }

    /// Finds the row of an id, unless it is removed.
    pub(super) fn find(&self, id: u64) -> Option<usize> {
        self.segment.find(id).filter(|row| !self.removed.contains(*row))
    }
}

impl Snapshot {
    /// Reads the current state of a folder.
    ///
    /// # Errors
    /// `NotFound` if there is no store, `Corrupt` if it is damaged.
    pub(super) fn load(dir: &Path) -> Result<Self> {
        Ok(Self::load_after(dir, None)?.expect("there was no earlier snapshot it could be equal to"))
    }

    /// Reads the current state, taking over from this one what has not changed; none if nothing has.
    pub(super) fn newer(&self, dir: &Path) -> Result<Option<Self>> {
        Self::load_after(dir, Some(self))
    }

    fn load_after(dir: &Path, previous: Option<&Self>) -> Result<Option<Self>> {
        let read = || {
            let missing = || Error::new(Kind::NotFound, format!("no vectors in `{}`; build the index", dir.display()));
            Manifest::read(dir)?.ok_or_else(missing)
        };
        let mut bytes = read()?;
        for _ in 0..LOADS_MAX {
            if previous.is_some_and(|previous| previous.bytes == bytes) {
                return Ok(None);
            }
            let manifest = Manifest::decode(dir, &bytes)?;
            let failed = match Self::open_parts(dir, &manifest, previous) {
                Ok(parts) => return Ok(Some(Self { manifest, bytes, parts })),
                Err(error) => error,
            };
            // A file may be gone because a newer state no longer needs it; otherwise it should be there.
            let now = read()?;
            if failed.kind() != Kind::NotFound {
                return Err(failed);
            }
            if now == bytes {
                let missing = Error::new(Kind::Corrupt, "a file of the index is missing; rebuild the index");
                return Err(missing.caused_by(failed));
            }
            bytes = now;
        }
        let message = format!("`{}` was replaced {LOADS_MAX} times while being read; try again", dir.display());
        Err(Error::new(Kind::Unavailable, message))
    }

    fn open_parts(dir: &Path, manifest: &Manifest, previous: Option<&Self>) -> Result<Vec<Part>> {
        manifest.segments.iter().map(|entry| open_part(dir, manifest.dims, entry, previous)).collect()
    }

    /// Returns the number of rows that are not removed.
    pub(super) fn live(&self) -> usize {
        self.parts.iter().map(Part::live).sum()
    }

    /// Finds the segment and the row of an id, unless it is removed.
    pub(super) fn find(&self, id: ChunkId) -> Option<(usize, usize)> {
        self.parts.iter().enumerate().find_map(|(part, found)| Some((part, found.find(id.0)?)))
    }

    /// Returns all ids, ascending.
    pub(super) fn ids(&self) -> Vec<ChunkId> {
        let live = |part: &Part| part.live_rows().map(|row| ChunkId(part.segment.id(row))).collect::<Vec<_>>();
        let mut ids: Vec<ChunkId> = self.parts.iter().flat_map(live).collect();
        ids.sort_unstable();
        ids
    }

    /// Returns a vector, checked against its digest.
    pub(super) fn fetch(&self, id: ChunkId) -> Result<Option<Vec<f32>>> {
        let Some((part, row)) = self.find(id) else { return Ok(None) };
        Ok(Some(self.parts[part].segment.check(row)?.vector()))
    }

    /// Returns the closest chunks. More than `scan_rows_max` rows that may count are searched by inverted lists.
    pub(super) fn search(
        &self,
        vector: &[f32],
        limit: usize,
        allowed: Option<&IdSet>,
        scan_rows_max: usize,
    ) -> Vec<Scored> {
        let live = self.live();
        let wanted = limit.saturating_mul(OVERSAMPLE).min(live);
        if wanted == 0 {
            return Vec::new();
        }
        let query = Query::new(vector, allowed);
        let counting = allowed.map_or(live, |allowed| allowed.len().min(live));
        let all = 0..self.parts.len();
        let best = if counting <= scan_rows_max {
            scan(&self.parts, all, &query, wanted)
        } else {
            let (listed, plain): (Vec<_>, Vec<_>) = all.partition(|part| self.parts[*part].lists.is_some());
            let best = lists::probe(&self.parts, &listed, &query, wanted, counting);
            best.merge(scan(&self.parts, plain.into_iter(), &query, wanted))
        };
        rescore(&self.parts, &query, best, limit)
    }

    /// Reads what `load` only maps, or does without, and checks it.
    pub(super) fn verify(&self, dir: &Path) -> Result<()> {
        for (entry, part) in self.manifest.segments.iter().zip(&self.parts) {
            (0..part.segment.rows()).into_par_iter().try_for_each(|row| part.segment.check(row).map(drop))?;
            if entry.lists {
                let path = dir.join(entry.lists_file());
                Lists::open(&path, self.manifest.dims, entry.rows)?.verify(&part.segment, &path)?;
            }
        }
        Ok(())
    }
}

fn open_part(dir: &Path, dims: usize, entry: &Entry, previous: Option<&Snapshot>) -> Result<Part> {
    let known = previous.and_then(|previous| {
        let index = previous.manifest.segments.iter().position(|known| known.name == entry.name)?;
        Some((&previous.manifest.segments[index], &previous.parts[index]))
    });
    let segment = match known {
        Some((_, part)) if part.segment.rows() == entry.rows => part.segment.clone(),
        Some((_, part)) => part.segment.grown(entry.rows)?,
        None => Segment::open(dir.join(entry.rows_file()), Layout { dims }, entry.rows)?,
    };
    let removed = match (known, entry.removed_file()) {
        (Some((known, part)), _) if known.removed == entry.removed => Arc::clone(&part.removed),
        (_, Some(file)) => Arc::new(Removed::read(&dir.join(file), entry.rows)?),
        (_, None) => Arc::default(),
    };
    let lists = match known {
        Some((_, Part { lists: Some(lists), .. })) if entry.lists => Some(Arc::clone(lists)),
        _ if entry.lists => open_lists(&dir.join(entry.lists_file()), dims, entry.rows),
        _ => None,
    };
    Ok(Part { segment, removed, lists })
}

/// Opens inverted lists. Without them a search is slower and exact, so what is wrong with them is only noted here;
/// `verify` reports it and `compact` builds them again.
fn open_lists(path: &Path, dims: usize, rows: usize) -> Option<Arc<Lists>> {
    match Lists::open(path, dims, rows) {
        Ok(lists) => Some(Arc::new(lists)),
        Err(error) => {
            tracing::warn!(%error, "a segment is scanned as its inverted lists cannot be read; `compact` rebuilds them");
            None
        }
    }
}
