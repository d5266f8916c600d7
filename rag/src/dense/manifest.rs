//! The manifest: the small file that says which rows of which segments are committed. It is replaced as a whole, so a
//! store is always in the state of one manifest, whatever was being written when the power went.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use lorewell_model::{Error, Kind, Result, ResultExt};
use serde::{Deserialize, Serialize};

use super::kernels::DIMS_MAX;

/// The layout of files described here. A store of another format is refused, not guessed at.
const FORMAT: u32 = 1;

const NAME: &str = "manifest";
const TEMPORARY: &str = "manifest-new-";
const DIGEST_HEX: usize = 2 * blake3::OUT_LEN;

/// Everything that is committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    format: u32,
    /// Components of a vector.
    pub(super) dims: usize,
    /// Counts commits.
    pub(super) generation: u64,
    /// The name of the next segment. Names are never used twice, so that what a reader holds open stays what it was.
    pub(super) segment_next: u64,
    /// Segments by their first id. Rows are added to the last one.
    pub(super) segments: Vec<Entry>,
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// Its name.
    pub(super) name: u64,
    /// Committed rows; never 0. What lies behind them in the file is nothing yet.
    pub(super) rows: usize,
    /// The generation whose list of removed rows counts, if rows are removed.
    pub(super) removed: Option<u64>,
    /// Whether its inverted lists have been built.
    pub(super) lists: bool,
}

impl Entry {
    /// Gives a segment the next name.
    pub(super) fn new(segment_next: &mut u64, rows: usize) -> Self {
        let name = *segment_next;
        *segment_next += 1;
        Self { name, rows, removed: None, lists: false }
    }

    /// Tells whether rows may be added. Inverted lists know the rows there were, so they end a segment's growth.
    pub(super) fn grows(&self, segment_rows_max: usize) -> bool {
        !self.lists && self.rows < segment_rows_max
    }

    /// Notes that rows are removed as of a generation, and names the file of the removed rows.
    pub(super) fn remove_in(&mut self, generation: u64) -> String {
        self.removed = Some(generation);
        removed_file(self.name, generation)
    }

    /// Names the file of the rows.
    pub(super) fn rows_file(&self) -> String {
        format!("rows-{}", self.name)
    }

    /// Names the file of the removed rows, if there are any.
    pub(super) fn removed_file(&self) -> Option<String> {
        self.removed.map(|generation| removed_file(self.name, generation))
    }

    /// Names the file of the inverted lists.
    pub(super) fn lists_file(&self) -> String {
        format!("lists-{}", self.name)
    }
}

fn removed_file(name: u64, generation: u64) -> String {
    format!("removed-{name}-{generation}")
}

impl Manifest {
    /// Describes an empty store.
    pub(super) fn empty(dims: usize) -> Self {
        Self { format: FORMAT, dims, generation: 0, segment_next: 1, segments: Vec::new() }
    }

    /// Reads the bytes of the manifest in a folder; none if there is no manifest.
    pub(super) fn read(dir: &Path) -> Result<Option<Vec<u8>>> {
        match fs::read(dir.join(NAME)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::from(error).context(format!("reading `{}`", dir.join(NAME).display()))),
        }
    }

    /// Checks and decodes a manifest: a digest in hexadecimal, a line feed, JSON.
    pub(super) fn decode(dir: &Path, bytes: &[u8]) -> Result<Self> {
        let corrupt = |what: &str| {
            let path = dir.join(NAME);
            Error::new(Kind::Corrupt, format!("`{}` {what}; rebuild the index", path.display()))
        };
        let (digest, json) = bytes.split_at_checked(DIGEST_HEX).ok_or_else(|| corrupt("is cut short"))?;
        let json = json.strip_prefix(b"\n").ok_or_else(|| corrupt("does not begin with a digest"))?;
        if blake3::hash(json).to_hex().as_bytes() != digest {
            return Err(corrupt("does not match its digest"));
        }
        #[derive(Deserialize)]
        struct Header {
            format: u32,
        }
        let header: Header = serde_json::from_slice(json).map_err(|error| corrupt("has no format").caused_by(error))?;
        if header.format != FORMAT {
            let message = format!(
                "`{}` has format {}, this Lorewell reads format {FORMAT}; use the other version or rebuild the index",
                dir.display(),
                header.format
            );
            return Err(Error::new(Kind::Refused, message));
        }
        let manifest: Self = serde_json::from_slice(json).map_err(|error| corrupt("is malformed").caused_by(error))?;
        match manifest.dims {
            1..=DIMS_MAX => Ok(manifest),
            _ => Err(corrupt("has impossible dimensions")),
        }
    }

    /// Puts this manifest in the place of the one before. All files it names must be on disk already.
    pub(super) fn commit(&self, dir: &Path) -> Result<()> {
        let json = serde_json::to_vec(self).map_err(|error| {
            Error::new(Kind::Internal, "a manifest could not be written as JSON; report it").caused_by(error)
        })?;
        let replace = || -> std::io::Result<()> {
            let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(dir)?;
            file.write_all(blake3::hash(&json).to_hex().as_bytes())?;
            file.write_all(b"\n")?;
            file.write_all(&json)?;
            file.as_file().sync_all()?;
            file.persist(dir.join(NAME)).map_err(|error| error.error)?;
            sync_folder(dir)
        };
        replace().context(|| format!("writing `{}`", dir.join(NAME).display()))
    }

    /// Deletes files of earlier manifests and of commits that never came about. Files it does not know stay. What
    /// cannot be deleted (on Windows: what a reader has mapped) goes another time.
    pub(super) fn sweep(&self, dir: &Path) {
        let Ok(files) = fs::read_dir(dir) else { return };
        for file in files.flatten() {
            let name = file.file_name();
            let Some(name) = name.to_str() else { continue };
            let ours = ["rows-", "removed-", "lists-", TEMPORARY].iter().any(|prefix| name.starts_with(prefix));
            if !ours || self.names(name) {
                continue;
            }
            if let Err(error) = fs::remove_file(file.path()) {
                tracing::debug!(name, %error, "an old file stays for now");
            }
        }
    }

    fn names(&self, file: &str) -> bool {
        self.segments.iter().any(|entry| {
            entry.rows_file() == file
                || entry.removed_file().as_deref() == Some(file)
                || (entry.lists && entry.lists_file() == file)
        })
    }
}

/// Makes the names in a folder durable. Elsewhere than on Unix a rename is as durable as the system makes it.
fn sync_folder(dir: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

/// Writes a file that begins with the digest of the rest, durably once its folder is synced.
pub(super) fn write_digested(path: &Path, body: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(blake3::hash(body).as_bytes())?;
        file.write_all(body)?;
        file.sync_all()
    };
    write().context(|| format!("writing `{}`", path.display()))
}

/// Reads a file that begins with the digest of the rest, and returns the rest.
pub(super) fn read_digested(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = fs::read(path).context(|| format!("reading `{}`", path.display()))?;
    let intact =
        bytes.split_at_checked(blake3::OUT_LEN).is_some_and(|(digest, body)| *blake3::hash(body).as_bytes() == *digest);
    if !intact {
        let message = format!("`{}` does not match its digest; rebuild the index", path.display());
        return Err(Error::new(Kind::Corrupt, message));
    }
    Ok(bytes.split_off(blake3::OUT_LEN))
}
