//! Which documents a query may see. A filter is applied before the stores are searched, so a selective one costs
//! nothing in recall.

use globset::{GlobBuilder, GlobMatcher};
use jiff::civil::Date;
use lorewell_model::{Error, Kind, Result};

use crate::document::Format;

/// Conditions on documents; all that are set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filter {
    /// Glob on the path: `docs/**/*.md`. A glob without `/` is matched against the file name, a plain folder stands
    /// for all below it.
    pub path: Option<String>,
    /// Format of the file.
    pub format: Option<Format>,
    /// Tag of the document, without `#`; upper and lower case are the same.
    pub tag: Option<String>,
    /// First day, `YYYY-MM-DD`, of the document's date.
    pub since: Option<String>,
    /// Last day, likewise.
    pub until: Option<String>,
}

impl Filter {
    /// Tells whether every document passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks the conditions and makes them ready to be applied.
    ///
    /// # Errors
    /// [`Kind::BadInput`] if the glob or a date cannot be read.
    pub(crate) fn compile(&self) -> Result<Compiled> {
        Ok(Compiled {
            path: self.path.as_deref().map(PathMatch::new).transpose()?,
            format: self.format,
            tag: self.tag.as_deref().map(|tag| tag.trim_start_matches('#').to_lowercase()),
            since: self.since.as_deref().map(day).transpose()?,
            until: self.until.as_deref().map(day).transpose()?,
        })
    }
}

/// A filter that was checked.
#[derive(Debug)]
pub(crate) struct Compiled {
    path: Option<PathMatch>,
    format: Option<Format>,
    tag: Option<String>,
    since: Option<Date>,
    until: Option<Date>,
}

impl Compiled {
    pub(crate) fn passes(&self, path: &str, format: Format, date: Option<&str>, tags: &[String]) -> bool {
        let date = || date.and_then(|date| date.parse::<Date>().ok());
        self.path.as_ref().is_none_or(|wanted| wanted.matches(path))
            && self.format.is_none_or(|wanted| wanted == format)
            && self.tag.as_ref().is_none_or(|tag| tags.iter().any(|have| have.to_lowercase() == *tag))
            && self.since.is_none_or(|since| date().is_some_and(|date| date >= since))
            && self.until.is_none_or(|until| date().is_some_and(|date| date <= until))
    }
}

#[derive(Debug)]
struct PathMatch {
    glob: GlobMatcher,
    folder: String,
    is_name: bool,
}

impl PathMatch {
    fn new(glob: &str) -> Result<Self> {
        let trimmed = glob.strip_prefix("./").unwrap_or(glob);
        let built = GlobBuilder::new(trimmed).literal_separator(true).build();
        let broken = |error: globset::Error| {
            Error::new(Kind::BadInput, format!("the path filter `{glob}` is no glob: {}", error.kind()))
        };
        let folder = format!("{}/", trimmed.trim_end_matches('/'));
        Ok(Self { glob: built.map_err(broken)?.compile_matcher(), folder, is_name: !trimmed.contains('/') })
    }

    fn matches(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        self.glob.is_match(path) || path.starts_with(&self.folder) || self.is_name && self.glob.is_match(name)
    }
}

fn day(text: &str) -> Result<Date> {
    let broken = |error| Error::new(Kind::BadInput, format!("`{text}` is not a date like 2026-01-31: {error}"));
    text.parse().map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(filter: &Filter, path: &str) -> bool {
        filter.compile().unwrap().passes(path, Format::Markdown, Some("2026-03-05"), &["Tea".to_owned()])
    }

    #[test]
    fn paths_match_as_globs_names_and_folders() {
        let path = |glob: &str| Filter { path: Some(glob.into()), ..Filter::default() };
        assert!(passes(&path("*.md"), "a/b/c.md"));
        assert!(passes(&path("a/**/*.md"), "a/b/c.md"));
        assert!(!passes(&path("a/*.md"), "a/b/c.md"));
        assert!(passes(&path("a/b"), "a/b/c.md"));
        assert!(passes(&path("a/"), "a/b/c.md"));
        assert!(!passes(&path("b"), "a/b/c.md"));
    }

    #[test]
    fn dates_tags_and_formats_are_conditions() {
        let filter = |since: &str, until: &str, tag: &str| Filter {
            since: Some(since.into()),
            until: Some(until.into()),
            tag: Some(tag.into()),
            format: Some(Format::Markdown),
            path: None,
        };
        assert!(passes(&filter("2026-03-05", "2026-03-05", "#tea"), "a.md"));
        assert!(!passes(&filter("2026-03-06", "2026-12-31", "tea"), "a.md"));
        assert!(!passes(&filter("2026-01-01", "2026-12-31", "coffee"), "a.md"));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let broken = Filter { path: Some("a[".into()), ..Filter::default() };
        assert_eq!(broken.compile().unwrap_err().kind(), Kind::BadInput);
        let broken = Filter { since: Some("yesterday".into()), ..Filter::default() };
        assert!(broken.compile().unwrap_err().to_string().contains("2026-01-31"));
    }
}
