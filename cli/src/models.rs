//! How commands come to a model: its name, its key, what it costs, and whether it may be reached at all.

use std::path::{Path, PathBuf};

use anyhow::Result;
use lorewell::model::hub::Hub;
use lorewell::model::{KeySource, Keys, Model, ModelName, Open, Prices, Retry, model, remote};
use lorewell::{Error, Kind};

use crate::args::Global;
use crate::config::Config;
use crate::exit::Misuse;
use crate::folders::Folders;

/// What the setting `model` says when there is none.
pub(crate) const NO_MODEL: &str = "none";

/// The provider of the models that know nothing.
const MOCK: &str = "mock";

/// What models are opened with.
#[derive(Debug, Clone)]
pub(crate) struct Models {
    folder: PathBuf,
    offline: bool,
}

impl Models {
    /// Takes keys and prices from the folder of settings.
    pub(crate) fn new(global: &Global, folders: &Folders) -> Self {
        let folder = folders.config.parent().unwrap_or(Path::new(".")).to_owned();
        Self { folder, offline: global.offline }
    }

    /// Returns the file of keys, which may not be there.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.folder.join("keys.json")
    }

    /// Returns the keys.
    pub(crate) fn keys(&self) -> Keys {
        Keys::file(self.key_file())
    }

    /// Opens a model. Nothing is sent before it is asked.
    pub(crate) async fn open(&self, name: &str) -> Result<Model> {
        self.open_with(name, Retry::default()).await
    }

    /// Opens a model that is asked again as often as said.
    pub(crate) async fn open_with(&self, name: &str, retry: Retry) -> Result<Model> {
        let hub = Hub::from_environment()?;
        let is_offline = self.offline || hub.is_offline();
        let opened = model(name).keys(self.keys()).hub(hub.offline(is_offline)).retry(retry).await?;
        // What runs here tells itself when it needs a connection.
        if !opened.name().is_local() {
            self.may_reach(opened.name().provider())?;
        }
        Ok(match self.prices()? {
            Some(prices) => opened.prices(&prices),
            None => opened,
        })
    }

    /// Prepares to ask a provider for its models.
    pub(crate) fn list(&self, provider: &str) -> Result<Open> {
        self.may_reach(provider)?;
        Ok(model(provider).keys(self.keys()))
    }

    /// Checks the name of a model; nothing is asked, and no key is needed.
    pub(crate) async fn check(&self, name: &str) -> Result<ModelName> {
        let parsed: ModelName = name.parse()?;
        if parsed.is_local() {
            return Ok(parsed);
        }
        match model(name).keys(self.keys()).await {
            Ok(model) => Ok(model.name().clone()),
            Err(error) if error.kind() == Kind::Auth => Ok(name.parse()?),
            Err(error) => Err(error.into()),
        }
    }

    /// Checks the name of a provider, and says which one may have been meant.
    pub(crate) async fn provider(&self, name: &str) -> Result<Provider> {
        if name == MOCK {
            return Ok(Provider::Mock);
        }
        if let Some(info) = remote::providers().find(|provider| provider.name == name) {
            return Ok(Provider::Remote(info));
        }
        match model(format!("{name}:any")).await {
            Err(error) => Err(error.into()),
            Ok(_) => Err(Error::new(Kind::Config, format!("no provider is called `{name}`")).into()),
        }
    }

    /// Says where the key of a provider is.
    pub(crate) fn key_source(&self, provider: &remote::ProviderInfo) -> Result<Option<KeySource>> {
        let found = self.keys().find(provider.name, provider.key_variables)?;
        Ok(found.map(|(_, source)| source))
    }

    /// A person's own prices count before those that come with the program.
    fn prices(&self) -> Result<Option<Prices>> {
        let file = self.folder.join("prices.json");
        match Prices::read(file) {
            Ok(own) => Ok(Some(own.over(Prices::bundled()))),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn may_reach(&self, provider: &str) -> Result<()> {
        if self.offline && provider != MOCK {
            let message = format!("`{provider}` is reached over a network connection, and `--offline` allows none");
            return Err(Error::new(Kind::Refused, message).into());
        }
        Ok(())
    }
}

/// Who serves models.
#[derive(Debug)]
pub(crate) enum Provider {
    /// This program, for tests.
    Mock,
    /// A server.
    Remote(remote::ProviderInfo),
}

/// Returns the model that the settings name.
pub(crate) fn chosen(config: &Config) -> Option<&str> {
    Some(config.value("model")).filter(|name| *name != NO_MODEL)
}

/// Returns the model that was asked for, else that of the settings.
pub(crate) fn wanted(flag: Option<&str>, config: &Config, how: &str) -> Result<String> {
    let missing = || {
        let message = format!("no model is chosen; {how}, or choose one with `lorewell model use NAME`");
        Misuse(format!("{message} (`lorewell model ls` lists the providers)"))
    };
    Ok(flag.or_else(|| chosen(config)).ok_or_else(missing)?.to_owned())
}

/// Checks the setting `model`, as far as that can be done without the rest.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name == NO_MODEL {
        return Ok(());
    }
    name.parse::<ModelName>().map(|_| ()).map_err(|error| error.to_string())
}
