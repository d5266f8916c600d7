//! A new generation beside the live one: after a change of embedder or chunker, everything is cut and embedded anew
//! from the stored texts, while the live generation keeps answering, and then takes over in one step. A run that is
//! stopped goes on with the next ingest.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use lorewell_model::{Result, ResultExt as _};

use super::Inner;
use super::ingest::Progress;
use super::lock::WriterLock;
use super::manifest::{Generation, Manifest};
use super::prepare::{Tools, cut};
use super::table::read::{document, files};
use super::table::{Batch, Table, meta, set_meta, write};
use super::vectors::Made;
use super::writer::{Writer, create_generation};
use crate::load::Loaded;

/// Documents copied between two commits.
const BATCH_DOCUMENTS: usize = 256;
/// Bytes of their text, which bounds the memory of a rebuild.
const BATCH_TEXT_BYTES_MAX: usize = 8 * 1024 * 1024;

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
    // The manifest never names a folder that is half made or made for other options.
    if manifest.building.take().is_some() {
        manifest.write(&inner.dir)?;
    }
    create_generation(&wanted, &inner.dir).await?;
    manifest.building = Some(wanted.clone());
    manifest.write(&inner.dir)?;
    Ok(wanted)
}

/// Brings the new table in line with the live one: what is missing or differs is cut anew, what is gone goes.
async fn copy_documents(inner: &Inner, live: &Table, writer: &mut Writer, cancel: &AtomicBool) -> Result<()> {
    let wanted = live.read(files)?;
    let have = files(&writer.table)?;
    let mut batch =
        Batch { gone: have.keys().filter(|path| !wanted.contains_key(*path)).cloned().collect(), ..Batch::default() };
    let mut text = 0;
    let mut paths: Vec<&String> = wanted.keys().collect();
    paths.sort_unstable();
    let count = inner.count_tokens();
    let tools = Tools { loader: &inner.options.loader, chunker: &*inner.chunker, count: &*count };
    for path in paths {
        let row = &wanted[path];
        if have.get(path) == Some(row) || cancel.load(Ordering::Relaxed) {
            continue;
        }
        match (row.keeps_document(), live.read(|table| document(table, path))?) {
            (true, Some((document, hash))) => {
                text += document.text.len();
                let loaded = Loaded { document, hash, bytes: row.bytes };
                batch.documents.push(cut(row.clone(), loaded, tools));
            }
            _ => batch.files.push(row.clone()),
        }
        if batch.documents.len() >= BATCH_DOCUMENTS || text >= BATCH_TEXT_BYTES_MAX {
            text = 0;
            writer.commit(&std::mem::take(&mut batch)).await?;
        }
    }
    writer.commit(&batch).await?;
    let loaders = live.read(|table| meta(table, "loaders"))?;
    set_meta(&writer.table, "loaders", loaders)?;
    for source in live.read(super::table::read::sources)? {
        write::add_source(&writer.table, &source)?;
    }
    Ok(())
}

/// Makes the built generation the live one. Readers of the old one finish on the files they hold open, or ask again.
fn swap(inner: &Inner, manifest: Manifest, built: Generation) -> Result<()> {
    let manifest = Manifest { live: built, building: None, ..manifest };
    manifest.write(&inner.dir)?;
    sweep(&manifest, &inner.dir)
}

/// Removes generations that the manifest does not name: one that was replaced, or one that was only begun.
pub(crate) fn sweep(manifest: &Manifest, index: &Path) -> Result<()> {
    let named: Vec<PathBuf> = [Some(&manifest.live), manifest.building.as_ref()]
        .into_iter()
        .flatten()
        .map(|generation| generation.dir(index))
        .collect();
    for entry in std::fs::read_dir(index).context(|| format!("reading `{}`", index.display()))? {
        let path = entry.context(|| format!("reading `{}`", index.display()))?.path();
        let is_generation = path.file_name().and_then(|name| name.to_str()).is_some_and(Generation::is_folder);
        if is_generation && !named.contains(&path) {
            // A reader that is just opening it may put a file of its own there; the next writer comes by again.
            if let Err(error) = remove_dir(&path) {
                tracing::warn!("an old generation stays for now: {error}");
            }
        }
    }
    Ok(())
}

/// Removes a folder with all that is in it, if it is there.
pub(crate) fn remove_dir(dir: &Path) -> Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context(|| format!("removing `{}`", dir.display()))
        }
        _ => Ok(()),
    }
}
