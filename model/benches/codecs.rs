//! What the wire costs: processor time for each event, how the cost of a call grows with the pieces of its arguments, and
//! memory while a thousand answers stream at once. `cargo bench -p lorewell-model --bench codecs`; it ends with an error
//! where a bar does not hold. Events are those of the server in `tests/wire`, read once before anything is timed.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use lorewell_model::remote::Format;
use lorewell_model::{Event, Fold, Request, Retry, ToolSpec, model};
use lorewell_wire::{KEY, Server, Settings};

/// Processor time of one event, from bytes to a folded answer.
const EVENT_MAX: Duration = Duration::from_micros(2);
/// How much more each piece may cost in a call of ten times the pieces.
const GROWTH_MAX: f64 = 1.5;
/// Memory for a thousand answers at once, server and client together in this process.
const STREAMS_BYTES_MAX: u64 = 100_000_000;
const STREAMS: usize = 1000;
/// The least of so many rounds counts: others who use the machine only ever make it longer.
const ROUNDS: usize = 30;

const CASES: [(Format, &str, &str); 5] = [
    (Format::Responses, "openai", "/v1"),
    (Format::Chat, "openai-chat", "/v1"),
    (Format::Anthropic, "anthropic", "/v1"),
    (Format::Gemini, "gemini", "/v1beta"),
    (Format::Ollama, "ollama", ""),
];

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS; // `cargo test --benches` only wants to know that it builds
    }
    // It fails only if there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let holds = runtime.expect("the system gives threads").block_on(run());
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run() -> bool {
    println!(
        "| format | events | processor an event (≤ 2 µs) | 1000 pieces | 10,000 pieces | growth (≤ {GROWTH_MAX}) |"
    );
    println!("|---|---|---|---|---|---|");
    let mut holds = true;
    for (format, provider, place) in CASES {
        let text = recorded(provider, place, "trickle", 10_000).await;
        let (events, each) = timed(format, &text);
        let few = timed(format, &recorded(provider, place, "ten-thousand", 1000).await);
        let many = timed(format, &recorded(provider, place, "ten-thousand", 10_000).await);
        let growth = many.1.as_secs_f64() / few.1.as_secs_f64();
        // Gemini and Ollama have calls whole.
        let grows = few.0 > 100;
        let shown = if grows { format!("{growth:.2}") } else { "whole".to_owned() };
        println!("| {provider} | {events} | {each:?} | {:?} | {:?} | {shown} |", few.1, many.1);
        holds &= each <= EVENT_MAX && (!grows || growth <= GROWTH_MAX);
    }
    let peak = streams().await;
    println!("\n{STREAMS} answers at once: {:.1} MB (≤ {:.0} MB)", mb(peak), mb(STREAMS_BYTES_MAX));
    holds && peak <= STREAMS_BYTES_MAX
}

#[expect(clippy::cast_precision_loss, reason = "for a person to read")]
fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Asks the server by hand and returns the bytes of its answer.
async fn recorded(provider: &str, place: &str, behaviour: &str, pieces: usize) -> Vec<u8> {
    let server = Server::with(Settings { trickle: Duration::ZERO, pieces, ..Settings::default() }).await;
    let tool = ToolSpec::new("get", "Gets.", serde_json::json!({"type": "object", "properties": {}}));
    let request = Request::from("go").tool(tool).output_tokens_max(1000);
    let format = CASES.iter().find(|(_, name, _)| *name == provider).map_or(Format::Chat, |(format, ..)| *format);
    let body = format.body(behaviour, &request).expect("the request is plain");
    let path = match format {
        Format::Responses => "responses".to_owned(),
        Format::Anthropic => "messages".to_owned(),
        Format::Gemini => format!("models/{behaviour}:streamGenerateContent?alt=sse"),
        Format::Ollama => "api/chat".to_owned(),
        _ => "chat/completions".to_owned(),
    };
    let client = reqwest::Client::builder().no_proxy().build().expect("a client without TLS");
    let sent = client.post(format!("{}{place}/{path}", server.url())).bearer_auth(KEY).header("x-api-key", KEY);
    let sent = sent.header("x-goog-api-key", KEY).header("anthropic-version", "2023-06-01").body(body.to_string());
    let answer = sent.header("content-type", "application/json").send().await.expect("the server answers");
    assert!(answer.status().is_success(), "{provider}:{behaviour}: {:?}", answer.text().await);
    answer.bytes().await.expect("the answer is whole").to_vec()
}

/// Reads an answer many times; returns its events, and the least time for each of them.
fn timed(format: Format, bytes: &[u8]) -> (u32, Duration) {
    let mut least = Duration::MAX;
    let mut count = 0;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let (mut decoder, mut fold, mut events) = (format.decoder(), Fold::new(), Vec::<Event>::new());
        count = 0;
        // As they come from a socket.
        for piece in bytes.chunks(4096) {
            decoder.push(piece, &mut events).expect("the answer can be read");
            count += u32::try_from(events.len()).expect("a few");
            events.drain(..).for_each(|event| fold.push(&event).expect("the answer can be folded"));
        }
        decoder.end(&mut events).expect("the answer is whole");
        count += u32::try_from(events.len()).expect("a few");
        events.drain(..).for_each(|event| fold.push(&event).expect("the answer can be folded"));
        black_box(fold.reply().expect("the answer is whole"));
        least = least.min(began.elapsed());
    }
    (count, least / count.max(1))
}

/// Reads a thousand answers at once, and returns how much memory that took at its peak.
async fn streams() -> u64 {
    let settings = Settings { trickle: Duration::from_millis(50), ..Settings::default() };
    let server = Server::with(settings).await;
    let url = format!("{}/v1", server.url());
    let model = model("openai:trickle").base_url(url).key(KEY).retry(Retry::never()).await.expect("the name is right");
    model.chat("go").await.expect("the server answers");
    let before = status("VmRSS:");
    std::fs::write("/proc/self/clear_refs", "5").expect("the peak of memory is begun anew");
    let answers = join_all((0..STREAMS).map(|_| model.chat("go"))).await;
    let said = answers.into_iter().map(|answer| answer.expect("the server answers").text().len()).sum::<usize>();
    assert!(said > 0);
    status("VmHWM:").saturating_sub(before)
}

/// Reads a number of bytes that the system says of this process.
fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() * 1024
}
