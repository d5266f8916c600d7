//! Names of what a hub has: `owner/name`, its revision, and which of its files are meant.

use std::fmt;
use std::str::FromStr;

use super::choice::Files;
use crate::{Error, Kind, Result};

/// The longest name of a repository, owner and all: what Hugging Face allows.
const NAME_BYTES_MAX: usize = 96;
/// The longest name of a revision: what file systems take.
const REVISION_BYTES_MAX: usize = 250;
/// The revision of which nothing is said.
const MAIN: &str = "main";

/// A repository of models: `owner/name`, or `owner/name@revision`.
///
/// ```
/// use lorewell_model::hub::Repo;
///
/// let repo: Repo = "Qwen/Qwen3-0.6B-GGUF@main".parse()?;
/// assert_eq!((repo.name(), repo.revision()), ("Qwen/Qwen3-0.6B-GGUF", "main"));
/// assert!("../secrets".parse::<Repo>().is_err());
/// # Ok::<(), lorewell_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Repo {
    name: String,
    revision: Option<String>,
}

impl Repo {
    /// Returns its name, `owner/name`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the branch, tag or commit that is meant.
    #[must_use]
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(MAIN)
    }

    fn new(name: &str, revision: Option<&str>) -> Result<Self> {
        check_name(name)?;
        if let Some(revision) = revision {
            check_revision(revision)?;
        }
        Ok(Self { name: name.to_owned(), revision: revision.map(str::to_owned) })
    }
}

impl FromStr for Repo {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('@') {
            Some((name, revision)) => Self::new(name, Some(revision)),
            None => Self::new(text, None),
        }
    }
}

impl fmt::Display for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.revision.as_ref().map_or(Ok(()), |revision| write!(f, "@{revision}"))
    }
}

/// A repository and which of its files: `hf:owner/name[:FILE_OR_QUANT][@revision]`.
///
/// ```
/// use lorewell_model::hub::{Files, HubName};
///
/// let name: HubName = "hf:Qwen/Qwen3-0.6B-GGUF:Q8_0".parse()?;
/// assert_eq!(name.files, Files::One("Q8_0".into()));
/// assert_eq!(name.to_string(), "hf:Qwen/Qwen3-0.6B-GGUF:Q8_0");
/// # Ok::<(), lorewell_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HubName {
    /// The repository.
    pub repo: Repo,
    /// Which of its files.
    pub files: Files,
}

impl FromStr for HubName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let rest = text.strip_prefix("hf:").unwrap_or(text);
        // No revision of git has a colon in it, so that either may come first.
        let (repo, file) = rest.split_once(':').map_or((rest, None), |(repo, file)| (repo, Some(file)));
        let repo: Repo = repo.parse()?;
        let Some(file) = file else { return Ok(Self { repo, files: Files::Best }) };
        let (file, repo) = match file.rsplit_once('@') {
            Some((file, revision)) if repo.revision.is_none() => (file, Repo::new(&repo.name, Some(revision))?),
            _ => (file, repo),
        };
        if file.is_empty() {
            let message = format!("`{text}` names no file after the colon; write `hf:{}:Q4_K_M`", repo.name);
            return Err(Error::new(Kind::Config, message));
        }
        let files = if file == "safetensors" { Files::Safetensors } else { Files::One(file.to_owned()) };
        Ok(Self { repo, files })
    }
}

impl fmt::Display for HubName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hf:{}", self.repo.name)?;
        match &self.files {
            Files::Best => {}
            Files::Safetensors => f.write_str(":safetensors")?,
            Files::One(file) => write!(f, ":{file}")?,
        }
        self.repo.revision.as_ref().map_or(Ok(()), |revision| write!(f, "@{revision}"))
    }
}

/// The name becomes part of addresses and of paths.
fn check_name(name: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_good = |part: &str| {
        !part.is_empty()
            && part.chars().all(is_plain)
            && !part.starts_with(['-', '.'])
            && !part.ends_with(['-', '.'])
            && !part.contains("--")
            && !part.contains("..")
    };
    let good = name.len() <= NAME_BYTES_MAX
        && name.split_once('/').is_some_and(|(owner, name)| is_good(owner) && is_good(name));
    match good {
        true => Ok(()),
        false => {
            let message = format!("`{name}` names no repository; write `owner/name`, as in `hf:Qwen/Qwen3-0.6B-GGUF`");
            Err(Error::new(Kind::Config, message))
        }
    }
}

/// A revision becomes part of a path too; these are some of the rules of git (`git check-ref-format`).
fn check_revision(revision: &str) -> Result<()> {
    let is_good = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains("..");
    let is_plain = |c: char| c.is_ascii_graphic() && !"\\~^:?*[@".contains(c);
    let good =
        revision.len() <= REVISION_BYTES_MAX && revision.chars().all(is_plain) && revision.split('/').all(is_good);
    match good {
        true => Ok(()),
        false => Err(Error::new(Kind::Config, format!("`{revision}` is no branch, tag or commit"))),
    }
}

/// Tells the name of a commit, which alone never comes to mean something else.
pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_all_their_forms() {
        let check = |text: &str, repo: &str, revision: &str, files: &Files| {
            let name: HubName = text.parse().unwrap();
            assert_eq!((name.repo.name(), name.repo.revision(), &name.files), (repo, revision, files), "{text}");
            assert_eq!(name.to_string().parse::<HubName>().unwrap(), name);
        };
        let one = |file: &str| Files::One(file.to_owned());
        check("hf:o/n", "o/n", "main", &Files::Best);
        check("o/n", "o/n", "main", &Files::Best);
        check("hf:o/n:Q4_K_M", "o/n", "main", &one("Q4_K_M"));
        check("hf:o/n:a/b.gguf@v1.0", "o/n", "v1.0", &one("a/b.gguf"));
        check("hf:o/n@v1:Q8_0", "o/n", "v1", &one("Q8_0"));
        check("hf:o/n@refs/pr/1", "o/n", "refs/pr/1", &Files::Best);
        check("hf:o/n@v1:a@b.gguf", "o/n", "v1", &one("a@b.gguf"));
        check("hf:o/n:safetensors", "o/n", "main", &Files::Safetensors);
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for text in [
            "",
            "hf:",
            "n",
            "o/",
            "/n",
            "o/n/m",
            "../n",
            "o/..",
            "o/.n",
            "o/n..m",
            "o--p/n",
            "o/n ",
            "o/n\\m",
            "ö/n",
            "o/n:",
            "o/n@",
            "o/n@..",
            "o/n@a/../b",
            "o/n@a//b",
            "o/n@/a",
            "o/n@a\\b",
            "o/n@.git",
            "o/n:f@../x",
            "o/n@a b",
        ] {
            assert_eq!(text.parse::<HubName>().unwrap_err().kind(), Kind::Config, "{text}");
        }
        assert!(format!("o/{}", "n".repeat(NAME_BYTES_MAX)).parse::<Repo>().is_err());
        assert!(format!("o/n@{}", "n".repeat(REVISION_BYTES_MAX + 1)).parse::<Repo>().is_err());
    }
}
