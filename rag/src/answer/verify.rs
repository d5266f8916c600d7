//! Holding quotations against their sources as they are now: a source that changed since it was indexed is read again,
//! so that nothing is shown as verified that the file no longer says, and what is shown are the file's own words.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use lorewell_model::{Error, Kind, Result};
use serde::Serialize;

use super::citation::{Verdict, check};
use super::reading::quotable;
use crate::document::Document;
use crate::index::table::read;
use crate::index::{Index, Reader, blocking, hash_file};
use crate::load::{FILE_BYTES_MAX, SkipReason};
use crate::place::{Place, Places};

/// A sentence that has grown by more than this since it was indexed is another one.
const GROWTH_BYTES_MAX: usize = 400;

/// How a quotation that is shown stands to its source; one that its source does not say is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Standing {
    /// It stands in the source where it was indexed.
    Verified,
    /// It stands in the source, at another place than it was indexed.
    Moved,
}

/// What a check found.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    pub(super) standing: Standing,
    pub(super) place: Place,
    /// The words of the source: it may have changed in what does not count, and then these are the ones to show.
    pub(super) text: String,
    /// Where they stand in its text.
    pub(super) range: Range<usize>,
}

/// Why a quotation cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Loss {
    /// Its source is no longer there.
    Gone,
    /// Its source no longer says it.
    Changed,
    /// Its source cannot be read, and why not: it may say it still.
    Unread(String),
}

impl Loss {
    fn of(error: &Error) -> Self {
        match (error.kind(), SkipReason::of(error)) {
            (Kind::NotFound, _) => Self::Gone,
            (_, Some(SkipReason::Empty)) => Self::Changed,
            _ => Self::Unread(error.to_string()),
        }
    }
}

/// The sources of one answer, each read once.
#[derive(Debug)]
pub(super) struct Sources {
    index: Index,
    reader: Arc<Reader>,
    read: HashMap<String, Result<Arc<Source>, Loss>>,
}

impl Sources {
    pub(super) fn new(index: Index, reader: Arc<Reader>) -> Self {
        Self { index, reader, read: HashMap::new() }
    }

    /// Checks a quotation that was indexed at a range of a document's text.
    pub(super) async fn check(&mut self, path: &str, quote: &str, at: Range<usize>) -> Result<Result<Checked, Loss>> {
        let source = match self.source(path).await? {
            Ok(source) => source,
            Err(loss) => return Ok(Err(loss)),
        };
        let quote = quote.to_owned();
        blocking(move || Ok(source.check(&quote, at).ok_or(Loss::Changed))).await
    }

    async fn source(&mut self, path: &str) -> Result<Result<Arc<Source>, Loss>> {
        if let Some(source) = self.read.get(path) {
            return Ok(source.clone());
        }
        let (index, reader, name) = (self.index.clone(), Arc::clone(&self.reader), path.to_owned());
        let source = blocking(move || read_source(&index, &reader, &name)).await?.map(Arc::new);
        self.read.insert(path.to_owned(), source.clone());
        Ok(source)
    }
}

/// A source as it is now.
#[derive(Debug)]
struct Source {
    document: Document,
    /// Where its sentences are, if it is another text than the one that was indexed.
    changed: Option<Vec<Range<usize>>>,
}

impl Source {
    fn indexed(document: Document) -> Self {
        Self { document, changed: None }
    }

    fn changed(document: Document) -> Self {
        let sentences = quotable(&document.text, document.format).into_iter().map(|sentence| sentence.range).collect();
        Self { document, changed: Some(sentences) }
    }

    fn check(&self, quote: &str, at: Range<usize>) -> Option<Checked> {
        let text = &self.document.text;
        let (standing, range) = match check(quote, text, at) {
            Verdict::Verified { range } => (Standing::Verified, range),
            Verdict::Moved { range } => (Standing::Moved, range),
            Verdict::Unsupported => return None,
        };
        let range = self.whole(range)?;
        let place = Places::new(&self.document).place(range.clone());
        Some(Checked { standing, place, text: text[range.clone()].to_owned(), range })
    }

    /// Widens what was found in a changed text to whole sentences, unless they are too much: `within 30 days` may have
    /// become `within 30 days, if unused`, and must not be cut off before what was added.
    fn whole(&self, found: Range<usize>) -> Option<Range<usize>> {
        let Some(sentences) = &self.changed else { return Some(found) };
        let first = sentences.partition_point(|sentence| sentence.end <= found.start);
        let after = sentences.partition_point(|sentence| sentence.start < found.end);
        let whole = match sentences.get(first..after) {
            Some([first, .., last]) => first.start..last.end,
            Some([only]) => only.clone(),
            Some([]) | None => found.clone(),
        };
        let whole = whole.start.min(found.start)..whole.end.max(found.end);
        (whole.len() <= found.len() + GROWTH_BYTES_MAX).then_some(whole)
    }
}

fn read_source(index: &Index, reader: &Reader, path: &str) -> Result<Result<Source, Loss>> {
    let Some((document, hash)) = reader.table.read(|table| read::document(table, path))? else {
        return Ok(Err(Loss::Gone));
    };
    if path.starts_with("text:") {
        return Ok(Ok(Source::indexed(document))); // the index is its only home
    }
    let file = index.file_of(path);
    let source = look_at(&file).and_then(|()| hash_file(&file)).and_then(|now| match now == hash {
        true => Ok(Source::indexed(document)),
        false => index.loader().load(&file).map(|loaded| Source::changed(loaded.document)),
    });
    Ok(source.map_err(|error| Loss::of(&error)))
}

/// Checks that a file can be read without waiting for ever: a pipe or a device may stand in its place by now.
fn look_at(file: &Path) -> Result<()> {
    let metadata = match std::fs::metadata(file) {
        Ok(metadata) if metadata.is_dir() => Err(ErrorKind::NotFound.into()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => Err(ErrorKind::NotFound.into()),
        other => other,
    };
    let metadata = metadata.map_err(|error| Error::from(error).context(format!("reading `{}`", file.display())))?;
    if !metadata.is_file() {
        return Err(SkipReason::NotAFile.into_error(file));
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(SkipReason::TooLarge { bytes: metadata.len(), max: FILE_BYTES_MAX }.into_error(file));
    }
    Ok(())
}
