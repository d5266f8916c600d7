//! One batch in SQL: what it removes, then its forks, its records and the head.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _};

use super::super::{Batch, Body, Cut, Fork, Prune, Record, SEQ_MAX};
use super::{signed, unsigned};

/// Lines of one thread whose rows are remembered: more than one superstep writes to.
const LINES_KNOWN_MAX: usize = 4096;

/// The tables that hold what belongs to a line.
const TABLES: [&str; 4] = ["steps", "snapshots", "results", "entries"];

/// What the writer remembers of a thread while a claim on it is held.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) epoch: u64,
    thread: i64,
    lines: HashMap<(Arc<str>, u32), i64>,
}

impl Known {
    pub(super) fn new(thread: i64, epoch: u64) -> Self {
        Self { epoch, thread, lines: HashMap::new() }
    }
}

/// Writes a batch whose numbers were checked.
pub(super) fn write(connection: &Connection, known: &mut Known, batch: &Batch) -> rusqlite::Result<()> {
    if let Some(prune) = &batch.prune {
        self::prune(connection, known.thread, prune)?;
        known.lines.clear();
    }
    for fork in &batch.forks {
        put_fork(connection, known.thread, fork)?;
    }
    for record in &batch.records {
        let line = line(connection, known, record)?;
        put(connection, line, record)?;
    }
    if let Some(head) = batch.head {
        connection
            .prepare_cached("UPDATE threads SET head = ?2 WHERE id = ?1 AND head <> ?2")?
            .execute((known.thread, head))?;
    }
    Ok(())
}

/// Finds the line of a record, or makes it.
fn line(connection: &Connection, known: &mut Known, record: &Record) -> rusqlite::Result<i64> {
    let place = &record.place;
    let key = (Arc::clone(&place.path), place.branch);
    if let Some(line) = known.lines.get(&key) {
        return Ok(*line);
    }
    let columns = (known.thread, &*place.path, place.branch);
    let found: Option<i64> = connection
        .prepare_cached("SELECT id FROM lines WHERE thread = ?1 AND path = ?2 AND branch = ?3")?
        .query_row(columns, |row| row.get(0))
        .optional()?;
    let line = match found {
        Some(line) => line,
        None => connection
            .prepare_cached("INSERT INTO lines (thread, path, branch) VALUES (?1, ?2, ?3)")?
            .insert(columns)?,
    };
    if known.lines.len() >= LINES_KNOWN_MAX {
        known.lines.clear();
    }
    known.lines.insert(key, line);
    Ok(line)
}

fn put(connection: &Connection, line: i64, record: &Record) -> rusqlite::Result<()> {
    let seq = signed(record.place.seq);
    match &record.body {
        Body::Step { root, value } => {
            let root = (*root != record.place.seq).then(|| signed(*root));
            connection
                .prepare_cached("INSERT OR REPLACE INTO steps (line, seq, root, value) VALUES (?1, ?2, ?3, ?4)")?
                .execute((line, seq, root, text(value)))
        }
        Body::Snapshot(value) => connection
            .prepare_cached("INSERT OR REPLACE INTO snapshots (line, seq, value) VALUES (?1, ?2, ?3)")?
            .execute((line, seq, text(value))),
        Body::Result { task, value } => connection
            .prepare_cached("INSERT OR REPLACE INTO results (line, seq, task, value) VALUES (?1, ?2, ?3, ?4)")?
            .execute((line, seq, task, text(value))),
        Body::Entry { key, value } => connection
            .prepare_cached(
                "INSERT OR REPLACE INTO entries (line, seq, task, kind, name, value) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((line, seq, key.task, key.kind.name(), &key.name, text(value))),
    }
    .map(drop)
}

/// Text where it is text, so that people and SQLite's JSON functions can read it; the bytes are the same.
fn text(value: &[u8]) -> ToSqlOutput<'_> {
    let value = if std::str::from_utf8(value).is_ok() { ValueRef::Text(value) } else { ValueRef::Blob(value) };
    ToSqlOutput::Borrowed(value)
}

fn put_fork(connection: &Connection, thread: i64, fork: &Fork) -> rusqlite::Result<()> {
    let sql = "INSERT INTO forks (thread, path, branch, origin, seq) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (thread, path, branch) DO UPDATE SET origin = excluded.origin, seq = excluded.seq";
    connection.prepare_cached(sql)?.execute((thread, &*fork.path, fork.branch, fork.from, signed(fork.seq))).map(drop)
}

fn prune(connection: &Connection, thread: i64, prune: &Prune) -> rusqlite::Result<()> {
    for (line, path, branch, newest_root) in ends(connection, thread)? {
        if prune.takes(&path, branch, newest_root) {
            connection.prepare_cached("DELETE FROM lines WHERE id = ?1")?.execute([line])?;
        }
    }
    prune.cuts.iter().try_for_each(|cut| self::cut(connection, thread, cut))
}

/// A line: its row, path and branch, and the root of its newest step.
type LineEnd = (i64, String, u32, Option<u64>);

/// The lines of a thread with the root of the newest step of each; roots never fall, so it is the greatest.
fn ends(connection: &Connection, thread: i64) -> rusqlite::Result<Vec<LineEnd>> {
    let sql =
        "SELECT id, path, branch, (SELECT coalesce(root, seq) FROM steps WHERE line = lines.id ORDER BY seq DESC LIMIT 1)
               FROM lines WHERE thread = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([thread], |row| {
        let root: Option<i64> = row.get(3)?;
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, root.map(unsigned).transpose()?))
    })?;
    rows.collect()
}

fn cut(connection: &Connection, thread: i64, cut: &Cut) -> rusqlite::Result<()> {
    let line: Option<i64> = connection
        .prepare_cached("SELECT id FROM lines WHERE thread = ?1 AND path = ?2 AND branch = ?3")?
        .query_row((thread, &*cut.path, cut.branch), |row| row.get(0))
        .optional()?;
    let Some(line) = line else { return Ok(()) };
    if cut.below > SEQ_MAX {
        return connection.prepare_cached("DELETE FROM lines WHERE id = ?1")?.execute([line]).map(drop);
    }
    let mut is_empty = true;
    for table in TABLES {
        connection
            .prepare_cached(&format!("DELETE FROM {table} WHERE line = ?1 AND seq < ?2"))?
            .execute((line, signed(cut.below)))?;
        is_empty &= !connection.prepare_cached(&format!("SELECT 1 FROM {table} WHERE line = ?1"))?.exists([line])?;
    }
    if is_empty {
        connection.prepare_cached("DELETE FROM lines WHERE id = ?1")?.execute([line])?;
    }
    Ok(())
}
