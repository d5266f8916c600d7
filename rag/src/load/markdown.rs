//! Markdown. The text is the file, byte for byte, so that quotes and line numbers need no map; the parser only says
//! where the blocks lie. Front matter is read and kept out of the blocks; wiki links and `#tags` are collected.

use std::ops::Range;
use std::path::Path;

use lorewell_model::Result;
use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd, TextMergeWithOffset};

use super::Load;
use super::decode::decode;
use super::front_matter::{self, Top};
use super::outline::{Heading, add_once, sections, trim_lines};
use crate::document::{Block, BlockKind, Document, Format, Warning};

/// Bytes of a tag at most. Longer ones are hashes, links and ASCII art.
const TAG_BYTES_MAX: usize = 100;

/// Loads Markdown (CommonMark with tables, footnotes, task lists, maths, wiki links and front matter).
#[derive(Debug, Clone, Copy, Default)]
pub struct Markdown;

impl Load for Markdown {
    fn load(&self, _path: &Path, bytes: &[u8]) -> Result<Document> {
        let mut document = decode(bytes).document(Format::Markdown);
        let mut body = 0;
        match front_matter::read(&document.text) {
            Top::Absent => {}
            Top::Present(found, start) => {
                (document.title, document.tags, document.date) = (found.title, found.tags, found.date);
                body = start;
            }
            Top::Unclosed => document.warnings.push(Warning::Other {
                message: "the front matter on line 1 has no closing fence, so it was read as text".to_owned(),
            }),
        }
        let text = std::mem::take(&mut document.text);
        let mut reader = Reader::new(&text, body, &mut document);
        let parser = Parser::new_ext(&text[body..], options());
        for (event, range) in TextMergeWithOffset::new(parser.into_offset_iter()) {
            reader.read(&event, body + range.start..body + range.end);
        }
        let headings = reader.headings;
        document.title = document.title.or_else(|| headings.first().map(|first| first.title.clone()));
        document.sections = sections(headings, text.len());
        document.text = text;
        Ok(document)
    }
}

fn options() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_MATH
        | Options::ENABLE_GFM
        | Options::ENABLE_WIKILINKS
}

/// Follows the parser's events and notes blocks, headings, tags and links.
struct Reader<'a> {
    text: &'a str,
    body: usize,
    document: &'a mut Document,
    headings: Vec<Heading>,
    /// How many tags are open around the event.
    depth: usize,
    /// The block that is open. Whatever starts inside it belongs to it, except an item of a nested list.
    open: Option<Open>,
    /// The heading whose text is being collected.
    title: Option<String>,
    in_code: bool,
}

struct Open {
    start: usize,
    kind: BlockKind,
    depth: usize,
    has_words: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, body: usize, document: &'a mut Document) -> Self {
        Self { text, body, document, headings: Vec::new(), depth: 0, open: None, title: None, in_code: false }
    }

    fn read(&mut self, event: &Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, range.start),
            Event::End(tag) => self.end(*tag, range),
            Event::Text(words) => {
                self.add_words(words);
                if !self.in_code {
                    self.find_tags(range);
                }
            }
            Event::Code(words) | Event::InlineMath(words) | Event::DisplayMath(words) => self.add_words(words),
            Event::SoftBreak | Event::HardBreak => self.add_words(" "),
            Event::Html(_)
            | Event::InlineHtml(_)
            | Event::FootnoteReference(_)
            | Event::Rule
            | Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>, start: usize) {
        self.depth += 1;
        if matches!(tag, Tag::Item) {
            self.close(start);
        }
        if let (None, Some(kind)) = (&self.open, block_kind(tag)) {
            self.title = (kind == BlockKind::Heading).then(String::new);
            self.open = Some(Open { start: self.with_marks(start), kind, depth: self.depth, has_words: false });
        }
        self.in_code |= matches!(tag, Tag::CodeBlock(_));
        if let Tag::Link { link_type: LinkType::WikiLink { .. }, dest_url, .. }
        | Tag::Image { link_type: LinkType::WikiLink { .. }, dest_url, .. } = tag
        {
            // `[[Note#Heading]]` leads to the note `Note`; `[[#Heading]]` stays in this one.
            let note = dest_url.split(['#', '^']).next().unwrap_or_default();
            add_once(&mut self.document.links, note.trim());
        }
    }

    fn end(&mut self, tag: TagEnd, range: Range<usize>) {
        if let (TagEnd::Heading(level), Some(title)) = (tag, self.title.take_if(|_| matches!(tag, TagEnd::Heading(_))))
        {
            let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
            self.headings.push(Heading { start: range.start, rank: level as u8, title });
        }
        self.in_code &= tag != TagEnd::CodeBlock;
        if self.open.as_ref().is_some_and(|open| open.depth == self.depth) {
            // A lone anchor or comment says nothing.
            let has_words = match tag == TagEnd::HtmlBlock {
                true => has_words(&self.text[range.clone()]),
                false => tag != TagEnd::Paragraph || self.open.as_ref().is_some_and(|open| open.has_words),
            };
            if !has_words {
                self.open = None;
            }
            self.close(range.end);
        }
        self.depth -= 1;
    }

    /// Moves a start back over the quote marks and white space before it on its line, so that every line of a quoted
    /// passage shows its mark, and an indented listing its indentation.
    fn with_marks(&self, start: usize) -> usize {
        let done = self.document.blocks.last().map_or(self.body, |last| last.range.end).min(start);
        let line = self.text[done..start].rfind('\n').map_or(done, |at| done + at + 1);
        let is_mark = |c: char| c == '>' || c == ' ' || c == '\t';
        if self.text[line..start].chars().all(is_mark) { line } else { start }
    }

    fn close(&mut self, end: usize) {
        let Some(open) = self.open.take() else { return };
        let range = trim_lines(self.text, open.start..end.max(open.start));
        if !range.is_empty() {
            self.document.blocks.push(Block { range, kind: open.kind });
        }
    }

    fn add_words(&mut self, words: &str) {
        if let Some(open) = &mut self.open {
            open.has_words |= words.contains(char::is_alphanumeric);
        }
        if let Some(title) = &mut self.title {
            title.push_str(words);
        }
    }

    /// Collects `#tags`: a `#` after white space, then letters, digits, `-`, `_` and `/`, not only digits.
    fn find_tags(&mut self, range: Range<usize>) {
        let text = self.text;
        for (at, _) in text[range.clone()].match_indices('#') {
            let at = range.start + at;
            let is_start = text[..at].chars().next_back().is_none_or(|c| c.is_whitespace() || c == '(');
            let rest = &text[at + 1..range.end];
            let end = rest.find(|c: char| !c.is_alphanumeric() && !"-_/".contains(c)).unwrap_or(rest.len());
            let tag = rest[..end].trim_end_matches(['/', '-']);
            if is_start && tag.len() <= TAG_BYTES_MAX && tag.chars().any(char::is_alphabetic) {
                add_once(&mut self.document.tags, tag);
            }
        }
    }
}

/// Returns the kind of block that a tag opens, if it opens one.
fn block_kind(tag: &Tag<'_>) -> Option<BlockKind> {
    match tag {
        Tag::Heading { .. } => Some(BlockKind::Heading),
        Tag::Paragraph
        | Tag::HtmlBlock
        | Tag::FootnoteDefinition(_)
        | Tag::DefinitionListTitle
        | Tag::DefinitionListDefinition => Some(BlockKind::Paragraph),
        Tag::Item => Some(BlockKind::ListItem),
        Tag::CodeBlock(_) => Some(BlockKind::Listing),
        Tag::Table(_) => Some(BlockKind::Table),
        Tag::BlockQuote(_)
        | Tag::List(_)
        | Tag::DefinitionList
        | Tag::TableHead
        | Tag::TableRow
        | Tag::TableCell
        | Tag::Emphasis
        | Tag::Strong
        | Tag::Strikethrough
        | Tag::Superscript
        | Tag::Subscript
        | Tag::Link { .. }
        | Tag::Image { .. }
        | Tag::MetadataBlock(_) => None,
    }
}

/// Tells whether HTML says anything outside its tags and comments.
fn has_words(html: &str) -> bool {
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        if rest[..open].contains(char::is_alphanumeric) {
            return true;
        }
        let close = if rest[open..].starts_with("<!--") { "-->" } else { ">" };
        let Some(end) = rest[open..].find(close) else { return false };
        rest = &rest[open + end + close.len()..];
    }
    rest.contains(char::is_alphanumeric)
}
