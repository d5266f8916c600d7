//! From a file to a [`Document`]. One file a format; `walk` finds the files, `worker` keeps a hostile one from
//! taking the process down.

#[cfg(feature = "code")]
pub mod code;
#[cfg(feature = "docling")]
pub mod docling;
pub mod worker;

use std::path::Path;

use lorewell_model::Result;

use crate::document::Document;

/// Turns the bytes of a file into a document.
///
/// A loader is a pure function of its input: no clock, no network, no other files.
pub trait Load: Send + Sync + std::fmt::Debug {
    /// Reads a document. `path` is only for the name and its ending; the bytes are the truth.
    ///
    /// # Errors
    /// [`Kind::BadInput`](lorewell_model::Kind::BadInput) if the bytes are not what the ending says or are damaged,
    /// with a message that a person can act on; [`Kind::Refused`](lorewell_model::Kind::Refused) if the file is
    /// encrypted; [`Kind::Limit`](lorewell_model::Kind::Limit) if it is too large or too deep.
    fn load(&self, path: &Path, bytes: &[u8]) -> Result<Document>;
}

/// Loads the bytes of a file by its ending.
///
/// # Errors
/// What the format's [`Load::load`] says.
pub fn load(path: &Path, bytes: &[u8]) -> Result<Document> {
    use lorewell_model::{Error, Kind};
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    match ending {
        #[cfg(feature = "docling")]
        "pdf" => docling::Pdf.load(path, bytes),
        #[cfg(feature = "docling")]
        "docx" => docling::Docx.load(path, bytes),
        #[cfg(feature = "code")]
        _ if code::Code::language(path).is_some() => code::Code.load(path, bytes),
        _ => {
            let _ = bytes;
            Err(Error::new(Kind::BadInput, format!("no loader for `{}`", path.display())))
        }
    }
}
