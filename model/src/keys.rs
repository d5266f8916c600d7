//! Where keys are kept: in the environment, or in a file that only its owner can read. The environment counts first.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::secret::Secret;
use crate::{Error, Kind, Result, ResultExt};

/// Keys by provider.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    file: Option<PathBuf>,
}

/// Where a key was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySource {
    /// In a variable of the environment.
    Environment(String),
    /// In the file.
    File,
}

impl Keys {
    /// Takes keys from the environment only.
    #[must_use]
    pub fn environment() -> Self {
        Self::default()
    }

    /// Takes keys from the environment, then from a file. The file need not be there.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { file: Some(path.into()) }
    }

    /// Finds the key of a provider: in the first of the variables that is set, then in the file.
    ///
    /// # Errors
    /// Those of reading the file.
    pub fn find(&self, provider: &str, variables: &[&str]) -> Result<Option<(Secret, KeySource)>> {
        let set = |name: &&&str| std::env::var(name).ok().filter(|key| !key.trim().is_empty());
        if let Some((name, key)) = variables.iter().find_map(|name| Some((*name, set(&name)?))) {
            return Ok(Some((Secret::new(key), KeySource::Environment(name.to_owned()))));
        }
        Ok(self.read()?.remove(provider).map(|key| (Secret::new(key), KeySource::File)))
    }

    /// Returns the providers whose keys are in the file.
    ///
    /// # Errors
    /// Those of reading the file.
    pub fn stored(&self) -> Result<Vec<String>> {
        Ok(self.read()?.into_keys().collect())
    }

    /// Stores the key of a provider in the file, which is made if it is not there.
    ///
    /// # Errors
    /// `BadInput` if the key is empty or has white space in it; `Config` if there is no file; those of reading and writing
    /// it.
    pub fn set(&self, provider: &str, key: &Secret) -> Result<()> {
        if key.reveal().is_empty() || key.reveal().contains(char::is_whitespace) {
            return Err(Error::new(Kind::BadInput, format!("the key of `{provider}` is empty or has spaces in it")));
        }
        let mut keys = self.read()?;
        keys.insert(provider.to_owned(), key.reveal().to_owned());
        self.write(&keys)
    }

    /// Removes the key of a provider from the file; says whether there was one.
    ///
    /// # Errors
    /// Those of reading and writing the file.
    pub fn remove(&self, provider: &str) -> Result<bool> {
        let mut keys = self.read()?;
        let was_there = keys.remove(provider).is_some();
        if was_there {
            self.write(&keys)?;
        }
        Ok(was_there)
    }

    fn read(&self) -> Result<BTreeMap<String, String>> {
        let Some(path) = &self.file else { return Ok(BTreeMap::new()) };
        let doing = || format!("reading the keys in `{}`", path.display());
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            text => text.context(doing)?,
        };
        check_private(path).context(doing)?;
        // What serde says of a line that it cannot read may quote the key on it.
        serde_json::from_str(&text).map_err(|error| {
            let message = format!("line {} is not as it should be: `{{\"provider\": \"key\"}}`", error.line());
            Error::new(Kind::Config, message).context(doing())
        })
    }

    fn write(&self, keys: &BTreeMap<String, String>) -> Result<()> {
        let Some(path) = &self.file else {
            return Err(Error::new(Kind::Config, "there is no file for keys; set them in the environment"));
        };
        let doing = || format!("writing the keys to `{}`", path.display());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).context(doing)?;
        // A temporary file is readable by its owner only, and takes the place of the old one at once.
        let mut file = tempfile::NamedTempFile::new_in(folder).context(doing)?;
        let mut text = serde_json::to_string_pretty(keys)?;
        text.push('\n');
        file.write_all(text.as_bytes()).context(doing)?;
        file.as_file().sync_all().context(doing)?;
        file.persist(path).map_err(|error| Error::from(error.error).context(doing()))?;
        Ok(())
    }
}

#[cfg(unix)]
fn check_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path)?.permissions().mode();
    match mode & 0o077 {
        0 => Ok(()),
        _ => {
            let message = format!("others can read it (mode {:o}); run `chmod 600 {}`", mode & 0o777, path.display());
            Err(Error::new(Kind::Config, message))
        }
    }
}

#[cfg(not(unix))]
fn check_private(_: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn keys_are_kept_from_others() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/keys.json");
        let keys = Keys::file(&path);
        assert!(keys.stored().unwrap().is_empty());
        keys.set("acme", &Secret::new(" sk-1\n")).unwrap();
        keys.set("other", &Secret::new("sk-2")).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let found = keys.find("acme", &["LOREWELL_NO_SUCH_VARIABLE"]).unwrap();
        assert_eq!(found, Some((Secret::new("sk-1"), KeySource::File)));
        assert!(keys.remove("acme").unwrap() && !keys.remove("acme").unwrap());
        assert_eq!(keys.stored().unwrap(), ["other"]);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = keys.find("other", &[]).unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.message().contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_damaged_file_is_left_and_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let file = tempfile::NamedTempFile::new_in(&folder).unwrap();
        std::fs::write(file.path(), "{\"acme\": \"sk-secret\" oh}").unwrap();
        let keys = Keys::file(file.path());
        let error = keys.set("other", &Secret::new("sk-2")).unwrap_err();
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "{\"acme\": \"sk-secret\" oh}");
        assert_eq!(keys.set("other", &Secret::new("a b")).unwrap_err().kind(), Kind::BadInput);
    }
}
