//! A lock a file that is fetched, of the operating system: it ends with its process, however that ends. Its place is where
//! Python's `huggingface_hub` has it, so that the two keep out of each other's way too.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::{Result, ResultExt};

/// What is held as long as it lives.
#[derive(Debug)]
pub(super) struct Lock {
    // Closing the file gives the lock back.
    _file: Option<File>,
}

/// Takes the lock, unless another process holds it.
pub(super) fn try_take(path: &Path) -> Result<Option<Lock>> {
    let doing = || format!("locking `{}`", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).context(doing)?;
    }
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).context(doing)?;
    match file.try_lock() {
        // The other side removes its file when it is done: what is locked then is no longer what others find there.
        Ok(()) if is_removed(&file) => Ok(None),
        Ok(()) => Ok(Some(Lock { _file: Some(file) })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
            // Sums are right without it; at worst a file is fetched twice.
            tracing::warn!(path = %path.display(), "this file system has no locks");
            Ok(Some(Lock { _file: None }))
        }
        Err(TryLockError::Error(error)) => Err(error).context(doing),
    }
}

#[cfg(unix)]
fn is_removed(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
}

#[cfg(not(unix))]
fn is_removed(_: &File) -> bool {
    false // a file that is open cannot be removed there
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_until_it_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("locks/a.lock");
        let held = try_take(&path).unwrap().unwrap();
        assert!(try_take(&path).unwrap().is_none());
        drop(held);
        assert!(try_take(&path).unwrap().is_some());
    }
}
