//! The report: what the editor wrote, each number of it held against the ledger, and a table of where the numbers are from.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use lorewell::{Result, ResultExt as _};

use crate::chart;
use crate::recorded::Recorded;
use crate::tools::Ledger;

/// Stands behind a number that no tool gave.
const MARK: &str = " [?]";

/// A text whose numbers were held against the ledger.
#[derive(Debug, PartialEq)]
pub(crate) struct Checked {
    /// The text, with marks behind the numbers that no tool gave.
    pub(crate) text: String,
    /// Those numbers.
    pub(crate) unknown: Vec<String>,
}

/// Finds the numbers and dates of a text: digits with points, commas and hyphens between them. What begins with a letter is
/// a name. Signs and units are not part of it.
pub(crate) fn numbers(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut end = 0;
    text.char_indices().filter_map(move |(start, c)| {
        let is_in_word = text[..start].ends_with(|before: char| before.is_alphanumeric() || before == '_');
        if start < end || !c.is_ascii_digit() || is_in_word {
            return None;
        }
        let rest = &text.as_bytes()[start..];
        let is_digit = |at: usize| rest.get(at).is_some_and(u8::is_ascii_digit);
        let belongs =
            |at: &usize| is_digit(*at) || (matches!(rest.get(*at), Some(b'.' | b',' | b'-')) && is_digit(at + 1));
        end = start + (0..rest.len()).take_while(belongs).count();
        Some(start..end)
    })
}

/// Marks the numbers that no tool gave.
pub(crate) fn check(text: &str, ledger: &Ledger) -> Checked {
    let figures = ledger.figures();
    let known: BTreeSet<&str> = figures.iter().flat_map(|(_, value, _)| numbers(value).map(|at| &value[at])).collect();
    let (mut checked, mut from) = (Checked { text: String::new(), unknown: Vec::new() }, 0);
    for at in numbers(text) {
        checked.text.push_str(&text[from..at.end]);
        from = at.end;
        if !known.contains(&text[at.clone()]) {
            checked.text.push_str(MARK);
            checked.unknown.push(text[at].to_owned());
        }
    }
    checked.text.push_str(&text[from..]);
    checked
}

/// Writes `report.md` and `chart.svg` into a folder.
pub(crate) fn write(folder: &Path, recorded: &Recorded, text: &str, ledger: &Ledger) -> Result<()> {
    std::fs::create_dir_all(folder).context(|| format!("making the folder `{}`", folder.display()))?;
    let files = [("report.md", markdown(recorded, text, ledger)), ("chart.svg", chart::svg(recorded)?)];
    for (name, content) in files {
        let path = folder.join(name);
        std::fs::write(&path, content).context(|| format!("writing `{}`", path.display()))?;
    }
    Ok(())
}

fn markdown(recorded: &Recorded, text: &str, ledger: &Ledger) -> String {
    let said: BTreeSet<&str> = numbers(text).map(|at| &text[at]).collect();
    let (company, ticker) = (&recorded.statements.company, &recorded.statements.ticker);
    let mut report = format!(
        "# {company} ({ticker})\n\nThe company is invented, and so are its data. Not advice.\n\n{text}\n\n\
         ![Price, moving averages and drawdown](chart.svg)\n\n## Where the figures are from\n\n\
         `{}` stands behind a number that no tool gave. Numbers are compared, not what is said of them.\n\n| figure | value | tool |\n|---|---|---|\n",
        MARK.trim()
    );
    for (name, value, tool) in ledger.figures() {
        if numbers(&value).any(|at| said.contains(&value[at])) {
            // Writing to a string cannot fail.
            let _ = writeln!(report, "| {} | {value} | `{tool}` |", name.replace('_', " "));
        }
    }
    report
}
