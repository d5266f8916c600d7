//! A node: an async function, and how it is run: again after a failure, no longer than so, not at all if its result is
//! known.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use lorewell_model::{Error, Kind, Result, Retry};
use serde::Serialize;

use super::cache::Cache;
use super::command::Command;
use super::shape::Shape;
use crate::cx::Cx;
use crate::state::State;

pub(crate) type NodeFuture<S> = Pin<Box<dyn Future<Output = Result<Command<S>>> + Send>>;
pub(crate) type Run<S> = Arc<dyn Fn(Cx<S>) -> NodeFuture<S> + Send + Sync>;
pub(crate) type CacheKey<S> = Arc<dyn Fn(&Cx<S>) -> Result<String> + Send + Sync>;

/// A node of a graph: an async function with settings.
///
/// ```
/// use std::time::Duration;
/// use lorewell_agent::{Cx, Graph, Result, Retry, State, node};
///
/// #[derive(Clone, Default, State)]
/// struct Page { text: String }
///
/// async fn fetch(cx: Cx<Page>) -> Result<PageUpdate> {
///     Ok(Page::update().text(format!("attempt {}", cx.attempt())))
/// }
///
/// let fetch = node(fetch).retry(Retry::default()).timeout(Duration::from_secs(5));
/// let flow = Graph::<Page>::new().node("fetch", fetch).start("fetch").build()?;
/// # Ok::<(), lorewell_agent::Error>(())
/// ```
pub struct Node<S: State> {
    pub(crate) run: Run<S>,
    pub(crate) settings: Settings,
    pub(crate) cache: Option<(Cache, CacheKey<S>)>,
    /// What is drawn inside it, if it is a graph.
    pub(crate) inner: Option<Arc<Shape>>,
}

/// How a node is run; nothing here depends on the state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) retry: Option<Retry>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) deferred: bool,
    pub(crate) on_error: Option<String>,
    pub(crate) goto: BTreeSet<String>,
    pub(crate) writes: Option<BTreeSet<String>>,
}

/// Makes a node of an async function, to give it settings.
pub fn node<S, F, Fut, R>(function: F) -> Node<S>
where
    S: State,
    F: Fn(Cx<S>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R>> + Send + 'static,
    R: Into<Command<S>> + 'static,
{
    let function = Arc::new(function);
    Node::from_run(Arc::new(move |cx| {
        // Called inside, so that a panic before the first await is one of the node too.
        let function = function.clone();
        Box::pin(async move { Ok(function(cx).await?.into()) })
    }))
}

/// Makes a node of an async function that works with something shared, such as a client: it is given a clone each time.
///
/// ```
/// use std::sync::Arc;
/// use lorewell_agent::{Cx, Graph, Result, State, node_with};
///
/// #[derive(Clone, Default, State)]
/// struct Chat { reply: String }
///
/// struct Client { greeting: String }
///
/// async fn reply(client: Arc<Client>, _: Cx<Chat>) -> Result<ChatUpdate> {
///     Ok(Chat::update().reply(client.greeting.clone()))
/// }
///
/// let client = Arc::new(Client { greeting: "hello".to_owned() });
/// let flow = Graph::<Chat>::new().node("reply", node_with(client, reply)).start("reply").build()?;
/// # Ok::<(), lorewell_agent::Error>(())
/// ```
pub fn node_with<S, C, F, Fut, R>(shared: C, function: F) -> Node<S>
where
    S: State,
    C: Clone + Send + Sync + 'static,
    F: Fn(C, Cx<S>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R>> + Send + 'static,
    R: Into<Command<S>> + 'static,
{
    node(move |cx| function(shared.clone(), cx))
}

impl<S: State> Node<S> {
    pub(crate) fn from_run(run: Run<S>) -> Self {
        Self { run, settings: Settings::default(), cache: None, inner: None }
    }

    /// Runs the node again after a failure.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.settings.retry = Some(retry);
        self
    }

    /// Stops an attempt that takes longer than this, with [`Kind::Timeout`].
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.settings.timeout = Some(limit);
        self
    }

    /// Stops an attempt that shows no sign of life for this long, with [`Kind::Timeout`]. Signs of life are events,
    /// effects that finish and [`Cx::alive`].
    #[must_use]
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.settings.idle_timeout = Some(limit);
        self
    }

    /// Runs the node only when nothing else is left to run.
    #[must_use]
    pub fn defer(mut self) -> Self {
        self.settings.deferred = true;
        self
    }

    /// Names the node that runs in the place of this one, in the same superstep, when this one has failed for good. It
    /// reads what went wrong from [`Cx::failure`].
    #[must_use]
    pub fn on_error(mut self, handler: &str) -> Self {
        self.settings.on_error = Some(handler.to_owned());
        self
    }

    /// Declares the nodes that its commands may go to.
    #[must_use]
    pub fn goto<T: AsRef<str>>(mut self, targets: impl IntoIterator<Item = T>) -> Self {
        self.settings.goto.extend(targets.into_iter().map(|target| target.as_ref().to_owned()));
        self
    }

    /// Declares the only fields that it writes, so that [`Graph::build`](super::Graph::build) can find nodes that would
    /// write one field at the same time. A write to another field is then an error.
    #[must_use]
    pub fn writes<T: AsRef<str>>(mut self, fields: impl IntoIterator<Item = T>) -> Self {
        self.settings.writes = Some(fields.into_iter().map(|field| field.as_ref().to_owned()).collect());
        self
    }

    /// Keeps its results, and takes one from there when the key is the same. Of a node with parts that are journalled
    /// nothing is journalled then.
    #[must_use]
    pub fn cache<K: Serialize>(mut self, cache: Cache, key: impl Fn(&Cx<S>) -> K + Send + Sync + 'static) -> Self {
        let key = move |cx: &Cx<S>| {
            serde_json::to_string(&key(cx))
                .map_err(|error| Error::new(Kind::BadInput, format!("the key of a cache has no form in JSON: {error}")))
        };
        self.cache = Some((cache, Arc::new(key)));
        self
    }
}

impl<S: State> Clone for Node<S> {
    fn clone(&self) -> Self {
        Self {
            run: self.run.clone(),
            settings: self.settings.clone(),
            cache: self.cache.clone(),
            inner: self.inner.clone(),
        }
    }
}

impl<S: State> fmt::Debug for Node<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What can be a node: an async function, a [`Node`], a checked graph on the same state.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a node of a graph on `{S}`",
    note = "a node is `async fn(Cx<S>) -> Result<R>`, where `R` is the update of `S`, a `Command<S>` or `()`",
    note = "the parameter of a closure needs its type: `|cx: Cx<S>| async move {{ .. }}`",
    note = "a graph on another state becomes a node by `flow.within(..)`"
)]
pub trait IntoNode<S: State, Marker> {
    /// Makes the node.
    fn into_node(self) -> Node<S>;
}

impl<S: State> IntoNode<S, ()> for Node<S> {
    fn into_node(self) -> Self {
        self
    }
}

impl<S, F, Fut, R> IntoNode<S, (Fut, R)> for F
where
    S: State,
    F: Fn(Cx<S>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R>> + Send + 'static,
    R: Into<Command<S>> + 'static,
{
    fn into_node(self) -> Node<S> {
        node(self)
    }
}
