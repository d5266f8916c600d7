//! Lorewell answers from your own documents, offline, with citations that were checked.
//!
//! This crate only brings the others together: each module is a crate of the workspace.

pub use lorewell_embed as embed;
pub use lorewell_model::{Error, Kind, Origin, Result};
pub use lorewell_rag as rag;
