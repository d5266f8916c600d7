//! Messages without an id.

use lorewell_agent::State;

#[derive(Clone, Default, State)]
struct Desk {
    #[reduce(messages)]
    lines: Vec<String>,
}

fn main() {}
