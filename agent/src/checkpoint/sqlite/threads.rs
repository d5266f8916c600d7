//! Whole threads in SQL: claiming them, giving them back, copying and deleting them.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use lorewell_model::{Error, Kind};
use rusqlite::{Connection, OptionalExtension as _};

use super::super::{Claim, held_here, no_thread, thread_exists};
use super::owner::Owners;
use super::{Fault, signed, unsigned};

struct Row {
    id: i64,
    epoch: u64,
    owner: Option<String>,
}

/// Claims a thread, making it if need be. Returns its row too.
pub(super) fn claim(connection: &Connection, owners: &mut Owners, thread: &Arc<str>) -> Result<(i64, Claim), Fault> {
    let row = match find(connection, thread)? {
        Some(row) => row,
        None => make(connection, thread, 0)?,
    };
    check_free(owners, thread, &row)?;
    let epoch = row.epoch + 1;
    connection.prepare_cached("UPDATE threads SET epoch = ?2, owner = ?3, touched = ?4 WHERE id = ?1")?.execute((
        row.id,
        signed(epoch),
        owners.token()?,
        now(),
    ))?;
    Ok((row.id, Claim { thread: Arc::clone(thread), epoch }))
}

/// Gives a claim of this handle back, if it is still the newest.
pub(super) fn release(connection: &Connection, owners: &Owners, claim: &Claim) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE threads SET owner = NULL WHERE name = ?1 AND epoch = ?2 AND owner = ?3")?
        .execute((&*claim.thread, signed(claim.epoch), owners.own_token()))
        .map(drop)
}

/// Copies a thread with all lines and forks.
pub(super) fn copy(connection: &Connection, from: &str, to: &str) -> Result<(), Fault> {
    let source = find(connection, from)?.ok_or_else(|| no_thread(from))?;
    if find(connection, to)?.is_some() {
        return Err(thread_exists(to).into());
    }
    let head: u32 = connection
        .prepare_cached("SELECT head FROM threads WHERE id = ?1")?
        .query_row([source.id], |row| row.get(0))?;
    let target = make(connection, to, head)?;
    let copy_forks = "INSERT INTO forks (thread, path, branch, origin, seq)
                      SELECT ?2, path, branch, origin, seq FROM forks WHERE thread = ?1 ORDER BY id";
    connection.execute(copy_forks, (source.id, target.id))?;
    for line in lines(connection, source.id)? {
        let copy_line = "INSERT INTO lines (thread, path, branch) SELECT ?2, path, branch FROM lines WHERE id = ?1";
        let copied = connection.prepare_cached(copy_line)?.insert((line, target.id))?;
        for (table, columns) in [
            ("steps", "seq, root, value"),
            ("snapshots", "seq, value"),
            ("results", "seq, task, value"),
            ("entries", "seq, task, kind, name, value"),
        ] {
            let copy =
                format!("INSERT INTO {table} (line, {columns}) SELECT ?2, {columns} FROM {table} WHERE line = ?1");
            connection.prepare_cached(&copy)?.execute((line, copied))?;
        }
    }
    Ok(())
}

/// Deletes a thread and returns whether it was there.
pub(super) fn delete(connection: &Connection, owners: &Owners, thread: &str) -> Result<bool, Fault> {
    let Some(row) = find(connection, thread)? else { return Ok(false) };
    check_free(owners, thread, &row)?;
    connection.prepare_cached("UPDATE deleted SET epoch = max(epoch, ?1)")?.execute([signed(row.epoch + 1)])?;
    connection.prepare_cached("DELETE FROM threads WHERE id = ?1")?.execute([row.id])?;
    Ok(true)
}

fn find(connection: &Connection, thread: &str) -> rusqlite::Result<Option<Row>> {
    connection
        .prepare_cached("SELECT id, epoch, owner FROM threads WHERE name = ?1")?
        .query_row([thread], |row| Ok(Row { id: row.get(0)?, epoch: unsigned(row.get(1)?)?, owner: row.get(2)? }))
        .optional()
}

fn make(connection: &Connection, thread: &str, head: u32) -> rusqlite::Result<Row> {
    let epoch: i64 = connection.prepare_cached("SELECT epoch FROM deleted")?.query_row([], |row| row.get(0))?;
    let id = connection
        .prepare_cached("INSERT INTO threads (name, head, epoch, touched) VALUES (?1, ?2, ?3, ?4)")?
        .insert((thread, head, epoch, now()))?;
    Ok(Row { id, epoch: unsigned(epoch)?, owner: None })
}

fn lines(connection: &Connection, thread: i64) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare_cached("SELECT id FROM lines WHERE thread = ?1")?;
    let rows = statement.query_map([thread], |row| row.get(0))?;
    rows.collect()
}

fn check_free(owners: &Owners, thread: &str, row: &Row) -> Result<(), Fault> {
    match &row.owner {
        Some(owner) if owners.own_token() == Some(owner) => Err(held_here(thread).into()),
        Some(owner) if owners.is_alive(owner)? => {
            let message =
                format!("thread `{thread}` is being run by another process; wait for it to finish, or stop it");
            Err(Error::new(Kind::Conflict, message).into())
        }
        Some(_) | None => Ok(()),
    }
}

fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}
