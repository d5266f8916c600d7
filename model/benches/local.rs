//! Local models beside llama.cpp on the same files: `LOREWELL_BENCH_MODELS` names GGUF files, separated by `:`. With a
//! Python that has llama-cpp-python in `LOREWELL_PEERS_PYTHON`, `tests/parity/bench_llama_cpp.py` runs right after each.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use lorewell_model::local::{Local, Markers};
use lorewell_model::{ChatModel as _, Event, Request};
use serde_json::Value;

const WINDOW: usize = 2048;
const PROMPT_TOKENS: usize = 512;
const ANSWER_TOKENS: u32 = 64;
const SEQUENCES: usize = 4;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A prompt of about so many tokens, none of which was read before.
fn prompt(local: &Local, tokens: usize, first: usize) -> Outcome<(String, usize)> {
    let mut text = String::new();
    for word in first.. {
        text.push_str(&format!("{word} "));
        let found = local.tokenizer().encode(&text, Markers::Text)?.len();
        if found >= tokens {
            return Ok((text, found));
        }
    }
    unreachable!("numbers go on")
}

/// Seconds to the first token, and to each of the others.
async fn answer(local: &Local, prompt: &str, tokens: u32) -> Outcome<(f64, f64)> {
    let request = Request::from(prompt).temperature(0.0).output_tokens_max(tokens);
    let (began, mut first, mut said, mut events) = (Instant::now(), None, 0, local.stream(request));
    while let Some(event) = events.next().await {
        match event? {
            Event::Text { .. } | Event::Reasoning { .. } => {
                first.get_or_insert_with(|| began.elapsed().as_secs_f64());
            }
            Event::Usage { usage } => said = usage.output_tokens,
            _ => {}
        }
    }
    let first = first.unwrap_or_else(|| began.elapsed().as_secs_f64());
    if said != u64::from(tokens) {
        return Err(format!("{said} of {tokens} tokens were said; take another model").into());
    }
    Ok((first, (began.elapsed().as_secs_f64() - first) / f64::from(tokens - 1)))
}

/// The most memory that was used, in MiB.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().map_or(f64::NAN, |kib| kib / 1024.0)
}

async fn measure(path: &str) -> Outcome<()> {
    let began = Instant::now();
    let local = Local::open(path, WINDOW)?;
    let ready = began.elapsed().as_secs_f64();
    answer(&local, "warm up", 8).await?;
    let (text, tokens) = prompt(&local, PROMPT_TOKENS, 1000)?;
    let before = local.counters();
    let (first, _) = answer(&local, &text, 2).await?;
    let read = local.counters().read_tokens - before.read_tokens;
    let (_, each) = answer(&local, "Once", ANSWER_TOKENS).await?;
    let began = Instant::now();
    let prompts: Vec<String> = (0..SEQUENCES).map(|index| format!("Sequence {index}")).collect();
    let answers = prompts.iter().map(|prompt| answer(&local, prompt, ANSWER_TOKENS));
    futures_util::future::try_join_all(answers).await?;
    let batch = f64::from(ANSWER_TOKENS) * SEQUENCES as f64 / began.elapsed().as_secs_f64();
    println!(
        "  lorewell   prompt {:6.1} tok/s ({read} of {tokens})  first {:5.0} ms  decode {:5.1} tok/s  \
        four {batch:5.1} tok/s  ready {ready:4.2} s  peak {:.0} MiB",
        read as f64 / first,
        first * 1e3,
        1.0 / each,
        peak()
    );
    Ok(())
}

/// What llama.cpp does with the same file.
fn peer(python: &str, path: &str) -> Outcome<()> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/bench_llama_cpp.py");
    for flash in ["on", "off"] {
        let output =
            Command::new(python).args([script, path, "--threads", "2", "--repeat", "1", "--flash", flash]).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let found: Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
        println!("  llama.cpp, flash {flash}: {found}");
    }
    Ok(())
}

fn main() -> Outcome<()> {
    let Ok(models) = std::env::var("LOREWELL_BENCH_MODELS") else {
        println!("skipped: LOREWELL_BENCH_MODELS names no GGUF files");
        return Ok(());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    for path in models.split(':') {
        println!("{}", Path::new(path).file_name().unwrap_or_default().to_string_lossy());
        runtime.block_on(measure(path))?;
        if let Ok(python) = std::env::var("LOREWELL_PEERS_PYTHON") {
            peer(&python, path)?;
        }
    }
    Ok(())
}
