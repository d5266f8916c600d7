//! The names that files are stored under.

use std::path::{Path, PathBuf};

use lorewell_model::{Error, Kind, Result, ResultExt as _};

use super::Inner;

impl Inner {
    /// Returns the name that a path is stored under: relative to the root where it lies below it, else absolute, with
    /// `/` between folders everywhere.
    pub(crate) fn key(&self, path: &Path) -> Result<String> {
        let absolute = normal(path)?;
        let root = self.current().root.clone();
        let relative = root.as_deref().and_then(|root| absolute.strip_prefix(root).ok()).unwrap_or(&absolute);
        let name = relative.to_str().map(|name| name.replace(std::path::MAIN_SEPARATOR, "/"));
        // `text:` begins the names of texts that are no files.
        let name = name.map(|name| if name.starts_with("text:") { format!("./{name}") } else { name });
        name.ok_or_else(|| Error::new(Kind::BadInput, format!("`{}` is not valid UTF-8; rename it", path.display())))
    }
}

/// Makes a path absolute and resolves `.` and `..` by name; symbolic links stay as they are written.
fn normal(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path).context(|| format!("resolving `{}`", path.display()))?;
    let mut normal = PathBuf::new();
    for component in absolute.components() {
        match component {
            std::path::Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    Ok(normal)
}
