//! Text that must not be seen. A process remembers the secrets that it holds, so that they can be taken out of what others say.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use serde::Deserialize;

/// Secrets shorter than this are not looked for in what others say: headers are secrets too, and words as long as
/// `application/json` would go missing. Keys of providers are longer.
const KNOWN_BYTES_MIN: usize = 20;

/// The secrets that this process holds, with their lengths, longest first: one may begin with another.
static KNOWN: RwLock<Vec<(usize, Weak<str>)>> = RwLock::new(Vec::new());

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
#[serde(from = "String")]
pub struct Secret(Arc<str>);

impl Secret {
    /// Keeps a text from being seen. White space around it, as pasted keys have, is taken off.
    pub fn new(text: impl Into<String>) -> Self {
        Self(remembered(text.into().trim()))
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
            false => text.replace(&*self.0, "…"),
        }
    }

    /// Takes all secrets out of a text that this process holds, if they are at least 20 bytes long. What comes from outside is told
    /// to models, logs and traces only after that.
    ///
    /// ```
    /// use lorewell_model::Secret;
    ///
    /// let key = Secret::new("sk-0123456789abcdef0123");
    /// assert_eq!(Secret::redact_all("bad key sk-0123456789abcdef0123"), "bad key …");
    /// drop(key);
    /// assert_eq!(Secret::redact_all("bad key sk-0123456789abcdef0123"), "bad key sk-0123456789abcdef0123");
    /// ```
    #[must_use]
    pub fn redact_all(text: &str) -> Cow<'_, str> {
        let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
        let held = known.iter().filter_map(|(_, secret)| secret.upgrade());
        held.fold(Cow::Borrowed(text), |text, secret| match text.contains(&*secret) {
            true => Cow::Owned(text.replace(&*secret, "…")),
            false => text,
        })
    }
}

/// Returns the secret with this text that is held already, or else a new one, which is remembered as long as it is held.
fn remembered(text: &str) -> Arc<str> {
    if text.len() < KNOWN_BYTES_MIN {
        return Arc::from(text);
    }
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(held) = known.iter().filter_map(|(_, secret)| secret.upgrade()).find(|held| **held == *text) {
        return held;
    }
    known.retain(|(_, secret)| secret.strong_count() > 0);
    let secret: Arc<str> = Arc::from(text);
    let place = known.partition_point(|(length, _)| *length >= text.len());
    known.insert(place, (text.len(), Arc::downgrade(&secret)));
    secret
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_begins_with_another_is_taken_out_whole() {
        let short = Secret::new("begins-0123456789abcdef");
        let long = Secret::new("begins-0123456789abcdef-and-goes-on");
        assert_eq!(Secret::redact_all("x begins-0123456789abcdef-and-goes-on y"), "x … y");
        assert_eq!(Secret::redact_all(&format!("{0} {0}", short.reveal())), "… …");
        drop(long);
        assert_eq!(Secret::redact_all("x begins-0123456789abcdef-and-goes-on y"), "x …-and-goes-on y");
    }

    #[test]
    fn one_of_two_equal_secrets_is_enough_to_be_remembered() {
        let first = Secret::new("twice-0123456789abcdef");
        let second: Secret = serde_json::from_str("\" twice-0123456789abcdef \"").unwrap_or_else(|_| unreachable!());
        assert_eq!(first, second);
        drop(first);
        assert_eq!(Secret::redact_all("twice-0123456789abcdef"), "…");
    }

    #[test]
    fn short_ones_do_not_make_holes_in_ordinary_text() {
        let header = Secret::new("application/json");
        assert_eq!(Secret::redact_all("application/json"), "application/json");
        assert_eq!(header.redact("application/json"), "…");
    }
}
