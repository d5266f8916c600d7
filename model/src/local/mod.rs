//! Models on this machine: GGUF files, folders of safetensors, and what they share with embedders. Weights are read where
//! they lie, so that opening a model costs little and most of its memory belongs to the page cache.

mod bytes;
mod cache;
mod chat;
mod constrain;
mod decoder;
mod device;
mod dialect;
mod engine;
mod folder;
mod gguf;
pub mod kernels;
mod machine;
mod mask;
mod memory;
mod prompt;
mod sample;
mod shape;
mod stop;
mod template;
mod tokenizer;
mod vocabulary;
mod weights;

pub use bytes::Bytes;
pub use chat::{Local, WINDOW_TOKENS};
pub use constrain::{Constraint, Grammars, Matcher};
pub use device::Device;
pub use dialect::{Dialect, Envelope, Reader};
pub use engine::Counters;
pub(crate) use folder::folder_of;
pub use gguf::{Array, Gguf, TensorKind, TensorView, Value};
pub use mask::Mask;
pub use sample::{Defaults, Sampler, Sampling};
pub use stop::{Pushed, StopWords};
pub use template::{Names, PROMPT_BYTES_MAX, SOURCE_BYTES_MAX, STEPS_MAX, Template};
pub use tokenizer::{Markers, Tokenizer, Utf8};
pub use vocabulary::{TokenKind, Vocabulary};
