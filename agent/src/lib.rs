//! The graph engine of Lorewell.

// The code of `#[derive(State)]` names this crate from outside, also when it stands in its own tests.
extern crate self as lorewell_agent;

pub mod checkpoint;
pub mod state;

pub use state::State;

/// What the code of `#[derive(State)]` refers to besides public names.
#[doc(hidden)]
pub mod __private {
    pub use lorewell_model::Result;
    pub use serde;

    use serde::{Deserialize, Deserializer};

    /// Reads a field of an update that is there, even if it is null.
    ///
    /// # Errors
    /// It is no `T`.
    pub fn written<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        T::deserialize(deserializer).map(Some)
    }
}
