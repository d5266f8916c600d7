//! What a graph works on: a plain struct whose fields are channels, each with a rule that says how the writes of one
//! superstep become its next value. `#[derive(State)]` writes by rote what can be written by hand with this trait.

mod change;
mod finite;
mod json;
mod rules;
mod saved;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use lorewell_model::{Error, Kind, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use change::{Change, Edit, Identified};
pub use json::{Json, JsonUpdate};
/// Makes a struct the state of a graph.
///
/// It is a struct with named fields and no parameters that is [`Clone`], and [`Default`] for the values that a run
/// begins with. Each field is a channel, and its attribute says what becomes of what several tasks write to it in one
/// superstep:
///
/// | attribute | what becomes of writes | the field's type |
/// |---|---|---|
/// | none | the one value written stands; two tasks that write are an error | any |
/// | `#[reduce(append)]` | added at the end, in the order of the tasks | a list |
/// | `#[reduce(merge)]` | put into it; a later task wins | a map or a set |
/// | `#[reduce(messages)]` | put by id, removed by id | `Vec` of something [`Identified`] |
/// | `#[reduce(max)]`, `#[reduce(min)]` | the greatest or the least stays; `None` gives way | anything ordered, or an `Option` of it |
/// | `#[reduce(sum)]` | added up; an overflow is an error | a number or a [`Duration`](std::time::Duration) |
/// | `#[reduce(with = path)]` | folded in by `fn(&mut T, T)`, which may return `Result<()>` | any |
/// | `#[reduce(untracked)]` | as without an attribute, but never stored | any, also without a form in JSON |
/// | `#[reduce(ephemeral)]` | as without an attribute, but blank again after the next superstep | any with a `Default` |
///
/// A field that is stored is `Serialize` and `DeserializeOwned`; attributes of serde on the struct are not looked at.
///
/// The derive writes the trait [`State`](trait@State), and beside a struct `Desk` the struct `DeskUpdate`, which is
/// what a node returns: for each field perhaps a write. `Desk::update()` begins one, and it has a setter for each field
/// of the name and the visibility of that field. A setter of a list, a map or messages takes what is added, and
/// `replace_…` stands beside it for all of a list or a map. A number is taken as it is; anything else may be what turns
/// into it.
///
/// ```
/// use lorewell_agent::State;
/// use lorewell_agent::state::{Write, Writes};
///
/// #[derive(Clone, Default, State)]
/// struct Desk {
///     question: String,
///     #[reduce(append)]
///     hits: Vec<String>,
///     #[reduce(sum)]
///     tokens: u64,
///     #[reduce(max)]
///     risk: Option<f64>,
/// }
///
/// let mut desk = Desk { question: "what is a channel?".to_owned(), ..Desk::default() };
/// // Two nodes that ran side by side.
/// let mut writes = [
///     Write { node: "search", task: 0, update: Desk::update().hits(["a field", "a strait"]).tokens(20) },
///     Write { node: "judge", task: 1, update: Desk::update().risk(0.2).tokens(22) },
/// ];
/// desk.apply(&mut Writes::new(&mut writes))?;
/// assert_eq!(desk.hits, ["a field", "a strait"]);
/// assert_eq!(desk.tokens, 42);
/// assert_eq!(desk.risk, Some(0.2));
/// # Ok::<(), lorewell_model::Error>(())
/// ```
pub use lorewell_agent_derive::State;
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
///
/// By hand it is a call of [`Writes`] and of [`Saved`] for each field:
///
/// ```
/// use std::borrow::Cow;
///
/// use lorewell_agent::state::{Field, Rule, Saved, State, Write, Writes};
/// use lorewell_model::Result;
///
/// #[derive(Clone)]
/// struct Count(u64);
///
/// impl State for Count {
///     type Update = Option<u64>;
///
///     fn fields(&self) -> Vec<Field> {
///         vec![Field::new("count", Rule::Sum)]
///     }
///
///     fn apply(&mut self, writes: &mut Writes<'_, Option<u64>>) -> Result<()> {
///         writes.sum("count", &mut self.0, Option::take)
///     }
///
///     fn save(&self, saved: &mut Saved) -> Result<()> {
///         saved.put("count", &self.0)
///     }
///
///     fn load(&self, saved: &mut Saved) -> Result<Self> {
///         Ok(Self(saved.take("count")?.unwrap_or(self.0)))
///     }
///
///     fn written(&self, update: &Option<u64>) -> Vec<Cow<'static, str>> {
///         update.iter().map(|_| "count".into()).collect()
///     }
/// }
///
/// let mut count = Count(40);
/// count.apply(&mut Writes::new(&mut [Write { node: "add", task: 0, update: Some(2) }]))?;
/// assert_eq!(count.0, 42);
/// # Ok::<(), lorewell_model::Error>(())
/// ```
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
    /// A value has no form in JSON, or one that it cannot be read back from.
    fn encode(&self, update: &Self::Update) -> Result<String> {
        let text = serde_json::to_string(update)
            .map_err(|error| Error::new(Kind::BadInput, error.to_string()).caused_by(error))?;
        saved::check_floats(|| "an update".to_owned(), update, &text)?;
        Ok(text)
    }

    /// Writes all fields that are stored.
    ///
    /// # Errors
    /// A value has no form in JSON, or one that it cannot be read back from.
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

/// Its name as in `#[reduce(…)]`; `last` and `custom` have none there.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Last => "last",
            Self::Append => "append",
            Self::Merge => "merge",
            Self::Max => "max",
            Self::Min => "min",
            Self::Sum => "sum",
            Self::Messages => "messages",
            Self::Custom => "custom",
            Self::Untracked => "untracked",
            Self::Ephemeral => "ephemeral",
        })
    }
}
