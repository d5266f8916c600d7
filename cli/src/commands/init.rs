//! `init`: makes a brain for a project.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::Session;
use crate::brain::{self, Brain};
use crate::exit::Exit;
use crate::output;

#[derive(Serialize)]
struct Made<'a> {
    brain: &'a Path,
    created: bool,
}

pub(super) async fn run(session: &Session, dir: &Path) -> Result<Exit> {
    let dir = super::folder(dir)?;
    let is_named = brain::named(session.global.brain.as_deref()).is_some();
    let brain = if is_named { session.brain.clone() } else { Brain::of_project(&dir) };
    let created = !brain.exists();
    brain.make(&session.config, &session.folders).await?;
    let ignored = brain.project.is_some() && ignore(&brain)?;
    if session.is_json() {
        session.json(&Made { brain: &brain.dir, created })?;
        return Ok(Exit::Done);
    }
    let shown = shown(&brain, &dir);
    output::line(&match (created, ignored) {
        (true, true) => format!("Created brain in {shown}  (ignored by git; delete the folder to undo)"),
        (true, false) => format!("Created brain in {shown}  (delete the folder to undo)"),
        (false, true) => format!("Brain in {shown} is there already; it is ignored by git now"),
        (false, false) => format!("Brain in {shown} is there already; nothing changed"),
    })?;
    Ok(Exit::Done)
}

/// Keeps a brain out of version control, as it can be made again from the documents, and tells whether that is new. It
/// is looked at every time: an `init` that was interrupted may have left a brain without.
fn ignore(brain: &Brain) -> Result<bool> {
    let file = brain.dir.join(".gitignore");
    if file.exists() {
        return Ok(false);
    }
    std::fs::write(&file, "*\n").with_context(|| format!("writing `{}`", file.display()))?;
    Ok(true)
}

fn shown(brain: &Brain, dir: &Path) -> String {
    match (brain.dir.strip_prefix(dir), std::env::current_dir()) {
        (Ok(inside), Ok(here)) if here == dir => format!("./{}", inside.display()),
        _ => brain.dir.display().to_string(),
    }
}
