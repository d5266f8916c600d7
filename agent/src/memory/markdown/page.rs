//! The file as text: what a person reads and edits, and how it is read back. A line says what is remembered, a comment behind it
//! which memory that is; the last lines say what the file held when it was written, so that an edit can be told from an older file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use lorewell_model::{Error, Kind, Result};

use super::super::filter::origin_name;
use super::super::item::{MemoryId, MemoryItem, MemoryKind, Statement};

/// Digits of the hash by which an edit is noticed.
const MARK_DIGITS: usize = 16;
/// How the last lines begin.
const MANIFEST: &str = "<!-- lorewell memory 1: ";
const END: &str = "-->";
const INTRO: &str = "<!-- Edit a line to change what is remembered, take it out to forget it, write `- ...` to add one. \
    Leave the end of the file as it is. -->";

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// A text of some kind.
    Text(MemoryKind, String),
    /// A fact.
    Fact(Statement),
}

impl Body {
    /// What a memory says.
    pub(super) fn of(item: &MemoryItem) -> Self {
        match &item.statement {
            Some(statement) => Self::Fact(statement.clone()),
            None => Self::Text(item.kind, item.text.clone()),
        }
    }

    /// The words of it, which are embedded.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(_, text) => text.clone(),
            Self::Fact(statement) => statement.to_string(),
        }
    }

    /// Tells whether it says the same. Where a text stands makes no difference.
    pub(super) fn says(&self, other: &Self) -> bool {
        self.mark() == other.mark()
    }

    /// The beginning of a hash of what it says.
    pub(super) fn mark(&self) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("lorewell memory line 1");
        match self {
            Self::Text(_, text) => hasher.update(text.as_bytes()),
            Self::Fact(Statement { entity, attribute, value }) => {
                hasher.update(format!("{entity}\0{attribute}\0{value}").as_bytes())
            }
        };
        let mut mark = hasher.finalize().to_hex().to_string();
        mark.truncate(MARK_DIGITS);
        mark
    }
}

/// One line, or several that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The memory that it was, if it says so.
    pub(super) id: Option<MemoryId>,
    pub(super) body: Body,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Page {
    pub(super) lines: Vec<Line>,
    /// What it held when it was written: the marks of memories.
    pub(super) base: BTreeMap<MemoryId, String>,
}

/// The sections, in the order of the file.
const SECTIONS: [(MemoryKind, &str); 4] = [
    (MemoryKind::Semantic, "Notes"),
    (MemoryKind::Episodic, "Events"),
    (MemoryKind::Procedural, "How to"),
    (MemoryKind::Fact, "Facts"),
];

/// Writes the file.
pub(super) fn render(namespace: &str, items: &[MemoryItem]) -> String {
    let mut out = format!("# {namespace}\n\n{INTRO}\n");
    for (kind, title) in SECTIONS {
        let here = || items.iter().filter(move |item| item.kind == kind);
        if here().next().is_none() {
            continue;
        }
        out.push_str(&format!("\n## {title}\n\n"));
        match kind {
            MemoryKind::Fact => render_facts(&mut out, here()),
            _ => here().for_each(|item| render_line(&mut out, &item.text, item)),
        }
    }
    out.push_str(&format!("\n{MANIFEST}{namespace}\n"));
    for item in items {
        out.push_str(&format!("{} {}\n", item.id, Body::of(item).mark()));
    }
    out.push_str(END);
    out.push('\n');
    out
}

fn render_facts<'a>(out: &mut String, items: impl Iterator<Item = &'a MemoryItem>) {
    let mut by_entity: BTreeMap<&str, Vec<(&Statement, &MemoryItem)>> = BTreeMap::new();
    for item in items {
        if let Some(statement) = &item.statement {
            by_entity.entry(&statement.entity).or_default().push((statement, item));
        }
    }
    for (n, (entity, facts)) in by_entity.into_iter().enumerate() {
        out.push_str(if n == 0 { "" } else { "\n" });
        out.push_str(&format!("### {entity}\n\n"));
        for (statement, item) in facts {
            render_line(out, &format!("{}: {}", statement.attribute, statement.value), item);
        }
    }
}

/// Writes a text: its first line behind a dash, the others below it.
fn render_line(out: &mut String, text: &str, item: &MemoryItem) {
    for (n, line) in text.split('\n').enumerate() {
        match (n, line) {
            (0, line) => out.push_str(&format!("- {line}")),
            (_, "") => out.push('\n'),
            (_, line) => out.push_str(&format!("\n  {line}")),
        }
    }
    let mark = if item.is_trusted() { String::new() } else { format!(" {}", origin_name(item.origin)) };
    // Writing to a text cannot fail.
    let _ = writeln!(out, " <!-- {}{mark} -->", item.id);
}

/// Reads the file of a namespace.
///
/// # Errors
/// `BadInput` if it is not one, or a line of it is nothing that could be kept.
pub(super) fn parse(namespace: &str, text: &str) -> Result<Page> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let Some((lines, manifest)) = text.rsplit_once(MANIFEST) else {
        return Err(unusable("its last lines are missing, which say what it held"));
    };
    let base = parse_manifest(namespace, manifest)?;
    let mut reader = Reader { section: MemoryKind::Semantic, entity: None, open: None, lines: Vec::new() };
    for (line, number) in lines.split('\n').zip(1..) {
        reader.line(line).map_err(|error| error.context(format!("line {number}")))?;
    }
    reader.close().map_err(|error| error.context("the last line"))?;
    Ok(Page { lines: reader.lines, base })
}

fn parse_manifest(namespace: &str, manifest: &str) -> Result<BTreeMap<MemoryId, String>> {
    let Some(manifest) = manifest.trim_end().strip_suffix(END) else { return Err(unusable("it is cut off")) };
    let mut lines = manifest.lines();
    if lines.next() != Some(namespace) {
        return Err(unusable("it is the file of another namespace"));
    }
    let pair = |line: &str| {
        let (id, mark) = line.split_once(' ')?;
        Some((id.parse().ok()?, mark.to_owned()))
    };
    let read: Option<_> = lines.map(pair).collect();
    read.ok_or_else(|| unusable("its last lines, which say what it held, were changed"))
}

fn unusable(why: &str) -> Error {
    let message = format!("{why}; move the file away, let it be written anew, and make your changes there");
    Error::new(Kind::BadInput, message)
}

/// Reads lines one after the other.
struct Reader {
    section: MemoryKind,
    entity: Option<String>,
    /// The lines of a text that is not at its end yet.
    open: Option<Vec<String>>,
    lines: Vec<Line>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<()> {
        if let Some(text) = line.strip_prefix("- ") {
            self.close()?;
            self.open = Some(vec![text.to_owned()]);
            return Ok(());
        }
        if let Some(open) = &mut self.open {
            let more =
                line.strip_prefix("  ").or_else(|| line.strip_prefix('\t')).or_else(|| line.is_empty().then_some(""));
            if let Some(more) = more {
                open.push(more.to_owned());
                return Ok(());
            }
        }
        self.close()?;
        self.heading(line)
    }

    /// A line that is no part of a text.
    fn heading(&mut self, line: &str) -> Result<()> {
        let line = line.trim_end();
        if let Some(entity) = line.strip_prefix("### ") {
            self.entity = Some(entity.trim().to_owned());
            return Ok(());
        }
        if let Some(title) = line.strip_prefix("## ") {
            let found = SECTIONS.iter().find(|(_, known)| *known == title.trim());
            let Some((section, _)) = found else {
                let names: Vec<&str> = SECTIONS.iter().map(|(_, title)| *title).collect();
                let message = format!("`{line}` is no section; there are {}", names.join(", "));
                return Err(Error::new(Kind::BadInput, message));
            };
            (self.section, self.entity) = (*section, None);
            return Ok(());
        }
        if line.is_empty() || line.starts_with("# ") || line == INTRO {
            return Ok(());
        }
        let message = format!("`{line}` is neither a heading nor a memory; begin it with `- `, or indent what goes on");
        Err(Error::new(Kind::BadInput, message))
    }

    /// Ends the text that is open.
    fn close(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let mut id = None;
        for line in open.iter_mut().rev() {
            if let Some((text, found)) = split_id(line) {
                (*line, id) = (text, Some(found));
                break;
            }
        }
        let text = open.join("\n").trim().to_owned();
        if text.is_empty() {
            return Err(Error::new(Kind::BadInput, "a memory says nothing; take its line out to forget it"));
        }
        let body = match self.section {
            MemoryKind::Fact => Body::Fact(self.statement(&text)?),
            kind => Body::Text(kind, text),
        };
        self.lines.push(Line { id, body });
        Ok(())
    }

    fn statement(&self, text: &str) -> Result<Statement> {
        let entity = self.entity.clone().ok_or_else(|| {
            Error::new(
                Kind::BadInput,
                format!("the fact `{text}` stands under no entity; write `### ` and a name above it"),
            )
        })?;
        let (attribute, value) = text
            .split_once(": ")
            .ok_or_else(|| Error::new(Kind::BadInput, format!("`{text}` is no fact; write `attribute: value`")))?;
        Ok(Statement { entity, attribute: attribute.trim().to_owned(), value: value.trim().to_owned() })
    }
}

/// Takes the comment with an id from the end of a line.
fn split_id(line: &str) -> Option<(String, MemoryId)> {
    let (text, comment) = line.trim_end().strip_suffix(END)?.rsplit_once("<!-- ")?;
    let id = comment.split_whitespace().next()?.parse().ok()?;
    Some((text.strip_suffix(' ').unwrap_or(text).to_owned(), id))
}

#[cfg(test)]
mod tests;
