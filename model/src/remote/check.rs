//! What the tests of the codecs share: streams played through, whole and in pieces, and JSON that reads the same whatever
//! the order of its fields.

use serde_json::Value;

use super::format::Format;
use crate::event::Event;
use crate::fold::{Fold, Reply};
use crate::request::Request;
use crate::{Error, Result};

/// Plays a stream through and returns its events, and the error that ended it.
pub(crate) fn play(format: Format, pieces: &[&[u8]]) -> (Vec<Event>, Option<Error>) {
    let (mut decoder, mut events) = (format.decoder(), Vec::new());
    let mut all = || -> Result<()> {
        for piece in pieces {
            decoder.push(piece, &mut events)?;
        }
        decoder.end(&mut events)
    };
    let error = all().err();
    (events, error)
}

/// Returns the events of a stream, one on each line; what ended it stands last.
pub(crate) fn shown(format: Format, stream: &str) -> String {
    let (events, error) = play(format, &[stream.as_bytes()]);
    let mut shown: String = events.iter().map(|event| sorted(&serde_json::to_value(event).unwrap()) + "\n").collect();
    if let Some(error) = error {
        shown.push_str(&format!("{error:?}"));
        shown.extend(error.retry_after().map(|wait| format!(" after {wait:?}")));
        shown.push('\n');
    }
    shown
}

/// Holds that a stream gives the same events wherever it is cut, and returns what they come to.
pub(crate) fn reply(format: Format, stream: &str) -> Reply {
    let whole = play(format, &[stream.as_bytes()]).0;
    for cut in 0..=stream.len() {
        let (first, second) = stream.as_bytes().split_at(cut);
        assert_eq!(play(format, &[first, second]).0, whole, "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
    assert_eq!(play(format, &bytes).0, whole, "byte by byte");
    let mut fold = Fold::new();
    whole.iter().for_each(|event| fold.push(event).unwrap());
    fold.reply().unwrap()
}

/// Returns the body of a request, its fields in alphabetical order.
pub(crate) fn body(format: Format, model: &str, request: &Request) -> String {
    match format.body(model, request) {
        Ok(body) => pretty(&body),
        Err(error) => format!("{error:?}"),
    }
}

/// Returns the kind, the message and the wait of a fault.
pub(crate) fn fault(format: Format, status: u16, body: &str) -> String {
    let error = format.error(status, body);
    let wait = error.retry_after().map(|wait| format!(" after {wait:?}")).unwrap_or_default();
    format!("{error:?}{wait}")
}

pub(crate) fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write(value, Some(0), &mut text);
    text
}

fn sorted(value: &Value) -> String {
    let mut text = String::new();
    write(value, None, &mut text);
    text
}

/// Fields that fit on a line are not spread over several.
const LINE_CHARS_MAX: usize = 100;

fn write(value: &Value, depth: Option<usize>, text: &mut String) {
    let short = || Some(sorted(value)).filter(|line| line.len() <= LINE_CHARS_MAX);
    if let Some(line) = depth.and_then(|_| short()) {
        return text.push_str(&line);
    }
    let items: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            fields.into_iter().map(|(name, value)| (format!("{name:?}: "), value)).collect()
        }
        Value::Array(items) => items.iter().map(|item| (String::new(), item)).collect(),
        _ => return text.push_str(&value.to_string()),
    };
    let (open, close) = if value.is_object() { ('{', '}') } else { ('[', ']') };
    let line = |depth: usize| format!("\n{:1$}", "", depth * 2);
    text.push(open);
    for (i, (name, item)) in items.iter().enumerate() {
        match depth {
            Some(depth) => text.push_str(&format!("{}{}", if i > 0 { "," } else { "" }, line(depth + 1))),
            None if i > 0 => text.push_str(", "),
            None => {}
        }
        text.push_str(name);
        write(item, depth.map(|depth| depth + 1), text);
    }
    text.extend(depth.map(line));
    text.push(close);
}
