//! `init`: makes a brain for a project.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::Session;
use crate::brain::Brain;
use crate::exit::Exit;
use crate::output;

#[derive(Serialize)]
struct Made<'a> {
    brain: &'a Path,
    created: bool,
}

pub(super) async fn run(session: &Session, dir: &Path) -> Result<Exit> {
    let dir = super::folder(dir)?;
    let brain = if session.global.brain.is_some() {
        Brain { dir: session.brain.dir.clone(), project: session.brain.project.clone() }
    } else {
        Brain::of_project(&dir)
    };
    let created = !brain.exists();
    brain.open(&session.config).await?;
    if brain.project.is_some() && created {
        // The brain can be made again from the documents, so version control need not keep it.
        let ignore = brain.dir.join(".gitignore");
        std::fs::write(&ignore, "*\n").with_context(|| format!("writing `{}`", ignore.display()))?;
    }
    if session.is_json() {
        session.json(&Made { brain: &brain.dir, created })?;
    } else if created {
        output::line(&format!(
            "Created brain in {}  (ignored by git; delete the folder to undo)",
            shown(&brain, &dir)
        ))?;
    } else {
        output::line(&format!("Brain in {} is there already; nothing changed", shown(&brain, &dir)))?;
    }
    Ok(Exit::Done)
}

fn shown(brain: &Brain, dir: &Path) -> String {
    match (brain.dir.strip_prefix(dir), std::env::current_dir()) {
        (Ok(inside), Ok(here)) if here == dir => format!("./{}", inside.display()),
        _ => brain.dir.display().to_string(),
    }
}
