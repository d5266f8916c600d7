//! Loads files where a hostile one does no harm: in worker processes with limits on time, memory and output. What a
//! parser does to itself (crash, hang, eat memory) becomes the error of that one file.
//!
//! `pool` keeps the processes, `child` is what runs in them, `protocol` is what they say to each other.

mod child;
#[cfg(unix)]
mod pool;
#[cfg_attr(not(unix), expect(dead_code, reason = "only worker processes speak it"))]
mod protocol;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lorewell_model::{Error, Kind, Result};
use serde::{Deserialize, Serialize};

pub use self::child::{serve, serve_with};
use crate::document::Document;

/// The program that runs [`serve`] when started with these arguments; usually the host binary itself with a hidden
/// subcommand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// The program; it is started without a shell.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// What one file may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Wall-clock time for any file. A thousand-page PDF parses in about ten seconds on a slow core.
    pub time: Duration,
    /// Time on top for each MiB of the file, so that size alone is no reason to fail.
    pub time_per_mib: Duration,
    /// Memory a worker may take beyond what it starts with; parsers need some ten times the size of the file.
    pub memory_bytes: u64,
    /// The largest file that is read at all.
    pub file_bytes: u64,
    /// The largest document, as JSON, that a worker may hand back.
    pub reply_bytes: u32,
    /// Worker processes at one time.
    pub workers: NonZeroUsize,
}

/// A file that was loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Loaded {
    /// What was in it.
    pub document: Document,
    /// BLAKE3 of its bytes.
    pub hash: [u8; 32],
    /// Its size.
    pub bytes: u64,
}

/// Loads files; a handle that threads share.
///
/// ```
/// use lorewell_rag::load::Loader;
///
/// let error = Loader::in_process().load("no-such-file.md".as_ref()).expect_err("there is none");
/// assert_eq!(error.kind(), lorewell_model::Kind::NotFound);
/// ```
#[derive(Debug, Clone)]
pub struct Loader(Arc<Mode>);

#[derive(Debug)]
enum Mode {
    InProcess(Limits),
    #[cfg(unix)]
    Isolated(pool::Pool),
}

impl Default for Limits {
    fn default() -> Self {
        const GIB: u64 = 1 << 30;
        Self {
            time: Duration::from_secs(30),
            time_per_mib: Duration::from_secs(1),
            memory_bytes: GIB,
            file_bytes: GIB / 4,    // four times this in memory is the budget above
            reply_bytes: 256 << 20, // text compresses well in PDF and DOCX, hence not less than a file may have
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        }
    }
}

impl Limits {
    /// Returns how long a file of this size may take.
    #[must_use]
    pub fn time_for(&self, bytes: u64) -> Duration {
        let mib = u32::try_from(bytes >> 20).unwrap_or(u32::MAX);
        self.time.saturating_add(self.time_per_mib.saturating_mul(mib))
    }
}

impl Loader {
    /// Loads in this process. A parser that panics gives an error, but one that overflows the stack, runs out of
    /// memory or never ends takes the process with it: for trusted files and for tests.
    #[must_use]
    pub fn in_process() -> Self {
        Self(Arc::new(Mode::InProcess(Limits::default())))
    }

    /// Loads in worker processes, which start when the first file comes and end when the last handle is dropped.
    ///
    /// Elsewhere than on Unix there are no workers yet: files load as with [`Loader::in_process`], and a warning is
    /// logged. Elsewhere than on Linux the limit on memory is not enforced; the one on time is.
    #[must_use]
    pub fn isolated(worker: Worker, limits: Limits) -> Self {
        #[cfg(unix)]
        return Self(Arc::new(Mode::Isolated(pool::Pool::new(worker, limits))));
        #[cfg(not(unix))]
        {
            tracing::warn!(program = %worker.program.display(), "no isolated loaders on this system; loading in process");
            Self(Arc::new(Mode::InProcess(limits)))
        }
    }

    /// Loads a file. Blocks; call it from as many threads as there are workers.
    ///
    /// # Errors
    /// What [`Load::load`](super::Load::load) says; `Timeout` and `Limit` if the file took too long or too much;
    /// `BadInput` if the parser crashed on it; `Config` if the worker program cannot be started.
    pub fn load(&self, path: &Path) -> Result<Loaded> {
        match &*self.0 {
            Mode::InProcess(limits) => child::load_file(path, limits.file_bytes, &super::load),
            #[cfg(unix)]
            Mode::Isolated(pool) => pool.load(path),
        }
    }
}

/// Checks that something is a file of a size we read. A pipe or a device may block for ever or never end.
fn check_file(path: &Path, file_bytes: u64) -> Result<u64> {
    let named = |error: std::io::Error| Error::from(error).context(format!("reading `{}`", path.display()));
    let meta = std::fs::metadata(path).map_err(named)?;
    if !meta.is_file() {
        return Err(Error::new(Kind::BadInput, format!("`{}` is not a regular file", path.display())));
    }
    if meta.len() > file_bytes {
        let (size, most) = (human(meta.len()), human(file_bytes));
        let message = format!("`{}` has {size}; files over {most} are not read: split it", path.display());
        return Err(Error::new(Kind::Limit, message));
    }
    Ok(meta.len())
}

/// Writes a size the way people say it, rounded down.
fn human(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_grows_with_size() {
        let limits = Limits::default();
        assert_eq!(limits.time_for(0), Duration::from_secs(30));
        assert_eq!(limits.time_for(10 << 20), Duration::from_secs(40));
        assert!(limits.time_for(u64::MAX) > Duration::from_secs(u64::from(u32::MAX)));
    }

    #[test]
    fn sizes_read_well() {
        assert_eq!([0, 1023, 1024, 5 << 20, 3 << 30].map(human), ["0 bytes", "1023 bytes", "1 KiB", "5 MiB", "3 GiB"]);
    }

    #[test]
    fn only_files_of_a_sane_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.txt");
        std::fs::write(&file, "twelve bytes").unwrap();
        assert_eq!(check_file(&file, 12).unwrap(), 12);
        assert_eq!(check_file(&file, 11).unwrap_err().kind(), Kind::Limit);
        assert_eq!(check_file(folder.path(), 11).unwrap_err().kind(), Kind::BadInput);
        assert_eq!(check_file(&folder.path().join("b.txt"), 11).unwrap_err().kind(), Kind::NotFound);
    }
}
