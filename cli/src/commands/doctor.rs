//! `doctor`: checks what has to work, one line each, with the command that mends it. It runs in whatever state things
//! are, so every check stands on its own.

use anyhow::{Context as _, Result};
use lorewell::embed::{Embedder, Purpose};
use lorewell::rag::index::Index;
use serde::Serialize;

use crate::args::Global;
use crate::brain::{self, Brain};
use crate::config::Config;
use crate::exit::{Exit, message};
use crate::folders::Folders;
use crate::output::{self, BAD, GOOD, WARN, count, paint, plain};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warn,
    Fail,
}

#[derive(Debug, Serialize)]
struct Check {
    state: State,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

#[derive(Serialize)]
struct Report {
    checks: Vec<Check>,
    failures: usize,
    warnings: usize,
}

impl Check {
    fn ok(what: impl Into<String>) -> Self {
        Self { state: State::Ok, what: what.into(), fix: None }
    }

    fn warn(what: impl Into<String>, fix: &str) -> Self {
        Self { state: State::Warn, what: what.into(), fix: Some(fix.to_owned()) }
    }

    fn fail(what: impl Into<String>, fix: &str) -> Self {
        Self { state: State::Fail, what: what.into(), fix: Some(fix.to_owned()) }
    }
}

pub(super) async fn run(global: Global) -> Result<Exit> {
    let mut checks = vec![machine()];
    match Folders::find() {
        Err(error) => {
            checks.push(Check::fail(format!("folders: {}", message(&error)), "set LOREWELL_HOME to a folder"));
        }
        Ok(folders) => look_into(&global, &folders, &mut checks).await,
    }
    let of = |state| checks.iter().filter(|check| check.state == state).count();
    let (failures, warnings) = (of(State::Fail), of(State::Warn));
    let report = Report { checks, failures, warnings };
    if global.json || global.jsonl {
        output::json(&report, global.json)?;
    } else {
        print(&report)?;
    }
    Ok(if failures > 0 { Exit::Check } else { Exit::Done })
}

async fn look_into(global: &Global, folders: &Folders, checks: &mut Vec<Check>) {
    let brain = match Brain::find(brain::named(global.brain.as_deref()).as_deref(), folders) {
        Ok(brain) => brain,
        Err(error) => return checks.push(Check::fail(format!("brain   {}", message(&error)), "name one with --brain")),
    };
    let config = match Config::read(folders, Some(&brain.dir)) {
        Ok(config) => config,
        Err(error) => return checks.push(Check::fail(format!("config  {}", message(&error)), "edit the file named")),
    };
    let is_there = if folders.config.exists() { "" } else { " (none: defaults)" };
    checks.push(Check::ok(format!("config  {}{is_there}", folders.config.display())));
    let vectors = embedder(&config).await;
    let has_embedder = vectors.state != State::Fail;
    checks.push(vectors);
    checks.push(loaders().await);
    if !brain.exists() {
        checks.push(Check::warn("brain   no documents yet", "lorewell ingest FOLDER"));
        return;
    }
    // A broken embedder was reported already; the rest of the brain can be looked at without.
    let opened = if has_embedder { brain.open(&config).await } else { brain.open_with(&config, None).await };
    match opened {
        Err(error) => checks.push(Check { fix: None, ..Check::fail(format!("brain   {}", message(&error)), "") }),
        Ok(index) => {
            if let Err(error) = documents(&index, checks).await {
                checks.push(Check::fail(format!("brain   {}", message(&error)), "lorewell ingest"));
            }
        }
    }
}

fn machine() -> Check {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (os, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
    let cores = count(cores as u64, "core");
    Check::ok(format!("lorewell {}, {os} {architecture}, {cores}", env!("CARGO_PKG_VERSION")))
}

async fn embedder(config: &Config) -> Check {
    async fn try_out(config: &Config) -> Result<Option<Embedder>> {
        let Some(embedder) = brain::embedder(config)? else { return Ok(None) };
        let vectors = embedder.embed(&["a test"], Purpose::Query).await?;
        anyhow::ensure!(vectors.row(0).iter().all(|value| value.is_finite()), "its vectors are not numbers");
        Ok(Some(embedder))
    }
    match try_out(config).await {
        Ok(Some(embedder)) => Check::ok(format!("vectors by {}", embedder.info().name)),
        Ok(None) => Check::warn("vectors are off: search is by words only", "set `embedder = \"bundled\"`"),
        Err(error) => Check::fail(format!("vectors {}", message(&error)), "lorewell config explain embedder"),
    }
}

/// Reads a file through a loader process, as an ingest does.
async fn loaders() -> Check {
    async fn try_out() -> Result<()> {
        let dir = tempfile::tempdir().context("making a temporary folder")?;
        let file = dir.path().join("check.md");
        std::fs::write(&file, "# Check\n\nOne sentence.\n")?;
        let loader = brain::loader()?;
        let loaded = tokio::task::spawn_blocking(move || loader.load(&file)).await?;
        anyhow::ensure!(loaded?.document.title.as_deref() == Some("Check"), "it read something else");
        Ok(())
    }
    match try_out().await {
        Ok(()) if cfg!(unix) => Check::ok("loaders run isolated"),
        Ok(()) => Check::ok("loaders run in this process: there are no others yet on this system"),
        Err(error) => {
            Check::fail(format!("loaders {}", message(&error)), "allow lorewell to start itself as a process")
        }
    }
}

async fn documents(index: &Index, checks: &mut Vec<Check>) -> Result<()> {
    let agreement = index.verify().await?;
    let status = index.status().await?;
    let what = format!(
        "brain   {}: {}, {}, generation {}",
        index.dir().display(),
        count(status.indexed, "file"),
        count(status.chunks, "passage"),
        status.generation
    );
    checks.push(if agreement.holds() {
        Check::ok(format!("{what}, words and vectors agree"))
    } else {
        Check::fail(
            format!(
                "{what}; {} of words and {} vectors are missing",
                agreement.words_missing, agreement.vectors_missing
            ),
            "lorewell ingest",
        )
    });
    if status.embedded < status.chunks && status.embedder.is_some() {
        let missing = count(status.chunks - status.embedded, "passage");
        checks.push(Check::warn(format!("{missing} without a vector yet"), "lorewell ingest"));
    }
    if status.failed > 0 {
        checks.push(Check::warn(
            format!("{} could not be read", count(status.failed, "file")),
            "lorewell status --problems",
        ));
    }
    let changes = index.refresh().dry_run().await?;
    let stale = changes.indexed + changes.removed.len() as u64;
    if stale > 0 {
        checks.push(Check::warn(format!("{} changed since the last ingest", count(stale, "file")), "lorewell ingest"));
    }
    Ok(())
}

fn print(report: &Report) -> Result<()> {
    for check in &report.checks {
        let state = match check.state {
            State::Ok => paint(GOOD, "ok  "),
            State::Warn => paint(WARN, "warn"),
            State::Fail => paint(BAD, "fail"),
        };
        let fix = check.fix.as_ref().map_or_else(String::new, |fix| format!("   fix: {fix}"));
        output::line(&format!("  {state}  {}{fix}", plain(&check.what)))?;
    }
    output::line(&format!("{}, {}", count(report.failures as u64, "failure"), count(report.warnings as u64, "warning")))
}
