//! Why a file is not loaded, as a value: the walk and the detection say it, the ingest counts it, a person reads it.
//! It is no error, except to someone who asked for that very file.

use std::fmt;
use std::path::Path;

use lorewell_model::{Error, Kind};
use serde::{Deserialize, Serialize};

/// Why a file is not loaded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SkipReason {
    /// It has no bytes, or only white space.
    Empty,
    /// It is not text, and no format that is known.
    Binary,
    /// Its ending (in lower case, without the dot) is not one that is known.
    UnknownType(String),
    /// It needs a password.
    Encrypted,
    /// It is larger than the limit.
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// A symbolic link that leads back to a folder above it.
    SymlinkLoop,
    /// A pipe, a socket or a device. Such a file is never opened.
    NotAFile,
    /// The file system refused; in its words.
    Unreadable(String),
    /// A folder under an ignore file that cannot be read, and why not. It is left out: without the rules too much of it
    /// would be loaded.
    UnreadableRules(String),
}

impl SkipReason {
    /// Turns the reason into the error of someone who asked for this very file.
    #[must_use]
    pub fn into_error(self, path: &Path) -> Error {
        let cause = self.clone();
        self.worded(path).caused_by(cause)
    }

    /// Returns the reason behind an error, if it is one of these.
    #[must_use]
    pub fn of(error: &Error) -> Option<&Self> {
        std::error::Error::source(error)?.downcast_ref()
    }

    /// Tells whether something ought to be done about the file; the others are left out on purpose.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Encrypted | Self::Unreadable(_) | Self::UnreadableRules(_))
    }

    fn worded(self, path: &Path) -> Error {
        let path = path.display();
        match self {
            Self::Empty => Error::new(Kind::BadInput, format!("`{path}` is empty; there is nothing to load")),
            Self::Binary => Error::new(
                Kind::BadInput,
                format!("`{path}` is binary; convert it to text, Markdown, HTML or PDF, or leave it out"),
            ),
            Self::UnknownType(ending) => Error::new(
                Kind::BadInput,
                format!("`{path}` is of the unknown type `.{ending}`; if it is text, rename it to end in `.txt`"),
            ),
            Self::Encrypted => {
                Error::new(Kind::Refused, format!("`{path}` is encrypted; save a copy without a password"))
            }
            Self::TooLarge { bytes, max } => Error::new(
                Kind::Limit,
                format!("`{path}` has {bytes} bytes and the limit is {max}; split it into smaller files"),
            ),
            Self::SymlinkLoop => Error::new(
                Kind::BadInput,
                format!("`{path}` is a symbolic link to a folder above it; point at the folder itself"),
            ),
            Self::NotAFile => Error::new(
                Kind::BadInput,
                format!("`{path}` is a pipe, socket or device; only regular files are loaded"),
            ),
            Self::Unreadable(why) => {
                Error::new(Kind::Io, format!("`{path}` cannot be read ({why}); check its permissions"))
            }
            Self::UnreadableRules(why) => Error::new(
                Kind::Io,
                format!("the ignore rules of `{path}` cannot be read ({why}); mend the file, or remove it to load all"),
            ),
        }
    }
}

impl std::error::Error for SkipReason {}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty"),
            Self::Binary => f.write_str("binary"),
            Self::UnknownType(ending) => write!(f, "unknown type `.{ending}`"),
            Self::Encrypted => f.write_str("encrypted"),
            Self::TooLarge { bytes, max } => write!(f, "{bytes} bytes, more than the limit of {max}; split it"),
            Self::SymlinkLoop => f.write_str("symbolic link loop"),
            Self::NotAFile => f.write_str("not a regular file"),
            Self::Unreadable(why) => write!(f, "unreadable: {why}"),
            Self::UnreadableRules(why) => write!(
                f,
                "left out, since its ignore rules cannot be read ({why}); mend the file, or remove it to load all"
            ),
        }
    }
}
