//! Drawings of a graph as text. The picture is made here, with ids that are safe in any language and labels that are just
//! what the author wrote; each language has a file that writes it down.

mod dot;
mod mermaid;
#[cfg(test)]
mod tests;

use super::net::{Arrow, Id, Net, Place};
use super::shape::{Shape, ShapeNode};

/// Graphs within graphs that are drawn; nobody can read more.
const DEPTH_MAX: usize = 16;
/// Nodes inside other nodes that are drawn in all. The same graph can be in a graph twice, and that in another one twice.
const INNER_MAX: usize = 2_000;

/// Draws a graph in Mermaid.
pub(crate) fn mermaid(shape: &Shape) -> String {
    mermaid::write(&picture(shape))
}

/// Draws a graph in DOT.
pub(crate) fn dot(shape: &Shape) -> String {
    dot::write(&picture(shape))
}

/// What is drawn of a graph.
struct Picture {
    items: Vec<Item>,
    lines: Vec<Line>,
}

enum Item {
    Dot { id: String, kind: Kind, label: String },
    Inner { id: String, label: String, picture: Picture },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Start,
    End,
    Node,
    Deferred,
    /// Where the arrows of a join meet.
    Join,
    /// A name that is no node.
    Unknown,
}

struct Line {
    from: String,
    to: String,
    style: Style,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// It is followed.
    Always,
    /// To the point where the arrows of a join meet.
    Part,
    /// A branch may choose it.
    Choice,
    Goto,
    Error,
}

fn picture(shape: &Shape) -> Picture {
    let mut inner_left = INNER_MAX;
    Sketch { shape, net: Net::declared(shape), prefix: "", depth: 0 }.picture(&mut inner_left)
}

/// One graph, on the way to a picture.
struct Sketch<'a> {
    shape: &'a Shape,
    net: Net<'a>,
    /// What its ids begin with.
    prefix: &'a str,
    depth: usize,
}

impl Sketch<'_> {
    fn picture(&self, inner_left: &mut usize) -> Picture {
        let mut items = Vec::new();
        // Where arrows to a place end and where those from it begin: not the same for a graph that is drawn as a box.
        let mut ends: Vec<(String, String)> = Vec::new();
        for id in self.net.graph.node_indices() {
            let item = self.item(id, inner_left);
            let (name, is_inner) = match &item {
                Item::Dot { id, .. } => (id, false),
                Item::Inner { id, .. } => (id, true),
            };
            ends.push(if is_inner { (format!("{name}_s"), format!("{name}_e")) } else { (name.clone(), name.clone()) });
            if self.is_drawn(id) {
                items.push(item);
            }
        }
        let mut picture = Picture { items, lines: Vec::new() };
        self.lines(&ends, &mut picture);
        picture
    }

    /// The end is left out where nothing leads to it, but not within a box: arrows from the box begin there.
    fn is_drawn(&self, id: Id) -> bool {
        let leads_to_end = |id: Id| self.is_last(id) || self.net.exits(id).any(|(to, _)| to == self.net.end);
        id != self.net.end
            || self.depth > 0
            || self.net.exits(id).next().is_some()
            || self.net.graph.node_indices().any(leads_to_end)
    }

    /// Tells whether a path of a run ends with this node though no arrow says so.
    fn is_last(&self, id: Id) -> bool {
        self.net.number(id).is_some() && self.net.exits(id).all(|(_, arrow)| arrow == Arrow::Error)
    }

    fn item(&self, id: Id, inner_left: &mut usize) -> Item {
        let prefix = self.prefix;
        let (kind, mark, label) = match self.net.graph[id] {
            Place::Start => (Kind::Start, "s".to_owned(), "start".to_owned()),
            Place::End => (Kind::End, "e".to_owned(), "end".to_owned()),
            Place::Unknown(name) => (Kind::Unknown, format!("u{}", id.index()), name.to_owned()),
            Place::Node(number) => {
                let node = &self.shape.nodes[number];
                let name = format!("{prefix}n{number}");
                if let Some(inner) = self.inner(node, inner_left) {
                    let below = format!("{name}_");
                    let sketch =
                        Sketch { shape: inner, net: Net::declared(inner), prefix: &below, depth: self.depth + 1 };
                    return Item::Inner { id: name, label: self.label(node), picture: sketch.picture(inner_left) };
                }
                let kind = if node.deferred { Kind::Deferred } else { Kind::Node };
                return Item::Dot { id: name, kind, label: self.label(node) };
            }
        };
        Item::Dot { id: format!("{prefix}{mark}"), kind, label }
    }

    /// The graph inside a node, if there is room to draw it.
    fn inner<'n>(&self, node: &'n ShapeNode, inner_left: &mut usize) -> Option<&'n Shape> {
        let inner = node.inner.as_deref()?;
        if self.depth >= DEPTH_MAX {
            return None;
        }
        *inner_left = inner_left.checked_sub(inner.nodes.len())?;
        Some(inner)
    }

    fn label(&self, node: &ShapeNode) -> String {
        let is_gate = self.shape.gates.contains(&node.name);
        let marks = match (node.deferred, is_gate) {
            (false, false) => "",
            (true, false) => " (deferred)",
            (false, true) => " (gate)",
            (true, true) => " (deferred, gate)",
        };
        format!("{}{marks}", node.name)
    }

    fn lines(&self, ends: &[(String, String)], picture: &mut Picture) {
        let mut is_joined = vec![false; self.shape.joins.len()];
        for edge in self.net.graph.edge_indices() {
            let Some((from, to)) = self.net.graph.edge_endpoints(edge) else { continue };
            let (from, to) = (ends[from.index()].1.clone(), ends[to.index()].0.clone());
            let style = match self.net.graph[edge] {
                Arrow::Edge => Style::Always,
                Arrow::Branch(_) => Style::Choice,
                Arrow::Goto => Style::Goto,
                Arrow::Error => Style::Error,
                Arrow::Join(join) => {
                    let id = format!("{}j{join}", self.prefix);
                    if !std::mem::replace(&mut is_joined[join], true) {
                        picture.items.push(Item::Dot { id: id.clone(), kind: Kind::Join, label: "all".to_owned() });
                        picture.lines.push(Line { from: id.clone(), to, style: Style::Always });
                    }
                    picture.lines.push(Line { from, to: id, style: Style::Part });
                    continue;
                }
            };
            picture.lines.push(Line { from, to, style });
        }
        for id in self.net.graph.node_indices().filter(|id| self.is_last(*id)) {
            let (from, to) = (ends[id.index()].1.clone(), ends[self.net.end.index()].0.clone());
            picture.lines.push(Line { from, to, style: Style::Always });
        }
    }
}

/// Replaces what is no character to look at, so that a label is one line in any language.
fn visible(c: char) -> char {
    match c {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(' '),
        '\u{7f}' => '\u{2421}',
        c if c.is_control() || c == '\u{feff}' => '\u{fffd}',
        c if c.is_whitespace() => ' ',
        c => c,
    }
}
