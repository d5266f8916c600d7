//! Source code: the text is the file, blocks are its items (functions, classes, …) with the comments above them, and
//! sections are items by nesting. `languages` is the table of what an item is; here is the one walk for all of them.

mod languages;
mod lines;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::ops::{ControlFlow, Range};
use std::path::Path;

use lorewell_model::{Error, Kind, Result};
use tree_sitter::{Node, ParseOptions, Parser, Tree};

use self::languages::{Item, LANGUAGES, Language, Title};
use self::lines::Lines;
use super::Load;
use crate::document::{Block, BlockKind, Document, Format, Section, Warning};

/// The parser may take one step for so many bytes, and some more whatever the length. A step is a report of progress, or
/// a piece of the file that it asks for. Of 237 files of code, C++ read as C among them, none took a step for less than
/// 44 bytes; one that does drives a grammar into a corner. Counted, not timed, so that a file gives the same document
/// on a slow machine.
const BYTES_PER_STEP: usize = 16;
const STEPS_MIN: usize = 10_000;

/// Bytes that the parser is given at a time. What it reads again counts again.
const PIECE_BYTES: usize = 4 << 10;

/// The largest file whose structure is looked at. A syntax tree takes some thirty times the memory of the text, and
/// code of this size was generated.
const CODE_BYTES_MAX: usize = 8 << 20;

/// A container (class, `impl`, module) of more lines than this is cut into its members.
const CONTAINER_LINES_MAX: usize = 60;

/// Text between items is cut at the blank line after so many lines.
const GAP_LINES: usize = 60;

/// How much of a file may be wrong before its structure is not believed: one part in this many.
const ERROR_SHARE: usize = 3;

/// The longest title; what is longer is cut.
const TITLE_CHARS_MAX: usize = 100;

/// How much of an item is read for its title; more is white space, or cut off again.
const TITLE_BYTES_READ: usize = 1 << 10;

/// Semicolons and spaces that an item takes with it; more of them are a line of their own.
const MARKS_BYTES_MAX: usize = 64;

/// Wrappers around one item: `export default abstract class` has two.
const WRAPPERS_MAX: usize = 4;

/// Loads source code in the languages it has grammars for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Code;

impl Code {
    /// Names the language of a file by its ending: `rust`.
    #[must_use]
    pub fn language(path: &Path) -> Option<&'static str> {
        by_ending(path).map(|language| language.name)
    }
}

impl Load for Code {
    fn load(&self, path: &Path, bytes: &[u8]) -> Result<Document> {
        let Some(language) = by_ending(path) else {
            let message = format!("`{}` is in no language that there is a grammar for", path.display());
            return Err(Error::new(Kind::BadInput, message));
        };
        let text = std::str::from_utf8(bytes).map_err(|error| {
            Error::new(Kind::BadInput, format!("`{}` is not UTF-8: {error}", path.display())).caused_by(error)
        })?;
        let mut document = Document::new(Format::Code, text.to_owned());
        structure(&mut document, language);
        Ok(document)
    }
}

fn by_ending(path: &Path) -> Option<&'static Language> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    LANGUAGES.iter().find(|language| language.endings.contains(&ending.as_str()))
}

/// Finds blocks and sections; by lines, with a warning, if there is no structure to be had.
fn structure(document: &mut Document, language: &Language) {
    document.language = Some(language.name.to_owned());
    let text = document.text.as_str();
    let found = parse(text, language).map(|tree| Walk::new(text, language).run(&tree));
    match found {
        Ok(walk) => {
            document.blocks = filled(text, walk.blocks, &walk.comments);
            document.sections = walk.sections;
        }
        Err(why) => {
            document.blocks = filled(text, Vec::new(), &[]);
            document.warnings.push(Warning::Other { message: format!("read by lines and not by structure: {why}") });
        }
    }
}

/// Parses a file, or says why its structure cannot be had.
fn parse(text: &str, language: &Language) -> Result<Tree, String> {
    if text.len() > CODE_BYTES_MAX {
        return Err(format!("it has more than {} MiB", CODE_BYTES_MAX >> 20));
    }
    let mut parser = Parser::new();
    parser.set_language(&(language.grammar)()).map_err(|error| error.to_string())?;
    let steps_max = STEPS_MIN + text.len() / BYTES_PER_STEP;
    let steps = Cell::new(0_usize);
    let step = || {
        steps.set(steps.get() + 1);
        steps.get() <= steps_max
    };
    let mut watch =
        |_: &tree_sitter::ParseState| if step() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
    let mut read = |at: usize, _| match step() {
        true => text.as_bytes().get(at..text.len().min(at + PIECE_BYTES)).unwrap_or_default(),
        false => &[],
    };
    let tree = parser.parse_with_options(&mut read, None, Some(ParseOptions::new().progress_callback(&mut watch)));
    let tree = tree.filter(|_| steps.get() <= steps_max);
    let tree = tree.ok_or_else(|| format!("parsing it takes more than {steps_max} steps"))?;
    let wrong = wrong_bytes(&tree);
    if wrong > text.len() / ERROR_SHARE {
        return Err(format!("{wrong} of its {} bytes are no {}", text.len(), language.name));
    }
    Ok(tree)
}

/// Counts the bytes that the parser could make nothing of, on the upper levels: below them an error is one item's.
fn wrong_bytes(tree: &Tree) -> usize {
    let root = tree.root_node();
    if root.is_error() {
        return root.byte_range().len();
    }
    children(root).iter().filter(|node| node.is_error()).map(|node| node.byte_range().len()).sum()
}

/// Returns the children of a node. (`Node::child(i)` counts from the first each time.)
fn children(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.children(&mut cursor).collect()
}

/// A walk over the items of a file. It keeps its own stack, so nesting cannot overflow the thread's.
struct Walk<'a> {
    text: &'a str,
    lines: Lines,
    language: &'a Language,
    blocks: Vec<Block>,
    sections: Vec<Section>,
    comments: Vec<Range<usize>>,
}

/// A node to visit: how deep its item is nested, and whether it is in a block already.
struct Visit<'t> {
    node: Node<'t>,
    rank: u8,
    covered: bool,
}

impl<'a> Walk<'a> {
    fn new(text: &'a str, language: &'a Language) -> Self {
        let (lines, blocks) = (Lines::new(text), Vec::new());
        Self { text, lines, language, blocks, sections: Vec::new(), comments: Vec::new() }
    }

    fn run(mut self, tree: &Tree) -> Self {
        let mut todo = Vec::new();
        push_children(tree.root_node(), 1, false, &mut todo);
        let mut attached: Option<Range<usize>> = None;
        while let Some(visit) = todo.pop() {
            let range = visit.node.byte_range();
            if self.language.attached.contains(&visit.node.kind()) {
                self.comments.push(range.clone());
                attached = self.attach(attached, range);
            } else if let Some((item, inner)) = self.item(visit.node) {
                let start =
                    attached.take().filter(|above| self.touches(above, range.start)).map_or(range.start, |it| it.start);
                self.write(&visit, item, inner, start, &mut todo);
            } else if self.language.groups.contains(&visit.node.kind()) {
                attached = None;
                push_children(visit.node, visit.rank, visit.covered, &mut todo);
            } else {
                attached = None;
            }
        }
        self
    }

    /// Adds a comment to those above the next item, unless it stands behind something on its line.
    fn attach(&self, above: Option<Range<usize>>, comment: Range<usize>) -> Option<Range<usize>> {
        if self.lines.of(comment.start).words.start < comment.start {
            return above.filter(|above| self.touches(above, comment.start)).map(|above| above.start..comment.end);
        }
        match above {
            Some(above) if self.touches(&above, comment.start) => Some(above.start..comment.end),
            Some(_) | None => Some(comment),
        }
    }

    /// Tells whether there is no blank line between a comment and what starts at an offset.
    fn touches(&self, above: &Range<usize>, start: usize) -> bool {
        let above = self.text[..above.end].trim_end().len();
        let between = self.text.get(above..start).unwrap_or_default();
        between.trim().is_empty() && self.lines.number(start) <= self.lines.number(above) + 1
    }

    /// Finds the item that a node is or wraps.
    fn item<'t>(&self, mut node: Node<'t>) -> Option<(&'a Item, Node<'t>)> {
        let language = self.language;
        for _ in 0..WRAPPERS_MAX {
            if let Some(item) = language.items.iter().find(|item| item.kind == node.kind()) {
                return Some((item, node));
            }
            if !language.wrappers.contains(&node.kind()) {
                return None;
            }
            let wrapped = |it: &Node<'_>| {
                language.wrappers.contains(&it.kind()) || language.items.iter().any(|item| item.kind == it.kind())
            };
            node = children(node).into_iter().find(wrapped)?;
        }
        None
    }

    /// Writes an item's block, or, if it is a long container, only its head, and has its members visited.
    fn write<'t>(&mut self, visit: &Visit<'t>, item: &Item, inner: Node<'t>, start: usize, todo: &mut Vec<Visit<'t>>) {
        let start = self.line_start(start);
        let end = self.line_end(visit.node.end_byte());
        self.sections.push(Section { range: start..end, rank: visit.rank, title: self.title(item, inner) });
        let body = inner.child_by_field_name("body").filter(|_| item.is_container);
        let lines = self.lines.number(end) - self.lines.number(start) + 1;
        let whole = lines <= CONTAINER_LINES_MAX || body.is_none();
        if !visit.covered {
            let head = body.map_or(end, |body| self.head_end(body).max(start));
            let until = if whole { end } else { head };
            self.blocks.push(Block { range: start..until, kind: BlockKind::CodeItem });
        }
        if let Some(body) = body {
            push_children(body, visit.rank.saturating_add(1), visit.covered || whole, todo);
        }
    }

    /// Moves an offset to the start of its line, if there is only white space before it and no block.
    fn line_start(&self, at: usize) -> usize {
        let line = self.lines.of(at);
        let taken = self.blocks.last().map_or(0, |block| block.range.end);
        if line.words.start >= at && line.start >= taken { line.start } else { at }
    }

    /// Moves an offset past what belongs to the item before it: `;` and a comment on the same line.
    fn line_end(&self, at: usize) -> usize {
        let end = self.lines.of(at).words.end.max(at);
        let rest = &self.text[at..self.text.floor_char_boundary(end.min(at + MARKS_BYTES_MAX))];
        let behind = rest.trim_start_matches([' ', '\t', ';', ',']);
        let comment = ["//", "#", "/*"].iter().any(|mark| behind.starts_with(mark));
        if comment { end } else { at + rest[..rest.len() - behind.len()].trim_end().len() }
    }

    /// Returns where a container's head ends: after its opening bracket, or where its body begins.
    fn head_end(&self, body: Node<'_>) -> usize {
        let start = body.start_byte();
        let bracket = usize::from(self.text[start..].starts_with('{'));
        if bracket == 1 { start + 1 } else { self.text[..start].trim_end().len() }
    }

    fn title(&self, item: &Item, node: Node<'_>) -> String {
        let text = |node: Node<'_>| {
            let own = self.text.get(node.byte_range()).unwrap_or_default();
            &own[..own.floor_char_boundary(TITLE_BYTES_READ.min(own.len()))]
        };
        let title = match item.title {
            Title::Name(keyword, field) => format!("{keyword} {}", node.child_by_field_name(field).map_or("", text)),
            Title::Until(field) => {
                let own = text(node);
                let end = node.child_by_field_name(field).map(|after| after.start_byte() - node.start_byte());
                let head = end.and_then(|end| own.get(..end.min(own.len()))).or(own.lines().next()).unwrap_or_default();
                head.trim_end().trim_end_matches('{').to_owned()
            }
            Title::Declarator(keyword) => format!("{keyword} {}", innermost_declarator(node).map_or("", text)),
            Title::Child(keyword, kind) => {
                let child = descendant(node, kind).and_then(|child| child.child_by_field_name("name"));
                format!("{keyword} {}", child.map_or("", text))
            }
        };
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        title.chars().take(TITLE_CHARS_MAX).collect()
    }
}

/// Puts a node's children on the stack, first on top.
fn push_children<'t>(node: Node<'t>, rank: u8, covered: bool, todo: &mut Vec<Visit<'t>>) {
    todo.extend(children(node).into_iter().rev().map(|node| Visit { node, rank, covered }));
}

/// Follows a C declarator (`*name(int)[3]`) to the name in it.
fn innermost_declarator(mut node: Node<'_>) -> Option<Node<'_>> {
    let mut name = None;
    while let Some(inner) = node.child_by_field_name("declarator") {
        name = Some(inner);
        node = inner;
    }
    name
}

/// Finds a child of a kind, or a grandchild: Go's `const ( … )` has a list in between.
fn descendant<'t>(node: Node<'t>, kind: &str) -> Option<Node<'t>> {
    let near = children(node);
    let of_kind = |it: &&Node<'t>| it.kind() == kind;
    let direct = near.iter().find(of_kind).copied();
    direct.or_else(|| near.iter().find_map(|child| children(*child).iter().find(of_kind).copied()))
}

/// Adds blocks for what is between the blocks of the items, so that nothing of the file is lost.
fn filled(text: &str, items: Vec<Block>, comments: &[Range<usize>]) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::with_capacity(items.len());
    let mut at = 0;
    let end = Block { range: text.len()..text.len(), kind: BlockKind::CodeItem };
    for item in items.into_iter().chain([end]) {
        let start = item.range.start.max(at);
        fill(text, at..start, comments, &mut blocks);
        at = item.range.end.max(at);
        if start < at {
            blocks.push(Block { range: start..at, ..item });
        }
    }
    blocks
}

fn fill(text: &str, gap: Range<usize>, comments: &[Range<usize>], blocks: &mut Vec<Block>) {
    let says_something = |range: &Range<usize>| text[range.clone()].chars().any(char::is_alphanumeric);
    let kept = text[gap.clone()].trim_end().len();
    match blocks.last_mut() {
        _ if kept == 0 => {}
        // Closing brackets go with what they close.
        Some(before) if !says_something(&gap) => before.range.end = gap.start + kept,
        _ => {
            for range in by_lines(text, gap, comments) {
                let kind = if is_comment(text, &range, comments) { BlockKind::Paragraph } else { BlockKind::Listing };
                blocks.push(Block { range, kind });
            }
        }
    }
}

/// Cuts a range at blank lines: where comments end, and after [`GAP_LINES`] or a little more.
fn by_lines(text: &str, range: Range<usize>, comments: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut pieces: Vec<Range<usize>> = Vec::new();
    let mut open: Option<(Range<usize>, usize)> = None;
    let mut at = range.start;
    for line in text[range].split_inclusive('\n') {
        let end = at + line.trim_end().len();
        let is_blank = line.trim().is_empty();
        open = match open {
            None if is_blank => None,
            None => Some((at..end, 1)),
            Some((piece, lines)) if is_blank && (lines >= GAP_LINES || is_comment(text, &piece, comments)) => {
                pieces.push(piece);
                None
            }
            Some((piece, lines)) if is_blank => Some((piece, lines + 1)),
            Some((piece, lines)) => Some((piece.start..end, lines + 1)),
        };
        at += line.len();
    }
    pieces.extend(open.map(|(piece, _)| piece));
    pieces
}

/// Tells whether a range holds nothing but comments.
fn is_comment(text: &str, range: &Range<usize>, comments: &[Range<usize>]) -> bool {
    let first = comments.partition_point(|comment| comment.end <= range.start);
    let mut at = range.start;
    for comment in comments[first..].iter().take_while(|comment| comment.start < range.end) {
        let between = text.get(at..comment.start).unwrap_or_default();
        if !between.trim().is_empty() {
            return false;
        }
        at = comment.end;
    }
    text.get(at..range.end).unwrap_or_default().trim().is_empty()
}
