//! A turn of an agent: with many calls in a conversation that begins with it (W3), or with ten at the end of a long one.

use std::path::Path;
use std::sync::Mutex;

use rig_agent::Agent;
use rig_agent::agent::PromptResponse;
use rig_core::completion::Message;

use crate::measure::{Outcome, Workload};
use crate::script::{ANSWER, ANSWERS, LARGE, SMALL, agent, conversation, model};

/// Calls of a turn in a long conversation.
pub(crate) const CALLS: usize = 10;
/// Turns in a row where a conversation is made for each beforehand, which takes memory.
const LONG_RUNS_MAX: u32 = 50;

/// A turn.
pub(crate) struct Talk {
    calls: usize,
    ids: usize,
    /// Messages before the turn; none if it is the first.
    before: Option<usize>,
}

/// What turns are made with: nothing of it is made while time is taken.
pub(crate) struct Stage {
    agent: Agent,
    /// What the turns begin with.
    inputs: Mutex<Vec<Vec<Message>>>,
    /// What they ended with.
    ended: Mutex<Vec<PromptResponse>>,
}

impl Talk {
    /// W3 with a number of calls.
    pub(crate) fn react(calls: usize) -> Self {
        Self { calls, ids: LARGE, before: None }
    }

    /// A turn after so many messages.
    pub(crate) fn long(messages: usize) -> Self {
        Self { calls: CALLS, ids: SMALL, before: Some(messages) }
    }
}

impl Workload for Talk {
    type Store = Stage;

    fn supersteps(&self) -> u64 {
        u64::try_from(2 * self.calls + 1).expect("a few")
    }

    fn runs_max(&self) -> u32 {
        self.before.map_or(2000, |_| LONG_RUNS_MAX)
    }

    async fn open(&self, _: &Path) -> Outcome<Stage> {
        let agent = agent(&model(self.calls, self.ids, false), self.calls);
        let inputs = self.before.map_or_else(Vec::new, |messages| {
            (0..self.runs_max()).map(|_| conversation(messages)).collect()
        });
        Ok(Stage { agent, inputs: Mutex::new(inputs), ended: Mutex::default() })
    }

    async fn run(&self, stage: &Stage, _: &str) -> Outcome<()> {
        let prompt = stage.agent.prompt("hi?");
        let response = match self.before {
            None => prompt.await?,
            Some(_) => {
                let input = stage.inputs.lock().expect("nobody panics").pop().ok_or("more runs than inputs")?;
                prompt.history(input).await?
            }
        };
        let (added, text) = (response.messages.len(), response.output());
        if text.len() != ANSWER.len() * ANSWERS || added != 2 * self.calls + 2 {
            return Err(format!("a turn of {added} messages that ends with {} bytes", text.len()).into());
        }
        if self.before.is_some() {
            stage.ended.lock().expect("nobody panics").push(response);
        }
        Ok(())
    }

    async fn close(&self, _: Stage) -> Outcome<()> {
        Ok(())
    }
}
