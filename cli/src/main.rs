//! Lorewell.
fn main() {}
