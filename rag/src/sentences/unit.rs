//! What a sentence cannot leave: paragraphs, list items, headings, table rows, lines of code.
//!
//! One pass over lines. It reads Markdown leniently, and text that is no Markdown comes out as its paragraphs.

use std::ops::Range;

use super::SentenceKind;

/// A stretch of text that sentences do not cross.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) range: Range<usize>,
    pub(super) kind: SentenceKind,
}

/// Returns the units of a text in order.
pub(super) fn units(text: &str) -> Vec<Unit> {
    let mut reader = Reader { units: Vec::new(), open: None, fence: torn_fence(text), in_comment: false };
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        reader.line(at, line);
        at += line.len();
    }
    reader.close();
    reader.units
}

/// A code fence: its character and its length.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Fence {
    mark: char,
    length: usize,
    bare: bool,
}

impl Fence {
    fn parse(body: &str) -> Option<Self> {
        let mark = body.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let info = body.trim_start_matches(mark);
        let length = body.len() - info.len();
        (length >= 3 && !info.contains('`')).then(|| Self { mark, length, bare: info.trim().is_empty() })
    }

    fn is_closed_by(self, other: Self) -> bool {
        other.bare && other.mark == self.mark && other.length >= self.length
    }
}

/// Returns the fence that was opened before the text begins: a passage may start in the middle of a listing, and then
/// the first fence in it is a closing one.
fn torn_fence(text: &str) -> Option<Fence> {
    let mut fences = text.lines().filter_map(|line| Fence::parse(body(line)));
    let first = fences.next()?;
    let odd = fences.count() % 2 == 0;
    (odd && first.bare).then_some(first)
}

/// What a line is. Numbers are bytes to leave out at its start.
#[derive(Debug)]
enum Line {
    Blank,
    Fence(Fence),
    Underline,
    Rule,
    Heading(usize),
    Item(usize),
    Row,
    Text,
}

struct Reader {
    units: Vec<Unit>,
    open: Option<Unit>,
    fence: Option<Fence>,
    in_comment: bool,
}

impl Reader {
    fn line(&mut self, at: usize, line: &str) {
        let (body, end) = (body(line), at + line.len());
        let start = at + (line.trim_end().len() - body.len());
        if let Some(fence) = self.fence {
            match Fence::parse(body) {
                Some(other) if fence.is_closed_by(other) => self.fence = None,
                _ => self.units.push(Unit { range: at..end, kind: SentenceKind::Code }),
            }
            return;
        }
        if self.in_comment || body.starts_with("<!--") {
            self.in_comment = !body.contains("-->");
            self.close();
            return;
        }
        match self.classify(body) {
            Line::Text => match &mut self.open {
                Some(open) => open.range.end = end,
                None => self.open = Some(Unit { range: start..end, kind: SentenceKind::Prose }),
            },
            Line::Item(skip) => self.open(start + skip..end, SentenceKind::Item),
            Line::Row => self.alone(start..end, SentenceKind::Row),
            Line::Heading(skip) => self.alone(start + skip..start + heading_end(body), SentenceKind::Heading),
            Line::Fence(fence) => {
                self.close();
                self.fence = Some(fence);
            }
            Line::Underline => {
                if let Some(open) = self.open.as_mut().filter(|open| open.kind == SentenceKind::Prose) {
                    open.kind = SentenceKind::Heading;
                }
                self.close();
            }
            Line::Blank | Line::Rule => self.close(),
        }
    }

    fn classify(&self, body: &str) -> Line {
        if body.is_empty() {
            return Line::Blank;
        }
        if let Some(fence) = Fence::parse(body) {
            return Line::Fence(fence);
        }
        let hashes = body.len() - body.trim_start_matches('#').len();
        if (1..=6).contains(&hashes) && body[hashes..].starts_with(|c: char| c.is_whitespace()) {
            return Line::Heading(hashes);
        }
        if is_only(body, "=") || is_only(body, "-") {
            return Line::Underline;
        }
        if is_only(body, "|-:+ ") || is_only(body, "* ") || is_only(body, "_ ") || is_definition(body) || is_tags(body)
        {
            return Line::Rule;
        }
        if body.starts_with('|') {
            return Line::Row;
        }
        match marker(body, self.open.as_ref()) {
            Some(skip) => Line::Item(skip),
            None => Line::Text,
        }
    }

    fn open(&mut self, range: Range<usize>, kind: SentenceKind) {
        self.close();
        self.open = Some(Unit { range, kind });
    }

    fn alone(&mut self, range: Range<usize>, kind: SentenceKind) {
        self.close();
        self.units.push(Unit { range, kind });
    }

    fn close(&mut self) {
        self.units.extend(self.open.take());
    }
}

/// Returns a line without indentation, block quote marks and white space at its end.
fn body(line: &str) -> &str {
    let mut body = line.trim();
    while let Some(inner) = body.strip_prefix('>') {
        body = inner.trim_start();
    }
    body
}

/// Returns where the text of a heading line ends: `## Title ##` has its marks on both sides.
fn heading_end(body: &str) -> usize {
    let bare = body.trim_end_matches('#');
    if bare.ends_with(char::is_whitespace) { bare.trim_end().len() } else { body.len() }
}

/// Tells whether a line of at least three characters has no others than these.
fn is_only(body: &str, allowed: &str) -> bool {
    body.len() >= 3 && body.chars().all(|c| allowed.contains(c))
}

/// `[label]: target`.
fn is_definition(body: &str) -> bool {
    let Some((label, target)) = body.split_once("]:") else { return false };
    label.starts_with('[') && !label.contains(' ') && !target.trim().contains(char::is_whitespace)
}

/// Tells whether a line has nothing but tags: `<Listing number="4-1">`.
fn is_tags(body: &str) -> bool {
    let mut rest = body;
    while let Some(inner) = rest.strip_prefix('<') {
        let is_tag = inner.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!'));
        let Some((_, after)) = inner.split_once('>').filter(|_| is_tag) else { return false };
        rest = after.trim_start();
    }
    rest.is_empty()
}

// `1998. It began` at the start of a wrapped line is a year, not a list marker.
const ORDINAL_DIGITS_MAX: usize = 3;

/// Returns the length of a list marker and of the white space behind it.
fn marker(body: &str, open: Option<&Unit>) -> Option<usize> {
    let rest = match body.strip_prefix(['-', '*', '+', '•', '‣', '◦']) {
        Some(rest) => rest,
        None => ordinal(body, open)?,
    };
    if !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let rest = rest.trim_start();
    let task = ["[ ] ", "[x] ", "[X] "].into_iter().find_map(|mark| rest.strip_prefix(mark));
    Some(body.len() - task.unwrap_or(rest).len())
}

/// Returns what follows `12.` or `12)`. Within running text only `1` begins a list, as in CommonMark.
fn ordinal<'a>(body: &'a str, open: Option<&Unit>) -> Option<&'a str> {
    let rest = body.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &body[..body.len() - rest.len()];
    let in_prose = open.is_some_and(|unit| unit.kind == SentenceKind::Prose);
    let fits = (1..=ORDINAL_DIGITS_MAX).contains(&digits.len()) && (!in_prose || digits == "1");
    rest.strip_prefix(['.', ')']).filter(|_| fits)
}
