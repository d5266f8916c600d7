//! The HTTP side: paths to formats, keys, and how a behaviour becomes a response.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, Query, State as Shared};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::Value;

use crate::answer::{Answer, Fault};
use crate::ask::Ask;
use crate::behaviour::{Act, act};
use crate::failure::{Failure, Reply};
use crate::format::{Context, Format};
use crate::muffle::Muffle;
use crate::shape::Object;
use crate::state::{State, hash};
use crate::stream::{self, Framing, Script};
use crate::{Seen, anthropic, chat, compat, gemini, models, ollama, responses};

/// The key that opens every door.
pub const KEY: &str = "test-key";
/// A key that once did.
pub const EXPIRED_KEY: &str = "expired-key";
/// Pictures and documents come inside requests.
const BODY_BYTES_MAX: usize = 200_000_000;

type Pairs = Query<Vec<(String, String)>>;

/// A request that was read.
struct Call {
    state: Arc<State>,
    headers: HeaderMap,
    muffle: Muffle,
    path: String,
    body: Bytes,
}

pub(crate) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/v1/responses", post(fixed))
        .route("/v1/chat/completions", post(fixed))
        .route("/v1/messages", post(fixed))
        .route("/v1/messages/count_tokens", post(fixed))
        .route("/api/chat", post(fixed))
        .route("/v1/models", get(models::by_header))
        // Gemini answers under either version.
        .route("/v1/models/{call}", get(models::one).post(gemini_call))
        .route("/v1beta/models", get(models::gemini))
        .route("/api/tags", get(models::ollama))
        .route("/v1beta/models/{call}", post(gemini_call))
        .route("/compat/{server}/chat/completions", post(compat_call))
        .route("/compat/{server}/models", get(models::compat))
        .fallback(models::nowhere)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(state)
}

async fn fixed(
    Shared(state): Shared<Arc<State>>,
    ConnectInfo(muffle): ConnectInfo<Muffle>,
    (method, uri, headers): (Method, Uri, HeaderMap),
    body: Bytes,
) -> Response {
    record(&state, &method, &uri, &headers, &body);
    let format: Box<dyn Format> = match uri.path() {
        "/v1/responses" => Box::new(responses::Responses),
        "/v1/chat/completions" => Box::new(chat::Chat::default()),
        "/api/chat" => Box::new(ollama::Ollama),
        "/v1/messages/count_tokens" => Box::new(anthropic::Anthropic { counts: true }),
        _ => Box::new(anthropic::Anthropic { counts: false }),
    };
    let call = Call { state, headers, muffle, path: uri.path().to_owned(), body };
    serve(format.as_ref(), call).await
}

async fn gemini_call(
    Shared(state): Shared<Arc<State>>,
    ConnectInfo(muffle): ConnectInfo<Muffle>,
    Path(call): Path<String>,
    Query(pairs): Pairs,
    (method, uri, headers): (Method, Uri, HeaderMap),
    body: Bytes,
) -> Response {
    record(&state, &method, &uri, &headers, &body);
    let (model, verb) = call.split_once(':').unwrap_or((&call, ""));
    let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let events = value("alt").as_deref() == Some("sse");
    let format = gemini::Gemini { model: model.to_owned(), verb: verb.to_owned(), events };
    let mut headers = headers;
    // A key may also stand in the address.
    if let Some(key) = value("key").and_then(|key| key.parse().ok()) {
        headers.entry("x-goog-api-key").or_insert(key);
    }
    let call = Call { state, headers, muffle, path: uri.path().to_owned(), body };
    serve(&format, call).await
}

async fn compat_call(
    Shared(state): Shared<Arc<State>>,
    ConnectInfo(muffle): ConnectInfo<Muffle>,
    Path(server): Path<String>,
    (method, uri, headers): (Method, Uri, HeaderMap),
    body: Bytes,
) -> Response {
    record(&state, &method, &uri, &headers, &body);
    let Some(quirks) = compat::quirks(&server) else {
        return plain(404, "text/plain", format!("no server `{server}` is pretended here"));
    };
    let call = Call { state, headers, muffle, path: uri.path().to_owned(), body };
    serve(&chat::Chat { quirks }, call).await
}

/// Remembers a request for the assertions of a test.
pub(crate) fn record(state: &State, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) {
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    state.record(Seen {
        method: method.to_string(),
        path: uri.to_string(),
        headers: headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: serde_json::from_slice(body).unwrap_or(Value::Null),
    });
}

async fn serve(format: &dyn Format, call: Call) -> Response {
    match decide(format, &call) {
        Err(failure) => reply(&format.failure(&failure, &call.state)),
        Ok((_, Act::Fail(failure))) => reply(&format.failure(&failure, &call.state)),
        Ok((_, Act::Page)) => plain(502, "text/html", PAGE.to_owned()),
        Ok((_, Act::Empty)) => plain(200, "application/json", String::new()),
        Ok((_, Act::HangConnect)) => {
            call.state.hang().await;
            plain(504, "text/plain", String::new())
        }
        Ok((_, Act::HangHeaders)) => {
            call.muffle.silence();
            plain(200, "application/json", "{}".to_owned())
        }
        Ok((ask, Act::Answer(answer))) if ask.stream => streamed(format, &ask, &answer, call.state),
        Ok((ask, Act::Answer(answer))) => whole(format, &ask, &answer, call.state).await,
    }
}

const PAGE: &str = "<html><head><title>502 Bad Gateway</title></head>\
                    <body><center><h1>502 Bad Gateway</h1></center></body></html>\n";

fn decide(format: &dyn Format, call: &Call) -> Result<(Ask, Act), Failure> {
    key(&call.headers, format.framing() == Framing::Lines)?;
    let body: Value = serde_json::from_slice(&call.body).map_err(|_| Failure::NoJson)?;
    let body: &Object = body.as_object().ok_or(Failure::NoJson)?;
    let betas = call.headers.get("anthropic-beta").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let cx = Context { state: Arc::clone(&call.state), betas: betas.to_owned() };
    let mut ask = format.read(body, &cx)?;
    ask.chars = call.body.len();
    ask.likeness = hash((&call.path, &call.body));
    let act = act(&ask, &call.state)?;
    Ok((ask, act))
}

/// Compares the key of a request. A server on one's own machine takes requests without one.
pub(crate) fn key(headers: &HeaderMap, may_miss: bool) -> Result<(), Failure> {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let bearer = value("authorization").map(|value| value.trim_start_matches("Bearer ").to_owned());
    match value("x-api-key").or_else(|| value("x-goog-api-key")).or(bearer).as_deref() {
        Some(KEY) => Ok(()),
        Some(EXPIRED_KEY) => Err(Failure::ExpiredKey),
        None | Some("") if may_miss => Ok(()),
        None | Some("") => Err(Failure::NoKey),
        Some(wrong) => Err(Failure::WrongKey(wrong.to_owned())),
    }
}

fn streamed(format: &dyn Format, ask: &Ask, answer: &Answer, state: Arc<State>) -> Response {
    let script = Script {
        frames: format.frames(ask, answer, &state),
        framing: format.framing(),
        pace: answer.pace,
        fault: answer.fault,
        error: format.error_event(),
        unknown: format.unknown_event(),
    };
    let media_type = match format.framing() {
        Framing::Events | Framing::NumberedEvents => "text/event-stream; charset=utf-8",
        Framing::Lines => "application/x-ndjson",
        Framing::Array => "application/json; charset=UTF-8",
    };
    let id = state.id("req_");
    respond(
        200,
        &[("content-type", media_type), ("x-request-id", &id), ("request-id", &id)],
        stream::body(script, state),
    )
}

async fn whole(format: &dyn Format, ask: &Ask, answer: &Answer, state: Arc<State>) -> Response {
    state.pause(answer.pace).await;
    let body = format.whole(ask, answer, &state);
    let id = state.id("req_");
    let headers = [("content-type", "application/json"), ("x-request-id", &*id), ("request-id", &*id)];
    match answer.fault {
        Fault::None | Fault::Error | Fault::EarlyEnd => respond(200, &headers, Body::from(body.to_string())),
        Fault::InvalidUtf8 => {
            let mut bytes = body.to_string().into_bytes();
            stream::spoil(&mut bytes);
            respond(200, &headers, Body::from(bytes))
        }
        Fault::Unknown => {
            let mut body = body;
            body["future_field"] = serde_json::json!({"nested": [1]});
            respond(200, &headers, Body::from(body.to_string()))
        }
        fault => respond(200, &headers, stream::broken(&body.to_string(), fault, state)),
    }
}

pub(crate) fn reply(reply: &Reply) -> Response {
    let mut headers = vec![("content-type", "application/json")];
    for (name, value) in &reply.headers {
        headers.retain(|(known, _)| known != name);
        headers.push((name, value));
    }
    respond(reply.status, &headers, Body::from(reply.body.to_string()))
}

pub(crate) fn plain(status: u16, media_type: &str, text: String) -> Response {
    respond(status, &[("content-type", media_type)], Body::from(text))
}

fn respond(status: u16, headers: &[(&str, &str)], body: Body) -> Response {
    let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT));
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body).expect("the headers are written here")
}
