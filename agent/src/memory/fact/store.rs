//! Facts in the tables: what is believed now are memories like others, what was believed before are versions.

use rusqlite::{Row, Transaction, params};

use lorewell_model::{Error, Kind, Origin};

use super::super::database::{Fault, Work};
use super::super::item::{MemoryItem, Statement};
use super::super::remember::Remembered;
use super::super::rows::{self, Draft, id, origin, source};
use super::super::time::time;
use super::FactRecord;
use super::timeline::{Change, Held, OPEN, plan};

/// Earlier states of one attribute that are kept, newest first: a value that changes more often is a measurement, which belongs
/// elsewhere.
const VERSIONS_MAX: i64 = 1000;

const CURRENT: &str =
    "SELECT id, entity, attribute, value, valid_from, valid_to, updated, NULL, origin, thread, message, document
    FROM memories WHERE entity IS NOT NULL AND namespace = ?1 AND entity = ?2 AND (?3 IS NULL OR attribute = ?3)";
const EARLIER: &str =
    "SELECT id, entity, attribute, value, valid_from, valid_to, recorded_from, recorded_to, origin, thread,
    message, document FROM versions WHERE namespace = ?1 AND entity = ?2 AND (?3 IS NULL OR attribute = ?3)";

/// Stores a fact. See [`plan`] for what becomes of the others.
pub(super) fn state(
    transaction: &Transaction<'_>,
    namespace: i64,
    draft: &Draft,
    capacity: usize,
    now: i64,
) -> Work<Remembered> {
    let Some(statement) = &draft.statement else { return Err(Fault::corrupt("a fact states nothing")) };
    let held = held(transaction, namespace, statement, draft.origin)?;
    let plan = plan(&held, draft.valid_from.unwrap_or(now), draft.valid_to);
    if !draft.origin.is_trusted() {
        refuse_denial(transaction, &plan.changes, &statement.value)?;
    }
    for change in &plan.changes {
        carry_out(transaction, namespace, change, now)?;
    }
    trim(transaction, namespace, statement)?;
    match (plan.insert, plan.known) {
        (Some((from, to)), _) => {
            let forgotten = rows::make_room(transaction, namespace, capacity, 1, now)?;
            let draft = Draft { valid_from: Some(from), valid_to: Some(to).filter(|to| *to != OPEN), ..draft.clone() };
            let (_, id) = rows::insert(transaction, namespace, &draft, now)?;
            Ok(Remembered { id, is_new: true, forgotten })
        }
        (None, Some(row)) => {
            rows::touch(transaction, &[row], now)?;
            let id = transaction.query_row("SELECT id FROM memories WHERE row = ?1", [row], |row| id(row, 0))?;
            Ok(Remembered { id, is_new: false, forgotten: Vec::new() })
        }
        (None, None) => Err(Fault::corrupt("a plan for a fact says nothing")),
    }
}

/// The values of an attribute that are believed now.
fn held(transaction: &Transaction<'_>, namespace: i64, statement: &Statement, by: Origin) -> Work<Vec<Held>> {
    let sql = "SELECT row, value, valid_from, valid_to, origin FROM memories
        WHERE namespace = ?1 AND entity = ?2 AND attribute = ?3 AND entity IS NOT NULL ORDER BY valid_from";
    let mut select = transaction.prepare_cached(sql)?;
    let rows = select.query_map((namespace, &statement.entity, &statement.attribute), |row| {
        let (from, to): (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
        let is_same = row.get::<_, String>(1)? == statement.value && origin(row, 4)? <= by;
        Ok(Held { row: row.get(0)?, is_same, from: from.unwrap_or(i64::MIN), to: to.unwrap_or(OPEN) })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// What nobody vouches for must not close what somebody vouches for: that would let a web page change what a person has said.
fn refuse_denial(transaction: &Transaction<'_>, changes: &[Change], value: &str) -> Work<()> {
    for change in changes {
        let (Change::Move { row, .. } | Change::Split { row, .. } | Change::Remove { row }) = change;
        let sql = "SELECT origin, value FROM memories WHERE row = ?1";
        let (origin, held): (_, String) =
            transaction.query_row(sql, [row], |row| Ok((origin(row, 0)?, row.get(1)?)))?;
        if origin.is_trusted() {
            let message = format!(
                "`{value}` denies `{held}`, which somebody vouches for, and nobody vouches for it; let a person state it"
            );
            return Err(Error::new(Kind::Refused, message).into());
        }
    }
    Ok(())
}

fn carry_out(transaction: &Transaction<'_>, namespace: i64, change: &Change, now: i64) -> Work<()> {
    match *change {
        Change::Remove { row } => {
            archive(transaction, row, recorded(transaction, row, now)?)?;
            transaction.execute("DELETE FROM memories WHERE row = ?1", [row])?;
        }
        Change::Move { row, from, to } => set_span(transaction, row, from, to, now)?,
        Change::Split { row, from, to, again_from, again_to } => {
            again(transaction, namespace, row, (again_from, again_to), now)?;
            set_span(transaction, row, from, to, now)?;
        }
    }
    Ok(())
}

/// The time at which a state is recorded: after the one that it takes the place of, whatever the clock says.
fn recorded(transaction: &Transaction<'_>, row: i64, now: i64) -> Work<i64> {
    let sql = "SELECT updated FROM memories WHERE row = ?1";
    let before: i64 = transaction.query_row(sql, [row], |row| row.get(0))?;
    Ok(now.max(before.saturating_add(1)))
}

/// Keeps the present state of a fact as one that was believed until now.
fn archive(transaction: &Transaction<'_>, row: i64, until: i64) -> Work<()> {
    let sql = "INSERT INTO versions (id, namespace, entity, attribute, value, origin, thread, message, document, valid_from,
        valid_to, recorded_from, recorded_to) SELECT id, namespace, entity, attribute, value, origin, thread, message, document,
        valid_from, valid_to, updated, ?2 FROM memories WHERE row = ?1";
    transaction.prepare_cached(sql)?.execute((row, until))?;
    Ok(())
}

fn set_span(transaction: &Transaction<'_>, row: i64, from: i64, to: i64, now: i64) -> Work<()> {
    let now = recorded(transaction, row, now)?;
    archive(transaction, row, now)?;
    let sql = "UPDATE memories SET valid_from = ?2, valid_to = ?3, updated = ?4 WHERE row = ?1";
    let (from, to) = (Some(from).filter(|from| *from != i64::MIN), Some(to).filter(|to| *to != OPEN));
    transaction.prepare_cached(sql)?.execute(params![row, from, to, now])?;
    Ok(())
}

/// Stores what a fact says once more, for another span.
fn again(transaction: &Transaction<'_>, namespace: i64, row: i64, span: (i64, i64), now: i64) -> Work<()> {
    let id = transaction.query_row("SELECT id FROM memories WHERE row = ?1", [row], |row| id(row, 0))?;
    let Some((_, item)) = rows::find(transaction, namespace, id)? else {
        return Err(Fault::corrupt("a fact cannot be found by its id"));
    };
    let sql = "SELECT value FROM vectors WHERE memory = ?1";
    let mut select = transaction.prepare_cached(sql)?;
    let bytes: Option<Vec<u8>> = select.query_map([row], |row| row.get(0))?.next().transpose()?;
    let draft = Draft {
        kind: item.kind,
        text: item.text,
        statement: item.statement,
        origin: item.origin,
        source: item.source,
        importance: item.importance,
        valid_from: Some(span.0),
        valid_to: Some(span.1).filter(|to| *to != OPEN),
        expires: None,
        vector: None,
    };
    let (copy, _) = rows::insert(transaction, namespace, &draft, now)?;
    if let Some(bytes) = bytes {
        transaction.execute("INSERT INTO vectors (memory, value) VALUES (?1, ?2)", (copy, bytes))?;
    }
    Ok(())
}

/// Drops the oldest states of an attribute beyond the limit.
fn trim(transaction: &Transaction<'_>, namespace: i64, statement: &Statement) -> Work<()> {
    let sql = "DELETE FROM versions WHERE row IN (SELECT row FROM versions
        WHERE namespace = ?1 AND entity = ?2 AND attribute = ?3 ORDER BY recorded_to DESC, row DESC LIMIT -1 OFFSET ?4)";
    transaction.prepare_cached(sql)?.execute((namespace, &statement.entity, &statement.attribute, VERSIONS_MAX))?;
    Ok(())
}

/// Ends a memory at a time: from then on it is not so any more. What a fact said before stays among its versions.
pub(in super::super) fn close(
    transaction: &Transaction<'_>,
    row: i64,
    item: &MemoryItem,
    at: i64,
    now: i64,
) -> Work<()> {
    let from = item.valid_from.map_or(i64::MIN, super::super::time::micros);
    if at <= from {
        let message = format!("`{}` begins only after it is to end; forget it instead", item.id);
        return Err(Error::new(Kind::BadInput, message).into());
    }
    if item.statement.is_some() {
        return set_span(transaction, row, from, at, now);
    }
    let sql = "UPDATE memories SET valid_to = ?2, updated = ?3 WHERE row = ?1";
    transaction.prepare_cached(sql)?.execute((row, at, now))?;
    Ok(())
}

/// Takes a fact out of what is believed; it stays among the versions.
pub(in super::super) fn erase(transaction: &Transaction<'_>, namespace: i64, row: i64, now: i64) -> Work<()> {
    carry_out(transaction, namespace, &Change::Remove { row }, now)
}

/// The facts about an entity that hold at a time, by what is or was believed.
pub(super) fn facts(
    transaction: &Transaction<'_>,
    namespace: i64,
    entity: &str,
    attribute: Option<&str>,
    as_of: i64,
    known_at: Option<i64>,
) -> Work<Vec<FactRecord>> {
    let mut sql = format!(
        "SELECT * FROM ({CURRENT} AND (?5 IS NULL OR updated <= ?5)
        UNION ALL {EARLIER} AND ?5 IS NOT NULL AND recorded_from <= ?5 AND recorded_to > ?5)"
    );
    sql.push_str(
        " WHERE (valid_from IS NULL OR valid_from <= ?4) AND (valid_to IS NULL OR valid_to > ?4) ORDER BY attribute, valid_from",
    );
    let mut select = transaction.prepare_cached(&sql)?;
    let rows = select.query_map((namespace, entity, attribute, as_of, known_at), record)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// All that is and was believed of an entity.
pub(super) fn history(transaction: &Transaction<'_>, namespace: i64, entity: &str) -> Work<Vec<FactRecord>> {
    let sql = format!("SELECT * FROM ({CURRENT} UNION ALL {EARLIER}) ORDER BY attribute, updated, valid_from");
    let mut select = transaction.prepare_cached(&sql)?;
    let rows = select.query_map((namespace, entity, None::<&str>), record)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn record(row: &Row<'_>) -> rusqlite::Result<FactRecord> {
    let at = |column| row.get::<_, Option<i64>>(column)?.map(time).transpose();
    Ok(FactRecord {
        id: id(row, 0)?,
        statement: Statement { entity: row.get(1)?, attribute: row.get(2)?, value: row.get(3)? },
        valid_from: at(4)?,
        valid_to: at(5)?,
        recorded_from: time(row.get(6)?)?,
        recorded_to: at(7)?,
        origin: origin(row, 8)?,
        source: source(row, 9)?,
    })
}
