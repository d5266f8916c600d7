//! What of a passage can be quoted, by the format of its document: sentences of prose, records of data, and of source
//! code the comments alone, for a statement answers a question only to those who can run it in their head.

use crate::document::Format;
use crate::sentences::{Sentence, SentenceKind, classified};

/// Returns what can be quoted of a text, with the headings between; ranges ascend.
pub(super) fn quotable(text: &str, format: Format) -> Vec<Sentence> {
    match format {
        Format::Csv | Format::Json | Format::Jsonl => records(text),
        Format::Code => classified(&comments(text)),
        Format::Text | Format::Markdown | Format::Html | Format::Pdf | Format::Docx => classified(text),
    }
}

// A record longer than this is a page of its own: nobody reads it as an answer.
const RECORD_BYTES_MAX: usize = 600;

/// Reads each line as a record, and the key of an object or a list as the heading of what follows.
fn records(text: &str) -> Vec<Sentence> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let body = line.trim();
        let start = at + (line.len() - line.trim_start().len());
        at += line.len();
        if body.contains(char::is_alphanumeric) && body.len() <= RECORD_BYTES_MAX {
            let kind = if body.ends_with(['{', '[']) { SentenceKind::Heading } else { SentenceKind::Row };
            found.push(Sentence { range: start..start + body.trim_end_matches(',').len(), kind });
        }
    }
    found
}

const LINE_MARKS: &[&str] = &["///", "//!", "//", "#", "##", "--", ";;"];
const BLOCK_MARKS: &[(&str, &str)] = &[("\"\"\"", "\"\"\""), ("'''", "'''"), ("/**", "*/"), ("/*", "*/")];

/// Returns a text of the same length that has spaces where there is no comment, so that ranges hold for both.
fn comments(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut close = None;
    for line in text.split_inclusive('\n') {
        let (start, end) = comment(line, &mut close);
        blank(&line[..start], &mut masked);
        masked.push_str(&line[start..end]);
        blank(&line[end..], &mut masked);
    }
    masked
}

/// Returns where the words of a comment lie in a line. `close` is what ends the block the line stands in.
fn comment(line: &str, close: &mut Option<&'static str>) -> (usize, usize) {
    let body = line.trim_start();
    let indent = line.len() - body.len();
    if let Some(mark) = *close {
        let start = indent + if body.starts_with("* ") { "*".len() } else { 0 };
        let end = line[start..].find(mark).map(|at| start + at);
        *close = if end.is_some() { None } else { Some(mark) };
        return (start, end.unwrap_or(line.len()));
    }
    if let Some(&(open, shut)) = BLOCK_MARKS.iter().find(|(open, _)| body.starts_with(open)) {
        let start = indent + open.len();
        let end = line[start..].find(shut).map(|at| start + at);
        *close = if end.is_some() { None } else { Some(shut) };
        return (start, end.unwrap_or(line.len()));
    }
    // `#[derive]` and `#include` are no comments: a mark stands alone.
    let is_mark = |mark: &&&str| {
        body.strip_prefix(**mark).is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
    };
    let start = LINE_MARKS.iter().find(is_mark).map_or(line.len(), |mark| indent + mark.len());
    (start, line.len())
}

fn blank(text: &str, masked: &mut String) {
    let spaces = text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' });
    masked.extend(spaces);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(format: Format, text: &str, expected: &[&str]) {
        let quotable = quotable(text, format).into_iter().filter(|sentence| sentence.kind != SentenceKind::Heading);
        let found: Vec<&str> = quotable.map(|sentence| &text[sentence.range]).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn records_are_lines() {
        check(Format::Csv, "R1,\"Patch. Small.\",6\nR2,Tube,14\n", &["R1,\"Patch. Small.\",6", "R2,Tube,14"]);
        let json = "{\n  \"hours\": {\n    \"monday\": \"closed\",\n    \"friday\": \"16:00\"\n  }\n}\n";
        check(Format::Json, json, &["\"monday\": \"closed\"", "\"friday\": \"16:00\""]);
        check(
            Format::Jsonl,
            &format!("{{\"a\": 1}}\n{{\"b\": \"{}\"}}\n", "x".repeat(RECORD_BYTES_MAX)),
            &["{\"a\": 1}"],
        );
    }

    #[test]
    fn of_code_only_comments_are_quoted() {
        let python =
            "\"\"\"Tightens bolts.\n\nHow tight? See below.\n\"\"\"\nx = 1\n# Carbon slips. Use paste.\ny = 2\n";
        check(Format::Code, python, &["Tightens bolts.", "How tight?", "See below.", "Carbon slips.", "Use paste."]);
        let rust = "#[derive(Debug)]\n/// Größe in Metern.\nstruct Grösse; /* no */\n/* A block.\n * Of two lines. */\nfn f() {}\n";
        check(Format::Code, rust, &["Größe in Metern.", "A block.", "Of two lines."]);
    }

    proptest! {
        #[test]
        fn ranges_lie_in_the_text(text in "(?s)(//|#|\"\"\"|/\\*|\\*/|[a-zé .:?{\n]|.){0,80}") {
            for format in Format::ALL {
                let mut end = 0;
                for sentence in quotable(&text, format) {
                    prop_assert!(end <= sentence.range.start);
                    prop_assert!(text.get(sentence.range.clone()).is_some());
                    end = sentence.range.end;
                }
            }
        }
    }
}
