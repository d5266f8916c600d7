//! The graph engine of Lorewell.

// The code of `#[derive(State)]` names this crate from outside, also when it stands in its own tests.
extern crate self as lorewell_agent;

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
pub use graph::{Cache, Command, END, Goto, Graph, IntoNode, Name, Node, Retry, Route, START, Stored, node, node_with};
pub use lorewell_model::{Error, Kind, OrKind, Result, ResultExt};
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
