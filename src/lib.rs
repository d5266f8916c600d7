//! Lorewell answers from your own documents.

pub use lorewell_embed as embed;
pub use lorewell_model::{Error, Kind, Origin, Result};
pub use lorewell_rag as rag;
