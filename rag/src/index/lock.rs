//! The writer's lock: one writer per index, on this machine. The operating system releases it when the writer dies,
//! however it dies, so there is no stale lock to clean up.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use lorewell_model::{Error, Kind, Result, ResultExt as _};

/// Held by whoever writes to an index; released when dropped.
#[derive(Debug)]
pub(crate) struct WriterLock {
    _file: File,
}

impl WriterLock {
    /// Takes the lock, or says who holds it.
    pub(crate) fn take(index: &Path) -> Result<Self> {
        let path = index.join("writer.lock");
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open.context(|| format!("opening `{}`", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(index, &mut file)),
            Err(TryLockError::Error(error)) => {
                return Err(Error::from(error).context(format!("locking `{}`", path.display())));
            }
        }
        let owner = format!("process {} since {}", std::process::id(), now());
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(owner.as_bytes()))?;
        Ok(Self { _file: file })
    }
}

fn held(index: &Path, file: &mut File) -> Error {
    let mut owner = String::new();
    // The owner's name is a courtesy; without it the lock is held all the same.
    if file.read_to_string(&mut owner).is_err() || owner.is_empty() {
        "another process".clone_into(&mut owner);
    }
    let message = format!("`{}` is being written by {owner}; wait for it to end, or stop it", index.display());
    Error::new(Kind::Conflict, message)
}

/// The time of day to the second, in the system's time zone.
fn now() -> String {
    jiff::Zoned::now().strftime("%F %T").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_writer_is_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = WriterLock::take(dir.path()).unwrap();
        let error = WriterLock::take(dir.path()).unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict);
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        WriterLock::take(dir.path()).unwrap();
    }
}
