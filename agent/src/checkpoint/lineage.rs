//! What a lineage holds: which of the records of several branches count. The rules stand here once, above a few questions
//! about single lines that each store answers in its own way.

use std::ops::RangeInclusive;
use std::sync::Arc;

use lorewell_model::Result;

use super::{EntryRow, Loaded, Place, ResultRow, Span, StepRow};

/// The number, the root and the value of a step record.
pub(super) type Step = (u64, u64, Vec<u8>);

/// The lines of one graph within one thread.
pub(super) trait Lines {
    /// A name for a line that is cheap to pass around.
    type Line: Copy;

    /// Finds the line of a branch.
    fn line(&self, branch: u32) -> Result<Option<Self::Line>>;
    /// The number and root of the newest step at or below a number.
    fn step_at_most(&self, line: Self::Line, seq: u64) -> Result<Option<(u64, u64)>>;
    /// The number of the oldest step at or above a number.
    fn step_at_least(&self, line: Self::Line, seq: u64) -> Result<Option<u64>>;
    /// At most `limit` steps of a range, newest first.
    fn steps(&self, line: Self::Line, range: RangeInclusive<u64>, limit: usize) -> Result<Vec<Step>>;
    /// The number of the newest snapshot at or below a number.
    fn snapshot_at_most(&self, line: Self::Line, seq: u64) -> Result<Option<u64>>;
    /// The snapshot of a number that [`Self::snapshot_at_most`] has given.
    fn snapshot(&self, line: Self::Line, seq: u64) -> Result<Vec<u8>>;
    /// Results of a range, in order.
    fn results(&self, line: Self::Line, range: RangeInclusive<u64>) -> Result<Vec<ResultRow>>;
    /// Entries of a range, in order.
    fn entries(&self, line: Self::Line, range: RangeInclusive<u64>) -> Result<Vec<EntryRow>>;
}

/// A span that holds at least one checkpoint.
struct Segment<L> {
    branch: u32,
    line: L,
    /// Its oldest checkpoint.
    first: u64,
    /// Its newest checkpoint within the bounds of the span.
    last: u64,
}

/// Answers [`Checkpoints::load`](super::Checkpoints::load).
pub(super) fn load<S: Lines>(lines: &S, path: &str, lineage: &[Span]) -> Result<Loaded> {
    let segments = segments(lines, lineage)?;
    let mut loaded = Loaded::default();
    // The first of equals counts, which `max_by_key` would not give.
    let newest = segments.iter().rev().max_by_key(|segment| segment.last);
    let pending = pending(lines, lineage, newest.map(|segment| segment.last))?;
    if let Some((line, range)) = pending.clone() {
        loaded.entries = lines.entries(line, range)?;
    }
    let Some(newest) = newest else { return Ok(loaded) };
    let step = lines.steps(newest.line, newest.last..=newest.last, 1)?.pop();
    loaded.step = step.map(|step| row(&Arc::from(path), newest.branch, step));
    let snapshot = newest_snapshot(lines, &segments)?;
    if let Some((line, seq)) = snapshot {
        loaded.snapshot = Some((seq, lines.snapshot(line, seq)?));
    }
    let from = snapshot.map_or(0, |(_, seq)| seq.saturating_add(1));
    for (index, segment) in segments.iter().enumerate() {
        let results = lines.results(segment.line, from..=segment.last)?;
        loaded.results.extend(visible(lines, &segments[..index], results)?);
    }
    if let Some((line, range)) = pending {
        loaded.results.extend(lines.results(line, range)?);
    }
    loaded.results.sort_by_key(|result| (result.seq, result.task));
    Ok(loaded)
}

/// Answers [`Checkpoints::steps`](super::Checkpoints::steps).
pub(super) fn steps<S: Lines>(
    lines: &S,
    path: &str,
    lineage: &[Span],
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<StepRow>> {
    let top = match before {
        Some(0) => return Ok(Vec::new()),
        Some(before) => before - 1,
        None => u64::MAX,
    };
    if limit == 0 {
        return Ok(Vec::new());
    }
    let path: Arc<str> = Arc::from(path);
    let segments = segments(lines, lineage)?;
    let mut found: Vec<StepRow> = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        // With a full page in hand, only what is newer than its end can still come in.
        let floor = if found.len() < limit { 0 } else { found[limit - 1].place.seq };
        for step in lines.steps(segment.line, floor..=segment.last.min(top), limit)? {
            if !is_shadowed(lines, &segments[..index], step.0)? {
                found.push(row(&path, segment.branch, step));
            }
        }
        found.sort_by_key(|step| std::cmp::Reverse(step.place.seq));
        found.truncate(limit);
    }
    Ok(found)
}

fn row(path: &Arc<str>, branch: u32, (seq, root, value): Step) -> StepRow {
    StepRow { place: Place { path: Arc::clone(path), branch, seq }, root, value }
}

fn segments<S: Lines>(lines: &S, lineage: &[Span]) -> Result<Vec<Segment<S::Line>>> {
    let mut segments = Vec::with_capacity(lineage.len());
    for (index, span) in lineage.iter().enumerate() {
        let Some(line) = lines.line(span.branch)? else { continue };
        let Some(last) = last_within(lines, line, span)? else { continue };
        // Tells what this span may hide of the spans after it; after the last one there are none.
        let hides = index + 1 < lineage.len();
        let first = if hides { lines.step_at_least(line, 0)?.unwrap_or(last) } else { last };
        segments.push(Segment { branch: span.branch, line, first, last });
    }
    Ok(segments)
}

/// The newest checkpoint within a span. Roots never fall along a line, so a search by halves finds the bound, however
/// much lies above it.
fn last_within<S: Lines>(lines: &S, line: S::Line, span: &Span) -> Result<Option<u64>> {
    let Some((newest, root)) = lines.step_at_most(line, span.seq_max)? else { return Ok(None) };
    if root <= span.root_max {
        return Ok(Some(newest));
    }
    let Some(oldest) = lines.step_at_least(line, 0)? else { return Ok(None) };
    match lines.step_at_most(line, oldest)? {
        Some((_, root)) if root <= span.root_max => {}
        _ => return Ok(None),
    }
    // All at or below `low` is within the bound, the step at `high` is not.
    let (mut within, mut low, mut high) = (oldest, oldest, newest);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match lines.step_at_most(line, middle)? {
            Some((seq, root)) if root <= span.root_max => (within, low) = (seq, middle),
            Some((seq, _)) => high = seq,
            None => low = middle,
        }
    }
    Ok(Some(within))
}

/// Where the records of the superstep that is not committed are: in the lineage's own branch, above the newest
/// checkpoint, below any that the bounds leave out.
fn pending<S: Lines>(
    lines: &S,
    lineage: &[Span],
    newest: Option<u64>,
) -> Result<Option<(S::Line, RangeInclusive<u64>)>> {
    let Some(own) = lineage.first() else { return Ok(None) };
    let Some(line) = lines.line(own.branch)? else { return Ok(None) };
    let Some(from) = newest.map_or(Some(0), |newest| newest.checked_add(1)) else { return Ok(None) };
    let mut until = own.seq_max;
    // Otherwise nothing of the branch can be left out but what `seq_max` leaves out.
    if own.root_max < u64::MAX {
        let left_out = match last_within(lines, line, own)? {
            Some(last) => last.checked_add(1).map_or(Ok(None), |next| lines.step_at_least(line, next))?,
            None => lines.step_at_least(line, 0)?,
        };
        match left_out {
            Some(0) => return Ok(None),
            Some(seq) => until = until.min(seq - 1),
            None => {}
        }
    }
    Ok((from <= until).then_some((line, from..=until)))
}

fn newest_snapshot<S: Lines>(lines: &S, segments: &[Segment<S::Line>]) -> Result<Option<(S::Line, u64)>> {
    let mut newest: Option<(S::Line, u64)> = None;
    for (index, segment) in segments.iter().enumerate() {
        let mut bound = segment.last;
        while let Some(seq) = lines.snapshot_at_most(segment.line, bound)? {
            if newest.is_some_and(|(_, newest)| seq <= newest) {
                break;
            }
            if !is_shadowed(lines, &segments[..index], seq)? {
                newest = Some((segment.line, seq));
                break;
            }
            let Some(below) = seq.checked_sub(1) else { break };
            bound = below;
        }
    }
    Ok(newest)
}

/// Leaves out the results of checkpoints that an earlier span holds as well.
fn visible<S: Lines>(lines: &S, earlier: &[Segment<S::Line>], results: Vec<ResultRow>) -> Result<Vec<ResultRow>> {
    let mut visible = Vec::with_capacity(results.len());
    for result in results {
        if !is_shadowed(lines, earlier, result.seq)? {
            visible.push(result);
        }
    }
    Ok(visible)
}

fn is_shadowed<S: Lines>(lines: &S, earlier: &[Segment<S::Line>], seq: u64) -> Result<bool> {
    for segment in earlier {
        let may_hold = (segment.first..=segment.last).contains(&seq);
        if may_hold && lines.step_at_most(segment.line, seq)?.is_some_and(|(found, _)| found == seq) {
            return Ok(true);
        }
    }
    Ok(false)
}
