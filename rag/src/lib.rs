//! Retrieval: file → document → chunk → vector and terms → hit → context → answer.
//!
//! The modules stand in the order in which data flows through them.

pub mod answer;
pub mod chunk;
pub mod dense;
pub mod document;
pub mod ids;
pub mod load;
mod outline;
pub mod place;
pub mod sentences;
pub mod sparse;
pub mod stores;
