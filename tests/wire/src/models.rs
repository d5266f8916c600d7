//! Lists of models, in the shape of each provider: every behaviour is one.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State as Shared};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use serde_json::{Value, json};

use crate::anthropic::Anthropic;
use crate::behaviour::BEHAVIOURS;
use crate::chat::Chat;
use crate::compat;
use crate::failure::{Failure, Reply};
use crate::format::Format;
use crate::gemini::Gemini;
use crate::ollama::Ollama;
use crate::route::{key, plain, record, reply};
use crate::state::State;

/// A page of Gemini's list, unless said otherwise.
const PAGE_MODELS: usize = 50;
/// A page of Anthropic's list, unless said otherwise.
const ANTHROPIC_PAGE_MODELS: usize = 20;

type Pairs = Query<Vec<(String, String)>>;

fn value<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn names() -> impl Iterator<Item = &'static str> {
    BEHAVIOURS.iter().map(|(name, _)| *name)
}

fn ok(body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    response.headers_mut().insert("content-type", axum::http::HeaderValue::from_static("application/json"));
    response
}

fn failed(format: &dyn Format, failure: &Failure, state: &State) -> Response {
    reply(&format.failure(failure, state))
}

/// One address, three providers: who sends a header of Anthropic's or Google's is answered in its shape.
pub(crate) async fn by_header(
    Shared(state): Shared<Arc<State>>,
    pairs: Pairs,
    (method, uri, headers): (Method, Uri, HeaderMap),
) -> Response {
    if headers.contains_key("x-goog-api-key") {
        return gemini(Shared(state), pairs, (method, uri, headers)).await;
    }
    record(&state, &method, &uri, &headers, &[]);
    let is_anthropic = headers.contains_key("anthropic-version");
    let format: Box<dyn Format> =
        if is_anthropic { Box::new(Anthropic { counts: false }) } else { Box::new(Chat::default()) };
    if let Err(failure) = key(&headers, false) {
        return failed(format.as_ref(), &failure, &state);
    }
    if is_anthropic {
        return ok(&anthropic_page(&pairs));
    }
    let data: Vec<_> = names().map(openai_model).collect();
    ok(&json!({"object": "list", "data": data}))
}

/// One model by its name.
pub(crate) async fn one(
    Shared(state): Shared<Arc<State>>,
    Path(id): Path<String>,
    (method, uri, headers): (Method, Uri, HeaderMap),
) -> Response {
    record(&state, &method, &uri, &headers, &[]);
    let is_anthropic = headers.contains_key("anthropic-version");
    let format: Box<dyn Format> =
        if is_anthropic { Box::new(Anthropic { counts: false }) } else { Box::new(Chat::default()) };
    let known = names().find(|name| *name == id).ok_or(Failure::UnknownModel(id));
    match key(&headers, false).and(known) {
        Ok(name) => ok(&if is_anthropic { anthropic_model(name) } else { openai_model(name) }),
        Err(failure) => failed(format.as_ref(), &failure, &state),
    }
}

fn openai_model(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": 1_760_000_000, "owned_by": "system"})
}

fn anthropic_model(name: &str) -> Value {
    let yes = json!({"supported": true});
    json!({
        "type": "model", "id": name, "display_name": name, "created_at": "2026-01-02T00:00:00Z",
        "max_input_tokens": 200_000, "max_tokens": 64_000,
        "capabilities": {
            "batch": yes, "citations": yes, "code_execution": yes, "image_input": yes, "pdf_input": yes,
            "structured_outputs": yes,
            "context_management": {"supported": true, "clear_thinking_20251015": yes, "clear_tool_uses_20250919": yes,
                                   "compact_20260112": yes},
            "effort": {"supported": true, "low": yes, "medium": yes, "high": yes, "max": yes, "xhigh": yes},
            "thinking": {"supported": true, "types": {"adaptive": yes, "enabled": yes}},
        },
    })
}

fn anthropic_page(pairs: &Pairs) -> Value {
    let limit = value(pairs, "limit").and_then(|limit| limit.parse().ok()).unwrap_or(ANTHROPIC_PAGE_MODELS);
    let all: Vec<_> = names().collect();
    let from = value(pairs, "after_id").and_then(|id| all.iter().position(|name| *name == id)).map_or(0, |at| at + 1);
    let page: Vec<_> = all.iter().skip(from).take(limit).collect();
    let data: Vec<_> = page.iter().map(|name| anthropic_model(name)).collect();
    json!({"data": data, "has_more": from + page.len() < all.len(), "first_id": page.first(), "last_id": page.last()})
}

/// Gemini's list comes in pages.
pub(crate) async fn gemini(
    Shared(state): Shared<Arc<State>>,
    pairs: Pairs,
    (method, uri, mut headers): (Method, Uri, HeaderMap),
) -> Response {
    record(&state, &method, &uri, &headers, &[]);
    if let Some(key) = value(&pairs, "key").and_then(|key| key.parse().ok()) {
        headers.insert("x-goog-api-key", key);
    }
    if let Err(failure) = key(&headers, false) {
        let format = Gemini { model: String::new(), verb: String::new(), events: false };
        return failed(&format, &failure, &state);
    }
    let size = value(&pairs, "pageSize").and_then(|size| size.parse().ok()).unwrap_or(PAGE_MODELS).max(1);
    let from = value(&pairs, "pageToken").and_then(|token| token.parse().ok()).unwrap_or(0_usize);
    let all: Vec<_> = names().collect();
    let models: Vec<_> = all.iter().skip(from).take(size).map(|name| gemini_model(name)).collect();
    let mut page = json!({"models": models});
    if from + size < all.len() {
        page["nextPageToken"] = json!((from + size).to_string());
    }
    ok(&page)
}

fn gemini_model(name: &str) -> Value {
    json!({"name": format!("models/{name}"), "version": "001", "displayName": name, "inputTokenLimit": 1_048_576,
           "outputTokenLimit": 65_536, "supportedGenerationMethods": ["generateContent", "countTokens"],
           "temperature": 1, "topP": 0.95, "topK": 64, "maxTemperature": 2, "thinking": true})
}

/// Ollama's list of what lies on the disk.
pub(crate) async fn ollama(
    Shared(state): Shared<Arc<State>>,
    (method, uri, headers): (Method, Uri, HeaderMap),
) -> Response {
    record(&state, &method, &uri, &headers, &[]);
    if let Err(failure) = key(&headers, true) {
        return failed(&Ollama, &failure, &state);
    }
    let models: Vec<_> = names()
        .map(|name| {
            let details = json!({"parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"],
                                 "parameter_size": "3.2B", "quantization_level": "Q4_K_M"});
            json!({"name": format!("{name}:latest"), "model": format!("{name}:latest"), "digest": "0123abcd",
                   "modified_at": "2026-01-02T03:04:05.678901+01:00", "size": 2_019_393_189_u64, "details": details})
        })
        .collect();
    ok(&json!({"models": models}))
}

/// The list of a server that is like OpenAI's.
pub(crate) async fn compat(
    Shared(state): Shared<Arc<State>>,
    Path(server): Path<String>,
    (method, uri, headers): (Method, Uri, HeaderMap),
) -> Response {
    record(&state, &method, &uri, &headers, &[]);
    let Some(quirks) = compat::quirks(&server) else {
        return plain(404, "text/plain", format!("no server `{server}` is pretended here"));
    };
    if let Err(failure) = key(&headers, false) {
        return failed(&Chat { quirks }, &failure, &state);
    }
    match quirks.server {
        // No envelope, and next to nothing in each.
        "bare" => ok(&names().map(|name| json!({"id": name})).collect()),
        "openrouter" => {
            let data: Vec<_> = names().map(|name| json!({"id": name, "name": name, "context_length": 8192})).collect();
            ok(&json!({"data": data}))
        }
        _ => ok(&json!({"object": "list", "data": names().map(openai_model).collect::<Vec<_>>()})),
    }
}

/// Says that a path leads nowhere, as a provider does.
pub(crate) async fn nowhere(
    Shared(state): Shared<Arc<State>>,
    (method, uri, headers): (Method, Uri, HeaderMap),
) -> Response {
    record(&state, &method, &uri, &headers, &[]);
    let message = format!("Invalid URL ({method} {})", uri.path());
    let error = json!({"message": message, "type": "invalid_request_error", "param": null, "code": null});
    reply(&Reply::new(404, json!({"error": error})))
}
