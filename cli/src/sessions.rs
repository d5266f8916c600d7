//! Conversations that are kept: a file of JSON lines each. What was said is on the disk before the next step is taken, so
//! that a crash costs at most the answer that was on its way; a last line that was torn by one is dropped.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use lorewell::model::{Message, Usage};
use lorewell::{Error, Kind};
use serde::{Deserialize, Serialize};

use crate::exit::Misuse;
use crate::folders::make_private;
use crate::spent::Spent;

/// Version of the lines.
const VERSION: u32 = 1;
/// Bytes of a session, pictures and all: more than any model reads.
const SESSION_BYTES_MAX: u64 = 256 << 20;
/// Characters of a session's name.
const NAME_CHARS_MAX: usize = 64;
/// New sessions that one account may begin within a second.
const SAME_SECOND_MAX: usize = 100;

/// A line of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
enum Line {
    /// The first one.
    Session { version: u32, at: Timestamp },
    /// What the person said.
    Asked { at: Timestamp, message: Message },
    /// What the model said.
    Answered(Answered),
}

/// What a model said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answered {
    at: Timestamp,
    pub(crate) model: String,
    pub(crate) message: Message,
    usage: Usage,
    /// In US dollars; none if the price is not known.
    cost_usd: Option<f64>,
    /// Whether it was stopped before its end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) interrupted: bool,
}

impl Answered {
    /// Notes what a model said just now.
    pub(crate) fn new(model: &str, message: Message, spent: &Spent) -> Self {
        let (at, model) = (Timestamp::now(), model.to_owned());
        Self { at, model, message, usage: spent.usage, cost_usd: spent.cost(), interrupted: false }
    }

    fn spent(&self) -> Spent {
        let cost_usd = self.cost_usd.unwrap_or_default();
        Spent { usage: self.usage, cost_usd, is_unpriced: self.cost_usd.is_none() }
    }
}

/// Where sessions are kept.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    dir: PathBuf,
}

/// A session in a list.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) modified: SystemTime,
}

impl Sessions {
    /// Keeps sessions in a folder of this account's data.
    pub(crate) fn new(data: &Path) -> Self {
        Self { dir: data.join("sessions") }
    }

    /// Begins a session, whose file is made when something is said.
    pub(crate) fn begin(&self) -> Conversation {
        let now = jiff::Zoned::now().strftime("%Y-%m-%d-%H%M%S").to_string();
        let is_free = |name: &String| !self.file(name).exists();
        let names = (2..SAME_SECOND_MAX).map(|n| format!("{now}-{n}"));
        let name = std::iter::once(now.clone()).chain(names).find(is_free).unwrap_or(now);
        self.named(name)
    }

    /// Opens the session of a name, or begins it. The second value says what was dropped from it.
    pub(crate) fn open(&self, name: &str) -> Result<(Conversation, Option<String>)> {
        check_name(name)?;
        let mut conversation = self.named(name.to_owned());
        let dropped = if conversation.path.exists() { conversation.load()? } else { None };
        Ok((conversation, dropped))
    }

    /// Tells whether there is a session of a name.
    pub(crate) fn has(&self, name: &str) -> bool {
        check_name(name).is_ok() && self.file(name).exists()
    }

    /// Lists the sessions, newest first.
    pub(crate) fn list(&self) -> Result<Vec<Listed>> {
        let doing = || format!("reading `{}`", self.dir.display());
        let entries = match std::fs::read_dir(&self.dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.with_context(doing)?,
        };
        let mut sessions = Vec::new();
        for entry in entries {
            let path = entry.with_context(doing)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".jsonl"));
            let Some(name) = name.filter(|name| check_name(name).is_ok()) else { continue };
            // One that is gone by now is none.
            if let Ok(modified) = path.metadata().and_then(|metadata| metadata.modified()) {
                sessions.push(Listed { name: name.to_owned(), modified });
            }
        }
        sessions.sort_by(|a, b| b.modified.cmp(&a.modified).then_with(|| b.name.cmp(&a.name)));
        Ok(sessions)
    }

    /// Returns the first words of a session, as far as they can be read.
    pub(crate) fn first_words(&self, name: &str) -> String {
        let Ok(file) = File::open(self.file(name)) else { return String::new() };
        let lines = BufReader::new(file.take(SESSION_BYTES_MAX)).lines().map_while(Result::ok);
        let mut messages = lines.filter_map(|line| match serde_json::from_str(&line) {
            Ok(Line::Asked { message, .. }) => Some(message.text().into_owned()),
            _ => None,
        });
        messages.next().unwrap_or_default()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.jsonl"))
    }

    fn named(&self, name: String) -> Conversation {
        let path = self.file(&name);
        Conversation { name, path, file: None, is_begun: false, turns: Vec::new(), spent: Spent::default() }
    }
}

/// A question and its answer, if there was one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Turn {
    pub(crate) asked: Message,
    pub(crate) answered: Option<Answered>,
}

/// A session at hand. Nobody else writes to it.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) name: String,
    pub(crate) turns: Vec<Turn>,
    pub(crate) spent: Spent,
    path: PathBuf,
    file: Option<File>,
    is_begun: bool,
}

impl Conversation {
    /// Keeps what the person says.
    pub(crate) fn ask(&mut self, message: Message) -> Result<()> {
        self.write(&Line::Asked { at: Timestamp::now(), message: message.clone() })?;
        self.turns.push(Turn { asked: message, answered: None });
        Ok(())
    }

    /// Keeps what the model says.
    pub(crate) fn answer(&mut self, answered: Answered) -> Result<()> {
        let line = Line::Answered(answered);
        self.write(&line)?;
        self.take(line);
        Ok(())
    }

    /// Returns the conversation as the model is to read it: what got no answer is left out, but for the end of it. A
    /// question that a provider refuses would otherwise be refused with every later one.
    pub(crate) fn messages(&self) -> Vec<Message> {
        let mut messages = Vec::with_capacity(self.turns.len() * 2);
        for (n, turn) in self.turns.iter().enumerate() {
            match &turn.answered {
                Some(answered) => messages.extend([turn.asked.clone(), answered.message.clone()]),
                None if n + 1 == self.turns.len() => messages.push(turn.asked.clone()),
                None => {}
            }
        }
        messages
    }

    /// Returns the last question, if it has got no answer.
    pub(crate) fn unanswered(&self) -> Option<&Message> {
        self.turns.last().filter(|turn| turn.answered.is_none()).map(|turn| &turn.asked)
    }

    /// Returns the model that answered last.
    pub(crate) fn model(&self) -> Option<&str> {
        let answers = self.turns.iter().rev().filter_map(|turn| turn.answered.as_ref());
        answers.map(|answered| answered.model.as_str()).next()
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Session { .. } => self.is_begun = true,
            Line::Asked { message, .. } => self.turns.push(Turn { asked: message, answered: None }),
            Line::Answered(answered) => {
                self.spent.add(answered.spent());
                if let Some(turn) = self.turns.last_mut() {
                    turn.answered = Some(answered);
                }
            }
        }
    }

    /// Reads the file, and cuts off what a crash has left half written.
    fn load(&mut self) -> Result<Option<String>> {
        let path = self.path.clone();
        let doing = || format!("reading the session `{}`", path.display());
        let mut file = self.locked(false)?;
        let bytes = file.metadata().with_context(doing)?.len();
        if bytes > SESSION_BYTES_MAX {
            let message = format!("`{}` has {bytes} bytes; begin a new session", path.display());
            return Err(Error::new(Kind::Limit, message).into());
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).with_context(doing)?;
        let mut sound = 0;
        let mut lines = text.split_inclusive(|byte| *byte == b'\n').zip(1_usize..).peekable();
        while let Some((line, n)) = lines.next() {
            let read = serde_json::from_slice(line).map_err(|error| error.to_string());
            match read.and_then(newer) {
                Ok(read) if line.ends_with(b"\n") => self.take(read),
                Err(why) if lines.peek().is_some() || n == 1 && line.ends_with(b"\n") => {
                    let message = format!("line {n} of `{}` cannot be read: {why}", path.display());
                    return Err(Error::new(Kind::Corrupt, message).into());
                }
                _ => break,
            }
            sound += line.len();
        }
        let dropped = text.len() - sound;
        if dropped > 0 {
            file.set_len(sound as u64).with_context(doing)?;
            file.sync_all().with_context(doing)?;
        }
        self.file = Some(file);
        Ok((dropped > 0).then(|| format!("The last line of `{}` was only half written, and is dropped.", self.name)))
    }

    /// Adds a line, and sees to it that it is on the disk.
    fn write(&mut self, line: &Line) -> Result<()> {
        let mut text = Vec::new();
        if !self.is_begun {
            serde_json::to_writer(&mut text, &Line::Session { version: VERSION, at: Timestamp::now() })?;
            text.push(b'\n');
        }
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.locked(true)?,
        };
        let doing = || format!("writing to the session `{}`", self.path.display());
        let before = file.metadata().with_context(doing)?.len();
        let written = file.write_all(&text).and_then(|()| file.sync_data());
        if written.is_err() {
            // Half a line in the middle would be more than a torn end; if this fails too, the next start says so.
            drop(file.set_len(before));
        }
        self.file = Some(file);
        written.with_context(doing)?;
        self.is_begun = true;
        Ok(())
    }

    /// Opens the file for this process alone.
    fn locked(&self, is_new: bool) -> Result<File> {
        let doing = || format!("opening the session `{}`", self.path.display());
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut options = OpenOptions::new();
        options.read(true).append(true).create_new(is_new);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        if is_new {
            make_private(folder)?;
        }
        let file = options.open(&self.path).with_context(doing)?;
        if is_new {
            #[cfg(unix)] // so that the file's name is on the disk too
            File::open(folder).and_then(|folder| folder.sync_all()).with_context(doing)?;
        }
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                let message = format!("the session `{}` is open in another process", self.name);
                Err(Error::new(Kind::Conflict, message).into())
            }
            Err(TryLockError::Error(error)) => Err(error).with_context(doing),
        }
    }
}

/// Refuses what a later version has written, rather than to take it for something else.
fn newer(line: Line) -> Result<Line, String> {
    match line {
        Line::Session { version, .. } if version > VERSION => {
            Err(format!("it is of version {version}, and this program knows {VERSION}; use a newer one"))
        }
        line => Ok(line),
    }
}

fn check_name(name: &str) -> Result<()> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_name = !name.is_empty() && !name.starts_with('.') && name.chars().all(allowed);
    if is_name && name.chars().count() <= NAME_CHARS_MAX {
        return Ok(());
    }
    let message = format!("`{name}` is no name of a session; take letters, digits, `-`, `_`, at most {NAME_CHARS_MAX}");
    Err(Misuse(message).into())
}

#[cfg(test)]
mod tests;
