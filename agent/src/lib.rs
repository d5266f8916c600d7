//! The graph engine of Lorewell.

pub mod checkpoint;
mod cx;
mod engine;
mod event;
mod flow;
mod graph;
mod payload;
mod question;
mod record;
mod retain;
mod run;
mod scope;
pub mod state;
mod thread;

pub use cx::Cx;
pub use engine::{Failure, Source};
pub use event::{Event, EventKind, Gate, Side, StateView};
pub use flow::Flow;
pub use graph::{Cache, Command, END, Goto, Graph, IntoNode, Name, Node, Retry, Route, START, Stored, node};
pub use lorewell_model::{Error, Kind, Result};
pub use payload::Payload;
pub use question::Question;
pub use record::{Recorder, Recording};
pub use retain::expire;
pub use run::{BACKGROUND_MAX, Cancel, Durability, Events, Input, Outcome, Paused, Run};
pub use state::State;
pub use thread::{Checkpoint, CheckpointId, Standing, Thread};
