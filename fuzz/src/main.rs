//! A small fuzzer on stable Rust: mutates seeds for a bounded time and stops at the first input that breaks a target.
//! See `README.md` beside it.

mod mutate;
mod targets;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mutate::Mutator;
use targets::{TARGETS, Target};

/// An input that takes longer has found a slow path worth looking at; most take microseconds.
const INPUT_TIME_MAX: Duration = Duration::from_secs(20);

/// Well beyond what a worker gives a file (1 GiB), so that only what a worker would stop is reported.
#[cfg(target_os = "linux")]
const MEMORY_BYTES_MAX: u64 = 4 << 30;

/// Inputs kept to mutate further.
const POOL_MAX: usize = 256;

const USAGE: &str = "usage: lorewell-fuzz TARGET|all [--seconds N] [--seed N] [--corpus FOLDER] [--input FILE]";

/// What the command line says.
struct Options {
    target: String,
    time: Duration,
    seed: u64,
    corpus: Option<PathBuf>,
    input: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            eprintln!("{why}\n{USAGE}\ntargets: {}", names.join(", "));
            return ExitCode::from(2);
        }
    };
    limit_memory();
    let chosen = TARGETS.iter().filter(|target| options.target == "all" || options.target == target.name);
    for target in chosen {
        let outcome = match &options.input {
            Some(input) => std::fs::read(input).map(|bytes| target.run(&bytes)),
            None => fuzz(target, &options),
        };
        if let Err(error) = outcome {
            eprintln!("{}: {error}", target.name);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let target = arguments.next().ok_or("no target")?;
    if target != "all" && TARGETS.iter().all(|known| known.name != target) {
        return Err(format!("no target `{target}`"));
    }
    let mut options = Options { target, time: Duration::from_secs(30), seed: 1, corpus: None, input: None };
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or(format!("`{flag}` needs a value"))?;
        let number = || value.parse().map_err(|_| format!("`{value}` is no number"));
        match flag.as_str() {
            "--seconds" => options.time = Duration::from_secs(number()?),
            "--seed" => options.seed = number()?,
            "--corpus" => options.corpus = Some(value.into()),
            "--input" => options.input = Some(value.into()),
            _ => return Err(format!("no option `{flag}`")),
        }
    }
    Ok(options)
}

/// Runs one target for the time given. A panic ends the process, with the input kept.
fn fuzz(target: &Target, options: &Options) -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts").join(target.name);
    std::fs::create_dir_all(&folder)?;
    let current = folder.join("current");
    let mut pool = target.seeds();
    if let Some(corpus) = &options.corpus {
        pool.extend(files_for(target, corpus)?);
    }
    let started = Instant::now();
    let clock = Arc::new(AtomicU64::new(0));
    watch(target.name, started, Arc::clone(&clock));
    for seed in &pool {
        std::fs::write(&current, seed)?;
        clock.store(millis(started.elapsed()), Ordering::Relaxed);
        target.run(seed);
    }
    let mut mutator = Mutator::new(options.seed);
    let mut runs = 0_u64;
    while started.elapsed() < options.time {
        let input = mutator.mutate(&pool);
        std::fs::write(&current, &input)?; // before the run: a stack overflow leaves no other trace
        clock.store(millis(started.elapsed()), Ordering::Relaxed);
        target.run(&input);
        if mutator.one_in(64) {
            match pool.len() < POOL_MAX {
                true => pool.push(input),
                false => *mutator.pick_mut(&mut pool) = input,
            }
        }
        runs += 1;
    }
    clock.store(DONE, Ordering::Relaxed);
    std::fs::remove_file(&current)?;
    println!("{}: {runs} inputs in {} s, nothing broken", target.name, started.elapsed().as_secs());
    Ok(())
}

/// Reads the files of a folder that a target is for.
fn files_for(target: &Target, folder: &Path) -> std::io::Result<Vec<Vec<u8>>> {
    let ending = Path::new(target.file).extension();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() && path.extension() == ending {
            files.push(std::fs::read(&path)?);
        }
    }
    Ok(files)
}

/// What the clock shows when a target is through.
const DONE: u64 = u64::MAX;

/// Ends the process when an input takes too long.
fn watch(name: &'static str, started: Instant, clock: Arc<AtomicU64>) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(200));
            let since = clock.load(Ordering::Relaxed);
            if since == DONE {
                return;
            }
            if millis(started.elapsed()).saturating_sub(since) > millis(INPUT_TIME_MAX) {
                eprintln!("{name}: an input takes longer than {} s", INPUT_TIME_MAX.as_secs());
                std::process::abort();
            }
        }
    });
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(DONE - 1)
}

#[cfg(target_os = "linux")]
fn limit_memory() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limit = Rlimit { current: Some(MEMORY_BYTES_MAX), maximum: Some(MEMORY_BYTES_MAX) };
    setrlimit(Resource::As, limit).expect("lowering a limit is always allowed");
}

#[cfg(not(target_os = "linux"))]
fn limit_memory() {}
