//! What every Lorewell crate shares: the error type and the origin of a text.
//!
//! This crate sits at the bottom of the workspace and depends on none of the others.

mod error;
mod origin;

pub use error::{Error, Kind, OrKind, Result, ResultExt};
pub use origin::Origin;
