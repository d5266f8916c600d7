//! How one workload is measured in a process of its own: a first run, checked, whose bytes and peak memory count, then
//! samples of processor time. The program that measures juncture includes this file, so that both do the same.

use std::error::Error;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// A sample is as many runs as take this long: far above the resolution of the clock, far below a minute.
const SAMPLE: Duration = Duration::from_millis(10);
/// Runs of one sample; more would only grow what the store of the sample holds.
const RUNS_MAX: u32 = 2000;
/// Samples that are taken even if they take longer than [`BUDGET`].
const SAMPLES_MIN: usize = 3;
/// Wall time after which no further sample is begun.
const BUDGET: Duration = Duration::from_secs(60);

/// Whatever goes wrong ends the measurement.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// A workload with the store it runs on.
pub(crate) trait Workload {
    /// What runs are stored in.
    type Store;

    /// Counts the supersteps of one run, those of subgraphs too.
    fn supersteps(&self) -> u64;

    /// Returns how often it may run on one store.
    fn runs_max(&self) -> u32 {
        RUNS_MAX
    }

    /// Opens an empty store in a folder.
    fn open(&self, folder: &Path) -> impl Future<Output = Outcome<Self::Store>>;

    /// Runs it once, in a new thread, and fails if it does not end in the right state.
    fn run(&self, store: &Self::Store, thread: &str) -> impl Future<Output = Outcome<()>>;

    /// Closes the store; all that it wrote is then in its file.
    fn close(&self, store: Self::Store) -> impl Future<Output = Outcome<()>>;
}

/// What was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Supersteps of one run.
    pub(crate) supersteps: u64,
    /// Runs of one sample.
    pub(crate) runs: u32,
    /// Processor time of one run in microseconds, sample by sample.
    pub(crate) cpu_us: Vec<f64>,
    /// Wall time of one run in microseconds, sample by sample.
    pub(crate) wall_us: Vec<f64>,
    /// What the store holds on the disk after one run, closed.
    pub(crate) bytes: u64,
    /// The most memory that the process had after one run.
    pub(crate) peak_bytes: u64,
}

/// Measures a workload. Only what lies between the start and the end of runs is timed, not the opening and closing of
/// stores.
pub(crate) async fn measure<W: Workload>(workload: &W, samples: usize, scratch: &Path) -> Outcome<Measured> {
    let begun = Instant::now();
    let (mut bytes, mut peak_bytes) = (0, 0);
    let mut first = Duration::MAX;
    // The second run is warm; it says how many make a sample.
    for round in ["cold", "warm"] {
        let folder = empty(scratch, round)?;
        let store = workload.open(&folder).await?;
        let started = cpu();
        workload.run(&store, round).await?;
        first = first.min(cpu().saturating_sub(started));
        if round == "cold" {
            peak_bytes = peak_memory()?;
        }
        workload.close(store).await?;
        bytes = size(&folder)?;
        std::fs::remove_dir_all(folder)?;
    }
    let runs = (SAMPLE.as_nanos() / first.as_nanos().max(1)).clamp(1, u128::from(workload.runs_max()));
    let runs = u32::try_from(runs)?;
    let mut measured =
        Measured { supersteps: workload.supersteps(), runs, cpu_us: vec![], wall_us: vec![], bytes, peak_bytes };
    while measured.cpu_us.len() < samples && (measured.cpu_us.len() < SAMPLES_MIN || begun.elapsed() < BUDGET) {
        sample(workload, scratch, &mut measured).await?;
    }
    Ok(measured)
}

async fn sample<W: Workload>(workload: &W, scratch: &Path, measured: &mut Measured) -> Outcome<()> {
    let folder = empty(scratch, "sample")?;
    let store = workload.open(&folder).await?;
    let (cpu_before, wall) = (cpu(), Instant::now());
    for run in 0..measured.runs {
        workload.run(&store, &format!("thread-{run}")).await?;
    }
    let per_run = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(measured.runs);
    let (cpu, wall) = (per_run(cpu().saturating_sub(cpu_before)), per_run(wall.elapsed()));
    measured.cpu_us.push(cpu);
    measured.wall_us.push(wall);
    workload.close(store).await?;
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

/// The processor time of this process, all threads, user and system.
pub(crate) fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The peak of resident memory, as the kernel keeps it. (`getrusage` would count what forked this process too.)
pub(crate) fn peak_memory() -> Outcome<u64> {
    memory("VmHWM:")
}

/// What the kernel says of the memory of this process: its peak is `VmHWM:`, what it has now `VmRSS:`.
pub(crate) fn memory(field: &str) -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let value =
        status.lines().find_map(|line| line.strip_prefix(field)).ok_or(format!("the kernel tells no `{field}`"))?;
    Ok(1024 * value.trim().trim_end_matches("kB").trim().parse::<u64>()?)
}

fn empty(scratch: &Path, name: &str) -> Outcome<PathBuf> {
    let folder = scratch.join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The sizes of all files of a folder.
fn size(folder: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let metadata = entry?.metadata()?;
        bytes += if metadata.is_file() { metadata.len() } else { 0 };
    }
    Ok(bytes)
}
