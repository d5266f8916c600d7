//! One answer of a chat: shown while it comes, kept when it is over, however it ended.

use anyhow::Result;
use lorewell::model::{Event, Message, Request};

use super::{Chat, Next};
use crate::answer::{End, follow, say_finish};
use crate::exit::Exit;
use crate::markdown::Renderer;
use crate::output::{self, DIM, note, paint};
use crate::pace::Pace;
use crate::sessions::{Answered, Turn};
use crate::spent::Spent;
use crate::traces::traced;

impl Chat<'_> {
    /// Lets the model answer the conversation so far; each answer is a trace.
    pub(super) async fn answer(&mut self) -> Result<Next> {
        let name = self.conversation.name.clone();
        let is_stopped = |next: &Next| matches!(next, Next::End(Exit::Interrupted));
        traced("chat", Some(&name), is_stopped, self.answer_within()).await
    }

    async fn answer_within(&mut self) -> Result<Next> {
        self.interrupts.forget();
        let request = Request::new(self.conversation.messages());
        let mut screen = Screen::new(self.is_interactive);
        let answer = follow(&self.model, request, &self.interrupts, |event| screen.show(event)).await?;
        screen.end()?;
        let spent = Spent::new(answer.usage, &self.model);
        let model = self.model.name().to_string();
        let next = match answer.end {
            End::Whole(reply) => {
                self.conversation.answer(Answered::new(&model, reply.message, &spent))?;
                say_finish(&reply.finish);
                Next::GoOn
            }
            End::Interrupted => {
                self.keep_part(&model, &answer.message, &spent)?;
                note(&paint(DIM, "(stopped)"));
                if self.is_interactive { Next::GoOn } else { Next::End(Exit::Interrupted) }
            }
            End::Failed(error) => {
                self.keep_part(&model, &answer.message, &spent)?;
                return Err(error.into());
            }
        };
        self.say_spent(&spent, &answer.pace);
        Ok(next)
    }

    /// Keeps the words of an answer that was not finished. Its other parts are of no use to the provider: half a call,
    /// thoughts without their seal.
    fn keep_part(&mut self, model: &str, message: &Message, spent: &Spent) -> Result<()> {
        let text = message.text();
        if text.trim().is_empty() {
            return Ok(());
        }
        let mut answered = Answered::new(model, Message::assistant(text), spent);
        answered.interrupted = true;
        self.conversation.answer(answered)
    }

    fn say_spent(&self, spent: &Spent, pace: &Pace) {
        let is_wanted = self.is_interactive || self.session.global.verbose > 0;
        if !is_wanted {
            return;
        }
        // Providers count at the end of an answer; one that was stopped has no count.
        if spent.usage.total_tokens() > 0 {
            let all = &self.conversation.spent;
            let in_all = if all == spent { String::new() } else { format!("   in all {}", all.say()) };
            let pace =
                if self.session.global.verbose > 0 { pace.say(&self.model, &spent.usage) } else { String::new() };
            note(&paint(DIM, &format!("{}{pace}{in_all}", spent.say())));
        }
        if self.is_interactive {
            note("");
        }
    }
}

/// Shows what was said last, so that a person knows where they are.
pub(super) fn show_last(turn: &Turn) -> Result<()> {
    output::line(&paint(DIM, &format!("> {}", output::plain_lines(&turn.asked.text()))))?;
    let Some(answered) = &turn.answered else { return Ok(()) };
    let mut screen = Screen::new(true);
    screen.show(&Event::Text { text: answered.message.text().into_owned() })?;
    screen.end()?;
    if answered.interrupted { output::line(&paint(DIM, "(stopped)")) } else { Ok(()) }
}

/// Shows an answer on standard output.
struct Screen {
    renderer: Renderer,
    is_interactive: bool,
    last: Option<char>,
    has_thought: bool,
}

impl Screen {
    fn new(is_interactive: bool) -> Self {
        let renderer = Renderer::new(is_interactive && output::is_coloured());
        Self { renderer, is_interactive, last: None, has_thought: false }
    }

    fn show(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Text { text } => {
                // Models like to begin with empty lines.
                let text = if self.last.is_none() { text.trim_start_matches(['\n', '\r']) } else { text };
                self.last = text.chars().last().or(self.last);
                self.print(|renderer| renderer.push(text))
            }
            Event::Reasoning { .. } if self.is_interactive && self.last.is_none() && !self.has_thought => {
                self.has_thought = true;
                output::line(&paint(DIM, "(thinking)"))
            }
            _ => Ok(()),
        }
    }

    fn end(&mut self) -> Result<()> {
        self.print(Renderer::finish)?;
        if self.last.is_some_and(|last| last != '\n') { output::piece("\n") } else { Ok(()) }
    }

    fn print(&mut self, make: impl FnOnce(&mut Renderer) -> String) -> Result<()> {
        let text = make(&mut self.renderer);
        if text.is_empty() { Ok(()) } else { output::piece(&text) }
    }
}
