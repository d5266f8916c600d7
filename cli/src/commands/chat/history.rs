//! Going back in a session: taking messages back, and going on in a copy. What a session was stays in its thread, on a
//! branch of its own.

use anyhow::Result;
use lorewell::agent::{Chat, CheckpointId, Input, Source, Thread};
use lorewell::model::{Message, Role};
use lorewell::{Error, Kind};

use super::agent::NODE;
use super::turn::{is_stopped, is_unanswered};
use super::{Next, Talk, asked};
use crate::exit::Misuse;
use crate::output::{self, DIM, note, paint};

/// Checkpoints that are read at once.
const PAGE: usize = 100;

/// Lets a thread go on from before the `n`th last message of the person.
pub(super) async fn go_back(thread: &Thread<Chat>, n: usize) -> Result<()> {
    let Before { checkpoint, chat } = before(thread, n).await?;
    match checkpoint {
        Some(checkpoint) => Ok(thread.fork(&checkpoint).await?),
        None => set(thread, chat).await,
    }
}

/// Where a thread stood.
pub(super) struct Before {
    /// The checkpoint, if it is as it was: before the first message there is none, and some hold approvals that were taken
    /// back.
    checkpoint: Option<CheckpointId>,
    pub(super) chat: Chat,
}

/// Finds where a thread stood before the `n`th last message of the person.
pub(super) async fn before(thread: &Thread<Chat>, n: usize) -> Result<Before> {
    let now = thread.standing().await?.state;
    let said = asked(&now);
    let Some(wanted) = said.checked_sub(n) else {
        return Err(Misuse(format!("there are only {}", output::count(said as u64, "message"))).into());
    };
    if wanted == 0 {
        return Ok(Before { checkpoint: None, chat: Chat::default() });
    }
    let (mut last, mut is_after_input) = (None, false);
    // Each page is older than the one before it, so this ends.
    loop {
        let page = thread.history(last.as_ref(), PAGE).await?;
        for checkpoint in &page {
            if is_after_input {
                let mut chat = thread.standing_at(&checkpoint.id).await?.state;
                if asked(&chat) == wanted {
                    let had = chat.grants.len();
                    chat.grants.retain(|grant| now.grants.contains(grant));
                    let is_same = chat.grants.len() == had;
                    return Ok(Before { checkpoint: is_same.then(|| checkpoint.id.clone()), chat });
                }
            }
            // Inputs are counted by what was said then: some take the place of others.
            is_after_input = checkpoint.source == Source::Input;
        }
        let Some(oldest) = page.last() else { break };
        last = Some(oldest.id.clone());
    }
    Err(Error::new(Kind::NotFound, "the session does not hold any more what was before that message").into())
}

/// Sets the state of a thread, on which nothing runs yet.
pub(super) async fn set(thread: &Thread<Chat>, chat: Chat) -> Result<()> {
    drop(thread.run(Input::State(chat)).discard_unfinished().gate_before(NODE).await?);
    Ok(thread.edit_as(NODE, Chat::update()).await?)
}

impl Talk<'_> {
    /// Takes back the last message of the person.
    pub(super) async fn undo(&mut self) -> Result<()> {
        let Some(standing) = self.standing().await? else {
            note("There is nothing to take back.");
            return Ok(());
        };
        go_back(&self.thread, 1).await?;
        self.conversation.take_back()?;
        let last = last_asked(&standing.state).map(|message| message.text().into_owned()).unwrap_or_default();
        output::line(&paint(DIM, &format!("taken back: {}", output::plain_lines(&last))))
    }

    /// Goes on in a copy of the session, from before the last `n` messages.
    pub(super) async fn fork(&mut self, n: usize) -> Result<()> {
        if self.standing().await?.is_none() {
            return Err(Misuse("nothing was said in this session yet, so there is nothing to copy".to_owned()).into());
        }
        let mut copy = self.sessions.begin_like(&self.conversation.name).await?;
        let thread = self.thread.copy(&copy.name).await?;
        if let Err(error) = if n > 0 { go_back(&thread, n).await } else { Ok(()) } {
            thread.delete().await?;
            return Err(error);
        }
        copy.copy(&self.conversation.facts)?;
        if n > 0 {
            copy.take_back()?;
        }
        let from = std::mem::replace(&mut self.conversation, copy).name;
        self.thread = thread;
        note(&format!("This is {}, a copy of {from}.", self.conversation.name));
        self.say_where().await
    }

    /// Goes on with the last message: asks it again, or has the question answered that waits.
    pub(super) async fn retry(&mut self) -> Result<Next> {
        let Some(standing) = self.standing().await? else {
            note("Nothing was said yet.");
            return Ok(Next::GoOn);
        };
        if !standing.questions.is_empty() {
            return self.go_on(&standing.questions).await;
        }
        if is_unanswered(&standing) {
            return self.carry_on().await;
        }
        let stopped = last_asked(&standing.state).filter(|_| is_stopped(&standing.state)).cloned();
        let Some(message) = stopped else {
            note("The last message got its answer.");
            return Ok(Next::GoOn);
        };
        // Its turn was given up, and what it has done stands in words before it.
        self.conversation.ask(&message.text())?;
        let run = self.thread.run(Chat::update().messages([message])).discard_unfinished();
        self.answer(run).await
    }
}

/// Returns what the person said last.
pub(super) fn last_asked(chat: &Chat) -> Option<&Message> {
    chat.messages.iter().rev().find(|message| message.role == Role::User)
}
