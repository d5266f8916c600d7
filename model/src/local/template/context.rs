//! Makes the context of a template out of a request: the fields that templates look for, in the shape that this one takes.

use serde_json::{Map, Value, json};

use super::Names;
use super::probe::Abilities;
use crate::local::dialect::Dialect;
use crate::media::{Media, Source};
use crate::message::{Message, Part, Role, ToolCall, ToolResult};
use crate::request::{Effort, Request, ToolChoice};
use crate::{Error, Kind, Result};

/// Which instructions go to the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Systems {
    /// Those that stand there.
    First,
    /// All.
    All,
}

/// What is known of the template.
#[derive(Debug, Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) names: &'a Names,
    pub(super) source: &'a str,
    pub(super) abilities: &'a Abilities,
    pub(super) dialect: Dialect,
}

/// Makes the context.
pub(super) fn context(request: &Request, think: Option<bool>, of: &Of<'_>, systems: Systems) -> Result<Value> {
    let Of { names, source, abilities, dialect } = *of;
    let has_tools = !request.tools.is_empty() && request.tool_choice != Some(ToolChoice::None);
    let tools = has_tools.then(|| tools(request));
    let told = tools.as_ref().filter(|_| !abilities.tools).map(instruction);
    let messages = Messages { source, abilities, dialect, all: Vec::new() }.of(request, told, systems)?;
    let mut context = base(messages, tools.filter(|_| abilities.tools), names);
    context.extend(switches(request, think, source));
    let free = request.extra.get("chat_template_kwargs").and_then(Value::as_object);
    context.extend(free.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
    Ok(Value::Object(context))
}

/// What every context has.
pub(super) fn base(messages: Vec<Value>, tools: Option<Value>, names: &Names) -> Map<String, Value> {
    let mut context = Map::new();
    context.insert("messages".to_owned(), messages.into());
    // SmolLM3 and its kin ask for them by another name.
    context.extend(tools.clone().map(|tools| ("xml_tools".to_owned(), tools)));
    context.insert("tools".to_owned(), tools.unwrap_or_default());
    context.insert("documents".to_owned(), Value::Null);
    context.insert("add_generation_prompt".to_owned(), true.into());
    // Templates join these to other text without asking whether there are any.
    context.insert("bos_token".to_owned(), names.bos.as_deref().unwrap_or_default().into());
    context.insert("eos_token".to_owned(), names.eos.as_deref().unwrap_or_default().into());
    context.extend(names.unk.as_deref().map(|token| ("unk_token".to_owned(), token.into())));
    context.extend(names.pad.as_deref().map(|token| ("pad_token".to_owned(), token.into())));
    context
}

/// The variables by which templates turn thoughts on and off.
fn switches(request: &Request, think: Option<bool>, source: &str) -> Vec<(String, Value)> {
    let mut switches = Vec::new();
    if let Some(think) = think {
        switches.push(("enable_thinking".to_owned(), think.into()));
        switches.push(("thinking".to_owned(), think.into()));
        if !think && source.contains("thinking_budget") {
            switches.push(("thinking_budget".to_owned(), 0.into()));
        }
    }
    let effort = match request.effort {
        Some(Effort::Minimal | Effort::Low) => Some("low"),
        Some(Effort::Medium) => Some("medium"),
        Some(Effort::High | Effort::Max) => Some("high"),
        Some(Effort::None) | None => None,
    };
    switches.extend(effort.map(|effort| ("reasoning_effort".to_owned(), effort.into())));
    switches
}

/// Describes the tools as OpenAI does, which all templates expect.
fn tools(request: &Request) -> Value {
    let tools = request.tools.iter().map(|tool| {
        let function = json!({"name": tool.name, "description": tool.description, "parameters": tool.parameters});
        json!({"type": "function", "function": function})
    });
    tools.collect()
}

/// Tells a model about tools whose template cannot.
fn instruction(tools: &Value) -> String {
    let functions = tools.as_array().into_iter().flatten().map(|tool| tool["function"].to_string());
    let functions = functions.collect::<Vec<_>>().join("\n");
    format!(
        "You can call these tools, each given by its name, what it does and the JSON schema of its arguments:\n\n\
         {functions}\n\n\
         To call a tool, answer with nothing but a JSON object with its name and arguments:\n\
         {{\"name\": \"NAME\", \"arguments\": {{}}}}\n\
         To call several at once, answer with a JSON list of such objects. What they return comes in the next message. \
         If no tool is needed, answer in words."
    )
}

struct Messages<'a> {
    source: &'a str,
    abilities: &'a Abilities,
    dialect: Dialect,
    all: Vec<Value>,
}

impl Messages<'_> {
    fn of(mut self, request: &Request, told: Option<String>, systems: Systems) -> Result<Vec<Value>> {
        let is_first = |place: usize| request.messages.range(..place).all(|message| message.role == Role::System);
        let goes_first =
            |place: usize| request.messages[place].role == Role::System && (systems == Systems::All || is_first(place));
        let (first, rest): (Vec<_>, Vec<_>) = (0..request.messages.len()).partition(|place| goes_first(*place));
        let mut instructions = Vec::new();
        for place in first {
            instructions.push(words(&request.messages[place].parts)?);
        }
        instructions.extend(told);
        let instructions = instructions.join("\n\n");
        if self.abilities.system && !instructions.is_empty() {
            self.add("system", &instructions);
        }
        for place in rest {
            self.message(&request.messages[place])?;
        }
        if !self.abilities.system && !instructions.is_empty() {
            self.before_user(&instructions);
        }
        Ok(self.all)
    }

    /// Puts instructions where a template has no place for them: before the first words of the person.
    fn before_user(&mut self, instructions: &str) {
        let user = self.all.iter_mut().find(|message| message["role"] == "user");
        match user.and_then(|message| text_of(&mut message["content"])) {
            Some(text) => *text = format!("{instructions}\n\n{text}"),
            None => self.all.insert(0, json!({"role": "user", "content": self.content(instructions)})),
        }
    }

    fn message(&mut self, message: &Message) -> Result<()> {
        for part in &message.parts {
            if let Part::ToolResult(result) = part {
                self.result(result)?;
            }
        }
        match message.role {
            Role::Assistant => self.assistant(message)?,
            Role::System if self.abilities.system => {
                let text = words(&message.parts)?;
                self.all.push(json!({"role": "system", "content": self.content(&text)}));
            }
            Role::System | Role::User | Role::Tool => {
                let text = words(&message.parts)?;
                if !text.is_empty() || message.role == Role::User {
                    self.add("user", &text);
                }
            }
        }
        Ok(())
    }

    /// Adds words, to the last message if that has the same role and the template knows no results: two messages of the
    /// person in a row are refused by many.
    fn add(&mut self, role: &str, text: &str) {
        let joins = !self.abilities.results || (role == "user" && !self.abilities.system);
        if let Some(last) = self.all.last_mut().filter(|last| joins && last["role"] == role)
            && let Some(before) = text_of(&mut last["content"])
        {
            before.push_str("\n\n");
            before.push_str(text);
            return;
        }
        let content = self.content(text);
        self.all.push(json!({"role": role, "content": content}));
    }

    fn content(&self, text: &str) -> Value {
        match self.abilities.takes_parts {
            true => json!([{"type": "text", "text": text}]),
            false => text.into(),
        }
    }

    fn result(&mut self, result: &ToolResult) -> Result<()> {
        let text = words(&result.parts)?;
        let text = if result.is_error { format!("error: {text}") } else { text };
        if self.abilities.results && self.abilities.tools {
            let (id, content) = (self.id(&result.id), self.content(&text));
            self.all.push(json!({"role": "tool", "name": result.name, "tool_call_id": id, "content": content}));
        } else {
            self.add("user", &format!("`{}` returned: {text}", result.name));
        }
        Ok(())
    }

    fn assistant(&mut self, message: &Message) -> Result<()> {
        let mut text = words(&message.parts)?;
        let calls: Vec<_> = message.tool_calls().collect();
        let can_call = self.abilities.tools && self.abilities.calls;
        if !calls.is_empty() && !can_call {
            let calls: Vec<_> = calls.iter().map(|call| (call.name.as_str(), arguments(call))).collect();
            let written = self.dialect.write(&calls);
            text = if text.is_empty() { written } else { format!("{text}\n{written}") };
            self.add("assistant", &text);
            return Ok(());
        }
        let mut made = Map::new();
        made.insert("role".to_owned(), "assistant".into());
        made.insert("content".to_owned(), self.content(&text));
        if !calls.is_empty() {
            made.insert("tool_calls".to_owned(), calls.into_iter().map(|call| self.call(call)).collect());
        }
        made.extend(self.thoughts(message));
        self.all.push(made.into());
        Ok(())
    }

    fn call(&self, call: &ToolCall) -> Value {
        let arguments = arguments(call);
        let arguments = if self.abilities.arguments_as_text { arguments.to_string().into() } else { arguments };
        json!({"id": self.id(&call.id), "type": "function", "function": {"name": call.name, "arguments": arguments}})
    }

    /// What the model thought, under the names that templates look for.
    fn thoughts(&self, message: &Message) -> Vec<(String, Value)> {
        let thoughts = message.parts.iter().filter_map(|part| match part {
            Part::Reasoning(reasoning) => Some(reasoning.text.as_str()),
            _ => None,
        });
        let thoughts: String = thoughts.collect();
        if thoughts.is_empty() {
            return Vec::new();
        }
        let other = ["thinking", "reasoning"].into_iter().filter(|name| {
            ["message.", "m.", "msg."].iter().any(|of| mentions(self.source, &format!("{of}{name}")))
                || [format!("['{name}']"), format!("[\"{name}\"]")].iter().any(|of| self.source.contains(of))
        });
        let names = std::iter::once("reasoning_content").chain(other);
        names.map(|name| (name.to_owned(), thoughts.as_str().into())).collect()
    }

    /// The id of a call as the template takes it.
    fn id(&self, id: &str) -> String {
        let fits = id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if fits || !self.abilities.nine_letter_ids { id.to_owned() } else { nine(id) }
    }
}

/// Whether a source says a word that does not go on.
fn mentions(source: &str, word: &str) -> bool {
    source.match_indices(word).any(|(at, _)| {
        let next = source[at + word.len()..].chars().next();
        !next.is_some_and(|next| next.is_alphanumeric() || next == '_')
    })
}

/// Makes nine letters of an id, always the same (FNV-1a).
fn nine(id: &str) -> String {
    let hash = id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")[7..].to_owned()
}

/// The arguments of a call as an object; those that a model spoilt are wrapped, so that it can see what it wrote.
fn arguments(call: &ToolCall) -> Value {
    match serde_json::from_str(&call.arguments_json) {
        Ok(Value::Object(arguments)) => Value::Object(arguments),
        _ if call.arguments_json.trim().is_empty() => json!({}),
        _ => json!({ "INVALID_JSON": call.arguments_json }),
    }
}

fn text_of(content: &mut Value) -> Option<&mut String> {
    let content = match content {
        Value::Array(parts) => parts.first_mut()?.get_mut("text")?,
        content => content,
    };
    match content {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// Returns the words of a message.
pub(super) fn words(parts: &[Part]) -> Result<String> {
    let mut words = Vec::new();
    for part in parts {
        match part {
            Part::Text(text) => words.push(text.text.clone()),
            Part::Image(media) | Part::File(media) => words.push(text_file(media)?),
            // Results and calls go their own way; the rest belongs to others.
            Part::ToolResult(_) | Part::ToolCall(_) | Part::Reasoning(_) | Part::Citation(_) | Part::Opaque(_) => {}
        }
    }
    Ok(words.concat())
}

fn text_file(media: &Media) -> Result<String> {
    match &media.source {
        Source::Bytes(bytes) if media.media_type.starts_with("text/") => {
            let name = media.name.as_deref().unwrap_or("file");
            Ok(format!("{name}:\n\n{}\n\n", String::from_utf8_lossy(bytes)))
        }
        _ => {
            let message =
                format!("this model takes text only, and the message has `{}`; leave it out", media.media_type);
            Err(Error::new(Kind::BadInput, message))
        }
    }
}
