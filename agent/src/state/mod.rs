//! What a graph works on: a plain struct whose fields are channels, each with a rule that says how the writes of one
//! superstep become its next value. `#[derive(State)]` writes by rote what can be written by hand with this trait.

mod change;
mod rules;
mod saved;

use std::borrow::Cow;

use lorewell_model::{Error, Kind, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use change::{Change, Edit, Identified};
pub use rules::{Folded, Summable, Write, Writes};
pub use saved::Saved;

/// The state of a graph.
///
/// A superstep hands every task the state as it was, and applies what they wrote in one call of [`apply`](Self::apply),
/// in the order of the tasks. What is stored of a superstep is what its tasks wrote; a state is read back by applying
/// that again to an earlier one. So `apply` must depend on nothing but its arguments.
///
/// All of it works on values, not types, so that a state whose fields are only known at run time ([`Json`]) carries
/// its rules with it.
pub trait State: Clone + Send + Sync + 'static {
    /// What a node writes: for each field perhaps something.
    type Update: Clone + Default + Send + Sync + Serialize + DeserializeOwned + 'static;

    /// Returns the fields and their rules, in the order of declaration.
    fn fields(&self) -> Vec<Field>;

    /// Applies the writes of one superstep. Called with no writes as well when a field is [`Rule::Ephemeral`].
    ///
    /// # Errors
    /// Two tasks wrote a field that keeps one value, or a rule does not take what was written. The state may be left
    /// half written; the caller throws it away.
    fn apply(&mut self, writes: &mut Writes<'_, Self::Update>) -> Result<()>;

    /// Gives the messages of an update that have no id one from `ids`. Does nothing where no field has such a rule.
    fn identify(&self, update: &mut Self::Update, ids: &mut dyn FnMut() -> String) {
        let _ = (update, ids);
    }

    /// Writes an update as JSON, without fields that are never stored.
    ///
    /// # Errors
    /// A value has no form in JSON.
    fn encode(&self, update: &Self::Update) -> Result<String> {
        serde_json::to_string(update).map_err(|error| Error::new(Kind::BadInput, error.to_string()).caused_by(error))
    }

    /// Writes all fields that are stored.
    ///
    /// # Errors
    /// A value has no form in JSON.
    fn save(&self, saved: &mut Saved) -> Result<()>;

    /// Reads a state back; `self` is a blank one, whose values stand where nothing was saved.
    ///
    /// # Errors
    /// A saved value does not fit the field of its name.
    fn load(&self, saved: &mut Saved) -> Result<Self>;

    /// Names the fields that an update writes.
    fn written(&self, update: &Self::Update) -> Vec<Cow<'static, str>>;
}

/// One field of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    /// Its name.
    pub name: Cow<'static, str>,
    /// What becomes of writes to it.
    pub rule: Rule,
}

impl Field {
    /// Describes a field.
    pub fn new(name: impl Into<Cow<'static, str>>, rule: Rule) -> Self {
        Self { name: name.into(), rule }
    }
}

/// How the writes of one superstep to a field become its next value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// The value written stands; two tasks that write in one superstep are an error.
    Last,
    /// What was written is added at the end, in the order of the tasks.
    Append,
    /// Entries are put into a map or set; a later task wins.
    Merge,
    /// The greatest of the value and all writes.
    Max,
    /// The least of the value and all writes.
    Min,
    /// The sum of the value and all writes.
    Sum,
    /// Messages: put by id, removed by id.
    Messages,
    /// A function of the user folds the writes in.
    Custom,
    /// As [`Rule::Last`], in memory only: never stored.
    Untracked,
    /// As [`Rule::Last`], for the next superstep only: then the field is blank again.
    Ephemeral,
}

impl Rule {
    /// Tells whether two tasks may write the field in one superstep.
    #[must_use]
    pub fn takes_many(self) -> bool {
        !matches!(self, Self::Last | Self::Untracked | Self::Ephemeral)
    }
}
