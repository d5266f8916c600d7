//! Sentences per second and query latency of a local embedder, beside which other engines can be put:
//! `cargo bench -p lorewell-embed --bench throughput -- <model dir>`, or `--features bundled-minilm` without a
//! directory. `RAYON_NUM_THREADS` sets the threads. Texts are random words of the vocabulary, which are one token each.

use std::time::{Duration, Instant};

use lorewell_embed::{Embedder, Purpose};
use lorewell_model::{Error, Kind, Result};

/// Long enough for the clock of a busy machine to settle.
const RUN: Duration = Duration::from_secs(4);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let start = Instant::now();
    let embedder = open(std::env::args().skip(1).find(|argument| !argument.starts_with('-')))?;
    println!("{}: opened in {:.1} ms", embedder.info().name, start.elapsed().as_secs_f64() * 1e3);
    let start = Instant::now();
    embedder.embed(&["hello"], Purpose::Query).await?;
    println!("first query {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    let fixed: Vec<String> = (0..256).map(|seed| text(seed, 126)).collect();
    let mixed: Vec<String> = (0..256).map(|seed| text(seed, 30 + seed * 7919 % 193)).collect();
    for (name, texts) in [("fixed 128", &fixed), ("mixed 32-224", &mixed)] {
        println!("{name}: {:.1} sentences/s", rate(&embedder, texts).await?);
    }
    for tokens in [8, 16, 32] {
        println!("single {tokens} tokens: {:.2} ms p50", latency(&embedder, tokens).await? * 1e3);
    }
    counting(&embedder, &fixed.join(". "));
    Ok(())
}

fn open(dir: Option<String>) -> Result<Embedder> {
    match dir {
        Some(dir) => Embedder::open(dir),
        #[cfg(feature = "bundled-minilm")]
        None => Embedder::bundled(),
        #[cfg(not(feature = "bundled-minilm"))]
        None => Err(Error::new(Kind::BadInput, "name a model directory or add `--features bundled-minilm`")),
    }
}

const WORDS: [&str; 16] = [
    "river", "stone", "garden", "memory", "window", "simple", "number", "winter", "letter", "market", "yellow",
    "system", "travel", "answer", "island", "method",
];

fn text(seed: usize, words: usize) -> String {
    (0..words).map(|index| WORDS[(seed * 31 + index * 7 + index * index) % WORDS.len()]).collect::<Vec<_>>().join(" ")
}

async fn rate(embedder: &Embedder, texts: &[String]) -> Result<f64> {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let start = Instant::now();
    let mut sentences = 0_u32;
    while start.elapsed() < RUN {
        let vectors = embedder.embed(&texts, Purpose::Passage).await?;
        sentences += u32::try_from(vectors.len()).map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
    }
    Ok(f64::from(sentences) / start.elapsed().as_secs_f64())
}

async fn latency(embedder: &Embedder, tokens: usize) -> Result<f64> {
    let mut times = Vec::new();
    for seed in 0..200 {
        let text = text(seed, tokens - 2);
        let start = Instant::now();
        embedder.embed(&[&text], Purpose::Query).await?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

fn counting(embedder: &Embedder, text: &str) {
    let start = Instant::now();
    let mut bytes = 0.0;
    while start.elapsed() < RUN / 8 {
        std::hint::black_box(embedder.count_tokens(text));
        bytes += f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX));
    }
    println!("counting tokens: {:.0} MB/s", bytes / 1e6 / start.elapsed().as_secs_f64());
}
