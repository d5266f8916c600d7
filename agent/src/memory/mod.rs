//! The long-term memory of agents: what is worth knowing beyond one conversation, in one SQLite file. Texts and facts in
//! namespaces, found by words and by meaning, with the time when they were so and the place where they come from.

mod consolidate;
mod database;
mod fact;
mod filter;
mod item;
mod markdown;
mod namespace;
mod remember;
mod rows;
mod search;
mod store;
#[cfg(test)]
mod tests;
mod time;
mod tools;
mod vectors;
mod words;

pub use consolidate::{CONVERSATION_BYTES_MAX, Consolidate, Consolidation, OPERATIONS_MAX, Refusal};
pub use fact::{FACT_PART_BYTES_MAX, Fact, FactRecord, Facts};
pub use filter::MemoryFilter;
pub use item::{MemoryId, MemoryItem, MemoryKind, MemorySource, Statement};
pub use markdown::{FILE_BYTES_MAX, FileConflict, Synced};
pub use namespace::{NAMESPACE_DEPTH_MAX, NAMESPACE_PART_BYTES_MAX, Namespace};
pub use remember::{Remember, Remembered, TEXT_BYTES_MAX};
pub use search::{HITS_MAX, MemoryHit, Search};
pub use store::{CAPACITY, CAPACITY_MAX, MemoryStatus, MemoryStore, OpenMemory, Swept};

/// How much a memory matters, unless said.
const IMPORTANCE: f32 = 0.5;
