//! Fetches one file: waits for others that fetch it, goes on where it broke off, tries again, and checks the sum.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::CONTENT_RANGE;
use reqwest::{Response, StatusCode};
use tokio::sync::mpsc;

use super::cache::Shelf;
use super::client::{Client, Wanted, chunk};
use super::lock::{self, Lock};
use super::name::Repo;
use super::part::Part;
use super::progress::{Progress, Teller};
use crate::layer::chance;
use crate::retry::Retry;
use crate::{Error, Kind, Result};

/// How often a file may come with a wrong sum. A second time may be another's doing; a third is not.
const WRONG_SUMS_MAX: u32 = 3;
/// An attempt that gained so many bytes was none in vain: attempts are counted anew.
const GAIN_BYTES_MIN: u64 = 64 << 10;
/// Attempts at one file in all, whatever they gain.
const ATTEMPTS_MAX: u32 = 1000;
/// Pieces that wait to be written. They have some 16 KiB each.
const PIECES_MAX: usize = 64;
/// How often it is looked whether another process is done.
const LOCK_EVERY: Duration = Duration::from_millis(100);

/// One file to fetch, and all that this takes.
pub(super) struct Fetch<'a> {
    pub(super) client: &'a Client,
    pub(super) shelf: &'a Shelf,
    pub(super) repo: &'a Repo,
    pub(super) commit: &'a str,
    pub(super) retry: &'a Retry,
    pub(super) wanted: &'a Wanted,
}

impl Fetch<'_> {
    /// Fetches it, unless it is there.
    pub(super) async fn run(&self, teller: &mut Teller<'_>) -> Result<()> {
        if !self.shelf.has(self.wanted) {
            let lock = Arc::new(self.lock(teller).await?);
            // Another process may have fetched it while it was waited for.
            if !self.shelf.has(self.wanted) {
                self.all(&lock, teller).await?;
            }
        }
        teller.done(&self.wanted.file, self.wanted.bytes);
        Ok(())
    }

    /// Waits as long as another process holds the lock: that one gives up by itself when nothing comes.
    async fn lock(&self, teller: &mut Teller<'_>) -> Result<Lock> {
        let (path, partial) = (self.shelf.lock(&self.wanted.sum), self.shelf.incomplete(&self.wanted.sum));
        let mut is_told = false;
        loop {
            if let Some(lock) = lock::try_take(&path)? {
                return Ok(lock);
            }
            if !is_told {
                teller.tell(Progress::Waiting { file: self.wanted.file.clone() });
                is_told = true;
            }
            if let Ok(metadata) = std::fs::metadata(&partial) {
                teller.fetched(metadata.len().min(self.wanted.bytes));
            }
            tokio::time::sleep(LOCK_EVERY).await;
        }
    }

    async fn all(&self, lock: &Arc<Lock>, teller: &mut Teller<'_>) -> Result<()> {
        let (path, wanted) = (self.shelf.incomplete(&self.wanted.sum), self.wanted.clone());
        let mut part = blocking(move || Part::open(&path, &wanted)).await??;
        let (file, bytes) = (self.wanted.file.clone(), self.wanted.bytes);
        teller.tell(Progress::Began { file, bytes, have: part.bytes });
        let (mut failures, mut wrong_sums) = (0, 0);
        for _ in 0..ATTEMPTS_MAX {
            let before = part.bytes;
            let outcome;
            (part, outcome) = self.attempt(part, lock, teller).await?;
            let Err(error) = outcome else {
                let blob = self.shelf.blob(&self.wanted.sum);
                match finish(part, &blob, lock).await? {
                    Finished::Right => return Ok(()),
                    Finished::Wrong(again) => part = again,
                }
                wrong_sums += 1;
                if wrong_sums == WRONG_SUMS_MAX {
                    part.discard();
                    return Err(self.wrong_sum());
                }
                self.restarted("its sum is wrong", teller);
                continue;
            };
            failures = if part.bytes >= before + GAIN_BYTES_MIN { 1 } else { failures + 1 };
            let Some(wait) = self.retry.wait(failures, &error, chance()) else {
                return Err(self.given_up(&error, &part));
            };
            let (file, reason) = (self.wanted.file.clone(), error.to_string());
            tracing::debug!(file, reason, ?wait, "fetching again");
            teller.tell(Progress::Again { file, reason, wait });
            tokio::time::sleep(wait).await;
        }
        let message = format!("`{}` broke off {ATTEMPTS_MAX} times; try again later", self.wanted.file);
        Err(Error::new(Kind::Unavailable, message))
    }

    /// Asks for what is missing, and adds what comes. The part comes back with how it went.
    async fn attempt(&self, mut part: Part, lock: &Arc<Lock>, teller: &mut Teller<'_>) -> Result<(Part, Result<()>)> {
        if part.left() == 0 {
            return Ok((part, Ok(())));
        }
        let mut response = match self.client.get(self.repo, self.commit, &self.wanted.file, part.bytes).await {
            Ok(response) => response,
            Err(error) => return Ok((part, Err(error))),
        };
        let start = start_of(&response, &part);
        if start != Start::Here {
            if part.bytes > 0 {
                self.restarted(start.reason(), teller);
            }
            if let Err(error) = part.restart() {
                let error = part.unwritten(error);
                return Ok((part, Err(error)));
            }
        }
        if let Start::Wrong(reason) = start {
            return Ok((part, Err(Error::new(Kind::Unavailable, reason))));
        }
        // Disks may be slow, and sums take time: neither holds up what else there is to do.
        let (sender, receiver) = mpsc::channel(PIECES_MAX);
        let (mut bytes, of, lock) = (part.bytes, part.of, Arc::clone(lock));
        let writer = blocking(move || write(part, receiver, &lock));
        let pump = async move {
            while bytes < of {
                match chunk(&mut response, self.client.timeouts.idle).await? {
                    Some(piece) => {
                        bytes = of.min(bytes + piece.len() as u64);
                        if sender.send(piece).await.is_err() {
                            break; // the writer says why
                        }
                        teller.fetched(bytes);
                    }
                    None => {
                        return Err(Error::new(Kind::Unavailable, format!("it broke off after {bytes} of {of} bytes")));
                    }
                }
            }
            Ok(())
        };
        let (pumped, written) = futures_util::future::join(pump, writer).await;
        let (part, written) = written?;
        Ok((part, written.and(pumped)))
    }

    fn restarted(&self, reason: &str, teller: &mut Teller<'_>) {
        teller.tell(Progress::Restarted { file: self.wanted.file.clone(), reason: reason.to_owned() });
        teller.fetched(0);
    }

    fn wrong_sum(&self) -> Error {
        let message = format!(
            "`{}` of `{}` came with a wrong sum {WRONG_SUMS_MAX} times, and was deleted; something on the way changes it",
            self.wanted.file, self.repo
        );
        Error::new(Kind::BadOutput, message)
    }

    fn given_up(&self, error: &Error, part: &Part) -> Error {
        let (file, repo) = (&self.wanted.file, self.repo);
        let kept = match part.bytes {
            0 => String::new(),
            bytes => format!("; the {bytes} bytes that came are kept, and the same command goes on from there"),
        };
        let message = format!("{}{kept}", error.message());
        Error::new(error.kind(), message).context(format!("fetching `{file}` of `{repo}`"))
    }
}

/// Writes pieces as they come. The lock is held as long as there is somebody who writes, even if nobody waits for it.
fn write<B: AsRef<[u8]>>(mut part: Part, mut pieces: mpsc::Receiver<B>, _lock: &Arc<Lock>) -> (Part, Result<()>) {
    while let Some(piece) = pieces.blocking_recv() {
        if let Err(error) = part.add(piece.as_ref()) {
            let error = part.unwritten(error);
            return (part, Err(error));
        }
    }
    (part, Ok(()))
}

enum Finished {
    Right,
    /// It begins anew.
    Wrong(Part),
}

async fn finish(mut part: Part, blob: &Path, lock: &Arc<Lock>) -> Result<Finished> {
    let (blob, lock) = (blob.to_owned(), Arc::clone(lock));
    blocking(move || {
        let is_right = part.finish(&blob).map_err(|error| error.context(format!("writing `{}`", blob.display())));
        drop(lock);
        Ok(if is_right? { Finished::Right } else { Finished::Wrong(part) })
    })
    .await?
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::from_source(Kind::Internal, error).context("writing what was fetched"))
}

/// Where an answer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// Where it was asked to.
    Here,
    /// At the beginning of the file.
    Zero,
    /// Nobody knows.
    Wrong(&'static str),
}

impl Start {
    fn reason(self) -> &'static str {
        match self {
            Self::Here => "",
            Self::Zero => "the server begins from the start",
            Self::Wrong(reason) => reason,
        }
    }
}

fn start_of(response: &Response, part: &Part) -> Start {
    match response.status() {
        StatusCode::PARTIAL_CONTENT => {
            let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok()).and_then(range);
            match range {
                Some((from, of)) if from == part.bytes && of.is_none_or(|of| of == part.of) => Start::Here,
                _ => Start::Wrong("the server sent another range than was asked for"),
            }
        }
        // A page that asks to log in to a network is `200` too.
        StatusCode::OK if response.content_length().is_some_and(|bytes| bytes != part.of) => {
            Start::Wrong("what the server sent has another length than the file")
        }
        StatusCode::OK if part.bytes == 0 => Start::Here,
        StatusCode::OK => Start::Zero,
        _ => Start::Wrong("the server has no such range"),
    }
}

/// Reads `bytes 100-199/200`: the first byte, and how many there are in all, if that is known.
fn range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, of) = text.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (from, _) = range.split_once('-')?;
    let of = if of.trim() == "*" { None } else { Some(of.trim().parse().ok()?) };
    Some((from.trim().parse().ok()?, of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        assert_eq!(range("bytes 100-199/200"), Some((100, Some(200))));
        assert_eq!(range("bytes 0-0/*"), Some((0, None)));
        for wrong in ["", "bytes", "bytes */200", "bytes a-b/c", "pages 1-2/3", "bytes -1-2/3"] {
            assert_eq!(range(wrong), None, "{wrong}");
        }
    }
}
