//! Who serves models over HTTP: where, in which format, and with which key. Addresses and variables are those that the
//! providers document.

use super::format::Format;
use super::quirks::{Efforts, Quirks};
use crate::name::LOCAL;
use crate::{Error, Kind, Result};

/// Who serves models.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Provider {
    pub(crate) name: &'static str,
    pub(crate) format: Format,
    /// Where, unless said otherwise.
    pub(crate) base_url: &'static str,
    /// The variable that says otherwise.
    pub(crate) base_url_variable: &'static str,
    /// Variables that hold the key; empty where none is needed.
    pub(crate) key_variables: &'static [&'static str],
    /// Whether there must be a key.
    pub(crate) needs_key: bool,
    pub(crate) quirks: Quirks,
}

const PLAIN: Quirks = Quirks::NONE;
/// Servers that speak the format of 2023.
const OLD: Quirks = Quirks { old_max_tokens: true, system_role: true, no_cache_key: true, ..PLAIN };
/// Servers of open weights.
const OPEN: Quirks = Quirks { top_k: true, ..OLD };

macro_rules! provider {
    ($name:literal, $format:ident, $base:literal, $variable:literal, [$($key:literal),*], $quirks:expr) => {
        Provider {
            name: $name,
            format: Format::$format,
            base_url: $base,
            base_url_variable: $variable,
            key_variables: &[$($key),*],
            needs_key: $base.as_bytes()[4] == b's',
            quirks: $quirks,
        }
    };
}

/// All that are known. The first ones are the ones to show.
pub(crate) const PROVIDERS: &[Provider] = &[
    provider!("openai", Responses, "https://api.openai.com/v1", "OPENAI_BASE_URL", ["OPENAI_API_KEY"], PLAIN),
    provider!("openai-chat", Chat, "https://api.openai.com/v1", "OPENAI_BASE_URL", ["OPENAI_API_KEY"], PLAIN),
    provider!(
        "anthropic",
        Anthropic,
        "https://api.anthropic.com/v1",
        "ANTHROPIC_BASE_URL",
        ["ANTHROPIC_API_KEY"],
        PLAIN
    ),
    provider!(
        "gemini",
        Gemini,
        "https://generativelanguage.googleapis.com/v1beta",
        "GEMINI_BASE_URL",
        ["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        PLAIN
    ),
    provider!("ollama", Ollama, "http://127.0.0.1:11434", "OLLAMA_BASE_URL", ["OLLAMA_API_KEY"], PLAIN),
    provider!(
        "openrouter",
        Chat,
        "https://openrouter.ai/api/v1",
        "OPENROUTER_BASE_URL",
        ["OPENROUTER_API_KEY"],
        Quirks { reasoning_object: true, echo_details: true, top_k: true, no_cache_key: false, ..OLD }
    ),
    provider!(
        "deepseek",
        Chat,
        "https://api.deepseek.com",
        "DEEPSEEK_BASE_URL",
        ["DEEPSEEK_API_KEY"],
        Quirks { echo_reasoning: true, json_object_only: true, no_strict: true, ..OLD }
    ),
    provider!(
        "groq",
        Chat,
        "https://api.groq.com/openai/v1",
        "GROQ_BASE_URL",
        ["GROQ_API_KEY"],
        Quirks { efforts: Efforts::Groq, ..PLAIN }
    ),
    provider!("xai", Chat, "https://api.x.ai/v1", "XAI_BASE_URL", ["XAI_API_KEY"], OLD),
    provider!(
        "mistral",
        Chat,
        "https://api.mistral.ai/v1",
        "MISTRAL_BASE_URL",
        ["MISTRAL_API_KEY"],
        Quirks {
            any_tool: true,
            random_seed: true,
            no_stream_options: true,
            nine_letter_ids: true,
            efforts: Efforts::NoneOrHigh,
            ..OLD
        }
    ),
    provider!("vllm", Chat, "http://127.0.0.1:8000/v1", "VLLM_BASE_URL", ["VLLM_API_KEY"], OPEN),
    provider!("llamacpp", Chat, "http://127.0.0.1:8080/v1", "LLAMACPP_BASE_URL", ["LLAMACPP_API_KEY"], OPEN),
    provider!("lmstudio", Chat, "http://127.0.0.1:1234/v1", "LMSTUDIO_BASE_URL", ["LMSTUDIO_API_KEY"], OPEN),
    provider!("compatible", Chat, "http://127.0.0.1:8000/v1", "COMPATIBLE_BASE_URL", ["COMPATIBLE_API_KEY"], OPEN),
];

/// Finds a provider by its name.
pub(crate) fn find(name: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.name == name)
}

/// What to say of a provider that is not known: the nearest name, and all of them.
pub(crate) fn unknown(name: &str) -> Error {
    let names = || PROVIDERS.iter().map(|provider| provider.name).chain(LOCAL).chain(["mock"]);
    let nearest = names().map(|known| (strsim::damerau_levenshtein(name, known), known)).min();
    let meant = match nearest {
        Some((distance, known)) if distance <= known.len() / 3 + 1 => format!("did you mean `{known}`? "),
        _ => String::new(),
    };
    let all: Vec<_> = names().map(|known| format!("`{known}`")).collect();
    Error::new(Kind::Config, format!("no provider is called `{name}`; {meant}there are {}", all.join(", ")))
}

/// Makes the address under which a path is found, and checks it. What is not right may hold a password, so it is not shown.
pub(crate) fn address(base: &str, path: &str) -> Result<reqwest::Url> {
    let wrong = |what: &str| Error::new(Kind::Config, format!("the base address {what}; write `https://host/path`"));
    let url = reqwest::Url::parse(base).map_err(|error| wrong(&format!("is none: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("is none of the web"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong(
            "has a name, a password, a query or a fragment in it: keys and headers have their own places",
        ));
    }
    let text = format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/'));
    reqwest::Url::parse(&text).map_err(|error| wrong(&format!("cannot be continued: {error}")))
}
