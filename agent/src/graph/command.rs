//! What a node returns: what to write, and perhaps where to go. And what a branch returns: where to go.

use std::borrow::Cow;
use std::fmt;

use lorewell_model::Result;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::payload::Payload;
use crate::state::{Json, JsonUpdate, State};

/// The name of a node.
pub type Name = Cow<'static, str>;

/// What a node returns: an update of the state, and where to go besides along the edges of the node.
///
/// A node may return an update, `()` or a command; `Ok(update)` does. Where a command may go is declared with
/// [`Node::goto`](crate::Node::goto).
pub struct Command<S: State> {
    /// Applied one after the other, as the writes of one task.
    pub(crate) updates: Vec<S::Update>,
    pub(crate) goto: Vec<Goto>,
    pub(crate) parent: Option<Box<Upward>>,
}

/// A command for the graph around, whose types are not known here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Upward {
    pub(crate) updates: Vec<Box<RawValue>>,
    pub(crate) goto: Vec<StoredGoto>,
}

impl<S: State> Command<S> {
    /// Writes an update.
    pub fn update(update: S::Update) -> Self {
        Self { updates: vec![update], goto: Vec::new(), parent: None }
    }

    /// Writes nothing and goes nowhere yet.
    #[must_use]
    pub fn new() -> Self {
        Self { updates: Vec::new(), goto: Vec::new(), parent: None }
    }

    /// Goes to one more node.
    #[must_use]
    pub fn goto(mut self, node: impl Into<Name>) -> Self {
        self.goto.push(Goto::To(node.into()));
        self
    }

    /// Runs a node with an input of its own. May be said any number of times, for the same node too; the results are
    /// applied in the order in which it was said.
    #[must_use]
    pub fn send<T: Serialize + Send + Sync + 'static>(mut self, node: impl Into<Name>, input: T) -> Self {
        self.goto.push(Goto::send(node, input));
        self
    }

    /// Runs a node once for each of several inputs.
    #[must_use]
    pub fn sends<T: Serialize + Send + Sync + 'static>(
        mut self,
        node: impl Into<Name>,
        inputs: impl IntoIterator<Item = T>,
    ) -> Self {
        let node = node.into();
        self.goto.extend(inputs.into_iter().map(|input| Goto::send(node.clone(), input)));
        self
    }

    /// Ends the graph that this node is in, and gives a command to the graph around it, as the result of the node there
    /// that runs this graph. The updates of this command still count in the graph that ends. Declare it with
    /// `.goto([END])`, so that the checks know of this way out.
    ///
    /// # Errors
    /// The update has no form in JSON.
    pub fn parent<P: State>(mut self, command: Command<P>) -> Result<Self> {
        let Command { updates, goto, parent: _ } = command;
        let updates = updates.into_iter().map(|update| Payload::new(update).to_raw()).collect::<Result<_>>()?;
        let goto = goto.iter().map(Goto::stored).collect::<Result<_>>()?;
        self.parent = Some(Box::new(Upward { updates, goto }));
        Ok(self)
    }
}

impl<S: State> From<()> for Command<S> {
    fn from((): ()) -> Self {
        Self::new()
    }
}

/// Writes perhaps nothing.
impl<S: State, U: Into<Self>> From<Option<U>> for Command<S> {
    fn from(update: Option<U>) -> Self {
        update.map_or_else(Self::new, Into::into)
    }
}

impl<S: State> Default for Command<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl From<JsonUpdate> for Command<Json> {
    fn from(update: JsonUpdate) -> Self {
        Self::update(update)
    }
}

impl<S: State> Clone for Command<S> {
    fn clone(&self) -> Self {
        Self { updates: self.updates.clone(), goto: self.goto.clone(), parent: self.parent.clone() }
    }
}

impl<S: State> fmt::Debug for Command<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("updates", &self.updates.len())
            .field("goto", &self.goto)
            .field("parent", &self.parent)
            .finish()
    }
}

/// Where to go: to a node as such, or to a node with an input of its own.
#[derive(Debug, Clone)]
pub enum Goto {
    /// The node runs once in the next superstep, however many go to it.
    To(Name),
    /// The node runs once more for every such input, and reads it with [`Cx::input`](crate::Cx::input).
    Send {
        /// The node.
        node: Name,
        /// Its input.
        input: Payload,
    },
}

impl Goto {
    /// Runs a node with an input of its own.
    pub fn send<T: Serialize + Send + Sync + 'static>(node: impl Into<Name>, input: T) -> Self {
        Self::Send { node: node.into(), input: Payload::new(input) }
    }

    /// Returns the node.
    #[must_use]
    pub fn node(&self) -> &str {
        match self {
            Self::To(node) | Self::Send { node, .. } => node,
        }
    }

    pub(crate) fn stored(&self) -> Result<StoredGoto> {
        Ok(match self {
            Self::To(node) => StoredGoto { node: node.to_string(), input: None },
            Self::Send { node, input } => StoredGoto { node: node.to_string(), input: Some(input.to_raw()?) },
        })
    }
}

/// A [`Goto`] as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredGoto {
    #[serde(rename = "n")]
    pub(crate) node: String,
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub(crate) input: Option<Box<RawValue>>,
}

impl From<StoredGoto> for Goto {
    fn from(stored: StoredGoto) -> Self {
        match stored.input {
            None => Self::To(stored.node.into()),
            Some(input) => Self::Send { node: stored.node.into(), input: Payload::from_json(input) },
        }
    }
}

impl From<&'static str> for Goto {
    fn from(node: &'static str) -> Self {
        Self::To(Cow::Borrowed(node))
    }
}

impl From<String> for Goto {
    fn from(node: String) -> Self {
        Self::To(Cow::Owned(node))
    }
}

/// What a branch may return: one target, or any number of them.
#[diagnostic::on_unimplemented(
    message = "a branch cannot return `{Self}`",
    note = "return the name of a node, a `Goto`, an `Option` or a `Vec` of them, or a `Result` of one of these",
    note = "a name that is borrowed from the state does not live long enough; clone it"
)]
pub trait Route {
    /// Whether it can be more than one, which the checks of [`Graph::build`](crate::Graph::build) want to know.
    const MANY: bool = false;

    /// Returns the targets in order.
    ///
    /// # Errors
    /// The branch failed.
    fn targets(self) -> Result<Vec<Goto>>;
}

impl Route for &'static str {
    fn targets(self) -> Result<Vec<Goto>> {
        Ok(vec![self.into()])
    }
}

impl Route for String {
    fn targets(self) -> Result<Vec<Goto>> {
        Ok(vec![self.into()])
    }
}

impl Route for Goto {
    fn targets(self) -> Result<Vec<Goto>> {
        Ok(vec![self])
    }
}

impl Route for Name {
    fn targets(self) -> Result<Vec<Goto>> {
        Ok(vec![Goto::To(self)])
    }
}

/// Nowhere, if there is none.
impl<R: Route> Route for Option<R> {
    const MANY: bool = R::MANY;

    fn targets(self) -> Result<Vec<Goto>> {
        self.map_or_else(|| Ok(Vec::new()), Route::targets)
    }
}

impl<T: Into<Goto>, const N: usize> Route for [T; N] {
    const MANY: bool = true;

    fn targets(self) -> Result<Vec<Goto>> {
        Ok(self.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Goto>> Route for Vec<T> {
    const MANY: bool = true;

    fn targets(self) -> Result<Vec<Goto>> {
        Ok(self.into_iter().map(Into::into).collect())
    }
}

impl<R: Route> Route for Result<R> {
    const MANY: bool = R::MANY;

    fn targets(self) -> Result<Vec<Goto>> {
        self?.targets()
    }
}
