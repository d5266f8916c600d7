//! The bench of agents: `cargo bench -p lorewell-agent --bench agents [-- SECTION…]`.
//!
//! What a turn costs besides the model, what an agent at rest takes up, what a thousand at once take, and whether a turn costs
//! more in a long conversation. LangGraph's prebuilt agent and rig's do the same with the same scripted model, in the same run.
//! It fails when a bar does not hold. See `benches/README.md`, which has the figures.

mod args;
mod case;
mod crowd;
mod idle;
mod judge;
mod peers;
mod script;
mod table;
mod talk;

#[path = "../graph/bars.rs"]
#[expect(dead_code, reason = "the bench of graphs uses the rest")]
mod bars;
#[path = "../graph/figures.rs"]
mod figures;
#[path = "../graph/inputs.rs"]
#[expect(dead_code, reason = "the bench of graphs uses the rest")]
mod inputs;
#[path = "../graph/install.rs"]
mod install;
#[path = "../graph/measure.rs"]
mod measure;

use std::process::ExitCode;

use crate::args::{Args, Here};
use crate::bars::Bars;
use crate::case::Stored;
use crate::measure::Outcome;
use crate::peers::{Programs, Side};
use crate::table::Table;

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
    let Here { case, stored, samples, scratch } = Here::parse(words)?;
    // As many threads as rig's runtime gets.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let measured = runtime.block_on(case.measure(stored, samples, &scratch))?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

/// Runs the sections that were asked for, and tells whether all bars hold.
fn run(words: Vec<String>) -> Outcome<bool> {
    let args = Args::parse(words)?;
    std::fs::create_dir_all(install::products())?;
    let scratch = tempfile::tempdir_in(install::products())?;
    let programs = if args.alone { Programs::alone() } else { Programs::install() };
    let mut table = Table::default();
    for section in &args.sections {
        for case in section.cases() {
            eprintln!("== {}", case.name());
            for stored in Stored::ALL {
                for side in Side::ALL.into_iter().filter(|side| case.has(*side, stored)) {
                    if programs.missing(side).is_none() {
                        let measured = programs.measure(side, case, stored, args.samples, scratch.path());
                        table.push(case, stored, side, measured.map_err(|error| error.to_string()));
                    }
                }
            }
        }
        println!("{}", table.of(*section));
    }
    let mut bars = Bars::default();
    bars.judge(&table);
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
    let has_peers = args.alone || Side::ALL.into_iter().all(|side| programs.missing(side).is_none());
    Ok(bars.hold() && has_peers && table.is_complete())
}
