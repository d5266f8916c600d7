//! `rm`: takes documents out of the brain. The files themselves are left alone.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use lorewell::Kind;
use lorewell::rag::index::Index;
use lorewell::rag::load::IGNORE_FILE;
use serde::Serialize;

use super::Session;
use crate::exit::Exit;
use crate::output::{self, count, note, plain};

#[derive(Serialize)]
struct Removed {
    removed: Vec<String>,
    chunks: u64,
}

pub(super) async fn run(session: &Session, paths: &[PathBuf]) -> Result<Exit> {
    let index = session.index().await?;
    check(&index, paths).await?;
    let mut all = Removed { removed: Vec::new(), chunks: 0 };
    for path in paths {
        match index.remove(path).await {
            Ok(removal) => {
                all.removed.extend(removal.removed);
                all.chunks += removal.chunks;
            }
            Err(error) if error.kind() == Kind::NotFound => {} // it was there, and went with one named before it
            Err(error) => return Err(error.into()),
        }
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
    say_what_comes_back(&index, &all.removed).await?;
    Ok(Exit::Done)
}

/// Refuses the whole of it if one path is unknown: it was mistyped, and so may be the others.
async fn check(index: &Index, paths: &[PathBuf]) -> Result<()> {
    let mut known = index.status().await?.sources;
    known.extend(index.files().await?.into_iter().map(|file| file.path));
    let files = known.iter().map(|name| normal(&index.file_of(name))).collect::<Result<Vec<_>>>()?;
    let mut unknown = Vec::new();
    for path in paths {
        let under = normal(path)?;
        let is_name = |name: &String| Path::new(name) == path; // `text:NAME` is no file
        if !known.iter().any(is_name) && !files.iter().any(|file| file.starts_with(&under)) {
            unknown.push(format!("`{}`", path.display()));
        }
    }
    if !unknown.is_empty() {
        let unknown = unknown.join(" or ");
        bail!("nothing under {unknown} is in the index, so nothing was taken out; `lorewell ls` lists the documents");
    }
    Ok(())
}

/// Says which files the next ingest finds again, because they lie under a source.
async fn say_what_comes_back(index: &Index, removed: &[String]) -> Result<()> {
    let mut sources: Vec<(String, PathBuf)> = Vec::new();
    for source in index.status().await?.sources {
        let folder = normal(&index.file_of(&source))?;
        sources.push((source, folder));
    }
    let mut back: BTreeMap<&str, u64> = BTreeMap::new();
    for name in removed {
        let file = normal(&index.file_of(name))?;
        if let Some((source, _)) = sources.iter().find(|(_, folder)| file.is_file() && file.starts_with(folder)) {
            *back.entry(source).or_default() += 1;
        }
    }
    for (source, number) in back {
        let (lie, them, they_are) = if number == 1 { ("lies", "it", "it is") } else { ("lie", "them", "they are") };
        let source = if source.is_empty() { "." } else { source };
        note(&format!(
            "{} still {lie} under the source `{}`: the next ingest reads {them} again, unless {they_are} deleted or named \
             in `{IGNORE_FILE}`.",
            count(number, "file"),
            plain(source)
        ));
    }
    Ok(())
}

/// Makes a path absolute and resolves `.` and `..` by name, as the index does for the names it stores.
fn normal(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path).with_context(|| format!("resolving `{}`", path.display()))?;
    let mut normal = PathBuf::new();
    for component in absolute.components() {
        if component == Component::ParentDir {
            normal.pop();
        } else {
            normal.push(component);
        }
    }
    Ok(normal)
}
