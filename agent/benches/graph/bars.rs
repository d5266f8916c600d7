//! What must be reached, beside what was. An aim is judged as well, but only a bar that is broken fails the bench. The bench of
//! agents includes this file.

use std::fmt;

use serde_json::{Value, json};

use crate::figures::{drawn, figure};

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
        self.add(what, figure, unit, Some((Direction::AtMost, limit)), true);
    }

    /// Adds a figure that must not be below a limit.
    pub(crate) fn at_least(&mut self, what: String, figure: f64, unit: &'static str, limit: f64) {
        self.add(what, figure, unit, Some((Direction::AtLeast, limit)), true);
    }

    /// Adds a figure that is not to be above a limit.
    pub(crate) fn aim_at_most(&mut self, what: String, figure: f64, unit: &'static str, limit: f64) {
        self.add(what, figure, unit, Some((Direction::AtMost, limit)), false);
    }

    /// Adds a figure that is not to be below a limit.
    pub(crate) fn aim_at_least(&mut self, what: String, figure: f64, unit: &'static str, limit: f64) {
        self.add(what, figure, unit, Some((Direction::AtLeast, limit)), false);
    }

    /// Adds a figure to be read.
    pub(crate) fn show(&mut self, what: String, figure: f64, unit: &'static str) {
        self.add(what, figure, unit, None, false);
    }

    fn add(&mut self, what: String, figure: f64, unit: &'static str, limit: Option<(Direction, f64)>, must: bool) {
        self.bars.push(Bar { what, figure, unit, limit, must });
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
