//! The command `lorewell`: arguments in, answers out. What it knows it knows from the facade crate; here is only
//! what a terminal needs.
fn main() {}
