//! Lorewell's agents and the graph engine they run on: async functions on a typed state, run in supersteps, each of which is stored before the
//! next one begins. A run survives a crash and a restart, waits for a person as long as it takes, and does not repeat
//! what it has finished.
//!
//! - A **state** is a struct with [`#[derive(State)]`](derive@state::State). Each field has a rule for what several
//!   nodes write to it at the same time, and a node returns an update: `Desk::update().notes([..])`.
//! - A [`Graph`] is nodes and what leads from one to the next: edges, branches, joins. [`Graph::build`] checks it as a
//!   whole and makes a [`Flow`], which runs.
//! - A **superstep** runs all tasks that are due, at the same time, on the same state; then what they wrote is applied,
//!   in an order that does not depend on who was first. A **task** is one run of a node in one superstep.
//! - A [`Thread`](struct@Thread) is a durable sequence of runs under a name, kept in a [store](checkpoint). Each
//!   superstep leaves a **checkpoint** there, which can be [looked at](Thread::history) and
//!   [gone back to](Thread::fork).
//! - A node gets a [`Cx`]. A **question**, [`Cx::ask`], pauses its task until there is an answer. An **effect**,
//!   [`Cx::effect`], is something that must not happen twice: its result is stored before the node sees it, and until
//!   then every attempt has the same key, by which the other side knows what it has done already.
//!
//! A task that was cut off runs again from its start, and so does one that has asked and is answered; its answers, the
//! results of its effects, the [time](Cx::now) and [chance](Cx::random) are then what they were. A task that has
//! finished does not run again.
//!
//! ```
//! use lorewell_agent::checkpoint::Sqlite;
//! use lorewell_agent::{Cx, END, Flow, Graph, Outcome, Result, State};
//!
//! #[derive(Clone, Default, State)]
//! struct Desk {
//!     letter: String,
//!     #[reduce(append)]
//!     notes: Vec<String>,
//!     #[reduce(max)]
//!     risk: f32,
//! }
//!
//! async fn classify(cx: Cx<Desk>) -> Result<DeskUpdate> {
//!     let wants_money = cx.state().letter.contains("money back");
//!     Ok(Desk::update().risk(if wants_money { 0.9 } else { 0.1 }))
//! }
//!
//! async fn refund(cx: Cx<Desk>) -> Result<DeskUpdate> {
//!     let yes: bool = cx.ask("Refund 25 EUR?").await?; // pauses; survives a restart
//!     if !yes {
//!         return Ok(Desk::update().notes(["no refund".to_owned()]));
//!     }
//!     let receipt: String = cx.effect("refund", |key| pay_back(25, key)).await?; // stored before it is seen
//!     Ok(Desk::update().notes([receipt]))
//! }
//!
//! async fn answer(_: Cx<Desk>) -> Result<DeskUpdate> {
//!     Ok(Desk::update().notes(["answered".to_owned()]))
//! }
//!
//! /// The bank knows by the key what it has paid already.
//! async fn pay_back(euros: u32, key: String) -> Result<String> {
//!     Ok(format!("paid back {euros} EUR"))
//! }
//!
//! fn desk() -> Result<Flow<Desk>> {
//!     Graph::new()
//!         .node("classify", classify)
//!         .node("refund", refund)
//!         .node("answer", answer)
//!         .start("classify")
//!         .branch("classify", ["refund", "answer"], |desk: &Desk| if desk.risk > 0.5 { "refund" } else { "answer" })
//!         .edge("refund", "answer")
//!         .edge("answer", END)
//!         .build() // all faults of the graph at once
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("threads.sqlite");
//! let thread = desk()?.thread("ticket-42", Sqlite::open(&path).await?);
//! let letter = "I want my money back.".to_owned();
//! let Outcome::Paused(paused) = thread.run(Desk { letter, ..Desk::default() }).await? else { panic!("it asks") };
//! assert_eq!(paused.questions[0].prompt, "Refund 25 EUR?");
//! # drop(thread);
//!
//! // Next week, in another process:
//! let thread = desk()?.thread("ticket-42", Sqlite::open(&path).await?);
//! let question = thread.questions().await?.remove(0);
//! thread.answer(&question.id, true).await?;
//! let Outcome::Done(desk) = thread.resume().await? else { panic!("nothing else asks") };
//! assert_eq!(desk.notes, ["paid back 25 EUR", "answered"]);
//! # Ok(())
//! # }
//! ```
//!
//! # Agents
//!
//! An [`Agent`] is a model with instructions and tools, and runs as a node. What its tools write a person approves first, in a
//! thread that waits as long as it takes; what a crash cut off goes on without doing anything twice.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> lorewell_agent::Result<()> {
//! use lorewell_agent::checkpoint::Memory;
//! use lorewell_agent::{Access, Agent, Chat, Decision, Outcome, ToolCx, ToolError, tool};
//! # use lorewell_model::{Message, Model, Part, Role, ToolCall, mock::Script};
//! # let call = ToolCall::new("1", "pay_back", &serde_json::json!({"euros": 25}));
//! # let script = Script::new([Message::new(Role::Assistant, [Part::ToolCall(call)]), Message::assistant("Done.")]);
//! # let model = Model::new("mock:script".parse()?, script);
//!
//! /// Pays money back to the customer.
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! struct PayBack { euros: u32 }
//! async fn pay_back(cx: ToolCx, asked: PayBack) -> Result<String, ToolError> {
//!     let key = cx.key(); // the bank knows by it what it has paid already
//!     Ok(format!("paid back {} EUR ({})", asked.euros, key.len()))
//! }
//!
//! let agent = Agent::new(model).tool("pay_back", tool(pay_back).access(Access::WRITE));
//! let thread = agent.thread("ticket-42", Memory::new())?;
//! let Outcome::Paused(paused) = thread.run(Chat::say("I want my 25 EUR back.")).await? else { panic!("it asks") };
//! assert_eq!(paused.questions[0].prompt["arguments"]["euros"], 25);
//!
//! thread.answer(&paused.questions[0].id, Decision::approve()).await?;
//! assert_eq!(thread.resume().await?.done()?.text(), "Done.");
//! # Ok(())
//! # }
//! ```
//!
//! What is worth more than one answer of a model has a [strategy](reason::Strategy): votes, judges, searches, debates, all within
//! one budget; see [`reason`].
//!
//! # More of graphs
//!
//! Besides: [sends](Command::send) for map and reduce, graphs [inside](Flow::within) graphs, [retries](Retry),
//! [time limits](Node::timeout), [error handlers](Node::on_error), [events](Run::events), [cancelling](Cancel),
//! [recordings](Recorder) that replay byte for byte, a state of [JSON](Json) whose fields are only known at run time.
//!
//! What is stored when is a choice of each run: [`Durability`].

// The code of `#[derive(State)]` names this crate from outside, also when it stands in its own tests.
extern crate self as lorewell_agent;

mod agent;
pub mod checkpoint;
mod cx;
#[cfg(any(feature = "sqlite", feature = "trace"))]
mod database;
mod engine;
mod event;
mod flow;
mod graph;
#[cfg(feature = "sqlite")]
pub mod memory;
mod payload;
mod question;
pub mod reason;
mod record;
mod retain;
mod run;
mod scope;
pub mod state;
pub mod team;
mod thread;
pub mod tools;
#[cfg(any(feature = "otlp", feature = "trace"))]
pub mod trace;

pub use agent::{
    Agent, AgentRun, ApprovalScope, Chat, ChatUpdate, DELEGATE_TIMEOUT, Decision, Grant, LoopGuard, Middleware, Next,
    PromptCache, Redact, STEPS_MAX, Summary, Turn, TurnLimits, Verdict, Window,
};
pub use cx::Cx;
pub use engine::{Failure, Source};
pub use event::{Event, EventKind, Gate, Side, StateView};
pub use flow::Flow;
pub use graph::{Cache, Command, END, Goto, Graph, IntoNode, Name, Node, Retry, Route, START, Stored, node, node_with};
pub use lorewell_model::{
    Access, Budget, Error, Kind, OrKind, Result, ResultExt, Spent, Tool, ToolCx, ToolError, ToolOutput, tool,
};
pub use payload::Payload;
pub use question::Question;
pub use record::{Recorder, Recording};
pub use retain::expire;
pub use run::{BACKGROUND_MAX, Cancel, Durability, Events, Input, Outcome, Paused, Run};
pub use state::{Json, JsonUpdate, Rule, State};
pub use thread::{Checkpoint, CheckpointId, Standing, Thread};

/// What the code of `#[derive(State)]` refers to besides public names.
#[doc(hidden)]
pub mod __private {
    pub use lorewell_model::Result;
    pub use serde;

    use serde::{Deserialize, Deserializer};

    /// Reads a field of an update that is there, even if it is null.
    ///
    /// # Errors
    /// It is no `T`.
    pub fn written<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        T::deserialize(deserializer).map(Some)
    }
}
