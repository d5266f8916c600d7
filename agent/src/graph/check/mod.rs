//! What is wrong with a graph: all of it at once, in words. Names first; then, with misspelt names read as what was
//! probably meant, what no run could do.

mod cycles;
#[cfg(test)]
mod explore;
mod joins;
mod names;
mod parallel;
mod reach;
#[cfg(test)]
mod tests;

use std::fmt;

use lorewell_model::{Error, Kind, Result};

pub(crate) use names::nearest;

use super::net::{Id, Net, Place};
use super::shape::{END, START, Shape};
use crate::state::Field;

/// Faults that are listed; whoever has more of them learns nothing from the rest.
const LISTED_MAX: usize = 100;
/// Names that are listed in one fault, so that it stays a line.
const NAMES_MAX: usize = 12;

/// Checks a graph on a state with these fields.
///
/// # Errors
/// Lists all faults.
pub(super) fn check(shape: &Shape, fields: &[Field]) -> Result<()> {
    let (mut faults, meant) = names::faults(shape, fields);
    if shape.nodes.is_empty() {
        faults.push("there are no nodes; add one with `.node(..)`".to_owned());
    } else if !begins(shape) {
        faults.push("nothing says where a run begins; say it with `.start(..)`".to_owned());
    } else {
        let net = Net::meant(shape, &meant);
        let reached = reach::reached(&net, shape);
        faults.extend(reach::faults(&net, shape, &reached));
        faults.extend(cycles::faults(&net, shape, &reached));
        faults.extend(joins::faults(&net, shape, &reached));
        faults.extend(parallel::faults(&net, shape, &reached, fields));
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::new(Kind::Config, listed(&faults))) }
}

fn begins(shape: &Shape) -> bool {
    shape.edges.iter().any(|(from, _)| from == START) || shape.branches.iter().any(|branch| branch.from == START)
}

fn listed(faults: &[String]) -> String {
    let mut text = match faults.len() {
        1 => "the graph has a fault:".to_owned(),
        n => format!("the graph has {n} faults:"),
    };
    for fault in faults.iter().take(LISTED_MAX) {
        text.push_str("\n  ");
        text.push_str(fault);
    }
    if faults.len() > LISTED_MAX {
        text.push_str(&format!("\n  and {} more", faults.len() - LISTED_MAX));
    }
    text
}

/// A name as a fault shows it, in one line whatever is in it.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            START => f.write_str("`START`"),
            END => f.write_str("`END`"),
            name => {
                f.write_str("`")?;
                for c in name.chars() {
                    if c.is_control() { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
                }
                f.write_str("`")
            }
        }
    }
}

/// Puts names in a row: `a`, `b` and `c`.
fn row<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut shown: Vec<String> = names.into_iter().map(|name| Shown(name).to_string()).collect();
    if shown.len() > NAMES_MAX {
        let rest = shown.len() - (NAMES_MAX - 1);
        shown.truncate(NAMES_MAX - 1);
        shown.push(format!("{rest} more"));
    }
    match shown.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// A place as a fault shows it.
fn shown<'a>(net: &Net<'a>, shape: &'a Shape, id: Id) -> Shown<'a> {
    Shown(match net.graph[id] {
        Place::Start => START,
        Place::End => END,
        Place::Node(number) => &shape.nodes[number].name,
        Place::Unknown(name) => name,
    })
}
