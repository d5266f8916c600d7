//! The one table that comes out: what | lorewell | peer | ratio | bar | holds?, and its samples as JSON.

use std::fmt;
use std::path::Path;

use lorewell_model::{Error, Kind, Result, ResultExt};
use serde_json::{Value, json};

use crate::pair::{Pair, median};

/// In which direction a figure is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    /// A rate or a quality.
    Higher,
    /// A time or a size.
    Lower,
}

/// What a row must reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bar {
    /// Nothing: the row is there to be read.
    Shown,
    /// Lorewell's figure is at most this.
    AtMost(f64),
    /// Lorewell's figure is at least this.
    AtLeast(f64),
    /// Lorewell's figure is above this.
    Above(f64),
    /// Lorewell is at least this many times as good as the peer.
    Times(f64),
}

/// One measured figure.
#[derive(Debug)]
pub(crate) struct Row {
    what: String,
    unit: &'static str,
    ours: Vec<f64>,
    peer: Option<Peer>,
    bar: Bar,
}

/// The other side of a row.
#[derive(Debug)]
struct Peer {
    name: String,
    samples: Vec<f64>,
    ratio: f64, // above 1: Lorewell is better
}

impl Row {
    /// Makes a row without a peer.
    pub(crate) fn alone(what: impl Into<String>, unit: &'static str, ours: Vec<f64>, bar: Bar) -> Self {
        Self { what: what.into(), unit, ours, peer: None, bar }
    }

    /// Makes a row beside a peer.
    pub(crate) fn paired(
        what: impl Into<String>,
        unit: &'static str,
        peer: impl Into<String>,
        pair: Pair,
        better: Better,
        bar: Bar,
    ) -> Self {
        let ratio = match better {
            Better::Higher => pair.ratio(),
            Better::Lower => pair.ratio().recip(),
        };
        let peer = Peer { name: peer.into(), samples: pair.theirs, ratio };
        Self { what: what.into(), unit, ours: pair.ours, peer: Some(peer), bar }
    }

    /// Tells whether the bar holds; none if there is no bar.
    fn holds(&self) -> Option<bool> {
        let ours = median(&self.ours);
        match self.bar {
            Bar::Shown => None,
            Bar::AtMost(bar) => Some(ours <= bar),
            Bar::AtLeast(bar) => Some(ours >= bar),
            Bar::Above(bar) => Some(ours > bar),
            Bar::Times(bar) => Some(self.peer.as_ref().is_some_and(|peer| peer.ratio >= bar)),
        }
    }

    fn cells(&self) -> [String; 6] {
        let peer = self.peer.as_ref();
        let bar = match self.bar {
            Bar::Shown => "–".into(),
            Bar::AtMost(bar) => format!("≤ {}", figure(bar, self.unit)),
            Bar::AtLeast(bar) => format!("≥ {}", figure(bar, self.unit)),
            Bar::Above(bar) => format!("> {}", figure(bar, self.unit)),
            Bar::Times(bar) => format!("≥ {bar} ×"),
        };
        [
            self.what.clone(),
            figure(median(&self.ours), self.unit),
            peer.map_or("–".into(), |peer| format!("{} ({})", figure(median(&peer.samples), self.unit), peer.name)),
            peer.map_or("–".into(), |peer| format!("{:.2} ×", peer.ratio)),
            bar,
            self.holds().map_or("–", |holds| if holds { "yes" } else { "NO" }).into(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "what": self.what,
            "unit": self.unit,
            "lorewell": self.ours,
            "peer": self.peer.as_ref().map(|peer| json!({
                "name": peer.name, "samples": peer.samples, "ratio": peer.ratio
            })),
            "bar": self.cells()[4],
            "holds": self.holds(),
        })
    }
}

/// All rows of a run.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

const HEADER: [&str; 6] = ["what", "lorewell", "peer", "ratio", "bar", "holds"];

impl Table {
    /// Adds a row, and prints it at once for whoever waits.
    pub(crate) fn push(&mut self, row: Row) {
        eprintln!("   {}", row.cells().join(" | "));
        self.rows.push(row);
    }

    /// Tells whether no bar is broken.
    pub(crate) fn holds(&self) -> bool {
        self.rows.iter().all(|row| row.holds() != Some(false))
    }

    /// Writes every sample, and what they were measured on.
    pub(crate) fn write_json(&self, path: &Path) -> Result<()> {
        let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
        let report = json!({ "machine": machine(), "version": env!("CARGO_PKG_VERSION"), "rows": rows });
        let text = serde_json::to_string_pretty(&report)
            .map_err(|error| Error::new(Kind::Internal, format!("writing the report as JSON: {error}")))?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).context(|| format!("making `{}`", folder.display()))?;
        }
        std::fs::write(path, text).context(|| format!("writing `{}`", path.display()))
    }
}

/// A table in Markdown, so that it can be pasted.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![HEADER.map(String::from)];
        lines.extend(self.rows.iter().map(Row::cells));
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..HEADER.len()).map(width).collect();
        for (at, line) in lines.iter().enumerate() {
            for (cell, width) in line.iter().zip(&widths) {
                write!(f, "| {cell:<width$} ")?;
            }
            writeln!(f, "|")?;
            if at == 0 {
                let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
                writeln!(f, "|{}|", rules.join("|"))?;
            }
        }
        write!(f, "{}", machine())
    }
}

/// Writes a figure with about three significant digits and its unit.
fn figure(value: f64, unit: &str) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 2.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$} {unit}").trim_end().into()
}

/// Names the processor and the number of cores.
fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {cores} cores, {}", model.map_or("unknown processor", |(_, name)| name), std::env::consts::OS)
}
