//! `status`: what the brain holds, and what is wrong with which file.

use anyhow::Result;
use lorewell::rag::index::{FileInfo, FileState, Index, Status};
use serde::Serialize;

use super::{Session, why_of};
use crate::exit::Exit;
use crate::output::{self, BAD, DIM, WARN, count, note, paint, plain};

#[derive(Serialize)]
struct Report<'a> {
    brain: &'a std::path::Path,
    #[serde(flatten)]
    status: &'a Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<&'a [FileInfo]>,
}

pub(super) async fn run(session: &Session, problems: bool) -> Result<Exit> {
    let index = session.index().await?;
    let status = index.status().await?;
    let mut files = Vec::new();
    if problems {
        files = index.files().await?;
        files.retain(|file| file.state != FileState::Indexed);
    }
    if session.is_json() {
        let problems = problems.then_some(files.as_slice());
        session.json(&Report { brain: index.dir(), status: &status, problems })?;
    } else {
        print(index.dir(), &status)?;
        print_problems(&index, &files)?;
        if problems && files.is_empty() {
            note("No file was skipped or failed.");
        }
    }
    Ok(Exit::Done)
}

fn print(dir: &std::path::Path, status: &Status) -> Result<()> {
    output::line(&format!("brain      {}", plain(&dir.display().to_string())))?;
    output::line(&format!(
        "files      {} indexed, {} skipped, {} failed",
        output::thousands(status.indexed),
        output::thousands(status.skipped),
        output::thousands(status.failed)
    ))?;
    output::line(&format!("passages   {}", output::thousands(status.chunks)))?;
    let embedder = status.embedder.as_deref().unwrap_or("none: search is by words only");
    let (embedded, chunks) = (output::thousands(status.embedded), output::thousands(status.chunks));
    output::line(&format!("vectors    {embedded} of {chunks}, by {embedder}"))?;
    output::line(&format!("chunker    {}", status.chunker))?;
    output::line(&paint(DIM, &format!("generation {}", status.generation)))?;
    for source in &status.sources {
        output::line(&format!("source     {}", if source.is_empty() { ".".to_owned() } else { plain(source) }))?;
    }
    if status.embedder_differs {
        note("The embedder is another one now: the next `lorewell ingest` makes new vectors.");
    }
    if status.rebuilding {
        note("New vectors are half made: `lorewell ingest` goes on.");
    } else if status.embedded < status.chunks && status.embedder.is_some() {
        note(&format!(
            "{} without a vector yet: `lorewell ingest` goes on.",
            count(status.chunks - status.embedded, "passage")
        ));
    }
    if status.interrupted {
        note("An ingest is running, or was interrupted: the next `lorewell ingest` mends what it left.");
    }
    Ok(())
}

fn print_problems(index: &Index, files: &[FileInfo]) -> Result<()> {
    for file in files {
        let (style, state) = if file.state == FileState::Failed { (BAD, "failed ") } else { (WARN, "skipped") };
        let reason = why_of(index, &file.path, file.reason.as_deref().unwrap_or_default());
        output::line(&format!("{} {}  {reason}", paint(style, state), plain(&file.path)))?;
    }
    Ok(())
}
