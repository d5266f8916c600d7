//! The bench behind the README's figures: `cargo bench --features full --bench first_light -- [SECTION…]`.
//!
//! It installs the peers it compares with, runs both sides in turns on this machine, prints one table of ratios and
//! bars, and writes every sample as JSON. It fails when a bar does not hold. See `benches/README.md`.

mod args;
mod child;
mod lorewell;
mod pair;
mod peers;
mod scifact;
mod table;
mod texts;

mod book;
mod embed;
mod quality;
mod scale;

use std::process::ExitCode;

use lorewell_model::{Result, ResultExt};

use crate::args::{Args, Section};
use crate::table::Table;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the sections that were asked for, and tells whether all bars hold.
fn run() -> Result<bool> {
    let args = Args::parse(std::env::args().skip(1))?;
    let mut table = Table::default();
    for section in &args.sections {
        eprintln!("== {}", section.name());
        let done = match section {
            Section::Embed => embed::run(&args, &mut table),
            Section::Book => book::run(&args, &mut table),
            Section::Scale => scale::run(&args, &mut table),
            Section::Quality => quality::run(&args, &mut table),
        };
        done.context(|| format!("section `{}`", section.name()))?;
    }
    println!("{table}");
    table.write_json(&args.json)?;
    eprintln!("samples: {}", args.json.display());
    Ok(table.holds())
}
