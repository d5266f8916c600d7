//! The workloads of the bench of agents on rig: `rig-bench CASE STORED SAMPLES FOLDER` prints one report. The way to measure and
//! what the workloads begin with are the very files of the benches; the workloads follow their definitions.

#[path = "../../../graph/inputs.rs"]
#[expect(dead_code, reason = "the bench of graphs uses the rest")]
mod inputs;
#[path = "../../../graph/measure.rs"]
mod measure;

mod crowd;
mod idle;
mod script;
mod talk;

use std::path::Path;
use std::process::ExitCode;

use crate::crowd::Crowd;
use crate::measure::{Measured, Outcome, measure};
use crate::talk::Talk;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: rig: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Outcome<()> {
    let [case, "none", samples, scratch] = words.iter().map(String::as_str).collect::<Vec<_>>()[..] else {
        return Err("CASE none SAMPLES FOLDER".into());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let measured = runtime.block_on(measured(case, samples.parse()?, Path::new(scratch)))?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

async fn measured(case: &str, samples: usize, scratch: &Path) -> Outcome<Measured> {
    let (name, size) = case.rsplit_once('_').ok_or("a case is a name and a size")?;
    match name {
        "react" => measure(&Talk::react(size.parse()?), samples, scratch).await,
        "long" => measure(&Talk::long(size.parse()?), samples, scratch).await,
        "crowd" => measure(&Crowd { agents: size.parse()? }, samples, scratch).await,
        "idle" => idle::agents().await,
        _ => Err(format!("no case `{case}`").into()),
    }
}
