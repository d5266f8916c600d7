//! Runs the sequences of a model: a thread of its own takes jobs, puts the next tokens of all of them into one batch, and
//! hands on what comes out. Prompts are read in pieces between the tokens of answers, so that none waits for another; what
//! a prompt shares with one that was read before is not read again.

mod blocks;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use self::blocks::Blocks;
use super::cache::BlockId;
use super::constrain::Matcher;
use super::decoder::{Batch, Row};
use super::kernels::BLOCK_TOKENS;
use super::machine::Machine;
use super::sample::Sampler;
use super::vocabulary::Vocabulary;
use crate::{Error, Kind, Result};

/// Rows of one pass: enough to make the most of each load of weights, few enough that answers are not held up long.
const BATCH_ROWS: usize = 512;
/// Sequences that run at once; more wait.
const SEQUENCES_MAX: usize = 32;
/// Jobs that wait; more are refused.
const WAITING_MAX: usize = 256;
/// Windows that the cache holds, so that conversations find what they had read.
const WINDOWS_MAX: usize = 4;
/// How long the thread waits for someone who does not take tokens before it looks again.
const PATIENCE: Duration = Duration::from_millis(2);

/// A prompt that is to be answered.
pub(super) struct Job {
    pub(super) prompt: Vec<u32>,
    pub(super) sampler: Sampler,
    pub(super) matcher: Option<Matcher>,
    pub(super) tokens_max: usize,
    pub(super) said: Sender<Result<Said>>,
}

/// What comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// So many tokens of the prompt were read before.
    Begun { reused: usize },
    /// A token of the answer.
    Token(u32),
    /// The answer has come to its end, or to the limit of tokens.
    Over { is_cut: bool },
}

/// What a model has done since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Tokens of prompts that were read.
    pub read_tokens: u64,
    /// Tokens of prompts that had been read before.
    pub reused_tokens: u64,
    /// Tokens of answers.
    pub written_tokens: u64,
    /// Passes through the model.
    pub passes: u64,
}

#[derive(Debug, Default)]
struct Counts {
    read: AtomicU64,
    reused: AtomicU64,
    written: AtomicU64,
    passes: AtomicU64,
}

/// The thread of a model. It ends when this is dropped.
pub(super) struct Engine {
    jobs: SyncSender<Job>,
    counts: Arc<Counts>,
    window: usize,
}

impl Engine {
    /// Starts the thread.
    pub(super) fn start(mut machine: Box<dyn Machine>, vocabulary: Arc<Vocabulary>, window: usize) -> Result<Self> {
        let needed = window.div_ceil(BLOCK_TOKENS);
        let most = machine.prepare(needed, WINDOWS_MAX * needed)?;
        let (jobs, receiver) = mpsc::sync_channel(WAITING_MAX);
        let counts = Arc::new(Counts::default());
        let mut running = Running {
            machine,
            vocabulary,
            blocks: Blocks::new(most),
            sequences: Vec::new(),
            waiting: VecDeque::new(),
            counts: Arc::clone(&counts),
        };
        let run = move || {
            while running.take(&receiver) {
                running.pass();
            }
        };
        thread::Builder::new().name("lorewell-model".to_owned()).spawn(run)?;
        Ok(Self { jobs, counts, window })
    }

    /// Returns how many tokens a sequence may have.
    pub(super) fn window(&self) -> usize {
        self.window
    }

    /// Adds a job.
    pub(super) fn submit(&self, job: Job) -> Result<()> {
        self.jobs.try_send(job).map_err(|error| match error {
            mpsc::TrySendError::Full(_) => {
                let message = format!("{WAITING_MAX} answers are waiting for this model already; ask later");
                Error::new(Kind::RateLimited, message)
            }
            mpsc::TrySendError::Disconnected(_) => Error::new(Kind::Internal, "the thread of the model has ended"),
        })
    }

    /// Returns what was done so far.
    pub(super) fn counters(&self) -> Counters {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counters {
            read_tokens: load(&self.counts.read),
            reused_tokens: load(&self.counts.reused),
            written_tokens: load(&self.counts.written),
            passes: load(&self.counts.passes),
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("window", &self.window).finish_non_exhaustive()
    }
}

/// What the thread holds.
struct Running {
    machine: Box<dyn Machine>,
    vocabulary: Arc<Vocabulary>,
    blocks: Blocks,
    sequences: Vec<Sequence>,
    waiting: VecDeque<Job>,
    counts: Arc<Counts>,
}

/// A job that runs.
struct Sequence {
    job: Job,
    /// The prompt, and the answer so far.
    tokens: Vec<u32>,
    /// How many of them are in the cache.
    read: usize,
    blocks: Vec<BlockId>,
    /// Blocks that it may still take.
    reserved: usize,
    reused: usize,
    is_begun: bool,
    is_over: bool,
}

impl Running {
    /// Takes jobs; waits for one if there is nothing to do. False if there will be none any more.
    fn take(&mut self, jobs: &mpsc::Receiver<Job>) -> bool {
        let is_idle = self.sequences.is_empty() && self.waiting.is_empty();
        if is_idle {
            match jobs.recv() {
                Ok(job) => self.waiting.push_back(job),
                Err(_) => return false,
            }
        } else if self.sequences.iter().all(Sequence::is_held) {
            match jobs.recv_timeout(PATIENCE) {
                Ok(job) => self.waiting.push_back(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        while self.waiting.len() < WAITING_MAX {
            match jobs.try_recv() {
                Ok(job) => self.waiting.push_back(job),
                Err(mpsc::TryRecvError::Empty) => break,
                Err(mpsc::TryRecvError::Disconnected) => return false,
            }
        }
        self.end();
        self.admit();
        true
    }

    /// Lets sequences go that are over, or that nobody listens to.
    fn end(&mut self) {
        let (over, running) = std::mem::take(&mut self.sequences)
            .into_iter()
            .partition::<Vec<_>, _>(|sequence| sequence.is_over || sequence.job.said.is_closed());
        self.sequences = running;
        for sequence in over {
            self.blocks.release(&sequence.blocks, sequence.reserved);
        }
        self.waiting.retain(|job| !job.said.is_closed());
    }

    /// Lets jobs run for which there is room, in the order in which they came.
    fn admit(&mut self) {
        while self.sequences.len() < SEQUENCES_MAX {
            let Some(job) = self.waiting.front() else { return };
            let needed = (job.prompt.len() + job.tokens_max).div_ceil(BLOCK_TOKENS);
            if !self.blocks.reserve(needed) {
                return;
            }
            let Some(job) = self.waiting.pop_front() else { return };
            let tokens = job.prompt.clone();
            self.sequences.push(Sequence {
                job,
                tokens,
                read: 0,
                blocks: Vec::new(),
                reserved: needed,
                reused: 0,
                is_begun: false,
                is_over: false,
            });
        }
    }

    /// One pass: the next tokens of all sequences.
    fn pass(&mut self) {
        let mut parts = self.plan();
        parts.retain(|(index, count)| self.make_room(*index, *count));
        if parts.is_empty() {
            return;
        }
        let mut batch = Batch::default();
        for (part, (index, count)) in parts.iter().enumerate() {
            let sequence = &self.sequences[*index];
            batch.sequences.push(&sequence.blocks);
            for position in sequence.read..sequence.read + count {
                let is_wanted = position + 1 == sequence.tokens.len();
                batch.rows.push(Row { token: sequence.tokens[position], sequence: part, position, is_wanted });
            }
        }
        let scores = self.machine.forward(&batch);
        drop(batch);
        self.counts.passes.fetch_add(1, Ordering::Relaxed);
        match scores {
            Ok(scores) => self.note(&parts, scores),
            Err(error) => {
                let failed = |index: &usize| self.sequences[*index].fail(&error);
                parts.iter().map(|(index, _)| index).for_each(failed);
            }
        }
    }

    /// Takes blocks for the next tokens of a sequence. False if there are none, and it is over.
    fn make_room(&mut self, index: usize, count: usize) -> bool {
        let sequence = &mut self.sequences[index];
        while sequence.blocks.len() * BLOCK_TOKENS < sequence.read + count {
            match self.blocks.take(&mut *self.machine) {
                Ok(block) => sequence.blocks.push(block),
                Err(error) => {
                    sequence.fail(&error);
                    return false;
                }
            }
            sequence.reserved = sequence.reserved.saturating_sub(1);
        }
        true
    }

    /// Chooses how many tokens of which sequences are next. Each answer gets its token; prompts share the rest evenly.
    fn plan(&mut self) -> Vec<(usize, usize)> {
        let mut parts = Vec::new();
        let mut reading = Vec::new();
        for index in 0..self.sequences.len() {
            if self.sequences[index].is_held() {
                continue;
            }
            match self.sequences[index].left() {
                1 if self.sequences[index].is_begun => parts.push((index, 1)),
                _ => reading.push(index),
            }
        }
        let mut rows = BATCH_ROWS.saturating_sub(parts.len());
        for (at, index) in reading.iter().enumerate() {
            let is_read_elsewhere = self.adopt(*index, &reading[..at]);
            let sequence = &self.sequences[*index];
            let share = (rows / (reading.len() - at)).max(1).min(rows);
            if share > 0 && !is_read_elsewhere {
                let count = sequence.left().min(share);
                parts.push((*index, count));
                rows -= count;
            }
        }
        // Rows of the batch stand in the order of the sequences.
        parts.sort_unstable();
        parts
    }

    /// Takes over blocks that hold the next tokens of a prompt. True if another sequence is about to read them.
    fn adopt(&mut self, index: usize, before: &[usize]) -> bool {
        let sequence = &mut self.sequences[index];
        // The last token is read anyway: what follows it is wanted.
        while sequence.read.is_multiple_of(BLOCK_TOKENS) && sequence.read + BLOCK_TOKENS < sequence.tokens.len() {
            let parent = sequence.blocks.last().copied();
            let tokens = &sequence.tokens[sequence.read..sequence.read + BLOCK_TOKENS];
            let Some(block) = self.blocks.find(parent, tokens) else { break };
            sequence.blocks.push(block);
            sequence.reserved = sequence.reserved.saturating_sub(1);
            sequence.read += BLOCK_TOKENS;
            sequence.reused += BLOCK_TOKENS;
            self.counts.reused.fetch_add(BLOCK_TOKENS as u64, Ordering::Relaxed);
        }
        let sequence = &self.sequences[index];
        let end = sequence.read + BLOCK_TOKENS;
        if !sequence.read.is_multiple_of(BLOCK_TOKENS) || end >= sequence.tokens.len() {
            return false;
        }
        before.iter().any(|other| {
            let other = &self.sequences[*other];
            other.read < end && other.tokens.get(..end) == Some(&sequence.tokens[..end])
        })
    }

    /// Hands on what came out of a pass.
    fn note(&mut self, parts: &[(usize, usize)], scores: Vec<f32>) {
        let mut scores = scores;
        let mut rows = scores.chunks_mut(self.machine.shape().vocabulary);
        for (index, count) in parts {
            let sequence = &mut self.sequences[*index];
            let begin = sequence.read;
            sequence.read += count;
            let read = sequence.read.min(sequence.job.prompt.len()).saturating_sub(begin);
            self.counts.read.fetch_add(read as u64, Ordering::Relaxed);
            for full in begin / BLOCK_TOKENS..sequence.read / BLOCK_TOKENS {
                let parent = full.checked_sub(1).map(|before| sequence.blocks[before]);
                let tokens = &sequence.tokens[full * BLOCK_TOKENS..(full + 1) * BLOCK_TOKENS];
                self.blocks.remember(parent, tokens, sequence.blocks[full]);
            }
            if sequence.left() > 0 {
                continue;
            }
            let Some(row) = rows.next() else { continue };
            if sequence.next(row, &self.vocabulary) {
                self.counts.written.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Sequence {
    /// Tokens that are not in the cache yet.
    fn left(&self) -> usize {
        self.tokens.len() - self.read
    }

    /// Whether nobody takes its tokens for now.
    fn is_held(&self) -> bool {
        // Two: what comes next, and the end.
        !self.is_over && !self.job.said.is_closed() && self.job.said.capacity() < 3
    }

    fn say(&mut self, said: Result<Said>) {
        // There is room; whoever hung up is let go before the next pass.
        let _ = self.job.said.try_send(said);
    }

    /// Ends with an error, which others may have met as well.
    fn fail(&mut self, error: &Error) {
        self.is_over = true;
        self.say(Err(Error::new(error.kind(), error.message())));
    }

    /// Chooses the next token by its scores. True if one was said.
    fn next(&mut self, scores: &mut [f32], vocabulary: &Vocabulary) -> bool {
        if !self.is_begun {
            self.is_begun = true;
            self.say(Ok(Said::Begun { reused: self.reused }));
        }
        let token = match self.choose(scores) {
            Ok(token) => token,
            Err(error) => {
                self.is_over = true;
                self.say(Err(error));
                return false;
            }
        };
        if vocabulary.stops().contains(&token) {
            self.is_over = true;
            self.say(Ok(Said::Over { is_cut: false }));
            return false;
        }
        self.tokens.push(token);
        self.say(Ok(Said::Token(token)));
        let is_cut = self.tokens.len() - self.job.prompt.len() >= self.job.tokens_max;
        let is_done = self.job.matcher.as_ref().is_some_and(Matcher::is_over);
        if is_cut || is_done {
            self.is_over = true;
            self.say(Ok(Said::Over { is_cut: is_cut && !is_done }));
        }
        true
    }

    fn choose(&mut self, scores: &mut [f32]) -> Result<u32> {
        let mask = self.job.matcher.as_mut().map(Matcher::mask).transpose()?;
        let token = self.job.sampler.next(scores, mask)?;
        self.job.sampler.accept(token);
        if let Some(matcher) = &mut self.job.matcher {
            matcher.accept(token)?;
        }
        Ok(token)
    }
}

#[cfg(test)]
mod tests;
