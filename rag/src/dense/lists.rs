//! Inverted lists: an approximate index of one segment, for collections that outgrow the scan. The rows of a segment
//! are divided among centroids; a search reads the lists whose centroids are closest to the query (IVF: Jégou, Douze,
//! Schmid, "Product quantization for nearest neighbor search", 2011, §4, here with int8 codes instead of product
//! codes). The file only repeats what the rows say, so it can be lost and built again.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use lorewell_model::{Error, Kind, Result};
use rayon::prelude::*;

use super::kernels::{Codes, quantize};
use super::manifest::{read_digested, write_digested};
use super::scan::{Best, Candidate, Query, in_parallel};
use super::segment::Segment;
use super::snapshot::Part;

/// The share of rows that a search reads is one in this many. On clustered data recall@10 stays above 0.97.
const PROBE_SHARE: usize = 16;

/// Rows per list that centroids are learned from. More do not move them by much: 39 is the least that faiss accepts
/// without a warning, 256 the most it uses.
const SAMPLES_PER_LIST: usize = 64;

/// Rounds of k-means. Lists are about settled after ten.
const ROUNDS: usize = 10;

/// The lists of a segment.
#[derive(Debug)]
pub(super) struct Lists {
    /// Codes of the centroids, one after the other.
    codes: Vec<u8>,
    /// What a step of each centroid's codes is worth.
    scales: Vec<f32>,
    /// Where each list begins in `rows`, and where the last one ends.
    starts: Vec<u32>,
    /// Rows of the segment, list by list, ascending in each.
    rows: Vec<u32>,
}

impl Lists {
    /// Divides the rows of a segment into about √rows lists by spherical k-means. Repeatable: there is no randomness.
    pub(super) fn build(segment: &Segment, dims: usize) -> Self {
        let rows = segment.rows();
        let count = rows.isqrt().max(1);
        let samples = evenly(rows, rows.min(count * SAMPLES_PER_LIST));
        let mut centroids = Centroids::from_rows(segment, dims, evenly(rows, count));
        for _ in 0..ROUNDS {
            centroids = centroids.moved(segment, &samples);
        }
        let all: Vec<usize> = (0..rows).collect();
        let nearest = centroids.nearest(segment, &all);
        let mut lists = vec![Vec::new(); count];
        for (row, (list, _)) in (0u32..).zip(nearest) {
            lists[list].push(row);
        }
        let mut starts = vec![0];
        for list in &lists {
            starts.push(starts[starts.len() - 1] + u32::try_from(list.len()).expect("rows were counted in a `u32`"));
        }
        Self { codes: centroids.codes, scales: centroids.scales, starts, rows: lists.concat() }
    }

    /// Writes the lists to a file.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
        let scales: Vec<u8> = self.scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
        let count = (self.scales.len() as u64).to_le_bytes();
        let body = [&count[..], &self.codes, &scales, &words(&self.starts), &words(&self.rows)].concat();
        write_digested(path, &body)
    }

    /// Reads the lists of a segment of this many rows.
    pub(super) fn read(path: &Path, dims: usize, rows: usize) -> Result<Self> {
        let body = read_digested(path)?;
        Self::decode(&body, dims, rows).ok_or_else(|| {
            let message = format!("`{}` does not fit its segment; compact the index", path.display());
            Error::new(Kind::Corrupt, message)
        })
    }

    fn decode(body: &[u8], dims: usize, rows: usize) -> Option<Self> {
        let words = |bytes: &[u8]| bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect::<Vec<_>>();
        let (count, body) = body.split_first_chunk::<8>()?;
        let count = usize::try_from(u64::from_le_bytes(*count)).ok()?;
        let (codes, body) = body.split_at_checked(count.checked_mul(dims)?)?;
        let (scales, body) = body.split_at_checked(count.checked_mul(4)?)?;
        let (starts, body) = body.split_at_checked(count.checked_add(1)?.checked_mul(4)?)?;
        let scales = scales.as_chunks().0.iter().map(|scale| f32::from_le_bytes(*scale)).collect();
        let lists = Self { codes: codes.to_vec(), scales, starts: words(starts), rows: words(body) };
        let counts = lists.rows.len() == rows && body.len() == 4 * rows;
        let bounded = lists.starts.is_sorted() && lists.starts.last().is_some_and(|end| *end as usize == rows);
        (counts && bounded && lists.rows.iter().all(|row| (*row as usize) < rows)).then_some(lists)
    }

    fn list(&self, index: usize) -> &[u32] {
        &self.rows[self.starts[index] as usize..self.starts[index + 1] as usize]
    }
}

/// Reads the lists closest to the query and returns the `wanted` best rows by their codes. Of `counting` rows that the
/// filter lets through, one in [`PROBE_SHARE`] is compared, or as many as are wanted: a filter makes a search read more
/// lists, not find less.
pub(super) fn probe(parts: &[Part], listed: &[usize], query: &Query<'_>, wanted: usize, counting: usize) -> Best {
    let ranked = rank(parts, listed, query);
    let effort = counting.div_ceil(PROBE_SHARE).max(wanted);
    let mut best = Best::new(wanted);
    let mut compared = 0;
    let mut rest = ranked.as_slice();
    while compared < effort && !rest.is_empty() {
        let mut read = 0;
        let round = rest.iter().take_while(|list| {
            let more = read < effort;
            read += list.rows.len();
            more
        });
        let (now, later) = rest.split_at(round.count());
        let counted = AtomicUsize::new(0);
        best = best.merge(in_parallel(now, wanted, |list, best| {
            counted.fetch_add(read_list(parts, list, query, best), Ordering::Relaxed);
        }));
        compared += counted.into_inner();
        rest = later;
    }
    best
}

/// A list and how close its centroid is.
#[derive(Debug)]
struct Ranked<'a> {
    score: f32,
    part: usize,
    rows: &'a [u32],
}

/// Orders the lists of all segments by closeness: a segment that holds nothing relevant is not read at all.
fn rank<'a>(parts: &'a [Part], listed: &[usize], query: &Query<'_>) -> Vec<Ranked<'a>> {
    let mut ranked = Vec::new();
    for part in listed {
        let Some(lists) = &parts[*part].lists else { continue };
        let mut dots = vec![0; lists.scales.len()];
        query.codes().dots(&lists.codes, &mut dots);
        ranked.extend(dots.into_iter().zip(&lists.scales).enumerate().map(|(list, (dot, scale))| Ranked {
            score: query.score(dot, *scale),
            part: *part,
            rows: lists.list(list),
        }));
    }
    ranked.sort_by(|left, right| right.score.total_cmp(&left.score));
    ranked
}

/// Compares the rows of a list and returns how many of them count.
fn read_list(parts: &[Part], list: &Ranked<'_>, query: &Query<'_>, best: &mut Best) -> usize {
    let Part { segment, removed, .. } = &parts[list.part];
    let mut compared = 0;
    for row in list.rows {
        let row = *row as usize;
        if removed.contains(row) || !query.allows(|| segment.id(row)) {
            continue;
        }
        compared += 1;
        let (codes, scale) = segment.codes(row);
        let score = query.score(query.codes().dot(codes), scale);
        if best.admits(score) {
            best.push(Candidate { score, id: segment.id(row), part: list.part, row });
        }
    }
    compared
}

/// The centroids of k-means, as codes: rows are codes too, and codes are fast to compare.
#[derive(Debug)]
struct Centroids {
    dims: usize,
    codes: Vec<u8>,
    scales: Vec<f32>,
}

impl Centroids {
    fn from_rows(segment: &Segment, dims: usize, rows: Vec<usize>) -> Self {
        let mut centroids = Self { dims, codes: Vec::new(), scales: Vec::new() };
        for row in rows {
            let (codes, scale) = segment.codes(row);
            centroids.codes.extend_from_slice(codes);
            centroids.scales.push(scale);
        }
        centroids
    }

    /// Finds the nearest centroid of each row, and how near it is.
    fn nearest(&self, segment: &Segment, rows: &[usize]) -> Vec<(usize, f32)> {
        let nearest = |dots: &mut Vec<i32>, row: &usize| {
            let (codes, scale) = segment.codes(*row);
            Codes::stored(codes, scale).dots(&self.codes, dots);
            let scores = dots.iter().zip(&self.scales).map(|(dot, centroid)| *dot as f32 * centroid * scale);
            scores.enumerate().fold((0, f32::NEG_INFINITY), |best, next| if next.1 > best.1 { next } else { best })
        };
        rows.par_iter().map_init(|| vec![0; self.scales.len()], nearest).collect()
    }

    /// Moves each centroid to the direction of the mean of its rows. One that has none moves to the row that is worst
    /// served by its own.
    fn moved(&self, segment: &Segment, rows: &[usize]) -> Self {
        let nearest = self.nearest(segment, rows);
        let mut sums = vec![0.0f32; self.codes.len()];
        let mut counts = vec![0usize; self.scales.len()];
        for (row, (list, _)) in rows.iter().zip(&nearest) {
            counts[*list] += 1;
            let (codes, scale) = segment.codes(*row);
            for (sum, code) in sums[list * self.dims..].iter_mut().zip(codes) {
                *sum += f32::from(code.cast_signed()) * scale;
            }
        }
        let mut worst: Vec<usize> = (0..rows.len()).collect();
        worst.sort_by(|left, right| nearest[*left].1.total_cmp(&nearest[*right].1));
        let mut worst = worst.into_iter();
        let mut moved = Self { dims: self.dims, codes: Vec::new(), scales: Vec::new() };
        for (sum, count) in sums.chunks_exact(self.dims).zip(counts) {
            let unserved = if count == 0 { worst.next() } else { None };
            let (codes, scale) = match unserved {
                Some(row) => {
                    let (codes, scale) = segment.codes(rows[row]);
                    (codes.to_vec(), scale)
                }
                None => unit_codes(sum),
            };
            moved.codes.extend(codes);
            moved.scales.push(scale);
        }
        moved
    }
}

/// Quantises the direction of a sum.
fn unit_codes(sum: &[f32]) -> (Vec<u8>, f32) {
    let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    let unit: Vec<f32> = sum.iter().map(|x| x / length).collect();
    let mut codes = Vec::with_capacity(sum.len());
    let scale = quantize(&unit, &mut codes);
    (codes, scale)
}

/// Picks `count` of the first `rows` numbers, evenly spaced.
fn evenly(rows: usize, count: usize) -> Vec<usize> {
    (0..count).map(|index| index * rows / count).collect()
}
