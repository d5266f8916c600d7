//! Five agents look at a company at the same time, an editor makes a report of what they say, and every number in it is held
//! against what the tools have computed. Offline: company and data are invented, the model is scripted.
//!
//! `cargo run --example financial_team`, or with a real model
//! `cargo run --example financial_team -- BRWD --model openai:gpt-5-mini`

mod chart;
mod measure;
mod recorded;
mod report;
mod scripted;
mod team;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use lorewell::agent::team::Talk;
use lorewell::agent::{Budget, Event, EventKind, Events};
use lorewell::{Result, model};

use crate::recorded::Recorded;
use crate::tools::{Desk, Ledger};

/// What one report may spend. Six agents with a handful of calls each need a tenth of it.
const REQUESTS_MAX: u64 = 60;
const CALLS_MAX: u64 = 100;
const TOKENS_MAX: u64 = 300_000;

/// Five agents analyse a company over recorded data, and write a report with a chart.
///
/// Company and data are invented. Ends with 0 when the report is written, 1 when something failed, 2 for wrong arguments.
#[derive(clap::Parser)]
#[command(name = "financial_team", term_width = 80)]
struct Args {
    /// The company
    #[arg(default_value = "BRWD")]
    ticker: String,
    /// A model, such as `openai:gpt-5-mini`, `ollama:qwen3`, `gguf:FILE`; without it a scripted one
    #[arg(long)]
    model: Option<String>,
    /// The folder for `report.md` and `chart.svg`
    #[arg(long, default_value = "target/financial_team")]
    out: PathBuf,
    /// Draw the team in Mermaid, and do nothing else
    #[arg(long)]
    graph: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<()> {
    let desk = Desk { recorded: Arc::new(Recorded::read(&args.ticker)?), ledger: Arc::new(Ledger::default()) };
    let model = match &args.model {
        Some(name) => model(name).await?,
        None => scripted::model()?,
    };
    let team = team::team(&model, &desk)?;
    if args.graph {
        print!("{}", team.mermaid());
        return Ok(());
    }
    let company = &desk.recorded.statements.company;
    println!("{company} with {}. The company and its data are invented.", model.name());
    if args.model.is_none() {
        println!("The model is scripted: all but the numbers was written beforehand.");
    }

    let budget = Budget::new().requests_max(REQUESTS_MAX).calls_max(CALLS_MAX).tokens_max(TOKENS_MAX);
    let talk = watched(team.run(Talk::say(format!("Write a report on {company}."))).budget(&budget).events()).await?;
    report::write(&args.out, &desk.recorded, talk.text(), &desk.ledger)?;

    let spent = budget.spent();
    println!(
        "\n{} requests, {} calls of tools, {} tokens, ${:.4}",
        spent.requests,
        spent.calls,
        spent.usage.total_tokens(),
        spent.cost_usd
    );
    println!("Written: {0}/report.md, {0}/chart.svg", args.out.display());
    Ok(())
}

/// Shows what happens while it happens.
async fn watched(mut events: Events<Talk>) -> Result<Talk> {
    while let Some(event) = events.next().await {
        if let Some(line) = line(&event) {
            println!("{line}");
        }
    }
    events.outcome().await?.done()
}

/// What is shown of an event: who begins and ends, which tools are called, which numbers nobody gave.
fn line(event: &Event) -> Option<String> {
    // Inside of a member the path begins with its name: `risk@1#0`.
    let member = event.path.split('@').next().unwrap_or_default();
    match &event.kind {
        EventKind::Started { .. } if member.is_empty() => Some(format!("{:<13} begins", event.node()?)),
        EventKind::Finished { .. } if member.is_empty() => Some(format!("{:<13} is done", event.node()?)),
        EventKind::ToolCall { name, arguments, .. } => Some(format!("{member:<13} calls {name} {arguments}")),
        EventKind::Custom { name, value } if name == "unknown" => {
            let numbers: &Vec<String> = value.downcast_ref()?;
            (!numbers.is_empty()).then(|| format!("{:<13} no tool gave {}", "", numbers.join(", ")))
        }
        _ => None,
    }
}
