//! A request in the words of Chat Completions: everything around the messages.

use serde_json::{Map, Value, json};

use super::super::super::quirks::Quirks;
use super::super::{schema, shared};
use super::messages::messages;
use crate::Result;
use crate::request::{CacheLifetime, OutputSchema, Request, ToolChoice, ToolSpec};

/// Makes the body.
pub(super) fn body(model: &str, request: &Request, quirks: &Quirks) -> Result<Value> {
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("messages".into(), messages(request, quirks)?.into());
    body.insert("stream".into(), true.into());
    if !quirks.no_stream_options {
        body.insert("stream_options".into(), json!({"include_usage": true}));
    }
    tools(&mut body, request, quirks);
    sampling(&mut body, model, request, quirks);
    if let Some(output) = &request.output {
        body.insert("response_format".into(), response_format(output, quirks));
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
        body.insert("tool_choice".into(), tool_choice(choice, quirks));
    }
    body.extend(request.parallel_tool_calls.map(|may| ("parallel_tool_calls".into(), may.into())));
}

fn tool(spec: &ToolSpec, quirks: &Quirks) -> Value {
    let mut function = Map::new();
    function.insert("name".into(), spec.name.as_str().into());
    if !spec.description.is_empty() {
        function.insert("description".into(), spec.description.as_str().into());
    }
    let strict = if spec.strict && !quirks.no_strict { schema::strict(&spec.parameters) } else { None };
    if strict.is_some() {
        function.insert("strict".into(), true.into());
    }
    function.insert("parameters".into(), strict.unwrap_or_else(|| spec.parameters.clone()));
    json!({"type": "function", "function": function})
}

fn tool_choice(choice: &ToolChoice, quirks: &Quirks) -> Value {
    match choice {
        ToolChoice::Required if quirks.any_tool => "any".into(),
        ToolChoice::Tool(name) => json!({"type": "function", "function": {"name": name}}),
        ToolChoice::Auto | ToolChoice::None | ToolChoice::Required => shared::choice_word(choice).into(),
    }
}

fn sampling(body: &mut Map<String, Value>, model: &str, request: &Request, quirks: &Quirks) {
    let limit = if quirks.old_max_tokens { "max_tokens" } else { "max_completion_tokens" };
    body.extend(request.output_tokens_max.map(|tokens| (limit.into(), tokens.into())));
    body.extend(request.temperature.map(|temperature| ("temperature".into(), shared::number(temperature))));
    body.extend(request.top_p.map(|top_p| ("top_p".into(), shared::number(top_p))));
    body.extend(request.top_k.filter(|_| quirks.top_k).map(|top_k| ("top_k".into(), top_k.into())));
    let seed = if quirks.random_seed { "random_seed" } else { "seed" };
    body.extend(request.seed.map(|number| (seed.into(), number.into())));
    if !request.stop.is_empty() {
        body.insert("stop".into(), json!(request.stop));
    }
    if let Some(effort) = request.effort.map(|effort| quirks.efforts.word(model, effort)) {
        match quirks.reasoning_object {
            true => body.insert("reasoning".into(), json!({"effort": effort})),
            false => body.insert("reasoning_effort".into(), effort.into()),
        };
    }
}

fn response_format(output: &OutputSchema, quirks: &Quirks) -> Value {
    if quirks.json_object_only {
        return json!({"type": "json_object"});
    }
    let mut format = Map::new();
    format.insert("name".into(), output.name.as_str().into());
    let strict = if quirks.no_strict { None } else { schema::strict(&output.schema) };
    if !quirks.no_strict {
        format.insert("strict".into(), strict.is_some().into());
    }
    format.insert("schema".into(), strict.unwrap_or_else(|| output.schema.clone()));
    json!({"type": "json_schema", "json_schema": format})
}
