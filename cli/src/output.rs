//! What a person sees: results on standard output, everything else on standard error, colour where it is wanted, and
//! control characters of documents made harmless.

use std::io::Write as _;
use std::sync::OnceLock;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use serde::Serialize;

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

/// Sets up colour, quiet and logs for this run.
pub(crate) fn init(global: &Global) {
    let choice = match global.color {
        Color::Auto => anstream::ColorChoice::Auto,
        Color::Always => anstream::ColorChoice::Always,
        Color::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
    QUIET.get_or_init(|| global.quiet);
    if global.verbose >= 2 {
        let filter = tracing_subscriber::EnvFilter::try_from_env("LOREWELL_LOG")
            .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("lorewell=debug"));
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
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
    to_stderr(&format!("{}: {}", paint(BAD, "error"), plain(text)));
}

fn to_stderr(text: &str) {
    // Nothing is left to do if standard error is gone.
    drop(writeln!(anstream::stderr().lock(), "{text}"));
}

/// Styles a text; the stream drops the style where colour is not wanted.
pub(crate) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Makes a document's text harmless for a terminal: control characters other than tab and line feed, which could
/// move the cursor or fake output, become visible.
pub(crate) fn plain(text: &str) -> String {
    let harmless = |c: char| if c.is_control() && c != '\n' && c != '\t' { '\u{FFFD}' } else { c };
    text.chars().map(harmless).collect()
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
        assert_eq!(plain("a\u{1b}[31mb\u{7}\tc\n"), "a\u{FFFD}[31mb\u{FFFD}\tc\n");
    }
}
