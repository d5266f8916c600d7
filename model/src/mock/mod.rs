//! Models that answer without knowing anything: for tests, for examples, and to try the rest of Lorewell without a model.

mod rules;
mod script;

use futures_util::stream;

pub use rules::Rules;
pub use script::Script;

use crate::chat::{ChatModel, Events};
use crate::event::{Event, Finish};
use crate::message::{Message, Part, Role};
use crate::model::Model;
use crate::name::ModelName;
use crate::request::Request;
use crate::usage::Usage;
use crate::{Error, Kind, Result};

/// Opens what a name with the provider `mock` says: `echo` says the last words of the person again, `cite` answers from
/// the passages that it is given, `script=FILE` plays the answers in a file one after the other, each a JSON object of a
/// [`Message`] on a line.
///
/// # Errors
/// `Config` if there is none of that name; those of [`Script::read`].
pub(crate) fn open(name: &ModelName) -> Result<Model> {
    match name.model().split_once('=') {
        None if name.model() == "echo" => Ok(Model::new(name.clone(), Echo)),
        None if name.model() == "cite" => Ok(Model::new(name.clone(), Rules::citing())),
        Some(("script", path)) => Ok(Model::new(name.clone(), Script::read(path)?)),
        _ => {
            let message =
                format!("`{name}` is no mock model; there are `mock:echo`, `mock:cite` and `mock:script=FILE`");
            Err(Error::new(Kind::Config, message))
        }
    }
}

/// Says the last words of the person again.
#[derive(Debug, Clone, Copy)]
struct Echo;

impl ChatModel for Echo {
    fn stream(&self, request: Request) -> Events {
        let last = request.messages.iter().rev().find(|message| message.role == Role::User);
        let text = last.map(|message| message.text().into_owned()).unwrap_or_default();
        answer(&request, Message::assistant(text))
    }
}

/// Makes events of a message, word by word.
fn answer(request: &Request, message: Message) -> Events {
    let words = |text: &str| words(text).count() as u64;
    let input_tokens = request.messages.iter().map(|message| words(&message.text())).sum();
    let output_tokens = words(&message.text());
    let calls = message.tool_calls().count();
    let finish = if calls > 0 { Finish::ToolCalls } else { Finish::Stop };
    let mut events = vec![Event::Start { id: None, model: None }];
    let mut index = 0;
    for part in message.parts {
        events.extend(part_events(part, &mut index));
    }
    events.push(Event::Usage { usage: Usage { input_tokens, output_tokens, ..Usage::default() } });
    events.push(Event::Finish { finish });
    Events::new(stream::iter(events.into_iter().map(Ok)))
}

fn part_events(part: Part, index: &mut u32) -> Vec<Event> {
    match part {
        Part::Text(text) => {
            let said = words(&text.text).map(|word| Event::Text { text: word.to_owned() });
            said.chain([Event::TextEnd { opaque: text.opaque }]).collect()
        }
        Part::Reasoning(reasoning) => {
            let said = words(&reasoning.text).map(|word| Event::Reasoning { text: word.to_owned() });
            said.chain([Event::ReasoningEnd { opaque: reasoning.opaque }]).collect()
        }
        Part::ToolCall(call) => {
            let at = *index;
            *index += 1;
            vec![
                Event::ToolCallStart { index: at, id: call.id, name: call.name },
                Event::ToolCallArguments { index: at, text: call.arguments_json },
                Event::ToolCallEnd { index: at, opaque: call.opaque },
            ]
        }
        Part::Citation(citation) => vec![Event::Citation { citation }],
        Part::Opaque(opaque) => vec![Event::Opaque { opaque }],
        // A model says none of these.
        Part::Image(_) | Part::File(_) | Part::ToolResult(_) => Vec::new(),
    }
}

/// Words with the space after them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(char::is_whitespace)
}

#[cfg(test)]
mod tests;
