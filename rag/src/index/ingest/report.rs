//! What an ingest says: its progress while it runs, and what it came to in the end.

use std::collections::BTreeMap;

use serde::Serialize;

/// What an ingest is doing, for progress bars.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// The folders were walked.
    Walked {
        /// Files that may be read.
        files: u64,
        /// Files left out.
        skipped: u64,
        /// Files that have to be looked into.
        candidates: u64,
    },
    /// Files were read.
    Read {
        /// Of the candidates, so far.
        files: u64,
        /// Bytes of them.
        bytes: u64,
    },
    /// A batch is searchable by its words.
    Searchable {
        /// Candidates dealt with so far.
        files: u64,
        /// Chunks of them.
        chunks: u64,
    },
    /// Vectors were made.
    Embedded {
        /// Chunks that have a vector now, in this run.
        chunks: u64,
        /// Chunks that needed one when the run began to make them.
        of: u64,
    },
}

/// What an ingest came to. Every file of the walk is in exactly one of `indexed`, `unchanged`, `skipped`, `failed`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Files whose text is new or changed.
    pub indexed: u64,
    /// Files that are in the index as they are.
    pub unchanged: u64,
    /// Files left out, with the reason.
    pub skipped: BTreeMap<String, String>,
    /// Files that could not be read, with the reason.
    pub failed: BTreeMap<String, String>,
    /// Files that are gone, and with them their chunks.
    pub removed: Vec<String>,
    /// What a person should know about files that were indexed all the same.
    pub warnings: BTreeMap<String, Vec<String>>,
    /// Chunks written.
    pub chunks_added: u64,
    /// Chunks of changed files that stayed as they were.
    pub chunks_kept: u64,
    /// Chunks removed.
    pub chunks_removed: u64,
    /// Vectors computed.
    pub vectors_made: u64,
    /// Vectors taken over from chunks with the same meaning.
    pub vectors_reused: u64,
    /// Chunks still without a vector.
    pub vectors_pending: u64,
    /// Seconds until the words of all files were searchable.
    pub seconds_words: f64,
    /// Seconds in all.
    pub seconds: f64,
    /// The run was cancelled; what it had committed stays, the next run continues.
    pub cancelled: bool,
}

/// What [`Index::remove`](super::Index::remove) took out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Removal {
    /// Documents, by path.
    pub removed: Vec<String>,
    /// Chunks of them.
    pub chunks: u64,
}
