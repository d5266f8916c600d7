//! The references of the last search or answer, so that `lorewell show 1` knows what 1 is.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use lorewell::rag::index::Index;
use lorewell::rag::place::Place;
use serde::{Deserialize, Serialize};

use super::Session;
use crate::folders::make_private;

/// A place that was shown under a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Shown {
    /// The brain it is from, by its absolute path.
    pub(super) brain: PathBuf,
    /// The project of that brain.
    pub(super) project: Option<PathBuf>,
    /// Name of the document.
    pub(super) path: String,
    /// Where in the document.
    pub(super) place: Place,
    /// The passage, or the sentences quoted.
    pub(super) quotes: Vec<String>,
}

/// Notes a place of a document of this session's brain.
pub(super) fn shown(session: &Session, path: &str, place: &Place, quotes: Vec<String>) -> Shown {
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let (brain, project) = (absolute(&session.brain.dir), session.brain.project.as_ref().map(absolute));
    Shown { brain, project, path: path.to_owned(), place: place.clone(), quotes }
}

/// Keeps what was shown, in the order of its numbers. Failing to do so costs only `show NUMBER`, so it is not an
/// error of the command.
pub(super) fn keep(session: &Session, shown: &[Shown]) {
    if let Err(error) = write(session, shown) {
        tracing::warn!("could not keep the references of this result: {error:#}");
    }
}

fn write(session: &Session, shown: &[Shown]) -> Result<()> {
    make_private(&session.folders.state)?;
    // A temporary file is for this account alone, and so is what it becomes.
    let mut file = tempfile::NamedTempFile::new_in(&session.folders.state)?;
    file.write_all(&serde_json::to_vec(shown)?)?;
    file.persist(self::file(session))?;
    Ok(())
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
