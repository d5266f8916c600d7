//! One turn of a chat: a message goes to the agent, its answer is shown while it comes, what waits for a person is asked,
//! and however it ends is kept.

use anyhow::Result;
use lorewell::agent::{Budget, Cancel, Chat, EventKind, Input, Outcome, Question, Run, Standing};
use lorewell::model::{Finish, Message, Origin, Part, Role};
use lorewell::{Error, Kind};

use super::agent::NODE;
use super::history::{before, last_asked};
use super::screen::{Screen, called};
use super::{Next, Talk};
use crate::answer::say_finish;
use crate::exit::Exit;
use crate::output::{DIM, note, paint, plain_lines};
use crate::pace::Pace;
use crate::sessions::Left;
use crate::spent::Spent;
use crate::traces::traced;

/// Why an answer ends that a person has stopped.
const STOPPED: &str = "stopped";

/// How a run ended.
enum Ended {
    Done(Box<Chat>),
    Asks(Vec<Question>),
    Stopped,
}

impl Talk<'_> {
    /// Lets the agent answer what the person says.
    pub(super) async fn say(&mut self, text: String) -> Result<Next> {
        let standing = self.standing().await?;
        if standing.as_ref().is_some_and(|standing| !standing.questions.is_empty()) {
            note("A question waits for you: /retry shows it, /undo takes back what led to it.");
            return Ok(if self.is_interactive { Next::GoOn } else { Next::End(Exit::Waits) });
        }
        let instead_of = match standing.filter(is_unanswered) {
            Some(standing) => self.give_up(&standing).await?,
            None => None,
        };
        self.conversation.ask(&text)?;
        let attached = std::mem::take(&mut self.attached);
        let has_read = (!attached.is_empty()).then_some(Origin::Document);
        let message = Message::new(Role::User, attached.into_iter().chain([Part::text(text)]));
        let input = match instead_of {
            None => Input::Update(Chat::update().messages([message]).has_read(has_read)),
            Some(mut chat) => {
                chat.messages.push(message);
                chat.has_read.extend(has_read);
                Input::State(chat)
            }
        };
        let run = self.thread.run(input).discard_unfinished();
        self.answer(run).await
    }

    /// Gives up a turn that has no answer. What was said and called in it is kept as words, so that the model knows of it. If
    /// there is nothing of the kind, returns what stood before the message: it would be asked again with what is said now,
    /// and a provider that refused it would do so for ever.
    async fn give_up(&mut self, standing: &Standing<Chat>) -> Result<Option<Chat>> {
        let left = &self.conversation.facts.left;
        if let Some(words) = left.words() {
            if left.has_calls() {
                note("The message before has no answer; the model is told which calls it has led to.");
            }
            let has_read = left.may_have_read().then_some(Origin::Tool);
            let update = Chat::update().messages([Message::assistant(words)]).has_read(has_read);
            self.thread.edit_as(NODE, update.finish(Some(Finish::Other(STOPPED.to_owned())))).await?;
            return Ok(None);
        }
        let asked = last_asked(&standing.state).map(|message| message.text().into_owned()).unwrap_or_default();
        note(&format!("taken back, for it has no answer: {}", plain_lines(&asked)));
        Ok(Some(before(&self.thread, 1).await?.chat))
    }

    /// Has open questions answered, and goes on with the turn that they belong to.
    pub(super) async fn go_on(&mut self, questions: &[Question]) -> Result<Next> {
        match self.decide(questions).await? {
            true => self.carry_on().await,
            false => Ok(self.left_open()),
        }
    }

    /// Goes on with a turn that was left: what was done in it is not done again.
    pub(super) async fn carry_on(&mut self) -> Result<Next> {
        self.conversation.resume()?;
        let run = self.thread.resume();
        self.answer(run).await
    }

    /// Runs a turn to its end; each is a trace.
    pub(super) async fn answer(&mut self, run: Run<Chat>) -> Result<Next> {
        let name = self.conversation.name.clone();
        let is_stopped = |next: &Next| matches!(next, Next::End(Exit::Interrupted));
        traced("chat", Some(&name), is_stopped, Box::pin(self.answer_within(run))).await
    }

    async fn answer_within(&mut self, mut run: Run<Chat>) -> Result<Next> {
        let mut said = String::new();
        // Each pass answers questions of one step, and the agent has a limit of steps.
        loop {
            match self.follow(run, &mut said).await? {
                Ended::Done(chat) => {
                    chat.finish.iter().for_each(say_finish);
                    return Ok(Next::GoOn);
                }
                Ended::Stopped => return self.stopped(&said),
                Ended::Asks(questions) => match self.decide(&questions).await? {
                    true => run = self.thread.resume(),
                    false => return Ok(self.left_open()),
                },
            }
        }
    }

    /// Shows a run until it ends or is stopped. What the model says is added to what it has said in the turn.
    async fn follow(&mut self, run: Run<Chat>, said: &mut String) -> Result<Ended> {
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
            self.keep(&event.kind)?;
            screen.show(event.kind)?;
        }
        screen.end()?;
        said.push_str(&screen.said);
        let outcome = events.outcome().await;
        let spent = Spent::of_run(budget.spent(), &self.model);
        let model = self.model.name().to_string();
        match &outcome {
            Ok(Outcome::Done(_)) => self.conversation.ended(&model, spent)?,
            Ok(Outcome::Paused(_)) | Err(_) => self.conversation.answered(&model, spent)?,
        }
        let ended = match outcome {
            Ok(Outcome::Done(chat)) => Ended::Done(Box::new(chat)),
            Ok(Outcome::Paused(paused)) => return Ok(Ended::Asks(paused.questions)),
            Err(error) if error.kind() == Kind::Cancelled && cancel.is_cancelled() => Ended::Stopped,
            Err(error) => return Err(self.told(error).into()),
        };
        self.say_spent(&spent, &pace);
        Ok(ended)
    }

    /// Keeps which calls there were: what a turn has done is told even if it never ends.
    fn keep(&mut self, event: &EventKind) -> Result<()> {
        match event {
            EventKind::ToolCall { id, name, arguments } => self.conversation.begin_call(id, &called(name, arguments)),
            EventKind::ToolResult { id, .. } => self.conversation.end_call(id),
            _ => Ok(()),
        }
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

    /// Keeps what was said before the person stopped it. The turn can still go on.
    fn stopped(&mut self, said: &str) -> Result<Next> {
        note(&paint(DIM, "(stopped)"));
        self.conversation.stop(said)?;
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

/// Tells whether a turn was left before it had its answer, and waits for nobody.
pub(super) fn is_unanswered(standing: &Standing<Chat>) -> bool {
    !standing.next.is_empty() && standing.questions.is_empty()
}

/// Adds to where a session stands what is left of a turn that has no answer.
pub(super) fn with_what_is_left(mut standing: Standing<Chat>, left: &Left) -> Standing<Chat> {
    // After a crash while the state was set there is a run in which nothing was asked.
    if standing.state.messages.last().is_none_or(|message| message.role != Role::User) {
        standing.next.clear();
    }
    if let Some(words) = left.words().filter(|_| is_unanswered(&standing)) {
        standing.state.messages.push(Message::assistant(words));
        standing.state.finish = Some(Finish::Other(STOPPED.to_owned()));
    }
    standing
}

/// Tells whether the last answer was stopped.
pub(super) fn is_stopped(chat: &Chat) -> bool {
    let is_last = chat.messages.last().is_some_and(|message| message.role == Role::Assistant);
    is_last && matches!(&chat.finish, Some(Finish::Other(why)) if why == STOPPED)
}
