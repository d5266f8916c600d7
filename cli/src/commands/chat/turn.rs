//! One turn of a chat: a message goes to the agent, its answer is shown while it comes, what waits for a person is asked,
//! and however it ends is kept.

use anyhow::Result;
use lorewell::agent::{Budget, Cancel, Chat, Outcome, Question, Run};
use lorewell::model::{Finish, Message, Origin, Part, Role};
use lorewell::{Error, Kind};

use super::agent::NODE;
use super::history::go_back;
use super::screen::Screen;
use super::{Next, Talk};
use crate::answer::say_finish;
use crate::exit::Exit;
use crate::output::{DIM, note, paint};
use crate::pace::Pace;
use crate::spent::Spent;
use crate::traces::traced;

/// Why an answer ends that a person has stopped.
const STOPPED: &str = "stopped";

/// How a run ended.
enum Ended {
    Done(Box<Chat>),
    Asks(Vec<Question>),
    Stopped(Box<Screen>),
}

impl Talk<'_> {
    /// Lets the agent answer what the person says.
    pub(super) async fn say(&mut self, text: String) -> Result<Next> {
        let standing = self.standing().await?;
        if standing.as_ref().is_some_and(|standing| !standing.questions.is_empty()) {
            note("A question waits for you: /retry shows it, /undo takes back what led to it.");
            return Ok(if self.is_interactive { Next::GoOn } else { Next::End(Exit::Waits) });
        }
        // What got no answer would be asked again with what is said now; a provider that refused it would do so for ever.
        if standing.is_some_and(|standing| !standing.next.is_empty()) {
            go_back(&self.thread, 1).await?;
        }
        self.conversation.ask(&text)?;
        let attached = std::mem::take(&mut self.attached);
        let has_read = (!attached.is_empty()).then_some(Origin::Document);
        let message = Message::new(Role::User, attached.into_iter().chain([Part::text(text)]));
        let run = self.thread.run(Chat::update().messages([message]).has_read(has_read));
        self.answer(run).await
    }

    /// Has open questions answered, and goes on with the turn that they belong to.
    pub(super) async fn go_on(&mut self, questions: &[Question]) -> Result<Next> {
        match self.decide(questions).await? {
            true => {
                let run = self.thread.resume();
                self.answer(run).await
            }
            false => Ok(self.left_open()),
        }
    }

    /// Runs a turn to its end; each is a trace.
    pub(super) async fn answer(&mut self, run: Run<Chat>) -> Result<Next> {
        let name = self.conversation.name.clone();
        let is_stopped = |next: &Next| matches!(next, Next::End(Exit::Interrupted));
        traced("chat", Some(&name), is_stopped, Box::pin(self.answer_within(run))).await
    }

    async fn answer_within(&mut self, mut run: Run<Chat>) -> Result<Next> {
        // Each pass answers questions of one step, and the agent has a limit of steps.
        loop {
            match self.follow(run).await? {
                Ended::Done(chat) => {
                    chat.finish.iter().for_each(say_finish);
                    return Ok(Next::GoOn);
                }
                Ended::Stopped(screen) => return self.stopped(&screen).await,
                Ended::Asks(questions) => match self.decide(&questions).await? {
                    true => run = self.thread.resume(),
                    false => return Ok(self.left_open()),
                },
            }
        }
    }

    /// Shows a run until it ends or is stopped.
    async fn follow(&mut self, run: Run<Chat>) -> Result<Ended> {
        self.interrupts.forget();
        let (budget, cancel) = (self.budget(), Cancel::new());
        let mut events = run.budget(&budget).cancel(&cancel).events();
        let mut screen = Screen::new(self.is_interactive, self.session.global.verbose);
        let mut pace = Pace::begin();
        screen.begin();
        loop {
            let event = tokio::select! {
                biased;
                () = self.interrupts.next(), if !cancel.is_cancelled() => {
                    cancel.cancel();
                    continue;
                }
                event = events.next() => event,
            };
            let Some(event) = event else { break };
            pace.come();
            screen.show(event.kind)?;
        }
        screen.end()?;
        let outcome = events.outcome().await;
        let spent = Spent::of_run(budget.spent(), &self.model);
        self.conversation.answered(&self.model.name().to_string(), spent)?;
        let ended = match outcome {
            Ok(Outcome::Done(chat)) => Ended::Done(Box::new(chat)),
            Ok(Outcome::Paused(paused)) => return Ok(Ended::Asks(paused.questions)),
            Err(error) if error.kind() == Kind::Cancelled && cancel.is_cancelled() => Ended::Stopped(Box::new(screen)),
            Err(error) => return Err(self.told(error).into()),
        };
        self.say_spent(&spent, &pace);
        Ok(ended)
    }

    /// Says what to do about a turn that has failed.
    fn told(&self, error: Error) -> Error {
        match error.kind() {
            Kind::Limit if Budget::is_over(&error) => {
                error.context("`/budget` lets a turn use more, and `/retry` goes on with this one")
            }
            _ => error,
        }
    }

    /// Keeps what was said and done before the person stopped it, so that the model knows of it.
    async fn stopped(&mut self, screen: &Screen) -> Result<Next> {
        note(&paint(DIM, "(stopped)"));
        let mut text = screen.said.trim_end().to_owned();
        if !screen.made.is_empty() {
            text.push_str(&format!("\n\n(calls made by then: {})", screen.made.join("; ")));
        }
        if !text.trim().is_empty() {
            // What the calls have brought is not kept, but may have led to these words.
            let has_read = (!screen.made.is_empty()).then_some(Origin::Tool);
            let update = Chat::update().messages([Message::assistant(text.trim_start())]).has_read(has_read);
            let finish = Some(Finish::Other(STOPPED.to_owned()));
            self.thread.edit_as(NODE, update.finish(finish)).await?;
        }
        Ok(if self.is_interactive { Next::GoOn } else { Next::End(Exit::Interrupted) })
    }

    fn left_open(&self) -> Next {
        if self.is_interactive { Next::GoOn } else { Next::End(Exit::Waits) }
    }

    fn say_spent(&self, spent: &Spent, pace: &Pace) {
        let is_verbose = self.session.global.verbose > 0;
        if !self.is_interactive && !is_verbose {
            return;
        }
        // Providers count at the end of an answer; one that was stopped has no count.
        if spent.usage.total_tokens() > 0 {
            let all = self.conversation.facts.spent();
            let in_all = if all == *spent { String::new() } else { format!("   in all {}", all.say()) };
            let pace = if is_verbose { pace.say(&self.model, &spent.usage) } else { String::new() };
            note(&paint(DIM, &format!("{}{pace}{in_all}", spent.say())));
        }
        if self.is_interactive {
            note("");
        }
    }
}

/// Tells whether a person has stopped the last answer.
pub(super) fn is_stopped(chat: &Chat) -> bool {
    let is_last = chat.messages.last().is_some_and(|message| message.role == Role::Assistant);
    is_last && matches!(&chat.finish, Some(Finish::Other(why)) if why == STOPPED)
}
