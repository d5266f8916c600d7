//! Gemini `generateContent`: what a request must look like, and what it asks. Both spellings of names are taken, as the
//! provider does.

mod words;
mod write;

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::ask::{Ask, Media, Thinks, Tool};
use crate::failure::{Failure, Reply};
use crate::format::{Context, Format};
use crate::media;
use crate::shape::{Field, Kind, Object, check, may, need};
use crate::state::State;
use crate::stream::{Event, Frame, Framing};

const FIELDS: &[Field] = &[
    need("contents", Kind::List),
    may("model", Kind::Text),
    may("systemInstruction", Kind::Map),
    may("tools", Kind::List),
    may("toolConfig", Kind::Map),
    may("generationConfig", Kind::Map),
    may("safetySettings", Kind::List),
    may("cachedContent", Kind::Text),
    may("serviceTier", Kind::Text),
    may("store", Kind::Flag),
];

const CONFIG: &[Field] = &[
    may("temperature", Kind::Number(0.0, 2.0)),
    may("topP", Kind::Number(0.0, 1.0)),
    may("topK", Kind::Number(0.0, 1000.0)),
    may("candidateCount", Kind::Whole(1)),
    may("maxOutputTokens", Kind::Whole(1)),
    may("stopSequences", Kind::List),
    may("responseMimeType", Kind::Text),
    may("responseSchema", Kind::Map),
    may("responseJsonSchema", Kind::Any),
    may("_responseJsonSchema", Kind::Any),
    may("responseModalities", Kind::List),
    may("presencePenalty", Kind::Number(-2.0, 2.0)),
    may("frequencyPenalty", Kind::Number(-2.0, 2.0)),
    may("responseLogprobs", Kind::Flag),
    may("logprobs", Kind::Whole(0)),
    may("seed", Kind::Whole(i64::MIN)),
    may("thinkingConfig", Kind::Map),
    may("mediaResolution", Kind::Text),
    may("speechConfig", Kind::Map),
    may("imageConfig", Kind::Map),
    may("enableEnhancedCivicAnswers", Kind::Flag),
];

const PART_FIELDS: &[&str] = &[
    "text",
    "thought",
    "thoughtSignature",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "videoMetadata",
    "toolCall",
    "toolResponse",
    "partMetadata",
];

/// The format; the model and what is wanted of it stand in the address.
#[derive(Debug)]
pub(crate) struct Gemini {
    pub model: String,
    pub verb: String,
    /// Events were asked for, not one long array.
    pub events: bool,
}

impl Format for Gemini {
    fn read(&self, body: &Object, cx: &Context) -> Result<Ask, Failure> {
        let body = &renamed(body);
        let stream = match self.verb.as_str() {
            "streamGenerateContent" => true,
            "generateContent" => false,
            _ => return Err(Failure::UnknownModel(self.model.clone())),
        };
        check(body, "", FIELDS)?;
        let mut ask =
            Ask { model: self.model.clone(), stream, parallel: true, thinks: Thinks::Hidden, ..Ask::default() };
        ask.cache = body.get("cachedContent").and_then(Value::as_str).map(str::to_owned);
        config(body, &mut ask)?;
        tools(body, &mut ask)?;
        let contents = body["contents"].as_array().map(Vec::as_slice).unwrap_or_default();
        if contents.is_empty() {
            return Err(Failure::invalid("* GenerateContentRequest.contents: contents is not specified\n"));
        }
        let mut reader = Reader { ask: &mut ask, state: &cx.state, open: 0 };
        for (index, content) in contents.iter().enumerate() {
            reader.content(content, index)?;
        }
        if contents.last().is_some_and(|last| last["role"] == "model") && reader.open > 0 {
            return Err(Failure::invalid(UNANSWERED));
        }
        Ok(ask)
    }

    fn whole(&self, ask: &Ask, answer: &Answer, state: &State) -> Value {
        write::whole(ask, answer, state)
    }

    fn frames(&self, ask: &Ask, answer: &Answer, state: &State) -> VecDeque<Frame> {
        write::frames(ask, answer, state)
    }

    fn failure(&self, failure: &Failure, state: &State) -> Reply {
        let verb = if self.verb.is_empty() { "generateContent" } else { &self.verb };
        words::failure(failure, verb, state)
    }

    fn framing(&self) -> Framing {
        if self.events { Framing::Events } else { Framing::Array }
    }

    fn error_event(&self) -> Event {
        let message = "The model is overloaded. Please try again later.";
        Event { name: None, data: words::error(503, "UNAVAILABLE", message) }
    }

    fn unknown_event(&self) -> Event {
        let part = json!({"futurePart": {"a": [1]}});
        let candidate = json!({"content": {"parts": [part], "role": "model"}, "index": 0, "futureField": 1});
        Event { name: None, data: json!({"candidates": [candidate], "modelVersion": self.model}) }
    }
}

const UNANSWERED: &str = "Please ensure that the number of function response parts is equal to the number of function \
                          call parts of the function call turn.";

/// Gives every name of the protocol its one spelling, but leaves alone what users name.
fn renamed(object: &Object) -> Object {
    const FREE: &[&str] = &[
        "args",
        "response",
        "parameters",
        "parametersJsonSchema",
        "responseSchema",
        "_responseJsonSchema",
        "responseJsonSchema",
    ];
    let each = object.iter().map(|(name, value)| {
        let name = camel(name);
        let value = if FREE.contains(&name.as_str()) { value.clone() } else { renamed_value(value) };
        (name, value)
    });
    each.collect()
}

fn renamed_value(value: &Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(renamed(object)),
        Value::Array(all) => all.iter().map(renamed_value).collect(),
        other => other.clone(),
    }
}

fn camel(name: &str) -> String {
    let (first, rest) = name.split_at(usize::from(name.starts_with('_')));
    let mut words = rest.split('_');
    let mut camel = format!("{first}{}", words.next().unwrap_or_default());
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

fn config(body: &Object, ask: &mut Ask) -> Result<(), Failure> {
    let Some(config) = body.get("generationConfig").and_then(Value::as_object) else { return Ok(()) };
    check(config, "generation_config", CONFIG)?;
    let schema = ["responseSchema", "responseJsonSchema", "_responseJsonSchema"];
    let schema = schema.into_iter().find_map(|name| config.get(name)).filter(|schema| !schema.is_null());
    let is_json = config.get("responseMimeType") == Some(&json!("application/json"));
    if schema.is_some() && !is_json {
        return Err(Failure::invalid("Response schema is only supported with response mime type: 'application/json'"));
    }
    ask.schema = schema.cloned();
    if let Some(thinking) = config.get("thinkingConfig").and_then(Value::as_object) {
        let fields = [
            may("includeThoughts", Kind::Flag),
            may("thinkingBudget", Kind::Whole(-1)),
            may("thinkingLevel", Kind::Text),
        ];
        check(thinking, "generation_config.thinking_config", &fields)?;
        if thinking.contains_key("thinkingBudget") && thinking.contains_key("thinkingLevel") {
            return Err(Failure::invalid("You can only set only one of thinking budget and thinking level."));
        }
        let is_off = thinking.get("thinkingBudget") == Some(&json!(0));
        let is_shown = thinking.get("includeThoughts") == Some(&json!(true));
        ask.thinks = if is_off {
            Thinks::No
        } else if is_shown {
            Thinks::Shown
        } else {
            Thinks::Hidden
        };
    }
    Ok(())
}

fn tools(body: &Object, ask: &mut Ask) -> Result<(), Failure> {
    const TOOLS: &[&str] = &[
        "functionDeclarations",
        "googleSearch",
        "googleSearchRetrieval",
        "codeExecution",
        "urlContext",
        "fileSearch",
        "computerUse",
        "googleMaps",
        "mcpServers",
    ];
    let fields = [
        need("name", Kind::Text),
        may("description", Kind::Text),
        may("parameters", Kind::Map),
        may("parametersJsonSchema", Kind::Any),
        may("response", Kind::Map),
        may("responseJsonSchema", Kind::Any),
        may("behavior", Kind::Text),
    ];
    for (index, tool) in body.get("tools").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let unknown = tool.as_object().and_then(|tool| tool.keys().find(|name| !TOOLS.contains(&name.as_str())));
        if let Some(name) = unknown {
            return Err(words::unknown(name, &format!("tools[{index}]")));
        }
        let declared = tool["functionDeclarations"].as_array().into_iter().flatten();
        for (number, function) in declared.enumerate() {
            let at = format!("tools[{index}].function_declarations[{number}]");
            let object = function.as_object().ok_or_else(|| words::unknown("", &at))?;
            check(object, &at, &fields)?;
            let name = function["name"].as_str().unwrap_or_default();
            if name.is_empty() || !name.starts_with(|letter: char| letter.is_alphabetic() || letter == '_') {
                return Err(Failure::invalid(format!(
                    "* GenerateContentRequest.{at}.name: Invalid function name. Must start with a letter or an \
                     underscore.\n"
                )));
            }
            if function["parameters"].get("additionalProperties").is_some() {
                return Err(words::unknown("additionalProperties", &format!("{at}.parameters")));
            }
            let schema = ["parameters", "parametersJsonSchema"].into_iter().find_map(|name| object.get(name));
            let schema = schema.cloned().unwrap_or(json!({"type": "object", "properties": {}}));
            ask.tools.push(Tool { name: name.to_owned(), schema });
        }
    }
    let calling = body.get("toolConfig").map_or(&Value::Null, |config| &config["functionCallingConfig"]);
    if calling["mode"] == "NONE" {
        ask.tools.clear();
    }
    if let Some(allowed) = calling["allowedFunctionNames"].as_array() {
        ask.tools.retain(|tool| allowed.iter().any(|name| name == tool.name.as_str()));
    }
    Ok(())
}

struct Reader<'a> {
    ask: &'a mut Ask,
    state: &'a State,
    /// Calls without a result.
    open: usize,
}

impl Reader<'_> {
    fn content(&mut self, content: &Value, index: usize) -> Result<(), Failure> {
        let parts = content["parts"].as_array().map(Vec::as_slice).unwrap_or_default();
        if parts.is_empty() {
            let message =
                format!("* GenerateContentRequest.contents[{index}].parts: contents.parts must not be empty.\n");
            return Err(Failure::invalid(message));
        }
        for (number, part) in parts.iter().enumerate() {
            let object = part.as_object().into_iter().flat_map(Object::keys);
            if let Some(name) = object.into_iter().find(|name| !PART_FIELDS.contains(&name.as_str())) {
                return Err(words::unknown(name, &format!("contents[{index}].parts[{number}]")));
            }
        }
        match content["role"].as_str() {
            None | Some("user" | "function") => self.user(parts),
            Some("model") => self.model(parts),
            Some(_) => Err(Failure::invalid("Please use a valid role: user, model.")),
        }
    }

    fn user(&mut self, parts: &[Value]) -> Result<(), Failure> {
        let mut said = String::new();
        let mut results = Vec::new();
        for part in parts {
            said.push_str(part["text"].as_str().unwrap_or_default());
            if let Some(result) = part.get("functionResponse") {
                if !result["response"].is_object() {
                    let message =
                        "Invalid value at 'function_response.response' (type.googleapis.com/google.protobuf.Struct)";
                    return Err(Failure::invalid(message));
                }
                results.push(match result["response"]["result"].as_str() {
                    Some(text) => text.to_owned(),
                    None => result["response"].to_string(),
                });
                self.pictures(result["parts"].as_array().map(Vec::as_slice).unwrap_or_default())?;
            }
        }
        self.pictures(parts)?;
        if results.len() != self.open {
            return Err(Failure::invalid(UNANSWERED));
        }
        self.open = 0;
        if results.is_empty() {
            self.ask.said(&said);
        }
        self.ask.results.append(&mut results);
        Ok(())
    }

    fn pictures(&mut self, parts: &[Value]) -> Result<(), Failure> {
        for part in parts {
            if let Some(data) = part.get("inlineData") {
                let media_type = data["mimeType"].as_str().unwrap_or_default();
                let found = data["data"].as_str().and_then(|data| media::bytes(media_type, data));
                let fault =
                    || Failure::invalid("Invalid value at 'inline_data.data' (TYPE_BYTES), Base64 decoding failed");
                self.ask.media.push(found.ok_or_else(fault)?);
            }
            if let Some(uri) = part["fileData"]["fileUri"].as_str() {
                self.ask.media.push(Media::Url(uri.to_owned()));
            }
        }
        Ok(())
    }

    /// What was sealed must be as it was, and where a call was sealed the seal must be there.
    fn model(&mut self, parts: &[Value]) -> Result<(), Failure> {
        self.ask.answered = true;
        for (place, part) in parts.iter().enumerate() {
            // Either alphabet of base64 is taken.
            let seal = part["thoughtSignature"].as_str().map(|seal| seal.replace('-', "+").replace('_', "/"));
            if seal.as_ref().is_some_and(|seal| self.state.kept(seal).is_none_or(|kept| !same(&kept, part))) {
                return Err(Failure::invalid("Corrupted thought signature."));
            }
            if part.get("executableCode").is_some() && seal.is_some() {
                self.ask.echoed += 1;
            }
            let Some(call) = part.get("functionCall") else { continue };
            self.open += 1;
            let needed = call["id"].as_str().and_then(|id| self.state.required(id));
            if needed.is_some() && seal.is_none() {
                return Err(Failure::invalid(format!(
                    "Function call is missing a thought_signature in functionCall parts. This is required for tools to \
                     work correctly, and missing thought_signature may lead to degraded model performance. Additional \
                     data, function call `default_api:{}` , position {place}.",
                    call["name"].as_str().unwrap_or_default()
                )));
            }
        }
        Ok(())
    }
}

/// Compares a part with what was sealed; a text may come back in other pieces.
fn same(kept: &Value, part: &Value) -> bool {
    ["functionCall", "executableCode"].iter().all(|name| kept[*name].is_null() || kept[*name] == part[*name])
}
