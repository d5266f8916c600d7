//! Text that must not be seen.

use std::fmt;

use serde::Deserialize;

/// A key or a password: it is not printed, logged or recorded. Only [`reveal`](Self::reveal) shows it.
///
/// ```
/// use lorewell_model::Secret;
///
/// let key = Secret::new("sk-123");
/// assert_eq!(format!("{key:?}"), "Secret(…)");
/// assert_eq!(key.reveal(), "sk-123");
/// ```
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text from being seen. White space around it, as pasted keys have, is taken off.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into().trim().to_owned())
    }

    /// Shows it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Takes it out of a text, such as the message of an error in which it is echoed.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        match self.0.is_empty() {
            true => text.to_owned(),
            false => text.replace(&self.0, "…"),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}
