//! A function that does not fold.

use lorewell_agent::State;

#[derive(Clone, Default, State)]
struct Desk {
    #[reduce(with = longer)]
    title: String,
}

fn longer(kept: &mut String, written: String) -> usize {
    *kept = written;
    kept.len()
}

fn main() {}
