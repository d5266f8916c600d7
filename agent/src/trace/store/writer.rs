//! The thread that writes: what has come together within a moment shares a transaction. A batch that cannot be stored is dropped
//! and counted, and the run goes on.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use lorewell_model::{Error, Result, semconv};
use rusqlite::{Connection, Transaction, params};
use serde_json::{Map, Value};

use super::super::layer::Record;
use super::queue::{Job, Queue, Work};
use super::{nanoseconds, schema};

/// Records of one transaction.
const BATCH_MAX: usize = 1024;
/// How long a record waits for others. What a process loses that is killed began within this time.
const BATCH_WAIT: Duration = Duration::from_millis(100);

/// Attributes that tell what was said.
const CONTENT: [&str; 7] = [
    semconv::SYSTEM_INSTRUCTIONS,
    semconv::INPUT_MESSAGES,
    semconv::OUTPUT_MESSAGES,
    semconv::TOOL_CALL_ARGUMENTS,
    semconv::TOOL_CALL_RESULT,
    semconv::RETRIEVAL_QUERY_TEXT,
    semconv::RETRIEVAL_DOCUMENTS,
];

pub(super) struct Writer {
    path: Arc<Path>,
    connection: Connection,
    queue: Arc<Queue>,
    /// What went wrong since somebody last asked.
    fault: Option<Error>,
}

/// What the next transaction is made of, and what comes after it.
#[derive(Default)]
struct Batch {
    records: Vec<Record>,
    then: Option<Work>,
    is_last: bool,
}

impl Writer {
    pub(super) fn new(path: Arc<Path>, connection: Connection, queue: Arc<Queue>) -> Self {
        Self { path, connection, queue, fault: None }
    }

    /// Works until it is closed.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let batch = self.collect(jobs);
            self.store(&batch.records);
            if let Some(work) = batch.then {
                let so_far = self.fault.take().map_or(Ok(()), Err);
                work(&mut self.connection, so_far);
            }
            if batch.is_last {
                return;
            }
        }
    }

    /// Waits for a first job, and then a moment for more.
    fn collect(&self, jobs: &Receiver<Job>) -> Batch {
        let mut batch = Batch::default();
        let mut until = None;
        while batch.records.len() < BATCH_MAX {
            let job = match until {
                None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(until) => jobs.recv_timeout(Instant::saturating_duration_since(&until, Instant::now())),
            };
            match job {
                Ok(Job::Record(record)) => {
                    self.queue.taken(&record);
                    batch.records.push(*record);
                    until = until.or_else(|| Instant::now().checked_add(BATCH_WAIT));
                }
                Ok(Job::Do(work)) => return Batch { then: Some(work), ..batch },
                Err(RecvTimeoutError::Timeout) => return batch,
                Ok(Job::Close) | Err(RecvTimeoutError::Disconnected) => return Batch { is_last: true, ..batch },
            }
        }
        batch
    }

    fn store(&mut self, records: &[Record]) {
        let dropped = self.queue.take_dropped();
        if records.is_empty() && dropped == 0 {
            return;
        }
        let stored = self.connection.transaction().and_then(|transaction| {
            records.iter().try_for_each(|record| put(&transaction, record))?;
            if dropped > 0 {
                let now = nanoseconds(SystemTime::now());
                transaction.execute("INSERT INTO dropped VALUES (?1, ?2)", params![now, dropped.cast_signed()])?;
            }
            transaction.commit()
        });
        if let Err(error) = stored {
            let error = schema::failed(&self.path, error).context("storing a trace");
            tracing::warn!(%error, records = records.len(), "spans were not stored");
            self.queue.lost(dropped + records.len() as u64);
            self.fault = Some(error);
        }
    }
}

/// Stores what is known of a span. Its end knows all that its beginning did.
fn put(transaction: &Transaction<'_>, record: &Record) -> rusqlite::Result<()> {
    let (content, attributes): (Map<_, _>, Map<_, _>) =
        record.attributes.clone().into_iter().partition(|(name, _)| CONTENT.contains(&name.as_str()));
    let content = (!content.is_empty()).then(|| Value::Object(content).to_string());
    let mut insert = transaction.prepare_cached(
        "INSERT INTO spans (trace, id, parent, name, started, ended, attributes, content)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (trace, id) DO UPDATE SET
             name = excluded.name, ended = excluded.ended,
             attributes = excluded.attributes, content = excluded.content
         WHERE excluded.ended IS NOT NULL",
    )?;
    insert.execute(params![
        record.ids.trace.to_bytes(),
        record.ids.span.to_bytes(),
        record.parent.map(super::super::id::SpanId::to_bytes),
        record.name,
        nanoseconds(record.started),
        record.ended.map(nanoseconds),
        Value::Object(attributes).to_string(),
        content,
    ])?;
    Ok(())
}

/// Deletes traces until what is left is young and small enough. Returns how many went.
pub(super) fn expire(
    path: &Path,
    connection: &Connection,
    before: Option<SystemTime>,
    bytes_max: Option<u64>,
) -> Result<u64> {
    let run = || {
        let mut deleted = 0;
        if let Some(before) = before.map(nanoseconds) {
            let old = "SELECT trace FROM spans WHERE parent IS NULL AND started < ?1 AND coalesce(ended, started) < ?1";
            deleted += delete(connection, old, before)?;
            connection.execute("DELETE FROM dropped WHERE at < ?1", [before])?;
        }
        // Each round deletes at least one trace, or is the last.
        while let Some(bytes_max) = bytes_max
            && bytes(connection)? > bytes_max
        {
            let traces: i64 = connection.query_row("SELECT count(DISTINCT trace) FROM spans", [], |row| row.get(0))?;
            let oldest = "SELECT trace FROM spans GROUP BY trace ORDER BY min(started) LIMIT ?1";
            match delete(connection, oldest, (traces / SHARE).max(1))? {
                0 => break,
                some => deleted += some,
            }
        }
        if deleted > 0 {
            give_back(connection)?;
        }
        Ok(deleted)
    };
    run().map_err(|error| schema::failed(path, error).context("deleting old traces"))
}

/// Of the traces in a file that is too large, one in so many is deleted at a time.
const SHARE: i64 = 8;

fn delete(connection: &Connection, which: &str, bound: i64) -> rusqlite::Result<u64> {
    let count = format!("SELECT count(*) FROM ({which})");
    let traces: i64 = connection.query_row(&count, [bound], |row| row.get(0))?;
    connection.execute(&format!("DELETE FROM spans WHERE trace IN ({which})"), [bound])?;
    Ok(traces.cast_unsigned())
}

/// Gives the place of what was deleted back to the disk: a step for each page.
fn give_back(connection: &Connection) -> rusqlite::Result<()> {
    for pragma in ["PRAGMA incremental_vacuum", "PRAGMA wal_checkpoint(TRUNCATE)"] {
        let mut statement = connection.prepare(pragma)?;
        let mut steps = statement.query([])?;
        while steps.next()?.is_some() {}
    }
    Ok(())
}

/// The bytes of the file that hold something.
fn bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = pragma("page_count")? - pragma("freelist_count")?;
    Ok(pages.saturating_mul(pragma("page_size")?).cast_unsigned())
}
