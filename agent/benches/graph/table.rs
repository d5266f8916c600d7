//! What was measured, as one table of each case, and every sample as JSON.

use std::path::Path;

use serde_json::{Value, json};

use crate::bars::Bars;
use crate::case::Case;
use crate::figures::{self, drawn, figure, least, machine, median, microseconds};
use crate::measure::{Measured, Outcome};
use crate::peers::Side;
use crate::variant::Variant;

const HEADER: [&str; 7] =
    ["stored", "side", "processor a run: min (median)", "a superstep", "beside ours", "bytes stored", "peak memory"];

struct Row {
    case: String,
    variant: Variant,
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
    pub(crate) fn push(&mut self, case: Case, variant: Variant, side: Side, measured: Result<Measured, String>) {
        let shown = measured.as_ref().map_or_else(String::clone, |measured| microseconds(least(&measured.cpu_us)));
        eprintln!("   {}, {}: {shown}", variant.name(), side.name());
        self.rows.push(Row { case: case.name(), variant, side, measured });
    }

    /// Finds a measurement of our side.
    pub(crate) fn ours(&self, case: &str, variant: Variant) -> Option<&Measured> {
        self.find(case, variant, Side::Lorewell)
    }

    /// Finds a measurement.
    pub(crate) fn find(&self, case: &str, variant: Variant, side: Side) -> Option<&Measured> {
        let is_it = |row: &&Row| row.case == case && row.variant == variant && row.side == side;
        self.rows.iter().find(is_it)?.measured.as_ref().ok()
    }

    /// Names the measurements that failed, and why.
    pub(crate) fn failures(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(|row| row.measured.as_ref().err().map(String::as_str))
    }

    /// Tells whether all measurements of our side came to their end.
    pub(crate) fn is_ours_complete(&self) -> bool {
        self.rows.iter().all(|row| row.side != Side::Lorewell || row.measured.is_ok())
    }

    /// Draws the table of a case, in Markdown, so that it can be pasted.
    pub(crate) fn of(&self, case: Case) -> String {
        let name = case.name();
        let mut lines = vec![HEADER.map(str::to_owned)];
        for row in self.rows.iter().filter(|row| row.case == name) {
            let ours = self.ours(&name, row.variant).map(|ours| least(&ours.cpu_us));
            lines.push(row.cells(ours));
        }
        let supersteps = self.rows.iter().find(|row| row.case == name).and_then(|row| row.measured.as_ref().ok());
        let supersteps = supersteps.map_or(String::new(), |measured| format!(", {} supersteps", measured.supersteps));
        format!("\n### {name}{supersteps}\n\n{}", drawn(&lines))
    }

    /// Writes every sample and the bars, and what they were measured on.
    pub(crate) fn write_json(&self, bars: &Bars, path: &Path) -> Outcome<()> {
        let row = |row: &Row| {
            json!({
                "case": row.case,
                "variant": row.variant.name(),
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

impl Row {
    fn cells(&self, ours: Option<f64>) -> [String; 7] {
        let (variant, side) = (self.variant.name().to_owned(), self.side.name().to_owned());
        let none = || "–".to_owned();
        let Ok(measured) = &self.measured else {
            return [variant, side, "failed".to_owned(), none(), none(), none(), none()];
        };
        let least = least(&measured.cpu_us);
        let median = median(&measured.cpu_us);
        let ratio = ours.filter(|_| self.side != Side::Lorewell).map(|ours| format!("{} ×", figure(least / ours)));
        let bytes = match self.variant.is_on_disk() {
            true => figures::bytes(measured.bytes),
            false => none(),
        };
        [
            variant,
            side,
            format!("{} ({})", microseconds(least), microseconds(median)),
            microseconds(least / supersteps(measured)),
            ratio.unwrap_or_else(none),
            bytes,
            figures::bytes(measured.peak_bytes),
        ]
    }
}

/// The number of supersteps, to divide by.
pub(crate) fn supersteps(measured: &Measured) -> f64 {
    f64::from(u32::try_from(measured.supersteps).unwrap_or(u32::MAX))
}
