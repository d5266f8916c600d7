//! The file on the disk: read within a limit, and put in its place whole, so that who reads it meanwhile sees the one or the other.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use lorewell_model::{Error, Kind, Result, ResultExt as _};

use super::super::item::MemoryId;

/// Bytes of a file of memories: far more than a person reads.
pub const FILE_BYTES_MAX: usize = 8 << 20;

/// Reads a file; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.context(|| format!("reading `{}`", path.display()))?,
    };
    let mut bytes = Vec::new();
    let limit = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).context(|| format!("reading `{}`", path.display()))?;
    check_length(bytes.len())?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Error::new(Kind::BadInput, format!("`{}` is no text in UTF-8; save it as such", path.display()))
    })?;
    Ok(Some(text))
}

/// Makes sure that a file is not too long.
pub(super) fn check_length(bytes: usize) -> Result<()> {
    if bytes <= FILE_BYTES_MAX {
        return Ok(());
    }
    let message =
        format!("a file of memories has {FILE_BYTES_MAX} bytes at most; split the namespace, or forget what is old");
    Err(Error::new(Kind::Limit, message))
}

/// Writes a file in the place of what was read, unless somebody has saved it since.
pub(super) fn replace(path: &Path, before: Option<&str>, text: &str) -> Result<()> {
    if before == Some(text) {
        return Ok(());
    }
    let name =
        path.file_name().ok_or_else(|| Error::new(Kind::BadInput, format!("`{}` names no file", path.display())))?;
    let beside = path.with_file_name(format!(".{}.{}.part", name.to_string_lossy(), MemoryId::random()?));
    let placed = write(&beside, text).and_then(|()| {
        if read(path)?.as_deref() != before {
            let message = format!("`{}` was saved meanwhile; sync it again", path.display());
            return Err(Error::new(Kind::Conflict, message));
        }
        fs::rename(&beside, path).context(|| format!("writing `{}`", path.display()))
    });
    if placed.is_err() {
        // It is of no use to anyone.
        let _ = fs::remove_file(&beside);
    }
    placed
}

fn write(path: &Path, text: &str) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.context(|| format!("writing `{}`", path.display()))
}
