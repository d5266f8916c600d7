//! JSON and JSON Lines. The text is the file; its blocks are the members and elements of the outermost value, or of
//! a value further in where those are too large to be one passage. `serde_json` says what is valid; where the parts
//! lie is found by a scanner that does not recurse.

use std::ops::Range;
use std::path::Path;

use lorewell_model::{Error, Kind, Result};
use serde::de::IgnoredAny;

use super::Load;
use super::decode::decode;
use super::outline::{Heading, add_once, date, sections, trim};
use crate::document::{Block, BlockKind, Document, Format, Warning};

/// Bytes of a record above which its parts become records instead: a few passages of usual size.
const RECORD_BYTES_MAX: usize = 4 * 1024;

/// Levels of nesting at which records are looked for. Each level reads its part of the file once more, and what lies
/// deeper is a detail of a record.
const CUT_DEPTH_MAX: u8 = 8;

/// Line numbers that a warning names before it only counts.
const LINES_NAMED_MAX: usize = 5;

/// Loads one JSON value.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json;

impl Load for Json {
    fn load(&self, path: &Path, bytes: &[u8]) -> Result<Document> {
        let mut document = decode(bytes).document(Format::Json);
        serde_json::from_str::<IgnoredAny>(&document.text).map_err(|error| invalid(path, &error))?;
        let text = std::mem::take(&mut document.text);
        let whole = trim(&text, 0..text.len());
        describe(&mut document, &text[whole.clone()]);
        let (blocks, headings) = records(&text, whole);
        document.blocks = blocks;
        document.sections = sections(headings, text.len());
        document.text = text;
        Ok(document)
    }
}

/// Loads JSON Lines: one value a line. A line that is not JSON is left out and reported.
#[derive(Debug, Clone, Copy, Default)]
pub struct Jsonl;

impl Load for Jsonl {
    fn load(&self, path: &Path, bytes: &[u8]) -> Result<Document> {
        let mut document = decode(bytes).document(Format::Jsonl);
        let mut bad_lines = Vec::new();
        let mut at = 0;
        for (index, line) in document.text.split_inclusive('\n').enumerate() {
            let range = trim(&document.text, at..at + line.len());
            at += line.len();
            if range.is_empty() {
                continue;
            }
            match serde_json::from_str::<IgnoredAny>(&document.text[range.clone()]) {
                Ok(IgnoredAny) => document.blocks.push(Block { range, kind: BlockKind::Record }),
                Err(_) => bad_lines.push(index + 1),
            }
        }
        if document.blocks.is_empty() {
            let message = format!(
                "`{}` has no line of valid JSON; rename it to end in `.json` if it is one value over many lines",
                path.display()
            );
            return Err(Error::new(Kind::BadInput, message));
        }
        document.warnings.extend(left_out(&bad_lines));
        if let [record] = document.blocks.as_slice() {
            let record = document.text[record.range.clone()].to_owned();
            describe(&mut document, &record);
        }
        Ok(document)
    }
}

fn left_out(lines: &[usize]) -> Option<Warning> {
    let named = lines.iter().take(LINES_NAMED_MAX).map(usize::to_string).collect::<Vec<_>>().join(", ");
    let more = lines.len().saturating_sub(LINES_NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let message = format!("lines that are not valid JSON were left out: {named}{more}");
    (!lines.is_empty()).then_some(Warning::Other { message })
}

fn invalid(path: &Path, error: &serde_json::Error) -> Error {
    let message = format!(
        "`{}` is not valid JSON: {error}; correct it, or rename it to end in `.jsonl` or `.txt` if that is what it is",
        path.display()
    );
    Error::new(Kind::BadInput, message)
}

/// Takes title, tags and date from the members of an object that say them.
fn describe(document: &mut Document, object: &str) {
    if !object.starts_with('{') {
        return;
    }
    for part in parts(object, 0..object.len()) {
        let value = &object[part.value.clone()];
        let string = || serde_json::from_str::<String>(value).ok().filter(|value| !value.trim().is_empty());
        match part.key(object).as_deref() {
            Some("title") => document.title = document.title.take().or_else(string),
            Some("date" | "created" | "published") => {
                document.date = document.date.take().or_else(|| string().and_then(|value| date(&value)));
            }
            Some("tags" | "keywords") => {
                let tags: Vec<String> = serde_json::from_str(value)
                    .or_else(|_| string().map(|tag| vec![tag]).ok_or(()))
                    .unwrap_or_default();
                tags.iter().for_each(|tag| add_once(&mut document.tags, tag.trim()));
            }
            _ => {}
        }
    }
}

/// Cuts a value into records. The key of a member that is cut further becomes a heading.
fn records(text: &str, whole: Range<usize>) -> (Vec<Block>, Vec<Heading>) {
    let (mut blocks, mut headings) = (Vec::new(), Vec::new());
    // (range, depth) of values still to be cut, the next one last.
    let mut waiting: Vec<(Part, u8)> = vec![(Part { whole: whole.clone(), key: None, value: whole.clone() }, 0)];
    while let Some((part, depth)) = waiting.pop() {
        let is_container = text[part.value.clone()].starts_with(['{', '[']);
        let is_cut = depth == 0 || (part.whole.len() > RECORD_BYTES_MAX && depth < CUT_DEPTH_MAX);
        let inner = if is_container && is_cut { parts(text, part.value.clone()) } else { Vec::new() };
        if inner.is_empty() {
            blocks.push(Block { range: part.whole, kind: BlockKind::Record });
            continue;
        }
        if let Some(title) = part.key(text) {
            headings.push(Heading { start: part.whole.start, rank: depth, title });
        }
        waiting.extend(inner.into_iter().rev().map(|part| (part, depth + 1)));
    }
    (blocks, headings)
}

/// A member of an object, or an element of an array.
#[derive(Debug)]
struct Part {
    whole: Range<usize>,
    key: Option<Range<usize>>,
    value: Range<usize>,
}

impl Part {
    fn key(&self, text: &str) -> Option<String> {
        let key = &text[self.key.clone()?];
        serde_json::from_str(key).ok()
    }
}

/// Finds the members or elements of a valid object or array.
fn parts(text: &str, container: Range<usize>) -> Vec<Part> {
    let is_object = text[container.clone()].starts_with('{');
    let (mut parts, mut depth, mut is_string, mut is_escaped) = (Vec::new(), 0usize, false, false);
    let (mut start, mut colon) = (container.start + 1, None);
    for (at, byte) in container.clone().zip(text[container].bytes()) {
        if is_string {
            is_string = is_escaped || byte != b'"';
            is_escaped = byte == b'\\' && !is_escaped;
            continue;
        }
        match byte {
            b'"' => is_string = true,
            b'{' | b'[' => depth += 1,
            b':' if depth == 1 && is_object => colon = colon.or(Some(at)),
            b',' if depth == 1 => parts.extend(part(text, start, &mut colon, at)),
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    parts.extend(part(text, start, &mut colon, at));
                }
            }
            _ => {}
        }
        if depth == 1 && byte == b',' {
            start = at + 1;
        }
    }
    parts
}

fn part(text: &str, start: usize, colon: &mut Option<usize>, end: usize) -> Option<Part> {
    let whole = trim(text, start..end);
    let colon = colon.take();
    let key = colon.map(|colon| trim(text, start..colon));
    let value = colon.map_or(whole.clone(), |colon| trim(text, colon + 1..end));
    (!whole.is_empty()).then_some(Part { whole, key, value })
}
