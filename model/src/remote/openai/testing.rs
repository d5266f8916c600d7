//! What the tests of both formats share: streams are played in one piece and cut at every byte, which must not matter.

use serde_json::Value;

use crate::event::Event;
use crate::fold::{Fold, Reply};
use crate::remote::Format;
use crate::{Error, Result};

/// Decodes bytes that are cut at a place.
fn decode(format: Format, bytes: &[u8], cut: usize) -> (Vec<Event>, Result<()>) {
    let mut decoder = format.decoder();
    let mut events = Vec::new();
    let result = decoder
        .push(&bytes[..cut], &mut events)
        .and_then(|()| decoder.push(&bytes[cut..], &mut events))
        .and_then(|()| decoder.end(&mut events));
    (events, result)
}

/// Makes a stream of the data of its events, decodes it, and checks that cuts do not matter.
pub(super) fn play(format: Format, data: &[&str]) -> (Vec<Event>, Result<()>) {
    let stream: String = data.iter().map(|data| format!("data: {data}\n\n")).collect();
    play_raw(format, &stream)
}

/// Decodes a stream as it is.
pub(super) fn play_raw(format: Format, stream: &str) -> (Vec<Event>, Result<()>) {
    let stream = stream.as_bytes();
    let (events, result) = decode(format, stream, stream.len());
    for cut in 0..stream.len() {
        let (cut_events, cut_result) = decode(format, stream, cut);
        assert_eq!(cut_events, events, "{cut}");
        assert_eq!(cut_result.is_ok(), result.is_ok(), "{cut}");
    }
    (events, result)
}

/// Puts the fields of a value into alphabetical order: whether they keep their own is for the program that is built to say.
pub(super) fn ordered(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().map(|(name, value)| (name.clone(), ordered(value))).collect();
            fields.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(ordered).collect(),
        _ => value.clone(),
    }
}

fn ordered_event(event: &Event) -> Event {
    let mut event = event.clone();
    let opaque = match &mut event {
        Event::TextEnd { opaque } | Event::ReasoningEnd { opaque } | Event::ToolCallEnd { opaque, .. } => {
            opaque.as_deref_mut()
        }
        Event::Citation { citation } => citation.opaque.as_deref_mut(),
        Event::Opaque { opaque } => Some(opaque),
        _ => None,
    };
    if let Some(opaque) = opaque {
        opaque.value = ordered(&opaque.value);
    }
    event
}

/// Returns the events, one in a line, and the error if there is one.
pub(super) fn shown((events, result): (Vec<Event>, Result<()>)) -> String {
    let mut lines: Vec<_> = events.iter().map(|event| serde_json::to_string(&ordered_event(event)).unwrap()).collect();
    lines.extend(result.err().map(|error| format!("{error:?}")));
    lines.join("\n")
}

/// Returns the answer.
pub(super) fn reply((events, result): (Vec<Event>, Result<()>)) -> Reply {
    result.unwrap();
    let mut fold = Fold::new();
    events.iter().for_each(|event| fold.push(event).unwrap());
    fold.reply().unwrap()
}

/// Returns the error that ends a stream.
pub(super) fn error(played: (Vec<Event>, Result<()>)) -> Error {
    played.1.unwrap_err()
}
