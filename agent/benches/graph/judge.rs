//! What each workload of the graph must reach, and what it is to reach.

use crate::bars::Bars;
use crate::case::Section;
use crate::figures::least;
use crate::peers::Side;
use crate::table::{Table, supersteps};
use crate::variant::Variant;

/// Times a superstep of 10,000 nodes may take as long as one of 10: the caches of the processor hold the smaller graph.
const FLAT: f64 = 1.5;
/// Checkpoints and the like, in the units of the bars.
const MB: f64 = 1e6;

impl Bars {
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
            self.aim_at_most(what, time, "µs", 3.0);
        }
        for (side, times) in [(Side::Juncture, 3.0), (Side::LangGraph, 500.0)] {
            let (ours, theirs) =
                (each(cases[1], Variant::Events, Side::Lorewell), each(cases[1], Variant::Events, side));
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                let what = format!("{}, {} beside ours", cases[1], side.name());
                self.aim_at_least(what, theirs / ours, "×", times);
            }
        }
    }

    fn time(&mut self, case: &str, variant: Variant, limit_ms: f64, must: bool, table: &Table) {
        if let Some(measured) = table.ours(case, variant) {
            let (what, time) = (format!("{case}, not stored, events read"), least(&measured.cpu_us) / 1e3);
            match must {
                true => self.at_most(what, time, "ms", limit_ms),
                false => self.aim_at_most(what, time, "ms", limit_ms),
            }
        }
    }

    fn bytes(&mut self, case: &str, limit_mb: f64, table: &Table) {
        for variant in [Variant::SqliteBackground, Variant::SqliteSync] {
            if let Some(measured) = table.ours(case, variant) {
                self.at_most(format!("{case}, {}", variant.name()), measured.bytes as f64 / MB, "MB", limit_mb);
            }
        }
    }
}
