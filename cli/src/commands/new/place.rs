//! The folder of a new project: it is not there, or empty, and gets all of its files at once or none. They are written beside
//! it first; one rename, which replaces nothing that holds anything, brings them in.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::template::File;
use crate::commands::folder;

/// A folder that a project may be written to.
#[derive(Debug)]
pub(super) struct Place {
    dir: PathBuf,
    parent: PathBuf,
}

impl Place {
    /// Finds the place, and refuses one where something is.
    pub(super) fn find(dir: &Path) -> Result<Self> {
        // A link that leads nowhere is something, too.
        let dir = match dir.symlink_metadata() {
            Ok(_) => empty(dir)?,
            Err(_) => missing(dir)?,
        };
        let parent = dir.parent().context("the root of the file system is no place for a project")?.to_owned();
        Ok(Self { dir, parent })
    }

    /// Returns the folder.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes the files, all or none.
    pub(super) fn fill(&self, files: &[File]) -> Result<()> {
        let parent = &self.parent;
        let scratch = tempfile::Builder::new().prefix(".lorewell-new-").tempdir_in(parent);
        let scratch = scratch.with_context(|| format!("writing to `{}`", parent.display()))?;
        // The scratch folder is for this account alone; a project is as open as the account makes its folders.
        let project = scratch.path().join("project");
        for file in files {
            write(&project.join(file.path), &file.text)?;
        }
        self.bring_in(&project).with_context(|| format!("making `{}`", self.dir.display()))
    }

    /// Moves a folder in. If something has come to the place meanwhile, neither of the two calls removes it.
    fn bring_in(&self, project: &Path) -> std::io::Result<()> {
        if self.dir.exists() {
            fs::remove_dir(&self.dir)?; // not every system renames to a folder that is there
        }
        fs::rename(project, &self.dir)
    }
}

/// Returns the absolute path of a folder that is there, and empty.
fn empty(dir: &Path) -> Result<PathBuf> {
    let found = folder(dir)?;
    let mut entries = fs::read_dir(&found).with_context(|| format!("reading `{}`", dir.display()))?;
    if let Some(entry) = entries.next() {
        let name = entry.with_context(|| format!("reading `{}`", dir.display()))?.file_name();
        let (dir, name) = (dir.display(), name.display());
        bail!("`{dir}` is not empty, there is `{name}`; give another folder with `--path`");
    }
    let here = std::env::current_dir().context("finding the current folder")?;
    if here.starts_with(&found) {
        bail!("`{}` is where you are, and is to be replaced; go up, and name it with `--path`", dir.display());
    }
    Ok(found)
}

/// Returns the absolute path of a folder that is not there, in one that is.
fn missing(dir: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(dir).with_context(|| format!("reading the path `{}`", dir.display()))?;
    let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        bail!("`{}` names no folder; end it with a name", dir.display());
    };
    Ok(folder(parent)?.join(name))
}

fn write(path: &Path, text: &str) -> Result<()> {
    let said = || format!("writing `{}`", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(said)?;
    }
    fs::write(path, text).with_context(said)
}
