//! The one error type of the workspace. A caller decides by its [`Kind`]; a person reads its message and the
//! context around it. It is one word wide, so that `Result` stays small on hot paths.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The result of everything in Lorewell that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller should do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// A setting is wrong or missing.
    Config,
    /// A key is missing or was rejected.
    Auth,
    /// The other side asks to slow down.
    RateLimited,
    /// It took too long.
    Timeout,
    /// A service could not be reached, or is overloaded.
    Unavailable,
    /// Policy or the other side said no.
    Refused,
    /// What the caller passed in is wrong.
    BadInput,
    /// What came back cannot be used.
    BadOutput,
    /// It does not exist.
    NotFound,
    /// Someone else holds it, or changed it first.
    Conflict,
    /// A named limit was reached.
    Limit,
    /// The caller cancelled.
    Cancelled,
    /// The file system or another device failed.
    Io,
    /// Stored data is damaged.
    Corrupt,
    /// A fault in Lorewell itself.
    Internal,
}

/// Something that went wrong: a [`Kind`], a message, the context it happened in and what caused it.
///
/// Messages say what, on what, and what to do, in lower case and without a full stop.
///
/// ```
/// use lorewell_model::{Error, Kind};
///
/// let error = Error::new(Kind::NotFound, "no index in `kb`; run `lorewell init`").context("opening the index");
/// assert_eq!(error.kind(), Kind::NotFound);
/// assert_eq!(error.to_string(), "opening the index: no index in `kb`; run `lorewell init`");
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    message: String,
    context: Vec<String>, // innermost first
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Makes an error of a kind with a message.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let inner = Inner { kind, message: message.into(), context: Vec::new(), retry_after: None, source: None };
        Self(Box::new(inner))
    }

    /// Makes an error of a kind out of an error of another crate, in its words.
    ///
    /// ```
    /// use lorewell_model::{Error, Kind};
    ///
    /// let error = "x".parse::<u8>().map_err(|error| Error::from_source(Kind::BadInput, error)).unwrap_err();
    /// assert_eq!(error.to_string(), "invalid digit found in string");
    /// ```
    pub fn from_source(kind: Kind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        Self::new(kind, source.to_string()).caused_by(source)
    }

    /// Keeps what caused this error, for [`StdError::source`].
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds what was being done, outermost last: `reading `a.md`: permission denied`.
    #[must_use]
    pub fn context(mut self, doing: impl Into<String>) -> Self {
        self.0.context.push(doing.into());
        self
    }

    /// Notes how long to wait before trying again.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Returns what the caller should do about it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Returns the message alone, without context.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Tells whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.kind, Kind::RateLimited | Kind::Timeout | Kind::Unavailable)
    }

    /// Returns how long the other side asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for doing in self.0.context.iter().rev() {
            write!(f, "{doing}: ")?;
        }
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)?;
        match &self.0.source {
            Some(source) => write!(f, " (caused by {source:?})"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => Kind::NotFound,
            std::io::ErrorKind::TimedOut => Kind::Timeout,
            _ => Kind::Io,
        };
        Self::new(kind, error.to_string()).caused_by(error)
    }
}

/// What is no JSON, or not the JSON that was wanted, is bad input.
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        let kind = if error.is_io() { Kind::Io } else { Kind::BadInput };
        Self::from_source(kind, error)
    }
}

/// Gives an error of another crate a kind.
pub trait OrKind<T> {
    /// Makes it an [`Error`] of a kind, in its own words: `text.parse().or_kind(Kind::BadInput)?`.
    ///
    /// # Errors
    /// The same, as an [`Error`].
    fn or_kind(self, kind: Kind) -> Result<T>;
}

impl<T, E: Into<Box<dyn StdError + Send + Sync>>> OrKind<T> for Result<T, E> {
    fn or_kind(self, kind: Kind) -> Result<T> {
        self.map_err(|error| Error::from_source(kind, error))
    }
}

/// Adds context to the error of a `Result`.
pub trait ResultExt<T> {
    /// Says what was being done, if it failed. The closure runs only then.
    ///
    /// # Errors
    /// The same error, with the context added.
    fn context(self, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Error>> ResultExt<T> for Result<T, E> {
    fn context(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| error.into().context(doing()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_word_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn it_reads_from_the_outside_in() {
        let error: Result<(), std::io::Error> = Err(std::io::Error::from(std::io::ErrorKind::NotFound));
        let error = error.context(|| "reading `a.md`".into()).context(|| "loading".into()).expect_err("it failed");
        assert_eq!(error.kind(), Kind::NotFound);
        assert_eq!(error.to_string(), "loading: reading `a.md`: entity not found");
        assert!(std::error::Error::source(&error).is_some());
    }
}
