//! Memories as rows: how one is stored, read, changed and taken out. All of it happens within a transaction of the caller, so
//! text, words and vector are never apart.

use std::sync::Arc;

use lorewell_model::{Error, Kind, Origin, Result};
use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, Row, Transaction, params, params_from_iter};

use super::database::{Fault, Work};
use super::filter::{Clause, origin_name, origin_of};
use super::item::{MemoryId, MemoryItem, MemoryKind, MemorySource, Statement, content_hash, retention};
use super::time::time;
use super::words;

/// All of a memory, in the order of [`item`].
const COLUMNS: &str = "memories.id, namespaces.path, kind, text, hash, origin, thread, message, document, importance, created, \
    updated, used, uses, valid_from, valid_to, expires, entity, attribute, value";

/// A memory that is about to be stored.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) kind: MemoryKind,
    pub(super) text: String,
    pub(super) statement: Option<Statement>,
    pub(super) origin: Origin,
    pub(super) source: MemorySource,
    pub(super) importance: f32,
    pub(super) valid_from: Option<i64>,
    pub(super) valid_to: Option<i64>,
    pub(super) expires: Option<i64>,
    pub(super) vector: Option<Vec<f32>>,
}

/// Finds a namespace.
pub(super) fn namespace(transaction: &Transaction<'_>, path: &str) -> Work<Option<i64>> {
    let sql = "SELECT id FROM namespaces WHERE path = ?1";
    Ok(transaction.prepare_cached(sql)?.query_row([path], |row| row.get(0)).optional()?)
}

/// Finds a namespace, making it if there is none.
pub(super) fn make_namespace(transaction: &Transaction<'_>, path: &str) -> Work<i64> {
    transaction.prepare_cached("INSERT OR IGNORE INTO namespaces (path) VALUES (?1)")?.execute([path])?;
    let made = namespace(transaction, path)?;
    made.ok_or_else(|| Fault::corrupt(format_args!("the namespace `{path}` cannot be found")))
}

/// Takes a namespace out that holds nothing any more: its path names somebody too.
pub(super) fn drop_if_empty(transaction: &Transaction<'_>, namespace: i64) -> Work<()> {
    let sql = "DELETE FROM namespaces WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM memories WHERE namespace = ?1)
        AND NOT EXISTS (SELECT 1 FROM versions WHERE namespace = ?1)";
    transaction.prepare_cached(sql)?.execute([namespace])?;
    Ok(())
}

/// Stores a memory, with its words and its vector. Returns its row.
pub(super) fn insert(transaction: &Transaction<'_>, namespace: i64, draft: &Draft, now: i64) -> Work<(i64, MemoryId)> {
    let id = MemoryId::random()?;
    let terms = words::terms(&draft.text);
    let sql =
        "INSERT INTO memories (id, namespace, kind, text, hash, origin, thread, message, document, importance, created,
        updated, used, uses, valid_from, valid_to, expires, entity, attribute, value, terms)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, ?11, 0, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";
    let (source, statement) = (&draft.source, draft.statement.as_ref());
    transaction.prepare_cached(sql)?.execute(params![
        id.to_string(),
        namespace,
        draft.kind.name(),
        draft.text,
        content_hash(draft.kind, &draft.text),
        origin_name(draft.origin),
        source.thread,
        source.message,
        source.document,
        draft.importance,
        now,
        draft.valid_from,
        draft.valid_to,
        draft.expires,
        statement.map(|statement| &statement.entity),
        statement.map(|statement| &statement.attribute),
        statement.map(|statement| &statement.value),
        terms.values().sum::<u32>(),
    ])?;
    let row = transaction.last_insert_rowid();
    words::insert(transaction, namespace, row, &terms)?;
    set_vector(transaction, row, draft.vector.as_deref())?;
    Ok((row, id))
}

/// Gives a memory another text, and another vector or none yet.
pub(super) fn set_text(transaction: &Transaction<'_>, row: i64, item: &MemoryItem, change: &Change<'_>) -> Work<()> {
    let terms = words::terms(change.text);
    let namespace: i64 =
        transaction.query_row("SELECT namespace FROM memories WHERE row = ?1", [row], |row| row.get(0))?;
    let sql =
        "UPDATE memories SET text = ?2, hash = ?3, origin = ?4, updated = ?5, used = ?5, terms = ?6 WHERE row = ?1";
    transaction.prepare_cached(sql)?.execute(params![
        row,
        change.text,
        content_hash(item.kind, change.text),
        origin_name(change.origin),
        change.now,
        terms.values().sum::<u32>(),
    ])?;
    transaction.prepare_cached("DELETE FROM postings WHERE memory = ?1")?.execute([row])?;
    words::insert(transaction, namespace, row, &terms)?;
    set_vector(transaction, row, change.vector)
}

/// What a text is changed to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change<'a> {
    pub(super) text: &'a str,
    pub(super) origin: Origin,
    pub(super) vector: Option<&'a [f32]>,
    pub(super) now: i64,
}

fn set_vector(transaction: &Transaction<'_>, row: i64, vector: Option<&[f32]>) -> Work<()> {
    transaction.prepare_cached("DELETE FROM vectors WHERE memory = ?1")?.execute([row])?;
    if let Some(vector) = vector {
        let sql = "INSERT INTO vectors (memory, value) VALUES (?1, ?2)";
        transaction.prepare_cached(sql)?.execute(params![row, bytes(vector)])?;
    }
    Ok(())
}

/// A vector as it is stored.
pub(super) fn bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Takes a memory out, and all that was made of it.
pub(super) fn delete(transaction: &Transaction<'_>, row: i64, id: MemoryId) -> Work<()> {
    transaction.prepare_cached("DELETE FROM memories WHERE row = ?1")?.execute([row])?;
    transaction.prepare_cached("DELETE FROM versions WHERE id = ?1")?.execute([id.to_string()])?;
    Ok(())
}

/// Finds a memory of a namespace.
pub(super) fn find(transaction: &Transaction<'_>, namespace: i64, id: MemoryId) -> Work<Option<(i64, MemoryItem)>> {
    let clause = Clause { sql: "memories.id = ?".to_owned(), values: vec![id.to_string().into()] };
    Ok(select(transaction, namespace, &clause, 1)?.pop())
}

/// Finds what has exactly this text, and still is so.
pub(super) fn duplicate(
    transaction: &Transaction<'_>,
    namespace: i64,
    draft: &Draft,
) -> Work<Option<(i64, MemoryItem)>> {
    let hash = content_hash(draft.kind, &draft.text).to_vec();
    let sql = "memories.hash = ? AND memories.entity IS NULL AND memories.valid_to IS NULL";
    let clause = Clause { sql: sql.to_owned(), values: vec![hash.into()] };
    Ok(select(transaction, namespace, &clause, 1)?.pop())
}

/// Reads memories that fit, in the order in which they were stored.
pub(super) fn select(
    transaction: &Transaction<'_>,
    namespace: i64,
    clause: &Clause,
    count: usize,
) -> Work<Vec<(i64, MemoryItem)>> {
    let sql = format!(
        "SELECT memories.row, {COLUMNS} FROM memories JOIN namespaces ON namespaces.id = memories.namespace
        WHERE memories.namespace = ? AND {} ORDER BY memories.row LIMIT ?",
        clause.sql
    );
    let values = [namespace.into()].into_iter().chain(clause.values.iter().cloned());
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let values = values.chain([count.into()]);
    let mut statement = transaction.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| Ok((row.get(0)?, item(row)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Reads the columns after the first.
fn item(row: &Row<'_>) -> rusqlite::Result<MemoryItem> {
    let entity: Option<String> = row.get(18)?;
    let statement = entity
        .map(|entity| Ok::<_, rusqlite::Error>(Statement { entity, attribute: row.get(19)?, value: row.get(20)? }))
        .transpose()?;
    Ok(MemoryItem {
        id: id(row, 1)?,
        namespace: Arc::from(row.get::<_, String>(2)?),
        kind: kind(row, 3)?,
        text: row.get(4)?,
        hash: row.get(5)?,
        origin: origin(row, 6)?,
        source: source(row, 7)?,
        importance: row.get(10)?,
        created: time(row.get(11)?)?,
        updated: time(row.get(12)?)?,
        used: time(row.get(13)?)?,
        uses: row.get::<_, i64>(14)?.cast_unsigned(),
        valid_from: row.get::<_, Option<i64>>(15)?.map(time).transpose()?,
        valid_to: row.get::<_, Option<i64>>(16)?.map(time).transpose()?,
        expires: row.get::<_, Option<i64>>(17)?.map(time).transpose()?,
        statement,
    })
}

/// Reads an id.
pub(super) fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<MemoryId> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error: Error| unreadable(column, error))
}

/// Reads an origin.
pub(super) fn origin(row: &Row<'_>, column: usize) -> rusqlite::Result<Origin> {
    let name: String = row.get(column)?;
    let unknown = || unreadable(column, Error::new(Kind::Corrupt, format!("`{name}` is no origin")));
    origin_of(&name).ok_or_else(unknown)
}

/// Reads thread, message and document.
pub(super) fn source(row: &Row<'_>, column: usize) -> rusqlite::Result<MemorySource> {
    let mut source = MemorySource::new();
    (source.thread, source.message, source.document) = (row.get(column)?, row.get(column + 1)?, row.get(column + 2)?);
    Ok(source)
}

fn kind(row: &Row<'_>, column: usize) -> rusqlite::Result<MemoryKind> {
    let name: String = row.get(column)?;
    let unknown = || unreadable(column, Error::new(Kind::Corrupt, format!("`{name}` is no kind of memory")));
    MemoryKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(unknown)
}

fn unreadable(column: usize, error: Error) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

/// Notes that memories were of use.
pub(super) fn touch(transaction: &Transaction<'_>, rows: &[i64], now: i64) -> Work<()> {
    let mut statement =
        transaction.prepare_cached("UPDATE memories SET used = max(used, ?2), uses = uses + 1 WHERE row = ?1")?;
    for row in rows {
        statement.execute((row, now))?;
    }
    Ok(())
}

/// Makes room for so many memories, and returns what was forgotten: what is worth least to keep.
pub(super) fn make_room(
    transaction: &Transaction<'_>,
    namespace: i64,
    capacity: usize,
    coming: usize,
    now: i64,
) -> Work<Vec<MemoryId>> {
    let sql = "SELECT count(*) FROM memories WHERE namespace = ?1";
    let held: i64 = transaction.prepare_cached(sql)?.query_row([namespace], |row| row.get(0))?;
    let wanted = usize::try_from(held).unwrap_or(usize::MAX).saturating_add(coming);
    let excess = wanted.saturating_sub(capacity);
    if excess == 0 {
        return Ok(Vec::new());
    }
    let sql = "SELECT row, id, importance, used, origin FROM memories WHERE namespace = ?1";
    let mut statement = transaction.prepare_cached(sql)?;
    let rows = statement.query_map([namespace], |row| {
        let idle = now.saturating_sub(row.get(3)?).max(0).unsigned_abs();
        let worth = retention(row.get(2)?, std::time::Duration::from_micros(idle));
        Ok((origin(row, 4)?.is_trusted(), worth, row.get::<_, i64>(0)?, id(row, 1)?))
    })?;
    let mut all: Vec<(bool, f32, i64, MemoryId)> = rows.collect::<rusqlite::Result<_>>()?;
    // What nobody vouches for goes first, or a flood of it would take the rest away.
    all.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
    all.truncate(excess);
    for (_, _, row, id) in &all {
        delete(transaction, *row, *id)?;
    }
    Ok(all.into_iter().map(|(_, _, _, id)| id).collect())
}

/// The fingerprint of what made the vectors.
pub(super) fn embedder(transaction: &Transaction<'_>) -> Work<Option<String>> {
    let sql = "SELECT value FROM settings WHERE name = 'embedder'";
    Ok(transaction.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?)
}

/// Makes sure that vectors are still those of this embedder.
pub(super) fn check_embedder(transaction: &Transaction<'_>, fingerprint: Option<&str>) -> Work<()> {
    let Some(fingerprint) = fingerprint else { return Ok(()) };
    if embedder(transaction)?.as_deref() == Some(fingerprint) {
        return Ok(());
    }
    let message =
        "somebody has opened the memory with another embedder since; open it again, and with the same one everywhere";
    Err(Error::new(Kind::Conflict, message).into())
}

/// Returns the error for an id that names nothing here.
pub(super) fn unknown(id: MemoryId) -> Error {
    Error::new(
        Kind::NotFound,
        format!("there is no memory `{id}` in this namespace; search for it, or list what there is"),
    )
}

/// Checks the importance of a memory.
pub(super) fn check_importance(importance: f32) -> Result<()> {
    if (0.0..=1.0).contains(&importance) {
        return Ok(());
    }
    Err(Error::new(Kind::BadInput, format!("the importance {importance} is not within 0..1")))
}

/// Tells whether another memory, which is so now, has this text.
pub(super) fn says_another(transaction: &Transaction<'_>, row: i64, item: &MemoryItem, text: &str) -> Work<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM memories WHERE namespace = (SELECT namespace FROM memories WHERE row = ?1)
        AND hash = ?2 AND entity IS NULL AND valid_to IS NULL AND row <> ?1)";
    Ok(transaction.prepare_cached(sql)?.query_row((row, content_hash(item.kind, text)), |row| row.get(0))?)
}
