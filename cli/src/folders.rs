//! Where things lie: XDG folders on every Unix, macOS included, and `LOREWELL_HOME` to have all of it in one place.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use etcetera::AppStrategy as _;

/// The folders of this account.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    /// The user's configuration file.
    pub(crate) config: PathBuf,
    /// Brains.
    pub(crate) data: PathBuf,
    /// What can be made again.
    pub(crate) cache: PathBuf,
    /// What was last shown.
    pub(crate) state: PathBuf,
}

impl Folders {
    /// Finds the folders; makes none of them.
    pub(crate) fn find() -> Result<Self> {
        let mut folders = match non_empty("LOREWELL_HOME") {
            Some(home) => {
                let home = PathBuf::from(home);
                let config = home.join("config.toml");
                Self { config, data: home.join("data"), cache: home.join("cache"), state: home.join("state") }
            }
            None => Self::of_account()?,
        };
        if let Some(config) = non_empty("LOREWELL_CONFIG") {
            folders.config = PathBuf::from(config);
        }
        Ok(folders)
    }

    /// Tells whether a folder is one of Lorewell's own, as a project's is not.
    pub(crate) fn own(&self, dir: &Path) -> bool {
        [&self.data, &self.cache, &self.state].into_iter().any(|own| dir.starts_with(own))
    }

    fn of_account() -> Result<Self> {
        let args = etcetera::AppStrategyArgs {
            top_level_domain: "dev".into(),
            author: "lorewell".into(),
            app_name: "lorewell".into(),
        };
        let app = etcetera::app_strategy::choose_app_strategy(args)
            .context("finding your home folder; set LOREWELL_HOME to a folder to use instead")?;
        Ok(Self {
            config: app.config_dir().join("config.toml"),
            data: app.data_dir(),
            cache: app.cache_dir(),
            state: app.state_dir().unwrap_or_else(|| app.data_dir().join("state")),
        })
    }
}

/// Makes a folder, and those above it that are missing, for this account alone: it is to hold text of documents, which
/// may lie where others cannot read them.
pub(crate) fn make_private(dir: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).with_context(|| format!("creating `{}`", dir.display()))
}

/// Reads `~/` as the home folder, which no shell does in a file of settings.
pub(crate) fn in_home(path: &Path) -> Result<PathBuf> {
    match path.strip_prefix("~") {
        Ok(below) => Ok(etcetera::home_dir().context("finding your home folder, for `~`")?.join(below)),
        Err(_) => Ok(path.to_owned()),
    }
}

/// Reads an environment variable; empty counts as unset.
pub(crate) fn non_empty(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
