//! Words in the JSON of an answer, borrowed from the frame wherever they have no escapes. `Cow` inside an `Option` or with
//! a `null` would be copied or refused by serde, and both are common on the wire.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Words; none where there are `null` or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Words<'a>(Cow<'a, str>);

impl Words<'_> {
    /// Returns them as its own, if there are any.
    pub(crate) fn some(self) -> Option<String> {
        if self.0.is_empty() { None } else { Some(self.0.into_owned()) }
    }

    pub(crate) fn into_owned(self) -> String {
        self.0.into_owned()
    }
}

impl Deref for Words<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Words<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordsVisitor).map(Words)
    }
}

struct WordsVisitor;

impl<'de> Visitor<'de> for WordsVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or null")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Held<'a> {
        #[serde(borrow, default)]
        words: Option<Words<'a>>,
    }

    #[test]
    fn words_are_borrowed_where_they_can_be() {
        let words = |json| serde_json::from_str::<Held<'_>>(json).unwrap().words;
        assert!(matches!(words("{\"words\":\"a\"}"), Some(Words(Cow::Borrowed("a")))));
        assert!(matches!(words("{\"words\":\"a\\n\"}"), Some(Words(Cow::Owned(_)))));
        assert_eq!(words("{\"words\":null}"), None);
        assert_eq!(words("{}"), None);
        assert!(serde_json::from_str::<Words<'_>>("{}").is_err());
        assert_eq!(&*serde_json::from_str::<Words<'_>>("null").unwrap(), "");
    }
}
