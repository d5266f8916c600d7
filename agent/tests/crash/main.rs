//! SIGKILL at random moments of a run. No superstep that was committed is lost, no effect that was journalled is sent
//! again, no task that finished runs again, and the end is that of a run which nobody disturbed.
//!
//! `LOREWELL_KILLS=500 cargo test -p lorewell-agent --release --test crash -- --nocapture` kills as often as you like.
//! A failure names its seed; `LOREWELL_SEED` repeats the choices of a run (the moments still depend on the machine).

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

mod books;
mod child;
mod diary;
mod outside;
mod rng;
mod trial;
mod turn;

use lorewell_agent::Durability;

use child::Job;
use trial::Trial;

const KILLS_DEFAULT: usize = 50;
const TURN_KILLS_DEFAULT: usize = 200;

#[test]
fn what_was_acknowledged_survives_kills() {
    Trial::new("sync", Durability::Sync).run(kills());
}

#[test]
fn in_the_background_a_prefix_survives_kills_and_every_effect_happens_once() {
    Trial::new("background", Durability::Background).run(kills() / 5);
}

#[test]
fn of_two_processes_one_runs_the_thread_and_the_other_takes_over() {
    Trial::new("race", Durability::Sync).race(kills() / 5);
}

#[test]
fn an_agent_that_is_killed_in_its_turn_writes_everything_once() {
    turn::kill(number("LOREWELL_KILLS").map_or(TURN_KILLS_DEFAULT, |kills| usize::try_from(kills).expect("a count")));
}

/// What the tests above start and kill; by itself it does nothing.
#[test]
fn child() {
    if let Some(folder) = std::env::var_os("CRASH_TURN") {
        std::process::exit(turn::child(folder.as_ref()));
    }
    if let Some(job) = Job::from_environment() {
        std::process::exit(job.run());
    }
}

fn kills() -> usize {
    number("LOREWELL_KILLS").map_or(KILLS_DEFAULT, |kills| usize::try_from(kills).expect("a count"))
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("`{variable}={value}`: give a number")))
}
