//! Section `book`: the Rust book into a fresh brain, beside LlamaIndex and Haystack with the same model, and then a
//! question from a cold process. Every side is a process of its own, measured from outside.

use std::path::Path;

use lorewell_model::{Error, Kind, Result, ResultExt};
use serde_json::Value;

use crate::args::Args;
use crate::child::{Ran, measure};
use crate::lorewell::Binary;
use crate::pair::Pair;
use crate::peers::Peers;
use crate::table::{Bar, Better, Row, Table};
use crate::texts::markdown_files;

const PEERS: [(&str, &str); 2] = [("LlamaIndex", "llamaindex_ingest.py"), ("Haystack", "haystack_ingest.py")];
const QUESTION: &str = "what are the ownership rules?";
const ASKED: usize = 20; // cold processes whose median is the figure

/// What one side needed for one ingest.
#[derive(Debug, Default)]
struct Side {
    seconds: Vec<f64>,
    words: Vec<f64>,
    memory: Vec<f64>,
    chunks: Vec<f64>,
}

impl Side {
    fn take(&mut self, ran: &Ran, chunks: &str) -> Result<Value> {
        let report = ran.report()?;
        self.seconds.push(ran.seconds);
        self.memory.push(ran.peak_mb);
        self.chunks.push(number(&report, chunks)?);
        Ok(report)
    }
}

/// Measures and fills in the table.
pub(crate) fn run(args: &Args, table: &mut Table) -> Result<()> {
    let binary = Binary::build()?;
    let peers = Peers::install()?;
    // Not the default name with its leading dot: LlamaIndex leaves hidden folders out.
    let scratch = tempfile::Builder::new().prefix("book-").tempdir().context(|| "making a scratch folder".into())?;
    let book = scratch.path().join("book");
    copy(&args.data("rust-book")?.join("src"), &book)?;

    let mut ours = Side::default();
    let mut theirs = PEERS.map(|_| Side::default());
    for round in 0..args.rounds {
        let home = scratch.path().join(format!("home{round}"));
        binary.init(&home)?;
        let ran = measure(binary.command(&home).args(["ingest", "--json"]).arg(&book), &[0])?;
        let report = ours.take(&ran, "chunks_added")?;
        // What the process did before and after its own clock counts as well.
        let outside = ran.seconds - number(&report, "seconds")?;
        ours.words.push(number(&report, "seconds_words")? + outside);
        for ((_, script), side) in PEERS.iter().zip(&mut theirs) {
            side.take(&measure(peers.script(script).arg(&book), &[0])?, "chunks")?;
        }
    }
    table.push(Row::alone("Rust book, words searchable", "s", ours.words, Bar::AtMost(1.0)));
    for ((name, _), side) in PEERS.iter().zip(theirs) {
        let mut beside = |what: &str, unit, ours: &[f64], theirs, bar| {
            let pair = Pair { ours: ours.to_vec(), theirs };
            table.push(Row::paired(format!("Rust book, {what}"), unit, *name, pair, Better::Lower, bar));
        };
        beside("fully ingested", "s", &ours.seconds, side.seconds, Bar::Times(1.0));
        beside("peak memory", "MB", &ours.memory, side.memory, Bar::Shown);
        beside("chunks", "", &ours.chunks, side.chunks, Bar::Shown);
    }
    ask(&binary, &scratch.path().join("home0"), table)
}

/// Asks from processes that have nothing loaded.
fn ask(binary: &Binary, home: &Path, table: &mut Table) -> Result<()> {
    let mut milliseconds = Vec::new();
    let mut memory = Vec::new();
    for _ in 0..ASKED {
        let ran = measure(binary.command(home).args(["ask", QUESTION, "--json"]), &[0])?;
        milliseconds.push(ran.seconds * 1e3);
        memory.push(ran.peak_mb);
    }
    table.push(Row::alone("Rust book, `ask` from a cold process", "ms", milliseconds, Bar::AtMost(200.0)));
    table.push(Row::alone("resident with the embedder loaded", "MB", memory, Bar::AtMost(150.0)));
    Ok(())
}

fn number(report: &Value, field: &str) -> Result<f64> {
    let number = report.get(field).and_then(Value::as_f64);
    number.ok_or_else(|| Error::new(Kind::BadOutput, format!("the report has no number `{field}`: {report}")))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).context(|| format!("making `{}`", to.display()))?;
    for path in markdown_files(from)? {
        let name = path.file_name().expect("a file of a folder has a name");
        std::fs::copy(&path, to.join(name)).context(|| format!("copying `{}`", path.display()))?;
    }
    Ok(())
}
