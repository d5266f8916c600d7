//! Reading beside the writer: a few connections, each of which sees one state of the file for the whole of an answer.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use lorewell_model::{Error, Kind, Result};
use rusqlite::{Connection, OptionalExtension as _, Params, Row};
use tokio::sync::Semaphore;

use super::super::lineage::{self, Lines, Step};
use super::super::{EntryKey, EntryKind, EntryRow, Fork, Loaded, Place, ResultRow, SEQ_MAX, Span, StepRow, ThreadInfo};
use super::{blocking, failed, schema, signed, unsigned, writer_gone};

/// Connections that read at the same time; each has a cache of 2 MB, and more do not make one disk faster.
const READERS_MAX: usize = 4;

const LINE: &str = "SELECT id FROM lines WHERE thread = ?1 AND path = ?2 AND branch = ?3";
const STEP_AT_MOST: &str =
    "SELECT seq, coalesce(root, seq) FROM steps WHERE line = ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT 1";
const STEP_AT_LEAST: &str = "SELECT seq FROM steps WHERE line = ?1 AND seq >= ?2 ORDER BY seq LIMIT 1";
const SNAPSHOT_AT_MOST: &str = "SELECT seq FROM snapshots WHERE line = ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT 1";
const SNAPSHOT: &str = "SELECT value FROM snapshots WHERE line = ?1 AND seq = ?2";
const ENTRIES: &str = "SELECT seq, task, kind, name, value FROM entries WHERE line = ?1 AND seq BETWEEN ?2 AND ?3";
const STEPS: &str = "SELECT seq, coalesce(root, seq), value FROM steps
    WHERE line = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq DESC LIMIT ?4";
const RESULTS: &str = "SELECT seq, task, value FROM results
    WHERE line = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq, task";

/// What answers about one line is made of. Each must be a search in an index, however long the line is.
#[cfg(test)]
pub(super) const LINE_READS: [&str; 8] =
    [LINE, STEP_AT_MOST, STEP_AT_LEAST, STEPS, SNAPSHOT_AT_MOST, SNAPSHOT, RESULTS, ENTRIES];

/// Opens read connections as they are needed and keeps them.
#[derive(Debug)]
pub(super) struct Readers {
    path: Arc<Path>,
    permits: Arc<Semaphore>,
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    connections: Vec<Connection>,
    is_closed: bool,
}

impl Readers {
    pub(super) fn new(path: Arc<Path>) -> Self {
        Self { path, permits: Arc::new(Semaphore::new(READERS_MAX)), idle: Mutex::default() }
    }

    /// Reads in one transaction, on a thread that may wait for the disk.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Reader<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| writer_gone())?;
        let readers = Arc::clone(self);
        blocking(move || {
            let result = readers.run(read);
            drop(permit);
            result
        })
        .await
    }

    fn run<T>(&self, read: impl FnOnce(&Reader<'_>) -> Result<T>) -> Result<T> {
        let pooled = self.idle().connections.pop();
        let mut connection = pooled.map_or_else(|| schema::FILE.connect(&self.path), Ok)?;
        let transaction = connection.transaction().map_err(|error| failed(&self.path, error))?;
        let result = read(&Reader { connection: &transaction, file: &self.path });
        transaction.finish().map_err(|error| failed(&self.path, error))?;
        let mut idle = self.idle();
        // One that has failed is not worth keeping.
        if result.is_ok() && !idle.is_closed {
            idle.connections.push(connection);
        }
        result
    }

    /// Closes the connections that are not in use, and each of the others when it is done.
    pub(super) fn close(&self) {
        let mut idle = self.idle();
        idle.is_closed = true;
        idle.connections.clear();
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One state of the file.
pub(super) struct Reader<'a> {
    connection: &'a Connection,
    file: &'a Path,
}

impl Reader<'_> {
    pub(super) fn thread(&self, thread: &str) -> Result<Option<ThreadInfo>> {
        let sql = "SELECT id, name, head, touched FROM threads WHERE name = ?1";
        self.all(sql, [thread], info)?.pop().map(|(id, info)| self.with_forks(id, info)).transpose()
    }

    pub(super) fn threads(&self, after: &str, limit: usize) -> Result<Vec<ThreadInfo>> {
        let sql = "SELECT id, name, head, touched FROM threads WHERE name > ?1 ORDER BY name LIMIT ?2";
        let threads = self.all(sql, (after, bound(limit)), info)?;
        threads.into_iter().map(|(id, info)| self.with_forks(id, info)).collect()
    }

    fn with_forks(&self, thread: i64, info: ThreadInfo) -> Result<ThreadInfo> {
        let sql = "SELECT path, branch, origin, seq FROM forks WHERE thread = ?1 ORDER BY id";
        let forks = self.all(sql, [thread], |row| {
            Ok(Fork { path: row.get(0)?, branch: row.get(1)?, from: row.get(2)?, seq: unsigned(row.get(3)?)? })
        })?;
        Ok(ThreadInfo { forks, ..info })
    }

    pub(super) fn load(&self, thread: &str, path: &str, lineage: &[Span]) -> Result<Loaded> {
        self.graph(thread, path)?.map_or_else(|| Ok(Loaded::default()), |graph| lineage::load(&graph, path, lineage))
    }

    pub(super) fn steps(
        &self,
        thread: &str,
        path: &str,
        lineage: &[Span],
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<StepRow>> {
        let Some(graph) = self.graph(thread, path)? else { return Ok(Vec::new()) };
        lineage::steps(&graph, path, lineage, before, limit)
    }

    pub(super) fn paths(&self, thread: &str, prefix: &str) -> Result<Vec<Arc<str>>> {
        let Some(thread) = self.id(thread)? else { return Ok(Vec::new()) };
        self.prefixed(thread, prefix).map_err(|error| failed(self.file, error))
    }

    fn prefixed(&self, thread: i64, prefix: &str) -> rusqlite::Result<Vec<Arc<str>>> {
        let sql = "SELECT DISTINCT path FROM lines WHERE thread = ?1 AND path >= ?2 ORDER BY path";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((thread, prefix))?;
        let mut paths = Vec::new();
        while let Some(row) = rows.next()? {
            let path: Arc<str> = row.get(0)?;
            if !path.starts_with(prefix) {
                break;
            }
            paths.push(path);
        }
        Ok(paths)
    }

    pub(super) fn entry(&self, thread: &str, place: &Place, key: &EntryKey) -> Result<Option<Vec<u8>>> {
        if place.seq > SEQ_MAX {
            return Ok(None);
        }
        let sql = "SELECT value FROM entries WHERE line = (
                       SELECT id FROM lines WHERE path = ?2 AND branch = ?3
                       AND thread = (SELECT id FROM threads WHERE name = ?1)
                   ) AND seq = ?4 AND task = ?5 AND kind = ?6 AND name = ?7";
        let (seq, kind) = (signed(place.seq), key.kind.name());
        let key = (thread, &*place.path, place.branch, seq, key.task, kind, &key.name);
        Ok(self.all(sql, key, |row| bytes(row, 0))?.pop())
    }

    fn id(&self, thread: &str) -> Result<Option<i64>> {
        self.one("SELECT id FROM threads WHERE name = ?1", [thread], |row| row.get(0))
    }

    fn graph<'a>(&'a self, thread: &str, path: &'a str) -> Result<Option<Graph<'a>>> {
        Ok(self.id(thread)?.map(|thread| Graph { reader: self, thread, path }))
    }

    fn one<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        let run = || self.connection.prepare_cached(sql)?.query_row(values, read).optional();
        run().map_err(|error| failed(self.file, error))
    }

    fn all<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let run = || self.connection.prepare_cached(sql)?.query_map(values, read)?.collect::<rusqlite::Result<_>>();
        run().map_err(|error| failed(self.file, error))
    }
}

/// The lines of one graph of a thread.
struct Graph<'a> {
    reader: &'a Reader<'a>,
    thread: i64,
    path: &'a str,
}

impl Lines for Graph<'_> {
    type Line = i64;

    fn line(&self, branch: u32) -> Result<Option<i64>> {
        self.reader.one(LINE, (self.thread, self.path, branch), |row| row.get(0))
    }

    fn step_at_most(&self, line: i64, seq: u64) -> Result<Option<(u64, u64)>> {
        self.reader.one(STEP_AT_MOST, (line, signed(seq)), |row| Ok((unsigned(row.get(0)?)?, unsigned(row.get(1)?)?)))
    }

    fn step_at_least(&self, line: i64, seq: u64) -> Result<Option<u64>> {
        if seq > SEQ_MAX {
            return Ok(None);
        }
        self.reader.one(STEP_AT_LEAST, (line, signed(seq)), |row| unsigned(row.get(0)?))
    }

    fn steps(&self, line: i64, range: RangeInclusive<u64>, limit: usize) -> Result<Vec<Step>> {
        let Some((first, last)) = signed_range(&range) else { return Ok(Vec::new()) };
        self.reader.all(STEPS, (line, first, last, bound(limit)), |row| {
            Ok((unsigned(row.get(0)?)?, unsigned(row.get(1)?)?, bytes(row, 2)?))
        })
    }

    fn snapshot_at_most(&self, line: i64, seq: u64) -> Result<Option<u64>> {
        self.reader.one(SNAPSHOT_AT_MOST, (line, signed(seq)), |row| unsigned(row.get(0)?))
    }

    fn snapshot(&self, line: i64, seq: u64) -> Result<Vec<u8>> {
        let snapshot = self.reader.one(SNAPSHOT, (line, signed(seq)), |row| bytes(row, 0))?;
        snapshot.ok_or_else(|| Error::new(Kind::Internal, "a snapshot went away while it was read"))
    }

    fn results(&self, line: i64, range: RangeInclusive<u64>) -> Result<Vec<ResultRow>> {
        let Some((first, last)) = signed_range(&range) else { return Ok(Vec::new()) };
        self.reader.all(RESULTS, (line, first, last), |row| {
            Ok(ResultRow { seq: unsigned(row.get(0)?)?, task: row.get(1)?, value: bytes(row, 2)? })
        })
    }

    fn entries(&self, line: i64, range: RangeInclusive<u64>) -> Result<Vec<EntryRow>> {
        let Some((first, last)) = signed_range(&range) else { return Ok(Vec::new()) };
        let mut entries = self.reader.all(ENTRIES, (line, first, last), |row| {
            let key = EntryKey { task: row.get(1)?, kind: kind(row, 2)?, name: row.get(3)? };
            Ok(EntryRow { seq: unsigned(row.get(0)?)?, key, value: bytes(row, 4)? })
        })?;
        // The file has kinds in the order of the alphabet.
        entries.sort_unstable_by(|a, b| (a.seq, &a.key).cmp(&(b.seq, &b.key)));
        Ok(entries)
    }
}

fn info(row: &Row<'_>) -> rusqlite::Result<(i64, ThreadInfo)> {
    let touched = UNIX_EPOCH + Duration::from_millis(unsigned(row.get(3)?)?);
    Ok((row.get(0)?, ThreadInfo::new(row.get(1)?, row.get(2)?, Vec::new(), touched)))
}

fn bytes(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<u8>> {
    Ok(row.get_ref(column)?.as_bytes()?.to_vec())
}

fn kind(row: &Row<'_>, column: usize) -> rusqlite::Result<EntryKind> {
    let name: String = row.get(column)?;
    EntryKind::from_name(&name)
        .ok_or_else(|| rusqlite::Error::InvalidParameterName(format!("entries of kind `{name}`")))
}

fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A range as SQLite holds it; `None` if nothing stored can be in it.
fn signed_range(range: &RangeInclusive<u64>) -> Option<(i64, i64)> {
    (range.start() <= range.end() && *range.start() <= SEQ_MAX).then(|| (signed(*range.start()), signed(*range.end())))
}
