//! Shows Markdown on a terminal while it comes, piece by piece. What was printed is never printed again, so what may
//! still turn out to be something else is held back, for a limited number of bytes, until the rest of it has come. What
//! is printed depends on the text alone, not on how it was cut.

mod block;
mod inline;

use anstyle::{AnsiColor, Style};

use self::block::{Block, Fence, Start};
use crate::output::plain;

/// Turns pieces of Markdown into what a terminal shows.
#[derive(Debug)]
pub(crate) struct Renderer {
    is_styled: bool,
    /// What has come of a line and was not printed.
    held: String,
    line: Line,
    fence: Option<Fence>,
    /// A carriage return, of which only the next character tells whether it ends a line.
    is_return: bool,
}

/// What is known of the line at hand.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Line {
    /// How it begins is not known.
    Start,
    /// Words, in some style, after a character.
    Words(Style, char),
    /// A line of code.
    Code,
}

const HEADING: Style = Style::new().bold().underline();
const HEADING_BELOW: Style = Style::new().bold();
const CODE: Style = AnsiColor::Cyan.on_default();
const MARK: Style = Style::new().dimmed();
/// Width of a rule.
const RULE: usize = 40;

impl Renderer {
    /// Makes a renderer. Without styles the text stays as it is, but for control characters.
    pub(crate) fn new(is_styled: bool) -> Self {
        Self { is_styled, held: String::new(), line: Line::Start, fence: None, is_return: false }
    }

    /// Takes a piece and returns what can be printed.
    pub(crate) fn push(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 16);
        for c in text.chars() {
            if std::mem::take(&mut self.is_return) && c != '\n' {
                self.held.push(char::REPLACEMENT_CHARACTER);
            }
            match c {
                '\r' => self.is_return = true,
                '\n' => self.end_line(&mut out),
                c => self.held.push_str(&plain(c.encode_utf8(&mut [0; 4]))),
            }
        }
        self.print(&mut out, false);
        out
    }

    /// Ends the text and returns what was held back.
    pub(crate) fn finish(&mut self) -> String {
        let mut out = String::new();
        if std::mem::take(&mut self.is_return) {
            self.held.push(char::REPLACEMENT_CHARACTER);
        }
        self.print(&mut out, true);
        self.close(&mut out);
        (self.line, self.fence) = (Line::Start, None);
        out
    }

    fn end_line(&mut self, out: &mut String) {
        self.print(out, true);
        self.close(out);
        self.line = Line::Start;
        out.push('\n');
    }

    /// Ends the style of the line.
    fn close(&self, out: &mut String) {
        let style = match self.line {
            Line::Words(style, _) => style,
            Line::Code => CODE,
            Line::Start => return,
        };
        out.push_str(&style.render_reset().to_string());
    }

    /// Prints what is held, as far as it is known what it is; all of it at the end of a line.
    fn print(&mut self, out: &mut String, is_end: bool) {
        if !self.is_styled {
            out.push_str(&std::mem::take(&mut self.held));
            return;
        }
        while self.line == Line::Start {
            let start = block::start(&self.held, self.fence.as_ref(), is_end);
            let Some(Start { bytes, block }) = start else { return };
            let taken: String = self.held.drain(..bytes).collect();
            self.begin(out, &taken, block);
            if is_end && self.held.is_empty() {
                break;
            }
        }
        match self.line {
            Line::Start => {}
            Line::Code => out.push_str(&std::mem::take(&mut self.held)),
            Line::Words(style, mut before) => {
                let bytes = inline::print(&self.held, is_end, style, &mut before, out);
                self.held.drain(..bytes);
                self.line = Line::Words(style, before);
            }
        }
    }

    /// Prints how a line begins.
    fn begin(&mut self, out: &mut String, taken: &str, block: Block) {
        let mark = |text: &str| format!("{MARK}{text}{MARK:#}");
        let mut words = |out: &mut String, style: Style| {
            out.push_str(&style.render().to_string());
            self.line = Line::Words(style, ' ');
        };
        match block {
            Block::Heading(1) => words(out, HEADING),
            Block::Heading(_) => words(out, HEADING_BELOW),
            Block::Words => words(out, Style::new()),
            Block::Indent => out.push_str(taken),
            Block::Quote => out.push_str(&mark("│ ")),
            Block::Bullet => out.push_str(&mark("• ")),
            Block::Number => out.push_str(&mark(taken)),
            Block::Rule => out.push_str(&mark(&"─".repeat(RULE))),
            Block::FenceStart(fence) => {
                out.push_str(&mark(taken));
                self.fence = Some(fence);
            }
            Block::FenceEnd => {
                out.push_str(&mark(taken));
                self.fence = None;
            }
            Block::Code => {
                out.push_str(&CODE.render().to_string());
                self.line = Line::Code;
            }
        }
    }
}

#[cfg(test)]
mod tests;
