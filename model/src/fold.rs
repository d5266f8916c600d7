//! Makes a message of events. Each event costs what it carries, so a long answer costs linear time.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::event::{Event, Finish};
use crate::message::{Message, Opaque, Part, Reasoning, Role, Text, ToolCall};
use crate::usage::Usage;
use crate::{Error, Kind, Result};

/// Bytes that one answer may have, in all its parts: far above what any model writes.
pub const REPLY_BYTES_MAX: usize = 64 << 20;
/// Parts that one answer may have.
pub const REPLY_PARTS_MAX: usize = 65_536;

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reply {
    /// What the model said; it goes into the conversation as it is.
    pub message: Message,
    /// Why it ended.
    pub finish: Finish,
    /// What it used.
    pub usage: Usage,
    /// The model that really answered, as the provider names it.
    pub model: Option<String>,
    /// What the provider calls the answer.
    pub id: Option<String>,
}

impl Reply {
    /// Makes an answer of a message.
    #[must_use]
    pub fn new(message: Message, finish: Finish) -> Self {
        Self { message, finish, usage: Usage::default(), model: None, id: None }
    }

    /// Returns its words, without reasoning.
    #[must_use]
    pub fn text(&self) -> String {
        self.message.text().into_owned()
    }

    /// Reads its words as JSON.
    ///
    /// # Errors
    /// `BadOutput` if they are no JSON or do not fit, with the end of the answer if it was cut off.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        read_json(&self.message.text()).map_err(|error| match self.finish {
            Finish::Length => {
                let message = format!("{}; the answer was cut off: raise `output_tokens_max`", error.message());
                Error::new(Kind::BadOutput, message).caused_by(error)
            }
            Finish::Refused => {
                let message = format!("{}; the model declined to answer", error.message());
                Error::new(Kind::BadOutput, message).caused_by(error)
            }
            _ => error,
        })
    }
}

/// Reads what a model wrote as JSON, also from between the marks of a block of code.
///
/// ```
/// assert_eq!(lorewell_model::read_json::<u8>("```json\n7\n```")?, 7);
/// # Ok::<(), lorewell_model::Error>(())
/// ```
///
/// # Errors
/// `BadOutput` if it is no JSON or does not fit.
pub fn read_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(unfenced(text)).map_err(|error| {
        let message = format!("the answer is not the JSON that was asked for: {error}");
        Error::new(Kind::BadOutput, message).caused_by(error)
    })
}

/// Returns what is inside a Markdown fence, which models like to put around JSON.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let inside = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    inside.and_then(|inside| inside.split_once('\n')).map_or(text, |(_, json)| json)
}

/// Makes an answer of events, one by one.
///
/// ```
/// use lorewell_model::{Event, Finish, Fold};
///
/// let mut fold = Fold::new();
/// for text in ["Mont ", "Blanc"] {
///     fold.push(&Event::Text { text: text.to_owned() })?;
/// }
/// fold.push(&Event::Finish { finish: Finish::Stop })?;
/// assert_eq!(fold.reply()?.text(), "Mont Blanc");
/// # Ok::<(), lorewell_model::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Fold {
    parts: Vec<Part>,
    /// The place of each call among the parts.
    calls: HashMap<u32, usize>,
    /// Whether more words go into the last part.
    is_open: bool,
    bytes: usize,
    usage: Usage,
    finish: Option<Finish>,
    model: Option<String>,
    id: Option<String>,
}

impl Fold {
    /// Begins.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes an event.
    ///
    /// # Errors
    /// `Limit` if the answer is too long; `BadOutput` if it speaks of a call that has not begun.
    pub fn push(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Start { id, model } => {
                // A model that was asked again, or another one, begins anew.
                self.id.clone_from(id);
                self.model.clone_from(model);
            }
            Event::Text { text } => return self.text(text),
            Event::Reasoning { text } => return self.reasoning(text),
            Event::TextEnd { opaque } => return self.end_text(opaque),
            Event::ReasoningEnd { opaque } => return self.end_reasoning(opaque),
            Event::ToolCallStart { index, id, name } => {
                self.calls.insert(*index, self.parts.len());
                let (id, name) = (id.clone(), name.clone());
                return self.add(Part::ToolCall(ToolCall { id, name, arguments_json: String::new(), opaque: None }));
            }
            Event::ToolCallArguments { index, text } => {
                self.count(text.len())?;
                self.call(*index)?.arguments_json.push_str(text);
            }
            Event::ToolCallEnd { index, opaque } => {
                if let Some(opaque) = opaque {
                    self.call(*index)?.opaque = Some(opaque.clone());
                }
            }
            Event::Citation { citation } => return self.add(Part::Citation(citation.clone())),
            Event::Opaque { opaque } => return self.add(Part::Opaque(opaque.clone())),
            Event::Usage { usage } => self.usage = *usage,
            Event::Finish { finish } => self.finish = Some(finish.clone()),
            Event::Ping => {}
        }
        Ok(())
    }

    /// Returns what has come so far, as a message.
    #[must_use]
    pub fn message(&self) -> Message {
        Message::new(Role::Assistant, self.parts.clone())
    }

    /// Returns what was used so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Ends.
    ///
    /// # Errors
    /// `Unavailable` if the answer had not come to its end.
    pub fn reply(self) -> Result<Reply> {
        let Some(finish) = self.finish else {
            return Err(Error::new(Kind::Unavailable, "the answer broke off before its end; ask again"));
        };
        let message = Message::new(Role::Assistant, self.parts);
        Ok(Reply { message, finish, usage: self.usage, model: self.model, id: self.id })
    }

    fn text(&mut self, more: &str) -> Result<()> {
        self.count(more.len())?;
        match self.parts.last_mut() {
            Some(Part::Text(text)) if self.is_open => text.text.push_str(more),
            _ => {
                self.add(Part::text(more))?;
                self.is_open = true;
            }
        }
        Ok(())
    }

    fn reasoning(&mut self, more: &str) -> Result<()> {
        self.count(more.len())?;
        match self.parts.last_mut() {
            Some(Part::Reasoning(reasoning)) if self.is_open => reasoning.text.push_str(more),
            _ => {
                self.add(Part::Reasoning(Reasoning { text: more.to_owned(), opaque: None }))?;
                self.is_open = true;
            }
        }
        Ok(())
    }

    fn end_text(&mut self, opaque: &Option<Box<Opaque>>) -> Result<()> {
        match self.parts.last_mut() {
            Some(Part::Text(text)) if self.is_open => text.opaque.clone_from(opaque),
            _ if opaque.is_some() => self.add(Part::Text(Text { text: String::new(), opaque: opaque.clone() }))?,
            _ => {}
        }
        self.is_open = false;
        Ok(())
    }

    fn end_reasoning(&mut self, opaque: &Option<Box<Opaque>>) -> Result<()> {
        match self.parts.last_mut() {
            Some(Part::Reasoning(reasoning)) if self.is_open => reasoning.opaque.clone_from(opaque),
            _ if opaque.is_some() => {
                self.add(Part::Reasoning(Reasoning { text: String::new(), opaque: opaque.clone() }))?;
            }
            _ => {}
        }
        self.is_open = false;
        Ok(())
    }

    fn call(&mut self, index: u32) -> Result<&mut ToolCall> {
        match self.calls.get(&index).map(|place| &mut self.parts[*place]) {
            Some(Part::ToolCall(call)) => Ok(call),
            _ => Err(Error::new(Kind::BadOutput, format!("arguments came for call {index}, which has not begun"))),
        }
    }

    fn add(&mut self, part: Part) -> Result<()> {
        if self.parts.len() == REPLY_PARTS_MAX {
            return Err(Error::new(Kind::Limit, format!("an answer of more than {REPLY_PARTS_MAX} parts")));
        }
        self.is_open = false;
        self.parts.push(part);
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<()> {
        self.bytes += bytes;
        match self.bytes > REPLY_BYTES_MAX {
            true => Err(Error::new(Kind::Limit, format!("an answer of more than {REPLY_BYTES_MAX} bytes"))),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Event {
        Event::Text { text: text.to_owned() }
    }

    fn fold(events: &[Event]) -> Fold {
        let mut fold = Fold::new();
        events.iter().for_each(|event| fold.push(event).unwrap());
        fold
    }

    #[test]
    fn words_and_thoughts_are_parts_that_end() {
        let sealed = Opaque::boxed("test", serde_json::json!("seal"));
        let thinks = Event::Reasoning { text: "hm".into() };
        let ends = Event::ReasoningEnd { opaque: sealed.clone() };
        let events = [thinks, ends, text("a"), text("b"), Event::TextEnd { opaque: None }, text("c")];
        let expected =
            [Part::Reasoning(Reasoning { text: "hm".into(), opaque: sealed }), Part::text("ab"), Part::text("c")];
        assert_eq!(fold(&events).message().parts, expected);
    }

    #[test]
    fn calls_may_interleave() {
        let start = |index: u32| Event::ToolCallStart { index, id: index.to_string(), name: "f".into() };
        let more = |index, text: &str| Event::ToolCallArguments { index, text: text.to_owned() };
        let message = fold(&[start(0), start(1), more(1, "{\"b\""), more(0, "{}"), more(1, ":1}")]).message();
        let calls: Vec<_> = message.tool_calls().map(|call| (&*call.id, &*call.arguments_json)).collect();
        assert_eq!(calls, [("0", "{}"), ("1", "{\"b\":1}")]);
    }

    #[test]
    fn an_answer_that_broke_off_is_no_reply() {
        assert_eq!(fold(&[text("a")]).reply().unwrap_err().kind(), Kind::Unavailable);
        let unknown = Event::ToolCallArguments { index: 3, text: String::new() };
        assert_eq!(Fold::new().push(&unknown).unwrap_err().kind(), Kind::BadOutput);
    }

    #[test]
    fn a_fence_around_json_is_taken_off() {
        for shown in ["{\"a\":1}", " {\"a\":1}\n", "```json\n{\"a\":1}\n```", "```\n{\"a\":1}```"] {
            let reply = fold(&[text(shown), Event::Finish { finish: Finish::Stop }]).reply().unwrap();
            assert_eq!(reply.json::<serde_json::Value>().unwrap(), serde_json::json!({"a": 1}), "{shown}");
        }
    }
}
