//! `rm`: takes documents out of the brain. The files themselves are left alone.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use lorewell::Kind;
use serde::Serialize;

use super::Session;
use crate::exit::Exit;
use crate::output::{self, count};

#[derive(Serialize)]
struct Removed {
    removed: Vec<String>,
    chunks: u64,
}

pub(super) async fn run(session: &Session, paths: &[PathBuf]) -> Result<Exit> {
    let index = session.index().await?;
    let mut all = Removed { removed: Vec::new(), chunks: 0 };
    for path in paths {
        let removal = index.remove(path).await.map_err(|error| {
            let is_unknown = error.kind() == Kind::NotFound;
            if is_unknown { anyhow!("{error}; `lorewell ls` lists the documents") } else { error.into() }
        })?;
        all.removed.extend(removal.removed);
        all.chunks += removal.chunks;
    }
    if session.is_json() {
        session.json(&all)?;
    } else {
        output::line(&format!(
            "Took {} ({}) out of the brain; nothing on disk was touched.",
            count(all.removed.len() as u64, "file"),
            count(all.chunks, "passage")
        ))?;
    }
    Ok(Exit::Done)
}
