//! Answers that are spoilt: bytes exchanged, left out, doubled, cut off. Whatever comes, a decoder gives events or an error,
//! the same ones however the bytes are cut.

use lorewell_model::remote::Format;
use lorewell_model::{Effort, Event, Fold, Request, ToolSpec};
use lorewell_wire::{KEY, Server};

/// Spoilt variants of each answer.
const VARIANTS: u64 = 150;
const SEEDS: &[&str] = &["text", "tool", "tools", "reasoning", "cited", "unknown-events", "server-tool"];

/// A generator of splitmix64 (Steele, Lea, Flood 2014): the same spoilt answers in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).expect("it is below a usize")
    }
}

fn spoil(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    const PIECES: &[&[u8]] =
        &[b"null", b"{}", b"[]", b"\"\"", b"-1", b"1e99", b"\xff", b"\n\n", b"}", b"\\u0000", b"\r"];
    let mut bytes = bytes.to_vec();
    for _ in 0..=dice.below(3) {
        let at = dice.below(bytes.len());
        let end = (at + 1 + dice.below(40)).min(bytes.len());
        match dice.below(5) {
            0 => bytes[at] = dice.next().to_le_bytes()[0],
            1 => drop(bytes.drain(at..end)),
            2 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            3 => drop(bytes.splice(at..end, PIECES[dice.below(PIECES.len())].iter().copied())),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

/// Reads an answer in pieces of a size; the error in words.
fn decode(format: Format, bytes: &[u8], size: usize) -> (Vec<Event>, Option<String>) {
    let (mut decoder, mut events) = (format.decoder(), Vec::new());
    let read = bytes.chunks(size).try_for_each(|piece| decoder.push(piece, &mut events));
    let read = read.and_then(|()| decoder.end(&mut events));
    (events, read.err().map(|error| format!("{error:?}")))
}

async fn answer(server: &Server, format: Format, behaviour: &str) -> Vec<u8> {
    let schema = serde_json::json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let request = Request::from("go").tool(ToolSpec::new("get", "Gets.", schema)).effort(Effort::Low);
    let body = format.body(behaviour, &request).expect("the server answers");
    let path = match format {
        Format::Responses => "v1/responses".to_owned(),
        Format::Anthropic => "v1/messages".to_owned(),
        Format::Gemini => format!("v1beta/models/{behaviour}:streamGenerateContent?alt=sse"),
        Format::Ollama => "api/chat".to_owned(),
        _ => "v1/chat/completions".to_owned(),
    };
    let _ = rustls::crypto::ring::default_provider().install_default(); // it fails only if there is one
    let client = reqwest::Client::builder().no_proxy().build().expect("the server answers");
    let sent = client.post(format!("{}/{path}", server.url())).bearer_auth(KEY).header("x-api-key", KEY);
    let sent = sent.header("x-goog-api-key", KEY).header("anthropic-version", "2023-06-01");
    let sent = sent.header("content-type", "application/json").body(body.to_string());
    let answer = sent.send().await.expect("the server answers");
    assert!(answer.status().is_success(), "{format:?} {behaviour}: {:?}", answer.text().await);
    answer.bytes().await.expect("the server answers").to_vec()
}

#[tokio::test]
async fn whatever_comes_is_events_or_an_error() {
    let server = Server::start().await;
    let mut failed = 0;
    for format in Format::ALL {
        for behaviour in SEEDS {
            let whole = answer(&server, format, behaviour).await;
            assert_eq!(decode(format, &whole, whole.len()).1, None, "{format:?} {behaviour}");
            let mut dice = Dice(7);
            for variant in 0..VARIANTS {
                let bytes = spoil(&whole, &mut dice);
                let expected = decode(format, &bytes, bytes.len().max(1));
                for size in [1, 13] {
                    assert_eq!(decode(format, &bytes, size), expected, "{format:?} {behaviour} {variant}");
                }
                let mut fold = Fold::new();
                // An error is as good; it is the panic that is looked for.
                let _ = expected.0.iter().try_for_each(|event| fold.push(event));
                failed += u32::from(expected.1.is_some());
            }
        }
    }
    assert!(failed > 100, "only {failed} of the spoilt answers were refused");
}
