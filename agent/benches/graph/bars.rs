//! What must be reached, beside what was. An aim is judged as well, but only a bar that is broken fails the bench.

use std::fmt;

use serde_json::{Value, json};

use crate::case::Section;
use crate::peers::Side;
use crate::table::{Table, drawn, figure, least, supersteps};
use crate::variant::Variant;

/// Times a superstep of 10,000 nodes may take as long as one of 10: the caches of the processor hold the smaller graph.
const FLAT: f64 = 1.5;
/// Checkpoints and the like, in the units of the issue.
const MB: f64 = 1e6;

struct Bar {
    what: String,
    figure: f64,
    unit: &'static str,
    limit: Option<(Direction, f64)>,
    must: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    AtMost,
    AtLeast,
}

impl Bar {
    fn holds(&self) -> Option<bool> {
        self.limit.map(|(direction, limit)| match direction {
            Direction::AtMost => self.figure <= limit,
            Direction::AtLeast => self.figure >= limit,
        })
    }

    fn cells(&self) -> [String; 4] {
        let show = |value: f64| format!("{} {}", figure(value), self.unit).trim_end().to_owned();
        let limit = match self.limit {
            None => "–".to_owned(),
            Some((Direction::AtMost, limit)) => format!("≤ {}", show(limit)),
            Some((Direction::AtLeast, limit)) => format!("≥ {}", show(limit)),
        };
        let holds = match (self.holds(), self.must) {
            (None, _) => "–",
            (Some(true), _) => "yes",
            (Some(false), true) => "NO",
            (Some(false), false) => "no (an aim)",
        };
        [self.what.clone(), show(self.figure), limit, holds.to_owned()]
    }
}

/// All bars that were judged.
#[derive(Default)]
pub(crate) struct Bars {
    bars: Vec<Bar>,
}

impl Bars {
    /// Adds a figure that must not be above a limit.
    pub(crate) fn at_most(&mut self, what: String, figure: f64, unit: &'static str, limit: f64) {
        self.bars.push(Bar { what, figure, unit, limit: Some((Direction::AtMost, limit)), must: true });
    }

    /// Adds a figure to be read.
    pub(crate) fn show(&mut self, what: String, figure: f64, unit: &'static str) {
        self.bars.push(Bar { what, figure, unit, limit: None, must: false });
    }

    fn aim(&mut self, what: String, figure: f64, unit: &'static str, limit: (Direction, f64)) {
        self.bars.push(Bar { what, figure, unit, limit: Some(limit), must: false });
    }

    /// Judges what was measured of a section.
    pub(crate) fn judge(&mut self, section: Section, table: &Table) {
        match section {
            Section::Sequential => self.sequential(table),
            Section::Fanout => self.time("fanout_100", Variant::Events, 3.0, true, table),
            Section::React => {
                self.bytes("react_100", 8.0, table);
                self.time("react_100", Variant::Events, 2.0, false, table);
            }
            Section::Wide => self.time("wide_25x300", Variant::Events, 1.0, false, table),
            Section::Saver | Section::Syncs => {}
            Section::Resume => {
                if let Some(measured) = table.ours("resume", Variant::SqliteSync) {
                    let wall = least(&measured.wall_us) / 1e3;
                    self.at_most("a thread with 100,000 supersteps resumes, wall".to_owned(), wall, "ms", 50.0);
                }
            }
        }
    }

    fn sequential(&mut self, table: &Table) {
        let each = |case: &str, variant, side| {
            table.find(case, variant, side).map(|measured| least(&measured.cpu_us) / supersteps(measured))
        };
        let cases = ["sequential_10", "sequential_1000", "sequential_3000", "sequential_10000"];
        for case in cases {
            for (variant, how) in [(Variant::Await, "awaited"), (Variant::Events, "events read")] {
                if let Some(time) = each(case, variant, Side::Lorewell) {
                    self.at_most(format!("{case}, processor a superstep, {how}"), time, "µs", 1.0);
                }
            }
        }
        for (variant, how) in [(Variant::Await, "awaited"), (Variant::Events, "events read")] {
            let ends = [cases[0], cases[3]].map(|case| each(case, variant, Side::Lorewell));
            if let [Some(few), Some(many)] = ends {
                self.at_most(format!("10,000 nodes beside 10, a superstep, {how}"), many / few, "×", FLAT);
            }
        }
        self.bytes("sequential_1000", 0.5, table);
        if let Some(time) = each(cases[1], Variant::MemoryBackground, Side::Lorewell) {
            let what = format!("{}, memory, background, a superstep", cases[1]);
            self.aim(what, time, "µs", (Direction::AtMost, 3.0));
        }
        for (side, times) in [(Side::Juncture, 3.0), (Side::LangGraph, 500.0)] {
            let (ours, theirs) =
                (each(cases[1], Variant::Events, Side::Lorewell), each(cases[1], Variant::Events, side));
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                let what = format!("{}, {} beside ours", cases[1], side.name());
                self.aim(what, theirs / ours, "×", (Direction::AtLeast, times));
            }
        }
    }

    fn time(&mut self, case: &str, variant: Variant, limit_ms: f64, must: bool, table: &Table) {
        if let Some(measured) = table.ours(case, variant) {
            let limit = Some((Direction::AtMost, limit_ms));
            let (what, figure) = (format!("{case}, not stored, events read"), least(&measured.cpu_us) / 1e3);
            self.bars.push(Bar { what, figure, unit: "ms", limit, must });
        }
    }

    fn bytes(&mut self, case: &str, limit_mb: f64, table: &Table) {
        for variant in [Variant::SqliteBackground, Variant::SqliteSync] {
            if let Some(measured) = table.ours(case, variant) {
                self.at_most(format!("{case}, {}", variant.name()), measured.bytes as f64 / MB, "MB", limit_mb);
            }
        }
    }

    /// Tells whether no bar is broken.
    pub(crate) fn hold(&self) -> bool {
        self.bars.iter().all(|bar| !bar.must || bar.holds() != Some(false))
    }

    /// Returns all of them for the report.
    pub(crate) fn json(&self) -> Value {
        let bar = |bar: &Bar| {
            let [what, figure, limit, holds] = bar.cells();
            json!({ "what": what, "figure": figure, "bar": limit, "holds": holds })
        };
        self.bars.iter().map(bar).collect()
    }
}

impl fmt::Display for Bars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![["what", "lorewell", "bar", "holds"].map(str::to_owned)];
        lines.extend(self.bars.iter().map(Bar::cells));
        write!(f, "\n### Bars\n\n{}", drawn(&lines))
    }
}
