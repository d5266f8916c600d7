//! Writing the text of a page: white space collapsed, entities decoded, blocks parted by blank lines, each run of
//! text with the source it came from.

use std::ops::Range;

use html5gum::{Token, Tokenizer};

use super::tree::{Event, Page, Role};
use crate::document::{Block, BlockKind, Piece};
use crate::load::outline::{Heading, trim};
use crate::load::pieces::{LineCounter, Pieces};

/// What was made of a page.
#[derive(Debug)]
pub(super) struct Rendered {
    /// The text.
    pub(super) text: String,
    /// The way back to the page.
    pub(super) pieces: Vec<Piece>,
    /// Its blocks.
    pub(super) blocks: Vec<Block>,
    /// Its headings.
    pub(super) headings: Vec<Heading>,
}

/// Writes the text of the visible elements.
pub(super) fn render(html: &str, page: &Page, visible: &[bool]) -> Rendered {
    let mut writer = Writer::new(html);
    for event in &page.events {
        match event {
            Event::Open(id) if visible[*id] => writer.open(page.elements[*id].role, page.elements[*id].is_layout),
            Event::Close(id) if visible[*id] => writer.close(page.elements[*id].role, page.elements[*id].is_layout),
            Event::Text(id, range) if visible[*id] => writer.text(range.clone()),
            Event::Break => writer.part(Gap::Line),
            Event::Rule => writer.part(Gap::Block),
            Event::Open(_) | Event::Close(_) | Event::Text(..) => {}
        }
    }
    writer.finish()
}

/// What parts the next word from the text before it; the strongest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Cell,
    Line,
    Block,
}

struct Writer<'a> {
    html: &'a str,
    text: String,
    pieces: Pieces,
    lines: LineCounter<'a>,
    blocks: Vec<Block>,
    headings: Vec<Heading>,
    gap: Gap,
    source_end: usize,
    block: Option<(usize, BlockKind)>,
    heading: Option<u8>,
    n_items: usize,
    n_tables: usize,
    n_verbatim: usize,
}

impl<'a> Writer<'a> {
    fn new(html: &'a str) -> Self {
        Self {
            html,
            text: String::new(),
            pieces: Pieces::default(),
            lines: LineCounter::new(html),
            blocks: Vec::new(),
            headings: Vec::new(),
            gap: Gap::Block,
            source_end: 0,
            block: None,
            heading: None,
            n_items: 0,
            n_tables: 0,
            n_verbatim: 0,
        }
    }

    fn open(&mut self, role: Role, is_layout: bool) {
        self.part(self.gap_of(role));
        if let Role::Heading(rank) = role {
            self.heading = Some(rank);
        }
        if let Some(depth) = self.depth(role, is_layout) {
            *depth += 1;
        }
    }

    fn close(&mut self, role: Role, is_layout: bool) {
        if let Role::Heading(rank) = role {
            self.end_block();
            self.add_heading(rank);
            self.heading = None;
        }
        if let Some(depth) = self.depth(role, is_layout) {
            *depth = depth.saturating_sub(1);
        }
        self.part(self.gap_of(role));
    }

    /// Returns the counter of the open elements that decide what kind of block a text is in.
    fn depth(&mut self, role: Role, is_layout: bool) -> Option<&mut usize> {
        if role == Role::Item {
            Some(&mut self.n_items)
        } else if role == Role::Verbatim {
            Some(&mut self.n_verbatim)
        } else if role == Role::Table && !is_layout {
            Some(&mut self.n_tables)
        } else {
            None
        }
    }

    /// Notes the block that just ended as a heading, if it is one that is not noted yet.
    fn add_heading(&mut self, rank: u8) {
        if let Some(Block { range, kind: BlockKind::Heading }) = self.blocks.last()
            && self.headings.last().is_none_or(|last| last.start < range.start)
        {
            let title = self.text[range.clone()].split_whitespace().collect::<Vec<_>>().join(" ");
            self.headings.push(Heading { start: range.start, rank, title });
        }
    }

    /// Returns how an element parts its text from what is around it. Nothing in a listing or a
    /// table may tear it apart.
    fn gap_of(&self, role: Role) -> Gap {
        if matches!(role, Role::Inline | Role::Link | Role::Dropped) {
            Gap::None
        } else if self.n_verbatim > 0 {
            Gap::Line
        } else if self.n_tables == 0 {
            Gap::Block
        } else if role == Role::Cell {
            Gap::Cell
        } else if matches!(role, Role::Row | Role::Verbatim) {
            Gap::Line
        } else {
            Gap::Space
        }
    }

    /// Notes a gap before the next word.
    fn part(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }

    fn text(&mut self, range: Range<usize>) {
        let mut at = range.start;
        while at < range.end {
            let rest = &self.html[at..range.end];
            at += match rest.chars().next() {
                Some('&') => self.entity(at, rest),
                Some(c) if is_space(c) && !(self.n_verbatim > 0 && self.block.is_some() && self.gap == Gap::None) => {
                    let length = rest.find(|c| !is_space(c)).unwrap_or(rest.len());
                    self.space(at..at + length)
                }
                _ => self.run(at, rest),
            };
        }
    }

    /// Notes white space, and returns its length. Before a listing only the indentation of its first line counts.
    fn space(&mut self, range: Range<usize>) -> usize {
        let length = range.len();
        let indentation = self.html[range.clone()].rfind('\n').map_or(range.start, |at| range.start + at + 1);
        if self.n_verbatim > 0 && indentation < range.end && range.end < self.html.len() {
            self.write_exact(indentation..range.end);
        } else {
            self.part(Gap::Space);
        }
        length
    }

    /// Writes text up to the next entity or white space, and returns its length.
    fn run(&mut self, at: usize, rest: &str) -> usize {
        let is_verbatim = self.n_verbatim > 0;
        let ends = |c: char| c == '&' || c == '\r' || c == '\0' || (!is_verbatim && is_space(c));
        let length = rest.find(ends).unwrap_or(rest.len());
        if length > 0 {
            self.write_exact(at..at + length);
            return length;
        }
        // In a listing, `\r\n` is one new line, and a NUL or a lone `\r` is nothing.
        let length = if rest.starts_with("\r\n") { 2 } else { 1 };
        if length == 2 {
            self.write_decoded("\n", at..at + length);
        }
        length
    }

    /// Writes a character reference decoded, or a lone `&`; returns its length.
    fn entity(&mut self, at: usize, rest: &str) -> usize {
        let (decoded, length) = decode_entity(rest);
        if decoded.chars().all(is_space) && self.n_verbatim == 0 {
            self.part(Gap::Space);
        } else if length == 1 {
            self.write_exact(at..at + 1);
        } else {
            self.write_decoded(&decoded, at..at + length);
        }
        length
    }

    fn write_exact(&mut self, source: Range<usize>) {
        self.begin(source.start);
        let line = self.lines.line(source.start);
        self.text.push_str(&self.html[source.clone()]);
        self.source_end = source.end;
        self.pieces.push_exact(source, line);
    }

    fn write_decoded(&mut self, decoded: &str, source: Range<usize>) {
        self.begin(source.start);
        let line = self.lines.line(source.start);
        self.text.push_str(decoded);
        self.source_end = source.end;
        self.pieces.push_whole(decoded.len(), source, line);
    }

    /// Writes the gap before a word, and begins its block if the gap parts blocks.
    fn begin(&mut self, source_start: usize) {
        let gap = std::mem::replace(&mut self.gap, Gap::None);
        if gap == Gap::Block {
            self.end_block();
        }
        let kind = self.kind();
        let is_item =
            kind == BlockKind::ListItem && self.blocks.last().is_some_and(|last| last.kind == BlockKind::ListItem);
        let words = match gap {
            Gap::None => "",
            Gap::Space => " ",
            Gap::Cell => " | ",
            Gap::Line => "\n",
            Gap::Block if is_item => "\n",
            Gap::Block => "\n\n",
        };
        if !words.is_empty() && !self.text.is_empty() {
            let source = self.source_end..source_start;
            let line = self.lines.line(source.start);
            match &self.html[source.clone()] {
                " " if words == " " => self.pieces.push_exact(source, line),
                _ => self.pieces.push_whole(words.len(), source, line),
            }
            self.text.push_str(words);
        }
        if self.block.is_none() {
            self.block = Some((self.text.len(), kind));
        }
    }

    fn kind(&self) -> BlockKind {
        if self.heading.is_some() {
            BlockKind::Heading
        } else if self.n_tables > 0 {
            BlockKind::Table
        } else if self.n_verbatim > 0 {
            BlockKind::Listing
        } else if self.n_items > 0 {
            BlockKind::ListItem
        } else {
            BlockKind::Paragraph
        }
    }

    fn end_block(&mut self) {
        if let Some((start, kind)) = self.block.take() {
            let range = start..trim(&self.text, start..self.text.len()).end;
            if !range.is_empty() {
                self.blocks.push(Block { range, kind });
            }
        }
    }

    fn finish(mut self) -> Rendered {
        self.end_block();
        Rendered { text: self.text, pieces: self.pieces.finish(), blocks: self.blocks, headings: self.headings }
    }
}

/// Tells whether a character is white space in HTML text. A no-break space reads, and is searched, like a space.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0C' | '\0' | '\u{A0}')
}

/// Decodes the character reference at the start of a text, and returns how many bytes it takes up.
fn decode_entity(text: &str) -> (String, usize) {
    let name = text[1..].strip_prefix('#').unwrap_or(&text[1..]);
    let start = text.len() - name.len();
    let end = name.find(|c: char| !c.is_ascii_alphanumeric()).map_or(text.len(), |at| start + at);
    let end = end + usize::from(text[end..].starts_with(';'));
    let candidate = &text[..end];
    let decoded = Tokenizer::new(candidate).find_map(|Ok(token)| match token {
        Token::String(string) => Some(String::from_utf8_lossy(&string.value).into_owned()),
        Token::StartTag(_) | Token::EndTag(_) | Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => None,
    });
    let Some(decoded) = decoded.filter(|decoded| decoded != candidate) else { return ("&".to_owned(), 1) };
    // Of `&notit;` only `&not` is a name: the rest stands unchanged at the end of both.
    let first = decoded.chars().next().map_or(0, char::len_utf8);
    let tail = decoded[first..].bytes().rev().zip(candidate.bytes().rev()).take_while(|(a, b)| a == b).count();
    (decoded[..decoded.len() - tail].to_owned(), candidate.len() - tail)
}
