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
/// An update alone is turned into a command by `?`-less `Ok(update)`: nodes may return an update, a command or `()`.
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

    /// Goes to a node, besides along the edges.
    pub fn to(node: impl Into<Name>) -> Self {
        Self::from(()).goto(node)
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

    /// Ends the graph that this node is in, and gives a command to the graph around it, as the result of the node there
    /// that runs this graph. The updates of this command still count in the graph that ends.
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
        Self { updates: Vec::new(), goto: Vec::new(), parent: None }
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
pub trait Route {
    /// Whether it can be more than one, which the checks of [`Graph::build`](crate::Graph::build) want to know.
    const MANY: bool;

    /// Returns the targets in order.
    ///
    /// # Errors
    /// The branch failed.
    fn targets(self) -> Result<Vec<Goto>>;
}

impl Route for &'static str {
    const MANY: bool = false;

    fn targets(self) -> Result<Vec<Goto>> {
        Ok(vec![self.into()])
    }
}

impl Route for String {
    const MANY: bool = false;

    fn targets(self) -> Result<Vec<Goto>> {
        Ok(vec![self.into()])
    }
}

impl Route for Goto {
    const MANY: bool = false;

    fn targets(self) -> Result<Vec<Goto>> {
        Ok(vec![self])
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
