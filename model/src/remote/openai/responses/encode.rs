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
    body.insert("include".into(), json!(["reasoning.encrypted_content"]));
    tools(&mut body, request, quirks);
    body.extend(request.output_tokens_max.map(|tokens| ("max_output_tokens".into(), tokens.into())));
    body.extend(request.temperature.map(|temperature| ("temperature".into(), shared::number(temperature))));
    body.extend(request.top_p.map(|top_p| ("top_p".into(), shared::number(top_p))));
    body.extend(request.effort.map(|effort| ("reasoning".into(), reasoning(effort))));
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

fn reasoning(effort: Effort) -> Value {
    match effort {
        Effort::None => json!({"effort": "none"}),
        _ => json!({"effort": shared::effort(effort), "summary": "auto"}),
    }
}
