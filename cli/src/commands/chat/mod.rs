//! `chat`: a conversation with a model. It is kept as it goes, so that it can go on another day, or after a crash.

mod input;
mod list;
mod slash;
mod turn;

use std::io::IsTerminal as _;

use anyhow::Result;
use lorewell::model::{Message, Model, Part, Role};

use self::input::{Input, Source};
use self::slash::Typed;
use super::Session;
use crate::answer::attach;
use crate::args;
use crate::exit::{Exit, Misuse, message};
use crate::interrupt::Interrupts;
use crate::models::{self, Models};
use crate::output::{self, DIM, note, paint, plain};
use crate::sessions::{Conversation, Sessions};

/// A chat that goes on.
struct Chat<'a> {
    session: &'a Session,
    models: Models,
    sessions: Sessions,
    conversation: Conversation,
    model: Model,
    /// What goes into the next message.
    attached: Vec<Part>,
    interrupts: Interrupts,
    /// Whether a person types; what is piped in ends at the first fault instead.
    is_interactive: bool,
}

/// What comes after a line.
enum Next {
    GoOn,
    End(Exit),
}

pub(super) async fn run(session: &Session, args: args::Chat) -> Result<Exit> {
    if session.is_json() {
        return Err(Misuse("`chat` has no JSON; ask with `lorewell run --json`".to_owned()).into());
    }
    let sessions = Sessions::new(&session.folders.data);
    let conversation = conversation(&sessions, &args)?;
    let name = model_name(session, &args, &conversation)?;
    let models = Models::new(&session.global, &session.folders);
    let model = models.open(&name).await?;
    let interrupts = Interrupts::listen();
    let is_interactive = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let mut source = if is_interactive { Source::editor(&session.folders.state)? } else { Source::pipe() };
    let attached = Vec::new();
    let mut chat = Chat { session, models, sessions, conversation, model, attached, interrupts, is_interactive };
    chat.greet()?;
    loop {
        let line = match source.next(&chat.interrupts).await? {
            Input::Line(line) => line,
            Input::End => return chat.leave(Exit::Done),
            Input::Interrupted => return chat.leave(Exit::Interrupted),
        };
        match chat.take(&line).await {
            Ok(Next::GoOn) => {}
            Ok(Next::End(exit)) => return chat.leave(exit),
            Err(error) if is_interactive => output::error(&message(&error)),
            Err(error) => return Err(error),
        }
    }
}

/// Returns the session that was asked for, or a new one.
fn conversation(sessions: &Sessions, args: &args::Chat) -> Result<Conversation> {
    let newest = if args.newest { sessions.list()?.into_iter().next() } else { None };
    if args.newest && newest.is_none() {
        note("There is no session to go on with; this is a new one.");
    }
    let Some(name) = args.session.clone().or(newest.map(|newest| newest.name)) else {
        return Ok(sessions.begin());
    };
    open(sessions, &name)
}

fn open(sessions: &Sessions, name: &str) -> Result<Conversation> {
    let (conversation, dropped) = sessions.open(name)?;
    dropped.iter().for_each(|dropped| note(&plain(dropped)));
    Ok(conversation)
}

/// Returns the model of the flag, else of the session, else of the settings.
fn model_name(session: &Session, args: &args::Chat, conversation: &Conversation) -> Result<String> {
    let flag = args.model.as_deref().or(conversation.model());
    models::wanted(flag, &session.config, "name one with `--model`")
}

impl Chat<'_> {
    /// Says where the chat is.
    fn greet(&self) -> Result<()> {
        if self.is_interactive {
            let name = plain(&self.model.name().to_string());
            output::line(&paint(DIM, &format!("{name} - /help lists the commands, Ctrl-D leaves")))?;
        }
        self.say_where()
    }

    /// Says how far the session has come.
    fn say_where(&self) -> Result<()> {
        let Some(last) = self.conversation.turns.last().filter(|_| self.is_interactive) else { return Ok(()) };
        let said = output::count(self.conversation.turns.len() as u64, "message");
        output::line(&paint(DIM, &format!("session {}, {said} so far", self.conversation.name)))?;
        turn::show_last(last)?;
        if self.conversation.unanswered().is_some() {
            output::line(&paint(DIM, "(no answer; /retry asks it again)"))?;
        }
        output::line("")
    }

    fn leave(&self, exit: Exit) -> Result<Exit> {
        if self.is_interactive && !self.conversation.turns.is_empty() {
            let name = &self.conversation.name;
            output::line(&paint(DIM, &format!("kept as {name}; go on with: lorewell chat --session {name}")))?;
        }
        Ok(exit)
    }

    async fn take(&mut self, line: &str) -> Result<Next> {
        match slash::read(line) {
            Typed::Nothing => {}
            Typed::Message(text) => return self.say(text).await,
            Typed::Help => output::line(slash::HELP)?,
            Typed::Model(None) => output::line(&plain(&self.model.name().to_string()))?,
            Typed::Model(Some(name)) => {
                self.model = self.models.open(&name).await?;
                note(&format!("{} answers from now on.", plain(&name)));
            }
            Typed::Retry => match self.conversation.unanswered() {
                Some(_) => return self.answer().await,
                None => note("The last message got its answer."),
            },
            Typed::New => {
                self.conversation = self.sessions.begin();
                self.attached.clear();
                note("A new session begins.");
            }
            Typed::Sessions => list::print(&self.sessions, &self.conversation.name)?,
            Typed::Resume(name) => self.resume(&name).await?,
            Typed::File(path) => {
                self.attached.push(attach(&path)?);
                note(&format!("{} goes into the next message.", plain(&path.display().to_string())));
            }
            Typed::Usage => {
                let spent = &self.conversation.spent;
                let messages = output::count(self.conversation.turns.len() as u64, "message");
                output::line(&format!("{messages}, {}", spent.say()))?;
            }
            Typed::Quit => return Ok(Next::End(Exit::Done)),
            Typed::Unknown(what) => return Err(Misuse(what).into()),
        }
        Ok(Next::GoOn)
    }

    /// Keeps what the person says, and lets the model answer.
    async fn say(&mut self, text: String) -> Result<Next> {
        let parts = std::mem::take(&mut self.attached).into_iter().chain([Part::text(text)]);
        self.conversation.ask(Message::new(Role::User, parts))?;
        self.answer().await
    }

    async fn resume(&mut self, name: &str) -> Result<()> {
        if name == self.conversation.name {
            return self.say_where();
        }
        if !self.sessions.has(name) {
            return Err(Misuse(format!("there is no session `{name}`; `/sessions` lists them")).into());
        }
        let conversation = open(&self.sessions, name)?;
        if let Some(model) = conversation.model().filter(|model| *model != self.model.name().to_string()) {
            self.model = self.models.open(model).await?;
            note(&format!("{} answers from now on.", plain(model)));
        }
        self.conversation = conversation;
        self.attached.clear();
        self.say_where()
    }
}
