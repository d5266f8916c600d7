//! Teams: agents that work on one task, each team a graph that is made by one call and open to change before it is built. What
//! members say to each other is kept in a [`Talk`]; what one of them does to find its answer stays its own.

mod crew;
mod debate;
mod group;
mod handoff;
mod line;
mod member;
mod plan;
mod reflexion;
mod supervisor;
mod talk;
#[cfg(test)]
mod tests;

pub use crew::{Job, crew};
pub use debate::debate;
pub use group::{Speakers, group};
pub use handoff::hand_offs;
pub use line::{parallel, sequential};
pub use member::Member;
pub use plan::plan_and_execute;
pub use reflexion::reflexion;
pub use supervisor::supervisor;
pub use talk::{Said, Talk, TalkUpdate};

/// How often a team may go round before it must end, where a call does not say so: more is a sign that it goes in circles.
pub const ROUNDS_MAX: usize = 20;
