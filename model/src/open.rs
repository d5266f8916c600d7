//! Opening a model by its name.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;

use crate::keys::Keys;
use crate::model::Model;
use crate::name::ModelName;
#[cfg(feature = "remote")]
use crate::remote::{ModelInfo, Opened, Timeouts};
use crate::retry::Retry;
use crate::secret::Secret;
use crate::{Error, Result};

/// Opens a model by its name, `provider:model`: `openai:…`, `anthropic:…`, `gemini:…`, `ollama:…` and others behind HTTP;
/// `gguf:FILE`, `safetensors:FOLDER` and `hf:owner/name` on this machine; `mock:echo`. Keys come from the environment, in the
/// variables that the providers document. No request is made before the model is asked.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use lorewell_model::{Kind, model};
///
/// let model = model("mock:echo").await?;
/// assert_eq!(model.chat("hi").await?.text(), "hi");
///
/// let error = lorewell_model::model("antropic:claude-sonnet-4-5").await.unwrap_err();
/// assert_eq!(error.kind(), Kind::Config);
/// assert!(error.message().contains("did you mean `anthropic`?"));
/// # Ok::<(), lorewell_model::Error>(()) }).unwrap();
/// ```
pub fn model(name: impl Into<String>) -> Open {
    Open {
        name: name.into(),
        base_url: None,
        key: None,
        keys: Keys::environment(),
        headers: Vec::new(),
        retry: Retry::default(),
        #[cfg(feature = "remote")]
        timeouts: Timeouts::default(),
        #[cfg(feature = "candle")]
        window_tokens: None,
        #[cfg(feature = "candle")]
        device: None,
        #[cfg(feature = "hub")]
        hub: None,
    }
}

/// A model that is to be opened; `.await` opens it.
///
/// # Errors
/// `Config` if the name, the address or a header is wrong, or the provider is not known; `Auth` if a key is missing.
#[derive(Clone)]
#[must_use = "a model is opened when it is awaited"]
pub struct Open {
    pub(crate) name: String,
    pub(crate) base_url: Option<String>,
    pub(crate) key: Option<Secret>,
    pub(crate) keys: Keys,
    pub(crate) headers: Vec<(String, Secret)>,
    pub(crate) retry: Retry,
    #[cfg(feature = "remote")]
    pub(crate) timeouts: Timeouts,
    #[cfg(feature = "candle")]
    pub(crate) window_tokens: Option<usize>,
    #[cfg(feature = "candle")]
    pub(crate) device: Option<crate::local::Device>,
    #[cfg(feature = "hub")]
    pub(crate) hub: Option<crate::hub::Hub>,
}

impl Open {
    /// Sets where the provider is, for servers that speak as it does.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Sets the key.
    pub fn key(mut self, key: impl Into<Secret>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Says where keys are kept.
    pub fn keys(mut self, keys: Keys) -> Self {
        self.keys = keys;
        self
    }

    /// Adds a header to every request. Its value is not shown anywhere.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets how often it is asked again; see [`Retry`] for what happens unless said.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Sets how long each phase of a request may take.
    #[cfg(feature = "remote")]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets how many tokens a conversation with a local model may have, its answers included;
    /// [`WINDOW_TOKENS`](crate::local::WINDOW_TOKENS) unless said, and never more than the model was made for.
    #[cfg(feature = "candle")]
    pub fn window_tokens(mut self, tokens: usize) -> Self {
        self.window_tokens = Some(tokens);
        self
    }

    /// Sets what a local model runs on; what [`Device::from_environment`](crate::local::Device::from_environment) chooses unless
    /// said.
    #[cfg(feature = "candle")]
    pub fn device(mut self, device: crate::local::Device) -> Self {
        self.device = Some(device);
        self
    }

    /// Says where models of the name `hf:…` are kept and fetched; where the environment says unless said.
    #[cfg(feature = "hub")]
    pub fn hub(mut self, hub: crate::hub::Hub) -> Self {
        self.hub = Some(hub);
        self
    }

    /// Lists the models that the provider offers, with what stands after the colon of the name left aside.
    ///
    /// # Errors
    /// Those of opening the model and of asking for the list.
    #[cfg(feature = "remote")]
    pub async fn list(self) -> Result<Vec<ModelInfo>> {
        let (provider, _) = self.name.split_once(':').unwrap_or((&self.name, ""));
        let name: ModelName = format!("{provider}:list").parse()?;
        match Opened::new(&self, &name)? {
            Some(opened) => {
                opened.list().await.map_err(|error| error.context(format!("listing the models of `{provider}`")))
            }
            None => Ok(Vec::new()),
        }
    }

    /// Opens a model of this machine, which is fetched first if it is one of the hub that is not there.
    #[cfg(feature = "candle")]
    async fn open_local(self) -> Result<Model> {
        let name: ModelName = self.name.parse()?;
        let path = match name.provider() {
            "hf" => self.fetched().await?,
            "safetensors" => crate::local::folder_of(name.model())?,
            _ => name.model().into(),
        };
        let window = self.window_tokens.unwrap_or(crate::local::WINDOW_TOKENS);
        let device = self.device;
        let open = move || match device {
            Some(device) => crate::local::Local::open_on(path, window, device),
            None => crate::local::Local::open(path, window),
        };
        // It is read whole, which takes a moment.
        let opened = tokio::task::spawn_blocking(open).await;
        let local = opened.map_err(|error| Error::from_source(crate::Kind::Internal, error))??;
        Ok(Model::new(name, local))
    }

    #[cfg(all(feature = "candle", feature = "hub"))]
    async fn fetched(&self) -> Result<std::path::PathBuf> {
        let name: crate::hub::HubName = self.name.parse()?;
        let hub = match &self.hub {
            Some(hub) => hub.clone(),
            None => crate::hub::Hub::from_environment()?,
        };
        let pulled = hub.resolve(&name, |_| ()).await?;
        pulled.gguf().or_else(|| pulled.safetensors()).ok_or_else(|| {
            Error::new(crate::Kind::BadInput, format!("`{}` has neither GGUF nor safetensors", self.name))
        })
    }

    #[cfg(all(feature = "candle", not(feature = "hub")))]
    async fn fetched(&self) -> Result<std::path::PathBuf> {
        let message = "`hf:` needs the `hub` feature; add `features = [\"hub\"]`";
        std::future::ready(Err(Error::new(crate::Kind::Config, message))).await
    }

    fn open(self) -> Result<Model> {
        let name: ModelName = self.name.parse()?;
        if name.provider() == "mock" {
            return crate::mock::open(&name);
        }
        #[cfg(feature = "remote")]
        if let Some(opened) = Opened::new(&self, &name)? {
            return Ok(Model::new(name, opened.model()).retry(self.retry));
        }
        Err(unknown(name.provider()))
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address may have a password in it, and be refused for that.
        f.debug_struct("Open").field("name", &self.name).finish_non_exhaustive()
    }
}

fn unknown(provider: &str) -> Error {
    #[cfg(feature = "remote")]
    return crate::remote::unknown(provider);
    #[cfg(not(feature = "remote"))]
    Error::new(crate::Kind::Config, format!("`{provider}:` needs the feature `remote`; without it there is `mock:`"))
}

impl IntoFuture for Open {
    type Output = Result<Model>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Model>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        #[cfg(feature = "candle")]
        if self.name.split_once(':').is_some_and(|(provider, _)| crate::name::LOCAL.contains(&provider)) {
            return Box::pin(self.open_local());
        }
        Box::pin(async { self.open() })
    }
}
