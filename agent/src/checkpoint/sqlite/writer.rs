//! The thread that writes. What waits when it comes to look shares one transaction, each job in a savepoint of its own;
//! nobody gets an answer before the commit. If the whole fails, each job is tried alone, so that one cannot take others
//! with it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lorewell_model::{Error, Kind, Result};
use rusqlite::{Connection, OptionalExtension as _};

use super::super::{Batch, Claim, after_failure, check_batch, stale};
use super::batch::{self, Known};
use super::owner::Owners;
use super::queue::{Done, Job, Queue, Work};
use super::{Counts, Fault, signed, threads};

/// Claims whose thread and lines are remembered: more than a process runs at once.
const CLAIMS_KNOWN_MAX: usize = 4096;

pub(super) struct Writer {
    path: Arc<Path>,
    connection: Connection,
    owners: Owners,
    counts: Arc<Counts>,
    /// Whether a commit waits for the disk, as the connection is set at the moment.
    is_synced: bool,
    /// By thread; valid for one epoch, in which nobody else changes its lines.
    known: HashMap<Arc<str>, Known>,
    /// Claims that have had a batch fail, by thread.
    failed: HashMap<Arc<str>, u64>,
    /// Claims that could not be given back, for instance because the disk is full. They go first next time.
    unreleased: Vec<Claim>,
}

/// Lets go of those who wait if the writer panics.
struct Abandon<'a>(&'a Queue);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl Writer {
    /// Makes a writer of a connection that is set to sync.
    pub(super) fn new(path: Arc<Path>, connection: Connection, owners: Owners, counts: Arc<Counts>) -> Self {
        let (known, failed, unreleased) = Default::default();
        Self { path, connection, owners, counts, is_synced: true, known, failed, unreleased }
    }

    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self, queue: &Queue) {
        let _abandon = Abandon(queue);
        while let Some(jobs) = queue.take() {
            let mut group = releases(std::mem::take(&mut self.unreleased));
            group.extend(jobs);
            let abandoned = self.serve(group);
            if !abandoned.is_empty() {
                self.serve(releases(abandoned));
            }
        }
    }

    /// Does jobs and answers them. Returns the claims that nobody waits for any more.
    fn serve(&mut self, jobs: Vec<Job>) -> Vec<Claim> {
        let outcomes = match self.commit(&jobs) {
            Ok(outcomes) => outcomes,
            // Waiting once for another process was enough.
            Err(error) if jobs.len() == 1 || error.kind() == Kind::Unavailable => {
                jobs.iter().map(|job| Err(self.note(&job.work, Error::new(error.kind(), error.message())))).collect()
            }
            Err(_) => jobs.chunks(1).map(|job| self.alone(job)).collect(),
        };
        let mut abandoned = Vec::new();
        for (job, outcome) in jobs.into_iter().zip(outcomes) {
            if let (Work::Release(claim), Err(_)) = (&job.work, &outcome) {
                self.unreleased.push(claim.clone());
            }
            let Some(reply) = job.reply else { continue };
            if let Err(Ok(Done::Claimed(claim))) = reply.send(outcome) {
                abandoned.push(claim);
            }
        }
        abandoned
    }

    fn alone(&mut self, jobs: &[Job]) -> Result<Done> {
        let outcome = self.commit(jobs).and_then(|mut outcomes| outcomes.remove(0));
        outcome.map_err(|error| jobs.iter().fold(error, |error, job| self.note(&job.work, error)))
    }

    /// Remembers that a batch has failed, so that nothing is written after it, nor to the lines it may have made.
    fn note(&mut self, work: &Work, error: Error) -> Error {
        match work {
            // A stale claim says nothing about the one that is valid.
            Work::Write(claim, _) if error.kind() != Kind::Conflict => {
                self.failed.insert(Arc::clone(&claim.thread), claim.epoch);
            }
            _ => {}
        }
        error
    }

    /// Does jobs in one transaction. If it fails, nothing of them is there.
    fn commit(&mut self, jobs: &[Job]) -> Result<Vec<Result<Done>>> {
        let before = self.failed.clone(); // empty, but for a disk that is full
        let result = self.transact(jobs);
        if result.is_err() {
            self.failed = before;
            self.known.clear();
            if !self.connection.is_autocommit() {
                // What it would say has been said; a transaction that is still open fails the next `BEGIN`.
                let _ = self.connection.execute_batch("ROLLBACK");
            }
        }
        result.map_err(|fault| fault.told(&self.path))
    }

    fn transact(&mut self, jobs: &[Job]) -> Result<Vec<Result<Done>>, Fault> {
        let is_durable = jobs.iter().any(|job| matches!(&job.work, Work::Write(_, Batch { durable: true, .. })));
        self.sync(is_durable)?;
        self.execute("BEGIN IMMEDIATE")?;
        let mut outcomes = Vec::with_capacity(jobs.len());
        let mut is_changed = false;
        for job in jobs {
            let outcome = self.savepoint(&job.work)?;
            is_changed |= outcome.is_ok();
            outcomes.push(outcome);
        }
        if is_changed {
            self.execute("COMMIT")?;
            self.counts.all.fetch_add(1, Ordering::Relaxed);
            self.counts.synced.fetch_add(u64::from(self.is_synced), Ordering::Relaxed);
        } else {
            self.execute("ROLLBACK")?;
        }
        Ok(outcomes)
    }

    /// Does one job so that it leaves nothing behind if it fails. Fails itself if that takes the transaction along.
    fn savepoint(&mut self, work: &Work) -> Result<Result<Done>, Fault> {
        self.execute("SAVEPOINT job")?;
        let outcome = self.perform(work);
        if self.connection.is_autocommit() {
            // On a full disk, SQLite takes everything back by itself.
            let lost = || Error::new(Kind::Internal, "the transaction has ended early").into();
            return Err(outcome.err().unwrap_or_else(lost));
        }
        let outcome = outcome.map_err(|fault| fault.told(&self.path));
        let outcome = outcome.map_err(|error| self.note(work, error));
        if outcome.is_err() {
            self.execute("ROLLBACK TO job")?;
        }
        self.execute("RELEASE job")?;
        Ok(outcome)
    }

    fn perform(&mut self, work: &Work) -> Result<Done, Fault> {
        match work {
            Work::Claim(thread) => {
                let (id, claim) = threads::claim(&self.connection, &mut self.owners, thread)?;
                self.failed.remove(thread);
                self.know(thread, Known::new(id, claim.epoch));
                Ok(Done::Claimed(claim))
            }
            Work::Release(claim) => {
                threads::release(&self.connection, &self.owners, claim)?;
                self.known.remove(&claim.thread);
                // What an older claim gives back is not this one's.
                self.failed.retain(|thread, epoch| *thread != claim.thread || *epoch != claim.epoch);
                Ok(Done::Stored)
            }
            Work::Write(claim, batch) => self.write(claim, batch).map(|()| Done::Stored),
            Work::Copy { from, to } => threads::copy(&self.connection, from, to).map(|()| Done::Stored),
            Work::Delete(thread) => {
                let is_deleted = threads::delete(&self.connection, &self.owners, thread)?;
                self.known.remove(thread);
                Ok(Done::Deleted(is_deleted))
            }
            #[cfg(test)]
            Work::Execute(sql) => Ok(self.connection.execute_batch(sql).map(|()| Done::Stored)?),
        }
    }

    fn write(&mut self, claim: &Claim, batch: &Batch) -> Result<(), Fault> {
        let id = self.thread_of(claim)?.ok_or_else(|| stale(claim))?;
        if self.failed.get(&claim.thread) == Some(&claim.epoch) {
            return Err(after_failure(claim).into());
        }
        check_batch(batch)?;
        if self.known.get(&claim.thread).is_none_or(|known| known.epoch != claim.epoch) {
            self.know(&claim.thread, Known::new(id, claim.epoch));
        }
        let known = self.known.get_mut(&claim.thread).ok_or_else(|| stale(claim))?;
        Ok(batch::write(&self.connection, known, batch)?)
    }

    /// The thread of a claim, if it is the newest, was not given back and is this handle's.
    fn thread_of(&self, claim: &Claim) -> rusqlite::Result<Option<i64>> {
        let sql = "SELECT id FROM threads WHERE name = ?1 AND epoch = ?2 AND owner = ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        let values = (&*claim.thread, signed(claim.epoch), self.owners.own_token());
        statement.query_row(values, |row| row.get(0)).optional()
    }

    fn know(&mut self, thread: &Arc<str>, known: Known) {
        if self.known.len() >= CLAIMS_KNOWN_MAX {
            self.known.clear(); // they are found again in the file
        }
        self.known.insert(Arc::clone(thread), known);
    }

    /// Sets whether the next commit waits for the disk. With a write-ahead log it takes all commits before it along.
    fn sync(&mut self, is_durable: bool) -> rusqlite::Result<()> {
        if self.is_synced != is_durable {
            self.connection.execute_batch(if is_durable {
                "PRAGMA synchronous = FULL"
            } else {
                "PRAGMA synchronous = NORMAL"
            })?;
            self.is_synced = is_durable;
        }
        Ok(())
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }
}

fn releases(claims: Vec<Claim>) -> Vec<Job> {
    claims.into_iter().map(|claim| Job { work: Work::Release(claim), reply: None }).collect()
}
