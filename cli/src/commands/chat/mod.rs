//! `chat`: a conversation with an agent over the library. It is kept as it goes, so that it can go on another day, after a
//! crash, or when a person has answered what it asks.

mod agent;
mod approve;
mod export;
mod history;
mod input;
mod list;
mod screen;
mod slash;
mod toolbox;
mod turn;
mod waiting;

use std::io::IsTerminal as _;

use anyhow::Result;
use lorewell::Kind;
use lorewell::agent::{Budget, Chat, Standing, Thread};
use lorewell::model::{Message, Model, Part, Role};

use self::agent::Toolset;
use self::history::last_asked;
use self::input::{Input, Source};
use self::screen::Screen;
use self::slash::{Amount, Typed};
use self::turn::{is_stopped, is_unanswered, with_what_is_left};
use super::Session;
use crate::answer::attach;
use crate::args;
use crate::config::Layer;
use crate::exit::{Exit, Misuse, message};
use crate::interrupt::Interrupts;
use crate::models::{self, Models};
use crate::output::{self, DIM, note, paint, plain};
use crate::sessions::{Conversation, Sessions};

/// A chat that goes on.
struct Talk<'a> {
    session: &'a Session,
    models: Models,
    sessions: Sessions,
    conversation: Conversation,
    thread: Thread<Chat>,
    model: Model,
    toolset: Toolset,
    limits: Limits,
    /// Tools whose calls are approved without asking.
    yes_to: Vec<String>,
    /// What goes into the next message.
    attached: Vec<Part>,
    interrupts: Interrupts,
    source: Source,
    /// Whether a person types; what is piped in ends at the first fault instead.
    is_interactive: bool,
}

/// What a turn may use.
#[derive(Debug, Clone, Copy)]
struct Limits {
    steps_max: u32,
    tokens_max: u64,
    usd_max: f64,
    /// Whether a person has set it: then a model whose price is not known is refused.
    is_usd_meant: bool,
}

impl Limits {
    fn of(session: &Session) -> Result<Self> {
        let config = &session.config;
        let is_usd_meant = config.setting("chat_usd_max")?.layer != Layer::Default;
        Ok(Self {
            steps_max: u32::try_from(config.number("chat_steps_max")).unwrap_or(u32::MAX),
            tokens_max: config.number("chat_tokens_max") as u64,
            usd_max: config.dollars("chat_usd_max"),
            is_usd_meant,
        })
    }
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
    let mut talk = Talk::start(session, args).await?;
    match talk.begin().await? {
        Next::GoOn => {}
        Next::End(exit) => return talk.leave(exit).await,
    }
    let mut is_leaving = false;
    loop {
        let line = match talk.source.next(&talk.interrupts).await? {
            Input::Line(line) => line,
            Input::End => return talk.leave(Exit::Done).await,
            Input::Interrupted if is_leaving || !talk.is_interactive => return talk.leave(Exit::Interrupted).await,
            Input::Interrupted => {
                is_leaving = true;
                note("(Ctrl-C again leaves)");
                continue;
            }
        };
        is_leaving = false;
        match Box::pin(talk.take(&line)).await {
            Ok(Next::GoOn) => {}
            Ok(Next::End(exit)) => return talk.leave(exit).await,
            Err(error) if talk.is_interactive => output::error(&message(&error)),
            Err(error) => return Err(error),
        }
    }
}

/// Returns the session that was asked for, or a new one.
async fn conversation(sessions: &Sessions, args: &args::Chat) -> Result<Conversation> {
    let newest = if args.newest { sessions.list().await?.into_iter().next() } else { None };
    if args.newest && newest.is_none() {
        note("There is no session to go on with; this is a new one.");
    }
    match args.session.clone().or(newest.map(|newest| newest.name)) {
        Some(name) => sessions.named(&name),
        None => sessions.begin().await,
    }
}

impl<'a> Talk<'a> {
    async fn start(session: &'a Session, args: args::Chat) -> Result<Self> {
        let sessions = Sessions::open(&session.folders.data).await?;
        let conversation = conversation(&sessions, &args).await?;
        let flag = args.model.as_deref().or(conversation.facts.model.as_deref());
        let name = models::wanted(flag, &session.config, "name one with `--model`")?;
        let models = Models::new(&session.global, &session.folders);
        let (model, limits) = (models.open(&name).await?, Limits::of(session)?);
        let toolset = Toolset::open(session, &args).await?;
        toolset.check(&args.yes_to)?;
        let thread = toolset.agent(&model, limits.steps_max).thread(&conversation.name, sessions.store().clone())?;
        let interrupts = Interrupts::listen();
        let is_interactive = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let source = if is_interactive { Source::editor(&session.folders.state)? } else { Source::pipe() };
        let (yes_to, attached) = (args.yes_to, Vec::new());
        Ok(Self {
            session,
            models,
            sessions,
            conversation,
            thread,
            model,
            toolset,
            limits,
            yes_to,
            attached,
            interrupts,
            source,
            is_interactive,
        })
    }

    /// Says where the chat is, and asks what waits for an answer.
    async fn begin(&mut self) -> Result<Next> {
        if self.is_interactive {
            let name = plain(&self.model.name().to_string());
            let tools = output::count(self.toolset.tools.len() as u64, "tool");
            output::line(&paint(DIM, &format!("{name}, {tools} - /help lists the commands, Ctrl-D leaves")))?;
        }
        self.say_where().await?;
        match self.ask_what_waits().await? {
            // What is piped in may look at the session, or take it back.
            Next::End(Exit::Waits) => Ok(Next::GoOn),
            next => Ok(next),
        }
    }

    /// Asks the questions of the session at hand that are open, and goes on with the turn.
    async fn ask_what_waits(&mut self) -> Result<Next> {
        match self.standing().await? {
            Some(standing) if !standing.questions.is_empty() => self.go_on(&standing.questions).await,
            _ => Ok(Next::GoOn),
        }
    }

    /// Returns where the session stands; none if nothing was said in it, or all was taken back.
    async fn standing(&self) -> Result<Option<Standing<Chat>>> {
        match self.thread.standing().await {
            Ok(standing) => {
                let standing = with_what_is_left(standing, &self.conversation.facts.left);
                Ok(Some(standing).filter(|standing| !standing.state.messages.is_empty()))
            }
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Says how far the session has come.
    async fn say_where(&self) -> Result<()> {
        let standing = if self.is_interactive { self.standing().await? } else { None };
        let Some(standing) = standing else { return Ok(()) };
        let said = output::count(asked(&standing.state) as u64, "message");
        output::line(&paint(DIM, &format!("session {}, {said} so far", self.conversation.name)))?;
        show_last(&standing.state)?;
        if is_unanswered(&standing) && !is_stopped(&standing.state) {
            output::line(&paint(DIM, "(no answer; /retry goes on with it)"))?;
        }
        output::line("")
    }

    async fn leave(&self, exit: Exit) -> Result<Exit> {
        let Some(standing) = self.standing().await? else { return Ok(exit) };
        if self.is_interactive {
            let name = &self.conversation.name;
            output::line(&paint(DIM, &format!("kept as {name}; go on with: lorewell chat --session {name}")))?;
            return Ok(exit);
        }
        let waits = exit == Exit::Done && !standing.questions.is_empty();
        Ok(if waits { Exit::Waits } else { exit })
    }

    async fn take(&mut self, line: &str) -> Result<Next> {
        match slash::read(line) {
            Typed::Nothing => {}
            Typed::Message(text) => return self.say(text).await,
            Typed::Help => output::line(slash::HELP)?,
            Typed::Tools => self.say_tools().await?,
            Typed::Revoke(tool) => self.revoke(tool.as_deref()).await?,
            Typed::Search(query) => self.search(&query).await?,
            Typed::Model(None) => output::line(&plain(&self.model.name().to_string()))?,
            Typed::Model(Some(name)) => self.change_model(&name).await?,
            Typed::Retry => return self.retry().await,
            Typed::Undo => self.undo().await?,
            Typed::Fork(n) => self.fork(n).await?,
            Typed::New => {
                let conversation = self.sessions.begin().await?;
                self.move_to(conversation)?;
                note("A new session begins.");
            }
            Typed::Sessions(words) if words.is_empty() => list::print(&self.sessions, &self.conversation.name).await?,
            Typed::Sessions(words) => {
                let agent = self.toolset.agent(&self.model, self.limits.steps_max);
                list::find(&self.sessions, &agent, &self.conversation.name, &words).await?;
            }
            Typed::Resume(name) => return self.resume(&name).await,
            Typed::Export(file) => self.export(file.as_deref()).await?,
            Typed::File(path) => {
                self.attached.push(attach(&path)?);
                note(&format!("{} goes into the next message.", plain(&path.display().to_string())));
            }
            Typed::Usage => self.say_usage().await?,
            Typed::Budget(amount) => self.set_budget(amount)?,
            Typed::Quit => return Ok(Next::End(Exit::Done)),
            Typed::Unknown(what) => return Err(Misuse(what).into()),
        }
        Ok(Next::GoOn)
    }

    async fn resume(&mut self, name: &str) -> Result<Next> {
        if name != self.conversation.name {
            if !self.sessions.has(name).await? {
                return Err(Misuse(format!("there is no session `{name}`; `/sessions` lists them")).into());
            }
            let conversation = self.sessions.named(name)?;
            let model = conversation.facts.model.clone().filter(|model| *model != self.model.name().to_string());
            if let Some(model) = model {
                self.change_model(&model).await?;
            }
            self.move_to(conversation)?;
        }
        self.say_where().await?;
        self.ask_what_waits().await
    }

    /// Goes on in another session.
    fn move_to(&mut self, conversation: Conversation) -> Result<()> {
        self.conversation = conversation;
        self.attached.clear();
        self.make_thread()
    }

    async fn change_model(&mut self, name: &str) -> Result<()> {
        self.model = self.models.open(name).await?;
        self.make_thread()?;
        note(&format!("{} answers from now on.", plain(name)));
        Ok(())
    }

    fn make_thread(&mut self) -> Result<()> {
        let agent = self.toolset.agent(&self.model, self.limits.steps_max);
        self.thread = agent.thread(&self.conversation.name, self.sessions.store().clone())?;
        Ok(())
    }

    async fn say_usage(&self) -> Result<()> {
        let said = self.standing().await?.map_or(0, |standing| asked(&standing.state));
        let messages = output::count(said as u64, "message");
        output::line(&format!("{messages}, {}", self.conversation.facts.spent().say()))
    }

    fn set_budget(&mut self, amount: Option<Amount>) -> Result<()> {
        match amount {
            None => {}
            Some(Amount::Tokens(tokens)) => self.limits.tokens_max = tokens,
            Some(Amount::Dollars(usd)) => (self.limits.usd_max, self.limits.is_usd_meant) = (usd, true),
        }
        let Limits { steps_max, tokens_max, usd_max, .. } = self.limits;
        let tokens = output::thousands(tokens_max);
        output::line(&format!("a turn may use {tokens} tokens, ${usd_max} and {steps_max} answers of the model"))
    }

    /// Returns what a run may spend. What its turn has spent before the run counts it by itself.
    fn budget(&self) -> Budget {
        let budget = Budget::new().tokens_max(self.limits.tokens_max);
        match self.limits.is_usd_meant || self.model.price().is_some() {
            true => budget.cost_usd_max(self.limits.usd_max),
            false => budget,
        }
    }
}

/// Counts what the person has said.
fn asked(chat: &Chat) -> usize {
    chat.messages.iter().filter(|message| message.role == Role::User).count()
}

/// Shows what was said last, so that a person knows where they are.
fn show_last(chat: &Chat) -> Result<()> {
    let Some(asked) = last_asked(chat) else { return Ok(()) };
    output::line(&paint(DIM, &format!("> {}", output::plain_lines(&asked.text()))))?;
    let answered = chat.messages.iter().rev().take_while(|message| message.role != Role::User);
    let answered: Vec<&Message> = answered.filter(|message| message.role == Role::Assistant).collect();
    for message in answered.into_iter().rev() {
        let mut screen = Screen::new(true, 0);
        screen.text(&message.text())?;
        screen.end()?;
    }
    if is_stopped(chat) { output::line(&paint(DIM, "(stopped; /retry goes on with it)")) } else { Ok(()) }
}
