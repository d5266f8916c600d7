//! The way from spans to the writer. A span never waits for the disk: where the writer falls behind, records are dropped and counted.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use lorewell_model::Result;
use rusqlite::Connection;
use serde_json::Value;

use super::super::layer::{Record, Sink};

/// Records that may wait for the writer: several seconds of a busy run.
const RECORDS_MAX: usize = 16_384;
/// Bytes of text in them: what was said may be long.
const BYTES_MAX: usize = 64 << 20;

/// What the writer is to do.
pub(super) enum Job {
    /// A span is in the store, or is to be.
    Record(Box<Record>),
    /// Something else, behind all that came before it.
    Do(Work),
    /// The end.
    Close,
}

pub(super) type Work = Box<dyn FnOnce(&mut Connection, Result<()>) + Send>;

/// The sending end.
pub(super) struct Queue {
    sender: SyncSender<Job>,
    bytes: AtomicUsize,
    dropped: AtomicU64,
}

impl Queue {
    pub(super) fn new() -> (Self, Receiver<Job>) {
        let (sender, receiver) = sync_channel(RECORDS_MAX);
        (Self { sender, bytes: AtomicUsize::new(0), dropped: AtomicU64::new(0) }, receiver)
    }

    fn offer(&self, record: Record) {
        let bytes = bytes(&record);
        let waiting = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let is_taken = waiting.saturating_add(bytes) <= BYTES_MAX && self.try_send(Job::Record(Box::new(record)));
        if !is_taken {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn try_send(&self, job: Job) -> bool {
        match self.sender.try_send(job) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    /// Sends what must not be dropped; waits for a place. False if the writer is gone.
    pub(super) fn send(&self, job: Job) -> bool {
        self.sender.send(job).is_ok()
    }

    /// Notes that a record no longer waits.
    pub(super) fn taken(&self, record: &Record) {
        self.bytes.fetch_sub(bytes(record), Ordering::Relaxed);
    }

    /// Counts records that were lost in another way.
    pub(super) fn lost(&self, records: u64) {
        self.dropped.fetch_add(records, Ordering::Relaxed);
    }

    /// Returns how many were dropped since it was last asked.
    pub(super) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

impl Sink for Queue {
    /// Stored at once too: of a run that dies, the spans that were open tell where.
    fn started(&self, record: &Record) {
        self.offer(record.clone());
    }

    fn ended(&self, record: Record) {
        self.offer(record);
    }
}

/// The bytes of text in a record.
fn bytes(record: &Record) -> usize {
    let texts = record.attributes.values().filter_map(Value::as_str).map(str::len);
    record.name.len() + texts.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use serde_json::Map;

    use super::super::super::id::{SpanId, TraceId};
    use super::super::super::layer::Ids;
    use super::*;

    fn record(text: &str) -> Record {
        Record {
            ids: Ids { trace: TraceId::draw(), span: SpanId::draw() },
            parent: None,
            name: String::new(),
            started: SystemTime::now(),
            ended: None,
            attributes: Map::from_iter([("text".to_owned(), text.into())]),
        }
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let (queue, receiver) = Queue::new();
        for _ in 0..RECORDS_MAX + 3 {
            queue.offer(record(""));
        }
        assert_eq!(queue.take_dropped(), 3);
        assert_eq!(queue.take_dropped(), 0);
        assert_eq!(receiver.try_iter().count(), RECORDS_MAX);
    }

    #[test]
    fn long_texts_are_counted_by_their_bytes() {
        let (queue, receiver) = Queue::new();
        let half = record(&"a".repeat(BYTES_MAX / 2));
        (0..3).for_each(|_| queue.offer(half.clone()));
        assert_eq!(queue.take_dropped(), 1);
        for job in receiver.try_iter() {
            let Job::Record(record) = job else { panic!("only records were sent") };
            queue.taken(&record);
        }
        queue.offer(half);
        assert_eq!(queue.take_dropped(), 0);
    }

    #[test]
    fn nothing_waits_for_a_writer_that_is_gone() {
        let (queue, receiver) = Queue::new();
        drop(receiver);
        queue.offer(record(""));
        assert_eq!(queue.take_dropped(), 1);
        assert!(!queue.send(Job::Close));
    }
}
