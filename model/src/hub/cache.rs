//! The cache on disk, in the layout of Python's `huggingface_hub`: `models--owner--name` with `blobs` by their sums,
//! `snapshots` of commits whose entries lead to blobs, and `refs`, which say what commit a branch was at.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::client::Wanted;
use super::lock;
use super::name::is_commit;
use super::sum::Sum;
use crate::{Error, Kind, Result, ResultExt};

/// The most folders below one another in a snapshot.
const DEPTH_MAX: usize = 16;
/// The longest content of a ref that is read: the name of a commit, and then some.
const REF_BYTES_MAX: u64 = 256;
/// What the folder of a repository begins with.
const PREFIX: &str = "models--";

/// A repository in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Cached {
    /// Its name, `owner/name`.
    pub repo: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Bytes on disk, all of it.
    pub bytes: u64,
    /// Bytes of files that are not all there yet; they are among the others.
    pub unfinished_bytes: u64,
    /// Files of all commits that are there, by name.
    pub files: Vec<CachedFile>,
}

/// A file in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CachedFile {
    /// Its name in the repository.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
}

/// The place of one repository in a cache.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) folder: PathBuf,
    locks: PathBuf,
}

impl Shelf {
    pub(super) fn new(cache: &Path, repo: &str) -> Self {
        let name = format!("{PREFIX}{}", repo.replace('/', "--"));
        Self { folder: cache.join(&name), locks: cache.join(".locks").join(&name) }
    }

    pub(super) fn blob(&self, sum: &Sum) -> PathBuf {
        self.folder.join("blobs").join(sum.hex())
    }

    pub(super) fn incomplete(&self, sum: &Sum) -> PathBuf {
        self.folder.join("blobs").join(format!("{}.incomplete", sum.hex()))
    }

    pub(super) fn lock(&self, sum: &Sum) -> PathBuf {
        self.locks.join(format!("{}.lock", sum.hex()))
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// Tells whether a file is there whole. A sum is not made again: what has its name was checked.
    pub(super) fn has(&self, wanted: &Wanted) -> bool {
        std::fs::metadata(self.blob(&wanted.sum)).is_ok_and(|blob| blob.is_file() && blob.len() == wanted.bytes)
    }

    /// Returns the commit that a revision was at when it was fetched.
    pub(super) fn commit(&self, revision: &str) -> Result<Option<String>> {
        if is_commit(revision) {
            return Ok(Some(revision.to_owned()));
        }
        let path = self.folder.join("refs").join(revision);
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() && metadata.len() <= REF_BYTES_MAX => {}
            _ => return Ok(None),
        }
        let text = std::fs::read_to_string(&path).context(|| format!("reading `{}`", path.display()))?;
        Ok(Some(text.trim().to_owned()).filter(|commit| is_commit(commit)))
    }

    /// Returns the files of a commit that are there whole, with their bytes.
    pub(super) fn files(&self, commit: &str) -> Result<BTreeMap<String, u64>> {
        let (folder, mut files) = (self.snapshot(commit), BTreeMap::new());
        walk(&folder, "", DEPTH_MAX, &mut files).context(|| format!("reading `{}`", folder.display()))?;
        Ok(files)
    }

    /// Enters a file into the snapshot of a commit.
    pub(super) fn enter(&self, commit: &str, wanted: &Wanted) -> Result<()> {
        let entry = self.snapshot(commit).join(&wanted.file);
        enter(&entry, &wanted.file, &self.blob(&wanted.sum), symlink)
            .context(|| format!("writing `{}`", entry.display()))
    }

    /// Notes what commit a revision is at.
    pub(super) fn note(&self, revision: &str, commit: &str) -> Result<()> {
        if self.commit(revision)?.as_deref() == Some(commit) {
            return Ok(()); // so that a cache that is not ours to write to will do
        }
        let path = self.folder.join("refs").join(revision);
        let write = || -> io::Result<()> {
            let folder = path.parent().expect("it was just joined");
            std::fs::create_dir_all(folder)?;
            let mut new = tempfile::NamedTempFile::new_in(folder)?;
            new.write_all(commit.as_bytes())?;
            new.persist(&path)?;
            Ok(())
        };
        write().context(|| format!("writing `{}`", path.display()))
    }

    /// Removes the repository; returns how many bytes that were.
    pub(super) fn remove(&self, repo: &str) -> Result<u64> {
        let doing = || format!("removing `{}`", self.folder.display());
        if !self.folder.is_dir() {
            return Err(Error::new(
                Kind::NotFound,
                format!("`{repo}` is not in the cache; there is nothing to remove"),
            ));
        }
        let held = self.hold_all(repo)?;
        let (bytes, _) = size(&self.folder, DEPTH_MAX).context(doing)?;
        // Entries first: what is left of them, if this is interrupted, is never half a model.
        for part in ["refs", "snapshots"] {
            let part = self.folder.join(part);
            if part.is_dir() {
                std::fs::remove_dir_all(part).context(doing)?;
            }
        }
        std::fs::remove_dir_all(&self.folder).context(doing)?;
        // While they are held: who waits for one sees that it is gone. A system that keeps them keeps empty files.
        drop(std::fs::remove_dir_all(&self.locks));
        drop(held);
        Ok(bytes)
    }

    /// Takes the locks of all its files, so that nobody fetches one meanwhile.
    fn hold_all(&self, repo: &str) -> Result<Vec<lock::Lock>> {
        let Ok(entries) = std::fs::read_dir(&self.locks) else { return Ok(Vec::new()) };
        let mut held = Vec::new();
        for entry in entries {
            let busy = || Error::new(Kind::Conflict, format!("another process is downloading `{repo}`; wait for it"));
            held.push(lock::try_take(&entry?.path())?.ok_or_else(busy)?);
        }
        Ok(held)
    }
}

/// Lists the repositories of a cache, by name.
pub(super) fn list(cache: &Path) -> Result<Vec<Cached>> {
    let doing = || format!("reading the cache of models in `{}`", cache.display());
    let entries = match std::fs::read_dir(cache) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.context(doing)?,
    };
    let mut cached = Vec::new();
    for entry in entries {
        let name = entry.context(doing)?.file_name();
        let repo = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).map(|repo| repo.replacen("--", "/", 1));
        if let Some(repo) = repo.filter(|_| cache.join(&name).is_dir()) {
            cached.push(describe(repo, cache.join(&name)).context(doing)?);
        }
    }
    cached.sort_by(|a, b| a.repo.cmp(&b.repo));
    Ok(cached)
}

fn describe(repo: String, folder: PathBuf) -> Result<Cached> {
    let mut files = BTreeMap::new();
    if let Ok(snapshots) = std::fs::read_dir(folder.join("snapshots")) {
        for snapshot in snapshots {
            walk(&snapshot?.path(), "", DEPTH_MAX, &mut files)?;
        }
    }
    let (bytes, unfinished_bytes) = size(&folder, DEPTH_MAX)?;
    let files = files.into_iter().map(|(name, bytes)| CachedFile { name, bytes }).collect();
    Ok(Cached { repo, folder, bytes, unfinished_bytes, files })
}

/// Collects files, by their names below a folder. A link that leads nowhere is none.
fn walk(folder: &Path, below: &str, depth: usize, files: &mut BTreeMap<String, u64>) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let (entry, path) = entry.map(|entry| (entry.file_name(), entry.path()))?;
        let Some(name) = entry.to_str() else { continue };
        let name = format!("{below}{name}");
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => drop(files.insert(name, metadata.len())),
            Ok(metadata) if metadata.is_dir() && depth > 0 => walk(&path, &format!("{name}/"), depth - 1, files)?,
            _ => {}
        }
    }
    Ok(())
}

/// Adds up what lies in a folder, links left aside: all of it, and what is unfinished.
fn size(folder: &Path, depth: usize) -> io::Result<(u64, u64)> {
    let mut sum = (0, 0);
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let (bytes, unfinished) = match metadata.is_dir() {
            true if depth > 0 => size(&entry.path(), depth - 1)?,
            true => (0, 0),
            false if metadata.is_symlink() => (0, 0),
            false if entry.file_name().to_string_lossy().ends_with(".incomplete") => (metadata.len(), metadata.len()),
            false => (metadata.len(), 0),
        };
        sum = (sum.0 + bytes, sum.1 + unfinished);
    }
    Ok(sum)
}

/// Links an entry to a blob, by a path that holds wherever the cache is moved to; where there are no links, copies it.
fn enter(entry: &Path, file: &str, blob: &Path, link: impl Fn(&Path, &Path) -> io::Result<()>) -> io::Result<()> {
    let folder = entry.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let name = blob.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    std::fs::create_dir_all(folder)?;
    let up = "../".repeat(2 + file.matches('/').count());
    // Made under another name and then renamed: an entry is there whole or not at all.
    let new = tempfile::Builder::new().prefix(".entry-").tempdir_in(folder)?;
    let new_entry = new.path().join("entry");
    if link(&Path::new(&up).join("blobs").join(name), &new_entry).is_err() {
        std::fs::copy(blob, &new_entry)?;
    }
    std::fs::rename(&new_entry, entry)
}

#[cfg(unix)]
fn symlink(to: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, link)
}

#[cfg(windows)]
fn symlink(to: &Path, link: &Path) -> io::Result<()> {
    // Windows wants its own slashes in a link.
    std::os::windows::fs::symlink_file(to.components().collect::<PathBuf>(), link)
}

#[cfg(not(any(unix, windows)))]
fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789012345678901234567890123456789";

    fn wanted(file: &str) -> Wanted {
        Wanted { file: file.to_owned(), sum: Sum::parse(&"a".repeat(64)).unwrap(), bytes: 3 }
    }

    #[test]
    fn entries_lead_to_blobs_wherever_the_cache_is() {
        let root = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(&root.path().join("here"), "o/n");
        std::fs::create_dir_all(shelf.folder.join("blobs")).unwrap();
        std::fs::write(shelf.blob(&wanted("x").sum), "abc").unwrap();
        for file in ["a.gguf", "b/c/d.gguf", "a.gguf"] {
            shelf.enter(COMMIT, &wanted(file)).unwrap();
        }
        shelf.note("refs/pr/1", COMMIT).unwrap();
        std::fs::rename(root.path().join("here"), root.path().join("there")).unwrap();
        let shelf = Shelf::new(&root.path().join("there"), "o/n");
        let commit = shelf.commit("refs/pr/1").unwrap().unwrap();
        let files: Vec<_> = shelf.files(&commit).unwrap().into_iter().collect();
        assert_eq!(files, [("a.gguf".to_owned(), 3), ("b/c/d.gguf".to_owned(), 3)]);
        let listed = list(&root.path().join("there")).unwrap();
        assert_eq!((listed[0].repo.as_str(), listed[0].bytes, listed[0].files.len()), ("o/n", 43, 2));
        assert_eq!(shelf.remove("o/n").unwrap(), 43);
        assert!(list(&root.path().join("there")).unwrap().is_empty());
    }

    #[test]
    fn where_there_are_no_links_there_are_copies() {
        let root = tempfile::tempdir().unwrap();
        let (blob, entry) = (root.path().join("blob"), root.path().join("s/c/a/b.gguf"));
        std::fs::write(&blob, "abc").unwrap();
        enter(&entry, "a/b.gguf", &blob, |_, _| Err(io::ErrorKind::Unsupported.into())).unwrap();
        assert!(!entry.is_symlink());
        assert_eq!(std::fs::read(entry).unwrap(), b"abc");
    }

    #[test]
    fn nothing_is_removed_under_somebody_who_fetches() {
        let root = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(root.path(), "o/n");
        std::fs::create_dir_all(&shelf.folder).unwrap();
        let held = lock::try_take(&shelf.lock(&wanted("x").sum)).unwrap().unwrap();
        assert_eq!(shelf.remove("o/n").unwrap_err().kind(), Kind::Conflict);
        drop(held);
        shelf.remove("o/n").unwrap();
        assert_eq!(shelf.remove("o/n").unwrap_err().kind(), Kind::NotFound);
    }
}
