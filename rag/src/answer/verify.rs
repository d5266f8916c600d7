//! Holding quotations against their sources as they are now: a source that changed since it was indexed is read again,
//! so that nothing is shown as verified that the file no longer says.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use lorewell_model::Result;
use serde::Serialize;

use super::citation::{Verdict, check};
use crate::document::Document;
use crate::index::table::read;
use crate::index::{Index, Reader, blocking, hash_file};
use crate::place::{Place, Places};

/// How a quotation stands to its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Standing {
    /// It stands in the source where it was indexed.
    Verified,
    /// It stands in the source, at another place than it was indexed.
    Moved,
    /// The source does not say it, or is gone.
    Unsupported,
}

/// What a check found.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    pub(super) standing: Standing,
    pub(super) place: Place,
}

/// The sources of one answer, each read once.
#[derive(Debug)]
pub(super) struct Sources {
    index: Index,
    reader: Arc<Reader>,
    read: HashMap<String, Option<Arc<Document>>>,
}

impl Sources {
    pub(super) fn new(index: Index, reader: Arc<Reader>) -> Self {
        Self { index, reader, read: HashMap::new() }
    }

    /// Checks a quotation that was indexed at a range of a document's text.
    pub(super) async fn check(&mut self, path: &str, quote: &str, at: Range<usize>, place: &Place) -> Result<Checked> {
        let Some(source) = self.source(path).await? else {
            return Ok(Checked { standing: Standing::Unsupported, place: place.clone() });
        };
        let quote = quote.to_owned();
        let place = place.clone();
        blocking(move || {
            let (standing, range) = match check(&quote, &source.text, at) {
                Verdict::Verified { range } => (Standing::Verified, Some(range)),
                Verdict::Moved { range } => (Standing::Moved, Some(range)),
                Verdict::Unsupported => (Standing::Unsupported, None),
            };
            let place = range.map_or(place, |range| Places::new(&source).place(range));
            Ok(Checked { standing, place })
        })
        .await
    }

    async fn source(&mut self, path: &str) -> Result<Option<Arc<Document>>> {
        if let Some(source) = self.read.get(path) {
            return Ok(source.clone());
        }
        let (index, reader, name) = (self.index.clone(), Arc::clone(&self.reader), path.to_owned());
        let source = blocking(move || read_source(&index, &reader, &name)).await?.map(Arc::new);
        self.read.insert(path.to_owned(), source.clone());
        Ok(source)
    }
}

/// Reads a source as it is now; none if it is gone or cannot be read any more.
fn read_source(index: &Index, reader: &Reader, path: &str) -> Result<Option<Document>> {
    let Some((document, hash)) = reader.table.read(|table| read::document(table, path))? else { return Ok(None) };
    if path.starts_with("text:") {
        return Ok(Some(document)); // the index is its only home
    }
    let file = index.file_of(path);
    match hash_file(&file) {
        Ok(now) if now == hash => Ok(Some(document)),
        Ok(_) => Ok(index.loader().load(&file).ok().map(|loaded| loaded.document)),
        Err(_) => Ok(None),
    }
}
