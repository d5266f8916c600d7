//! This side: the library and the binary as a user has them, behind plain blocking calls that can be timed.

use std::path::{Path, PathBuf};
use std::process::Command;

use lorewell::embed::{Embedder, Purpose, Vectors};
use lorewell_model::{Error, Kind, Result, ResultExt};
use tokio::runtime::{Builder, Runtime};

use crate::args::target_dir;
use crate::child::measure;

/// An embedder with a runtime to drive it.
#[derive(Debug)]
pub(crate) struct Engine {
    runtime: Runtime,
    embedder: Embedder,
}

impl Engine {
    /// Loads the bundled model.
    pub(crate) fn bundled() -> Result<Self> {
        Self::new(Embedder::bundled()?)
    }

    fn new(embedder: Embedder) -> Result<Self> {
        let runtime = Builder::new_multi_thread().enable_all().build().context(|| "starting the runtime".into())?;
        Ok(Self { runtime, embedder })
    }

    /// Counts tokens without `[CLS]` and `[SEP]`.
    pub(crate) fn count_tokens(&self, text: &str) -> usize {
        self.embedder.count_tokens(text)
    }

    /// Embeds passages.
    pub(crate) fn embed(&self, texts: &[&str]) -> Result<Vectors> {
        self.runtime.block_on(self.embedder.embed(texts, Purpose::Passage))
    }
}

/// The released binary.
#[derive(Debug)]
pub(crate) struct Binary {
    path: PathBuf,
}

impl Binary {
    /// Builds it, as a user would.
    pub(crate) fn build() -> Result<Self> {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--release", "--package", "lorewell-cli"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        let target = target_dir();
        let status = cargo.arg("--target-dir").arg(&target).status().context(|| "running `cargo build`".into())?;
        if !status.success() {
            return Err(Error::new(Kind::Internal, format!("`cargo build` ended with {status}")));
        }
        Ok(Self { path: target.join("release").join(format!("lorewell{}", std::env::consts::EXE_SUFFIX)) })
    }

    /// Prepares a command on the brain below `home`. Caches and settings lie there too: a warm embedding cache or a
    /// person's own settings must not help.
    pub(crate) fn command(&self, home: &Path) -> Command {
        let mut command = Command::new(&self.path);
        command.arg("--brain").arg(home.join("brain")).env("HOME", home);
        for folder in ["CONFIG", "DATA", "CACHE", "STATE"] {
            command.env(format!("XDG_{folder}_HOME"), home.join(folder.to_lowercase()));
        }
        command
    }

    /// Makes the brain below `home`.
    pub(crate) fn init(&self, home: &Path) -> Result<()> {
        std::fs::create_dir_all(home).context(|| format!("making `{}`", home.display()))?;
        measure(self.command(home).arg("init"), &[0]).map(drop)
    }
}
