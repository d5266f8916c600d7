//! Going back in a session: taking messages back, and going on in a copy. What a session was stays in its thread, on a
//! branch of its own.

use anyhow::Result;
use lorewell::agent::{Chat, Source, Thread};
use lorewell::model::{Message, Role};

use super::turn::is_stopped;
use super::{Next, Talk};
use crate::exit::Misuse;
use crate::output::{self, DIM, note, paint};

/// Checkpoints that are read at once.
const PAGE: usize = 100;

/// Lets a thread go on from before the `n`th last message of the person. Before the first there is no checkpoint, so the
/// thread is removed then.
pub(super) async fn go_back(thread: &Thread<Chat>, n: usize) -> Result<()> {
    let (mut before, mut found) = (None, 0);
    // Each page is older than the one before it, so this ends.
    loop {
        let page = thread.history(before.as_ref(), PAGE).await?;
        for checkpoint in &page {
            if found == n {
                return Ok(thread.fork(&checkpoint.id).await?);
            }
            found += usize::from(checkpoint.source == Source::Input);
        }
        match page.last() {
            Some(last) => before = Some(last.id.clone()),
            None if found == n => return Ok(thread.delete().await.map(drop)?),
            None => return Err(Misuse(format!("there are only {}", output::count(found as u64, "message"))).into()),
        }
    }
}

impl Talk<'_> {
    /// Takes back the last message of the person.
    pub(super) async fn undo(&mut self) -> Result<()> {
        let Some(standing) = self.standing().await? else {
            note("There is nothing to take back.");
            return Ok(());
        };
        go_back(&self.thread, 1).await?;
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
        if !standing.next.is_empty() {
            let run = self.thread.resume();
            return self.answer(run).await;
        }
        let stopped = last_asked(&standing.state).filter(|_| is_stopped(&standing.state)).cloned();
        let Some(message) = stopped else {
            note("The last message got its answer.");
            return Ok(Next::GoOn);
        };
        go_back(&self.thread, 1).await?;
        let run = self.thread.run(Chat::update().messages([message]).has_read(standing.state.has_read));
        self.answer(run).await
    }
}

/// Returns what the person said last.
pub(super) fn last_asked(chat: &Chat) -> Option<&Message> {
    chat.messages.iter().rev().find(|message| message.role == Role::User)
}
