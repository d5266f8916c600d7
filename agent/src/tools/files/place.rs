//! Where a path leads within a folder. It is walked name by name, from one opened folder into the next, and links are read here
//! and never followed by the system: what was looked at is what is opened, whatever others do to the folder meanwhile.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _, Write as _};
use std::path::{Component, Path};
use std::sync::Arc;

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::{Dir, File, Metadata, OpenOptions};
use lorewell_model::{ToolCx, ToolError};

use super::FILE_BYTES_MAX;
use crate::cx::entropy;

/// Links that one path leads through: as many as Linux follows.
const LINKS_MAX: usize = 40;
/// Folders within each other. Each is open while a path is walked, and a process may have some hundred files open.
const DEPTH_MAX: usize = 64;
/// Names that are tried for a file that is about to get another: all are random, so one that is taken is a wonder.
const NAMES_MAX: usize = 8;
/// Characters that HFS+ leaves out when it compares names: with one of them before it, `.git` still is `.git` there. As git has
/// them (`next_hfs_char` in its `utf8.c`).
const IGNORED: [(char, char); 4] =
    [('\u{200c}', '\u{200f}'), ('\u{202a}', '\u{202e}'), ('\u{206a}', '\u{206f}'), ('\u{feff}', '\u{feff}')];

/// A folder, and what of it may be reached.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub(super) root: Arc<Dir>,
    pub(super) with_hidden: bool,
}

/// What becomes of folders on a path that are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// They are an error.
    Fails,
    /// They are made.
    IsMade,
}

/// A name in an opened folder: no link, and no folder.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// What the model calls it.
    path: &'a str,
    dir: Dir,
    name: OsString,
    /// What is there, if anything is.
    found: Option<Metadata>,
}

/// Where a path ends: in a folder, at the folder itself or at a name in it.
struct End {
    dir: Dir,
    name: Option<(OsString, Option<Metadata>)>,
}

/// A path on its way.
struct Walk<'a> {
    path: &'a str,
    missing: Missing,
    with_hidden: bool,
    /// The folders that it is in; the outermost is never left.
    dirs: Vec<Dir>,
    /// What is still to be walked, the next part last.
    rest: Vec<Part>,
    links: usize,
}

enum Part {
    Up,
    Name(OsString),
}

impl Folder {
    /// Opens a folder within.
    pub(super) fn dir(&self, path: &str) -> Result<Dir, ToolError> {
        let end = self.walk(path, Missing::Fails)?;
        match end.name {
            None => Ok(end.dir),
            Some((_, None)) => Err(told(path, io::ErrorKind::NotFound.into())),
            Some((_, Some(_))) => Err(told(path, io::ErrorKind::NotADirectory.into())),
        }
    }

    /// Finds the place of a file, which need not be there.
    pub(super) fn place<'a>(&self, path: &'a str, missing: Missing) -> Result<Place<'a>, ToolError> {
        let End { dir, name } = self.walk(path, missing)?;
        match name {
            Some((name, found)) if found.as_ref().is_none_or(Metadata::is_file) => Ok(Place { path, dir, name, found }),
            _ => Err(no_file(path)),
        }
    }

    fn walk(&self, path: &str, missing: Missing) -> Result<End, ToolError> {
        let (dirs, with_hidden) = (vec![self.root.try_clone()?], self.with_hidden);
        let mut walk = Walk { path, missing, with_hidden, dirs, rest: Vec::new(), links: 0 };
        walk.push(Path::new(path))?;
        walk.end()
    }
}

impl Walk<'_> {
    /// Puts a path before what is still to be walked. All of it is looked at before anything is made.
    fn push(&mut self, path: &Path) -> Result<(), ToolError> {
        for part in path.components().rev() {
            match part {
                Component::CurDir => {}
                Component::ParentDir => self.rest.push(Part::Up),
                Component::Normal(name) if !self.with_hidden && is_hidden(name) => return Err(hidden(self.path)),
                Component::Normal(name) => self.rest.push(Part::Name(name.to_owned())),
                Component::Prefix(_) | Component::RootDir => return Err(outside(self.path)),
            }
        }
        Ok(())
    }

    fn end(mut self) -> Result<End, ToolError> {
        while let Some(part) = self.rest.pop() {
            let Part::Name(name) = part else {
                self.dirs.pop();
                self.here()?;
                continue;
            };
            let found = match self.here()?.symlink_metadata(&name) {
                Ok(found) => Some(found),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(told(self.path, error)),
            };
            match found {
                Some(found) if found.is_symlink() => self.follow(&name)?,
                Some(found) if found.is_dir() => self.enter(&name)?,
                found if self.rest.is_empty() => return self.last(Some((name, found))),
                Some(_) => return Err(told(self.path, io::ErrorKind::NotADirectory.into())),
                None => self.make(&name)?,
            }
        }
        self.last(None)
    }

    /// The folder that it is in; there is none above the outermost.
    fn here(&self) -> Result<&Dir, ToolError> {
        self.dirs.last().ok_or_else(|| outside(self.path))
    }

    fn last(&mut self, name: Option<(OsString, Option<Metadata>)>) -> Result<End, ToolError> {
        let dir = self.dirs.pop().ok_or_else(|| outside(self.path))?;
        Ok(End { dir, name })
    }

    fn follow(&mut self, name: &OsStr) -> Result<(), ToolError> {
        self.links += 1;
        if self.links > LINKS_MAX {
            return Err(ToolError::failed(format!("`{}` leads through more than {LINKS_MAX} links", self.path)));
        }
        let target = self.here()?.read_link_contents(name).map_err(|error| told(self.path, error))?;
        self.push(&target)
    }

    fn enter(&mut self, name: &OsStr) -> Result<(), ToolError> {
        if self.dirs.len() > DEPTH_MAX {
            let message = format!("`{}` is in more than {DEPTH_MAX} folders within each other", self.path);
            return Err(ToolError::failed(message));
        }
        let dir = self.here()?.open_dir_nofollow(name).map_err(|error| told(self.path, error))?;
        self.dirs.push(dir);
        Ok(())
    }

    fn make(&mut self, name: &OsStr) -> Result<(), ToolError> {
        if self.missing == Missing::Fails {
            return Err(told(self.path, io::ErrorKind::NotFound.into()));
        }
        if self.rest.iter().any(|part| matches!(part, Part::Up)) {
            let message = format!("`{}` has `..` behind a folder that is not there; give it without `..`", self.path);
            return Err(ToolError::retry(message));
        }
        match self.here()?.create_dir(name) {
            // Another call was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.map_err(|error| told(self.path, error))?,
        }
        self.enter(name)
    }
}

impl Place<'_> {
    /// Reads a text file.
    pub(super) fn text(&self) -> Result<String, ToolError> {
        let mut options = OpenOptions::new();
        // A pipe that has taken the place of the file since must not be waited for.
        options.read(true).follow(FollowSymlinks::No).nonblock(true);
        let file = self.dir.open_with(&self.name, &options).map_err(|error| told(self.path, error))?;
        if !file.metadata()?.is_file() {
            return Err(no_file(self.path));
        }
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| told(self.path, error))?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(ToolError::failed(format!("`{}` is larger than {FILE_BYTES_MAX} bytes", self.path)));
        }
        String::from_utf8(bytes).map_err(|_| ToolError::failed(format!("`{}` is no text in UTF-8", self.path)))
    }

    /// Writes a file beside, and puts it in its place if somebody still waits for that: who reads it meanwhile sees the one or
    /// the other.
    pub(super) fn put(&self, text: &str, cx: &ToolCx) -> Result<(), ToolError> {
        let names = std::iter::repeat_with(|| format!(".{:016x}.part", entropy()));
        let (beside, mut file) = self.beside(names).map_err(|error| told(self.path, error))?;
        let placed = self.fill(&mut file, text).and_then(|()| match cx.is_cancelled() {
            true => Err(io::Error::other("the call was stopped before its file was in its place")),
            false => self.dir.rename(&beside, &self.dir, &self.name),
        });
        placed.map_err(|error| {
            // It is of no use to anyone.
            let _ = self.dir.remove_file(&beside);
            told(self.path, error)
        })
    }

    /// Makes a file of a name that nobody has.
    fn beside(&self, names: impl Iterator<Item = String>) -> io::Result<(String, File)> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).follow(FollowSymlinks::No);
        for name in names.take(NAMES_MAX) {
            match self.dir.open_with(&name, &options) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|file| (name, file)),
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{NAMES_MAX} names for a new file are all taken")))
    }

    fn fill(&self, file: &mut File, text: &str) -> io::Result<()> {
        // Before the text: what others may not read they must not see for a moment either.
        if let Some(found) = &self.found {
            file.set_permissions(found.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }
}

/// Tells whether a name is that of something hidden.
pub(super) fn is_hidden(name: &OsStr) -> bool {
    let is_ignored = |c: char| IGNORED.iter().any(|(first, last)| (*first..=*last).contains(&c));
    name.to_string_lossy().trim_start_matches(is_ignored).starts_with('.')
}

fn hidden(path: &str) -> ToolError {
    ToolError::failed(format!("`{path}` is hidden, and hidden files are not for you"))
}

fn outside(path: &str) -> ToolError {
    told(path, io::ErrorKind::PermissionDenied.into())
}

fn no_file(path: &str) -> ToolError {
    ToolError::failed(format!("`{path}` is no file"))
}

/// What a model is told of an error with a path.
pub(super) fn told(path: &str, error: io::Error) -> ToolError {
    match error.kind() {
        io::ErrorKind::NotFound => ToolError::failed(format!("there is no `{path}`")),
        io::ErrorKind::PermissionDenied => {
            ToolError::failed(format!("`{path}` cannot be reached; only paths within the folder can"))
        }
        io::ErrorKind::NotADirectory => ToolError::failed(format!("`{path}` is no folder")),
        io::ErrorKind::IsADirectory => ToolError::failed(format!("`{path}` is a folder")),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(at: &Path) -> Folder {
        let root = Dir::open_ambient_dir(at, cap_std::ambient_authority()).unwrap();
        Folder { root: Arc::new(root), with_hidden: false }
    }

    #[test]
    fn a_name_that_is_taken_is_left_alone() {
        let at = tempfile::tempdir().unwrap();
        std::fs::write(at.path().join("taken"), "mine").unwrap();
        let folder = folder(at.path());
        let place = folder.place("a.txt", Missing::Fails).unwrap();
        let (name, _) = place.beside(["taken", "free"].map(str::to_owned).into_iter()).unwrap();
        assert_eq!(name, "free");
        let error = place.beside(std::iter::repeat_with(|| "taken".to_owned())).unwrap_err();
        assert_eq!(error.to_string(), "8 names for a new file are all taken");
        assert_eq!(std::fs::read_to_string(at.path().join("taken")).unwrap(), "mine");
    }

    /// It was a folder when it was looked at, a moment ago.
    #[cfg(unix)]
    #[test]
    fn a_folder_is_not_entered_through_a_link() {
        let at = tempfile::tempdir().unwrap();
        std::fs::create_dir(at.path().join(".git")).unwrap();
        std::os::unix::fs::symlink(".git", at.path().join("link")).unwrap();
        let dirs = vec![folder(at.path()).root.try_clone().unwrap()];
        let (missing, rest) = (Missing::IsMade, Vec::new());
        let mut walk = Walk { path: "link/a", missing, with_hidden: false, dirs, rest, links: 0 };
        assert!(walk.enter("link".as_ref()).is_err());
        assert!(walk.make("link".as_ref()).is_err());
        assert_eq!(walk.dirs.len(), 1);
    }
}
