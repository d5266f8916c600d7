//! A streamed answer: frames become bytes one by one, with the pace and the fault of the answer. Nothing is built
//! before it is sent, so that a thousand streams, or one of 100 MB, stay small.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use serde_json::{Value, json};

use crate::answer::{Fault, Pieces};
use crate::state::State;

/// Faults strike after so many deltas, so that some text has arrived.
const FAULT_AFTER: usize = 2;

const FLUSH: Duration = Duration::from_millis(20);

/// How events are set apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events.
    Events,
    /// The same, with a number in each (Responses).
    NumberedEvents,
    /// One JSON value on each line.
    Lines,
    /// One JSON array (Gemini without `alt=sse`).
    Array,
}

/// One event.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub name: Option<&'static str>,
    pub data: Value,
}

/// What a format hands over to be streamed.
pub(crate) enum Frame {
    One(Event),
    /// One event for each piece.
    Many(Pieces, Box<dyn Fn(&str) -> Event + Send + Sync>),
    /// Text that stands outside JSON: comments and end marks.
    Raw(&'static str),
}

impl Frame {
    /// An event without a name.
    pub(crate) fn data(data: Value) -> Self {
        Self::One(Event { name: None, data })
    }

    /// An event that is named after its `type`.
    pub(crate) fn typed(name: &'static str, data: Value) -> Self {
        Self::One(Event::typed(name, data))
    }
}

impl Event {
    pub(crate) fn typed(name: &'static str, mut data: Value) -> Self {
        data["type"] = json!(name);
        Self { name: Some(name), data }
    }
}

/// Everything that a stream needs to write itself.
pub(crate) struct Script {
    pub frames: VecDeque<Frame>,
    pub framing: Framing,
    pub pace: Duration,
    pub fault: Fault,
    /// Sent instead of the rest by [`Fault::Error`].
    pub error: Event,
    /// Sent in between by [`Fault::Unknown`].
    pub unknown: Event,
}

struct Writer {
    script: Script,
    state: Arc<State>,
    /// Place in the frame at the front, if it has many events.
    at: usize,
    deltas: usize,
    sent: usize,
    over: bool,
    /// The connection is to be closed without an end.
    breaks: bool,
}

/// Makes the body of a streamed answer.
pub(crate) fn body(script: Script, state: Arc<State>) -> Body {
    let writer = Writer { script, state, at: 0, deltas: 0, sent: 0, over: false, breaks: false };
    Body::from_stream(stream::unfold(writer, |mut writer| async move {
        let next = writer.next().await?;
        Some((next, writer))
    }))
}

/// Makes the body of an answer in one piece that breaks off or falls silent.
pub(crate) fn broken(text: &str, fault: Fault, state: Arc<State>) -> Body {
    let half: String = if fault == Fault::HangBody { String::new() } else { text.chars().take(40).collect() };
    let mut step = 0;
    Body::from_stream(stream::unfold((), move |()| {
        step += 1;
        let (half, state, step) = (half.clone(), Arc::clone(&state), step);
        async move {
            if step == 1 && !half.is_empty() {
                return Some((Ok(Bytes::from(half)), ()));
            }
            state.pause(if fault == Fault::HalfFrame { FLUSH } else { state.settings.hang }).await;
            Some((Err(io::Error::other("the connection breaks here")), ()))
        }
    }))
}

impl Writer {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.breaks {
            self.breaks = false;
            // Time for what was sent to leave.
            self.state.pause(FLUSH).await;
            return Some(Err(io::Error::other("the connection breaks here")));
        }
        if self.over || self.state.is_stopped() {
            return None;
        }
        if self.script.fault == Fault::HangBody {
            self.state.hang().await;
            return None;
        }
        if self.deltas == FAULT_AFTER && self.strikes() {
            self.over = true;
            return self.strike().await;
        }
        let Some((text, is_delta)) = self.take() else {
            self.over = true;
            return (self.script.framing == Framing::Array).then(|| Ok(Bytes::from_static(b"]")));
        };
        if is_delta {
            self.deltas += 1;
            if !self.script.pace.is_zero() {
                self.state.pause(self.script.pace).await;
            }
        }
        Some(Ok(self.bytes(text)))
    }

    fn strikes(&self) -> bool {
        matches!(self.script.fault, Fault::HalfFrame | Fault::EarlyEnd | Fault::Error | Fault::HangMiddle)
    }

    async fn strike(&mut self) -> Option<io::Result<Bytes>> {
        match self.script.fault {
            Fault::HalfFrame => {
                let (text, _) = self.take()?;
                let half = (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                self.breaks = true;
                Some(Ok(Bytes::copy_from_slice(&text.as_bytes()[..half])))
            }
            Fault::Error => {
                let event = self.script.error.clone();
                Some(Ok(Bytes::from(self.write(&event))))
            }
            Fault::HangMiddle => {
                self.state.hang().await;
                None
            }
            _ => None,
        }
    }

    /// Takes the next event, written out, and tells whether it is one of many.
    fn take(&mut self) -> Option<(String, bool)> {
        loop {
            let next = match self.script.frames.front()? {
                Frame::One(event) => Some((event.clone(), false)),
                Frame::Many(pieces, make) => pieces.get(self.at).map(|piece| (make(piece), true)),
                Frame::Raw(text) => {
                    let text = (*text).to_owned();
                    self.script.frames.pop_front();
                    return Some((text, false));
                }
            };
            match next {
                Some((event, true)) => {
                    self.at += 1;
                    return Some((self.write(&event), true));
                }
                other => {
                    self.at = 0;
                    self.script.frames.pop_front();
                    if let Some((event, _)) = other {
                        return Some((self.write(&event), false));
                    }
                }
            }
        }
    }

    fn write(&mut self, event: &Event) -> String {
        let mut text = String::new();
        if self.script.fault == Fault::Unknown {
            let unknown = self.script.unknown.clone();
            text.push_str(&self.frame(&unknown));
            let mut event = event.clone();
            event.data["future_field"] = json!({"nested": [1, {"deep": null}]});
            text.push_str(&self.frame(&event));
        } else {
            text.push_str(&self.frame(event));
        }
        text
    }

    fn frame(&mut self, event: &Event) -> String {
        let number = self.sent;
        self.sent += 1;
        let name = event.name.map(|name| format!("event: {name}\n")).unwrap_or_default();
        match self.script.framing {
            Framing::Events => format!("{name}data: {}\n\n", event.data),
            Framing::NumberedEvents => {
                let mut data = event.data.clone();
                data["sequence_number"] = json!(number);
                format!("{name}data: {data}\n\n")
            }
            Framing::Lines => format!("{}\n", event.data),
            Framing::Array if number == 0 => format!("[{}", event.data),
            Framing::Array => format!(",\n{}", event.data),
        }
    }

    /// The bytes of a frame; one of them is spoilt where the answer asks for that.
    fn bytes(&self, text: String) -> Bytes {
        let mut bytes = text.into_bytes();
        if self.script.fault == Fault::InvalidUtf8 && self.deltas == FAULT_AFTER {
            spoil(&mut bytes);
        }
        Bytes::from(bytes)
    }
}

/// Replaces the last letter of a JSON text by a byte that UTF-8 never has.
pub(crate) fn spoil(bytes: &mut [u8]) {
    let last_letter = bytes.iter().rposition(|byte| *byte >= 0x80);
    if let Some(byte) = last_letter.and_then(|at| bytes.get_mut(at)) {
        *byte = 0xff;
    }
}
