//! Lists and maps that are none.

use lorewell_agent::State;

#[derive(Clone, Default, State)]
struct Desk {
    #[reduce(append)]
    count: i32,
    #[reduce(append)]
    title: std::string::String,
    #[reduce(merge)]
    route: Option<Vec<String>>,
}

fn main() {}
