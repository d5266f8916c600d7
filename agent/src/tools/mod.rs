//! Tools that most agents want: files of a folder, sums, the time. Each is one module, and none knows of agents.

mod calculator;
mod clock;
mod files;
#[cfg(test)]
mod tests;

pub use calculator::calculator;
pub use clock::clock;
pub use files::{FILE_BYTES_MAX, Files};
