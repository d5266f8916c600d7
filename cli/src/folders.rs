//! Where things lie: XDG folders on every Unix, macOS included, and `LOREWELL_HOME` to have all of it in one place.

use std::path::PathBuf;

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

/// Reads an environment variable; empty counts as unset.
pub(crate) fn non_empty(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
