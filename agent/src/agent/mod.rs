//! An agent: a model, what it is told to be, and the tools it may use. It runs as one node of a graph, so all that a graph can do
//! it can: threads, pauses that survive a restart, events, recordings, a place among other nodes.

mod approval;
mod cached;
mod calls;
mod chat;
mod delegate;
mod drive;
mod host;
mod limits;
mod middleware;
mod redact;
mod span;
#[cfg(test)]
mod tests;
mod toolbox;
mod turn;
mod window;

use std::any::Any;
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use lorewell_model::{Access, Error, Finish, IntoTool, Kind, Model, OutputSchema, Request, Result, Shared, Tool};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

pub use approval::{ApprovalScope, Decision, Grant};
pub use cached::PromptCache;
pub use chat::{Chat, ChatUpdate};
pub use delegate::DELEGATE_TIMEOUT;
use drive::{FINAL, Form, drive};
pub use limits::{LoopGuard, TurnLimits};
pub use middleware::{Middleware, Verdict};
pub use redact::Redact;
use toolbox::Toolbox;
pub use turn::{Next, STEPS_MAX, Turn};
pub use window::{Summary, Window};

use crate::checkpoint::Checkpoints;
use crate::flow::Flow;
use crate::graph::{END, Graph, Node, node};
use crate::run::{Events, Outcome, Run};
use crate::thread::Thread;

/// A model with instructions and tools. Cheap to clone.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use lorewell_agent::{Agent, ToolError};
/// use lorewell_model::{Message, Model, Part, Role, ToolCall, mock::Script};
///
/// /// Adds two numbers.
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Add { a: i64, b: i64 }
/// async fn add(numbers: Add) -> Result<i64, ToolError> {
///     numbers.a.checked_add(numbers.b).ok_or_else(|| ToolError::failed("the sum is too large"))
/// }
///
/// // A real model: `model("openai:gpt-5-mini").await?`, or `"gguf:model.gguf"`.
/// let call = ToolCall::new("1", "add", &serde_json::json!({"a": 2, "b": 3}));
/// let script = Script::new([Message::new(Role::Assistant, [Part::ToolCall(call)]), Message::assistant("It is 5.")]);
/// let model = Model::new("mock:script".parse()?, script);
///
/// let agent = Agent::new(model).instructions("Answer in one sentence.").tool("add", add);
/// assert_eq!(agent.run("What is 2 + 3?").await?, "It is 5.");
/// # Ok::<(), lorewell_agent::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Agent(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    name: String,
    model: Model,
    instructions: Option<String>,
    tools: Toolbox,
    shared: Arc<Shared>,
    /// The first is outermost.
    around: Vec<Arc<dyn Middleware>>,
    /// What its tools may touch without approval.
    allowed: Access,
    steps_max: u32,
    window: Option<Window>,
    /// How the model is asked, but for the conversation and the tools.
    request: Request,
}

impl Agent {
    /// Makes an agent of a model.
    #[must_use]
    pub fn new(model: Model) -> Self {
        Self(Arc::new(Inner {
            name: "agent".to_owned(),
            model,
            instructions: None,
            tools: Toolbox::default(),
            shared: Arc::default(),
            around: Vec::new(),
            allowed: Access::NONE,
            steps_max: STEPS_MAX,
            window: None,
            request: Request::default(),
        }))
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Names it: in events, traces, and where it is the tool of another.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        self.with(|inner| inner.name = name.into())
    }

    /// Returns its name.
    #[must_use]
    pub fn own_name(&self) -> &str {
        &self.0.name
    }

    /// Says what the model is to be and how it is to answer.
    #[must_use]
    pub fn instructions(self, text: impl Into<String>) -> Self {
        self.with(|inner| inner.instructions = Some(text.into()))
    }

    /// Gives it a tool: an async function, or one with settings, see [`tool`](lorewell_model::tool()).
    #[must_use]
    pub fn tool<M>(self, name: &str, tool: impl IntoTool<M>) -> Self {
        let tool = tool.into_tool(name);
        self.with(|inner| inner.tools.add(Arc::new(tool)))
    }

    /// Gives it tools that are made elsewhere.
    #[must_use]
    pub fn tools(self, tools: impl IntoIterator<Item = Arc<dyn Tool>>) -> Self {
        self.with(|inner| tools.into_iter().for_each(|tool| inner.tools.add(tool)))
    }

    /// Shares something with its tools, which find it by its type; see [`ToolCx::shared`](lorewell_model::ToolCx::shared).
    #[must_use]
    pub fn share<T: Any + Send + Sync>(self, shared: T) -> Self {
        self.with(|inner| {
            Arc::make_mut(&mut inner.shared).insert(shared);
        })
    }

    /// Puts something around its model and its tools, inside of what was put there before.
    #[must_use]
    pub fn middleware(self, middleware: impl Middleware) -> Self {
        self.with(|inner| inner.around.push(Arc::new(middleware)))
    }

    /// Lets tools touch this without approval. A run that has read what nobody vouches for still asks before it writes, runs
    /// or sends anything: instructions may hide in such text. That is what tools bring, files and pictures that a person sends
    /// along, what the provider has looked up, what [nodes before it](crate::Cx::has_read) and graphs inside have read, and what
    /// [`Chat::has_read`] says besides.
    #[must_use]
    pub fn allow(self, access: Access) -> Self {
        self.with(|inner| inner.allowed = inner.allowed | access)
    }

    /// Sets how often the model may answer within one turn; [`STEPS_MAX`] unless said.
    #[must_use]
    pub fn steps_max(self, steps: u32) -> Self {
        self.with(|inner| inner.steps_max = steps)
    }

    /// Sets how much of the conversation the model is shown; all of it unless said.
    #[must_use]
    pub fn window(self, window: Window) -> Self {
        self.with(|inner| inner.window = Some(window))
    }

    /// Sets how the model is asked: temperature, tokens, effort. Its messages and tools are not looked at.
    #[must_use]
    pub fn request(self, request: Request) -> Self {
        self.with(|inner| inner.request = request)
    }

    /// Lets it answer once, and keeps nothing.
    pub fn run(&self, asked: impl Into<String>) -> AgentRun {
        AgentRun(self.flow().map(|flow| flow.run(Chat::say(asked))))
    }

    /// Lets it answer once with a value of a type, and keeps nothing. An answer that does not have the form is sent back, a
    /// few times.
    ///
    /// # Errors
    /// Those of the run; `BadOutput` if the answer never has the form.
    pub async fn run_as<T: DeserializeOwned + JsonSchema + 'static>(&self, asked: impl Into<String>) -> Result<T> {
        let chat = self.flow_as::<T>()?.run(Chat::say(asked)).await?.done()?;
        chat.result_as()
    }

    /// Makes a graph of it whose [result](Chat::result) has the form of a type.
    ///
    /// # Errors
    /// Those of [`flow`](Self::flow); `Config` if the type has no schema.
    pub fn flow_as<T: DeserializeOwned + JsonSchema + 'static>(&self) -> Result<Flow<Chat>> {
        self.flow_with(Some(Form::of::<T>()?))
    }

    /// Makes a graph of it whose result is checked.
    pub(crate) fn flow_checked(
        &self,
        schema: OutputSchema,
        check: impl Fn(&serde_json::Value) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Flow<Chat>> {
        self.flow_with(Some(Form::new(schema, check)?))
    }

    /// Opens a thread: a conversation that is kept under a name, and goes on after a restart.
    ///
    /// # Errors
    /// Those of [`flow`](Self::flow).
    pub fn thread(&self, name: &str, store: impl Checkpoints) -> Result<Thread<Chat>> {
        Ok(self.flow()?.thread(name, store))
    }

    /// Makes a graph of it, with one node.
    ///
    /// # Errors
    /// `Config` if two tools have the same name, or one a name that no provider takes.
    pub fn flow(&self) -> Result<Flow<Chat>> {
        self.flow_with(None)
    }

    fn flow_with(&self, form: Option<Form>) -> Result<Flow<Chat>> {
        self.0.tools.check()?;
        form.as_ref().map_or(Ok(()), |_| self.0.tools.check_free(FINAL))?;
        self.0.window.as_ref().map_or(Ok(()), |window| window.check(&self.0.model))?;
        let name = &self.0.name;
        Graph::<Chat>::new().node(name, self.node_with(form)).start(name).edge(name, END).build()
    }

    /// Makes a node of it, for a graph whose state is a [`Chat`]. In a graph on another state,
    /// [`flow`](Self::flow)`()?.`[`within`](Flow::within) says what it is told and what becomes of its answer.
    #[must_use]
    pub fn node(&self) -> Node<Chat> {
        self.node_with(None)
    }

    fn node_with(&self, form: Option<Form>) -> Node<Chat> {
        let inner = self.0.clone();
        node(move |cx| drive(inner.clone(), form.clone(), cx))
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tools: Vec<_> = self.0.tools.names().collect();
        f.debug_struct("Agent")
            .field("name", &self.0.name)
            .field("model", &self.0.model)
            .field("tools", &tools)
            .finish()
    }
}

/// A run of an agent: `.await` it for the words of its answer, or read its [`events`](Self::events).
#[must_use = "an agent does nothing until its run is awaited"]
pub struct AgentRun(Result<Run<Chat>>);

impl AgentRun {
    /// Reads what happens while it happens: words of the model, calls of tools.
    ///
    /// # Errors
    /// `Config` if the agent cannot run as it is.
    pub fn events(self) -> Result<Events<Chat>> {
        self.0.map(Run::events)
    }
}

impl IntoFuture for AgentRun {
    type Output = Result<String>;
    type IntoFuture = BoxFuture<'static, Result<String>>;

    /// # Errors
    /// Those of the model; `Refused` if it declined to answer, or if a call needs the approval of a person: a
    /// [thread](Agent::thread) can wait for that; `Limit` if it is not done after so many steps.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let chat = match self.0?.await? {
                Outcome::Done(chat) => chat,
                paused @ Outcome::Paused(_) => paused.done()?,
            };
            match chat.finish {
                Some(Finish::Refused) => Err(Error::new(Kind::Refused, "the model declined to answer")),
                _ => Ok(chat.text()),
            }
        })
    }
}

impl fmt::Debug for AgentRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AgentRun").finish_non_exhaustive()
    }
}
