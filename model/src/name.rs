//! The name of a model: who serves it, and what it is called there.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Kind, Result};

/// The name of a model, `provider:model`.
///
/// ```
/// use lorewell_model::ModelName;
///
/// let name: ModelName = "ollama:qwen3:0.6b".parse()?;
/// assert_eq!((name.provider(), name.model()), ("ollama", "qwen3:0.6b"));
/// # Ok::<(), lorewell_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelName {
    text: String,
    colon: usize,
}

impl ModelName {
    /// Returns who serves it.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.text[..self.colon]
    }

    /// Returns what it is called there.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.text[self.colon + 1..]
    }

    /// Tells whether this process runs it itself: a file, a folder, or what a hub had.
    ///
    /// ```
    /// use lorewell_model::ModelName;
    ///
    /// let is_local = |name: &str| name.parse::<ModelName>().is_ok_and(|name| name.is_local());
    /// assert!(is_local("gguf:stories.gguf") && is_local("hf:Qwen/Qwen3-0.6B-GGUF") && !is_local("ollama:qwen3"));
    /// ```
    #[must_use]
    pub fn is_local(&self) -> bool {
        LOCAL.contains(&self.provider())
    }
}

/// Providers that are this process.
pub(crate) const LOCAL: [&str; 3] = ["gguf", "safetensors", "hf"];

/// Beginnings of names by which a provider can be told.
const GUESSES: &[(&str, &str)] = &[
    ("gpt", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("claude", "anthropic"),
    ("gemini", "gemini"),
    ("deepseek", "deepseek"),
    ("grok", "xai"),
    ("mistral", "mistral"),
    ("llama", "ollama"),
    ("qwen", "ollama"),
];

impl FromStr for ModelName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some((provider, model)) if !provider.is_empty() && !model.is_empty() => {
                Ok(Self { text: text.to_owned(), colon: provider.len() })
            }
            _ => {
                let guess = GUESSES.iter().find(|(start, _)| text.starts_with(start)).map(|(_, provider)| *provider);
                let example = match (guess, text.trim_matches(':')) {
                    (Some(provider), model) => format!("{provider}:{model}"),
                    (None, provider) if text.ends_with(':') => format!("{provider}:MODEL"),
                    (None, "") => "openai:gpt-5".to_owned(),
                    (None, model) => format!("PROVIDER:{model}"),
                };
                let message = format!("`{text}` does not name a provider and its model; write `{example}`");
                Err(Error::new(Kind::Config, message))
            }
        }
    }
}

impl TryFrom<String> for ModelName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> Self {
        name.text
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
