//! The workloads of the graph bench on juncture: `juncture-bench CASE VARIANT SAMPLES FOLDER` prints one report. The way
//! to measure and what the workloads begin with are the very files of the bench; the workloads follow its definitions.

#[path = "../../../graph/inputs.rs"]
mod inputs;
#[path = "../../../graph/measure.rs"]
mod measure;

mod chain;
mod fanout;
mod juncture;
mod react;
mod sequential;
mod wide;

use std::path::Path;
use std::process::ExitCode;

use crate::measure::{Measured, Outcome, measure};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: juncture: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Outcome<()> {
    let [case, variant, samples, scratch] = words else { return Err("CASE VARIANT SAMPLES FOLDER".into()) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let measured = runtime.block_on(measured(case, variant, samples.parse()?, Path::new(scratch)))?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

async fn measured(case: &str, variant: &str, samples: usize, scratch: &Path) -> Outcome<Measured> {
    let (name, size) = case.rsplit_once('_').ok_or("a case is a name and a size")?;
    match name {
        "sequential" => measure(&sequential::workload(size.parse()?, variant)?, samples, scratch).await,
        "fanout" => measure(&fanout::workload(size.parse()?, variant)?, samples, scratch).await,
        "react" => measure(&react::workload(size.parse()?, variant)?, samples, scratch).await,
        "wide" => measure(&wide::workload(size, variant)?, samples, scratch).await,
        "saver" => measure(&chain::Chain::new(size.parse()?), samples, scratch).await,
        _ => Err(format!("no case `{case}`").into()),
    }
}
