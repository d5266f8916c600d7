//! Makes the body of a request. Messages of one side that follow each other become one turn, because tool results must
//! stand first in the turn after the call, whatever else is said there.

use serde_json::{Map, Value, json};

use super::abilities::{Abilities, Thinking};
use super::{NAME, schema};
use crate::media::{Media, Source};
use crate::message::{Citation, Message, Part, Role, Text, ToolCall, ToolResult};
use crate::remote::body::{IdRule, arguments_object, merge, number, object_schema};
use crate::request::{Cache, CacheLifetime, Effort, Request, ToolChoice, ToolSpec};
use crate::{Error, Kind, Result};

/// Marks that the provider takes in one request.
const MARKS_MAX: usize = 4;

/// The smallest budget that the provider takes.
const BUDGET_TOKENS_MIN: u32 = 1_024;

/// Makes the body of a request.
pub(super) fn body(model: &str, request: &Request) -> Result<Value> {
    let abilities = Abilities::of(model);
    let marks = Marks::of(request);
    let output_tokens_max = request.output_tokens_max.unwrap_or(abilities.output_tokens_default);
    let (system, turns) = conversation(request, abilities, &marks)?;
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    body.insert("max_tokens".to_owned(), output_tokens_max.into());
    body.insert("stream".to_owned(), true.into());
    if !system.is_empty() {
        body.insert("system".to_owned(), system.into());
    }
    body.insert("messages".to_owned(), turns.into_iter().filter_map(Turn::value).collect());
    if !request.stop.is_empty() {
        body.insert("stop_sequences".to_owned(), json!(request.stop));
    }
    tools(&mut body, request, &marks);
    let thinks = thinking(&mut body, request, abilities, output_tokens_max);
    sampling(&mut body, request, abilities, thinks);
    if let Some(output) = &request.output {
        let format = json!({ "type": "json_schema", "schema": schema::strict(&output.schema) });
        output_config(&mut body).insert("format".to_owned(), format);
    }
    // The provider has no seed, so it is left out.
    merge(&mut body, &request.extra, &["output_config"]);
    Ok(Value::Object(body))
}

fn output_config(body: &mut Map<String, Value>) -> &mut Map<String, Value> {
    let config = body.entry("output_config").or_insert_with(|| json!({}));
    config.as_object_mut().expect("it was made an object just now, and by nobody else")
}

/// What may be kept, and up to where.
struct Marks {
    control: Value,
    /// After the tools and the instructions too.
    around: bool,
    /// The messages after which a mark stands.
    messages: Vec<usize>,
}

impl Marks {
    fn of(request: &Request) -> Self {
        let lifetime = request.cache.as_ref().map_or(CacheLifetime::Short, |Cache { lifetime, .. }| *lifetime);
        let control = match lifetime {
            CacheLifetime::Short => json!({ "type": "ephemeral" }),
            CacheLifetime::Long => json!({ "type": "ephemeral", "ttl": "1h" }),
        };
        let said = request.messages.iter().enumerate().filter(|(_, message)| message.cache_here);
        let mut messages: Vec<usize> = said.map(|(i, _)| i).collect();
        let around = messages.is_empty() && request.cache.is_some();
        if around {
            let is_said = |message: &Message| !matches!(message.role, Role::System) && !message.parts.is_empty();
            messages.extend(request.messages.iter().rposition(is_said));
        }
        // Of too many, the last are kept: each covers those before it.
        messages.drain(..messages.len().saturating_sub(MARKS_MAX));
        Self { control, around, messages }
    }

    /// Puts a mark on the last block that can bear one.
    fn put(&self, blocks: &mut [Value]) {
        let bears = |block: &&mut Value| block.is_object() && !matches!(kind(block), "thinking" | "redacted_thinking");
        if let Some(block) = blocks.iter_mut().rev().find(bears) {
            block["cache_control"] = self.control.clone();
        }
    }
}

fn kind(block: &Value) -> &str {
    block["type"].as_str().unwrap_or_default()
}

/// What one side says until the other answers.
struct Turn {
    role: &'static str,
    results: Vec<Value>,
    blocks: Vec<Value>,
}

impl Turn {
    fn value(self) -> Option<Value> {
        let content: Vec<Value> = self.results.into_iter().chain(self.blocks).collect();
        // A turn without content is refused.
        if content.is_empty() { None } else { Some(json!({ "role": self.role, "content": content })) }
    }
}

/// Makes the instructions and the turns.
fn conversation(request: &Request, abilities: Abilities, marks: &Marks) -> Result<(Vec<Value>, Vec<Turn>)> {
    let (mut system, mut turns) = (Vec::new(), Vec::<Turn>::new());
    for (i, message) in request.messages.iter().enumerate() {
        let mut blocks = blocks(&message.parts)?;
        if marks.messages.contains(&i) {
            marks.put(&mut blocks);
        }
        let role = match message.role {
            // Older models know instructions only before the conversation.
            Role::System if turns.is_empty() || !abilities.takes_inner_system => {
                system.extend(blocks);
                continue;
            }
            Role::System => "system",
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        };
        if blocks.is_empty() {
            continue;
        }
        let (results, blocks) = blocks.into_iter().partition(|block| kind(block) == "tool_result");
        match turns.last_mut() {
            Some(turn) if turn.role == role => {
                turn.results.extend::<Vec<Value>>(results);
                turn.blocks.extend::<Vec<Value>>(blocks);
            }
            _ => turns.push(Turn { role, results, blocks }),
        }
    }
    if marks.around {
        marks.put(&mut system);
    }
    if let Some(Turn { role: "assistant", blocks, .. }) = turns.last_mut() {
        trim_end(blocks);
    }
    Ok((system, turns))
}

/// Takes blank space off the end of an answer that the model is to go on with; with it, the request is refused.
fn trim_end(blocks: &mut [Value]) {
    if let Some(Value::String(text)) = blocks.last_mut().and_then(|block| block.get_mut("text")) {
        text.truncate(text.trim_end().len());
    }
}

fn blocks(parts: &[Part]) -> Result<Vec<Value>> {
    let mut blocks = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            // Text without a word is refused.
            Part::Text(Text { text, .. }) if text.trim().is_empty() => {}
            Part::Text(Text { text, .. }) => blocks.push(json!({ "type": "text", "text": text })),
            Part::Image(media) | Part::File(media) => blocks.push(self::media(media)?),
            Part::ToolCall(call) => blocks.push(tool_use(call, part.opaque(NAME))),
            Part::ToolResult(result) => blocks.push(tool_result(result)?),
            Part::Reasoning(reasoning) => blocks.extend(part.opaque(NAME).map(|sealed| {
                let signature = &sealed["signature"];
                json!({ "type": "thinking", "thinking": reasoning.text, "signature": signature })
            })),
            Part::Citation(citation) => cite(&mut blocks, citation),
            Part::Opaque(_) => blocks.extend(part.opaque(NAME).cloned()),
        }
    }
    Ok(blocks)
}

/// Puts a citation of the provider back into the text before it.
fn cite(blocks: &mut [Value], citation: &Citation) {
    let own = citation.opaque.as_ref().filter(|opaque| opaque.provider == NAME);
    let text = blocks.last_mut().filter(|block| kind(block) == "text");
    let (Some(own), Some(block)) = (own, text) else { return };
    match (&mut block["citations"], own.value.clone()) {
        (Value::Array(citations), value) => citations.push(value),
        (none, value) => *none = json!([value]),
    }
}

fn tool_use(call: &ToolCall, opaque: Option<&Value>) -> Value {
    let id = IdRule::Word.fit(&call.id);
    let mut block = json!({ "type": "tool_use", "id": id, "name": call.name, "input": arguments_object(call) });
    if let (Value::Object(block), Some(Value::Object(more))) = (&mut block, opaque) {
        block.extend(more.clone());
    }
    block
}

fn tool_result(result: &ToolResult) -> Result<Value> {
    let mut block = json!({ "type": "tool_result", "tool_use_id": IdRule::Word.fit(&result.id) });
    let content = blocks(&result.parts)?;
    if !content.is_empty() {
        block["content"] = content.into();
    }
    if result.is_error {
        block["is_error"] = true.into();
    }
    Ok(block)
}

fn media(media: &Media) -> Result<Value> {
    let media_type = media.media_type.as_str();
    let source = match &media.source {
        Source::Url(url) => json!({ "type": "url", "url": url }),
        Source::FileId(id) => json!({ "type": "file", "file_id": id }),
        Source::Bytes(bytes) if is_text(media_type) => {
            let text = std::str::from_utf8(bytes).map_err(|error| {
                Error::new(Kind::BadInput, format!("a file of `{media_type}` is not in UTF-8: {error}"))
            })?;
            json!({ "type": "text", "media_type": "text/plain", "data": text })
        }
        Source::Bytes(_) if media.is_image() || media_type == "application/pdf" => {
            json!({ "type": "base64", "media_type": media_type, "data": media.base64() })
        }
        Source::Bytes(_) => {
            let message = format!("Anthropic takes no `{media_type}`; give it images, PDF or text");
            return Err(Error::new(Kind::BadInput, message));
        }
    };
    if media.is_image() {
        return Ok(json!({ "type": "image", "source": source }));
    }
    let mut block = json!({ "type": "document", "source": source });
    if let Some(name) = &media.name {
        block["title"] = name.as_str().into();
    }
    Ok(block)
}

fn is_text(media_type: &str) -> bool {
    media_type.starts_with("text/") || matches!(media_type, "application/json" | "application/xml")
}

fn tools(body: &mut Map<String, Value>, request: &Request, marks: &Marks) {
    if request.tools.is_empty() {
        return;
    }
    let mut tools: Vec<Value> = request.tools.iter().map(tool).collect();
    if marks.around {
        marks.put(&mut tools);
    }
    body.insert("tools".to_owned(), tools.into());
    let one_by_one = request.parallel_tool_calls == Some(false);
    let mut choice = match &request.tool_choice {
        Some(ToolChoice::Auto) => json!({ "type": "auto" }),
        Some(ToolChoice::None) => json!({ "type": "none" }),
        Some(ToolChoice::Required) => json!({ "type": "any" }),
        Some(ToolChoice::Tool(name)) => json!({ "type": "tool", "name": name }),
        None if one_by_one => json!({ "type": "auto" }),
        None => return,
    };
    if one_by_one && request.tool_choice != Some(ToolChoice::None) {
        choice["disable_parallel_tool_use"] = true.into();
    }
    body.insert("tool_choice".to_owned(), choice);
}

fn tool(tool: &ToolSpec) -> Value {
    let parameters = object_schema(&tool.parameters);
    let parameters = if tool.strict { schema::strict(&parameters) } else { parameters };
    let mut value = json!({ "name": tool.name, "input_schema": parameters });
    if !tool.description.is_empty() {
        value["description"] = tool.description.as_str().into();
    }
    if tool.strict {
        value["strict"] = true.into();
    }
    value
}

/// Says how much the model thinks, and returns whether it does.
fn thinking(body: &mut Map<String, Value>, request: &Request, abilities: Abilities, output_tokens_max: u32) -> bool {
    let Some(effort) = request.effort.filter(|_| !goes_on_without_thoughts(request)) else { return false };
    let forced = matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Tool(_)));
    let thinking = match abilities.thinking {
        Thinking::Never => return false,
        Thinking::Budget | Thinking::Adaptive if effort == Effort::None => json!({ "type": "disabled" }),
        Thinking::Budget => match budget(effort, output_tokens_max) {
            Some(tokens) if !forced => json!({ "type": "enabled", "budget_tokens": tokens }),
            _ => return false,
        },
        Thinking::Adaptive => {
            output_config(body).insert("effort".to_owned(), level(effort).into());
            if forced {
                // A model that thinks cannot be made to ask for a tool; that it must is the stronger wish.
                return false;
            }
            // Newer models keep their thoughts to themselves unless asked.
            json!({ "type": "adaptive", "display": "summarized" })
        }
    };
    body.insert("thinking".to_owned(), thinking);
    effort != Effort::None
}

/// Whether tools were called in a turn that began without thoughts of this provider, as another's does: if the model is to
/// think, such a turn is refused.
fn goes_on_without_thoughts(request: &Request) -> bool {
    let results = request.messages.iter().rev().take_while(|message| message.role == Role::Tool).count();
    let called = request.messages.iter().rev().nth(results).filter(|_| results > 0);
    called.is_some_and(|message| {
        let is_thought = |part: &Part| matches!(part, Part::Reasoning(_) | Part::Opaque(_));
        !message.parts.iter().any(|part| is_thought(part) && part.opaque(NAME).is_some())
    })
}

/// Returns the tokens for thinking: a share of the answer, and less than it. `None` where it leaves no room.
fn budget(effort: Effort, output_tokens_max: u32) -> Option<u32> {
    let percent = match effort {
        Effort::None => return None,
        Effort::Minimal => 10,
        Effort::Low => 20,
        Effort::Medium => 50,
        Effort::High => 80,
        Effort::Max => 95,
    };
    let share = u64::from(output_tokens_max) * percent / 100;
    let tokens = u32::try_from(share).unwrap_or(u32::MAX).max(BUDGET_TOKENS_MIN);
    Some(tokens).filter(|tokens| *tokens < output_tokens_max)
}

fn level(effort: Effort) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::Max => "max",
    }
}

/// Says how tokens are drawn. A model that thinks takes none of it, and new models never do, so that it is left out.
fn sampling(body: &mut Map<String, Value>, request: &Request, abilities: Abilities, thinks: bool) {
    if thinks || !abilities.takes_sampling {
        return;
    }
    if let Some(temperature) = request.temperature {
        body.insert("temperature".to_owned(), number(temperature));
    }
    if let Some(top_p) = request.top_p.filter(|_| abilities.takes_both || request.temperature.is_none()) {
        body.insert("top_p".to_owned(), number(top_p));
    }
    if let Some(top_k) = request.top_k {
        body.insert("top_k".to_owned(), top_k.into());
    }
}
