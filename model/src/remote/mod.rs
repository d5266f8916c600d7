//! Models behind HTTP. A wire format is a codec between requests, bytes and events and knows nothing of sockets; `http`
//! moves the bytes; a table says which provider speaks what, and where.

mod anthropic;
mod body;
#[cfg(test)]
mod check;
mod format;
mod frames;
mod gemini;
mod http;
mod model;
mod ollama;
mod openai;
mod opened;
mod providers;
mod quirks;
mod wire;
mod words;

pub use format::Format;
pub use http::{RESPONSE_BYTES_MAX, Timeouts, provide_tls};
#[cfg(feature = "hub")]
pub(crate) use http::{reason, retry_after};
pub(crate) use opened::Opened;
pub use opened::{ProviderInfo, providers};
#[cfg(feature = "hub")]
pub(crate) use providers::address;
pub(crate) use providers::unknown;
pub use wire::{Decoder, ModelInfo};
