//! The graph engine from the outside: supersteps, pauses, threads. One binary, one module per subject.

#![expect(clippy::unwrap_used, reason = "a test that cannot run its graph has nothing to say")]

mod supersteps;
