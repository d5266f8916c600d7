//! What an agent takes up that waits for something to do: the growth of the process's resident memory while many are made, for
//! each of them. So what the allocator loses counts, and what the kernel keeps for the process.

use std::path::Path;
use std::time::Instant;

use lorewell_agent::checkpoint::Sqlite;
use lorewell_agent::{Agent, Chat};

use crate::measure::{Measured, Outcome, cpu, memory, peak_memory};
use crate::script::{SMALL, agent, agent_of_three, model};
use crate::talk::CALLS;

/// Agents that wait.
const AGENTS: usize = 10_000;
/// Threads that wait.
const THREADS: usize = 1_000;
/// What is made before anything is measured: the first of its kind brings along what all share.
const FIRST: usize = 100;

/// Makes agents, lets each answer once, and keeps them.
pub(crate) async fn agents() -> Outcome<Measured> {
    let model = model(0, SMALL, false)?;
    let make = async |n| {
        let agent = agent_of_three(&model, n);
        agent.run("hi?").await.map(|_| agent)
    };
    let mut kept: Vec<Agent> = Vec::with_capacity(FIRST + AGENTS);
    for n in 0..FIRST {
        kept.push(make(n).await?);
    }
    let begun = Begun::now()?;
    for n in 0..AGENTS {
        kept.push(make(FIRST + n).await?);
    }
    let measured = begun.over(AGENTS)?;
    drop(kept);
    Ok(measured)
}

/// Makes threads, each with a turn of ten calls behind it, and keeps them open.
pub(crate) async fn threads(scratch: &Path) -> Outcome<Measured> {
    let folder = tempfile::tempdir_in(scratch)?;
    let store = Sqlite::open(folder.path().join("threads.sqlite")).await?;
    let agent = agent(&model(CALLS, SMALL, false)?, CALLS);
    let make = async |n| -> Outcome<_> {
        let thread = agent.thread(&format!("thread-{n}"), store.clone())?;
        thread.run(Chat::say("hi?")).await?.done()?;
        Ok(thread)
    };
    let mut kept = Vec::with_capacity(FIRST + THREADS);
    for n in 0..FIRST {
        kept.push(make(n).await?);
    }
    let begun = Begun::now()?;
    for n in 0..THREADS {
        kept.push(make(FIRST + n).await?);
    }
    let measured = begun.over(THREADS)?;
    drop(kept);
    Ok(measured)
}

/// What was before.
struct Begun {
    memory: u64,
    cpu: std::time::Duration,
    wall: Instant,
}

impl Begun {
    fn now() -> Outcome<Self> {
        Ok(Self { memory: memory("VmRSS:")?, cpu: cpu(), wall: Instant::now() })
    }

    /// What has come since, for each of so many.
    fn over(self, count: usize) -> Outcome<Measured> {
        let count = u32::try_from(count)?;
        let each = |time: std::time::Duration| time.as_secs_f64() * 1e6 / f64::from(count);
        Ok(Measured {
            supersteps: 1,
            runs: count,
            cpu_us: vec![each(cpu().saturating_sub(self.cpu))],
            wall_us: vec![each(self.wall.elapsed())],
            bytes: memory("VmRSS:")?.saturating_sub(self.memory) / u64::from(count),
            peak_bytes: peak_memory()?,
        })
    }
}
