//! From a file to a [`Document`]. One file a format; `walk` finds the files, `detect` says what they are, `worker`
//! keeps a hostile one from taking the process down.

use std::path::Path;

use lorewell_model::{Error, Kind, Result, ResultExt};

use detect::ByName;

use crate::document::{Document, Format};

mod check;
#[cfg(feature = "code")]
mod code;
mod csv;
mod decode;
mod detect;
#[cfg(feature = "docling")]
mod docling;
mod front_matter;
mod html;
mod json;
mod markdown;
mod outline;
mod pieces;
mod skip;
mod text;
mod walk;
mod worker;

#[cfg(test)]
mod tests;

pub use self::csv::Csv;
#[cfg(feature = "code")]
pub use code::Code;
pub use detect::{Detected, detect};
#[cfg(feature = "docling")]
pub use docling::{Docx, Pdf};
pub use html::Html;
pub use json::{Json, Jsonl};
pub use markdown::Markdown;
pub use skip::SkipReason;
pub use text::{CodeLines, Text};
pub use walk::{FILE_BYTES_MAX, Found, IGNORE_FILE, Skipped, WalkOptions, Walked, walk};
pub use worker::{Limits, Loaded, Loader, Worker, serve, serve_with};

/// Counts the versions of the loaders. A higher one has all files read again: say so where a loader reads more, or
/// better, than it did.
pub(crate) const LOADERS: u64 = 2;

/// Turns the bytes of a file into a document.
///
/// A loader is a pure function of its input: no clock, no network, no other files.
pub trait Load: Send + Sync + std::fmt::Debug {
    /// Reads a document. `path` is only for the name and its ending; the bytes are the truth.
    ///
    /// # Errors
    /// [`Kind::BadInput`] if the bytes are not what the ending says or are damaged,
    /// with a message that a person can act on; [`Kind::Refused`] if the file is
    /// encrypted; [`Kind::Limit`] if it is too large or too deep.
    fn load(&self, path: &Path, bytes: &[u8]) -> Result<Document>;
}

/// Loads a file of any format that is known: detects what it is and gives it to that format's loader.
///
/// ```
/// use std::path::Path;
///
/// let document = lorewell_rag::load::load(Path::new("a.md"), b"# Refunds\n\nWithin 30 days.")?;
/// assert_eq!(document.title.as_deref(), Some("Refunds"));
/// assert_eq!(document.heading_path(20), ["Refunds"]);
/// # Ok::<(), lorewell_model::Error>(())
/// ```
///
/// # Errors
/// Those of [`detect`] and of [`Load::load`].
pub fn load(path: &Path, bytes: &[u8]) -> Result<Document> {
    let detected = detect(path, bytes).map_err(|reason| reason.into_error(path))?;
    let mut document = match detected.format {
        Format::Text => Text.load(path, bytes),
        Format::Markdown => Markdown.load(path, bytes),
        Format::Html => Html.load(path, bytes),
        Format::Json => Json.load(path, bytes),
        Format::Jsonl => Jsonl.load(path, bytes),
        Format::Csv => Csv.load(path, bytes),
        Format::Code => code(path, bytes),
        Format::Pdf | Format::Docx => paged(path, bytes, detected.format),
    }?;
    if document.language.is_none() {
        document.language = detected.language.map(str::to_owned);
    }
    check::check(&document, bytes)
        .map_err(|fault| Error::new(Kind::Internal, format!("loading `{}`: {fault}", path.display())))?;
    Ok(document)
}

/// Reads a text file whole, decoded, as its line numbers count: with markup and front matter.
///
/// # Errors
/// If it cannot be read, is no regular file or is larger than [`FILE_BYTES_MAX`].
pub fn read_text(path: &Path) -> Result<String> {
    let reading = || format!("reading `{}`", path.display());
    let metadata = std::fs::metadata(path).context(reading)?;
    if !metadata.is_file() {
        return Err(SkipReason::NotAFile.into_error(path));
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(SkipReason::TooLarge { bytes: metadata.len(), max: FILE_BYTES_MAX }.into_error(path));
    }
    let bytes = std::fs::read(path).context(reading)?;
    let is_html = matches!(detect::by_name(path), ByName::Known(known) if known.format == Format::Html);
    let decoded = if is_html { decode::decode_html(&bytes) } else { decode::decode(&bytes) };
    Ok(decoded.text)
}

/// Reads source code by its structure where there is a grammar for it, else by lines.
fn code(path: &Path, bytes: &[u8]) -> Result<Document> {
    #[cfg(feature = "code")]
    if code::Code::language(path).is_some() && std::str::from_utf8(bytes).is_ok() {
        return code::Code.load(path, bytes);
    }
    CodeLines.load(path, bytes)
}

#[cfg(feature = "docling")]
fn paged(path: &Path, bytes: &[u8], format: Format) -> Result<Document> {
    if format == Format::Pdf { docling::Pdf.load(path, bytes) } else { docling::Docx.load(path, bytes) }
}

#[cfg(not(feature = "docling"))]
fn paged(path: &Path, _bytes: &[u8], format: Format) -> Result<Document> {
    let message = format!(
        "`{}` needs the `docling` feature to be read as {}; add `features = [\"docling\"]`",
        path.display(),
        format.name()
    );
    Err(Error::new(Kind::Config, message))
}
