//! The model stack: one type of message, one type of event, whatever model answers.
//!
//! This crate sits at the bottom of the workspace and depends on none of the others, so it holds what all of them share:
//! the error type, the origin of a text, and secrets.

mod chat;
pub mod conformance;
mod error;
mod event;
mod fence;
mod fold;
#[cfg(feature = "hub")]
pub mod hub;
mod keys;
mod layer;
#[cfg(feature = "candle")]
pub mod local;
mod media;
mod message;
mod messages;
pub mod mock;
mod model;
mod name;
mod open;
mod origin;
mod price;
#[cfg(feature = "remote")]
pub mod remote;
mod request;
mod retry;
mod secret;
pub mod semconv;
pub mod span;
#[cfg(any(feature = "candle", feature = "remote"))]
mod think;
mod tool;
mod usage;

pub use chat::{ChatModel, Events};
pub use error::{Error, Kind, OrKind, Result, ResultExt};
pub use event::{Event, Finish};
pub use fence::fenced;
pub use fold::{Fold, REPLY_BYTES_MAX, REPLY_PARTS_MAX, Reply, read_json};
pub use keys::{KeySource, Keys};
pub use layer::{Budget, Cassette, RateLimit, Spent};
pub use media::{MEDIA_BYTES_MAX, Media, Source};
pub use message::{Citation, Message, Opaque, Part, Reasoning, Role, Text, ToolCall, ToolResult};
pub use messages::{Iter as MessagesIter, Messages};
pub use model::{Model, REPAIRS_MAX};
pub use name::ModelName;
pub use open::{Open, model};
pub use origin::Origin;
pub use price::{Price, Prices};
pub use request::{Cache, CacheLifetime, Effort, OutputSchema, Request, ToolChoice, ToolSpec};
pub use retry::Retry;
pub use secret::Secret;
pub use tool::{
    Access, Attempt, FunctionTool, IntoTool, Shared, TOOL_OUTPUT_BYTES_MAX, TOOL_TIMEOUT, Tool, ToolCx, ToolError,
    ToolHost, ToolLimits, ToolOutput, tool,
};
pub use usage::Usage;
