//! A value that travels without its type: the input of a task, an update in an event. It stays what it is in memory and
//! becomes JSON only where it is stored, shown or sent elsewhere.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use lorewell_model::{Error, Kind, Result};
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A value whose type is known to those who made it and those who read it.
#[derive(Clone)]
pub struct Payload(Held);

#[derive(Clone)]
enum Held {
    Value(Arc<dyn Erased>),
    Json(Arc<RawValue>),
}

trait Erased: Send + Sync {
    fn json(&self) -> serde_json::Result<String>;
    fn any(&self) -> &dyn Any;
}

impl<T: Serialize + Send + Sync + 'static> Erased for T {
    fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    fn any(&self) -> &dyn Any {
        self
    }
}

impl Payload {
    /// Holds a value.
    pub fn new<T: Serialize + Send + Sync + 'static>(value: T) -> Self {
        Self(Held::Value(Arc::new(value)))
    }

    pub(crate) fn from_json(json: Box<RawValue>) -> Self {
        Self(Held::Json(json.into()))
    }

    /// Returns the value itself, if it is held as a `T`.
    #[must_use]
    pub fn downcast_ref<T: 'static>(&self) -> Option<&T> {
        match &self.0 {
            Held::Value(value) => value.any().downcast_ref(),
            Held::Json(_) => None,
        }
    }

    /// Returns the value as JSON.
    ///
    /// # Errors
    /// It has no form in JSON.
    pub fn json(&self) -> Result<Cow<'_, str>> {
        match &self.0 {
            Held::Value(value) => value.json().map(Cow::Owned).map_err(no_json),
            Held::Json(json) => Ok(Cow::Borrowed(json.get())),
        }
    }

    pub(crate) fn to_raw(&self) -> Result<Box<RawValue>> {
        match &self.0 {
            Held::Value(value) => RawValue::from_string(value.json().map_err(no_json)?).map_err(no_json),
            Held::Json(json) => Ok((**json).to_owned()),
        }
    }

    /// Reads the value as a `T`: a copy of it, or what its JSON says.
    ///
    /// # Errors
    /// It is of another type and its JSON does not fit.
    pub fn read<T: Clone + DeserializeOwned + 'static>(&self) -> Result<T> {
        if let Some(value) = self.downcast_ref::<T>() {
            return Ok(value.clone());
        }
        serde_json::from_str(&self.json()?).map_err(|error| {
            let message = format!("not a `{}`: {error}", std::any::type_name::<T>());
            Error::new(Kind::BadInput, message).caused_by(error)
        })
    }
}

fn no_json(error: serde_json::Error) -> Error {
    Error::new(Kind::BadInput, format!("a value has no form in JSON: {error}")).caused_by(error)
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.json() {
            Ok(json) => f.write_str(&json),
            Err(error) => write!(f, "({error})"),
        }
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Held::Json(json) => json.serialize(serializer),
            Held::Value(value) => {
                let json = value.json().map_err(serde::ser::Error::custom)?;
                RawValue::from_string(json).map_err(serde::ser::Error::custom)?.serialize(serializer)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_or_through_json() {
        let held = Payload::new(vec![1u8, 2]);
        assert_eq!(held.downcast_ref::<Vec<u8>>(), Some(&vec![1, 2]));
        assert_eq!(held.read::<Vec<u8>>().unwrap(), [1, 2]);
        assert_eq!(held.read::<Vec<i64>>().unwrap(), [1, 2]);
        assert_eq!(held.json().unwrap(), "[1,2]");
        let stored = Payload::from_json(RawValue::from_string("[1,2]".to_owned()).unwrap());
        assert!(stored.downcast_ref::<Vec<u8>>().is_none());
        assert_eq!(stored.read::<Vec<u8>>().unwrap(), [1, 2]);
        assert_eq!(serde_json::to_string(&[held, stored]).unwrap(), "[[1,2],[1,2]]");
    }

    #[test]
    fn another_type_is_an_error_that_names_it() {
        let error = Payload::new("a").read::<u32>().unwrap_err();
        assert_eq!(error.kind(), Kind::BadInput);
        assert!(error.to_string().starts_with("not a `u32`: "), "{error}");
    }
}
