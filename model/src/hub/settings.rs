//! A hub and what it is reached with. The environment is read as Python's `huggingface_hub` reads it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::remote::{Timeouts, address};
use crate::retry::Retry;
use crate::secret::Secret;
use crate::{Error, Kind, Result, ResultExt};

/// Where the hub is, unless something says otherwise.
pub const ENDPOINT: &str = "https://huggingface.co";
/// The longest token that is read from a file.
const TOKEN_BYTES_MAX: u64 = 4096;
/// How long the hub may ask to wait: its limits are counted over five minutes.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// A hub of models, and the cache of what was fetched from it.
///
/// ```no_run
/// # async fn example() -> lorewell_model::Result<()> {
/// use lorewell_model::hub::{Files, Hub};
///
/// let hub = Hub::from_environment()?;
/// let pulled = hub.pull(&"Qwen/Qwen3-0.6B-GGUF".parse()?, &Files::Best, |_| ()).await?;
/// println!("{}", pulled.folder.display());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Hub {
    pub(super) endpoint: String,
    pub(super) cache: PathBuf,
    pub(super) token: Option<Secret>,
    pub(super) offline: bool,
    pub(super) timeouts: Timeouts,
    pub(super) retry: Retry,
}

impl Hub {
    /// Takes the hub at [`ENDPOINT`] and a folder as its cache.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        let mut timeouts = Timeouts::each(Duration::from_secs(30));
        timeouts.connect = Duration::from_secs(10);
        let retry = Retry::default().attempts_max(5).longest(WAIT_MAX);
        Self { endpoint: ENDPOINT.to_owned(), cache: cache.into(), token: None, offline: false, timeouts, retry }
    }

    /// Takes all of it from the environment: `HF_ENDPOINT`; `HF_HUB_CACHE`, or `hub` in `HF_HOME`; `HF_TOKEN`, or the file
    /// that `huggingface-cli login` writes; `HF_HUB_OFFLINE`.
    ///
    /// # Errors
    /// `Config` if there is no home folder and nothing says where the cache is; those of reading the token.
    pub fn from_environment() -> Result<Self> {
        Self::from_variables(|name| std::env::var(name).ok(), std::env::home_dir().as_deref())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>, home: Option<&Path>) -> Result<Self> {
        let set = |name: &str| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let is_set = |name: &str| {
            set(name).is_some_and(|text| matches!(text.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE"))
        };
        let path = |name: &str| set(name).map(|path| from_home(&path, home));
        let caches = first([path("XDG_CACHE_HOME"), home.map(|home| home.join(".cache"))]);
        let folder = first([path("HF_HOME"), caches.map(|caches| caches.join("huggingface"))]);
        let in_folder = |name: &str| folder.as_ref().map(|folder| folder.join(name));
        let cache = first([path("HF_HUB_CACHE"), path("HUGGINGFACE_HUB_CACHE"), in_folder("hub")]);
        let cache = cache.ok_or_else(|| {
            Error::new(Kind::Config, "there is no home folder for the cache of models; set `HF_HOME`")
        })?;
        let mut hub = Self::new(cache).offline(is_set("HF_HUB_OFFLINE"));
        if let Some(endpoint) = set("HF_ENDPOINT") {
            hub = hub.endpoint(endpoint);
        }
        hub.token = match set("HF_TOKEN").or_else(|| set("HUGGING_FACE_HUB_TOKEN")) {
            Some(token) => Some(Secret::new(token)),
            None if is_set("HF_HUB_DISABLE_IMPLICIT_TOKEN") => None,
            None => first([path("HF_TOKEN_PATH"), in_folder("token")]).map_or(Ok(None), |path| token_in(&path))?,
        };
        Ok(hub)
    }

    /// Sets where the hub is.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = url.into();
        self
    }

    /// Sets the token. It goes to the hub and to no other address, not even to one that the hub leads to.
    #[must_use]
    pub fn token(mut self, token: impl Into<Secret>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Sets whether it makes do with what is in the cache.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// Sets how long each phase of a request may take: thirty seconds, ten of them to connect, unless said. All of a
    /// download may take any time, as long as it does not stop.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets how often something is tried again that failed without gain: five attempts, unless said.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Returns the folder of the cache.
    #[must_use]
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Tells whether it makes do with what is in the cache.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    pub(super) fn base(&self) -> Result<reqwest::Url> {
        address(&self.endpoint, "").map_err(|error| error.context("reading the address of the hub (`HF_ENDPOINT`)"))
    }
}

/// Returns the first of some paths that says something.
fn first<const N: usize>(paths: [Option<PathBuf>; N]) -> Option<PathBuf> {
    paths.into_iter().flatten().find(|path| !path.as_os_str().is_empty())
}

/// Puts the home folder where a path begins with `~`.
fn from_home(path: &str, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

fn token_in(path: &Path) -> Result<Option<Secret>> {
    let doing = || format!("reading the token of the hub in `{}`", path.display());
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata.context(doing)?,
    };
    if metadata.len() > TOKEN_BYTES_MAX {
        return Err(Error::new(Kind::Config, format!("it is longer than {TOKEN_BYTES_MAX} bytes")).context(doing()));
    }
    let token = std::fs::read_to_string(path).context(doing)?;
    Ok(Some(token.trim()).filter(|token| !token.is_empty()).map(Secret::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(variables: &[(&str, &str)]) -> Hub {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Hub::from_variables(find, Some(Path::new("/home/me"))).unwrap()
    }

    #[test]
    fn the_cache_is_where_others_look_for_it() {
        let cache = |variables: &[(&str, &str)]| hub(variables).cache.display().to_string();
        assert_eq!(cache(&[]), "/home/me/.cache/huggingface/hub");
        assert_eq!(cache(&[("XDG_CACHE_HOME", "/x")]), "/x/huggingface/hub");
        assert_eq!(cache(&[("HF_HOME", "~/hf"), ("XDG_CACHE_HOME", "/x")]), "/home/me/hf/hub");
        assert_eq!(cache(&[("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/c")]), "/c");
        assert_eq!(cache(&[("HF_HOME", " "), ("HF_HUB_CACHE", "")]), "/home/me/.cache/huggingface/hub");
        assert_eq!(Hub::from_variables(|_| None, None).unwrap_err().kind(), Kind::Config);
    }

    #[test]
    fn the_token_is_read_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "hf_file\n").unwrap();
        let home = folder.path().to_str().unwrap();
        assert_eq!(hub(&[("HF_HOME", home)]).token, Some(Secret::new("hf_file")));
        assert_eq!(hub(&[("HF_HOME", home), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]).token, None);
        let both = hub(&[("HF_HOME", home), ("HF_TOKEN", "hf_variable")]);
        assert_eq!(both.token, Some(Secret::new("hf_variable")));
        assert!(!format!("{both:?}").contains("hf_variable"));
        assert!(hub(&[("HF_HUB_OFFLINE", "yes")]).offline && !hub(&[("HF_HUB_OFFLINE", "0")]).offline);
        assert!(
            hub(&[("HF_ENDPOINT", "http://u:secret@h")])
                .base()
                .is_err_and(|error| !error.to_string().contains("secret"))
        );
    }
}
