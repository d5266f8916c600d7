//! A request in the words of Responses: everything around the items.

use serde_json::{Map, Value, json};

use super::super::super::quirks::Quirks;
use super::super::{schema, shared};
use super::items::items;
use crate::request::{CacheLifetime, Effort, OutputSchema, Request, ToolChoice, ToolSpec};
use crate::{Error, Kind, Result};

/// Makes the body.
pub(super) fn body(model: &str, request: &Request, quirks: &Quirks) -> Result<Value> {
    if let Some(stop) = request.stop.first() {
        let message = format!("OpenAI's Responses knows no stop sequences, such as {stop:?}; leave them out");
        return Err(Error::new(Kind::BadInput, message));
    }
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("input".into(), items(request, quirks)?.into());
    body.insert("stream".into(), true.into());
    body.insert("store".into(), false.into());
    if may_reason(model, request.effort) {
        body.insert("include".into(), json!(["reasoning.encrypted_content"]));
    }
    tools(&mut body, request, quirks);
    body.extend(request.output_tokens_max.map(|tokens| ("max_output_tokens".into(), tokens.into())));
    body.extend(request.temperature.map(|temperature| ("temperature".into(), shared::number(temperature))));
    body.extend(request.top_p.map(|top_p| ("top_p".into(), shared::number(top_p))));
    body.extend(request.effort.map(|effort| ("reasoning".into(), reasoning(model, effort, quirks))));
    if let Some(output) = &request.output {
        body.insert("text".into(), json!({"format": format(output, quirks)}));
    }
    if let Some(cache) = request.cache.as_ref().filter(|_| !quirks.no_cache_key) {
        body.extend(cache.key.as_ref().map(|key| ("prompt_cache_key".into(), key.as_str().into())));
        if cache.lifetime == CacheLifetime::Long {
            body.insert("prompt_cache_retention".into(), "24h".into());
        }
    }
    Ok(shared::merged(body, request))
}

/// Tells whether sealed thoughts may be asked for; a model that does not reason answers such a request with 400. Of
/// OpenAI's own models those reason that are called `o…`, `codex…` or `gpt-5` and later, but for those with `chat` in their
/// names. Of a name that is not OpenAI's nothing is known, so there it counts whether the caller asks for effort.
fn may_reason(model: &str, effort: Option<Effort>) -> bool {
    // `ft:gpt-4o-2024-08-06:team::id` and `openai/gpt-4o` are named like what they are made of.
    let name = model.strip_prefix("ft:").unwrap_or(model);
    let name = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let number =
        |rest: &str| rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse::<u32>().ok());
    let is_own = ["gpt-", "chatgpt-", "codex-"].iter().any(|start| name.starts_with(start));
    match (name.strip_prefix("gpt-"), name.strip_prefix('o')) {
        (_, Some(rest)) if number(rest).is_some() => true,
        // Open weights, which anyone may serve.
        (Some(rest), _) if rest.starts_with("oss") => effort.is_some(),
        (Some(rest), _) => number(rest).is_some_and(|number| number >= 5) && !name.contains("-chat"),
        _ if is_own => name.starts_with("codex-"),
        _ => effort.is_some(),
    }
}

fn tools(body: &mut Map<String, Value>, request: &Request, quirks: &Quirks) {
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|spec| tool(spec, quirks)).collect();
        body.insert("tools".into(), Value::Array(tools));
    }
    if !shared::has_tools(request) {
        return;
    }
    if let Some(choice) = &request.tool_choice {
        let choice = match choice {
            ToolChoice::Tool(name) => json!({"type": "function", "name": name}),
            ToolChoice::Auto | ToolChoice::None | ToolChoice::Required => shared::choice_word(choice).into(),
        };
        body.insert("tool_choice".into(), choice);
    }
    body.extend(request.parallel_tool_calls.map(|may| ("parallel_tool_calls".into(), may.into())));
}

fn tool(spec: &ToolSpec, quirks: &Quirks) -> Value {
    let mut tool = Map::new();
    tool.insert("type".into(), "function".into());
    tool.insert("name".into(), spec.name.as_str().into());
    if !spec.description.is_empty() {
        tool.insert("description".into(), spec.description.as_str().into());
    }
    let strict = if spec.strict && !quirks.no_strict { schema::strict(&spec.parameters) } else { None };
    if !quirks.no_strict {
        // Left out, it would mean yes.
        tool.insert("strict".into(), strict.is_some().into());
    }
    tool.insert("parameters".into(), strict.unwrap_or_else(|| spec.parameters.clone()));
    Value::Object(tool)
}

fn format(output: &OutputSchema, quirks: &Quirks) -> Value {
    if quirks.json_object_only {
        return json!({"type": "json_object"});
    }
    let mut format = Map::new();
    format.insert("type".into(), "json_schema".into());
    format.insert("name".into(), output.name.as_str().into());
    let strict = if quirks.no_strict { None } else { schema::strict(&output.schema) };
    if !quirks.no_strict {
        format.insert("strict".into(), strict.is_some().into());
    }
    format.insert("schema".into(), strict.unwrap_or_else(|| output.schema.clone()));
    Value::Object(format)
}

fn reasoning(model: &str, effort: Effort, quirks: &Quirks) -> Value {
    match effort {
        Effort::None => json!({"effort": "none"}),
        _ => json!({"effort": quirks.efforts.word(model, effort), "summary": "auto"}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_thoughts_are_asked_only_of_models_that_think() {
        let names = |may: bool, names: &[&str]| {
            for name in names {
                assert_eq!(may_reason(name, None), may, "{name}");
                assert_eq!(may_reason(name, Some(Effort::Low)), may, "{name}");
            }
        };
        names(true, &["o1", "o3-mini", "o4-mini-deep-research", "gpt-5", "gpt-5-mini-2025-08-07", "gpt-5.1-codex-max"]);
        names(true, &["gpt-5.6", "gpt-10", "codex-mini-latest", "openai/gpt-5", "ft:o4-mini:team::id"]);
        names(false, &["gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.5-preview", "gpt-3.5-turbo", "chatgpt-4o-latest"]);
        names(false, &["gpt-5-chat-latest", "gpt-5.1-chat-latest", "gpt-audio", "ft:gpt-4o:team::id", "openai/gpt-4o"]);
        for unknown in ["grok-4", "my-deployment", "gpt-oss-120b", "openchat", "o", "olmo-3"] {
            assert_eq!(
                (may_reason(unknown, None), may_reason(unknown, Some(Effort::None))),
                (false, true),
                "{unknown}"
            );
        }
    }
}
