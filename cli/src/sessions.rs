//! Sessions of `chat`. What was said is a thread of the store; beside it lie a lock, so that one process has a session at
//! a time, and a few facts that lists show and the thread does not know: the model, the first words, what it all cost.

mod left;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use lorewell::agent::checkpoint::{Checkpoints as _, Sqlite};
use lorewell::{Error, Kind};
use serde::{Deserialize, Serialize};

pub(crate) use self::left::Left;
use crate::exit::Misuse;
use crate::folders::make_private;
use crate::spent::Spent;

/// Version of the facts.
const VERSION: u32 = 1;
/// Bytes of the facts of a session: an answer that was stopped, in which JSON may write six bytes for one, and thousands of
/// calls.
const FACTS_BYTES_MAX: u64 = 16 << 20;
/// Characters of a session's name.
const NAME_CHARS_MAX: usize = 64;
/// Characters of a session's first words that lists may show.
const FIRST_CHARS_MAX: usize = 200;
/// Names that are tried for a new session: as many as one account may begin within a second.
const NAMES_MAX: usize = 100;
/// Threads that are read from the store at once.
const PAGE: usize = 200;

/// What is known of a session besides what was said in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Facts {
    version: u32,
    /// The model that answered last.
    pub(crate) model: Option<String>,
    /// What the person said first.
    pub(crate) first_words: String,
    /// What all turns but the last have used.
    before: Spent,
    /// What the last turn has used so far, whether it was left meanwhile or not.
    turn: Spent,
    /// What has come of the last turn, as long as it has no answer.
    #[serde(default, skip_serializing_if = "Left::is_default")]
    pub(crate) left: Left,
}

impl Facts {
    /// Returns what all of the session has used.
    pub(crate) fn spent(&self) -> Spent {
        let mut spent = self.before;
        spent.add(self.turn);
        spent
    }

    /// Begins a turn.
    fn ask(&mut self, words: &str) {
        if self.first_words.is_empty() {
            self.first_words = words.chars().take(FIRST_CHARS_MAX).collect();
        }
        self.before.add(std::mem::take(&mut self.turn));
        self.left = Left::default();
    }
}

/// Where sessions are kept.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    dir: PathBuf,
    store: Sqlite,
}

/// A session in a list.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) touched: SystemTime,
}

impl Sessions {
    /// Opens the sessions in a folder of this account's data.
    pub(crate) async fn open(data: &Path) -> Result<Self> {
        let dir = data.join("sessions");
        make_private(&dir)?;
        let store = Sqlite::open(data.join("threads.sqlite")).await?;
        Ok(Self { dir, store })
    }

    /// Returns the store of their threads.
    pub(crate) fn store(&self) -> &Sqlite {
        &self.store
    }

    /// Begins a session under a name that nobody has.
    pub(crate) async fn begin(&self) -> Result<Conversation> {
        let now = jiff::Zoned::now().strftime("%Y-%m-%d-%H%M%S").to_string();
        self.begin_like(&now).await
    }

    /// Begins a session under the first free one of the names `base`, `base-2`, `base-3`, …
    pub(crate) async fn begin_like(&self, base: &str) -> Result<Conversation> {
        let numbered = (2..=NAMES_MAX).map(|n| {
            let end = format!("-{n}");
            let kept: String = base.chars().take(NAME_CHARS_MAX - end.len()).collect();
            format!("{kept}{end}")
        });
        for name in std::iter::once(base.to_owned()).chain(numbered) {
            if self.has(&name).await? {
                continue;
            }
            match self.locked(&name) {
                Err(error) if error.downcast_ref().map(Error::kind) == Some(Kind::Conflict) => {}
                conversation => return conversation,
            }
        }
        let message = format!("there are {NAMES_MAX} sessions called like `{base}`; name one with `--session`");
        Err(Error::new(Kind::Limit, message).into())
    }

    /// Opens the session of a name, or begins it.
    pub(crate) fn named(&self, name: &str) -> Result<Conversation> {
        check_name(name)?;
        self.locked(name)
    }

    /// Tells whether anything was said in a session of a name.
    pub(crate) async fn has(&self, name: &str) -> Result<bool> {
        Ok(check_name(name).is_ok() && self.store.thread(name).await?.is_some())
    }

    /// Lists the sessions, newest first.
    pub(crate) async fn list(&self) -> Result<Vec<Listed>> {
        let (mut sessions, mut after) = (Vec::new(), String::new());
        // Each page begins after the one before it, so this ends.
        loop {
            let page = self.store.threads(&after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.name.to_string();
            let ours = page.iter().filter(|thread| check_name(&thread.name).is_ok());
            sessions.extend(ours.map(|thread| Listed { name: thread.name.to_string(), touched: thread.touched }));
        }
        sessions.sort_by(|a, b| b.touched.cmp(&a.touched).then_with(|| b.name.cmp(&a.name)));
        Ok(sessions)
    }

    /// Returns the first words of a session, as far as they can be read.
    pub(crate) fn first_words(&self, name: &str) -> String {
        read(&self.facts(name)).ok().flatten().unwrap_or_default().first_words
    }

    /// Returns what has come of the last turn of a session, as far as it can be read.
    pub(crate) fn left(&self, name: &str) -> Left {
        read(&self.facts(name)).ok().flatten().unwrap_or_default().left
    }

    fn facts(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.json"))
    }

    /// Takes a session for this process alone.
    fn locked(&self, name: &str) -> Result<Conversation> {
        let lock = Lock::take(&self.dir.join(format!("{name}.lock")), name)?;
        let path = self.facts(name);
        let facts = read(&path)?.unwrap_or_default();
        Ok(Conversation { name: name.to_owned(), facts, path, _lock: lock })
    }
}

/// A session at hand. No other process has it.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) name: String,
    pub(crate) facts: Facts,
    path: PathBuf,
    _lock: Lock,
}

impl Conversation {
    /// Notes that the person says something.
    pub(crate) fn ask(&mut self, words: &str) -> Result<()> {
        self.facts.ask(words);
        self.write()
    }

    /// Notes that the last turn goes on.
    pub(crate) fn resume(&mut self) -> Result<()> {
        self.facts.left.resume();
        self.write()
    }

    /// Notes that a call begins. It may be made even if nothing else is heard of it.
    pub(crate) fn begin_call(&mut self, id: &str, what: &str) -> Result<()> {
        self.facts.left.begin(id, what);
        self.write()
    }

    /// Notes that a call has come to its end.
    pub(crate) fn end_call(&mut self, id: &str) -> Result<()> {
        self.facts.left.end(id);
        self.write()
    }

    /// Notes what the model had said when the person stopped it.
    pub(crate) fn stop(&mut self, said: &str) -> Result<()> {
        self.facts.left.stop(said);
        self.write()
    }

    /// Notes that nothing is left of the last turn, which was taken back.
    pub(crate) fn take_back(&mut self) -> Result<()> {
        self.facts.left = Left::default();
        self.write()
    }

    /// Notes who answers, and what the last turn has used so far.
    pub(crate) fn answered(&mut self, model: &str, turn: Spent) -> Result<()> {
        self.facts.model = Some(model.to_owned());
        self.facts.turn = turn;
        self.write()
    }

    /// Notes who has answered, and what the last turn has used in all.
    pub(crate) fn ended(&mut self, model: &str, turn: Spent) -> Result<()> {
        self.facts.left = Left::default();
        self.answered(model, turn)
    }

    /// Takes over what is known of the session that this one is a copy of.
    pub(crate) fn copy(&mut self, facts: &Facts) -> Result<()> {
        self.facts = facts.clone();
        self.write()
    }

    /// Writes the facts beside, and puts them in their place: a crash or a power cut leaves the old ones or the new.
    fn write(&mut self) -> Result<()> {
        self.facts.version = VERSION;
        let doing = || format!("writing `{}`", self.path.display());
        let mut file =
            tempfile::NamedTempFile::new_in(self.path.parent().unwrap_or(Path::new("."))).with_context(doing)?;
        serde_json::to_writer(&mut file, &self.facts).with_context(doing)?;
        file.flush().with_context(doing)?;
        file.as_file().sync_all().with_context(doing)?;
        file.persist(&self.path).with_context(doing)?;
        Ok(())
    }
}

/// A file that is locked for as long as a session is at hand. The system lets go of it when the process dies. The file
/// stays: were it removed, one process could lock what another has just removed, and a third one its successor.
#[derive(Debug)]
struct Lock(#[expect(dead_code, reason = "it is held, and nothing else")] File);

impl Lock {
    fn take(path: &Path, session: &str) -> Result<Self> {
        let doing = || format!("locking the session `{session}`");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).with_context(doing)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => {
                let message = format!("the session `{session}` is open in another process");
                Err(Error::new(Kind::Conflict, message).into())
            }
            Err(TryLockError::Error(error)) => Err(error).with_context(doing),
        }
    }
}

fn read(path: &Path) -> Result<Option<Facts>> {
    let doing = || format!("reading `{}`", path.display());
    let mut bytes = Vec::new();
    match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file.with_context(doing)?.take(FACTS_BYTES_MAX).read_to_end(&mut bytes).with_context(doing)?,
    };
    // What a power cut may leave of a file that was never synced. There is nothing in it to lose.
    if bytes.is_empty() {
        return Ok(None);
    }
    let corrupt = |why: &dyn std::fmt::Display| {
        let message = format!(
            "`{}` cannot be read: {why}; remove it to go on without the model and the cost in it",
            path.display()
        );
        Error::new(Kind::Corrupt, message)
    };
    let facts: Facts = serde_json::from_slice(&bytes).map_err(|error| corrupt(&error))?;
    if facts.version > VERSION {
        return Err(corrupt(&format!("it is of version {}, and this program knows {VERSION}", facts.version)).into());
    }
    Ok(Some(facts))
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
