//! As much of an HTTP client as it takes to see every byte of an answer, and whether it ended in good order.

use std::time::Duration;

use lorewell_wire::Server;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than any answer takes that comes at all.
const SILENCE: Duration = Duration::from_millis(400);

/// An answer, byte for byte.
pub(crate) struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// It ended in good order.
    pub ended: bool,
    /// The connection was closed, not left silent.
    pub closed: bool,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("the answer is UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the answer is JSON")
    }

    /// The JSON of every event or line.
    pub(crate) fn events(&self) -> Vec<Value> {
        let text = self.text();
        let data = text.lines().map(|line| line.strip_prefix("data: ").unwrap_or(line));
        data.filter(|line| line.starts_with('{'))
            .map(|line| serde_json::from_str(line).expect("events are JSON"))
            .collect()
    }
}

/// The formats, as they are asked for one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Responses,
    Chat,
    Anthropic,
    Gemini,
    Ollama,
}

pub(crate) const FORMATS: [Format; 5] =
    [Format::Responses, Format::Chat, Format::Anthropic, Format::Gemini, Format::Ollama];

impl Format {
    pub(crate) fn path(self, model: &str, is_streamed: bool) -> String {
        match self {
            Self::Responses => "/v1/responses".to_owned(),
            Self::Chat => "/v1/chat/completions".to_owned(),
            Self::Anthropic => "/v1/messages".to_owned(),
            Self::Gemini if is_streamed => format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
            Self::Gemini => format!("/v1beta/models/{model}:generateContent"),
            Self::Ollama => "/api/chat".to_owned(),
        }
    }

    pub(crate) fn body(self, model: &str, is_streamed: bool) -> Value {
        let messages = json!([{"role": "user", "content": "grüß dich"}]);
        match self {
            Self::Responses => json!({"model": model, "stream": is_streamed, "input": "grüß dich"}),
            Self::Chat => json!({"model": model, "stream": is_streamed, "messages": messages}),
            Self::Anthropic => {
                json!({"model": model, "stream": is_streamed, "messages": messages, "max_tokens": 2048})
            }
            Self::Gemini => json!({"contents": [{"role": "user", "parts": [{"text": "grüß dich"}]}]}),
            Self::Ollama => json!({"model": model, "stream": is_streamed, "messages": messages}),
        }
    }

    /// Adds two tools.
    pub(crate) fn tools(self, body: &mut Value) {
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
                            "additionalProperties": false});
        let each = |name: &str| match self {
            Self::Responses => json!({"type": "function", "name": name, "parameters": schema, "strict": true}),
            Self::Anthropic => json!({"name": name, "input_schema": schema}),
            Self::Gemini => json!({"name": name, "parametersJsonSchema": schema}),
            Self::Chat | Self::Ollama => {
                json!({"type": "function", "function": {"name": name, "parameters": schema}})
            }
        };
        let tools = json!([each("first"), each("second")]);
        body["tools"] = if self == Self::Gemini { json!([{"functionDeclarations": tools}]) } else { tools };
    }
}

/// Asks a model in a format, with `more` put into the body.
pub(crate) async fn ask(server: &Server, format: Format, model: &str, is_streamed: bool, more: Value) -> Answer {
    let mut body = format.body(model, is_streamed);
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    post(server, &format.path(model, is_streamed), "test-key", &body).await
}

pub(crate) async fn post(server: &Server, path: &str, key: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let key = if key.is_empty() { String::new() } else { format!("Authorization: Bearer {key}\r\n") };
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{key}Content-Length: {}\r\n", body.len());
    send(server.url(), &format!("{head}Content-Type: application/json\r\n\r\n{body}")).await
}

pub(crate) async fn get(server: &Server, path: &str, headers: &str) -> Answer {
    send(server.url(), &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")).await
}

pub(crate) async fn send(url: &str, request: &str) -> Answer {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.expect("the server listens");
    stream.write_all(request.as_bytes()).await.expect("the server listens");
    let mut bytes = Vec::new();
    let mut piece = vec![0; 65536];
    let closed = loop {
        match tokio::time::timeout(SILENCE, stream.read(&mut piece)).await {
            Ok(Ok(0) | Err(_)) => break true,
            Ok(Ok(length)) => bytes.extend_from_slice(&piece[..length]),
            Err(_) => break false,
        }
    };
    parse(&bytes, closed)
}

fn parse(bytes: &[u8], closed: bool) -> Answer {
    let split = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, rest) = split.map_or((bytes, &[][..]), |at| (&bytes[..at], &bytes[at + 4..]));
    let head = String::from_utf8_lossy(head).to_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let (body, ended) = if head.contains("transfer-encoding: chunked") {
        unchunked(rest)
    } else {
        (rest.to_vec(), split.is_some() && closed)
    };
    Answer { status, head, body, ended, closed }
}

fn unchunked(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(at) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(&String::from_utf8_lossy(&bytes[..at]), 16).expect("a size");
        if size == 0 {
            return (body, true);
        }
        let end = (at + 2 + size).min(bytes.len());
        body.extend_from_slice(&bytes[at + 2..end]);
        bytes = bytes.get(end + 2..).unwrap_or_default();
    }
    (body, false)
}
