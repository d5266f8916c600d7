//! The lock that keeps a second writer out. The system holds it for the open file, so it goes with the process,
//! however that ends; the process id inside is for people.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::Path;

use lorewell_model::{Error, Kind, Result, ResultExt};

const NAME: &str = "lock";

/// The right to write to a folder, for as long as it is kept.
#[derive(Debug)]
pub(super) struct Lock {
    /// Locked until it is closed.
    _file: File,
}

impl Lock {
    /// Takes the lock of a folder, which is made if it is not there.
    ///
    /// # Errors
    /// `Conflict` if someone else has it.
    pub(super) fn take(dir: &Path) -> Result<Self> {
        let locking = || format!("locking `{}`", dir.display());
        fs::create_dir_all(dir).context(locking)?;
        let path = dir.join(NAME);
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).context(locking)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&path).unwrap_or_default();
                let holder = if holder.is_empty() { "unknown" } else { holder.trim_end() };
                let message =
                    format!("`{}` is being written by process {holder}; wait for it or stop it", dir.display());
                return Err(Error::new(Kind::Conflict, message));
            }
            Err(TryLockError::Error(error)) => return Err(Error::from(error).context(locking())),
        }
        let id = std::process::id();
        file.set_len(0).and_then(|()| writeln!(file, "{id}")).context(locking)?;
        Ok(Self { _file: file })
    }
}
