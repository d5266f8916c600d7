//! How a line of Markdown begins: headings, quotes, lists, rules, fences. Deciding only; nothing is printed here.

/// A fence around code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fence {
    mark: char,
    length: usize,
}

/// What the beginning of a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    /// A heading of a level, from 1.
    Heading(usize),
    /// Words.
    Words,
    /// Space, after which the line begins.
    Indent,
    /// The mark of a quotation, after which the line begins.
    Quote,
    /// The mark of an item, after which the line begins.
    Bullet,
    /// The number of an item, after which the line begins.
    Number,
    /// A line across; all of the line.
    Rule,
    /// The beginning of code; all of the line.
    FenceStart(Fence),
    /// The end of code; all of the line.
    FenceEnd,
    /// A line of code.
    Code,
}

/// The beginning of a line and how many bytes of it that takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) bytes: usize,
    pub(super) block: Block,
}

/// Digits that the number of an item has at most, as CommonMark 0.31 has it.
const DIGITS_MAX: usize = 9;
/// Levels of headings.
const LEVELS: usize = 6;
/// Marks that make a rule or a fence.
const MARKS_MIN: usize = 3;
/// Bytes that a line made of marks, or one that opens a fence, may have: it is held back until it is whole.
const HELD_BYTES_MAX: usize = 400;

/// Tells how a line begins, of which this has come so far; none if that cannot be known yet.
pub(super) fn start(line: &str, fence: Option<&Fence>, is_end: bool) -> Option<Start> {
    let take = |bytes, block| Some(Start { bytes, block });
    if let Some(fence) = fence {
        return match fence.is_ended_by(line, is_end)? {
            true => take(line.len(), Block::FenceEnd),
            false => take(0, Block::Code),
        };
    }
    let space = line.len() - line.trim_start_matches([' ', '\t']).len();
    if space > 0 {
        return take(space, Block::Indent);
    }
    let Some(first) = line.chars().next() else {
        return if is_end { take(0, Block::Words) } else { None };
    };
    let block = match first {
        '#' => heading(line, is_end)?,
        '`' | '~' => fenced(line, first, is_end)?,
        '>' => return quote(line, is_end),
        '-' | '*' | '+' | '_' => marked(line, first, is_end)?,
        '0'..='9' => number(line, is_end)?,
        _ => (0, Block::Words),
    };
    take(block.0, block.1)
}

impl Fence {
    /// Tells whether a line ends the code; none if that cannot be known yet.
    fn is_ended_by(&self, line: &str, is_end: bool) -> Option<bool> {
        if line.len() > HELD_BYTES_MAX {
            return Some(false);
        }
        let text = line.trim_start_matches(' ');
        let marks = run(text, self.mark);
        let is_only_marks = text[marks..].chars().all(|c| c == ' ');
        match (is_only_marks, is_end) {
            (false, _) => Some(false),
            (true, true) => Some(marks >= self.length),
            (true, false) => None,
        }
    }
}

/// Counts how often a line begins with an ASCII character.
fn run(line: &str, mark: char) -> usize {
    line.len() - line.trim_start_matches(mark).len()
}

fn heading(line: &str, is_end: bool) -> Option<(usize, Block)> {
    let level = run(line, '#');
    match line[level..].chars().next() {
        _ if level > LEVELS => Some((0, Block::Words)),
        Some(' ') => Some((level + 1, Block::Heading(level))),
        Some(_) => Some((0, Block::Words)),
        None => is_end.then_some((0, Block::Words)),
    }
}

/// What stands behind the marks of a fence is the rest of its line, so that has to come first.
fn fenced(line: &str, mark: char, is_end: bool) -> Option<(usize, Block)> {
    let length = run(line, mark);
    let rest = &line[length..];
    match length >= MARKS_MIN {
        false if !rest.is_empty() || is_end => Some((0, Block::Words)),
        false => None,
        true if line.len() > HELD_BYTES_MAX || mark == '`' && rest.contains('`') => Some((0, Block::Words)),
        true => is_end.then_some((line.len(), Block::FenceStart(Fence { mark, length }))),
    }
}

fn quote(line: &str, is_end: bool) -> Option<Start> {
    let bytes = match line[1..].chars().next() {
        Some(' ') => 2,
        Some(_) => 1,
        None if is_end => 1,
        None => return None,
    };
    Some(Start { bytes, block: Block::Quote })
}

/// A mark may begin an item, a rule, or words that stand out.
fn marked(line: &str, mark: char, is_end: bool) -> Option<(usize, Block)> {
    let may_be_rule = mark != '+' && line.len() <= HELD_BYTES_MAX && line.chars().all(|c| c == mark || c == ' ');
    let marks = line.chars().filter(|c| *c == mark).count();
    if may_be_rule && !is_end {
        return None;
    }
    if may_be_rule && marks >= MARKS_MIN {
        return Some((line.len(), Block::Rule));
    }
    match line[1..].chars().next() {
        Some(' ') if mark != '_' => Some((2, Block::Bullet)),
        None if !is_end => None,
        _ => Some((0, Block::Words)),
    }
}

fn number(line: &str, is_end: bool) -> Option<(usize, Block)> {
    let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let mut rest = line[digits..].chars();
    match (rest.next(), rest.next()) {
        _ if digits > DIGITS_MAX => Some((0, Block::Words)),
        (Some('.' | ')'), Some(' ')) => Some((digits + 2, Block::Number)),
        (None, _) | (Some('.' | ')'), None) if !is_end => None,
        _ => Some((0, Block::Words)),
    }
}
