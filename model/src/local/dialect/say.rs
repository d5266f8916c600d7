//! What a reader says: events in their order. Parts end before others begin, calls get ids.

use crate::event::Event;
use crate::request::Request;

/// Letters of an id; Mistral's templates take nine, no more and no less.
const ID_LETTERS: usize = 9;

/// Says events.
#[derive(Debug)]
pub(super) struct Say {
    open: Open,
    /// White space at the end of thoughts, which belongs to the mark if that comes.
    space: String,
    /// Calls so far.
    calls: u32,
    is_calling: bool,
    /// What ids are made of.
    seed: u64,
}

/// The part to which more is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Text,
    Reasoning,
}

impl Say {
    pub(super) fn new(request: &Request) -> Self {
        // A conversation grows between two answers, so its hash makes ids that differ, and are the same in a replay.
        let written = serde_json::to_vec(&request.messages).unwrap_or_default();
        Self { open: Open::Nothing, space: String::new(), calls: 0, is_calling: false, seed: hashed(&written) }
    }

    pub(super) fn has_called(&self) -> bool {
        self.calls > 0
    }

    pub(super) fn text(&mut self, text: &str, events: &mut Vec<Event>) {
        if !text.is_empty() {
            self.switch(Open::Text, events);
            events.push(Event::Text { text: text.to_owned() });
        }
    }

    pub(super) fn think(&mut self, text: &str, events: &mut Vec<Event>) {
        let shown = text.trim_end();
        if shown.is_empty() {
            if self.open == Open::Reasoning {
                self.space.push_str(text);
            }
            return;
        }
        let is_first = self.open != Open::Reasoning;
        self.switch(Open::Reasoning, events);
        let space = std::mem::take(&mut self.space);
        let words = if is_first { shown.trim_start().to_owned() } else { space + shown };
        events.push(Event::Reasoning { text: words });
        self.space = text[shown.len()..].to_owned();
    }

    /// Begins a call.
    pub(super) fn call(&mut self, name: &str, events: &mut Vec<Event>) {
        self.end_call(events);
        self.close(events);
        let id = id(self.seed, self.calls);
        events.push(Event::ToolCallStart { index: self.calls, id, name: name.to_owned() });
        self.is_calling = true;
    }

    pub(super) fn arguments(&mut self, text: &str, events: &mut Vec<Event>) {
        if self.is_calling && !text.is_empty() {
            events.push(Event::ToolCallArguments { index: self.calls, text: text.to_owned() });
        }
    }

    pub(super) fn end_call(&mut self, events: &mut Vec<Event>) {
        if std::mem::take(&mut self.is_calling) {
            events.push(Event::ToolCallEnd { index: self.calls, opaque: None });
            self.calls += 1;
        }
    }

    /// Ends the part that is open.
    pub(super) fn close(&mut self, events: &mut Vec<Event>) {
        self.space.clear();
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => {}
            Open::Text => events.push(Event::TextEnd { opaque: None }),
            Open::Reasoning => events.push(Event::ReasoningEnd { opaque: None }),
        }
    }

    fn switch(&mut self, open: Open, events: &mut Vec<Event>) {
        if self.open != open {
            self.end_call(events);
            self.close(events);
            self.open = open;
        }
    }
}

/// FNV-1a.
fn hashed(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn id(seed: u64, index: u32) -> String {
    const LETTERS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut rest = hashed(&[seed.to_le_bytes().as_slice(), &index.to_le_bytes()].concat());
    let letter = |_| {
        let letter = LETTERS[usize::try_from(rest % 36).unwrap_or_default()];
        rest /= 36;
        char::from(letter)
    };
    (0..ID_LETTERS).map(letter).collect()
}
