//! GGUF files: metadata, and where the tensors lie (<https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>). All of the
//! header is walked and checked when a file is opened, so that whatever is read later lies within the file; strings and
//! arrays stay in the file until they are asked for.

mod kinds;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use kinds::TensorKind;

use super::bytes::Bytes;
use crate::{Error, Kind, Result};

const MAGIC: &[u8; 4] = b"GGUF";
/// Versions whose header has 64-bit counts; version 1, of 2023, had 32-bit ones.
const VERSIONS: [u32; 2] = [2, 3];
/// Entries of metadata and tensors that a header may count; real ones have some hundred and some thousand.
const ENTRIES_MAX: u64 = 1 << 20;
/// Elements that an array may count; vocabularies have some hundred thousand.
const ELEMENTS_MAX: u64 = 1 << 26;
/// Arrays within arrays.
const ARRAY_DEPTH_MAX: u32 = 4;
/// Parts that a model may be split into.
const PARTS_MAX: u64 = 10_000;
/// Dimensions that ggml knows.
const DIMENSIONS_MAX: u32 = 4;
const ALIGNMENT_DEFAULT: u64 = 32;

/// A GGUF file.
#[derive(Debug)]
pub struct Gguf {
    path: PathBuf,
    bytes: Bytes,
    metadata: BTreeMap<String, Entry>,
    tensors: BTreeMap<String, TensorView>,
}

/// Where a value lies.
#[derive(Debug, Clone)]
struct Entry {
    kind: u32,
    start: usize,
}

/// A value of the metadata.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// A number without a sign.
    Unsigned(u64),
    /// A number with one.
    Signed(i64),
    /// A number with a point.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// Text.
    Text(&'a str),
    /// Several.
    Array(Array<'a>),
}

/// Several values of one kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Array<'a> {
    kind: u32,
    len: usize,
    bytes: &'a [u8],
}

/// A tensor where it lies.
#[derive(Debug, Clone)]
pub struct TensorView {
    /// How its values are stored.
    pub kind: TensorKind,
    /// Its dimensions, outermost first: rows, then columns.
    pub shape: Vec<usize>,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Gguf {
    /// Opens a file and reads its header. If it is the first of several parts, whose names end in `-00001-of-00003.gguf`, the
    /// others are opened too.
    ///
    /// # Errors
    /// `NotFound` and `Io` if it cannot be read; `BadInput` if it is no GGUF file, or has what is not supported; `Corrupt` if
    /// it is cut short or contradicts itself.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let parsed = Bytes::open(path).and_then(|bytes| Self::parse(path, &bytes)).and_then(Self::joined);
        parsed.map_err(|error| error.context(format!("opening the model `{}`", path.display())))
    }

    /// Adds the tensors of the other parts.
    fn joined(mut self) -> Result<Self> {
        let count = self.number("split.count")?.unwrap_or(1);
        if count <= 1 {
            return Ok(self);
        }
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let ending = |number: u64| format!("-{number:05}-of-{count:05}.gguf");
        let stem = name.strip_suffix(&ending(1)).filter(|_| count <= PARTS_MAX).ok_or_else(|| {
            let message = format!("it is one of {count} parts; name the first one, which ends in `{}`", ending(1));
            Error::new(Kind::BadInput, message)
        })?;
        for number in 2..=count {
            let path = self.path.with_file_name(format!("{stem}{}", ending(number)));
            let part = Bytes::open(&path).and_then(|bytes| Self::parse(&path, &bytes));
            let part = part.map_err(|error| error.context(format!("part {number} of {count}")))?;
            self.tensors.extend(part.tensors);
        }
        Ok(self)
    }

    fn parse(path: &Path, bytes: &Bytes) -> Result<Self> {
        let mut cursor = Cursor { bytes, at: 0 };
        if cursor.take(4).ok() != Some(MAGIC) {
            return Err(Error::new(Kind::BadInput, "it is no GGUF file"));
        }
        let version = cursor.u32()?;
        if !VERSIONS.contains(&version) {
            let message = format!("it has version {version} of GGUF, and 2 and 3 can be read; convert it anew");
            return Err(Error::new(Kind::BadInput, message));
        }
        let (tensors_n, entries_n) = (cursor.count(ENTRIES_MAX)?, cursor.count(ENTRIES_MAX)?);
        let mut metadata = BTreeMap::new();
        for _ in 0..entries_n {
            let name = cursor.text()?.to_owned();
            let entry = Entry { kind: cursor.u32()?, start: cursor.at };
            cursor.skip_value(entry.kind, 0)?;
            metadata.insert(name, entry);
        }
        let mut gguf = Self { path: path.to_owned(), bytes: bytes.clone(), metadata, tensors: BTreeMap::new() };
        let headers = (0..tensors_n).map(|_| cursor.tensor()).collect::<Result<Vec<_>>>()?;
        let alignment = gguf.number("general.alignment")?.unwrap_or(ALIGNMENT_DEFAULT);
        if !alignment.is_power_of_two() {
            return Err(corrupt(format!("`general.alignment` is {alignment}, no power of two")));
        }
        let data = u64::try_from(cursor.at).ok().and_then(|at| at.checked_next_multiple_of(alignment));
        for (name, kind, shape, offset) in headers {
            let tensor = placed(kind, shape, data.and_then(|data| data.checked_add(offset)), bytes)
                .map_err(|error| error.context(format!("tensor `{name}`")))?;
            gguf.tensors.insert(name, tensor);
        }
        Ok(gguf)
    }

    /// Returns where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns a value of the metadata.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<Value<'_>> {
        let entry = self.metadata.get(name)?;
        // All values were walked when the file was opened.
        Cursor { bytes: &self.bytes, at: entry.start }.value(entry.kind).ok()
    }

    /// Returns a whole number of the metadata that is not below 0.
    ///
    /// # Errors
    /// `Corrupt` if it is something else.
    pub fn number(&self, name: &str) -> Result<Option<u64>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Unsigned(number)) => Ok(Some(number)),
            Some(Value::Signed(number)) if number >= 0 => Ok(Some(number.unsigned_abs())),
            Some(other) => Err(corrupt(format!("`{name}` is {other:?} and should be a whole number"))),
        }
    }

    /// Returns a number of the metadata.
    ///
    /// # Errors
    /// `Corrupt` if it is something else.
    pub fn float(&self, name: &str) -> Result<Option<f64>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Float(number)) => Ok(Some(number)),
            Some(other) => Err(corrupt(format!("`{name}` is {other:?} and should be a number"))),
        }
    }

    /// Returns text of the metadata.
    ///
    /// # Errors
    /// `Corrupt` if it is something else.
    pub fn text(&self, name: &str) -> Result<Option<&str>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Err(corrupt(format!("`{name}` is {other:?} and should be text"))),
        }
    }

    /// Returns a flag of the metadata.
    ///
    /// # Errors
    /// `Corrupt` if it is something else.
    pub fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(corrupt(format!("`{name}` is {other:?} and should be true or false"))),
        }
    }

    /// Returns an array of the metadata.
    ///
    /// # Errors
    /// `Corrupt` if it is something else.
    pub fn array(&self, name: &str) -> Result<Option<Array<'_>>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Array(array)) => Ok(Some(array)),
            Some(other) => Err(corrupt(format!("`{name}` is {other:?} and should be a list"))),
        }
    }

    /// Returns the names of the metadata.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.metadata.keys().map(String::as_str)
    }

    /// Returns the names of the tensors.
    pub fn tensor_names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Returns a tensor.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<TensorView> {
        self.tensors.get(name).cloned()
    }
}

fn corrupt(message: impl Into<String>) -> Error {
    Error::new(Kind::Corrupt, message)
}

fn cut_short() -> Error {
    corrupt("it ends too early; fetch it again")
}

/// Finds where a tensor lies, and that it lies in the file.
fn placed(code: u32, shape: Vec<usize>, start: Option<u64>, bytes: &Bytes) -> Result<TensorView> {
    let kind = TensorKind::of(code).ok_or_else(|| {
        let message = format!("it is stored as type {code} of ggml, which cannot be read; use Q4_K_M, Q8_0 or F16");
        Error::new(Kind::BadInput, message)
    })?;
    let columns = shape.last().copied().unwrap_or(1);
    if columns % kind.block_values() != 0 {
        let message = format!("{columns} columns are no multiple of the {} of {}", kind.block_values(), kind.name());
        return Err(corrupt(message));
    }
    let values = shape.iter().try_fold(1_usize, |all, n| all.checked_mul(*n));
    let size = values.and_then(|values| (values / kind.block_values()).checked_mul(kind.block_bytes()));
    let start = start.and_then(|start| usize::try_from(start).ok());
    let end = start.zip(size).and_then(|(start, size)| start.checked_add(size)).filter(|end| *end <= bytes.len());
    let (Some(start), Some(end)) = (start, end) else { return Err(cut_short()) };
    Ok(TensorView { kind, shape, bytes: bytes.slice(start..end) })
}

impl<'a> Array<'a> {
    /// Returns how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Tells whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the values.
    pub fn values(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let (kind, mut cursor) = (self.kind, Cursor { bytes: self.bytes, at: 0 });
        // All values were walked when the file was opened, so none is missing.
        (0..self.len).map_while(move |_| cursor.value(kind).ok())
    }

    /// Returns the values as text; what is none is left out.
    pub fn texts(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.values().filter_map(|value| match value {
            Value::Text(text) => Some(text),
            _ => None,
        })
    }

    /// Returns the values as numbers; what is none is left out.
    pub fn floats(&self) -> impl Iterator<Item = f64> + use<'a> {
        self.values().filter_map(|value| match value {
            Value::Float(number) => Some(number),
            Value::Unsigned(number) => Some(number as f64),
            Value::Signed(number) => Some(number as f64),
            _ => None,
        })
    }

    /// Returns the values as whole numbers; what is none is left out.
    pub fn numbers(&self) -> impl Iterator<Item = i64> + use<'a> {
        self.values().filter_map(|value| match value {
            Value::Unsigned(number) => i64::try_from(number).ok(),
            Value::Signed(number) => Some(number),
            _ => None,
        })
    }
}

/// Kinds of values, by the numbers that the format gives them.
mod kind {
    pub(super) const BOOL: u32 = 7;
    pub(super) const TEXT: u32 = 8;
    pub(super) const ARRAY: u32 = 9;

    /// The bytes of a number.
    pub(super) fn size(kind: u32) -> Option<usize> {
        match kind {
            0 | 1 | BOOL => Some(1),
            2 | 3 => Some(2),
            4..=6 => Some(4),
            10..=12 => Some(8),
            _ => None,
        }
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len()).ok_or_else(cut_short)?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let taken = self.take(N)?;
        Ok(std::array::from_fn(|index| taken[index]))
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.fixed()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.fixed()?))
    }

    fn count(&mut self, most: u64) -> Result<usize> {
        let count = self.u64()?;
        let fits = usize::try_from(count).ok().filter(|_| count <= most);
        fits.ok_or_else(|| corrupt(format!("its header counts {count}, more than the {most} that can be")))
    }

    fn text(&mut self) -> Result<&'a str> {
        let len = usize::try_from(self.u64()?).map_err(|_| cut_short())?;
        let bytes = self.take(len)?;
        std::str::from_utf8(bytes).map_err(|error| corrupt("text in its header is no UTF-8").caused_by(error))
    }

    /// Passes over a value, and checks that it is whole.
    fn skip_value(&mut self, kind: u32, depth: u32) -> Result<()> {
        match kind {
            kind::TEXT => self.text().map(drop),
            kind::ARRAY => {
                let (kind, len) = (self.u32()?, self.count(ELEMENTS_MAX)?);
                match kind::size(kind) {
                    Some(size) => self.take(len.checked_mul(size).ok_or_else(cut_short)?).map(drop),
                    None if depth < ARRAY_DEPTH_MAX => (0..len).try_for_each(|_| self.skip_value(kind, depth + 1)),
                    None => Err(corrupt("lists in its header lie too deep within each other")),
                }
            }
            _ => {
                let size = kind::size(kind).ok_or_else(|| corrupt(format!("its header has a value of type {kind}")))?;
                self.take(size).map(drop)
            }
        }
    }

    fn value(&mut self, kind: u32) -> Result<Value<'a>> {
        Ok(match kind {
            0 => Value::Unsigned(self.fixed::<1>()?[0].into()),
            1 => Value::Signed(i8::from_le_bytes(self.fixed()?).into()),
            2 => Value::Unsigned(u16::from_le_bytes(self.fixed()?).into()),
            3 => Value::Signed(i16::from_le_bytes(self.fixed()?).into()),
            4 => Value::Unsigned(self.u32()?.into()),
            5 => Value::Signed(i32::from_le_bytes(self.fixed()?).into()),
            6 => Value::Float(f32::from_le_bytes(self.fixed()?).into()),
            kind::BOOL => Value::Bool(self.fixed::<1>()?[0] != 0),
            kind::TEXT => Value::Text(self.text()?),
            kind::ARRAY => {
                let (kind, len) = (self.u32()?, self.count(ELEMENTS_MAX)?);
                let start = self.at;
                for _ in 0..len {
                    self.skip_value(kind, 1)?;
                }
                Value::Array(Array { kind, len, bytes: &self.bytes[start..self.at] })
            }
            10 => Value::Unsigned(self.u64()?),
            11 => Value::Signed(i64::from_le_bytes(self.fixed()?)),
            12 => Value::Float(f64::from_le_bytes(self.fixed()?)),
            other => return Err(corrupt(format!("its header has a value of type {other}"))),
        })
    }

    /// Reads the header of a tensor: name, type, shape, offset.
    fn tensor(&mut self) -> Result<(String, u32, Vec<usize>, u64)> {
        let name = self.text()?.to_owned();
        let dimensions = self.u32()?;
        if dimensions > DIMENSIONS_MAX {
            return Err(corrupt(format!("tensor `{name}` has {dimensions} dimensions")));
        }
        let sizes = (0..dimensions).map(|_| self.u64().and_then(|n| usize::try_from(n).map_err(|_| cut_short())));
        let mut shape = sizes.collect::<Result<Vec<_>>>()?;
        // The file has the innermost first.
        shape.reverse();
        Ok((name, self.u32()?, shape, self.u64()?))
    }
}

#[cfg(test)]
mod tests;
