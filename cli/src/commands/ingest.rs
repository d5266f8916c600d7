//! `ingest`: reads files and folders, shows that it moves, and says what became of each file.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};
use lorewell::rag::index::{Index, Ingest, Report};

use super::{Session, why_of};
use crate::args;
use crate::brain::Brain;
use crate::exit::{Exit, Misuse};
use crate::output::{self, BOLD, WARN, count, note, paint, plain};
use crate::progress::Display;
use crate::stdin;

/// Problems shown one by one; `status --problems` lists all.
const PROBLEMS_SHOWN_MAX: usize = 10;
/// Bytes read from standard input.
const STDIN_BYTES_MAX: usize = 64 * 1024 * 1024;

const NOTHING_YET: &str = "nothing was ingested yet; name a folder: `lorewell ingest FOLDER`";

pub(super) async fn run(session: &Session, args: args::Ingest) -> Result<Exit> {
    // Before a brain is made: a slip of the fingers leaves no trace.
    let text = check(session, &args.sources)?;
    let scratch = tempfile::tempdir().context("making a temporary folder")?;
    let index = match (args.dry_run, session.brain.exists()) {
        (false, _) => session.brain.make_cached(&session.config, &session.folders).await?,
        (true, true) => session.brain.open(&session.config).await?,
        // A dry run makes no brain.
        (true, false) => {
            let empty = Brain { dir: scratch.path().join("brain"), project: session.brain.project.clone() };
            empty.open_with(&session.config, None).await?
        }
    };
    let ingest = match text {
        Some(text) => index.add_text(args.name.as_str(), text),
        None => paths(&index, &args.sources).await?,
    };
    let ingest = if args.dry_run { ingest.dry_run() } else { ingest };
    let ingest = if args.words_only { ingest.words_only() } else { ingest };
    let report = watched(ingest).await?;
    if session.is_json() {
        session.json(&report)?;
    } else if args.dry_run {
        print_plan(&report)?;
    } else {
        print_report(session, &index, &report)?;
    }
    Ok(match () {
        () if report.cancelled => Exit::Interrupted,
        () if !report.failed.is_empty() => Exit::Partly,
        () => Exit::Done,
    })
}

/// Checks the sources as far as that can be done without a brain, and reads standard input if that is the source.
fn check(session: &Session, sources: &[PathBuf]) -> Result<Option<String>> {
    if sources.iter().any(|source| source == Path::new("-")) {
        if sources.len() > 1 {
            return Err(Misuse("`-` stands alone; read the other sources in a second call".to_owned()).into());
        }
        return read_stdin().map(Some);
    }
    // A brain may know a path that is gone, and then takes it out.
    if !session.brain.exists() {
        if sources.is_empty() {
            bail!(NOTHING_YET);
        }
        if let Some(source) = sources.iter().find(|source| !source.exists()) {
            bail!("`{}` does not exist; check the spelling", source.display());
        }
    }
    Ok(None)
}

async fn paths(index: &Index, sources: &[PathBuf]) -> Result<Ingest> {
    if !sources.is_empty() {
        return Ok(index.add(sources.iter().cloned()));
    }
    if index.status().await?.sources.is_empty() {
        bail!(NOTHING_YET);
    }
    Ok(index.refresh())
}

/// Runs an ingest with its progress shown; Ctrl-C ends it after the batch at hand.
pub(super) async fn watched(ingest: Ingest) -> Result<Report> {
    let (cancel, is_over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let display = Arc::new(Display::new());
    let shown = Arc::clone(&display);
    let ingest = ingest.cancel(Arc::clone(&cancel)).on_progress(move |progress| shown.update(&progress));
    tokio::spawn(interrupts(Arc::clone(&cancel), Arc::clone(&is_over), Arc::clone(&display)));
    let report = ingest.await;
    is_over.store(true, Ordering::Relaxed);
    display.finish();
    Ok(report?)
}

/// Turns the first Ctrl-C of an ingest into a wish to stop, and any other into the end of the process. It lives as long
/// as the process: once somebody has listened to the signal, nobody else ends the process at it.
async fn interrupts(cancel: Arc<AtomicBool>, is_over: Arc<AtomicBool>, display: Arc<Display>) {
    while tokio::signal::ctrl_c().await.is_ok() {
        if is_over.load(Ordering::Relaxed) || cancel.swap(true, Ordering::Relaxed) {
            std::process::exit(Exit::Interrupted as i32);
        }
        display.say("Stopping after this batch; what is done stays (Ctrl-C again: stop at once).");
    }
}

fn read_stdin() -> Result<String> {
    if std::io::stdin().is_terminal() {
        bail!("`-` reads standard input, which is a terminal here; pipe a text into it");
    }
    stdin::read(STDIN_BYTES_MAX, "save it to files and ingest those")
}

fn print_plan(report: &Report) -> Result<()> {
    output::line(&format!("Would read {}.", parts(report, &count(report.indexed, "new or changed file"))))?;
    print_skipped(report);
    Ok(())
}

/// Says how many files ended in which state; the first is always said, the others where there are any.
fn parts(report: &Report, first: &str) -> String {
    let others = [
        (report.unchanged, "unchanged"),
        (report.removed.len() as u64, "removed"),
        (report.skipped.len() as u64, "skipped"),
        (report.failed.len() as u64, "failed"),
    ];
    let others = others.into_iter().filter(|(number, _)| *number > 0);
    let others = others.map(|(number, what)| format!("{} {what}", output::thousands(number)));
    std::iter::once(first.to_owned()).chain(others).collect::<Vec<_>>().join(", ")
}

fn print_report(session: &Session, index: &Index, report: &Report) -> Result<()> {
    let parts = parts(report, &format!("{} indexed", output::thousands(report.indexed)));
    let state = if report.cancelled { "Stopped" } else { "Done" };
    output::line(&format!("{} in {:.1} s: {}.", paint(BOLD, state), report.seconds, parts))?;
    if session.global.verbose > 0 {
        output::line(&format!(
            "passages: {} new, {} kept, {} removed; vectors: {} made, {} reused; words searchable after {:.2} s",
            report.chunks_added,
            report.chunks_kept,
            report.chunks_removed,
            report.vectors_made,
            report.vectors_reused,
            report.seconds_words,
        ))?;
    }
    print_skipped(report);
    print_problems(index, report);
    if report.vectors_pending > 0 {
        let why = if report.cancelled { "the next ingest goes on" } else { "search is by words until they are made" };
        note(&format!("{} without a vector yet: {why}.", count(report.vectors_pending, "passage")));
    }
    Ok(())
}

/// Counts what was left out by its reason, so that a forgotten format is seen.
fn print_skipped(report: &Report) {
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for reason in report.skipped.values() {
        *reasons.entry(reason).or_default() += 1;
    }
    let mut reasons: Vec<(&str, u64)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    let shown: Vec<String> = reasons
        .iter()
        .take(PROBLEMS_SHOWN_MAX)
        .map(|(reason, number)| format!("{number} × {}", plain(reason)))
        .collect();
    if !shown.is_empty() {
        note(&format!("skipped: {}", shown.join(", ")));
    }
}

fn print_problems(index: &Index, report: &Report) {
    let failed = report.failed.iter().map(|(path, why)| (path, why.clone()));
    let warned = report.warnings.iter().map(|(path, why)| (path, why.join("; ")));
    let all = failed.chain(warned);
    let more = (report.failed.len() + report.warnings.len()).saturating_sub(PROBLEMS_SHOWN_MAX);
    for (path, why) in all.take(PROBLEMS_SHOWN_MAX) {
        note(&format!("{} {}: {}", paint(WARN, "!"), plain(path), why_of(index, path, &why)));
    }
    if more > 0 {
        note(&format!("… and {more} more: lorewell status --problems"));
    }
}
