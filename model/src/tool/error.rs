//! What goes wrong in a tool: told to the model in words that were written for it, or hidden from it.

use std::error::Error as StdError;
use std::fmt;

use crate::Error;

/// Why a tool has no answer. What was made with [`retry`](Self::retry) or [`failed`](Self::failed) the model reads; any other
/// error, which `?` makes one of these, is logged in full, and the model only learns that the tool failed: errors tell of
/// paths, hosts and keys.
pub struct ToolError(Why);

enum Why {
    Retry(String),
    Failed(String),
    Hidden(Box<dyn StdError + Send + Sync>),
}

impl ToolError {
    /// The model should call again with other arguments; says what was wrong with these.
    pub fn retry(message: impl Into<String>) -> Self {
        Self(Why::Retry(message.into()))
    }

    /// It cannot be done; says why, for the model.
    pub fn failed(message: impl Into<String>) -> Self {
        Self(Why::Failed(message.into()))
    }

    /// Returns what the model is told.
    #[must_use]
    pub fn for_model(&self, tool: &str) -> String {
        match &self.0 {
            Why::Retry(message) => format!("{message}\nCall `{tool}` again with other arguments."),
            Why::Failed(message) => message.clone(),
            Why::Hidden(_) => format!("`{tool}` failed. The reason was logged for the people who run it."),
        }
    }

    /// Returns the error that is hidden from the model.
    #[must_use]
    pub fn hidden(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        match &self.0 {
            Why::Hidden(error) => Some(&**error),
            Why::Retry(_) | Why::Failed(_) => None,
        }
    }

    /// Takes the error that is hidden from the model, if it is one of Lorewell.
    ///
    /// # Errors
    /// The same, if it is none.
    pub fn into_error(self) -> Result<Error, Self> {
        match self.0 {
            Why::Hidden(error) => error.downcast().map(|error| *error).map_err(|error| Self(Why::Hidden(error))),
            told => Err(Self(told)),
        }
    }

    /// Returns the hidden error if it may pass by itself.
    #[must_use]
    pub fn passing(&self) -> Option<&Error> {
        self.hidden()?.downcast_ref::<Error>().filter(|error| error.is_retryable())
    }
}

impl<E: Into<Box<dyn StdError + Send + Sync>>> From<E> for ToolError {
    fn from(error: E) -> Self {
        Self(Why::Hidden(error.into()))
    }
}

impl fmt::Debug for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Why::Retry(message) => write!(f, "ToolError::Retry({message:?})"),
            Why::Failed(message) => write!(f, "ToolError::Failed({message:?})"),
            Why::Hidden(error) => write!(f, "ToolError::Hidden({error:?})"),
        }
    }
}
