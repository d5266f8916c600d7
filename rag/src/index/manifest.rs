//! The manifest: the small file that says what an index is made of and which generation is live. It is replaced
//! atomically, so a reader sees the old or the new one, never half of either.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use lorewell_model::{Error, Kind, Result, ResultExt as _};
use serde::{Deserialize, Serialize};

/// Version of everything on disk under an index directory. A newer one is refused, never guessed at.
pub(crate) const FORMAT: u32 = 1;

const FILE: &str = "manifest.json";

/// What an index directory holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Layout version of the directory.
    pub(crate) format: u32,
    /// Folder that relative document paths start from, relative to the index directory itself; absolute paths are
    /// stored when there is none.
    pub(crate) root: Option<PathBuf>,
    /// The generation that answers.
    pub(crate) live: Generation,
    /// The generation that is being built beside it, if any.
    pub(crate) building: Option<Generation>,
}

/// One complete set of table, words and vectors, and what it was made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Generation {
    /// Counts up from 1; names the folder.
    pub(crate) number: u32,
    /// Fingerprint of the chunker.
    pub(crate) chunker: String,
    /// The embedder, or none for an index of words only.
    pub(crate) embedder: Option<EmbedderPin>,
}

/// The embedder that a generation's vectors were made with. Vectors of another one are never mixed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EmbedderPin {
    /// Name for people.
    pub(crate) name: String,
    /// Digest of weights, tokenizer and numeric format.
    pub(crate) fingerprint: String,
    /// Components of a vector.
    pub(crate) dims: u32,
}

impl Generation {
    /// Returns the generation's folder.
    pub(crate) fn dir(&self, index: &Path) -> PathBuf {
        index.join(format!("gen-{}", self.number))
    }

    /// Tells whether a folder's name is that of a generation.
    pub(crate) fn is_folder(name: &str) -> bool {
        name.strip_prefix("gen-").is_some_and(|number| number.parse::<u32>().is_ok())
    }

    /// Tells whether both were made alike, whatever their numbers.
    pub(crate) fn is_made_like(&self, other: &Self) -> bool {
        let fingerprint = |of: &Self| of.embedder.as_ref().map(|pin| pin.fingerprint.clone());
        self.chunker == other.chunker && fingerprint(self) == fingerprint(other)
    }
}

impl Manifest {
    /// Tells whether a directory is an index.
    pub(crate) fn exists(index: &Path) -> bool {
        index.join(FILE).is_file()
    }

    /// Reads the manifest of an index directory.
    pub(crate) fn read(index: &Path) -> Result<Self> {
        let path = index.join(FILE);
        let bytes = std::fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::new(Kind::NotFound, format!("no index in `{}`; create one first", index.display()))
            }
            _ => Error::from(error).context(format!("reading `{}`", path.display())),
        })?;
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|error| damaged(&path, &error))?;
        if manifest.format != FORMAT {
            let message = format!(
                "index `{}` has format {}, this version reads format {FORMAT}; use the version that wrote it, or \
                 delete the folder and ingest again",
                index.display(),
                manifest.format
            );
            return Err(Error::new(Kind::Config, message));
        }
        Ok(manifest)
    }

    /// Replaces the manifest durably.
    pub(crate) fn write(&self, index: &Path) -> Result<()> {
        let path = index.join(FILE);
        let json = serde_json::to_vec_pretty(self).expect("a manifest is plain data");
        // One name for all, so that writers that die leave no more than one behind; the writer's lock keeps others off.
        let new = index.join("manifest.json.new");
        let mut file = std::fs::File::create(&new).context(|| writing(&new))?;
        file.write_all(&json).and_then(|()| file.sync_all()).context(|| writing(&new))?;
        std::fs::rename(&new, &path).context(|| writing(&path))?;
        sync_dir(index)
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    if cfg!(unix) {
        std::fs::File::open(dir).and_then(|dir| dir.sync_all()).context(|| format!("syncing `{}`", dir.display()))?;
    }
    Ok(())
}

fn writing(path: &Path) -> String {
    format!("writing `{}`", path.display())
}

fn damaged(path: &Path, error: &serde_json::Error) -> Error {
    let message = format!("`{}` is damaged ({error}); delete the folder and ingest again", path.display());
    Error::new(Kind::Corrupt, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let live = Generation { number: 1, chunker: "structure/1".into(), embedder: None };
        Manifest { format: FORMAT, root: Some("..".into()), live, building: None }
    }

    #[test]
    fn it_comes_back_as_written() {
        let dir = tempfile::tempdir().unwrap();
        manifest().write(dir.path()).unwrap();
        assert_eq!(Manifest::read(dir.path()).unwrap(), manifest());
    }

    #[test]
    fn damage_a_newer_format_and_absence_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Manifest::read(dir.path()).unwrap_err().kind(), Kind::NotFound);
        std::fs::write(dir.path().join(FILE), "{\"format\":").unwrap();
        assert_eq!(Manifest::read(dir.path()).unwrap_err().kind(), Kind::Corrupt);
        let newer = Manifest { format: FORMAT + 1, ..manifest() };
        newer.write(dir.path()).unwrap();
        assert_eq!(Manifest::read(dir.path()).unwrap_err().kind(), Kind::Config);
    }
}
