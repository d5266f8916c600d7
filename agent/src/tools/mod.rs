//! Tools that most agents want: files of a folder, pages of the web, a database, sums, the time. Each is one module,
//! and none knows of agents. What they read is marked with where it came from, so that an agent is on its guard.

mod calculator;
mod clock;
#[cfg(feature = "fetch")]
mod fetch;
mod files;
#[cfg(any(feature = "fetch", feature = "sqlite"))]
mod invisible;
#[cfg(feature = "sqlite")]
mod sql;
#[cfg(test)]
mod tests;

pub use calculator::calculator;
pub use clock::clock;
#[cfg(feature = "fetch")]
pub use fetch::{FETCH_TIMEOUT, Fetch};
pub use files::{FILE_BYTES_MAX, Files};
#[cfg(feature = "sqlite")]
pub use sql::{QUERY_ROWS_MAX, QUERY_TIMEOUT, Sql};
