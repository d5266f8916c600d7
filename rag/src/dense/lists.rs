//! Inverted lists: an approximate index of one segment, for collections that outgrow the scan. The rows of a segment
//! are divided among centroids; a search reads the lists whose centroids are closest to the query (IVF: Jégou, Douze,
//! Schmid, "Product quantization for nearest neighbor search", 2011, §4, here with int8 codes instead of product
//! codes). The file only repeats what the rows say, so it can be lost and built again.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use lorewell_model::{Error, Kind, Result, ResultExt};
use memmap2::Mmap;
use rayon::prelude::*;

use super::kernels::{Codes, quantize};
use super::scan::{Best, Candidate, Query, Rows, compare, in_parallel};
use super::segment::{BLOCK_ROWS, Segment};
use super::snapshot::Part;

/// The share of rows that a search compares is one in this many: recall@10 of 0.98 on points around so many centres
/// that lists cut through their clouds, 1 where clouds are apart.
const PROBE_SHARE: usize = 5;

/// Lists of a segment, as a multiple of the square root of its rows. Short lists follow the shape of the data better:
/// 4 instead of 1 halves what has to be read for the same recall, and ranking them still costs less than reading.
const LISTS_PER_ROOT: usize = 4;

/// Rows per list that centroids are learned from. More do not move them by much: 39 is the least that faiss accepts
/// without a warning, 256 the most it uses.
const SAMPLES_PER_LIST: usize = 64;

/// Rounds of k-means. Lists are about settled after ten.
const ROUNDS: usize = 10;

/// The lists of a segment. The codes of its rows are repeated in the order of the lists, so that a list is read in one
/// go; they are mapped, all else is held.
#[derive(Debug)]
pub(super) struct Lists {
    head: Head,
    map: Mmap,
    /// Where in the map the scales of the rows begin; their codes come after them.
    tail: usize,
}

/// What is held of the lists.
#[derive(Debug)]
struct Head {
    centroids: Centroids,
    /// Where each list begins in `rows`, and where the last one ends.
    starts: Vec<u32>,
    /// Rows of the segment, list by list, ascending in each.
    rows: Vec<u32>,
}

/// Builds the lists of a segment and writes them to a file. Repeatable: there is no randomness.
pub(super) fn build(segment: &Segment, dims: usize, path: &Path) -> Result<()> {
    let head = Head::divide(segment, dims);
    let bytes = head.encode();
    let write = || -> std::io::Result<()> {
        let dir = path.parent().expect("a file of a store lies in its folder");
        // Written beside it and renamed: a reader may have mapped the file that is replaced.
        let file = tempfile::Builder::new().prefix("lists-new-").tempfile_in(dir)?;
        let mut out = BufWriter::new(file.as_file());
        out.write_all(blake3::hash(&bytes).as_bytes())?;
        out.write_all(&bytes)?;
        for row in &head.rows {
            out.write_all(&segment.codes(*row as usize).1.to_le_bytes())?;
        }
        for row in &head.rows {
            out.write_all(segment.codes(*row as usize).0)?;
        }
        out.flush()?;
        drop(out);
        file.as_file().sync_all()?;
        file.persist(path).map(drop).map_err(|error| error.error)
    };
    write().context(|| format!("writing `{}`", path.display()))
}

impl Lists {
    /// Maps the lists of a segment of this many rows. The codes are not read yet: a wrong one costs a hit its place
    /// among the candidates, not its score.
    ///
    /// # Errors
    /// `Corrupt` if they are not the lists of such a segment.
    #[expect(unsafe_code, reason = "a map of a file that is never written after it got its name")]
    pub(super) fn open(path: &Path, dims: usize, rows: usize) -> Result<Self> {
        let opening = || format!("opening `{}`", path.display());
        let file = File::open(path).context(opening)?;
        // SAFETY: `build` writes the file under another name, and it is only ever replaced or deleted as a whole.
        let map = unsafe { Mmap::map(&file) }.context(opening)?;
        let Some((head, tail)) = Head::decode(&map, dims, rows) else { return Err(damaged(path)) };
        Ok(Self { head, map, tail })
    }

    /// Compares the repeated codes with those of the segment.
    ///
    /// # Errors
    /// `Corrupt` if they differ.
    pub(super) fn verify(&self, segment: &Segment, path: &Path) -> Result<()> {
        let all = self.run(0..self.head.rows.len());
        let dims = self.head.centroids.dims;
        let same = all
            .rows
            .iter()
            .zip(all.scales)
            .zip(all.codes.chunks_exact(dims))
            .all(|((row, scale), codes)| segment.codes(*row as usize) == (codes, f32::from_le_bytes(*scale)));
        if same { Ok(()) } else { Err(damaged(path)) }
    }

    /// Returns a list.
    fn list(&self, index: usize) -> Run<'_> {
        self.run(self.head.starts[index] as usize..self.head.starts[index + 1] as usize)
    }

    fn run(&self, places: Range<usize>) -> Run<'_> {
        let dims = self.head.centroids.dims;
        let (scales, codes) = self.map[self.tail..].split_at(4 * self.head.rows.len());
        Run {
            rows: &self.head.rows[places.clone()],
            scales: &scales.as_chunks().0[places.clone()],
            codes: &codes[places.start * dims..places.end * dims],
        }
    }
}

fn damaged(path: &Path) -> Error {
    let message = format!("`{}` is damaged; delete it and compact the index", path.display());
    Error::new(Kind::Corrupt, message)
}

/// Rows that lie one after the other in a list.
#[derive(Debug, Clone, Copy)]
struct Run<'a> {
    rows: &'a [u32],
    scales: &'a [[u8; 4]],
    codes: &'a [u8],
}

impl Head {
    /// Divides the rows of a segment by spherical k-means.
    fn divide(segment: &Segment, dims: usize) -> Self {
        let rows = segment.rows();
        let count = (LISTS_PER_ROOT * rows.isqrt()).clamp(1, rows);
        let samples = evenly(rows, rows.min(count * SAMPLES_PER_LIST));
        let mut centroids = Centroids::from_rows(segment, dims, evenly(rows, count));
        for _ in 0..ROUNDS {
            centroids = centroids.moved(segment, &samples);
        }
        let all: Vec<usize> = (0..rows).collect();
        let mut lists = vec![Vec::new(); count];
        for (row, (list, _)) in (0u32..).zip(centroids.nearest(segment, &all)) {
            lists[list].push(row);
        }
        let mut starts = vec![0];
        for list in &lists {
            starts.push(starts[starts.len() - 1] + u32::try_from(list.len()).expect("rows were counted in a `u32`"));
        }
        Self { centroids, starts, rows: lists.concat() }
    }

    fn encode(&self) -> Vec<u8> {
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
        let scales: Vec<u8> = self.centroids.scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
        let count = (self.centroids.scales.len() as u64).to_le_bytes();
        [&count[..], &self.centroids.codes, &scales, &words(&self.starts), &words(&self.rows)].concat()
    }

    /// Decodes the head of a file and returns where it ends; none if it is not the head of such lists.
    fn decode(file: &[u8], dims: usize, rows: usize) -> Option<(Self, usize)> {
        let words = |bytes: &[u8]| bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect::<Vec<_>>();
        let (digest, rest) = file.split_at_checked(blake3::OUT_LEN)?;
        let count = usize::try_from(u64::from_le_bytes(*rest.first_chunk()?)).ok()?;
        let sizes =
            [8, count.checked_mul(dims)?, count.checked_mul(4)?, count.checked_add(1)?.checked_mul(4)?, 4 * rows];
        let length = sizes.into_iter().try_fold(0usize, usize::checked_add)?;
        let (head, tail) = rest.split_at_checked(length)?;
        if *blake3::hash(head).as_bytes() != *digest || tail.len() != rows * (4 + dims) {
            return None;
        }
        let mut rest = head;
        let [_, codes, scales, starts, places] = sizes.map(|size| rest.split_off(..size).unwrap_or_default());
        let scales = scales.as_chunks().0.iter().map(|scale| f32::from_le_bytes(*scale)).collect();
        let centroids = Centroids { dims, codes: codes.to_vec(), scales };
        let head = Self { centroids, starts: words(starts), rows: words(places) };
        let bounded = head.starts.is_sorted() && head.starts.last().is_some_and(|end| *end as usize == rows);
        let within = head.rows.iter().all(|row| (*row as usize) < rows);
        (bounded && within).then_some((head, blake3::OUT_LEN + length))
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
            read += list.run.rows.len();
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
    run: Run<'a>,
}

/// Orders the lists of all segments by closeness: a segment that holds nothing relevant is not read at all.
fn rank<'a>(parts: &'a [Part], listed: &[usize], query: &Query<'_>) -> Vec<Ranked<'a>> {
    let mut ranked = Vec::new();
    for part in listed {
        let Some(lists) = &parts[*part].lists else { continue };
        let Centroids { codes, scales, .. } = &lists.head.centroids;
        let mut dots = vec![0; scales.len()];
        query.codes().dots(codes, &mut dots);
        ranked.extend(dots.into_iter().zip(scales).enumerate().map(|(list, (dot, scale))| Ranked {
            score: query.score(dot, *scale),
            part: *part,
            run: lists.list(list),
        }));
    }
    ranked.sort_unstable_by(|left, right| right.score.total_cmp(&left.score));
    ranked
}

/// Compares the rows of a list and returns how many of them count.
fn read_list(parts: &[Part], list: &Ranked<'_>, query: &Query<'_>, best: &mut Best) -> usize {
    let Part { segment, removed, .. } = &parts[list.part];
    let Run { rows, scales, codes } = list.run;
    let codes = codes.chunks(BLOCK_ROWS * query.dims());
    let mut compared = 0;
    for ((rows, scales), codes) in rows.chunks(BLOCK_ROWS).zip(scales.chunks(BLOCK_ROWS)).zip(codes) {
        let mut counting = Rows::default();
        for (place, row) in rows.iter().enumerate() {
            let row = *row as usize;
            if !removed.contains(row) && query.allows(|| segment.id(row)) {
                counting.insert(place);
            }
        }
        compared += counting.len();
        compare(query, codes, scales, counting, |place, score| {
            if best.admits(score) {
                let row = rows[place] as usize;
                best.push(Candidate { score, id: segment.id(row), part: list.part, row });
            }
        });
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
