//! Mermaid, which Markdown viewers draw: a graph within a graph is a subgraph.

use std::fmt::{self, Write};

use super::{Item, Kind, Picture, Style, visible};

pub(super) fn write(picture: &Picture) -> String {
    let mut text = String::from("flowchart TD\n");
    write_picture(&mut text, picture, 1).expect("a string takes all text");
    text
}

fn write_picture(text: &mut String, picture: &Picture, depth: usize) -> fmt::Result {
    let pad = "  ".repeat(depth);
    for item in &picture.items {
        match item {
            Item::Dot { id, kind, label } => {
                let (open, close) = brackets(*kind);
                writeln!(text, "{pad}{id}{open}\"{}\"{close}", escaped(label))?;
            }
            Item::Inner { id, label, picture } => {
                writeln!(text, "{pad}subgraph {id}[\"{}\"]", escaped(label))?;
                write_picture(text, picture, depth + 1)?;
                writeln!(text, "{pad}end")?;
            }
        }
    }
    for line in &picture.lines {
        let arrow = match line.style {
            Style::Always => "-->",
            Style::Part => "---",
            Style::Choice => "-.->",
            Style::Goto => "-.->|goto|",
            Style::Error => "-.->|error|",
        };
        writeln!(text, "{pad}{} {arrow} {}", line.from, line.to)?;
    }
    Ok(())
}

fn brackets(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Start => ("((", "))"),
        Kind::End => ("(((", ")))"),
        Kind::Node => ("(", ")"),
        Kind::Deferred => ("{{", "}}"),
        Kind::Join => ("((", "))"),
        Kind::Unknown => (">", "]"),
    }
}

/// Mermaid reads some signs, entities and Markdown also in a quoted label. So signs become entities, but for those within
/// a word and what marks are made of.
fn escaped(label: &str) -> String {
    let mut text = String::with_capacity(label.len());
    let chars: Vec<char> = label.chars().collect();
    for (at, c) in chars.iter().enumerate() {
        let is_word = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphanumeric());
        let is_within = || is_word(at.checked_sub(1)) && is_word(at.checked_add(1));
        let is_plain = match c {
            '(' | ')' | ',' => true,
            '_' | '-' | '.' | ':' => is_within(),
            c => !c.is_ascii_punctuation(),
        };
        if is_plain {
            text.push(visible(*c));
        } else {
            text.push_str(&format!("#{};", u32::from(*c)));
        }
    }
    text
}
