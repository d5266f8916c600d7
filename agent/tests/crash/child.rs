//! The process that is killed: opens the store, runs the thread on from where it stands, and answers what it asks.

use std::collections::HashMap;
use std::env;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use lorewell_agent::checkpoint::Sqlite;
use lorewell_agent::{Durability, Event, EventKind, Kind, Outcome, Paused, Question, Result, Run, Thread};

use crate::books::{Audit, Books, answer, flow};
use crate::diary::Line;
use crate::outside::Outside;

/// The thread, one in each store.
pub(crate) const THREAD: &str = "books";
/// What a child says on its standard output when it has noted a checkpoint.
pub(crate) const ACK: &str = "checkpoint noted";
/// The exit status of a child that has left its questions to others.
pub(crate) const LEFT: i32 = 10;
/// A child that was refused asks again after this.
const ASK_AGAIN: Duration = Duration::from_millis(2);

/// What a child is to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) durability: Durability,
    /// Whether it leaves when the run pauses, instead of answering.
    pub(crate) leaves: bool,
}

/// The job of this process, if it is a child.
pub(crate) struct OwnJob {
    folder: PathBuf,
    durability: Durability,
    leaves: bool,
}

impl Job<'_> {
    /// Prepares a process that does it.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["child", "--exact", "--nocapture", "--quiet"]).stdin(Stdio::null()).stdout(Stdio::piped());
        command.env("CRASH_FOLDER", self.folder);
        command.env("CRASH_DURABILITY", format!("{:?}", self.durability));
        command.env("CRASH_LEAVES", self.leaves.to_string());
        command
    }

    /// Reads the job of this process; `None` if it is nobody's child.
    pub(crate) fn from_environment() -> Option<OwnJob> {
        let folder = env::var_os("CRASH_FOLDER")?.into();
        let durability = match &*env::var("CRASH_DURABILITY").unwrap() {
            "Sync" => Durability::Sync,
            "Background" => Durability::Background,
            other => panic!("`{other}` is no durability that is tested"),
        };
        Some(OwnJob { folder, durability, leaves: env::var("CRASH_LEAVES").unwrap() == "true" })
    }
}

impl OwnJob {
    /// Does it, and returns the exit status.
    pub(crate) fn run(&self) -> i32 {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
        runtime.block_on(self.run_on()).unwrap()
    }

    async fn run_on(&self) -> Result<i32> {
        let outside = Outside::new(&self.folder);
        let thread = flow(&outside).thread(THREAD, Sqlite::open(outside.store()).await?);
        loop {
            match self.go_on(&thread, &outside).await {
                Ok(Outcome::Done(_)) => return Ok(0),
                Ok(Outcome::Paused(paused)) => {
                    if self.leaves && !paused.questions.is_empty() {
                        return Ok(LEFT);
                    }
                    refused(answer_one(&thread, &outside, &paused).await, &outside).await?;
                }
                Err(error) => refused(Err(error), &outside).await?,
            }
        }
    }

    async fn go_on(&self, thread: &Thread<Books>, outside: &Outside) -> Result<Outcome<Books>> {
        let resumed = drive(thread.resume().durability(self.durability), outside).await;
        match resumed {
            Err(error) if error.kind() == Kind::NotFound => {
                drive(thread.run(Books::default()).durability(self.durability), outside).await
            }
            other => other,
        }
    }
}

/// Another process has the thread: waits a little. Any other error stands.
async fn refused(result: Result<()>, outside: &Outside) -> Result<()> {
    match result {
        Err(error) if error.kind() == Kind::Conflict => {
            outside.note(&Line::Refused);
            tokio::time::sleep(ASK_AGAIN).await;
            Ok(())
        }
        other => other,
    }
}

/// Answers the first question, if there is one.
async fn answer_one(thread: &Thread<Books>, outside: &Outside, paused: &Paused<Books>) -> Result<()> {
    match paused.questions.first() {
        Some(question) => answer_to(thread, outside, question).await,
        None => Ok(()),
    }
}

/// Answers a question.
pub(crate) async fn answer_to(thread: &Thread<Books>, outside: &Outside, question: &Question) -> Result<()> {
    outside.note(&Line::Answers { task: asks(question) });
    thread.answer(&question.id, answer(question.prompt.as_str().unwrap())).await
}

/// The task that asks: what stands before the question mark.
fn asks(question: &Question) -> String {
    question.prompt.as_str().unwrap().split('?').next().unwrap().to_owned()
}

/// Reads the events of a run, and notes what they acknowledge.
async fn drive(run: Run<Books>, outside: &Outside) -> Result<Outcome<Books>> {
    let mut events = run.states().events();
    let mut tasks = HashMap::new();
    let mut next = Vec::new();
    let mut is_first = true;
    while let Some(event) = events.next().await {
        if std::mem::take(&mut is_first) {
            outside.note(&Line::Starts);
        }
        let Event { path, seq, task, kind, .. } = event;
        match kind {
            EventKind::Custom { value, .. } => {
                tasks.insert((path, seq, task), value.downcast_ref::<String>().unwrap().clone());
            }
            EventKind::Finished { .. } => {
                if let Some(task) = tasks.get(&(path, seq, task)) {
                    outside.note(&Line::Finished { task: task.clone() });
                }
            }
            EventKind::Checkpoint { next: coming } => next = coming,
            EventKind::State { state } => {
                let books = state.get::<Books>().map(|books| print(books, &next));
                let print = books.or_else(|| Some(print(state.get::<Audit>()?, &next))).unwrap();
                outside.note(&Line::Checkpoint { path: path.to_string(), seq, print });
                println!("{ACK}");
            }
            _ => {}
        }
    }
    let outcome = events.outcome().await?;
    if let Outcome::Paused(paused) = &outcome {
        for question in &paused.questions {
            outside.note(&Line::Waits { task: asks(question) });
        }
    }
    Ok(outcome)
}

/// The print of what a checkpoint holds.
pub(crate) fn print(state: &impl Debug, next: &[Arc<str>]) -> String {
    let mut hasher = DefaultHasher::new();
    format!("{state:?} {next:?}").hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
