//! Sentences per second and the time of one query of a local embedder, in f32 and int8, beside onnxruntime:
//! `cargo bench -p lorewell-embed --bench throughput -- <model dir>`. With a Python in `LOREWELL_PEERS_PYTHON` that has
//! what `benches/peers/requirements.txt` and `weights.txt` name, `benches/peers/encode.py` takes turns with ours on the
//! same texts, and the published model needs no directory. `RAYON_NUM_THREADS` sets the threads of both sides, and
//! `LOREWELL_KERNELS` our kernels. Texts are random words of the vocabulary, which are one token each.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use lorewell_embed::{Embedder, Purpose};
use lorewell_model::local::kernels::Tier;
use lorewell_model::{Error, Kind, Result, ResultExt as _};
use serde_json::{Value, json};

/// Turns of each side. A machine that others use drifts within seconds, so ratios are taken of neighbours.
const ROUNDS: usize = 5;
/// onnxruntime's threads spin for a while after a run; our turn waits until they sleep, and so does theirs.
const PAUSE: Duration = Duration::from_millis(100);

fn main() -> Result<()> {
    let dir = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).map(PathBuf::from);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let threads = rayon::current_num_threads();
    println!("{threads} threads, kernels `{}`, load {}", Tier::chosen()?.name(), load());
    let folder = tempfile::tempdir()?;
    for kind in ["f32", "int8"] {
        let mut peer = Peer::start(kind, threads)?;
        let dir = dir.clone().or_else(|| peer.as_ref().map(|peer| peer.dir.clone()));
        let start = Instant::now();
        let embedder = open(kind, dir.as_deref(), folder.path())?;
        println!("{}: opened in {:.1} ms", embedder.info().name, start.elapsed().as_secs_f64() * 1e3);
        for workload in workloads() {
            let ours = || runtime.block_on(workload.fastest(&embedder));
            println!("  {kind:4} {}", workload.compare(ours, peer.as_mut())?);
        }
        println!("  counting tokens: {:.0} MB/s", counting(&embedder, &text(1, 20_000)));
    }
    println!("load {}", load());
    Ok(())
}

/// Opens the model of a directory, or the one inside the binary; for int8 the first is converted.
fn open(kind: &str, dir: Option<&Path>, folder: &Path) -> Result<Embedder> {
    let Some(dir) = dir else { return bundled() };
    if kind == "f32" {
        return Embedder::open(dir);
    }
    lorewell_embed::quantize(dir, folder)?;
    Embedder::open(folder)
}

#[cfg(feature = "bundled-minilm")]
fn bundled() -> Result<Embedder> {
    Embedder::bundled()
}

#[cfg(not(feature = "bundled-minilm"))]
fn bundled() -> Result<Embedder> {
    Err(Error::new(Kind::BadInput, "name a model directory or add `--features bundled-minilm`"))
}

/// The machine's load over the last minute.
fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown").to_owned()
}

/// Texts that are embedded in one call, so often in a turn.
struct Workload {
    name: &'static str,
    texts: Vec<String>,
    purpose: Purpose,
    repeat: usize,
}

fn workloads() -> Vec<Workload> {
    let passages = |name, tokens: &dyn Fn(usize) -> usize| Workload {
        name,
        texts: (0..64).map(|seed| text(seed, tokens(seed) - 2)).collect(),
        purpose: Purpose::Passage,
        repeat: 1,
    };
    let query =
        |name, tokens| Workload { name, texts: vec![text(tokens, tokens - 2)], purpose: Purpose::Query, repeat: 25 };
    vec![
        passages("128 tokens each", &|_| 128),
        passages("32 to 224 tokens", &|seed| 32 + seed * 7919 % 193),
        query("query of 8 tokens", 8),
        query("query of 16 tokens", 16),
        query("query of 32 tokens", 32),
    ]
}

impl Workload {
    async fn fastest(&self, embedder: &Embedder) -> Result<f64> {
        let texts: Vec<&str> = self.texts.iter().map(String::as_str).collect();
        let mut fastest = f64::INFINITY;
        for _ in 0..self.repeat {
            let start = Instant::now();
            embedder.embed(&texts, self.purpose).await?;
            fastest = fastest.min(start.elapsed().as_secs_f64());
        }
        Ok(fastest)
    }

    /// Lets both sides take turns, after one that only warms up, and says how they did.
    fn compare(&self, ours: impl Fn() -> Result<f64>, peer: Option<&mut Peer>) -> Result<String> {
        ours()?;
        let mut samples = Vec::new();
        let Some(peer) = peer else {
            for _ in 0..ROUNDS {
                samples.push(ours()?);
            }
            let said = self.said(least(&samples));
            return Ok(format!("{:20} lorewell {said}; LOREWELL_PEERS_PYTHON names no peer", self.name));
        };
        let mut theirs = Vec::new();
        peer.fastest(self)?;
        for _ in 0..ROUNDS {
            std::thread::sleep(PAUSE);
            samples.push(ours()?);
            std::thread::sleep(PAUSE);
            theirs.push(peer.fastest(self)?);
        }
        let mut ratios: Vec<f64> = samples.iter().zip(&theirs).map(|(ours, theirs)| theirs / ours).collect();
        ratios.sort_by(f64::total_cmp);
        let (best, their_best) = (least(&samples), least(&theirs));
        Ok(format!(
            "{:20} lorewell {}  onnxruntime {}  times {:.2} (median of turns), {:.2} (fastest turns)",
            self.name,
            self.said(best),
            self.said(their_best),
            ratios[ratios.len() / 2],
            their_best / best,
        ))
    }

    fn said(&self, seconds: f64) -> String {
        if self.purpose == Purpose::Query {
            return format!("{:6.2} ms", seconds * 1e3);
        }
        format!("{:6.1} sentences/s", self.texts.len() as f64 / seconds)
    }
}

fn least(samples: &[f64]) -> f64 {
    samples.iter().copied().fold(f64::INFINITY, f64::min)
}

/// onnxruntime in a process of its own.
struct Peer {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Where the published model lies.
    dir: PathBuf,
}

impl Peer {
    fn start(kind: &str, threads: usize) -> Result<Option<Self>> {
        let Some(python) = std::env::var_os("LOREWELL_PEERS_PYTHON") else { return Ok(None) };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../benches/peers/encode.py");
        let mut command = Command::new(python);
        command.args([script, kind, &threads.to_string()]).env("PEERS_CACHE", env!("CARGO_TARGET_TMPDIR"));
        command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context(|| "starting the Python of the peer".to_owned())?;
        let closed = || Error::new(Kind::Internal, "the peer has no pipes");
        let requests = child.stdin.take().ok_or_else(closed)?;
        let answers = BufReader::new(child.stdout.take().ok_or_else(closed)?);
        let mut peer = Self { child, requests, answers, dir: PathBuf::new() };
        peer.dir = peer.read()?["dir"].as_str().unwrap_or_default().into();
        Ok(Some(peer))
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let broken = |error| Error::new(Kind::Internal, "the peer ended; what it said stands above").caused_by(error);
        serde_json::from_str(&line).map_err(broken)
    }

    fn fastest(&mut self, workload: &Workload) -> Result<f64> {
        writeln!(self.requests, "{}", json!({"texts": workload.texts, "repeat": workload.repeat}))?;
        let answer = self.read()?;
        answer["seconds"].as_f64().ok_or_else(|| Error::new(Kind::Internal, format!("the peer says {answer}")))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

const WORDS: [&str; 16] = [
    "river", "stone", "garden", "memory", "window", "simple", "number", "winter", "letter", "market", "yellow",
    "system", "travel", "answer", "island", "method",
];

fn text(seed: usize, words: usize) -> String {
    (0..words).map(|index| WORDS[(seed * 31 + index * 7 + index * index) % WORDS.len()]).collect::<Vec<_>>().join(" ")
}

/// Megabytes per second.
fn counting(embedder: &Embedder, text: &str) -> f64 {
    let start = Instant::now();
    let mut bytes = 0.0;
    while start.elapsed() < Duration::from_millis(500) {
        std::hint::black_box(embedder.count_tokens(text));
        bytes += f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX));
    }
    bytes / 1e6 / start.elapsed().as_secs_f64()
}
