//! A simulator of runs: from one number it makes a graph, a world and all that goes wrong in it, and plays the engine
//! through that against a slow reference. `LOREWELL_SEEDS=10000 cargo test -p lorewell-agent --release --lib simulator --
//! --nocapture` plays many, `LOREWELL_SEED=17` one. A failure says its seed and what happened last.

mod amend;
mod attempt;
mod check;
mod dice;
mod expected;
mod graph;
mod life;
mod past;
mod ready;
mod reference;
mod rules;
mod script;
mod store;
mod trace;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

use trace::Counts;
use world::World;

/// A sample that is played with every test run; more are played where there is time.
const SEEDS: u64 = 300;
/// Every so many, a seed is played twice, to see that it decides everything.
const TWICE_EVERY: u64 = 16;

/// What must happen in every sample: a simulator in which nothing goes wrong proves nothing.
const HAPPENS: [&str; 26] = [
    "answers",
    "answers to nothing",
    "batches lost",
    "begins",
    "cancels",
    "edits",
    "edits refused",
    "effects",
    "effects tried again",
    "ends",
    "failures",
    "forks",
    "handlers started",
    "kills",
    "lost runs given up",
    "power cuts",
    "questions asked",
    "retries",
    "runs done",
    "runs failed",
    "runs given up",
    "sends",
    "snapshots",
    "stale deliveries",
    "stops at gates",
    "write errors",
];

/// Plays one seed; returns a hash of all that happened, if that is asked for.
fn play(seed: u64, is_played_twice: bool, counts: &mut Counts) -> Option<u64> {
    let mut world = World::new(seed, is_played_twice);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| world.run())) {
        let command = format!("LOREWELL_SEED={seed} cargo test -p lorewell-agent --lib simulator -- --nocapture");
        eprintln!("seed {seed} failed after:\n{}run it again with\n  {command}", world.trace.text());
        resume_unwind(panic);
    }
    counts.take_in(&world.trace.counts);
    world.trace.said.map(|said| said.end())
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|value| value.parse().unwrap_or_else(|_| panic!("`{name}` is a number, not `{value}`")))
}

#[test]
fn every_run_is_as_the_reference_says() {
    let mut counts = Counts::default();
    if let Some(seed) = number("LOREWELL_SEED") {
        play(seed, false, &mut counts);
        return println!("seed {seed}: {}", counts.text());
    }
    let (seeds, began) = (number("LOREWELL_SEEDS").unwrap_or(SEEDS), Instant::now());
    for seed in 0..seeds {
        let is_played_twice = seed % TWICE_EVERY == 0;
        let hash = play(seed, is_played_twice, &mut counts);
        if is_played_twice {
            assert_eq!(play(seed, true, &mut Counts::default()), hash, "seed {seed} went two ways");
        }
    }
    println!("{seeds} seeds in {:?}: {}", began.elapsed(), counts.text());
    if seeds >= SEEDS {
        let missing: Vec<&str> = HAPPENS.into_iter().filter(|what| counts.of(what) == 0).collect();
        assert!(missing.is_empty(), "it never happened: {}; what happened: {}", missing.join(", "), counts.text());
    }
}
