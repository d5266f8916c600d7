//! Compaction: which segments are worth rewriting, and the rewriting. New files are written beside the old ones and
//! count from the next manifest on, so a crash leaves files that nobody names and the next writer deletes.

use std::path::Path;

use lorewell_model::Result;

use super::lists;
use super::local::Limits;
use super::manifest::{Entry, Manifest};
use super::segment::{Layout, Segment, Writer};
use super::snapshot::{Part, Snapshot};

/// A segment is rewritten when more than one row in this many is removed: then rewriting frees at least a third of
/// what it costs to write.
const REMOVED_SHARE: usize = 4;

/// Segments of less than one part in this many of a full one are merged, so that their number stays in proportion to
/// the rows.
const SMALL_SHARE: usize = 2;

/// Segments of less than one part in this many of a full one are scanned even where others have inverted lists.
const LISTS_SHARE: usize = 4;

/// Rewrites what pays and describes the new state; returns none if nothing pays.
pub(super) fn compact(dir: &Path, layout: Layout, limits: Limits, snapshot: &Snapshot) -> Result<Option<Manifest>> {
    let mut manifest = snapshot.manifest.clone();
    let worn = worn(&snapshot.parts, limits);
    let mut kept: Vec<(u64, Entry)> = Vec::new();
    for ((entry, part), worn) in manifest.segments.drain(..).zip(&snapshot.parts).zip(&worn) {
        if !worn {
            kept.push((part.segment.id(0), Entry { lists: part.lists.is_some(), ..entry }));
        }
    }
    kept.extend(rewrite(dir, layout, limits, snapshot, &worn, &mut manifest.segment_next)?);
    kept.sort_unstable_by_key(|(first, _)| *first);
    manifest.segments = kept.into_iter().map(|(_, entry)| entry).collect();
    let built = snapshot.live() > limits.scan_rows_max && build_lists(dir, layout, limits, &mut manifest)?;
    Ok((built || manifest != snapshot.manifest).then_some(manifest))
}

/// Tells of each segment whether it is to be rewritten.
fn worn(parts: &[Part], limits: Limits) -> Vec<bool> {
    let small = |part: &Part| part.live() < limits.segment_rows_max / SMALL_SHARE;
    let merging = parts.iter().filter(|part| small(part)).count() > 1;
    let holey = |part: &Part| part.removed.len() * REMOVED_SHARE > part.segment.rows();
    parts.iter().map(|part| holey(part) || (merging && small(part))).collect()
}

/// Copies the live rows of worn segments, by ascending id, to new ones. Returns these with their first ids.
fn rewrite(
    dir: &Path,
    layout: Layout,
    limits: Limits,
    snapshot: &Snapshot,
    worn: &[bool],
    segment_next: &mut u64,
) -> Result<Vec<(u64, Entry)>> {
    let mut rows: Vec<(u64, &Segment, usize)> = Vec::new();
    for (part, _) in snapshot.parts.iter().zip(worn).filter(|(_, worn)| **worn) {
        rows.extend(part.live_rows().map(|row| (part.segment.id(row), &part.segment, row)));
    }
    rows.sort_unstable_by_key(|(id, ..)| *id);
    let mut written = Vec::new();
    for rows in rows.chunks(limits.segment_rows_max) {
        let entry = Entry::new(segment_next, rows.len());
        let mut writer = Writer::open(dir.join(entry.rows_file()), layout, 0)?;
        for (_, segment, row) in rows {
            // Checked, so that damage is reported here and not copied.
            writer.copy(segment.check(*row)?)?;
        }
        writer.finish()?;
        written.push((rows[0].0, entry));
    }
    Ok(written)
}

/// Builds inverted lists for the segments that will not grow any more, and tells whether there were any to build.
fn build_lists(dir: &Path, layout: Layout, limits: Limits, manifest: &mut Manifest) -> Result<bool> {
    let mut built = false;
    let last = manifest.segments.len().saturating_sub(1);
    for (index, entry) in manifest.segments.iter_mut().enumerate() {
        let grows = index == last && entry.rows < limits.segment_rows_max;
        if !entry.lists && !grows && entry.rows >= limits.segment_rows_max / LISTS_SHARE {
            let segment = Segment::open(dir.join(entry.rows_file()), layout, entry.rows)?;
            lists::build(&segment, layout.dims, &dir.join(entry.lists_file()))?;
            entry.lists = true;
            built = true;
        }
    }
    Ok(built)
}
