//! A turn of an agent: with many calls in a conversation that begins with it (W3), or with ten at the end of a long one.

use std::path::Path;
use std::sync::Mutex;

use lorewell_agent::checkpoint::Sqlite;
use lorewell_agent::{Agent, Chat, Thread};
use lorewell_model::Message;

use crate::case::Stored;
use crate::measure::{Outcome, Workload};
use crate::script::{ANSWER, ANSWERS, LARGE, SMALL, agent, conversation, model};

/// Calls of a turn in a long conversation.
pub(crate) const CALLS: usize = 10;
/// Turns in a row where a conversation is made for each beforehand, which takes memory.
const LONG_RUNS_MAX: u32 = 50;
/// The thread of a conversation that is stored.
const THREAD: &str = "talk";

/// A turn.
pub(crate) struct Talk {
    calls: usize,
    ids: usize,
    /// Messages before the turn; none if it is the first.
    before: Option<usize>,
    stored: Stored,
}

/// What turns are made with: nothing of it is made while time is taken.
pub(crate) struct Stage {
    agent: Agent,
    store: Option<Sqlite>,
    /// The thread of the conversation, if it is held between turns.
    held: Option<Thread<Chat>>,
    /// What the turns begin with.
    inputs: Mutex<Vec<Chat>>,
    /// What they ended with.
    ended: Mutex<Vec<Chat>>,
}

impl Talk {
    /// W3 with a number of calls.
    pub(crate) fn react(calls: usize, stored: Stored) -> Self {
        Self { calls, ids: LARGE, before: None, stored }
    }

    /// A turn after so many messages.
    pub(crate) fn long(messages: usize, stored: Stored) -> Self {
        Self { calls: CALLS, ids: SMALL, before: Some(messages), stored }
    }

    fn check(&self, chat: &Chat, before: usize) -> Outcome<()> {
        let (messages, text) = (chat.messages.len() - before, chat.text());
        match messages == 2 * self.calls + 2 && text.len() == ANSWER.len() * ANSWERS {
            true => Ok(()),
            false => Err(format!("a turn of {messages} messages that ends with {} bytes", text.len()).into()),
        }
    }

    /// Fills the thread with the conversation, by a turn in it.
    async fn fill(&self, stage: &Stage, store: &Sqlite, messages: usize) -> Outcome<Thread<Chat>> {
        let messages = conversation(messages - messages.min(2 * self.calls + 2));
        let said = messages.into_iter().chain([Message::user("hi?")]);
        let thread = stage.agent.thread(THREAD, store.clone())?;
        thread.run(Chat::update().messages(said)).await?.done()?;
        if self.stored == Stored::Held {
            thread.resume().await?.done()?; // what is run once is not kept in memory
        }
        Ok(thread)
    }
}

impl Workload for Talk {
    type Store = Stage;

    fn supersteps(&self) -> u64 {
        u64::try_from(2 * self.calls + 1).expect("a few")
    }

    fn runs_max(&self) -> u32 {
        // A conversation that is stored grows with each turn.
        match (self.before, self.stored) {
            (None, _) => 2000,
            (Some(_), Stored::Not) => LONG_RUNS_MAX,
            (Some(_), Stored::Sqlite | Stored::Held) => 1,
        }
    }

    async fn open(&self, folder: &Path) -> Outcome<Stage> {
        let store = match self.stored {
            Stored::Not => None,
            Stored::Sqlite | Stored::Held => Some(Sqlite::open(folder.join("threads.sqlite")).await?),
        };
        let agent = agent(&model(self.calls, self.ids, false)?, self.calls);
        let mut stage = Stage { agent, store, held: None, inputs: Mutex::default(), ended: Mutex::default() };
        match (self.before, &stage.store) {
            (None, _) => {}
            (Some(messages), Some(store)) => {
                let thread = self.fill(&stage, store, messages).await?;
                stage.held = Some(thread).filter(|_| self.stored == Stored::Held);
            }
            (Some(messages), None) => {
                let input = |_| {
                    let mut chat = Chat::default();
                    // A list that grows doubles its room now and then, which is not what a turn costs.
                    chat.messages.reserve(2 * (messages + 2 * self.calls));
                    chat.messages.extend(conversation(messages));
                    chat.messages.push(Message::user("hi?"));
                    chat
                };
                *stage.inputs.lock().expect("nobody panics") = (0..self.runs_max()).map(input).collect();
            }
        }
        Ok(stage)
    }

    async fn run(&self, stage: &Stage, thread: &str) -> Outcome<()> {
        let chat = match (&stage.store, self.before) {
            (None, None) => {
                let text = stage.agent.run("hi?").await?;
                return match text.len() == ANSWER.len() * ANSWERS {
                    true => Ok(()),
                    false => Err(format!("an answer of {} bytes", text.len()).into()),
                };
            }
            (None, Some(before)) => {
                let input = stage.inputs.lock().expect("nobody panics").pop().ok_or("more runs than inputs")?;
                let chat = stage.agent.flow()?.run(input).await?.done()?;
                self.check(&chat, before)?;
                chat
            }
            (Some(store), None) => {
                let chat = stage.agent.thread(thread, store.clone())?.run(Chat::say("hi?")).await?.done()?;
                self.check(&chat, 0)?;
                chat
            }
            (Some(store), Some(_)) => {
                let opened = || stage.agent.thread(THREAD, store.clone());
                let thread = stage.held.clone().map_or_else(opened, Ok)?;
                let chat = thread.run(Chat::say("hi?")).await?.done()?;
                let before = chat.messages.len() - (2 * self.calls + 2);
                self.check(&chat, before)?;
                chat
            }
        };
        stage.ended.lock().expect("nobody panics").push(chat);
        Ok(())
    }

    async fn close(&self, stage: Stage) -> Outcome<()> {
        drop(stage); // the last handle of the store waits until all is written
        Ok(())
    }
}
