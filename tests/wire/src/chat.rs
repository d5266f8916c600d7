//! OpenAI Chat Completions: what a request must look like, and what it asks. Servers that are like it but not quite
//! share this through their quirks.

mod write;

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::ask::{Ask, Thinks, Tool};
use crate::compat::{self, CallIds, Quirks};
use crate::failure::{Failure, Reply};
use crate::format::{Context, Format};
use crate::media;
use crate::responses::words;
use crate::shape::{Field, Kind, Object, check, may, need, not_strict};
use crate::state::State;
use crate::stream::{Event, Frame, Framing};

pub(crate) const EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh", "max"];
pub(crate) const TIERS: &[&str] = &["auto", "default", "flex", "priority", "scale"];

const FIELDS: &[Field] = &[
    need("model", Kind::Text),
    need("messages", Kind::List),
    may("audio", Kind::Map),
    may("frequency_penalty", Kind::Number(-2.0, 2.0)),
    may("function_call", Kind::TextOrMap),
    may("functions", Kind::List),
    may("logit_bias", Kind::Map),
    may("logprobs", Kind::Flag),
    may("max_completion_tokens", Kind::Whole(1)),
    may("max_tokens", Kind::Whole(1)),
    may("metadata", Kind::Map),
    may("modalities", Kind::List),
    may("moderation", Kind::Map),
    may("n", Kind::Whole(1)),
    may("parallel_tool_calls", Kind::Flag),
    may("prediction", Kind::Map),
    may("presence_penalty", Kind::Number(-2.0, 2.0)),
    may("prompt_cache_key", Kind::Text),
    may("prompt_cache_options", Kind::Map),
    may("prompt_cache_retention", Kind::OneOf(&["in_memory", "24h"])),
    may("reasoning_effort", Kind::OneOf(EFFORTS)),
    may("response_format", Kind::Map),
    may("safety_identifier", Kind::Text),
    may("seed", Kind::Whole(i64::MIN)),
    may("service_tier", Kind::OneOf(TIERS)),
    may("stop", Kind::TextOrList),
    may("store", Kind::Flag),
    may("stream", Kind::Flag),
    may("stream_options", Kind::Map),
    may("temperature", Kind::Number(0.0, 2.0)),
    may("tool_choice", Kind::TextOrMap),
    may("tools", Kind::List),
    may("top_logprobs", Kind::Whole(0)),
    may("top_p", Kind::Number(0.0, 1.0)),
    may("user", Kind::Text),
    may("verbosity", Kind::OneOf(&["low", "medium", "high"])),
    may("web_search_options", Kind::Map),
];

/// The format, as OpenAI or another server speaks it.
#[derive(Debug, Default)]
pub(crate) struct Chat {
    pub quirks: Quirks,
}

impl Format for Chat {
    fn read(&self, body: &Object, _cx: &Context) -> Result<Ask, Failure> {
        self.check(body)?;
        let mut ask = Ask {
            model: body["model"].as_str().unwrap_or_default().to_owned(),
            stream: body.get("stream") == Some(&json!(true)),
            parallel: body.get("parallel_tool_calls") != Some(&json!(false)),
            thinks: Thinks::Shown,
            wants_usage: body.get("stream_options").is_some_and(|options| options["include_usage"] == true),
            cache: cache_hint(body),
            ..Ask::default()
        };
        tools(body, self.quirks.strict, &mut ask)?;
        response_format(body, self.quirks.strict, &mut ask)?;
        self.messages(body, &mut ask)?;
        if !ask.stream && body.get("stream_options").is_some_and(|options| !options.is_null()) {
            let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
            return Err(Failure::coded(message, "stream_options", "invalid_value"));
        }
        Ok(ask)
    }

    fn whole(&self, ask: &Ask, answer: &Answer, state: &State) -> Value {
        write::whole(&self.quirks, ask, answer, state)
    }

    fn frames(&self, ask: &Ask, answer: &Answer, state: &State) -> VecDeque<Frame> {
        write::frames(&self.quirks, ask, answer, state)
    }

    fn failure(&self, failure: &Failure, state: &State) -> Reply {
        let reply = match failure {
            Failure::UnknownModel(model) => {
                let message = format!("The model `{model}` does not exist or you do not have access to it.");
                Reply::new(404, words::error(&message, "invalid_request_error", None, Some("model_not_found")))
            }
            other => words::failure(other, state),
        };
        compat::reply(&self.quirks, failure, reply)
    }

    fn framing(&self) -> Framing {
        Framing::Events
    }

    fn error_event(&self) -> Event {
        let message = "The server had an error while processing your request.";
        Event { name: None, data: words::error(message, "server_error", None, None) }
    }

    fn unknown_event(&self) -> Event {
        let data = json!({"id": "chatcmpl-future", "object": "chat.completion.future", "created": 0, "model": "",
                          "choices": [], "future": [1]});
        Event { name: None, data }
    }
}

impl Chat {
    fn check(&self, body: &Object) -> Result<(), Failure> {
        if let Some(name) = self.quirks.refuses.iter().find(|name| body.contains_key(**name)) {
            return Err(Failure::coded(format!("Unknown parameter: '{name}'."), *name, "extra_forbidden"));
        }
        let mut known = body.clone();
        if self.quirks.server == "mistral" {
            known.remove("random_seed"); // its name for `seed`
        }
        if !self.quirks.strict {
            known.retain(|name, _| FIELDS.iter().any(|field| field.name == name));
        }
        check(&known, "", FIELDS)?;
        if body.contains_key("max_tokens") && body.contains_key("max_completion_tokens") {
            let message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.";
            return Err(Failure::coded(message, "max_tokens", "invalid_parameter_combination"));
        }
        Ok(())
    }

    fn messages(&self, body: &Object, ask: &mut Ask) -> Result<(), Failure> {
        let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        if messages.is_empty() {
            let message = "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty \
                           array instead.";
            return Err(Failure::coded(message, "messages", "empty_array"));
        }
        let mut open: Vec<String> = Vec::new();
        for (index, message) in messages.iter().enumerate() {
            let at = format!("messages[{index}]");
            let role = message["role"].as_str().unwrap_or_default();
            if role != "tool" && !open.is_empty() {
                return Err(unanswered(&open, &at));
            }
            match role {
                "system" => text(message, &at, &mut String::new())?,
                "developer" if self.quirks.takes_developer => text(message, &at, &mut String::new())?,
                "user" => user(message, &at, ask)?,
                "assistant" => open = self.assistant(message, &at, ask)?,
                "tool" => self.result(message, &at, &mut open, ask)?,
                other => return Err(bad_role(other, &at)),
            }
        }
        if open.is_empty() { Ok(()) } else { Err(unanswered(&open, &format!("messages[{}]", messages.len() - 1))) }
    }

    /// Checks a turn of the model and returns the calls that must be answered next.
    fn assistant(&self, message: &Value, at: &str, ask: &mut Ask) -> Result<Vec<String>, Failure> {
        ask.answered = true;
        let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
        if message["content"].is_null() && calls.is_empty() && message["refusal"].is_null() {
            let message = format!("Invalid value for 'content': expected a string, got null. ({at})");
            return Err(Failure::coded(message, format!("{at}.content"), "invalid_value"));
        }
        let mut open = Vec::new();
        for (index, call) in calls.iter().enumerate() {
            let at = format!("{at}.tool_calls[{index}]");
            let function = call["function"].as_object().ok_or_else(|| words::missing(&format!("{at}.function")))?;
            check(function, &format!("{at}.function"), &[need("name", Kind::Text), need("arguments", Kind::Text)])?;
            if self.quirks.ids != CallIds::Missing {
                let id = call["id"].as_str().ok_or_else(|| words::missing(&format!("{at}.id")))?;
                self.call_id(id)?;
                open.push(id.to_owned());
            }
            if call["type"] != "function" && self.quirks.strict && self.quirks.server == "openai" {
                return Err(words::missing(&format!("{at}.type")));
            }
        }
        if self.quirks.server == "deepseek"
            && !calls.is_empty()
            && message["reasoning_content"].is_null()
            && sealed(ask)
        {
            return Err(Failure::invalid(format!(
                "Missing `reasoning_content` field in the assistant message at {at}"
            )));
        }
        Ok(open)
    }

    fn call_id(&self, id: &str) -> Result<(), Failure> {
        let nine = id.len() == 9 && id.chars().all(|letter| letter.is_ascii_alphanumeric());
        if self.quirks.ids == CallIds::Nine && !nine {
            let message = format!("Tool call id was {id} but must be a-z, A-Z, 0-9, with a length of 9.");
            return Err(Failure::invalid(message));
        }
        Ok(())
    }

    fn result(&self, message: &Value, at: &str, open: &mut Vec<String>, ask: &mut Ask) -> Result<(), Failure> {
        let mut said = String::new();
        text(message, at, &mut said)?;
        ask.results.push(said);
        if self.quirks.ids == CallIds::Missing {
            return Ok(());
        }
        let id = message["tool_call_id"].as_str().ok_or_else(|| words::missing(&format!("{at}.tool_call_id")))?;
        let Some(place) = open.iter().position(|one| one == id) else {
            let message = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message \
                           with 'tool_calls'.";
            return Err(Failure::coded(message, format!("{at}.role"), "invalid_value"));
        };
        open.remove(place);
        Ok(())
    }
}

/// Only `reasoning` has thoughts to give back.
fn sealed(ask: &Ask) -> bool {
    ask.model == "reasoning"
}

fn unanswered(open: &[String], at: &str) -> Failure {
    let message = format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. \
         The following tool_call_ids did not have response messages: {}",
        open.join(", ")
    );
    Failure::coded(message, format!("{at}.role"), "invalid_value")
}

fn bad_role(role: &str, at: &str) -> Failure {
    let message = format!(
        "Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and \
         'developer'."
    );
    Failure::coded(message, format!("{at}.role"), "invalid_value")
}

fn cache_hint(body: &Object) -> Option<String> {
    let key = body.get("prompt_cache_key").and_then(Value::as_str);
    key.map(str::to_owned).or_else(|| body.get("prompt_cache_options").map(|_| "options".to_owned()))
}

fn user(message: &Value, at: &str, ask: &mut Ask) -> Result<(), Failure> {
    let mut said = String::new();
    for (index, part) in message["content"].as_array().into_iter().flatten().enumerate() {
        let at = format!("{at}.content[{index}]");
        let found = match part["type"].as_str().unwrap_or_default() {
            "text" => continue,
            "image_url" => part["image_url"]["url"].as_str().and_then(media::url),
            "input_audio" => {
                let format = part["input_audio"]["format"].as_str().unwrap_or_default();
                part["input_audio"]["data"].as_str().and_then(|data| media::bytes(&format!("audio/{format}"), data))
            }
            "file" => part["file"]["file_data"].as_str().and_then(media::url),
            other => return Err(words::bad_part(other, &["text", "image_url", "input_audio", "refusal", "file"], &at)),
        };
        let message = format!("Invalid base64 data in '{at}': expected a base64-encoded data URL.");
        ask.media.push(found.ok_or_else(|| Failure::coded(message, at, "invalid_value"))?);
    }
    text(message, at, &mut said)?;
    ask.said(&said);
    Ok(())
}

/// Gathers the text of a message and finds it missing.
fn text(message: &Value, at: &str, said: &mut String) -> Result<(), Failure> {
    match &message["content"] {
        Value::String(text) => said.push_str(text),
        Value::Array(parts) => {
            for part in parts.iter().filter(|part| part["type"] == "text") {
                said.push_str(part["text"].as_str().ok_or_else(|| words::missing(&format!("{at}.content[0].text")))?);
            }
        }
        _ => {
            let message = format!("Invalid value for 'content': expected a string, got null. ({at})");
            return Err(Failure::coded(message, format!("{at}.content"), "invalid_type"));
        }
    }
    Ok(())
}

fn tools(body: &Object, strict: bool, ask: &mut Ask) -> Result<(), Failure> {
    let fields = [
        need("name", Kind::Text),
        may("description", Kind::Text),
        may("parameters", Kind::Map),
        may("strict", Kind::Flag),
    ];
    for (index, tool) in body.get("tools").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let at = format!("tools[{index}]");
        if tool["type"] != "function" {
            return Err(words::missing(&format!("{at}.type")));
        }
        let function = tool["function"].as_object().ok_or_else(|| words::missing(&format!("{at}.function")))?;
        check(function, &format!("{at}.function"), &fields)?;
        let name = function["name"].as_str().unwrap_or_default();
        words::tool_name(name, &format!("{at}.function.name"))?;
        let schema = function.get("parameters").cloned().unwrap_or(json!({"type": "object", "properties": {}}));
        if strict && function.get("strict") == Some(&json!(true)) {
            words::strict_function(name, &schema, &format!("{at}.function.parameters"))?;
        }
        ask.tools.push(Tool { name: name.to_owned(), schema });
    }
    let choice = body.get("tool_choice").unwrap_or(&Value::Null);
    words::choose(choice, choice["function"]["name"].as_str(), ask)
}

fn response_format(body: &Object, strict: bool, ask: &mut Ask) -> Result<(), Failure> {
    let Some(format) = body.get("response_format").filter(|format| !format.is_null()) else { return Ok(()) };
    match format["type"].as_str().unwrap_or_default() {
        "text" => {}
        "json_object" => {
            words::says_json(&body["messages"], "messages", "response_format")?;
            ask.schema = Some(json!({"type": "object", "properties": {"answer": {"type": "string"}}}));
        }
        "json_schema" => {
            let inner = format["json_schema"].as_object();
            let inner = inner.ok_or_else(|| words::missing("response_format.json_schema"))?;
            let fields = [
                need("name", Kind::Text),
                may("schema", Kind::Map),
                may("strict", Kind::Flag),
                may("description", Kind::Text),
            ];
            check(inner, "response_format.json_schema", &fields)?;
            let schema = inner.get("schema").cloned().unwrap_or(json!({}));
            let fault = not_strict(&schema).filter(|_| strict && inner.get("strict") == Some(&json!(true)));
            if let Some(fault) = fault {
                let name = inner["name"].as_str().unwrap_or_default();
                let message = format!("Invalid schema for response_format '{name}': {fault}");
                return Err(Failure::Invalid(crate::failure::Invalid {
                    message,
                    param: Some("response_format".to_owned()),
                    code: None,
                }));
            }
            ask.schema = Some(schema);
        }
        other => return Err(words::bad_part(other, &["text", "json_object", "json_schema"], "response_format")),
    }
    Ok(())
}
