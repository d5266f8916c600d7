//! What a download says while it goes on.

use std::time::Duration;

/// Something that happened on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// It is known what there is to do.
    Listed {
        /// The files that are wanted.
        files: usize,
        /// Their bytes.
        bytes: u64,
        /// How many of these are there already.
        have: u64,
    },
    /// A file is fetched, or goes on where it broke off.
    Began {
        /// Its name.
        file: String,
        /// Its bytes.
        bytes: u64,
        /// How many of these are there already.
        have: u64,
    },
    /// Bytes came, of whichever file.
    Fetched {
        /// Bytes that are there, of all files.
        bytes: u64,
        /// Bytes of all files.
        of: u64,
    },
    /// Another process fetches this file; it is waited for.
    Waiting {
        /// Its name.
        file: String,
    },
    /// It broke off, and is tried again.
    Again {
        /// The name of the file, or of the repository.
        file: String,
        /// Why.
        reason: String,
        /// After how long.
        wait: Duration,
    },
    /// A file begins anew: what there was of it could not be used.
    Restarted {
        /// Its name.
        file: String,
        /// Why.
        reason: String,
    },
    /// A file is complete, and its sum is right.
    Done {
        /// Its name.
        file: String,
    },
}

/// Adds up the bytes of several files, and hands on what happens.
pub(super) struct Teller<'a> {
    tell: &'a mut (dyn FnMut(Progress) + Send),
    /// Bytes of the files that are complete.
    complete: u64,
    of: u64,
}

impl<'a> Teller<'a> {
    pub(super) fn new(tell: &'a mut (dyn FnMut(Progress) + Send)) -> Self {
        Self { tell, complete: 0, of: 0 }
    }

    pub(super) fn listed(&mut self, files: usize, bytes: u64, have: u64, complete: u64) {
        (self.complete, self.of) = (complete, bytes);
        self.tell(Progress::Listed { files, bytes, have });
    }

    pub(super) fn tell(&mut self, progress: Progress) {
        (self.tell)(progress);
    }

    /// Says how much there is of the file that is fetched now.
    pub(super) fn fetched(&mut self, in_file: u64) {
        let bytes = self.complete.saturating_add(in_file).min(self.of);
        self.tell(Progress::Fetched { bytes, of: self.of });
    }

    pub(super) fn done(&mut self, file: &str, bytes: u64) {
        self.complete += bytes;
        self.fetched(0);
        self.tell(Progress::Done { file: file.to_owned() });
    }
}
