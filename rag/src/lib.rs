//! Retrieval: file → document → chunk → vector and terms → hit → context → answer.
//!
//! `load` reads files into a `document`, `chunk` cuts it, `sparse` and `dense` store words and vectors, `index` keeps
//! all of it in step, `search` finds passages, `answer` quotes them.

pub mod answer;
pub mod chunk;
pub mod dense;
pub mod document;
pub mod ids;
pub mod index;
pub mod load;
mod outline;
pub mod place;
pub mod search;
pub mod sentences;
pub mod sparse;
pub mod stores;
mod tool;
