//! What waits for the writer, in the order of the calls. Pushing never waits, so that the order is that of the calls
//! and not that of polls; who awaits what they write keeps it short.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use lorewell_model::{Error, Kind, Result};
use tokio::sync::oneshot;

use super::super::{Batch, Body, Claim, after_failure};
use super::writer_gone;

/// Batches that may wait: more than the tasks of the busiest process, if each awaits what it writes.
const JOBS_MAX: usize = 1 << 16;
/// Bytes of records that may wait: seconds of writing for a slow disk.
const BYTES_MAX: usize = 1 << 30;
/// Jobs of one transaction: a sync spread over more is not noticeably cheaper, and everyone waits for the last.
const GROUP_JOBS_MAX: usize = 256;
/// Bytes of records after which a transaction takes no more jobs, so that the write-ahead log stays small.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// Something for the writer to do.
#[derive(Debug)]
pub(super) enum Work {
    Claim(Arc<str>),
    Release(Claim),
    Write(Claim, Batch),
    Copy {
        from: Arc<str>,
        to: Arc<str>,
    },
    Delete(Arc<str>),
    /// What a test does to the connection.
    #[cfg(test)]
    Execute(&'static str),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Done {
    Claimed(Claim),
    Stored,
    Deleted(bool),
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) reply: Option<oneshot::Sender<Result<Done>>>,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    bytes: usize,
    is_closed: bool,
    is_awaited: bool,
    /// Claims that have been refused a batch for want of room.
    overrun: HashMap<Arc<str>, u64>,
}

impl Queue {
    /// Adds a job.
    pub(super) fn push(&self, job: Job) -> Result<()> {
        let bytes = bytes(&job.work);
        let mut state = self.state();
        if state.is_closed {
            return Err(writer_gone());
        }
        if let Work::Write(claim, _) = &job.work {
            if state.overrun.get(&claim.thread) == Some(&claim.epoch) {
                return Err(after_failure(claim));
            }
            if state.jobs.len() >= JOBS_MAX || state.bytes.saturating_add(bytes) > BYTES_MAX && state.bytes > 0 {
                state.overrun.insert(Arc::clone(&claim.thread), claim.epoch);
                return Err(overrun(claim, &state));
            }
        }
        state.bytes += bytes;
        state.jobs.push_back(job);
        if state.is_awaited {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Gives a claim back after all that was written with it.
    pub(super) fn push_release(&self, claim: &Claim) {
        self.state().overrun.retain(|thread, epoch| *thread != claim.thread || *epoch != claim.epoch);
        // With the writer gone, so is its hold on the thread.
        let _ = self.push(Job { work: Work::Release(claim.clone()), reply: None });
    }

    /// Waits for jobs and takes as many as one transaction should have. `None` when there will be no more.
    pub(super) fn take(&self) -> Option<Vec<Job>> {
        let mut state = self.state();
        while state.jobs.is_empty() {
            if state.is_closed {
                return None;
            }
            state.is_awaited = true;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.is_awaited = false;
        }
        let mut group = Vec::new();
        let mut taken = 0;
        while group.len() < GROUP_JOBS_MAX && taken < GROUP_BYTES_MAX {
            let Some(job) = state.jobs.pop_front() else { break };
            taken += bytes(&job.work);
            group.push(job);
        }
        state.bytes -= taken;
        Some(group)
    }

    /// Takes no more jobs; those that wait are still done.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_all();
    }

    /// Drops what waits, so that whoever waits for it hears that the writer is gone.
    pub(super) fn abandon(&self) {
        self.close();
        let jobs = std::mem::take(&mut self.state().jobs);
        drop(jobs);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes(work: &Work) -> usize {
    let Work::Write(_, batch) = work else { return 0 };
    let bytes = batch.records.iter().map(|record| match &record.body {
        Body::Snapshot(value) | Body::Step { value, .. } | Body::Result { value, .. } => value.len(),
        Body::Entry { key, value } => key.name.len() + value.len(),
    });
    bytes.sum()
}

fn overrun(claim: &Claim, state: &State) -> Error {
    let message = format!(
        "{} batches of {} MiB wait for the disk, so this step of thread `{}` was not stored; await what is written",
        state.jobs.len(),
        state.bytes >> 20,
        claim.thread
    );
    Error::new(Kind::Limit, message)
}
