//! A local server that speaks the formats of language-model providers, so that clients can be exercised end to end:
//! OpenAI Responses and Chat Completions, Anthropic Messages, Gemini, Ollama, and servers that are like OpenAI's but
//! not quite.
//!
//! The name of the model chooses what the server does; [`BEHAVIOURS`] is the list. Requests are checked as strictly
//! as the providers do, and what a provider seals must come back unchanged.
//!
//! ```no_run
//! # async fn example() {
//! let server = lorewell_wire::Server::start().await;
//! let base = format!("{}/v1", server.url());
//! // … let a client with the key `lorewell_wire::KEY` talk to the model `text` there …
//! assert_eq!(server.requests()[0].body["model"], "text");
//! # }
//! ```

mod answer;
mod anthropic;
mod ask;
mod behaviour;
mod calls;
mod chat;
mod cite;
mod compat;
mod example;
mod failure;
mod format;
mod gemini;
mod media;
mod models;
mod muffle;
mod ollama;
mod responses;
mod route;
mod shape;
mod state;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;

pub use behaviour::{BEHAVIOURS, REFUSAL, TEXT, THOUGHT};
pub use compat::SERVERS;
pub use route::{EXPIRED_KEY, KEY};

/// Waits and sizes; a test sets them so that it shows what it wants to show quickly.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Between two events of `slow`.
    pub slow: Duration,
    /// Between two events of `trickle`.
    pub trickle: Duration,
    /// How long the `hang-…` models hang.
    pub hang: Duration,
    /// What `error-429` says about when to come back, in seconds.
    pub retry_after: String,
    /// Size of the text of `huge`.
    pub huge_bytes: usize,
    /// Pieces of the arguments of `ten-thousand`.
    pub pieces: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            slow: Duration::from_millis(50),
            trickle: Duration::from_millis(5),
            hang: Duration::from_secs(3600),
            retry_after: "1".to_owned(),
            huge_bytes: 100_000_000,
            pieces: 10_000,
        }
    }
}

/// A request that the server has seen.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `GET` or `POST`.
    pub method: String,
    /// With its query.
    pub path: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    /// `null` if it was no JSON.
    pub body: Value,
}

impl Seen {
    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A server that runs until it is dropped.
pub struct Server {
    url: String,
    silent_url: String,
    state: Arc<state::State>,
    // Bound, but nobody accepts: the system does, and nothing is ever read.
    _silent: TcpListener,
}

impl Server {
    /// Starts a server on a free port of this machine.
    ///
    /// # Panics
    /// If no port can be bound.
    pub async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    /// Starts a server with other waits and sizes.
    ///
    /// # Panics
    /// If no port can be bound.
    pub async fn with(settings: Settings) -> Self {
        let (listener, url) = bind().await;
        let (silent, silent_url) = bind().await;
        let state = Arc::new(state::State::new(settings));
        let service = route::router(Arc::clone(&state)).into_make_service_with_connect_info::<muffle::Muffle>();
        let until = Arc::clone(&state);
        let serving = axum::serve(muffle::MuffledListener(listener), service)
            .with_graceful_shutdown(async move { until.stopped().await });
        // Ends when the server is dropped.
        tokio::spawn(async move { serving.await });
        Self { url, silent_url, state, _silent: silent }
    }

    /// Returns the address, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns an address where connections are taken but nothing is ever read or said.
    pub fn silent_url(&self) -> &str {
        &self.silent_url
    }

    /// Returns all requests so far, in the order in which they came.
    pub fn requests(&self) -> Vec<Seen> {
        self.state.seen()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stop();
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("url", &self.url).finish_non_exhaustive()
    }
}

async fn bind() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("the listener is bound");
    (listener, format!("http://{address}"))
}
