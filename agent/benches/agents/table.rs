//! What was measured, as one table of each section, and every sample as JSON.

use std::path::Path;

use serde_json::{Value, json};

use crate::bars::Bars;
use crate::case::{Case, Section, Stored};
use crate::figures::{bytes, drawn, figure, least, machine, median, microseconds};
use crate::measure::{Measured, Outcome};
use crate::peers::Side;

const TURNS: [&str; 7] =
    ["case", "stored", "side", "processor a run: min (median)", "wall: min", "beside ours", "peak memory"];
const IDLE: [&str; 6] = ["case", "side", "how many", "memory of each", "processor to make one", "beside ours"];

struct Row {
    case: Case,
    stored: Stored,
    side: Side,
    measured: Result<Measured, String>,
}

/// All that was measured.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// Adds what came of a measurement, and says so to whoever waits.
    pub(crate) fn push(&mut self, case: Case, stored: Stored, side: Side, measured: Result<Measured, String>) {
        let shown = measured.as_ref().map_or_else(String::clone, |measured| microseconds(least(&measured.cpu_us)));
        eprintln!("   {}, {}: {shown}", stored.name(), side.name());
        self.rows.push(Row { case, stored, side, measured });
    }

    /// Finds a measurement.
    pub(crate) fn find(&self, case: Case, stored: Stored, side: Side) -> Option<&Measured> {
        let is_it = |row: &&Row| row.case == case && row.stored == stored && row.side == side;
        self.rows.iter().find(is_it)?.measured.as_ref().ok()
    }

    /// The processor time of a run, in microseconds.
    pub(crate) fn time(&self, case: Case, stored: Stored, side: Side) -> Option<f64> {
        self.find(case, stored, side).map(|measured| least(&measured.cpu_us))
    }

    /// Names the measurements that failed, and why.
    pub(crate) fn failures(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(|row| row.measured.as_ref().err().map(String::as_str))
    }

    /// Tells whether all measurements came to their end.
    pub(crate) fn is_complete(&self) -> bool {
        self.failures().next().is_none()
    }

    /// Draws the table of a section, in Markdown, so that it can be pasted.
    pub(crate) fn of(&self, section: Section) -> String {
        let rows = self.rows.iter().filter(|row| section.cases().contains(&row.case));
        let drawn = match section {
            Section::Idle => lines(IDLE, rows.map(|row| self.idle(row))),
            Section::React | Section::Long | Section::Crowd => lines(TURNS, rows.map(|row| self.turn(row))),
        };
        format!("\n### {}\n\n{drawn}", section.name())
    }

    fn turn(&self, row: &Row) -> [String; 7] {
        let names = [row.case.name(), row.stored.name().to_owned(), row.side.name().to_owned()];
        let [case, stored, side] = names;
        let Ok(measured) = &row.measured else {
            return [case, stored, side, "failed".to_owned(), none(), none(), none()];
        };
        let least_cpu = least(&measured.cpu_us);
        let ours = self.time(row.case, row.stored, Side::Lorewell);
        [
            case,
            stored,
            side,
            format!("{} ({})", microseconds(least_cpu), microseconds(median(&measured.cpu_us))),
            microseconds(least(&measured.wall_us)),
            beside(row.side, least_cpu, ours),
            bytes(measured.peak_bytes),
        ]
    }

    fn idle(&self, row: &Row) -> [String; 6] {
        let (case, side) = (row.case.name(), row.side.name().to_owned());
        let Ok(measured) = &row.measured else {
            return [case, side, "failed".to_owned(), none(), none(), none()];
        };
        let ours = self.find(row.case, row.stored, Side::Lorewell).map(|ours| ours.bytes as f64);
        [
            case,
            side,
            measured.runs.to_string(),
            bytes(measured.bytes),
            microseconds(least(&measured.cpu_us)),
            beside(row.side, measured.bytes as f64, ours),
        ]
    }

    /// Writes every sample and the bars, and what they were measured on.
    pub(crate) fn write_json(&self, bars: &Bars, path: &Path) -> Outcome<()> {
        let row = |row: &Row| {
            json!({
                "case": row.case.name(),
                "stored": row.stored.name(),
                "side": row.side.name(),
                "measured": row.measured.as_ref().ok(),
                "error": row.measured.as_ref().err(),
            })
        };
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        let report = json!({
            "machine": machine(), "version": env!("CARGO_PKG_VERSION"), "rows": rows, "bars": bars.json(),
        });
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(std::fs::write(path, serde_json::to_string_pretty(&report)?)?)
    }
}

fn lines<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let lines: Vec<_> = [header.map(str::to_owned)].into_iter().chain(rows).collect();
    drawn(&lines)
}

fn none() -> String {
    "–".to_owned()
}

fn beside(side: Side, figure_of: f64, ours: Option<f64>) -> String {
    let ratio = ours.filter(|_| side != Side::Lorewell).map(|ours| format!("{} ×", figure(figure_of / ours)));
    ratio.unwrap_or_else(none)
}
