//! A new generation beside the live one: after a change of embedder or chunker, everything is cut and embedded anew
//! from the stored texts, while the live generation keeps answering, and then takes over in one step. A run that is
//! stopped goes on with the next ingest.

use std::sync::atomic::{AtomicBool, Ordering};

use lorewell_model::{Result, ResultExt as _};

use super::Inner;
use super::ingest::Progress;
use super::lock::WriterLock;
use super::manifest::{Generation, Manifest};
use super::prepare::{Tools, cut};
use super::table::read::{document, files_under};
use super::table::{Batch, FileState, Table, write};
use super::vectors::Made;
use super::writer::{Writer, create_generation};
use crate::load::Loaded;

/// Documents copied between two commits.
const BATCH_DOCUMENTS: usize = 256;

/// Builds the generation that this handle's options ask for and makes it the live one.
pub(crate) async fn rebuild(
    inner: &Inner,
    lock: &WriterLock,
    cancel: &AtomicBool,
    tell: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Made> {
    let mut manifest = Manifest::read(&inner.dir)?;
    let building = begin(inner, &mut manifest).await?;
    let mut writer = Writer::open(lock, &building, &inner.dir).await?;
    let live = Table::open(&manifest.live.dir(&inner.dir))?;
    copy_documents(inner, &live, &mut writer, cancel).await?;
    let made = writer.embed(inner.options.embedder.as_ref(), cancel, tell).await?;
    writer.close().await?;
    if !cancel.load(Ordering::Relaxed) {
        swap(inner, manifest, building)?;
    }
    Ok(made)
}

/// Finds the generation that is being built, or begins one; a half-built one for other options goes.
async fn begin(inner: &Inner, manifest: &mut Manifest) -> Result<Generation> {
    let number = manifest.live.number + 1;
    let wanted = Generation { number, ..inner.wanted(&manifest.live) };
    if manifest.building.as_ref() == Some(&wanted) {
        return Ok(wanted);
    }
    // A folder that the manifest does not name, or names for other options.
    remove_dir(&wanted.dir(&inner.dir))?;
    create_generation(&wanted, &inner.dir).await?;
    manifest.building = Some(wanted.clone());
    manifest.write(&inner.dir)?;
    Ok(wanted)
}

/// Brings the new table in line with the live one: what is missing or differs is cut anew, what is gone goes.
async fn copy_documents(inner: &Inner, live: &Table, writer: &mut Writer, cancel: &AtomicBool) -> Result<()> {
    let wanted = live.read(|table| files_under(table, ""))?;
    let have = files_under(&writer.table, "")?;
    let mut batch =
        Batch { gone: have.keys().filter(|path| !wanted.contains_key(*path)).cloned().collect(), ..Batch::default() };
    let mut paths: Vec<&String> = wanted.keys().collect();
    paths.sort_unstable();
    let count = inner.count_tokens();
    let tools = Tools { loader: &inner.options.loader, chunker: &*inner.chunker, count: &*count };
    for path in paths {
        let row = &wanted[path];
        if have.get(path) == Some(row) || cancel.load(Ordering::Relaxed) {
            continue;
        }
        match (row.state, live.read(|table| document(table, path))?) {
            (FileState::Indexed, Some((document, hash))) => {
                let loaded = Loaded { document, hash, bytes: row.bytes };
                batch.documents.push(cut(row.clone(), loaded, tools));
            }
            _ => batch.files.push(row.clone()),
        }
        if batch.documents.len() >= BATCH_DOCUMENTS {
            writer.commit(&std::mem::take(&mut batch)).await?;
        }
    }
    writer.commit(&batch).await?;
    for source in live.read(super::table::read::sources)? {
        write::add_source(&writer.table, &source)?;
    }
    Ok(())
}

/// Makes the built generation the live one. Readers of the old one finish on the files they hold open.
fn swap(inner: &Inner, manifest: Manifest, built: Generation) -> Result<()> {
    let old = manifest.live.dir(&inner.dir);
    Manifest { live: built, building: None, ..manifest }.write(&inner.dir)?;
    remove_dir(&old)
}

fn remove_dir(dir: &std::path::Path) -> Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context(|| format!("removing `{}`", dir.display()))
        }
        _ => Ok(()),
    }
}
