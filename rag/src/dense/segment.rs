//! A segment: the file that holds rows, and the memory map through which they are read. Rows lie in blocks, and
//! within a block in columns (ids, checks, scales, codes, vectors), so that a scan touches codes and little else.
//! A committed row is never written again; ids ascend strictly within a segment. Numbers are little-endian.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lorewell_model::{Error, Kind, Result, ResultExt};
use memmap2::{MmapOptions, MmapRaw};

use super::kernels::quantize;
use super::manifest::{read_digested, write_digested};

/// Rows of a block: four words of a bitmap, and columns that begin on cache lines whatever the dimensions are.
pub(super) const BLOCK_ROWS: usize = 256;

/// Words of the bitmap of a block.
pub(super) const BLOCK_WORDS: usize = BLOCK_ROWS / 64;

/// The columns of a block, in the order in which they lie there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    /// `u64`: the chunk.
    Id,
    /// `u64`: the first bytes of the digest of the other columns of the row.
    Check,
    /// `f32`: what a step of the codes is worth.
    Scale,
    /// One byte a component.
    Codes,
    /// One `f32` a component: the vector as it was appended.
    Vector,
}

const COLUMNS: [Column; 5] = [Column::Id, Column::Check, Column::Scale, Column::Codes, Column::Vector];

/// Where things lie in a segment of vectors of some dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// Components of a vector.
    pub(super) dims: usize,
}

impl Layout {
    /// Returns the bytes of a row in the columns before this one, and in this one.
    fn place(self, column: Column) -> (usize, usize) {
        match column {
            Column::Id => (0, 8),
            Column::Check => (8, 8),
            Column::Scale => (16, 4),
            Column::Codes => (20, self.dims),
            Column::Vector => (20 + self.dims, 4 * self.dims),
        }
    }

    fn stride(self, column: Column) -> usize {
        self.place(column).1
    }

    fn block_bytes(self) -> usize {
        let (before, stride) = self.place(Column::Vector);
        BLOCK_ROWS * (before + stride)
    }

    /// Returns the file offset of a row's value in a column.
    fn offset(self, column: Column, row: usize) -> usize {
        let (before, stride) = self.place(column);
        row / BLOCK_ROWS * self.block_bytes() + BLOCK_ROWS * before + row % BLOCK_ROWS * stride
    }

    /// Returns the length of a file of this many rows, which is a whole number of blocks; none if it has no length.
    fn file_bytes(self, rows: usize) -> Option<usize> {
        rows.div_ceil(BLOCK_ROWS).checked_mul(self.block_bytes())
    }
}

/// A mapped file. Rows may be appended behind its back, so it hands out bytes of committed rows only.
#[derive(Debug)]
struct Map {
    path: PathBuf,
    map: MmapRaw,
}

/// The committed rows of a segment, as they were when the segment was opened.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    layout: Layout,
    rows: usize,
    map: Arc<Map>,
}

/// One committed row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    id: &'a [u8],
    check: &'a [u8],
    scale: &'a [u8],
    codes: &'a [u8],
    vector: &'a [u8],
}

/// The committed rows of one block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    /// The first row.
    pub(super) start: usize,
    ids: &'a [[u8; 8]],
    /// What a step of each row's codes is worth, as little-endian bytes.
    pub(super) scales: &'a [[u8; 4]],
    /// Codes of all rows, one row after the other.
    pub(super) codes: &'a [u8],
}

impl Segment {
    /// Maps the first `rows` rows of a file.
    ///
    /// # Errors
    /// `NotFound` if the file is not there, `Corrupt` if it is too short.
    pub(super) fn open(path: PathBuf, layout: Layout, rows: usize) -> Result<Self> {
        let opening = || format!("opening `{}`", path.display());
        let file = File::open(&path).context(opening)?;
        let there = file.metadata().context(opening)?.len();
        let needed = layout.file_bytes(rows).filter(|needed| *needed > 0 && *needed as u64 <= there);
        let Some(needed) = needed else {
            let message =
                format!("`{}` ends at offset {there}, before its {rows} rows do; rebuild the index", path.display());
            return Err(Error::new(Kind::Corrupt, message));
        };
        let map = MmapOptions::new().len(needed).map_raw_read_only(&file).context(opening)?;
        Ok(Self { layout, rows, map: Arc::new(Map { path, map }) })
    }

    /// Sees more rows of the same file, through the same map if they fit in it.
    pub(super) fn grown(&self, rows: usize) -> Result<Self> {
        let fits = self.layout.file_bytes(rows).is_some_and(|needed| needed <= self.map.map.len());
        if fits { Ok(Self { rows, ..self.clone() }) } else { Self::open(self.map.path.clone(), self.layout, rows) }
    }

    /// Returns the number of committed rows.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the number of blocks they fill, the last one perhaps in part.
    pub(super) fn blocks(&self) -> usize {
        self.rows.div_ceil(BLOCK_ROWS)
    }

    /// Returns a block.
    pub(super) fn block(&self, index: usize) -> Block<'_> {
        let start = index * BLOCK_ROWS;
        let rows = (self.rows - start).min(BLOCK_ROWS);
        let ids = self.bytes(Column::Id, start, rows).as_chunks().0;
        let scales = self.bytes(Column::Scale, start, rows).as_chunks().0;
        Block { start, ids, scales, codes: self.bytes(Column::Codes, start, rows) }
    }

    /// Returns a row.
    pub(super) fn row(&self, row: usize) -> Row<'_> {
        let [id, check, scale, codes, vector] = COLUMNS.map(|column| self.bytes(column, row, 1));
        Row { id, check, scale, codes, vector }
    }

    /// Returns the id of a row.
    pub(super) fn id(&self, row: usize) -> u64 {
        u64::from_le_bytes(self.bytes(Column::Id, row, 1).as_chunks().0[0])
    }

    /// Returns the codes of a row and what a step of them is worth.
    pub(super) fn codes(&self, row: usize) -> (&[u8], f32) {
        let scale = self.bytes(Column::Scale, row, 1).as_chunks().0[0];
        (self.bytes(Column::Codes, row, 1), f32::from_le_bytes(scale))
    }

    /// Returns the vector of a row as little-endian bytes.
    pub(super) fn vector(&self, row: usize) -> &[u8] {
        self.bytes(Column::Vector, row, 1)
    }

    /// Finds the row of an id.
    pub(super) fn find(&self, id: u64) -> Option<usize> {
        let (mut low, mut high) = (0, self.rows);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.id(middle).cmp(&id) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Checks a row against its digest, and that ids ascend.
    ///
    /// # Errors
    /// `Corrupt` if the row is not what was written.
    pub(super) fn check(&self, row: usize) -> Result<Row<'_>> {
        let found = self.row(row);
        let ascends = row == 0 || self.id(row - 1) < self.id(row);
        if ascends && found.check == digest([found.id, found.scale, found.codes, found.vector]) {
            return Ok(found);
        }
        let offset = self.layout.offset(Column::Id, row);
        let message = format!(
            "`{}` is damaged in row {row} (its columns begin at offset {offset}); rebuild the index",
            self.map.path.display()
        );
        Err(Error::new(Kind::Corrupt, message))
    }

    /// Returns the values of a column for rows of one block.
    #[expect(unsafe_code, reason = "bytes behind the committed rows may change, so they must not be borrowed")]
    fn bytes(&self, column: Column, row: usize, rows: usize) -> &[u8] {
        assert!(row + rows <= self.rows && row % BLOCK_ROWS + rows <= BLOCK_ROWS, "rows are committed, in one block");
        let offset = self.layout.offset(column, row);
        // SAFETY: `open` and `grown` have checked that the map holds all blocks of `self.rows` rows, and the values of
        // rows of one block lie one after the other. Nobody writes to committed rows: `Writer` begins behind them, and
        // segment names are never used again. The map lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.map.map.as_ptr().add(offset), rows * self.layout.stride(column)) }
    }
}

impl Row<'_> {
    /// Returns the vector.
    pub(super) fn vector(&self) -> Vec<f32> {
        self.vector.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }
}

impl Block<'_> {
    /// Returns the number of rows.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Returns the id of a row of the block.
    pub(super) fn id(&self, index: usize) -> u64 {
        u64::from_le_bytes(self.ids[index])
    }
}

fn digest(columns: [&[u8]; 4]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    for column in columns {
        hasher.update(column);
    }
    *hasher.finalize().as_bytes().first_chunk().expect("a digest has 32 bytes")
}

/// Writes rows behind the committed ones, a block at a time. They count once a manifest says so.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    file: File,
    layout: Layout,
    /// The row that comes next.
    next: usize,
    /// Rows of one block that are not written yet.
    staged: [Vec<u8>; COLUMNS.len()],
}

impl Writer {
    /// Opens a file, or makes it, to write on from row `rows`.
    pub(super) fn open(path: PathBuf, layout: Layout, rows: usize) -> Result<Self> {
        // Not truncated: readers map the committed part.
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = file.context(|| format!("writing `{}`", path.display()))?;
        Ok(Self { path, file, layout, next: rows, staged: Default::default() })
    }

    /// Returns the number of rows so far, the committed ones included.
    pub(super) fn rows(&self) -> usize {
        self.next
    }

    /// Adds a row.
    pub(super) fn push(&mut self, id: u64, vector: &[f32]) -> Result<()> {
        let mut codes = Vec::with_capacity(vector.len());
        let scale = quantize(vector, &mut codes).to_le_bytes();
        let vector: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
        let id = id.to_le_bytes();
        let check = digest([&id, &scale, &codes, &vector]);
        self.copy(Row { id: &id, check: &check, scale: &scale, codes: &codes, vector: &vector })
    }

    /// Adds a row of another segment.
    pub(super) fn copy(&mut self, row: Row<'_>) -> Result<()> {
        for (staged, value) in self.staged.iter_mut().zip([row.id, row.check, row.scale, row.codes, row.vector]) {
            staged.extend_from_slice(value);
        }
        self.next += 1;
        if self.next.is_multiple_of(BLOCK_ROWS) { self.flush() } else { Ok(()) }
    }

    /// Writes what is staged and makes the file durable. Its name is durable once its folder is.
    pub(super) fn finish(mut self) -> Result<()> {
        self.flush()?;
        let bytes = self.layout.file_bytes(self.next).expect("these rows have been written, so they have a length");
        let finish = || -> std::io::Result<()> {
            // Whole blocks, so that a reader's map of them never reaches behind the file. Never shorter than it was.
            if self.file.metadata()?.len() < bytes as u64 {
                self.file.set_len(bytes as u64)?;
            }
            self.file.sync_all()
        };
        finish().context(|| format!("writing `{}`", self.path.display()))
    }

    fn flush(&mut self) -> Result<()> {
        let start = self.next - self.staged[0].len() / self.layout.stride(Column::Id);
        for (column, staged) in COLUMNS.into_iter().zip(&mut self.staged) {
            let offset = self.layout.offset(column, start) as u64;
            let written = self.file.seek(SeekFrom::Start(offset)).and_then(|_| self.file.write_all(staged));
            written.context(|| format!("writing `{}`", self.path.display()))?;
            staged.clear();
        }
        Ok(())
    }
}

/// The removed rows of a segment, as a bitmap.
#[derive(Debug, Clone, Default)]
pub(super) struct Removed {
    words: Vec<u64>,
    count: usize,
}

impl Removed {
    /// Reads the bitmap of a segment of this many rows.
    pub(super) fn read(path: &Path, rows: usize) -> Result<Self> {
        let bytes = read_digested(path)?;
        let words: Vec<u64> = bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let count = words.iter().map(|word| word.count_ones() as usize).sum();
        let removed = Self { words, count };
        if (rows..removed.words.len() * 64).any(|row| removed.contains(row)) {
            let message = format!("`{}` names rows that do not exist; rebuild the index", path.display());
            return Err(Error::new(Kind::Corrupt, message));
        }
        Ok(removed)
    }

    /// Writes the bitmap.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        write_digested(path, &bytes)
    }

    /// Tells whether a row is removed.
    pub(super) fn contains(&self, row: usize) -> bool {
        self.word(row / 64) >> (row % 64) & 1 == 1
    }

    /// Removes a row.
    pub(super) fn insert(&mut self, row: usize) {
        if !self.contains(row) {
            self.words.resize(self.words.len().max(row / 64 + 1), 0);
            self.words[row / 64] |= 1 << (row % 64);
            self.count += 1;
        }
    }

    /// Returns the number of removed rows.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Returns 64 rows of the bitmap.
    pub(super) fn word(&self, index: usize) -> u64 {
        self.words.get(index).copied().unwrap_or(0)
    }
}
