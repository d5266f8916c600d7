//! Reviews changes of code, and mends what a person approves. It waits for the person as long as it takes: kill it, run it
//! again, and it goes on at the same question.
//!
//! `cargo run --example code_review`, or for your own changes
//! `cargo run --example code_review -- FOLDER --model openai:gpt-5-mini`

mod context;
mod finding;
mod patch;
mod review;
mod scripted;
mod terminal;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser as _;
use lorewell::agent::checkpoint::Sqlite;
use lorewell::agent::{Budget, Outcome, Thread};
use lorewell::{Error, Kind, Model, Result, ResultExt as _, model};

use crate::review::Review;
use crate::terminal::Terminal;

/// The sample that comes with the example.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/code_review/sample");
/// Where reviews are kept, below the folder in which the program runs.
const KEPT: &str = "target/code_review";
/// Requests of one review. A patch takes one or two of them; a model that needs more goes in circles.
const REQUESTS_MAX: u64 = 100;
/// How often a person is asked in one review: who proposes more patches than this goes in circles.
const QUESTIONS_MAX: usize = 50;
/// The exit code of a review that waits for the person.
const WAITS: u8 = 3;

/// Reviews changes of code, and mends what you approve.
///
/// Ends with 0 when the review is done, 1 when something failed, 2 for wrong arguments, 3 when it waits for you: run it
/// again, and it goes on at the question.
#[derive(clap::Parser)]
#[command(name = "code_review", term_width = 80)]
struct Args {
    /// The folder: its `changes.diff`, or what git says has changed; without it a copy of the sample
    folder: Option<PathBuf>,
    /// A model, such as `openai:gpt-5-mini`, `ollama:qwen3`, `gguf:FILE`; without it a scripted one
    #[arg(long)]
    model: Option<String>,
    /// Approve every patch
    #[arg(long, conflicts_with = "no")]
    yes: bool,
    /// Refuse every patch
    #[arg(long)]
    no: bool,
    /// Write the findings as JSON, and all else to the standard error
    #[arg(long)]
    json: bool,
    /// Begin anew, even where a review waits
    #[arg(long)]
    again: bool,
    /// Show what the reviewer is shown, and do nothing else
    #[arg(long)]
    context: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let answer = (args.yes || args.no).then_some(args.yes);
    match run(&args, &Terminal { is_json: args.json, answer }).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    if args.context {
        let folder = args.folder.as_deref().unwrap_or(Path::new(SAMPLE));
        terminal.say(&context::brief(folder, &context::diff_of(folder)?)?);
        return Ok(ExitCode::SUCCESS);
    }
    let sample = Path::new(KEPT).join("sample");
    let folder = args.folder.as_deref().unwrap_or(&sample);
    if args.folder.is_none() && !sample.exists() {
        copy(Path::new(SAMPLE), &sample)?;
    }
    let diff = context::diff_of(folder)?;
    let changed = context::changed_files(&diff)?;
    let model = match &args.model {
        Some(name) => model(name).await?,
        None => scripted::model(&diff)?,
    };
    terminal.say(&introduction(folder, &model));

    let thread = open(folder, changed, &model).await?;
    let is_begun = !args.again && is_unfinished(&thread).await?;
    let budget = Budget::new().requests_max(REQUESTS_MAX);
    let outcome = if is_begun {
        terminal.say("Going on with the review that was begun.\n");
        thread.resume().budget(&budget).await?
    } else {
        if args.folder.is_none() {
            copy(Path::new(SAMPLE), &sample)?; // an earlier review has mended it
        }
        let brief = context::brief(folder, &diff)?;
        thread.delete().await?;
        thread.run(Review { brief, ..Review::default() }).budget(&budget).await?
    };
    terminal.show(outcome.state())?;
    talk(&thread, &budget, outcome, terminal).await
}

fn introduction(folder: &Path, model: &Model) -> String {
    let honest = if model.name().provider() == "mock" {
        "\nThe model is scripted: what it says was written beforehand."
    } else {
        ""
    };
    format!("Reviewing {} with {}.{honest}", folder.display(), model.name())
}

/// Opens the review of a folder.
async fn open(folder: &Path, changed: Vec<String>, model: &Model) -> Result<Thread<Review>> {
    fs::create_dir_all(KEPT).context(|| format!("making the folder `{KEPT}`"))?;
    let store = Sqlite::open(Path::new(KEPT).join("reviews.sqlite")).await?;
    let name = folder.canonicalize().context(|| format!("finding `{}`", folder.display()))?;
    let flow = review::review(model, folder, changed)?;
    Ok(flow.thread(&name.display().to_string(), store))
}

async fn is_unfinished(thread: &Thread<Review>) -> Result<bool> {
    match thread.standing().await {
        Ok(standing) => Ok(!standing.next.is_empty() || !standing.questions.is_empty()),
        Err(error) if error.kind() == Kind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Asks the person about one patch after the other, until the review is done or the person leaves.
async fn talk(
    thread: &Thread<Review>,
    budget: &Budget,
    mut outcome: Outcome<Review>,
    terminal: &Terminal,
) -> Result<ExitCode> {
    for _ in 0..QUESTIONS_MAX {
        let paused = match outcome {
            Outcome::Paused(paused) => paused,
            Outcome::Done(review) => {
                terminal.end(&review);
                return Ok(ExitCode::SUCCESS);
            }
        };
        for question in &paused.questions {
            let Some(decision) = terminal.decide(question)? else {
                terminal.say("Nothing is lost: run the same command again to go on here.");
                return Ok(ExitCode::from(WAITS));
            };
            thread.answer(&question.id, decision).await?;
        }
        outcome = thread.resume().budget(budget).await?;
    }
    Err(Error::new(Kind::Limit, format!("the model has asked {QUESTIONS_MAX} times and is not done")))
}

/// Copies a folder, in the place of what is there.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).context(|| format!("making the folder `{}`", to.display()))?;
    for entry in fs::read_dir(from).context(|| format!("reading `{}`", from.display()))? {
        let (from, to) =
            entry.map(|entry| (entry.path(), to.join(entry.file_name()))).context(|| "reading it".to_owned())?;
        if from.is_dir() {
            copy(&from, &to)?;
        } else {
            fs::copy(&from, &to).context(|| format!("copying `{}`", from.display()))?;
        }
    }
    Ok(())
}
