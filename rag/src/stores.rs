//! What the stores of words and vectors have in common.

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Searching, beside one writer in this or another process.
    Read,
    /// Searching and writing; one at a time.
    Write,
}
