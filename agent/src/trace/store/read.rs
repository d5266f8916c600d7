//! Reading traces. A row that is no span any more, because something else wrote to the file, is an error and not left out.

use std::time::{Duration, SystemTime};

use rusqlite::types::Type;
use rusqlite::{Connection, params};
use serde_json::{Map, Value};

use super::super::id::{SpanId, TraceId};
use super::super::tree::{Row, SPANS_MAX, Trace, TraceSummary, trace as in_order};

/// Ids that are looked at to see whether the beginning of one is enough: two show that it is not.
const CANDIDATES: i64 = 2;

/// The newest traces. What was said in them is not read.
pub(super) fn list(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<TraceSummary>> {
    let mut query =
        connection.prepare("SELECT trace FROM spans WHERE parent IS NULL ORDER BY started DESC LIMIT ?1")?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let ids: Vec<TraceId> = query.query_map([limit], |row| id(row.get(0)?))?.collect::<rusqlite::Result<_>>()?;
    let mut summaries = Vec::with_capacity(ids.len());
    for id in ids {
        let rows = rows(connection, id, "SELECT id, parent, name, started, ended, attributes, NULL")?;
        summaries.extend(in_order(id, rows).map(|trace| trace.summary));
    }
    Ok(summaries)
}

/// A trace; none if it has no spans.
pub(super) fn trace(connection: &Connection, id: TraceId) -> rusqlite::Result<Option<Trace>> {
    let rows = rows(connection, id, "SELECT id, parent, name, started, ended, attributes, content")?;
    Ok(in_order(id, rows))
}

/// The traces whose ids begin with some digits, as far as one needs to know.
pub(super) fn find(connection: &Connection, beginning: &str) -> rusqlite::Result<Vec<TraceId>> {
    let mut query = connection
        .prepare("SELECT DISTINCT trace FROM spans WHERE substr(lower(hex(trace)), 1, length(?1)) = ?1 LIMIT ?2")?;
    let found = query.query_map(params![beginning, CANDIDATES], |row| id(row.get(0)?))?;
    found.collect()
}

pub(super) fn dropped(connection: &Connection) -> rusqlite::Result<u64> {
    let dropped: i64 = connection.query_row("SELECT coalesce(sum(records), 0) FROM dropped", [], |row| row.get(0))?;
    Ok(dropped.cast_unsigned())
}

/// The spans of a trace as they began; one more than may be, so that it shows.
fn rows(connection: &Connection, id: TraceId, select: &str) -> rusqlite::Result<Vec<Row>> {
    let query = format!("{select} FROM spans WHERE trace = ?1 ORDER BY started, rowid LIMIT ?2");
    let mut query = connection.prepare_cached(&query)?;
    let limit = i64::try_from(SPANS_MAX + 1).unwrap_or(i64::MAX);
    query.query_map(params![id.to_bytes(), limit], row)?.collect()
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let (started, ended): (i64, Option<i64>) = (row.get(3)?, row.get(4)?);
    let mut attributes = object(&row.get::<_, String>(5)?)?;
    if let Some(content) = row.get::<_, Option<String>>(6)? {
        attributes.extend(object(&content)?);
    }
    let parent: Option<[u8; 8]> = row.get(1)?;
    Ok(Row {
        id: SpanId::from_bytes(row.get(0)?),
        parent: parent.map(SpanId::from_bytes),
        name: row.get(2)?,
        started: SystemTime::UNIX_EPOCH + nanoseconds(started),
        duration: ended.map(|ended| nanoseconds(ended.saturating_sub(started))),
        attributes,
    })
}

fn id(bytes: [u8; 16]) -> rusqlite::Result<TraceId> {
    Ok(TraceId::from_bytes(bytes))
}

fn object(text: &str) -> rusqlite::Result<Map<String, Value>> {
    serde_json::from_str(text).map_err(|error| rusqlite::Error::FromSqlConversionFailure(5, Type::Text, error.into()))
}

fn nanoseconds(nanoseconds: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or_default())
}
