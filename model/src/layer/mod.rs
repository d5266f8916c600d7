//! What can be put around any model. Each layer is a model itself.

mod budget;
mod cassette;
mod content;
mod fallback;
mod observed;
mod rate;
mod retry;

pub(crate) use budget::Budgeted;
pub use budget::{Budget, Spent};
pub use cassette::Cassette;
pub(crate) use cassette::Recorded;
pub(crate) use fallback::Fallback;
pub(crate) use observed::Observed;
pub(crate) use rate::Paced;
pub use rate::RateLimit;
pub(crate) use retry::Retried;
#[cfg(feature = "hub")]
pub(crate) use retry::chance;

#[cfg(test)]
mod tests;
