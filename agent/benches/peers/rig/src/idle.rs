//! What an agent takes up that waits for something to do, in resident memory.

use std::time::{Duration, Instant};

use rig_agent::Agent;

use crate::measure::{Measured, Outcome, cpu, memory, peak_memory};
use crate::script::{SMALL, agent_of_three, model};

/// Agents that wait.
const AGENTS: u32 = 10_000;
/// What is made before anything is measured: the first of its kind brings along what all share.
const FIRST: u32 = 100;

/// Makes agents, lets each answer once, and keeps them.
pub(crate) async fn agents() -> Outcome<Measured> {
    let model = model(0, SMALL, false);
    let make = async |n| {
        let agent = agent_of_three(&model, n);
        agent.prompt("hi?").await.map(|_| agent)
    };
    let mut kept: Vec<Agent> = Vec::new();
    for n in 0..FIRST {
        kept.push(make(n as usize).await?);
    }
    let (memory_before, cpu_before, wall) = (memory("VmRSS:")?, cpu(), Instant::now());
    for n in 0..AGENTS {
        kept.push(make((FIRST + n) as usize).await?);
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(AGENTS);
    let measured = Measured {
        supersteps: 1,
        runs: AGENTS,
        cpu_us: vec![each(cpu().saturating_sub(cpu_before))],
        wall_us: vec![each(wall.elapsed())],
        bytes: memory("VmRSS:")?.saturating_sub(memory_before) / u64::from(AGENTS),
        peak_bytes: peak_memory()?,
    };
    drop(kept);
    Ok(measured)
}
