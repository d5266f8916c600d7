//! DOT, the language of Graphviz: a graph within a graph is a cluster.

use std::fmt::{self, Write};

use super::{Item, Kind, Picture, Style, visible};

pub(super) fn write(picture: &Picture) -> String {
    let mut text = String::from("digraph {\n  node [shape=box, style=rounded];\n");
    write_picture(&mut text, picture, 1).expect("a string takes all text");
    text.push_str("}\n");
    text
}

fn write_picture(text: &mut String, picture: &Picture, depth: usize) -> fmt::Result {
    let pad = "  ".repeat(depth);
    for item in &picture.items {
        match item {
            Item::Dot { id, kind, label } => {
                writeln!(text, "{pad}{id} [label=\"{}\"{}];", escaped(label), look(*kind))?;
            }
            Item::Inner { id, label, picture } => {
                writeln!(text, "{pad}subgraph cluster_{id} {{\n{pad}  label=\"{}\";", escaped(label))?;
                write_picture(text, picture, depth + 1)?;
                writeln!(text, "{pad}}}")?;
            }
        }
    }
    for line in &picture.lines {
        let look = match line.style {
            Style::Always => "",
            Style::Part => " [arrowhead=none]",
            Style::Choice => " [style=dotted]",
            Style::Goto => " [style=dotted, label=goto]",
            Style::Error => " [style=dotted, label=error]",
        };
        writeln!(text, "{pad}{} -> {}{look};", line.from, line.to)?;
    }
    Ok(())
}

fn look(kind: Kind) -> &'static str {
    match kind {
        Kind::Start => ", shape=circle, style=\"\"",
        Kind::End => ", shape=doublecircle, style=\"\"",
        Kind::Node => "",
        Kind::Deferred => ", style=\"rounded,dashed\"",
        Kind::Join => ", shape=circle, style=\"\", width=0, height=0, margin=0, fontsize=9",
        Kind::Unknown => ", color=red, style=dotted",
    }
}

/// Graphviz reads backslashes and HTML entities in a quoted label.
fn escaped(label: &str) -> String {
    let mut text = String::with_capacity(label.len());
    for c in label.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '&' => text.push_str("&amp;"),
            c => text.push(visible(c)),
        }
    }
    text
}
