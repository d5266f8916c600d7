//! Bytes that live as long as a model: part of the binary, of a mapped file, or
//! made. Weights are read where they lie, so
//! that opening a model costs nothing and its memory belongs to the page cache.

use std::fmt;
use std::fs::File;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

use crate::{Result, ResultExt};
use memmap2::Mmap;

/// A piece of something that is shared and never changes.
#[derive(Clone)]
pub struct Bytes {
    owner: Owner,
    range: Range<usize>,
}

#[derive(Clone)]
enum Owner {
    Binary(&'static [u8]),
    File(Arc<Mmap>),
    Heap(Arc<[u8]>),
}

impl Bytes {
    /// Maps a file. It must not be cut short or rewritten while a model uses it; replacing it is fine.
    ///
    /// # Errors
    /// `NotFound` and `Io` if it cannot be read.
    #[expect(unsafe_code, reason = "mmap; a model's files are replaced, not rewritten, while it is in use")]
    pub fn open(path: &Path) -> Result<Self> {
        let map = || -> Result<Mmap> {
            let file = File::open(path)?;
            // SAFETY: read-only; that nobody truncates the file meanwhile is the contract of a model directory.
            Ok(unsafe { Mmap::map(&file)? })
        };
        let map = map().context(|| format!("reading `{}`", path.display()))?;
        Ok(Self { range: 0..map.len(), owner: Owner::File(Arc::new(map)) })
    }

    /// Takes a piece out of these bytes.
    ///
    /// # Panics
    /// If it does not lie within them.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let range = self.range.start + range.start..self.range.start + range.end;
        assert!(range.end <= self.range.end, "a slice lies within its bytes");
        Self { owner: self.owner.clone(), range }
    }
}

impl Bytes {
    /// Tells the operating system that they are not needed for now, so that what a file holds need not stay in memory. They
    /// can be read again at any time.
    #[cfg_attr(unix, expect(unsafe_code, reason = "advice that would lose changes, of which a read-only map has none"))]
    pub fn let_go(&self) {
        #[cfg(unix)]
        if let Owner::File(map) = &self.owner {
            // SAFETY: the map is of a file and read-only, so its pages come back as they were.
            let advice = unsafe {
                map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, self.range.start, self.range.len())
            };
            // It is only advice; without it the pages stay until others need the room.
            drop(advice);
        }
    }
}

impl From<&'static [u8]> for Bytes {
    fn from(bytes: &'static [u8]) -> Self {
        Self { owner: Owner::Binary(bytes), range: 0..bytes.len() }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self { range: 0..bytes.len(), owner: Owner::Heap(bytes.into()) }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.owner {
            Owner::Binary(bytes) => &bytes[self.range.clone()],
            Owner::File(map) => &map[self.range.clone()],
            Owner::Heap(bytes) => &bytes[self.range.clone()],
        }
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.range.len())
    }
}
