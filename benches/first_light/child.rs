//! Runs a command and measures it from outside, the same way for Lorewell and for its peers: wall time, and the peak
//! of the resident memory of the whole process tree, since Lorewell parses in worker processes.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lorewell_model::{Error, Kind, Result, ResultExt};

/// How often the peak of the first process is looked at. The kernel keeps it, so only its last growth can be missed.
const SAMPLE_EVERY: Duration = Duration::from_millis(1);
/// Looks after which the whole tree is summed: that walks all processes, and more of it would slow what is measured.
const TREE_EVERY: u32 = 25;
/// Processes of one tree that are followed. More than this is a runaway, which the figures would show anyway.
const TREE_MAX: usize = 256;

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    /// From its start to its end, in seconds.
    pub(crate) seconds: f64,
    /// The largest resident memory of it and its children, in MB.
    pub(crate) peak_mb: f64,
    /// What it wrote to its standard output.
    pub(crate) stdout: String,
}

impl Ran {
    /// Returns the JSON object that its output ends with. Peers may have said something before it.
    pub(crate) fn report(&self) -> Result<serde_json::Value> {
        let start = self.stdout.rfind("\n{").map_or(0, |line| line + 1);
        let object = &self.stdout[start..];
        serde_json::from_str(object)
            .map_err(|error| Error::new(Kind::BadOutput, format!("`{}` is no report: {error}", object.trim())))
    }
}

/// Runs a command to its end. Its exit code must be one of `codes`.
pub(crate) fn measure(command: &mut Command, codes: &[i32]) -> Result<Ran> {
    let shown = format!("running `{}`", command.get_program().display());
    let started = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context(|| shown.clone())?;
    let (pid, ended) = (child.id(), AtomicBool::new(false));
    let (output, seconds, peak) = thread::scope(|scope| {
        let sampler = scope.spawn(|| peak_bytes(pid, &ended));
        let output = child.wait_with_output();
        let seconds = started.elapsed().as_secs_f64();
        ended.store(true, Ordering::Relaxed);
        (output, seconds, sampler.join().unwrap_or(0))
    });
    let output = output.context(|| shown.clone())?;
    if !output.status.code().is_some_and(|code| codes.contains(&code)) {
        return Err(Error::new(Kind::BadOutput, format!("{shown}: it ended with {}", output.status)));
    }
    if peak == 0 {
        let why = format!("{shown}: its memory could not be read; the bench needs the `/proc` of Linux");
        return Err(Error::new(Kind::Config, why));
    }
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(Ran { seconds, peak_mb: peak as f64 / 1e6, stdout })
}

/// Watches a process tree until `ended`, and returns the most memory that was seen.
fn peak_bytes(root: u32, ended: &AtomicBool) -> u64 {
    let mut peak = 0;
    let mut looks = 0_u32;
    while !ended.load(Ordering::Relaxed) {
        if looks.is_multiple_of(TREE_EVERY) {
            peak = peak.max(tree(root).into_iter().filter_map(|pid| status_bytes(pid, "VmRSS:")).sum());
        }
        peak = peak.max(status_bytes(root, "VmHWM:").unwrap_or(0));
        looks = looks.wrapping_add(1);
        thread::sleep(SAMPLE_EVERY);
    }
    peak
}

/// Lists a process and all its descendants.
fn tree(root: u32) -> Vec<u32> {
    let parents = parents();
    let mut found = vec![root];
    let mut next = 0;
    while next < found.len() && found.len() < TREE_MAX {
        let parent = found[next];
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found
}

/// Lists all processes with their parents. (`/proc/PID/task/TID/children` would be shorter, but is not in every
/// kernel.)
fn parents() -> Vec<(u32, u32)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, parent(pid)?))).collect()
}

/// Reads a process's parent: the second word after the name, which ends at the last `)`.
fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
}

/// Reads a size from a process's status; none if it is gone.
fn status_bytes(pid: u32, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
