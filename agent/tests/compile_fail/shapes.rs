//! What is no struct with named fields, and what has parameters.

use lorewell_agent::State;

#[derive(Clone, State)]
enum Choice {
    One,
}

#[derive(Clone, State)]
struct Pair(u32, u32);

#[derive(Clone, State)]
struct Unit;

#[derive(Clone, Copy, State)]
union Bits {
    one: u32,
    other: f32,
}

#[derive(Clone, State)]
struct Generic<T> {
    value: T,
}

#[derive(Clone, State)]
struct Borrowed<'a> {
    #[reduce(smu)]
    value: &'a str,
}

fn main() {}
