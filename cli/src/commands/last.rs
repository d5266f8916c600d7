//! The references of the last search or answer, so that `lorewell show 1` knows what 1 is.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use lorewell::rag::index::Index;
use serde::{Deserialize, Serialize};

use super::Session;

/// A place that was shown under a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shown {
    /// The brain it is from.
    pub(super) brain: PathBuf,
    /// Name of the document.
    pub(super) path: String,
    /// First line, if it has lines.
    pub(super) first: Option<u32>,
    /// Last line.
    pub(super) last: Option<u32>,
    /// The passage or quote.
    pub(super) text: String,
}

/// Keeps what was shown, in the order of its numbers. Failing to do so costs only `show NUMBER`, so it is not an
/// error of the command.
pub(super) fn keep(session: &Session, shown: &[Shown]) {
    let written = std::fs::create_dir_all(&session.folders.state)
        .and_then(|()| std::fs::write(file(session), serde_json::to_vec(shown).unwrap_or_default()));
    if let Err(error) = written {
        tracing::warn!(%error, "could not keep the references of this result");
    }
}

/// Returns what was shown under a number, from 1.
pub(super) fn find(session: &Session, number: usize) -> Result<Shown> {
    let file = file(session);
    let bytes = match std::fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => bail!("nothing was shown yet; search or ask first"),
        Err(error) => return Err(error).with_context(|| format!("reading `{}`", file.display())),
    };
    let broken = || format!("reading `{}`; search or ask again", file.display());
    let mut shown: Vec<Shown> = serde_json::from_slice(&bytes).with_context(broken)?;
    let have = shown.len();
    if have == 0 {
        bail!("the last result was empty; search or ask again");
    }
    if number == 0 || number > have {
        bail!("the last result is numbered 1 to {have}; there is no {number}");
    }
    Ok(shown.swap_remove(number - 1))
}

/// Returns the file of a document, if it is one on disk.
pub(super) fn on_disk(index: &Index, path: &str) -> Option<PathBuf> {
    Some(index.file_of(path)).filter(|file| Path::new(file).is_file())
}

fn file(session: &Session) -> PathBuf {
    session.folders.state.join("last.json")
}
