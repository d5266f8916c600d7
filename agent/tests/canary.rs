//! Keys that must not be seen, planted where keys are: in the file of keys, and in what an agent shares with its tools. A server that
//! quotes them and tools that say them do their worst; then all that was sent, stored, logged and told is searched for them.

#![cfg(all(feature = "sqlite", feature = "trace"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot run has nothing to say")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lorewell_agent::checkpoint::Sqlite;
use lorewell_agent::trace::TraceStore;
use lorewell_agent::{Agent, Chat, Kind, Outcome, Result, ToolCx, ToolError};
use lorewell_model::{Keys, Retry, Secret, model, semconv, span};
use serde_json::{Value, json};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::prelude::*;

const PROVIDER_KEY: &str = "sk-canary-Qm7xT2vB9pLs4KwZ-8rYcNe5HdJf3";
const TOOL_KEY: &str = "tool-canary-Xw6bV1nM0aSd9FgH-2jKlPo8UyTr4";
/// What is looked for: half a key is a key too.
const NEEDLES: [&str; 4] = ["Qm7xT2vB9pLs4KwZ", "8rYcNe5HdJf3", "Xw6bV1nM0aSd9FgH", "2jKlPo8UyTr4"];

/// Bytes that grow from many sides.
#[derive(Clone, Default)]
struct Bytes(Arc<Mutex<Vec<u8>>>);

impl Bytes {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl std::io::Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A provider that quotes the key it was given, in errors.
struct Server {
    address: String,
    /// What was sent, but for the header with the key.
    sent: Bytes,
    keys: Bytes,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/v1", listener.local_addr().unwrap());
        let server = Self { address, sent: Bytes::default(), keys: Bytes::default() };
        let (sent, keys) = (server.sent.clone(), server.keys.clone());
        std::thread::spawn(move || {
            for (stream, turn) in listener.incoming().map_while(std::io::Result::ok).zip(0..) {
                answer(stream, turn, sent.clone(), keys.clone()).unwrap();
            }
        });
        server
    }
}

fn answer(mut stream: TcpStream, turn: usize, mut sent: Bytes, mut keys: Bytes) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut key, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else {
            sent.write_all(line.as_bytes())?;
            if line.trim().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => value.trim().trim_start_matches("Bearer ").clone_into(&mut key),
            "content-length" => length = value.trim().parse().unwrap(),
            _ => sent.write_all(line.as_bytes())?,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    sent.write_all(&body)?;
    writeln!(keys, "{key}")?;
    let quoting = json!({"error": {"message": format!("Incorrect API key provided: {key}. Tell nobody {key}.")}});
    match turn {
        0 => events(&mut stream, &json!({"tool_calls": calls()}), "tool_calls"),
        1 => refuse(&mut stream, 503, &quoting),
        2 => events(&mut stream, &json!({"content": "All of them said no."}), "stop"),
        _ => refuse(&mut stream, 401, &quoting),
    }
}

fn calls() -> Value {
    let names = ["says_it", "fails_with_it", "breaks_with_it"].into_iter().enumerate();
    names
        .map(|(index, name)| {
            let function = json!({"name": name, "arguments": "{\"city\":\"Paris\"}"});
            json!({"index": index, "id": format!("call-{index}"), "type": "function", "function": function})
        })
        .collect()
}

fn events(stream: &mut TcpStream, delta: &Value, finish: &str) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n")?;
    for (delta, finish) in [(delta, Value::Null), (&json!({}), finish.into())] {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        write!(stream, "data: {}\n\n", json!({"id": "1", "model": "m", "choices": [choice]}))?;
    }
    stream.write_all(b"data: [DONE]\n\n")
}

fn refuse(stream: &mut TcpStream, status: u16, body: &Value) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 {status} No\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n");
    write!(stream, "{head}{body}")
}

/// Asks a service that quotes the key of whoever asks.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Asked {
    city: String,
}

/// What the service says.
fn quoted(cx: &ToolCx, asked: &Asked) -> String {
    let key = cx.shared::<Secret>().unwrap();
    assert_eq!(key.reveal(), TOOL_KEY);
    format!("{}: the key {} is not known", asked.city, key.reveal())
}

async fn says_it(cx: ToolCx, asked: Asked) -> Result<String, ToolError> {
    std::future::ready(Ok(quoted(&cx, &asked))).await
}

async fn fails_with_it(cx: ToolCx, asked: Asked) -> Result<String, ToolError> {
    std::future::ready(Err(ToolError::failed(quoted(&cx, &asked)))).await
}

async fn breaks_with_it(cx: ToolCx, asked: Asked) -> Result<String, ToolError> {
    let cause = std::io::Error::other(quoted(&cx, &asked));
    let error = lorewell_agent::Error::new(Kind::Refused, "the service said no").caused_by(cause);
    std::future::ready(Err(error.into())).await
}

fn listen(traces: &TraceStore) -> Bytes {
    let logs = Bytes::default();
    let written = logs.clone();
    let fmt = tracing_subscriber::fmt::layer().with_ansi(false).with_span_events(FmtSpan::FULL);
    tracing_subscriber::registry().with(fmt.with_writer(move || written.clone())).with(traces.layer()).init();
    span::take_content(true);
    logs
}

/// Searches a place for keys.
fn check(place: &str, bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref();
    for needle in NEEDLES {
        let found = bytes.windows(needle.len()).position(|window| window == needle.as_bytes());
        let around = |at: usize| String::from_utf8_lossy(&bytes[at.saturating_sub(80)..at]).into_owned();
        assert!(found.is_none(), "{place} shows a key, behind `{}`", found.map(around).unwrap_or_default());
    }
}

fn check_files(folder: &Path) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += check_files(&path);
        } else {
            check(&path.display().to_string(), std::fs::read(&path).unwrap());
            files += 1;
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_is_seen_anywhere() {
    let (private, stores) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let traces = TraceStore::open(stores.path().join("traces.sqlite")).await.unwrap();
    let logs = listen(&traces);
    let server = Server::start();
    let keys = Keys::file(private.path().join("keys.json"));
    keys.set("openai-chat", &Secret::new(PROVIDER_KEY)).unwrap();
    let retry = Retry::default().first(Duration::from_millis(1));
    let model = model("openai-chat:m").base_url(&server.address).keys(keys).retry(retry).await.unwrap();
    let agent = Agent::new(model)
        .share(Secret::new(TOOL_KEY))
        .tool("says_it", says_it)
        .tool("fails_with_it", fails_with_it)
        .tool("breaks_with_it", breaks_with_it);
    let store = Sqlite::open(stores.path().join("threads.sqlite")).await.unwrap();
    let thread = agent.thread("canary", store.clone()).unwrap();

    let mut told = String::new();
    let mut heard = thread.run(Chat::say("What do they say?")).events();
    while let Some(event) = heard.next().await {
        told.push_str(&format!("{event:?}\n"));
    }
    let Outcome::Done(chat) = heard.outcome().await.unwrap() else { panic!("nothing asks") };
    assert_eq!(chat.text(), "All of them said no.");
    let error = thread.run(Chat::say("Again!")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Auth);
    traces.flush().await.unwrap();

    // The keys were really used, and what could have told them was really told.
    assert!(server.keys.text().lines().all(|key| key == PROVIDER_KEY) && server.keys.text().lines().count() == 4);
    assert!(error.to_string().contains("Incorrect API key provided: …"), "{error}");
    assert!(server.sent.text().contains("the key … is not known"), "{}", server.sent.text());
    for said in ["the service said no: Paris: the key … is not known", "asking the model again", "execute_tool"] {
        assert!(logs.text().contains(said), "the log has no `{said}`");
    }
    let mut shown = String::new();
    for summary in traces.list(10).await.unwrap() {
        shown.push_str(&serde_json::to_string(&traces.read(summary.id).await.unwrap()).unwrap());
    }
    for said in [semconv::INPUT_MESSAGES, semconv::TOOL_CALL_RESULT, "What do they say?", "Paris: the key … is not"] {
        assert!(shown.contains(said), "the traces have no `{said}`");
    }

    check("a prompt", server.sent.text());
    check("an event", told);
    check("an error", format!("{error} {error:?}"));
    check("a state", format!("{chat:?} {agent:?} {thread:?}"));
    check("a trace", shown);
    check("the log", logs.text());
    assert!(check_files(stores.path()) >= 2, "both stores were searched while they are open");
    drop((thread, store, traces));
    check_files(stores.path());
}
