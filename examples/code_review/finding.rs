//! What the reviewer finds: a value with a schema, held against the files before anyone is shown it.

use std::path::Path;

use lorewell::Result;
use lorewell::rag::load::read_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Columns of the terminal.
const COLUMNS: usize = 80;

/// What the reviewer answers.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub(crate) struct Findings {
    /// Faults of the changes, gravest first; none if there are none.
    pub(crate) findings: Vec<Finding>,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Finding {
    /// The file, as the diff names it, without `a/` or `b/`.
    pub(crate) file: String,
    /// The line in the file as it is now, from 1.
    pub(crate) line: usize,
    pub(crate) severity: Severity,
    /// What is wrong, in a few words.
    pub(crate) title: String,
    /// When it goes wrong, and what happens then.
    pub(crate) why: String,
    /// How to mend it, if that is clear.
    pub(crate) fix: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    High,
    Medium,
    Low,
}

impl Finding {
    /// Says what is wrong with it: it points to a file that was not changed, or to a line that is not there.
    pub(crate) fn fault(&self, folder: &Path, changed: &[String]) -> Result<Option<String>> {
        let Self { file, line, title, .. } = self;
        if !changed.contains(file) {
            return Ok(Some(format!("\"{title}\": `{file}` is none of the changed files")));
        }
        let lines = read_text(&folder.join(file))?.lines().count();
        let is_there = (1..=lines).contains(line);
        Ok((!is_there).then(|| format!("\"{title}\": `{file}` has {lines} lines and no line {line}")))
    }

    /// Writes it as a person reads it.
    pub(crate) fn show(&self) -> String {
        let severity = format!("{:?}", self.severity).to_uppercase();
        let fix = self.fix.iter().map(|fix| wrapped(&format!("Fix: {fix}")));
        let body: String = std::iter::once(wrapped(&self.why)).chain(fix).collect();
        format!("{severity:<7} {}:{}  {}\n{body}", self.file, self.line, self.title)
    }
}

/// Breaks a text into lines that fit the terminal, indented.
fn wrapped(text: &str) -> String {
    const INDENT: &str = "        ";
    let mut lines = vec![INDENT.to_owned()];
    for word in text.split_whitespace() {
        if lines.last().is_some_and(|line| line != INDENT && line.len() + word.len() >= COLUMNS) {
            lines.push(INDENT.to_owned());
        }
        if let Some(line) = lines.last_mut() {
            if line != INDENT {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n") + "\n"
}
