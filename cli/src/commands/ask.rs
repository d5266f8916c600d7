//! `ask`: an answer in the documents' own words, each quotation checked against its source, or an honest "they do not
//! say". With a model, the answer is in its words, and held against the same sources.

mod written;

use std::path::{Component, Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use lorewell::model::Model;
use lorewell::rag::answer::{Answer, Citation, Standing};
use lorewell::rag::index::Index;
use lorewell::rag::search::Hit;

use super::{Session, last, question, search};
use crate::args;
use crate::brain::{Brain, PROJECT};
use crate::exit::{Exit, message};
use crate::models::{self, Models};
use crate::output::{self, BOLD, DIM, GOOD, REFERENCE, WARN, columns, note, one_line, paint, plain};

/// Closest passages shown when nothing supports an answer.
const NEAREST_SHOWN: usize = 3;

pub(super) async fn run(mut session: Session, args: args::Ask) -> Result<Exit> {
    let missing = "what is the question? for example: lorewell ask \"what did we decide about the cache?\"";
    let question = question::read(&args.question, missing)?;
    let filter = search::filter(&args.filters);
    let index = match &args.folder {
        Some(folder) => match folder_brain(&mut session, folder).await? {
            Some(index) => index,
            None => return Ok(Exit::Interrupted),
        },
        None => session.index().await?,
    };
    if let Some(model) = model(&session, &args).await? {
        return written::run(&session, &index, &model, &question, filter, args.folder.as_deref()).await;
    }
    let began = Instant::now();
    let answer = index.quote(&question).filter(filter).fusion(search::fusion(&session, None)).await?;
    keep(&session, &answer.citations, &answer.nearest);
    if session.is_json() {
        session.json(&answer)?;
    } else if answer.abstained.is_none() || !says_empty(&index, args.folder.as_deref()).await? {
        print(&answer, began)?;
    }
    Ok(if answer.abstained.is_some() { Exit::Nothing } else { Exit::Done })
}

/// Says so where there are no documents to answer from, and tells whether that is so.
async fn says_empty(index: &Index, folder: Option<&Path>) -> Result<bool> {
    if index.status().await?.chunks > 0 {
        return Ok(false);
    }
    match folder {
        Some(folder) => {
            let folder = plain(&folder.to_string_lossy());
            note(&format!("Nothing found: `{folder}` has no documents that could be read."));
        }
        None => search::say_nothing_found(index).await?,
    }
    Ok(true)
}

/// Returns the model that is to write the answer, if one is.
async fn model(session: &Session, args: &args::Ask) -> Result<Option<Model>> {
    let models = Models::new(&session.global, &session.folders);
    if let Some(name) = &args.model {
        return models.open(name).await.map(Some);
    }
    let Some(name) = models::chosen(&session.config).filter(|_| !args.no_model) else { return Ok(None) };
    match models.open(name).await {
        Ok(model) => Ok(Some(model)),
        // Asked offline, the documents still answer.
        Err(error) if error.downcast_ref().map(lorewell::Error::kind) == Some(lorewell::Kind::Refused) => {
            note(&format!("Going on without the model of the settings: {}.", plain(&message(&error))));
            Ok(None)
        }
        Err(error) => {
            note("The settings name a model; `--no-model` answers without one.");
            Err(error)
        }
    }
}

/// Reads a folder into a brain of its own in the cache, so that asking it needs no set-up. None if a person stopped it.
async fn folder_brain(session: &mut Session, folder: &Path) -> Result<Option<Index>> {
    let folder = super::folder(folder)?;
    // The folder's own path names its brain, so a person can see what the cache holds.
    let below = folder.components().filter(|component| matches!(component, Component::Normal(_)));
    let dir = session.folders.cache.join("folders").join(below.collect::<PathBuf>()).join(PROJECT);
    session.brain = Brain { dir, project: Some(folder.clone()) };
    let index = session.brain.make_cached(&session.config, &session.folders).await?;
    let report = super::ingest::watched(index.add([folder])).await?;
    if report.cancelled {
        note("Stopped; the question was not asked. Ask again to go on.");
        return Ok(None);
    }
    if report.indexed + report.removed.len() as u64 > 0 {
        note(&format!(
            "Read {} in {:.1} s ({} passages).",
            output::count(report.indexed, "file"),
            report.seconds,
            output::thousands(report.chunks_added + report.chunks_kept)
        ));
    }
    for (path, why) in &report.failed {
        note(&format!("{} {}: {}", paint(WARN, "!"), plain(path), super::why_of(&index, path, why)));
    }
    if !report.failed.is_empty() {
        note("The answer is from what could be read.");
    }
    Ok(Some(index))
}

fn print(answer: &Answer, began: Instant) -> Result<()> {
    search::say_meaning(&answer.meaning);
    if let Some(why) = &answer.abstained {
        return abstain(&answer.nearest, why, "Nothing was sent anywhere.");
    }
    note(&paint(DIM, "engine: extractive (no language model) - quoting your documents directly"));
    note("");
    for sentence in &answer.sentences {
        output::line(&format!(
            "  - {} {}",
            one_line(&sentence.text),
            paint(BOLD, &format!("[{}]", sentence.citation))
        ))?;
    }
    output::line("")?;
    for citation in &answer.citations {
        output::line(&cited(citation))?;
    }
    if answer.dropped > 0 {
        let left_out = output::count(answer.dropped as u64, "sentence");
        note(&format!("{left_out} left out: the source no longer says so; `lorewell ingest` reads it again."));
    }
    note(&paint(DIM, &format!("{:.2} s - open a source: lorewell show 1 --open", began.elapsed().as_secs_f64())));
    Ok(())
}

fn cited(citation: &Citation) -> String {
    let number = paint(BOLD, &format!("[{}]", citation.number));
    let reference = paint(REFERENCE, &plain(&citation.place.reference(&citation.path)));
    let headings = paint(DIM, &plain(&citation.headings.join(" > ")));
    let standing = match citation.standing {
        Standing::Verified => paint(GOOD, "verified"),
        Standing::Moved | _ => paint(WARN, "moved since the ingest, verified at its new place"),
    };
    format!("{number} {}", columns([&reference, &headings, &standing]))
}

/// Says that there is no answer, what comes closest, and what was `sent`.
fn abstain(nearest: &[Hit], why: &str, sent: &str) -> Result<()> {
    output::line("Your documents do not answer this.")?;
    note(&paint(DIM, &format!("({})", plain(why))));
    if !nearest.is_empty() {
        note("Closest passages (not an answer):");
    }
    for hit in nearest.iter().take(NEAREST_SHOWN) {
        let reference = paint(REFERENCE, &plain(&hit.place.reference(&hit.path)));
        note(&format!("  {}", columns([&reference, &paint(DIM, &plain(&hit.headings.join(" > ")))])));
    }
    note(sent);
    Ok(())
}

/// Keeps what `show NUMBER` is to show: what was cited, or else what came closest.
fn keep(session: &Session, citations: &[Citation], nearest: &[Hit]) {
    let cited =
        citations.iter().map(|citation| last::shown(session, &citation.path, &citation.place, citation.quotes.clone()));
    let nearest = nearest.iter().map(|hit| search::shown(session, hit));
    let shown: Vec<last::Shown> = if citations.is_empty() { nearest.collect() } else { cited.collect() };
    last::keep(session, &shown);
}
