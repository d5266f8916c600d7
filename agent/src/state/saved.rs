//! A stored state: its fields as JSON, by name. They are read and written one by one and never as one tree, so a long
//! list costs what its text costs.

use std::collections::BTreeMap;

use lorewell_model::{Error, Kind, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::finite::has_no_form;

/// The fields of a stored state, each as JSON.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Saved(BTreeMap<String, Box<RawValue>>);

impl Saved {
    /// Writes a field.
    ///
    /// # Errors
    /// The value has no form in JSON, such as a map whose keys are no strings, or one that it cannot be read back from.
    pub fn put<T: Serialize + DeserializeOwned>(&mut self, field: &str, value: &T) -> Result<()> {
        let text = serde_json::value::to_raw_value(value).map_err(|error| {
            Error::new(Kind::BadInput, format!("field `{field}` has no form in JSON: {error}")).caused_by(error)
        })?;
        check_floats(|| format!("field `{field}`"), value, text.get())?;
        self.0.insert(field.to_owned(), text);
        Ok(())
    }

    /// Takes a field out, if it was saved.
    ///
    /// # Errors
    /// What was saved is no `T`: the type has changed since.
    pub fn take<T: DeserializeOwned>(&mut self, field: &str) -> Result<Option<T>> {
        let Some(text) = self.0.remove(field) else { return Ok(None) };
        serde_json::from_str(text.get()).map(Some).map_err(|error| {
            let message =
                format!("field `{field}` does not fit its type any more: {error}; give the graph a `migration`");
            Error::new(Kind::Corrupt, message).caused_by(error)
        })
    }

    /// Returns the names of the fields that are left.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Makes sure that what was written can be read. JSON has no NaN and no infinity; serde writes a null for them, from
/// which no float is read back, and that would show only when the run is to go on. Other text is not looked at.
pub(super) fn check_floats<T>(what: impl Fn() -> String, value: &T, text: &str) -> Result<()>
where
    T: Serialize + DeserializeOwned,
{
    if !text.contains("null") || !has_no_form(value) {
        return Ok(());
    }
    serde_json::from_str::<T>(text).map(drop).map_err(|error| {
        let what = what();
        let message = format!("{what} could not be read back from JSON: {error}; is a float in it NaN or infinite?");
        Error::new(Kind::BadInput, message).caused_by(error)
    })
}
