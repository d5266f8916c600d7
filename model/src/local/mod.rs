//! Models on this machine: GGUF files, folders of safetensors, and what they share with embedders. Weights are read where
//! they lie, so that opening a model costs little and most of its memory belongs to the page cache.

mod bytes;
mod dialect;
mod gguf;
mod template;
mod vocabulary;

pub use bytes::Bytes;
pub use dialect::{Dialect, Envelope, Reader};
pub use gguf::{Array, Gguf, TensorKind, TensorView, Value};
pub use template::{Names, PROMPT_BYTES_MAX, SOURCE_BYTES_MAX, STEPS_MAX, Template};
pub use vocabulary::{TokenKind, Vocabulary};
