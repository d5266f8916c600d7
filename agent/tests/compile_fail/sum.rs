//! A sum of what cannot be added.

use lorewell_agent::State;

#[derive(Clone, Default, State)]
struct Desk {
    #[reduce(sum)]
    title: String,
}

fn main() {}
