//! Every format end to end, against the server in `tests/wire`, which the official clients accept.

mod answers;
mod compatible;
mod failures;
mod hostile;
mod requests;
mod schemas;
#[path = "../schemas/mod.rs"]
mod schemas_of_clients;

use std::time::Duration;

use lorewell_model::remote::Timeouts;
use lorewell_model::{Model, Open, Retry, model};
use lorewell_wire::{KEY, Server};

/// The providers whose formats the server speaks, and where.
const PROVIDERS: [(&str, &str); 5] =
    [("openai", "/v1"), ("openai-chat", "/v1"), ("anthropic", "/v1"), ("gemini", "/v1beta"), ("ollama", "")];

/// Opens a model of the server, which is asked once and waits little.
fn opened(server: &Server, provider: &str, behaviour: &str) -> Open {
    let place = PROVIDERS.iter().find(|(name, _)| *name == provider).map_or("", |(_, place)| place);
    model(format!("{provider}:{behaviour}"))
        .base_url(format!("{}{place}", server.url()))
        .key(KEY)
        .retry(Retry::never())
        .timeouts(Timeouts::each(Duration::from_secs(20)))
}

async fn open(server: &Server, provider: &str, behaviour: &str) -> Model {
    opened(server, provider, behaviour).await.expect("the name is right")
}
