//! What queries see: the live generation's table and stores, opened for reading.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lorewell_model::{Error, Kind, Result};

use super::blocking;
use super::manifest::Manifest;
use super::table::{Table, meta};
use super::writer::{open_dense, open_sparse};
use crate::dense::DenseStore;
use crate::sparse::SparseStore;
use crate::stores::Access;

/// A swap of generations between reading the manifest and opening its folder is met by reading again; more than a
/// few in a row do not happen.
const OPEN_ATTEMPTS: u32 = 5;

/// An open generation.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) manifest: Manifest,
    /// Folder that relative paths start from, absolute.
    pub(crate) root: Option<PathBuf>,
    pub(crate) table: Arc<Table>,
    pub(crate) sparse: Arc<dyn SparseStore>,
    pub(crate) dense: Option<Arc<dyn DenseStore>>,
}

impl Reader {
    pub(crate) async fn open(index: &Path) -> Result<Self> {
        let mut attempt = 1;
        loop {
            let manifest = Manifest::read(index)?;
            let live = manifest.live.clone();
            match Self::open_live(index, manifest).await {
                Err(_) if attempt < OPEN_ATTEMPTS && Manifest::read(index)?.live != live => attempt += 1,
                Err(error) if error.kind() == Kind::NotFound => return Err(incomplete(index, error)),
                result => return result,
            }
        }
    }

    async fn open_live(index: &Path, manifest: Manifest) -> Result<Self> {
        let root = manifest.root.as_ref().map(|root| absolute_root(index, root)).transpose()?;
        let dir = manifest.live.dir(index);
        Ok(Self {
            table: Arc::new(Table::open(&dir)?),
            sparse: open_sparse(&dir, Access::Read).await?,
            dense: open_dense(&manifest.live, &dir, Access::Read).await?,
            manifest,
            root,
        })
    }

    /// Returns the number of the table's last commit.
    pub(crate) async fn commit(&self) -> Result<u64> {
        let table = Arc::clone(&self.table);
        blocking(move || table.read(|table| meta(table, "commit"))).await
    }

    /// Tells whether the generation is still the live one.
    pub(crate) fn is_current(&self, index: &Path) -> Result<bool> {
        Ok(Manifest::read(index)?.live == self.manifest.live)
    }

    /// Tells whether vectors of an embedder with this fingerprint can be compared with the stored ones.
    pub(crate) fn is_embedded_by(&self, fingerprint: &str) -> bool {
        self.manifest.live.embedder.as_ref().is_some_and(|pin| pin.fingerprint == fingerprint)
    }
}

fn incomplete(index: &Path, error: Error) -> Error {
    let message = format!("`{}` is not complete ({error}); delete the folder and ingest again", index.display());
    Error::new(Kind::Corrupt, message).caused_by(error)
}

/// Resolves `..` by name, so that symbolic links in the way keep the meaning they had when the index was made.
fn absolute_root(index: &Path, root: &Path) -> Result<PathBuf> {
    let mut absolute = std::path::absolute(index)?;
    for component in root.components() {
        match component {
            std::path::Component::ParentDir => {
                absolute.pop();
            }
            other => absolute.push(other),
        }
    }
    Ok(absolute)
}
