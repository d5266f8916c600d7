//! From a file to all that a commit needs: read, cut, hashed. Pure but for reading the file, so files are prepared in
//! parallel.

use std::path::Path;
use std::time::SystemTime;

use lorewell_embed::Embedder;
use lorewell_model::{Error, Kind, Result, ResultExt as _};

use super::table::{FileRow, FileState, NewChunk, NewDocument, PendingChunk};
use crate::chunk::{Chunker, CountTokens};
use crate::document::Format;
use crate::ids::ChunkId;
use crate::load::{Loaded, Loader, SkipReason};
use crate::place::Places;
use crate::sparse::{Terms, detect_language};

/// Tokens that the headings above a passage get, of those that an embedder reads. Four of them, each some words long.
pub(crate) const CONTEXT_TOKENS: usize = 32;
/// Stands between headings.
const SEPARATOR: &str = " > ";
/// Bytes read at a time when a file is hashed.
const HASH_BUFFER_BYTES: usize = 128 * 1024;

/// A file as the walk met it.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// The name it is stored under.
    pub(crate) path: String,
    /// Where it lies.
    pub(crate) file: std::path::PathBuf,
    pub(crate) bytes: u64,
    pub(crate) modified: i64,
    /// The content of the document that is stored under the path.
    pub(crate) known: Option<[u8; 32]>,
}

/// What became of a candidate.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// Its content is what is stored already.
    Unchanged(FileRow),
    /// Its content is new.
    Changed(Box<NewDocument>),
    /// It has nothing to index, and that is as it should be.
    Skipped(FileRow),
    /// It could not be read.
    Failed(FileRow),
}

/// What preparing needs.
#[derive(Clone, Copy)]
pub(crate) struct Tools<'a> {
    pub(crate) loader: &'a Loader,
    pub(crate) chunker: &'a dyn Chunker,
    pub(crate) count: CountTokens<'a>,
}

/// Prepares one file. A file that cannot be read is a result, too.
///
/// # Errors
/// [`Kind::Config`] if no file can be read, since the loaders do not start.
pub(crate) fn prepare(candidate: &Candidate, tools: Tools<'_>) -> Result<Prepared> {
    let error = match try_prepare(candidate, tools) {
        Err(error) if error.kind() == Kind::Config => return Err(error),
        Err(error) => error,
        prepared => return prepared,
    };
    if let Some(reason) = SkipReason::of(&error).filter(|reason| !reason.is_failure()) {
        return Ok(Prepared::Skipped(candidate.row(FileState::Skipped, Some(reason.to_string()), None)));
    }
    if is_of_the_content(error.kind()) {
        return Ok(Prepared::Failed(candidate.row(FileState::Failed, Some(error.to_string()), None)));
    }
    // Nothing is known of the content, so what was read of it before stands, and the next run tries again.
    let row = candidate.row(FileState::Failed, Some(error.to_string()), candidate.known);
    Ok(Prepared::Failed(FileRow { modified: 0, ..row }))
}

/// Tells whether an error says something of a file's content, which stays true until it changes.
fn is_of_the_content(kind: Kind) -> bool {
    matches!(kind, Kind::BadInput | Kind::BadOutput | Kind::Corrupt | Kind::Limit | Kind::Refused)
}

fn try_prepare(candidate: &Candidate, tools: Tools<'_>) -> Result<Prepared> {
    if let Some(known) = candidate.known
        && hash_file(&candidate.file)? == known
    {
        return Ok(Prepared::Unchanged(candidate.row(FileState::Indexed, None, Some(known))));
    }
    let loaded = tools.loader.load(&candidate.file)?;
    let row = FileRow { bytes: loaded.bytes, ..candidate.row(FileState::Indexed, None, Some(loaded.hash)) };
    Ok(Prepared::Changed(Box::new(cut(row, loaded, tools))))
}

/// Cuts a loaded document and hashes its chunks.
pub(crate) fn cut(file: FileRow, loaded: Loaded, tools: Tools<'_>) -> NewDocument {
    let document = loaded.document;
    let places = Places::new(&document);
    let language = if document.format == Format::Code { None } else { detect_language(&document.text) };
    let title = title(document.title.as_deref(), &file.path);
    let chunks = tools.chunker.chunk(&document, tools.count).into_iter().map(|chunk| {
        let text = &document.text[chunk.range.clone()];
        let words = digest(&[title, &file.path, &chunk.headings.join("\n"), text, language.unwrap_or_default()]);
        let meaning = digest(&[&meaning_of(document.title.as_deref(), &chunk.headings, text)]);
        NewChunk { place: places.place(chunk.range.clone()), words, meaning, chunk }
    });
    let chunks = chunks.collect();
    let date = document.date.clone().or_else(|| date_of(file.modified));
    NewDocument { language, date, chunks, document, file }
}

impl Candidate {
    /// Tells whether the file's content is what is stored, whatever its time says.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.known.is_some_and(|known| hash_file(&self.file).is_ok_and(|hash| hash == known))
    }

    fn row(&self, state: FileState, reason: Option<String>, hash: Option<[u8; 32]>) -> FileRow {
        FileRow { path: self.path.clone(), state, reason, bytes: self.bytes, modified: self.modified, hash }
    }
}

/// Returns what the sparse store indexes of a chunk.
pub(crate) fn words_of<'a>(new: &'a NewDocument, chunk: &'a NewChunk, id: ChunkId) -> Terms<'a> {
    Terms {
        id,
        title: title(new.document.title.as_deref(), &new.file.path),
        path: &new.file.path,
        headings: &chunk.chunk.headings,
        text: &new.document.text[chunk.chunk.range.clone()],
        language: new.language,
    }
}

/// Returns what a chunk means: the passage, under the title and headings that say what it is about.
fn meaning_of(title: Option<&str>, headings: &[String], text: &str) -> String {
    under(&context(title, headings), text)
}

/// Returns the text that is embedded for a chunk: what it means, less the outermost headings where the embedder
/// would not read to the end of the passage.
pub(crate) fn text_to_embed(chunk: &PendingChunk, embedder: &Embedder) -> String {
    let all = context(chunk.title.as_deref(), &chunk.headings);
    let room = (embedder.info().tokens_max as usize).saturating_sub(embedder.count_tokens(&chunk.text));
    let fits = |from: &usize| embedder.count_tokens(&all[*from..].join(SEPARATOR)) <= room;
    let from = (0..all.len()).find(fits).unwrap_or(all.len());
    under(&all[from..], &chunk.text)
}

fn context<'a>(title: Option<&'a str>, headings: &'a [String]) -> Vec<&'a str> {
    let title = title.filter(|title| headings.first().is_none_or(|first| first != title));
    title.into_iter().chain(headings.iter().map(String::as_str)).collect()
}

fn under(context: &[&str], text: &str) -> String {
    if context.is_empty() { text.to_owned() } else { format!("{}\n{text}", context.join(SEPARATOR)) }
}

/// A document without a title is known by its file's name.
pub(crate) fn title<'a>(title: Option<&'a str>, path: &'a str) -> &'a str {
    let stem = || Path::new(path).file_stem().and_then(|stem| stem.to_str());
    title.or_else(stem).unwrap_or_default()
}

fn digest(parts: &[&str]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    let mut digest = [0; 16];
    hasher.finalize_xof().fill(&mut digest);
    digest
}

/// Hashes a file without holding it in memory.
pub(crate) fn hash_file(path: &Path) -> Result<[u8; 32]> {
    // Opening a pipe that no one writes to would wait for ever, and a device may never end.
    let metadata = std::fs::metadata(path).context(|| format!("reading `{}`", path.display()))?;
    if !metadata.is_file() {
        return Err(Error::new(Kind::BadInput, format!("`{}` is not a regular file", path.display())));
    }
    let file = std::fs::File::open(path).context(|| format!("reading `{}`", path.display()))?;
    let mut reader = std::io::BufReader::with_capacity(HASH_BUFFER_BYTES, file);
    let mut hasher = blake3::Hasher::new();
    std::io::copy(&mut reader, &mut hasher).context(|| format!("reading `{}`", path.display()))?;
    Ok(*hasher.finalize().as_bytes())
}

/// Returns nanoseconds since the epoch; 0 where the file system does not say.
pub(crate) fn nanoseconds(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(0),
        Err(_) => 0,
    }
}

fn date_of(modified: i64) -> Option<String> {
    let since_epoch = i128::from(modified).abs(); // negative: not trusted, see `stamp`
    let timestamp = jiff::Timestamp::from_nanosecond(since_epoch).ok().filter(|_| modified != 0)?;
    Some(timestamp.to_zoned(jiff::tz::TimeZone::UTC).date().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meaning_of_a_chunk_names_each_heading_once() {
        let headings = ["Tea".to_owned(), "Water".to_owned()];
        assert_eq!(meaning_of(Some("Tea"), &headings, "80 degrees"), "Tea > Water\n80 degrees");
        assert_eq!(meaning_of(Some("Drinks"), &headings[..1], "80 degrees"), "Drinks > Tea\n80 degrees");
        assert_eq!(meaning_of(None, &[], "80 degrees"), "80 degrees");
    }

    #[test]
    fn a_day_is_known_even_if_its_time_stamp_is_not_trusted() {
        let noon = 1_767_268_800_000_000_000; // 2026-01-01T12:00:00Z
        assert_eq!(date_of(noon).as_deref(), Some("2026-01-01"));
        assert_eq!(date_of(-noon), date_of(noon));
        assert_eq!(date_of(0), None);
    }

    #[test]
    fn digests_keep_parts_apart() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
    }
}
