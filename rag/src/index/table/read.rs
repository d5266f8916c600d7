//! Reading the table. Every function runs inside one transaction of [`Table::read`](super::Table::read), so what a
//! query sees belongs to one commit.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use lorewell_model::{Error, Kind, Result};
use rusqlite::blob::Blob;
use rusqlite::{Connection, MAIN_DB, OptionalExtension as _, Row};

use super::write::{Digest, FileRow, FileState};
use super::{failed, is_under, json, signed, unsigned};
use crate::document::{Document, Format};
use crate::ids::{ChunkId, Scored};
use crate::place::Place;

/// A chunk as a hit shows it.
#[derive(Debug, Clone)]
pub(crate) struct ChunkRow {
    pub(crate) path: String,
    pub(crate) format: Format,
    pub(crate) title: Option<String>,
    pub(crate) date: Option<String>,
    pub(crate) headings: Vec<String>,
    pub(crate) range: Range<usize>,
    pub(crate) place: Place,
    pub(crate) text: String,
}

/// A chunk that waits for its vector.
#[derive(Debug, Clone)]
pub(crate) struct PendingChunk {
    pub(crate) id: ChunkId,
    pub(crate) meaning: Digest,
    pub(crate) title: Option<String>,
    pub(crate) headings: Vec<String>,
    pub(crate) text: String,
}

/// A document as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DocumentRow {
    pub(crate) id: i64,
    pub(crate) path: String,
    pub(crate) format: Format,
    pub(crate) title: Option<String>,
    pub(crate) date: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) bytes: u64,
    pub(crate) chunks: u64,
}

/// What a filter is applied to.
#[derive(Debug, Clone)]
pub(crate) struct Filtered {
    pub(crate) id: i64,
    pub(crate) path: String,
    pub(crate) format: Format,
    pub(crate) date: Option<String>,
    pub(crate) tags: Vec<String>,
}

/// Reads the whole ledger.
pub(crate) fn files(connection: &Connection) -> Result<HashMap<String, FileRow>> {
    let sql = "SELECT path, state, reason, bytes, modified, hash FROM files";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let rows = statement.query_map([], file_row).map_err(failed)?;
    rows.map(|row| row.map(|file| (file.path.clone(), file)).map_err(failed)).collect()
}

/// Reads the ledger lines of the files at or below a name.
pub(crate) fn files_under(connection: &Connection, root: &str) -> Result<HashMap<String, FileRow>> {
    if root.is_empty() {
        let mut found = files(connection)?;
        found.retain(|path, _| is_under(path, root));
        return Ok(found);
    }
    let sql = "SELECT path, state, reason, bytes, modified, hash FROM files \
               WHERE path = ?1 OR (path > ?2 || '/' AND path < ?2 || '0')"; // '0' follows '/'
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let rows = statement.query_map([root, root.trim_end_matches('/')], file_row).map_err(failed)?;
    rows.map(|row| row.map(|file| (file.path.clone(), file)).map_err(failed)).collect()
}

/// Reads one line of the ledger.
pub(crate) fn file(connection: &Connection, path: &str) -> Result<Option<FileRow>> {
    let sql = "SELECT path, state, reason, bytes, modified, hash FROM files WHERE path = ?1";
    connection.query_row(sql, [path], file_row).optional().map_err(failed)
}

fn file_row(row: &Row<'_>) -> rusqlite::Result<FileRow> {
    let state: String = row.get(1)?;
    Ok(FileRow {
        path: row.get(0)?,
        state: FileState::from_name(&state),
        reason: row.get(2)?,
        bytes: unsigned(row.get(3)?),
        modified: row.get(4)?,
        hash: row.get(5)?,
    })
}

/// Reads the chunks that are live among some ids.
pub(crate) fn chunks(connection: &Connection, ids: &[ChunkId]) -> Result<HashMap<ChunkId, ChunkRow>> {
    let mut found = HashMap::with_capacity(ids.len());
    for id in ids {
        if let Some(row) = chunk(connection, *id)? {
            found.insert(*id, row);
        }
    }
    Ok(found)
}

/// Keeps what is live of a scored list.
pub(crate) fn live(connection: &Connection, mut found: Vec<Scored>) -> Result<Vec<Scored>> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM chunks WHERE id = ?1").map_err(failed)?;
    let mut error = None;
    found.retain(|scored| match statement.exists([signed(scored.id.0)]) {
        Ok(exists) => exists,
        Err(broken) => {
            error.get_or_insert(broken);
            false
        }
    });
    error.map_or(Ok(found), |error| Err(failed(error)))
}

fn chunk(connection: &Connection, id: ChunkId) -> Result<Option<ChunkRow>> {
    let sql = "SELECT c.document, d.path, d.format, d.title, d.date, c.headings, c.start, c.stop, c.place \
               FROM chunks c JOIN documents d ON d.id = c.document WHERE c.id = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query([signed(id.0)]).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
    let document: i64 = row.get(0).map_err(failed)?;
    let range = range(row, 6).map_err(failed)?;
    Ok(Some(ChunkRow {
        path: row.get(1).map_err(failed)?,
        format: format(row.get_ref(2).map_err(failed)?.as_str().unwrap_or_default())?,
        title: row.get(3).map_err(failed)?,
        date: row.get(4).map_err(failed)?,
        headings: json(&row.get::<_, String>(5).map_err(failed)?)?,
        text: passage(connection, document, &range)?,
        range,
        place: json(&row.get::<_, String>(8).map_err(failed)?)?,
    }))
}

fn range(row: &Row<'_>, column: usize) -> rusqlite::Result<Range<usize>> {
    let bound = |column| row.get::<_, i64>(column).map(|value| usize::try_from(value).unwrap_or(0));
    Ok(bound(column)?..bound(column + 1)?)
}

fn format(name: &str) -> Result<Format> {
    let unknown = || Error::new(Kind::Corrupt, format!("the document table knows no format `{name}`"));
    Format::from_name(name).ok_or_else(unknown)
}

/// Reads a slice of a document's text.
fn passage(connection: &Connection, document: i64, range: &Range<usize>) -> Result<String> {
    Passages::new(connection).read(document, range)
}

/// Reads slices of documents' texts without reading the rest. SQLite finds its way into a large text page by page, so
/// the text that was read last is kept open for the next slice of it.
struct Passages<'c> {
    connection: &'c Connection,
    open: Option<(i64, Blob<'c>)>,
}

impl<'c> Passages<'c> {
    fn new(connection: &'c Connection) -> Self {
        Self { connection, open: None }
    }

    fn read(&mut self, document: i64, range: &Range<usize>) -> Result<String> {
        let blob = match self.open.take().filter(|(open, _)| *open == document) {
            Some((_, blob)) => blob,
            None => self.connection.blob_open(MAIN_DB, "documents", "text", document, true).map_err(failed)?,
        };
        let mut bytes = vec![0; range.len()];
        blob.read_at_exact(&mut bytes, range.start).map_err(failed)?;
        self.open = Some((document, blob));
        let broken = |_| Error::new(Kind::Corrupt, "a chunk's range does not lie on character boundaries");
        String::from_utf8(bytes).map_err(broken)
    }
}

/// Reads the next chunks without a vector, by id. `after` is exclusive.
pub(crate) fn pending(connection: &Connection, after: ChunkId, limit: usize) -> Result<Vec<PendingChunk>> {
    let sql = "SELECT c.id, c.meaning, d.title, c.headings, c.document, c.start, c.stop \
               FROM chunks c JOIN documents d ON d.id = c.document \
               WHERE c.embedded = 0 AND c.id > ?1 ORDER BY c.id LIMIT ?2";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query((signed(after.0), signed(limit as u64))).map_err(failed)?;
    let mut pending = Vec::new();
    let mut text = Passages::new(connection);
    while let Some(row) = rows.next().map_err(failed)? {
        let document = row.get(4).map_err(failed)?;
        pending.push(PendingChunk {
            id: ChunkId(unsigned(row.get(0).map_err(failed)?)),
            meaning: row.get(1).map_err(failed)?,
            title: row.get(2).map_err(failed)?,
            headings: json(&row.get::<_, String>(3).map_err(failed)?)?,
            text: text.read(document, &range(row, 5).map_err(failed)?)?,
        });
    }
    Ok(pending)
}

/// Counts the rows that a query names.
pub(crate) fn count(connection: &Connection, table_and_condition: &'static str) -> Result<u64> {
    let sql = format!("SELECT count(*) FROM {table_and_condition}");
    connection.query_row(&sql, [], |row| row.get(0)).map(unsigned).map_err(failed)
}

/// Counts the files in each state.
pub(crate) fn file_counts(connection: &Connection) -> Result<BTreeMap<String, u64>> {
    let mut statement = connection.prepare("SELECT state, count(*) FROM files GROUP BY state").map_err(failed)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, unsigned(row.get(1)?)))).map_err(failed)?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed)
}

/// Reads a document whole, with the hash of the file it came from.
pub(crate) fn document(connection: &Connection, path: &str) -> Result<Option<(Document, [u8; 32])>> {
    let sql = "SELECT layout, text, hash FROM documents WHERE path = ?1";
    let row = connection.query_row(sql, [path], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, [u8; 32]>(2)?))
    });
    let Some((layout, text, hash)) = row.optional().map_err(failed)? else { return Ok(None) };
    let broken = |_| Error::new(Kind::Corrupt, format!("the stored text of `{path}` is not UTF-8"));
    let text = String::from_utf8(text).map_err(broken)?;
    Ok(Some((Document { text, ..json(&layout)? }, hash)))
}

/// Lists all documents, by path.
pub(crate) fn documents(connection: &Connection) -> Result<Vec<DocumentRow>> {
    let sql = "SELECT d.id, d.path, d.format, d.title, d.date, d.tags, f.bytes, \
               (SELECT count(*) FROM chunks c WHERE c.document = d.id) \
               FROM documents d JOIN files f ON f.path = d.path ORDER BY d.path";
    let mut statement = connection.prepare(sql).map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut documents = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        documents.push(DocumentRow {
            id: row.get(0).map_err(failed)?,
            path: row.get(1).map_err(failed)?,
            format: format(row.get_ref(2).map_err(failed)?.as_str().unwrap_or_default())?,
            title: row.get(3).map_err(failed)?,
            date: row.get(4).map_err(failed)?,
            tags: json(&row.get::<_, String>(5).map_err(failed)?)?,
            bytes: unsigned(row.get(6).map_err(failed)?),
            chunks: unsigned(row.get(7).map_err(failed)?),
        });
    }
    Ok(documents)
}

/// Reads what filters look at, of every document.
pub(crate) fn filtered(connection: &Connection) -> Result<Vec<Filtered>> {
    let mut statement =
        connection.prepare_cached("SELECT id, path, format, date, tags FROM documents").map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        found.push(Filtered {
            id: row.get(0).map_err(failed)?,
            path: row.get(1).map_err(failed)?,
            format: format(row.get_ref(2).map_err(failed)?.as_str().unwrap_or_default())?,
            date: row.get(3).map_err(failed)?,
            tags: json(&row.get::<_, String>(4).map_err(failed)?)?,
        });
    }
    Ok(found)
}

/// Lists the chunks of a document, ascending.
pub(crate) fn chunks_of(connection: &Connection, document: i64) -> Result<Vec<ChunkId>> {
    let sql = "SELECT id FROM chunks WHERE document = ?1 ORDER BY id";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    ids(&mut statement.query([document]).map_err(failed)?)
}

/// Lists the chunks that a query names, ascending.
pub(crate) fn chunk_ids(connection: &Connection, from: IdsOf) -> Result<Vec<ChunkId>> {
    let sql = match from {
        IdsOf::Live => "SELECT id FROM chunks ORDER BY id",
        IdsOf::Embedded => "SELECT id FROM chunks WHERE embedded = 1 ORDER BY id",
        IdsOf::Dead => "SELECT chunk FROM dead ORDER BY chunk",
    };
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    ids(&mut statement.query([]).map_err(failed)?)
}

/// Which ids to list.
#[derive(Debug, Clone, Copy)]
pub(crate) enum IdsOf {
    /// All chunks of the table.
    Live,
    /// Those that have a vector.
    Embedded,
    /// Those that the journal still has to take out of the stores.
    Dead,
}

fn ids(rows: &mut rusqlite::Rows<'_>) -> Result<Vec<ChunkId>> {
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        found.push(ChunkId(unsigned(row.get(0).map_err(failed)?)));
    }
    Ok(found)
}

/// Lists what was asked to be ingested.
pub(crate) fn sources(connection: &Connection) -> Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT path FROM sources ORDER BY path").map_err(failed)?;
    let rows = statement.query_map([], |row| row.get(0)).map_err(failed)?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed)
}
