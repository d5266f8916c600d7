//! Writing the table: a batch of files is planned against what is there, the stores get the new chunks first, and
//! then one transaction makes all of it true.

use std::collections::{HashMap, VecDeque};

use lorewell_model::Result;
use rusqlite::{Connection, OptionalExtension as _, Transaction};

use super::read::sources;
use super::{failed, is_under, meta, set_meta, signed, to_json, unsigned};
use crate::chunk::Chunk;
use crate::document::Document;
use crate::ids::ChunkId;
use crate::place::Place;

/// 128 bits of BLAKE3: enough that two different texts never meet.
pub(crate) type Digest = [u8; 16];

/// The state of a file in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileState {
    /// Its text is in the index.
    Indexed,
    /// It was left out on purpose.
    Skipped,
    /// It could not be read.
    Failed,
}

impl FileState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Indexed => "indexed",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }

    pub(super) fn from_name(name: &str) -> Self {
        match name {
            "indexed" => Self::Indexed,
            "skipped" => Self::Skipped,
            _ => Self::Failed,
        }
    }
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileRow {
    pub(crate) path: String,
    pub(crate) state: FileState,
    pub(crate) reason: Option<String>,
    pub(crate) bytes: u64,
    /// Nanoseconds since the epoch; negative if not to be trusted, 0 if not known.
    pub(crate) modified: i64,
    /// BLAKE3 of the content that the index holds.
    pub(crate) hash: Option<[u8; 32]>,
}

/// A chunk that was cut and hashed, not yet named.
#[derive(Debug, Clone)]
pub(crate) struct NewChunk {
    pub(crate) chunk: Chunk,
    pub(crate) place: Place,
    pub(crate) words: Digest,
    pub(crate) meaning: Digest,
}

/// A document that is to replace what was known under its path.
#[derive(Debug, Clone)]
pub(crate) struct NewDocument {
    pub(crate) file: FileRow,
    pub(crate) document: Document,
    /// Stated by the document, else the file's modification.
    pub(crate) date: Option<String>,
    /// ISO 639-3, where it could be told.
    pub(crate) language: Option<&'static str>,
    pub(crate) chunks: Vec<NewChunk>,
}

/// What one transaction changes.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Documents that are new or changed.
    pub(crate) documents: Vec<NewDocument>,
    /// Lines of the ledger for files whose document stays as it is: touched, skipped, failed.
    pub(crate) files: Vec<FileRow>,
    /// Paths whose documents and ledger lines go.
    pub(crate) gone: Vec<String>,
}

/// A planned chunk of a planned document.
#[derive(Debug)]
pub(crate) struct PlannedChunk {
    pub(crate) id: ChunkId,
    /// Position of the chunk in its document.
    pub(crate) index: usize,
    /// The words are in the sparse store already, under this id.
    pub(crate) kept: bool,
    /// A chunk with the same meaning that has a vector.
    pub(crate) vector_of: Option<ChunkId>,
    /// The vector is in the dense store already, under this id.
    pub(crate) embedded: bool,
}

/// What a batch comes to, given what the table holds.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// For each document of the batch, its chunks in order.
    pub(crate) documents: Vec<Vec<PlannedChunk>>,
    /// Chunks that leave the table.
    pub(crate) dead: Vec<ChunkId>,
    next_chunk: u64,
}

impl Plan {
    /// Names every chunk of a batch: a chunk whose words did not change keeps its name, and with it its entries in
    /// both stores; a chunk whose meaning is known under another name borrows that vector.
    pub(crate) fn make(connection: &Connection, batch: &Batch) -> Result<Self> {
        let mut plan = Self { next_chunk: meta(connection, "next_chunk")?, ..Self::default() };
        for document in &batch.documents {
            let old = old_chunks(connection, &document.file.path)?;
            plan.document(connection, document, old)?;
        }
        for path in batch.gone.iter().chain(batch.files.iter().filter(|file| !file.keeps_document()).map(|f| &f.path)) {
            plan.dead.extend(old_chunks(connection, path)?.into_iter().map(|old| old.id));
        }
        Ok(plan)
    }

    fn document(&mut self, connection: &Connection, document: &NewDocument, old: Vec<OldChunk>) -> Result<()> {
        let mut kept: HashMap<Digest, VecDeque<OldChunk>> = HashMap::new();
        for chunk in old {
            kept.entry(chunk.words).or_default().push_back(chunk);
        }
        let mut planned = Vec::with_capacity(document.chunks.len());
        for (index, chunk) in document.chunks.iter().enumerate() {
            let same = kept.get_mut(&chunk.words).and_then(VecDeque::pop_front);
            planned.push(match same {
                Some(old) if old.meaning == chunk.meaning => {
                    PlannedChunk { id: old.id, index, kept: true, vector_of: None, embedded: old.embedded }
                }
                other => {
                    self.dead.extend(other.map(|old| old.id));
                    let id = ChunkId(self.next_chunk);
                    self.next_chunk += 1;
                    let vector_of = chunk_with_vector(connection, &chunk.meaning)?;
                    PlannedChunk { id, index, kept: false, vector_of, embedded: false }
                }
            });
        }
        self.dead.extend(kept.into_values().flatten().map(|old| old.id));
        self.documents.push(planned);
        Ok(())
    }
}

impl FileRow {
    /// A touched file keeps its document, and so does one that could not be reached just now; one that is skipped, or
    /// whose content is at fault, loses the one it had.
    pub(crate) fn keeps_document(&self) -> bool {
        match self.state {
            FileState::Indexed => true,
            FileState::Failed => self.hash.is_some(),
            FileState::Skipped => false,
        }
    }
}

struct OldChunk {
    id: ChunkId,
    words: Digest,
    meaning: Digest,
    embedded: bool,
}

fn old_chunks(connection: &Connection, path: &str) -> Result<Vec<OldChunk>> {
    let sql = "SELECT c.id, c.words, c.meaning, c.embedded FROM chunks c JOIN documents d ON d.id = c.document \
               WHERE d.path = ?1 ORDER BY c.start";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let rows = statement.query_map([path], |row| {
        let id = ChunkId(unsigned(row.get(0)?));
        Ok(OldChunk { id, words: row.get(1)?, meaning: row.get(2)?, embedded: row.get(3)? })
    });
    rows.map_err(failed)?.collect::<rusqlite::Result<_>>().map_err(failed)
}

/// Finds a chunk with a meaning whose vector there is.
pub(crate) fn chunk_with_vector(connection: &Connection, meaning: &Digest) -> Result<Option<ChunkId>> {
    let sql = "SELECT id FROM chunks WHERE meaning = ?1 AND embedded = 1 LIMIT 1";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let id = statement.query_row([meaning], |row| row.get::<_, i64>(0)).optional().map_err(failed)?;
    Ok(id.map(|id| ChunkId(unsigned(id))))
}

/// Makes a planned batch true in one transaction. `buried` are journalled chunks that have left the stores.
pub(crate) fn apply(connection: &mut Connection, batch: &Batch, plan: &Plan, buried: &[ChunkId]) -> Result<()> {
    let transaction = connection.transaction().map_err(failed)?;
    for path in &batch.gone {
        remove_document(&transaction, path)?;
        transaction.execute("DELETE FROM files WHERE path = ?1", [path]).map_err(failed)?;
    }
    for file in &batch.files {
        if !file.keeps_document() {
            remove_document(&transaction, &file.path)?;
        }
        put_file(&transaction, file)?;
    }
    for (document, planned) in batch.documents.iter().zip(&plan.documents) {
        put_document(&transaction, document, planned)?;
        put_file(&transaction, &document.file)?;
    }
    for chunk in &plan.dead {
        let sql = "INSERT OR IGNORE INTO dead VALUES (?1)";
        transaction.prepare_cached(sql).map_err(failed)?.execute([signed(chunk.0)]).map_err(failed)?;
    }
    for chunk in buried {
        let sql = "DELETE FROM dead WHERE chunk = ?1";
        transaction.prepare_cached(sql).map_err(failed)?.execute([signed(chunk.0)]).map_err(failed)?;
    }
    set_meta(&transaction, "next_chunk", plan.next_chunk.max(meta(&transaction, "next_chunk")?))?;
    commit(transaction)
}

/// Notes which chunks have a durable vector.
pub(crate) fn mark_embedded(connection: &mut Connection, chunks: &[ChunkId], embedded: bool) -> Result<()> {
    if chunks.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction().map_err(failed)?;
    for chunk in chunks {
        let sql = "UPDATE chunks SET embedded = ?2 WHERE id = ?1";
        transaction.prepare_cached(sql).map_err(failed)?.execute((signed(chunk.0), embedded)).map_err(failed)?;
    }
    commit(transaction)
}

/// Ends a transaction under the next commit number, by which readers notice that the table has changed.
fn commit(transaction: Transaction<'_>) -> Result<()> {
    set_meta(&transaction, "commit", meta(&transaction, "commit")? + 1)?;
    transaction.commit().map_err(failed)
}

fn remove_document(transaction: &Transaction<'_>, path: &str) -> Result<()> {
    let sql = "DELETE FROM chunks WHERE document = (SELECT id FROM documents WHERE path = ?1)";
    transaction.execute(sql, [path]).map_err(failed)?;
    transaction.execute("DELETE FROM documents WHERE path = ?1", [path]).map_err(failed)?;
    Ok(())
}

fn put_file(transaction: &Transaction<'_>, file: &FileRow) -> Result<()> {
    let sql =
        "INSERT OR REPLACE INTO files (path, state, reason, bytes, modified, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let values = (&file.path, file.state.name(), &file.reason, signed(file.bytes), file.modified, &file.hash);
    transaction.prepare_cached(sql).map_err(failed)?.execute(values).map_err(failed)?;
    Ok(())
}

fn put_document(transaction: &Transaction<'_>, new: &NewDocument, planned: &[PlannedChunk]) -> Result<()> {
    remove_document(transaction, &new.file.path)?;
    let document = &new.document;
    let sql = "INSERT INTO documents (path, hash, format, title, date, tags, layout, text) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let values = (
        &new.file.path,
        new.file.hash.expect("a document's file was read, so it has a hash"),
        document.format.name(),
        &document.title,
        &new.date,
        to_json(&document.tags),
        to_json(&document.layout()),
        document.text.as_bytes(),
    );
    transaction.prepare_cached(sql).map_err(failed)?.execute(values).map_err(failed)?;
    let id = transaction.last_insert_rowid();
    for chunk in planned {
        put_chunk(transaction, id, &new.chunks[chunk.index], chunk)?;
    }
    Ok(())
}

fn put_chunk(transaction: &Transaction<'_>, document: i64, new: &NewChunk, planned: &PlannedChunk) -> Result<()> {
    let sql = "INSERT INTO chunks (id, document, start, stop, headings, place, words, meaning, embedded) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let values = (
        signed(planned.id.0),
        document,
        signed(new.chunk.range.start as u64),
        signed(new.chunk.range.end as u64),
        to_json(&new.chunk.headings),
        to_json(&new.place),
        new.words,
        new.meaning,
        planned.embedded || planned.vector_of.is_some(),
    );
    transaction.prepare_cached(sql).map_err(failed)?.execute(values).map_err(failed)?;
    Ok(())
}

/// Notes a path that was asked to be ingested.
pub(crate) fn add_source(connection: &Connection, path: &str) -> Result<()> {
    connection.execute("INSERT OR IGNORE INTO sources VALUES (?1)", [path]).map_err(failed)?;
    Ok(())
}

/// Forgets a path that was asked to be ingested, and all below it. Tells whether there was one.
pub(crate) fn remove_sources(connection: &Connection, root: &str) -> Result<bool> {
    let below: Vec<String> = sources(connection)?.into_iter().filter(|path| is_under(path, root)).collect();
    for path in &below {
        connection.execute("DELETE FROM sources WHERE path = ?1", [path]).map_err(failed)?;
    }
    Ok(!below.is_empty())
}
