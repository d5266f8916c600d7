//! The commands, one file each. A command gets a [`Session`], prints its result, and says how it ended.

mod ask;
mod chat;
mod config;
mod doctor;
mod hub;
mod ingest;
mod init;
mod key;
mod last;
mod list;
mod manual;
mod model;
mod new;
mod question;
mod remove;
mod run;
mod search;
mod show;
mod spot;
mod status;
mod trace;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use lorewell::rag::index::Index;

use crate::args::{Args, Command, Global, WELCOME};
use crate::brain::{self, Brain};
use crate::config::Config;
use crate::exit::{Exit, Misuse, without_number};
use crate::folders::Folders;
use crate::output::{self, plain};
use crate::traces::{self, is_stopped, traced};

/// What every command works with.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) global: Global,
    pub(crate) folders: Folders,
    pub(crate) brain: Brain,
    pub(crate) config: Config,
}

impl Session {
    /// Finds the brain, by its name if it has one, and reads the settings.
    fn start(global: Global, named: Option<&str>) -> Result<Self> {
        let folders = Folders::find()?;
        let brain = Brain::find(named, &folders)?;
        let config = Config::read(&folders, Some(&brain.dir))?;
        Ok(Self { global, folders, brain, config })
    }

    /// Opens the brain, which must be there.
    pub(crate) async fn index(&self) -> Result<Index> {
        self.brain.open_existing(&self.config).await
    }

    /// Tells whether the result is to be JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.global.json || self.global.jsonl
    }

    /// Prints the result as JSON.
    pub(crate) fn json(&self, value: &impl serde::Serialize) -> Result<()> {
        crate::output::json(value, self.global.json)
    }
}

/// Runs a command.
pub(crate) fn run(args: Args) -> Result<Exit> {
    let Some(command) = args.command else {
        crate::output::line(WELCOME)?;
        return Ok(Exit::Done);
    };
    let is_traced = matches!(command, Command::Ask(_) | Command::Run(_) | Command::Chat(_));
    if !is_traced {
        output::listen(&args.global, None);
    }
    // These work whatever state the configuration is in.
    match command {
        Command::Completions { shell } => return manual::completions(shell),
        Command::Man { dir } => return manual::man(dir.as_deref()),
        Command::ExitCodes => return manual::exit_codes(),
        Command::New(new) => return new::run(&args.global, &new),
        Command::Config { command } => return config::run(&args.global, &command),
        Command::Key { command } => return runtime()?.block_on(key::run(&args.global, command)),
        Command::Doctor => return runtime()?.block_on(doctor::run(args.global)),
        Command::Init { .. }
        | Command::Ingest(_)
        | Command::Search(_)
        | Command::Ask(_)
        | Command::Run(_)
        | Command::Chat(_)
        | Command::Model { .. }
        | Command::Show { .. }
        | Command::Ls { .. }
        | Command::Status { .. }
        | Command::Trace { .. }
        | Command::Rm { .. } => {}
    }
    let named = named(&args.global, &command)?;
    let session = Session::start(args.global, named.as_deref())?;
    runtime()?.block_on(async {
        if !is_traced {
            return dispatch(session, command).await;
        }
        let traces = traces::open(&session).await;
        output::listen(&session.global, traces.as_ref());
        let ended = dispatch(session, command).await;
        traces::close(traces).await;
        ended
    })
}

/// Returns the brain that is asked for by name. `ask --in` has a brain of its own: that counts more than the
/// environment, and as much as the flag.
fn named(global: &Global, command: &Command) -> Result<Option<String>> {
    match command {
        Command::Ask(ask) if ask.folder.is_some() => match &global.brain {
            Some(_) => Err(Misuse("`--in` and `--brain` name two brains; give one of them".to_owned()).into()),
            None => Ok(None),
        },
        _ => Ok(brain::named(global.brain.as_deref())),
    }
}

async fn dispatch(session: Session, command: Command) -> Result<Exit> {
    match command {
        Command::Init { dir } => init::run(&session, &dir).await,
        Command::Ingest(args) => ingest::run(&session, args).await,
        Command::Search(args) => search::run(&session, args).await,
        Command::Ask(args) => traced("ask", None, is_stopped, ask::run(session, args)).await,
        Command::Show { reference, context, open } => show::run(&session, &reference, context, open).await,
        Command::Ls { glob } => list::run(&session, glob.as_deref()).await,
        Command::Status { problems } => status::run(&session, problems).await,
        Command::Rm { paths } => remove::run(&session, &paths).await,
        Command::Run(args) => traced("run", None, is_stopped, run::run(&session, args)).await,
        Command::Trace { command } => trace::run(&session, command).await,
        Command::Model { command } => model::run(&session, command).await,
        Command::Chat(args) => chat::run(&session, args).await,
        Command::Config { .. }
        | Command::Key { .. }
        | Command::Completions { .. }
        | Command::Man { .. }
        | Command::ExitCodes
        | Command::New(_)
        | Command::Doctor => unreachable!("these were run without a session"),
    }
}

/// Returns the absolute path of a folder that must be there.
fn folder(path: &Path) -> Result<PathBuf> {
    if !path.exists() {
        bail!("`{}` does not exist; check the spelling", path.display());
    }
    let found = std::fs::canonicalize(path).with_context(|| format!("opening the folder `{}`", path.display()))?;
    if !found.is_dir() {
        bail!("`{}` is not a folder; give the folder it lies in", path.display());
    }
    Ok(found)
}

/// Says why a file was left out or failed, beside its name: its place on disk need not be said again.
fn why_of(index: &Index, path: &str, reason: &str) -> String {
    let file = index.file_of(path);
    let file = std::path::absolute(&file).unwrap_or(file);
    plain(without_number(&reason.replace(&format!("`{}`", file.display()), "it")))
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}
