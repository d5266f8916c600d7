//! Reads fields that servers send in more than one type. What has the wrong type counts as missing, so that it never
//! breaks a stream, and text is borrowed from the frame where it stands there as it is.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Text; a number counts as its digits.
#[derive(Debug, Clone, Default)]
pub(super) struct Words<'a>(Option<Cow<'a, str>>);

impl<'a> Words<'a> {
    /// Reads a piece of JSON.
    pub(super) fn of(raw: &'a RawValue) -> Self {
        serde_json::from_str(raw.get()).unwrap_or_default()
    }

    /// Returns the text, empty if there is none.
    pub(super) fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Returns the text unless it is missing or empty.
    pub(super) fn full(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }

    /// Returns the text as one of its own unless it is missing or empty.
    pub(super) fn owned(&self) -> Option<String> {
        self.full().map(str::to_owned)
    }
}

/// A whole number that counts something or says which.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count(pub(super) Option<u64>);

impl Count {
    /// Returns the number, 0 if there is none.
    pub(super) fn or_zero(self) -> u64 {
        self.0.unwrap_or_default()
    }
}

/// A list; a single object counts as a list of one.
#[derive(Debug)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// An object.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

/// A value of some type: everything that is not taken is passed over.
trait Take<'de>: Default {
    fn text(_: Cow<'de, str>) -> Self {
        Self::default()
    }
    fn integer(_: u64) -> Self {
        Self::default()
    }
    fn number(_: f64) -> Self {
        Self::default()
    }
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
    fn object<A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

impl<'de: 'a, 'a> Take<'de> for Words<'a> {
    fn text(text: Cow<'de, str>) -> Self {
        Self(Some(text))
    }
    fn integer(number: u64) -> Self {
        Self(Some(number.to_string().into()))
    }
    fn number(number: f64) -> Self {
        Self(Some(number.to_string().into()))
    }
}

impl<'de> Take<'de> for Count {
    fn text(text: Cow<'de, str>) -> Self {
        Self(text.trim().parse().ok())
    }
    fn integer(number: u64) -> Self {
        Self(Some(number))
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole and within bounds, or 0")]
    #[expect(clippy::cast_sign_loss, reason = "not negative")]
    fn number(number: f64) -> Self {
        Self((number >= 0.0).then_some(number as u64))
    }
}

impl<'de, T: Deserialize<'de>> Take<'de> for List<T> {
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Self(items))
    }
    fn object<A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(|item| Self(vec![item]))
    }
}

impl<'de, T: Deserialize<'de>> Take<'de> for Object<T> {
    fn object<A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(|object| Self(Some(object)))
    }
}

struct Taker<T>(PhantomData<T>);

impl<'de, T: Take<'de>> Visitor<'de> for Taker<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<T, E> {
        Ok(T::text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::text(Cow::Owned(text.to_owned())))
    }
    fn visit_u64<E>(self, number: u64) -> Result<T, E> {
        Ok(T::integer(number))
    }
    fn visit_i64<E>(self, number: i64) -> Result<T, E> {
        Ok(u64::try_from(number).map(T::integer).unwrap_or_default())
    }
    fn visit_f64<E>(self, number: f64) -> Result<T, E> {
        Ok(T::number(number))
    }
    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(T::default())
    }
    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::list(list)
    }
    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T, A::Error> {
        T::object(object)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Words<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Taker(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Taker(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Taker(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Taker(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(default)]
    struct All<'a> {
        #[serde(borrow)]
        words: Words<'a>,
        count: Count,
        list: List<Object<IgnoredAny>>,
    }

    #[test]
    fn wrong_types_count_as_missing() {
        for value in ["null", "true", "-1", "1.5", "\"a\"", "[[1],{}]", "{\"a\":[{}]}", "[]"] {
            let all = format!("{{\"words\":{value},\"count\":{value},\"list\":{value}}}");
            assert!(serde_json::from_str::<All<'_>>(&all).is_ok(), "{value}");
        }
        let all: All<'_> = serde_json::from_str(r#"{"words":12,"count":"12","list":{}}"#).unwrap();
        assert_eq!((all.words.as_str(), all.count.0, all.list.0.len()), ("12", Some(12), 1));
        let all: All<'_> = serde_json::from_str(r#"{"words":"a","count":12.0,"list":[{},3]}"#).unwrap();
        assert!(matches!(all.words.0, Some(Cow::Borrowed("a"))));
        assert_eq!((all.count.0, all.list.0.len()), (Some(12), 2));
    }
}
