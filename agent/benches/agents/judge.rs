//! What agents must reach.

use crate::bars::Bars;
use crate::case::{Case, Section, Stored};
use crate::peers::Side;
use crate::table::Table;

/// Times that LangGraph's turn takes as long as ours, at least.
const LANGGRAPH: f64 = 100.0;
/// Times that rig's does.
const RIG: f64 = 1.0;
/// Memory of an agent or a thread that waits, in kilobytes.
const IDLE_KB: f64 = 64.0;
/// Times that a turn after 3000 messages may take as long as one after 10: the model reads none of them.
const FLAT: f64 = 1.5;

impl Bars {
    /// Judges what was measured.
    pub(crate) fn judge(&mut self, table: &Table) {
        self.peers(table);
        self.idle(table);
        self.long(table);
    }

    /// A turn beside those of the peers.
    fn peers(&mut self, table: &Table) {
        for case in Section::React.cases() {
            for (side, times) in [(Side::LangGraph, LANGGRAPH), (Side::Rig, RIG)] {
                if let Some(ratio) = ratio(table, case, Stored::Not, side) {
                    self.at_least(format!("{}, {} beside ours", case.name(), side.name()), ratio, "×", times);
                }
            }
            if let Some(ratio) = ratio(table, case, Stored::Sqlite, Side::LangGraph) {
                self.show(format!("{}, SQLite, LangGraph beside ours", case.name()), ratio, "×");
            }
        }
        for case in Section::Crowd.cases() {
            for side in [Side::LangGraph, Side::Rig] {
                if let Some(ratio) = ratio(table, case, Stored::Not, side) {
                    self.show(format!("{}, {} beside ours", case.name(), side.name()), ratio, "×");
                }
            }
        }
    }

    /// What waits.
    fn idle(&mut self, table: &Table) {
        for (case, stored, what) in [
            (Case::Agents, Stored::Not, "an agent with three tools that waits"),
            (Case::Threads, Stored::Sqlite, "a thread that waits"),
        ] {
            if let Some(measured) = table.find(case, stored, Side::Lorewell) {
                self.at_most(what.to_owned(), measured.bytes as f64 / 1e3, "kB", IDLE_KB);
            }
        }
    }

    /// A turn in a long conversation beside one in a short one.
    fn long(&mut self, table: &Table) {
        let cases = Section::Long.cases();
        let [Some(short), Some(long)] = [cases.first(), cases.last()] else { return };
        for side in Side::ALL {
            let ends = [short, long].map(|case| table.time(*case, Stored::Not, side));
            let [Some(few), Some(many)] = ends else { continue };
            let what = format!("a turn after 3000 messages beside one after 10, {}", side.name());
            match side {
                Side::Lorewell => self.at_most(what, many / few, "×", FLAT),
                Side::LangGraph | Side::Rig => self.show(what, many / few, "×"),
            }
        }
        let ends = |stored| [short, long].map(|case| table.time(*case, stored, Side::Lorewell));
        if let [Some(few), Some(many)] = ends(Stored::Held) {
            self.at_most("the same, in a thread in SQLite that is held".to_owned(), many / few, "×", FLAT);
        }
        if let [Some(few), Some(many)] = ends(Stored::Sqlite) {
            self.show("the same, read from SQLite before the turn".to_owned(), many / few, "×");
        }
    }
}

/// How often a peer's run takes as long as ours.
fn ratio(table: &Table, case: Case, stored: Stored, side: Side) -> Option<f64> {
    Some(table.time(case, stored, side)? / table.time(case, stored, Side::Lorewell)?)
}
