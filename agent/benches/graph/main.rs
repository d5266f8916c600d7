//! The bench of the graph engine: `cargo bench -p lorewell-agent --bench graph [-- SECTION…]`.
//!
//! It installs the peers, runs every case of every side in a process of its own, prints a table of each workload and
//! the bars, and fails when a bar does not hold. See `benches/README.md`.

mod args;
#[expect(dead_code, reason = "the bench of agents uses the rest")]
mod bars;
mod case;
mod figures;
mod inputs;
mod install;
mod judge;
mod lorewell;
mod measure;
mod peers;
mod syncs;
mod table;
mod variant;

mod fanout;
mod react;
mod resume;
mod saver;
mod sequential;
mod wide;
mod wide_json;

use std::process::ExitCode;

use crate::args::{Args, Here};
use crate::bars::Bars;
use crate::case::{Case, Section};
use crate::measure::Outcome;
use crate::peers::{Programs, Side};
use crate::table::Table;
use crate::variant::Variant;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.split_first() {
        Some((first, rest)) if first == "--measure" => measure_here(rest).map(|()| true),
        _ => run(words),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures one case of our side, in the process that was started for it.
fn measure_here(words: &[String]) -> Outcome<()> {
    let Here { case, variant, samples, scratch } = Here::parse(words)?;
    // As many threads as the peers' runtimes get.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let measured = runtime.block_on(case.measure(variant, samples, &scratch))?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

/// Runs the sections that were asked for, and tells whether all bars hold.
fn run(words: Vec<String>) -> Outcome<bool> {
    let args = Args::parse(words)?;
    std::fs::create_dir_all(install::products())?;
    let scratch = tempfile::tempdir_in(install::products())?;
    let programs = if args.alone { Programs::alone() } else { Programs::install() };
    let (mut table, mut bars) = (Table::default(), Bars::default());
    for section in &args.sections {
        for case in Case::of(*section) {
            eprintln!("== {}", case.name());
            for variant in Variant::ALL {
                for side in Side::ALL.into_iter().filter(|side| case.has(*side, variant)) {
                    if programs.missing(side).is_none() {
                        let measured = programs.measure(side, case, variant, args.samples, scratch.path());
                        table.push(case, variant, side, measured.map_err(|error| error.to_string()));
                    }
                }
            }
            println!("{}", table.of(case));
        }
        match section {
            Section::Syncs => syncs::run(&programs, scratch.path(), &mut bars)?,
            section => bars.judge(*section, &table),
        }
    }
    println!("{bars}\n\n{}", figures::machine());
    for side in Side::ALL {
        if let Some(why) = programs.missing(side) {
            println!("not run: {} ({why})", side.name());
        }
    }
    for failure in table.failures() {
        println!("not measured: {failure}");
    }
    table.write_json(&bars, &args.json)?;
    eprintln!("samples: {}", args.json.display());
    Ok(bars.hold() && table.is_ours_complete())
}
