//! The graph engine of Lorewell.

pub mod checkpoint;
pub mod state;
