//! Many agents at once, each with a turn of ten calls.

use std::path::Path;

use rig_agent::Agent;
use tokio::task::JoinSet;

use crate::measure::{Outcome, Workload};
use crate::script::{ANSWER, ANSWERS, SMALL, agent, model};
use crate::talk::CALLS;

/// So many agents.
pub(crate) struct Crowd {
    /// How many.
    pub(crate) agents: usize,
}

impl Workload for Crowd {
    type Store = Vec<Agent>;

    fn supersteps(&self) -> u64 {
        u64::try_from(self.agents * (2 * CALLS + 1)).expect("a few thousand")
    }

    async fn open(&self, _: &Path) -> Outcome<Vec<Agent>> {
        let model = model(CALLS, SMALL, true);
        Ok((0..self.agents).map(|_| agent(&model, CALLS)).collect())
    }

    async fn run(&self, agents: &Vec<Agent>, _: &str) -> Outcome<()> {
        let turn = |agent: Agent| async move { agent.prompt("hi?").await.map(|response| response.output()) };
        let mut turns: JoinSet<_> = agents.iter().cloned().map(turn).collect();
        while let Some(text) = turns.join_next().await {
            let text = text??;
            if text.len() != ANSWER.len() * ANSWERS {
                return Err(format!("an answer of {} bytes", text.len()).into());
            }
        }
        Ok(())
    }

    async fn close(&self, _: Vec<Agent>) -> Outcome<()> {
        Ok(())
    }
}
