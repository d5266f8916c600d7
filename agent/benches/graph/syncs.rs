//! How often a superstep waits for the disk: the calls of the operating system, counted by strace where there is one,
//! and what our store counts itself.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use lorewell_agent::checkpoint::Sqlite;

use crate::bars::Bars;
use crate::case::Case;
use crate::install::start;
use crate::measure::{Outcome, Workload};
use crate::peers::{Programs, Side, arguments};
use crate::sequential;
use crate::variant::Variant;

const SUPERSTEPS: u64 = 1000;
/// A process that takes no samples runs a case cold and warm.
const RUNS: u64 = 2;
/// One for each superstep, and room for those of a run and of a file: the first checkpoint, opening, closing, moving the
/// log into the file.
const BAR: f64 = 1.02;

/// Counts, and judges our side.
pub(crate) fn run(programs: &Programs, scratch: &Path, bars: &mut Bars) -> Outcome<()> {
    eprintln!("== syncs");
    let what = "syncs a superstep, `sync`";
    let mut counted = false;
    for side in Side::ALL.into_iter().filter(|side| programs.missing(*side).is_none()) {
        let Some(syncs) = by_strace(programs, side, scratch)? else { continue };
        let each = count(syncs) / count(RUNS * SUPERSTEPS);
        match side {
            Side::Lorewell => bars.at_most(format!("{what} (counted by strace)"), each, "", BAR),
            side => bars.show(format!("{what}, {}", side.name()), each, ""),
        }
        counted = true;
    }
    let own = count(by_store(scratch)?) / count(SUPERSTEPS);
    if counted {
        bars.show(format!("{what} (counted by the store)"), own, "");
    } else {
        println!("no strace: syncs are counted by the store itself");
        bars.at_most(format!("{what} (counted by the store)"), own, "", BAR);
    }
    Ok(())
}

fn count(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Counts the calls of a side's process; none without strace.
fn by_strace(programs: &Programs, side: Side, scratch: &Path) -> Outcome<Option<u64>> {
    let counts = scratch.join("syncs.txt");
    let mut command = start(&["strace", "-f", "-c", "-e", "trace=fsync,fdatasync", "-o"]);
    command.arg(&counts).args(programs.command(side)?);
    command.args(arguments(Case::Sequential(SUPERSTEPS), Variant::SqliteSync, 0)).arg(scratch);
    let Ok(status) = command.stdin(Stdio::null()).stdout(Stdio::null()).status() else { return Ok(None) };
    if !status.success() {
        return Err(format!("{} under strace ended with {status}", side.name()).into());
    }
    let table = std::fs::read_to_string(counts)?;
    let calls = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_sync = matches!(words.last(), Some(&("fsync" | "fdatasync")));
        is_sync.then(|| words.get(3)?.parse::<u64>().ok()).flatten()
    };
    Ok(Some(table.lines().filter_map(calls).sum()))
}

/// Counts the commits that our store has had synced in one run.
fn by_store(scratch: &Path) -> Outcome<u64> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let folder = tempfile::tempdir_in(scratch)?;
        let store = Sqlite::open(folder.path().join("threads.sqlite")).await?;
        let workload = sequential::workload(SUPERSTEPS, Variant::SqliteSync)?;
        workload.run(&Some(Arc::new(store.clone())), "counted").await?;
        Ok(store.commits().synced)
    })
}
