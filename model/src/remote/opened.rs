//! From the name of a model to where it is: provider, address, key, headers.

use super::http::Http;
use super::model::{Endpoint, Remote};
use super::providers::{PROVIDERS, Provider, address, find};
use super::wire::ModelInfo;
use crate::name::ModelName;
use crate::open::Open;
use crate::secret::Secret;
use crate::{Error, Kind, Result};

/// Who serves models over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderInfo {
    /// Its name, which stands before the colon in the name of a model.
    pub name: &'static str,
    /// Where it is, unless something says otherwise.
    pub base_url: &'static str,
    /// The variable of the environment that says otherwise.
    pub base_url_variable: &'static str,
    /// The variables of the environment in which a key is looked for.
    pub key_variables: &'static [&'static str],
    /// Whether it must have one.
    pub needs_key: bool,
}

impl ProviderInfo {
    /// Returns where a request goes: what the environment says, or else where the provider is.
    #[must_use]
    pub fn address(&self) -> String {
        set_in(self.base_url_variable).unwrap_or_else(|| self.base_url.to_owned())
    }
}

/// Returns the providers that are known.
pub fn providers() -> impl Iterator<Item = ProviderInfo> {
    PROVIDERS.iter().map(|provider| ProviderInfo {
        name: provider.name,
        base_url: provider.base_url,
        base_url_variable: provider.base_url_variable,
        key_variables: provider.key_variables,
        needs_key: provider.needs_key,
    })
}

/// A provider that was found, with what a request needs.
pub(crate) struct Opened(Endpoint);

impl Opened {
    /// Finds the provider of a model; none if no provider over HTTP has that name.
    pub(crate) fn new(open: &Open, name: &ModelName) -> Result<Option<Self>> {
        let Some(provider) = find(name.provider()) else { return Ok(None) };
        let wire = provider.format.wire();
        let base_url = base_url(open, provider);
        address(&base_url, "")?;
        let headers = wire.headers(key(open, provider, &base_url)?.as_ref());
        let http = Http::new(wire, &headers, &open.headers, open.timeouts)?;
        let (quirks, model) = (provider.quirks, name.model().to_owned());
        Ok(Some(Self(Endpoint { wire, http, base_url, quirks, model })))
    }

    pub(crate) fn model(self) -> Remote {
        Remote::new(self.0)
    }

    pub(crate) async fn list(self) -> Result<Vec<ModelInfo>> {
        self.0.models().await
    }
}

fn base_url(open: &Open, provider: &Provider) -> String {
    open.base_url.clone().or_else(|| set_in(provider.base_url_variable)).unwrap_or_else(|| provider.base_url.to_owned())
}

fn set_in(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|url| !url.trim().is_empty())
}

/// Finds the key. A server at an address of one's own may do without.
fn key(open: &Open, provider: &Provider, base_url: &str) -> Result<Option<Secret>> {
    if open.key.is_some() {
        return Ok(open.key.clone());
    }
    if let Some((key, _)) = open.keys.find(provider.name, provider.key_variables)? {
        return Ok(Some(key));
    }
    if !provider.needs_key || base_url != provider.base_url {
        return Ok(None);
    }
    let (name, variable) = (provider.name, provider.key_variables.first().copied().unwrap_or_default());
    let message = format!("`{name}` needs a key; set `{variable}`, or run `lorewell key set {name}`");
    Err(Error::new(Kind::Auth, message))
}
