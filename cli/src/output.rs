//! What a person sees: results on standard output, everything else on standard error, colour where it is wanted, and
//! control characters of documents made harmless.

use std::io::Write as _;
use std::sync::OnceLock;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use lorewell::agent::trace::TraceStore;
use serde::Serialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::prelude::*;

use crate::args::{Color, Global};

/// Version of the JSON that commands print.
const SCHEMA: u32 = 1;

static QUIET: OnceLock<bool> = OnceLock::new();

/// Headings, numbers of citations.
pub(crate) const BOLD: Style = Style::new().bold();
/// What matters less.
pub(crate) const DIM: Style = Style::new().dimmed();
/// Paths and references.
pub(crate) const REFERENCE: Style = AnsiColor::Cyan.on_default();
/// What is well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// What wants attention.
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();
/// What went wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

/// Sets up colour and quiet for this run.
pub(crate) fn init(global: &Global) {
    let choice = match global.color {
        Color::Auto => anstream::ColorChoice::Auto,
        Color::Always => anstream::ColorChoice::Always,
        Color::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
    QUIET.get_or_init(|| global.quiet);
}

/// Sets up logs, and traces where the command leaves some. Spans are for traces: before each line of a log they say too much.
pub(crate) fn listen(global: &Global, traces: Option<&TraceStore>) {
    let logs = (global.verbose >= 2).then(|| {
        let filter = EnvFilter::try_from_env("LOREWELL_LOG")
            .unwrap_or_else(|_| EnvFilter::new("lorewell=debug,lorewell::span=off"));
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(filter)
    });
    tracing_subscriber::registry().with(logs).with(traces.map(TraceStore::layer)).init();
}

/// Tells whether only results and errors are wanted.
pub(crate) fn is_quiet() -> bool {
    QUIET.get().copied().unwrap_or(false)
}

/// Prints a line of the result.
pub(crate) fn line(text: &str) -> Result<()> {
    writeln!(anstream::stdout().lock(), "{text}")?;
    Ok(())
}

/// Prints a piece of the result that is to be seen at once.
pub(crate) fn piece(text: &str) -> Result<()> {
    let mut stdout = anstream::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    Ok(())
}

/// Prints a piece of the result as it is, for other programs.
pub(crate) fn raw(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    Ok(())
}

/// Tells whether standard output takes colour.
pub(crate) fn is_coloured() -> bool {
    anstream::stdout().current_choice() != anstream::ColorChoice::Never
}

/// Prints a JSON object as the result: `{"schema":1, …}`.
pub(crate) fn json(value: &impl Serialize, pretty: bool) -> Result<()> {
    #[derive(Serialize)]
    struct Versioned<'a, T> {
        schema: u32,
        #[serde(flatten)]
        value: &'a T,
    }
    let versioned = Versioned { schema: SCHEMA, value };
    let text = if pretty { serde_json::to_string_pretty(&versioned)? } else { serde_json::to_string(&versioned)? };
    line(&text)
}

/// Prints something about the result, not part of it.
pub(crate) fn note(text: &str) {
    if !is_quiet() {
        to_stderr(text);
    }
}

/// Prints what went wrong, with what to do about it.
pub(crate) fn error(text: &str) {
    let lines: Vec<String> = text.lines().map(plain).collect();
    to_stderr(&format!("{}: {}", paint(BAD, "error"), lines.join("\n")));
}

/// Prints what a person must see, whatever else is left out.
pub(crate) fn to_stderr(text: &str) {
    // Nothing is left to do if standard error is gone.
    drop(writeln!(anstream::stderr().lock(), "{text}"));
}

/// Styles a text; the stream drops the style where colour is not wanted.
pub(crate) fn paint(style: Style, text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    format!("{style}{text}{style:#}")
}

/// Makes a line of a document, or the name of a file, harmless for a terminal: what could move the cursor, start a
/// new line or turn the direction of writing, and so fake output, becomes visible.
pub(crate) fn plain(line: &str) -> String {
    line.chars().map(|c| if c != '\t' && moves_the_cursor(c) { '\u{FFFD}' } else { c }).collect()
}

/// Makes a text harmless as [`plain`] does, and leaves its lines apart.
pub(crate) fn plain_lines(text: &str) -> String {
    text.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

/// Writes out the number of each character that could fake or hide something, on a line that a person decides by: those
/// that [`plain`] replaces, and those that nobody sees.
pub(crate) fn visible(line: &str) -> String {
    let is_hidden = |c: char| moves_the_cursor(c) || is_unseen(c);
    line.chars().map(|c| if is_hidden(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

/// Tells characters that are drawn as nothing: `Default_Ignorable_Code_Point` of Unicode 17, without those that join letters
/// and choose between a picture and a letter.
fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{200B}'
        | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0D}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
        | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Tells control characters, line and paragraph separators, and the bidirectional controls of Unicode Annex 9, with
/// which a text can show other than it reads (CVE-2021-42574).
fn moves_the_cursor(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}' | '\u{61C}')
}

/// Puts a text on one line.
pub(crate) fn one_line(text: &str) -> String {
    plain(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Puts those parts of a line next to each other that say something.
pub(crate) fn columns<const N: usize>(parts: [&str; N]) -> String {
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("  ")
}

/// Says a number with its noun: `1 file`, `1,412 passages`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(number))
}

/// Writes a number with commas between thousands.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(1, "file"), "1 file");
        assert_eq!(count(1412, "passage"), "1,412 passages");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(thousands(100), "100");
    }

    #[test]
    fn a_document_cannot_write_to_the_terminal() {
        assert_eq!(plain("a\u{1b}[31mb\u{7}\tc\n"), "a\u{FFFD}[31mb\u{FFFD}\tc\u{FFFD}");
        assert_eq!(plain("\u{9b}2J \u{202E}txt.exe\u{2066}"), "\u{FFFD}2J \u{FFFD}txt.exe\u{FFFD}");
        assert_eq!(plain("naïve Ärger 日本 🚲"), "naïve Ärger 日本 🚲");
    }

    #[test]
    fn lines_have_no_gaps() {
        assert_eq!(one_line("The\n  deposit\tis \u{7}"), "The deposit is \u{FFFD}");
        assert_eq!(columns(["a.md", "", &paint(DIM, ""), "b"]), "a.md  b");
    }
}
