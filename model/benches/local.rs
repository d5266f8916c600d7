//! Local models beside llama.cpp on the same files: `LOREWELL_BENCH_MODELS` names GGUF files, separated by `:`. With a
//! Python that has llama-cpp-python in `LOREWELL_PEERS_PYTHON`, `tests/parity/bench_llama_cpp.py` runs in turn with ours,
//! and each row is the median of `LOREWELL_BENCH_RUNS`. Every run is a process of its own, and nothing is held to a grammar.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use lorewell_model::local::{Local, Markers};
use lorewell_model::{ChatModel as _, Event, Message, Request};

/// Names the file that a process measures.
const CHILD: &str = "LOREWELL_BENCH_CHILD";
const WINDOW: usize = 2560;
const PROMPT_TOKENS: usize = 512;
const DEPTH: usize = 1024;
const CHAT_TOKENS: usize = 2000;
const ANSWER_TOKENS: u32 = 64;
const SEQUENCES: usize = 4;
/// What is measured on both sides, by its name in `bench_llama_cpp.py`.
const ROWS: &[(&str, &str)] = &[
    ("pp512", "prompt of 512 tokens, tok/s"),
    ("ttft512", "first token after 512, ms (less is better)"),
    ("tg64", "64 tokens, tok/s"),
    ("tg_1024", "64 tokens after 1024, tok/s"),
    ("batch4", "4 answers at once, tok/s"),
    ("ready", "opening, ms (less is better)"),
    ("rss_peak", "peak memory, MiB (less is better)"),
];

type Outcome<T> = Result<T, Box<dyn Error>>;
/// Measurements by name.
type Numbers = BTreeMap<String, f64>;

/// When an answer began to come, and when it was whole.
struct Times {
    asked: Instant,
    first: Instant,
    end: Instant,
}

impl Times {
    fn first_seconds(&self) -> f64 {
        (self.first - self.asked).as_secs_f64()
    }

    fn tokens_per_second(&self) -> f64 {
        f64::from(ANSWER_TOKENS - 1) / (self.end - self.first).as_secs_f64()
    }
}

/// What an open model is asked, with texts that it has not read before.
struct Bench {
    local: Local,
    /// Tokens that the template puts around a text.
    around: usize,
    texts: usize,
}

impl Bench {
    async fn new(path: &str) -> Outcome<Self> {
        let mut bench = Self { local: Local::open(path, WINDOW)?, around: 0, texts: 0 };
        let text = bench.text(PROMPT_TOKENS)?;
        let before = bench.local.counters();
        bench.answer(Request::from(text.as_str()), 8).await?;
        let after = bench.local.counters();
        let all = after.read_tokens + after.reused_tokens - before.read_tokens - before.reused_tokens;
        bench.around = usize::try_from(all)? - PROMPT_TOKENS;
        Ok(bench)
    }

    /// A text that makes a prompt of exactly so many tokens.
    fn text(&mut self, tokens: usize) -> Outcome<String> {
        self.texts += 1;
        let mut text = format!("Text {}:", self.texts);
        for letter in (1000..).flat_map(|number: u32| format!(" {number}").into_bytes()) {
            let found = self.local.tokenizer().encode(&text, Markers::Text)?.len();
            if found >= tokens - self.around {
                return if found == tokens - self.around { Ok(text) } else { self.text(tokens) };
            }
            text.push(char::from(letter));
        }
        unreachable!("numbers go on")
    }

    async fn answer(&self, request: Request, tokens: u32) -> Outcome<Times> {
        let request = request.temperature(0.0).output_tokens_max(tokens);
        let (asked, mut first, mut said) = (Instant::now(), None, 0);
        let mut events = self.local.stream(request);
        while let Some(event) = events.next().await {
            match event? {
                Event::Text { .. } | Event::Reasoning { .. } => _ = first.get_or_insert_with(Instant::now),
                Event::Usage { usage } => said = usage.output_tokens,
                _ => {}
            }
        }
        if said != u64::from(tokens) {
            return Err(format!("{said} of {tokens} tokens were said; take another model").into());
        }
        let end = Instant::now();
        Ok(Times { asked, first: first.unwrap_or(end), end })
    }

    /// An answer to a prompt of exactly so many tokens, all of which are read.
    async fn answer_after(&mut self, prompt: usize, tokens: u32) -> Outcome<Times> {
        let text = self.text(prompt)?;
        let before = self.local.counters().read_tokens;
        let times = self.answer(Request::from(text.as_str()), tokens).await?;
        match self.local.counters().read_tokens - before {
            read if read == prompt as u64 => Ok(times),
            read => Err(format!("{read} of {prompt} tokens were read; the others had been read before").into()),
        }
    }

    /// Tokens per second of several answers, from the first token of one to the last of all.
    async fn at_once(&self) -> Outcome<f64> {
        let prompts: Vec<String> = (0..SEQUENCES).map(|index| format!("Sequence {index}")).collect();
        let answers = prompts.iter().map(|prompt| self.answer(Request::from(prompt.as_str()), ANSWER_TOKENS));
        let times = futures_util::future::try_join_all(answers).await?;
        let first = times.iter().map(|times| times.first).min().ok_or("nothing was asked")?;
        let end = times.iter().map(|times| times.end).max().ok_or("nothing was asked")?;
        Ok(f64::from(ANSWER_TOKENS - 1) * SEQUENCES as f64 / (end - first).as_secs_f64())
    }

    /// Milliseconds to the first token of the second turn of a chat, after its first turn or after nothing.
    async fn second_turn(&mut self, is_first_read: bool) -> Outcome<f64> {
        let text = self.text(CHAT_TOKENS)?;
        if is_first_read {
            self.answer(Request::from(text.as_str()), ANSWER_TOKENS).await?;
        }
        let turns = [Message::user(text), Message::assistant("It goes on."), Message::user("And then?")];
        Ok(1e3 * self.answer(Request::new(turns), 2).await?.first_seconds())
    }
}

/// The most memory that was used, in MiB.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().map_or(f64::NAN, |kib| kib / 1024.0)
}

/// Measures a file in this process.
async fn measure(path: &str) -> Outcome<Numbers> {
    let began = Instant::now();
    let opened = Local::open(path, WINDOW)?;
    let ready = 1e3 * began.elapsed().as_secs_f64();
    let mut bench = Bench::new(path).await?;
    drop(opened);
    let first = bench.answer_after(PROMPT_TOKENS, 2).await?.first_seconds();
    let shallow = bench.answer(Request::from("Once"), ANSWER_TOKENS).await?.tokens_per_second();
    let rss_peak = peak();
    let deep = bench.answer_after(DEPTH, ANSWER_TOKENS).await?.tokens_per_second();
    let numbers = [
        ("pp512", PROMPT_TOKENS as f64 / first),
        ("ttft512", 1e3 * first),
        ("tg64", shallow),
        ("tg_1024", deep),
        ("batch4", bench.at_once().await?),
        ("ready", ready),
        ("rss_peak", rss_peak),
        ("second_turn_fresh", bench.second_turn(false).await?),
        ("second_turn", bench.second_turn(true).await?),
    ];
    Ok(numbers.map(|(name, number)| (name.to_owned(), number)).into())
}

/// What a process writes as its last line.
fn numbers(command: &mut Command) -> Outcome<Numbers> {
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_str(text.lines().last().unwrap_or_default()).map_err(|_| words.into())
}

fn ours(path: &str) -> Outcome<Numbers> {
    numbers(Command::new(std::env::current_exe()?).env(CHILD, path))
}

/// What llama.cpp does with the same file, with flash attention or without, whichever is better.
fn theirs(python: &str, path: &str) -> Outcome<Numbers> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/bench_llama_cpp.py");
    let threads = std::thread::available_parallelism()?.to_string();
    let mut best = Numbers::new();
    for flash in ["on", "off"] {
        let arguments = [script, path, "--child", "--threads", &threads, "--flash", flash];
        let mut found = numbers(Command::new(python).args(arguments))?;
        found.insert("ready".to_owned(), found["load"] + found["context"]);
        for (name, number) in found {
            let is_less_better = ROWS.iter().any(|(row, what)| *row == name && what.contains("less"));
            let kept = best.entry(name).or_insert(number);
            *kept = if is_less_better { kept.min(number) } else { kept.max(number) };
        }
    }
    Ok(best)
}

/// The number in the middle of those of several runs.
fn median(runs: &[Numbers], name: &str) -> f64 {
    let mut found: Vec<f64> = runs.iter().filter_map(|run| run.get(name).copied()).collect();
    found.sort_by(f64::total_cmp);
    found.get(found.len() / 2).copied().unwrap_or(f64::NAN)
}

fn compare(path: &str, python: Option<&str>, runs: usize) -> Outcome<()> {
    println!("{}, runs: {runs}", Path::new(path).file_name().unwrap_or_default().to_string_lossy());
    let (mut our_runs, mut their_runs) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        our_runs.push(ours(path)?);
        their_runs.extend(python.map(|python| theirs(python, path)).transpose()?);
    }
    if their_runs.is_empty() {
        println!("  llama.cpp skipped: LOREWELL_PEERS_PYTHON names no Python that has it");
    }
    println!("  {:44} {:>9}   {:>9}   ratio", "", "ours", "llama.cpp");
    for (name, what) in ROWS {
        let ours = median(&our_runs, name);
        if their_runs.is_empty() {
            println!("  {what:44} {ours:9.1}");
            continue;
        }
        let theirs = median(&their_runs, name);
        println!("  {what:44} {ours:9.1} / {theirs:9.1} = {:5.2}", ours / theirs);
    }
    let (with, without) = (median(&our_runs, "second_turn"), median(&our_runs, "second_turn_fresh"));
    println!("  {:44} {:>9}   {:>9}", "", "reused", "read anew");
    let what = "first token, turn 2 of a 2,000-token chat, ms";
    println!("  {what:44} {with:9.1} / {without:9.1} = {:5.2}", with / without);
    Ok(())
}

fn main() -> Outcome<()> {
    if let Ok(path) = std::env::var(CHILD) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        println!("{}", serde_json::to_string(&runtime.block_on(measure(&path))?)?);
        return Ok(());
    }
    let Ok(models) = std::env::var("LOREWELL_BENCH_MODELS") else {
        println!("skipped: LOREWELL_BENCH_MODELS names no GGUF files");
        return Ok(());
    };
    let python = std::env::var("LOREWELL_PEERS_PYTHON").ok();
    let runs = std::env::var("LOREWELL_BENCH_RUNS").map_or(Ok(1), |runs| runs.parse())?;
    for path in models.split(':') {
        compare(path, python.as_deref(), runs)?;
    }
    Ok(())
}
