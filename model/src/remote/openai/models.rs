//! Lists of models: OpenAI's has names only, others say how much a model takes.

use serde::Deserialize;

use super::super::wire::ModelInfo;
use super::lenient::{Count, List, Object, Words};
use crate::{Error, Kind, Result};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Page<'a> {
    #[serde(borrow)]
    data: List<Object<Entry<'a>>>,
    #[serde(borrow)]
    models: List<Object<Entry<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry<'a> {
    #[serde(borrow)]
    id: Words<'a>,
    /// OpenRouter and Together.
    context_length: Count,
    /// Groq.
    context_window: Count,
    /// Mistral and LM Studio.
    max_context_length: Count,
    /// vLLM.
    max_model_len: Count,
    /// llama.cpp.
    meta: Object<Meta>,
    /// Groq.
    max_completion_tokens: Count,
    /// OpenRouter.
    top_provider: Object<Limits>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Meta {
    n_ctx: Count,
    n_ctx_train: Count,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Limits {
    max_completion_tokens: Count,
}

/// Reads a list of models.
///
/// # Errors
/// `BadOutput` if it is none.
pub(super) fn models(body: &str) -> Result<Vec<ModelInfo>> {
    // Some servers send the list bare.
    let entries = match serde_json::from_str::<List<Object<Entry<'_>>>>(body) {
        Ok(list) if body.trim_start().starts_with('[') => Some(list),
        _ => serde_json::from_str::<Page<'_>>(body)
            .ok()
            .map(|page| if page.data.0.is_empty() { page.models } else { page.data }),
    };
    let Some(List(entries)) = entries else {
        return Err(Error::new(Kind::BadOutput, "the provider's list of models cannot be read; is the address right?"));
    };
    Ok(entries.into_iter().filter_map(|entry| info(&entry.0?)).collect())
}

fn info(entry: &Entry<'_>) -> Option<ModelInfo> {
    let meta = entry.meta.0.as_ref();
    let context = [
        entry.context_length,
        entry.context_window,
        entry.max_context_length,
        entry.max_model_len,
        meta.map(|meta| meta.n_ctx).unwrap_or_default(),
        meta.map(|meta| meta.n_ctx_train).unwrap_or_default(),
    ];
    let limits = entry.top_provider.0.as_ref().map(|limits| limits.max_completion_tokens).unwrap_or_default();
    let known = |count: &Count| count.0.filter(|&count| count > 0);
    let mut info = ModelInfo::new(entry.id.full()?);
    info.context_tokens_max = context.iter().find_map(known);
    info.output_tokens_max = [entry.max_completion_tokens, limits].iter().find_map(known);
    Some(info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_limits_are_read() {
        let list = r#"{"object":"list","data":[{"id":"a","object":"model","created":1,"owned_by":"x"},
            {"id":"b","context_length":8192,"top_provider":{"max_completion_tokens":1024}},
            {"id":"c","context_window":4096,"max_completion_tokens":512},{"id":""},{"name":"d"},
            {"id":"e","meta":{"n_ctx_train":2048}}]}"#;
        let info = |id: &str, context_tokens_max, output_tokens_max| ModelInfo {
            context_tokens_max,
            output_tokens_max,
            ..ModelInfo::new(id)
        };
        let expected = [
            info("a", None, None),
            info("b", Some(8192), Some(1024)),
            info("c", Some(4096), Some(512)),
            info("e", Some(2048), None),
        ];
        assert_eq!(models(list).unwrap(), expected);
        assert_eq!(models(r#"[{"id":"a"}]"#).unwrap(), [info("a", None, None)]);
        assert_eq!(models(r#"{"data":[]}"#).unwrap(), []);
        assert_eq!(models("<html>").unwrap_err().kind(), Kind::BadOutput);
        assert_eq!(models("3").unwrap_err().kind(), Kind::BadOutput);
    }
}
