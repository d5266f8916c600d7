//! What tokens cost. The bundled list is a file of facts that go out of date; a person's own list counts before it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::name::ModelName;
use crate::usage::Usage;
use crate::{Error, Kind, Result, ResultExt};

/// What a million tokens cost, in US dollars.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Of the request.
    pub input: f64,
    /// Of the answer.
    pub output: f64,
    /// Read from the provider's cache; as the rest of the request unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<f64>,
    /// Written to the provider's cache; as the rest of the request unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
}

/// The unit in which prices are given.
const TOKENS: f64 = 1e6;

impl Price {
    /// Costs nothing.
    pub(crate) const FREE: Self = Self { input: 0.0, output: 0.0, cache_read: None, cache_write: None };

    /// Returns what an answer costs, in US dollars.
    ///
    /// ```
    /// use lorewell_model::{Price, Usage};
    ///
    /// let price = Price { input: 2.0, output: 8.0, cache_read: Some(0.5), cache_write: None };
    /// let usage = Usage { input_tokens: 1_000_000, cache_read_tokens: 400_000, output_tokens: 10_000, ..Usage::default() };
    /// assert!((price.cost_usd(&usage) - (1.2 + 0.2 + 0.08)).abs() < 1e-9);
    /// ```
    #[must_use]
    pub fn cost_usd(&self, usage: &Usage) -> f64 {
        let fresh = usage.input_tokens.saturating_sub(usage.cache_read_tokens).saturating_sub(usage.cache_write_tokens);
        let parts = [
            (fresh, self.input),
            (usage.cache_read_tokens, self.cache_read.unwrap_or(self.input)),
            (usage.cache_write_tokens, self.cache_write.unwrap_or(self.input)),
            (usage.output_tokens, self.output),
        ];
        parts.iter().map(|(tokens, price)| as_f64(*tokens) * price).sum::<f64>() / TOKENS
    }
}

fn as_f64(tokens: u64) -> f64 {
    f64::from(u32::try_from(tokens).unwrap_or(u32::MAX))
}

/// Prices by model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Prices(BTreeMap<String, Price>);

impl Prices {
    /// Returns the list that comes with Lorewell: prices that the providers publish, as of the day in the changelog.
    #[must_use]
    pub fn bundled() -> &'static Self {
        static BUNDLED: OnceLock<Prices> = OnceLock::new();
        BUNDLED.get_or_init(|| serde_json::from_str(include_str!("prices.json")).expect("a test reads it"))
    }

    /// Reads a list: a JSON object from `provider:model` to `{"input": …, "output": …}`, in US dollars for a million
    /// tokens.
    ///
    /// # Errors
    /// `NotFound` and `Io` if it cannot be read; `Config` if it is no such list.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).context(|| format!("reading `{}`", path.display()))?;
        serde_json::from_str(&text).map_err(|error| {
            let message = format!("`{}` is no list of prices: {error}", path.display());
            Error::new(Kind::Config, message).caused_by(error)
        })
    }

    /// Takes what is not in this list from another one.
    #[must_use]
    pub fn over(mut self, other: &Self) -> Self {
        for (name, price) in &other.0 {
            self.0.entry(name.clone()).or_insert(*price);
        }
        self
    }

    /// Finds the price of a model: under its own name, or under the name that it is a version of, such as
    /// `gpt-5-2025-08-07` of `gpt-5`.
    #[must_use]
    pub fn find(&self, name: &ModelName) -> Option<Price> {
        if is_local(name.provider()) {
            return Some(self.0.get(&name.to_string()).copied().unwrap_or(Price::FREE));
        }
        let provider = name.provider().strip_suffix("-chat").unwrap_or(name.provider());
        let full = format!("{provider}:{}", name.model());
        let versions = full.match_indices(['-', '@']).filter(|(at, _)| is_version(&full[at + 1..]));
        let shorter = versions.map(|(at, _)| &full[..at]).rev();
        std::iter::once(full.as_str()).chain(shorter).find_map(|name| self.0.get(name).copied())
    }
}

/// Whether the end of a name says only which version it is.
fn is_version(end: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    end.split('-').all(|part| is_number(part) || matches!(part, "latest" | "preview"))
}

/// Whether the models of a provider run on one's own machine.
fn is_local(provider: &str) -> bool {
    crate::name::LOCAL.contains(&provider) || matches!(provider, "mock" | "ollama" | "llamacpp" | "vllm" | "lmstudio")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_list_is_whole() {
        for (name, price) in &Prices::bundled().0 {
            name.parse::<ModelName>().unwrap();
            assert!(price.input > 0.0 && price.output >= price.input, "{name}");
            assert!(price.cache_read.is_none_or(|read| read < price.input), "{name}");
            assert!(price.cache_write.is_none_or(|write| write >= price.input), "{name}");
        }
    }

    #[test]
    fn versions_cost_what_the_model_costs() {
        let price = |input| Price { input, ..Price::FREE };
        let list = [("a:m", 1.0), ("a:m-mini", 2.0), ("a:m-mini-2024", 3.0)];
        let prices = Prices(list.map(|(name, input)| (name.to_owned(), price(input))).into());
        let found = |name: &str| prices.find(&name.parse().unwrap()).map(|price| price.input);
        assert_eq!(found("a:m"), Some(1.0));
        assert_eq!(found("a:m-2025-01-01"), Some(1.0));
        assert_eq!(found("a:m-mini-2025"), Some(2.0));
        assert_eq!(found("a:m-mini-2024-05"), Some(3.0));
        assert_eq!(found("a:mx"), None);
        assert_eq!(found("a:m-maxi"), None);
        assert_eq!(found("a-chat:m-latest"), Some(1.0));
        assert_eq!(found("ollama:any:1b"), Some(0.0));
    }
}
