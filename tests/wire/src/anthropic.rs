//! Anthropic Messages: what a request must look like, and what it asks.

mod turns;
mod words;
mod write;

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::ask::{Ask, Thinks, Tool};
use crate::failure::{Failure, Reply};
use crate::format::{Context, Format};
use crate::shape::{Field, Kind, Object, check, may, need};
use crate::state::State;
use crate::stream::{Event, Frame, Framing};

const FIELDS: &[Field] = &[
    need("model", Kind::Text),
    need("messages", Kind::List),
    need("max_tokens", Kind::Whole(1)),
    may("cache_control", Kind::Map),
    may("container", Kind::TextOrMap),
    may("inference_geo", Kind::Text),
    may("metadata", Kind::Map),
    may("output_config", Kind::Map),
    may("service_tier", Kind::OneOf(&["auto", "standard_only"])),
    may("stop_sequences", Kind::List),
    may("stream", Kind::Flag),
    may("system", Kind::TextOrList),
    may("temperature", Kind::Number(0.0, 1.0)),
    may("thinking", Kind::Map),
    may("tool_choice", Kind::Map),
    may("tools", Kind::List),
    may("top_k", Kind::Whole(0)),
    may("top_p", Kind::Number(0.0, 1.0)),
    may("speed", Kind::OneOf(&["standard", "fast"])),
    may("diagnostics", Kind::Map),
];

/// Fields that only a request with some beta header may have.
const BETA_FIELDS: &[Field] = &[
    may("context_management", Kind::Map),
    may("fallbacks", Kind::Any),
    may("mcp_servers", Kind::List),
    may("output_format", Kind::Map),
    may("compaction", Kind::Map),
];

const EFFORTS: &[&str] = &["low", "medium", "high", "xhigh", "max"];
const THINKING_TOKENS_MIN: u64 = 1024;
const BREAKPOINTS_MAX: usize = 4;

/// The format, for answers or for counting tokens.
#[derive(Debug)]
pub(crate) struct Anthropic {
    pub counts: bool,
}

impl Format for Anthropic {
    fn read(&self, body: &Object, cx: &Context) -> Result<Ask, Failure> {
        let mut fields = FIELDS.to_vec();
        if !cx.betas.is_empty() {
            fields.extend_from_slice(BETA_FIELDS);
        }
        if self.counts {
            fields.retain(|field| field.name != "max_tokens");
        }
        check(body, "", &fields)?;
        let mut ask = Ask {
            model: body["model"].as_str().unwrap_or_default().to_owned(),
            stream: body.get("stream") == Some(&json!(true)),
            parallel: true,
            thinks: thinks(body)?,
            ..Ask::default()
        };
        if self.counts {
            ask.model = "text".to_owned();
        }
        tools(body, &mut ask)?;
        output(body, &mut ask)?;
        cache(body, &mut ask)?;
        turns::read(body, &mut ask, &cx.state)?;
        Ok(ask)
    }

    fn whole(&self, ask: &Ask, answer: &Answer, state: &State) -> Value {
        if self.counts {
            return json!({"input_tokens": answer.usage.input});
        }
        write::whole(ask, answer, state)
    }

    fn frames(&self, ask: &Ask, answer: &Answer, state: &State) -> VecDeque<Frame> {
        write::frames(ask, answer, state)
    }

    fn failure(&self, failure: &Failure, state: &State) -> Reply {
        words::failure(failure, state)
    }

    fn framing(&self) -> Framing {
        Framing::Events
    }

    fn error_event(&self) -> Event {
        let error = json!({"type": "overloaded_error", "message": "Overloaded"});
        Event::typed("error", json!({"error": error, "request_id": "req_011"}))
    }

    fn unknown_event(&self) -> Event {
        Event::typed("future_event", json!({"index": 99, "delta": {"type": "future_delta", "future": [1]}}))
    }
}

fn thinks(body: &Object) -> Result<Thinks, Failure> {
    let Some(thinking) = body.get("thinking").and_then(Value::as_object) else { return Ok(Thinks::No) };
    let kind = thinking.get("type").and_then(Value::as_str).unwrap_or_default();
    let display = may("display", Kind::OneOf(&["summarized", "omitted"]));
    let shown = match kind {
        "disabled" => return Ok(Thinks::No),
        "enabled" => {
            let fields = [need("type", Kind::Text), need("budget_tokens", Kind::Whole(1024)), display];
            check(thinking, "thinking.enabled", &fields)?;
            let budget = thinking["budget_tokens"].as_u64().unwrap_or(THINKING_TOKENS_MIN);
            if body["max_tokens"].as_u64().unwrap_or(u64::MAX) <= budget {
                return Err(Failure::invalid("`max_tokens` must be greater than `thinking.budget_tokens`."));
            }
            thinking.get("display") != Some(&json!("omitted"))
        }
        "adaptive" => {
            check(thinking, "thinking.adaptive", &[need("type", Kind::Text), display])?;
            thinking.get("display") == Some(&json!("summarized"))
        }
        other => return Err(words::bad_tag("thinking", other, &["adaptive", "disabled", "enabled"])),
    };
    if body.get("temperature").and_then(Value::as_f64).is_some_and(|temperature| temperature < 1.0) {
        return Err(Failure::invalid("`temperature` may only be set to 1 when thinking is enabled."));
    }
    if matches!(body.get("tool_choice").and_then(|choice| choice["type"].as_str()), Some("any" | "tool")) {
        return Err(Failure::invalid("Thinking may not be enabled when tool_choice forces tool use."));
    }
    Ok(if shown { Thinks::Shown } else { Thinks::Hidden })
}

fn tools(body: &Object, ask: &mut Ask) -> Result<(), Failure> {
    let fields = [
        need("name", Kind::Text),
        need("input_schema", Kind::Map),
        may("type", Kind::OneOf(&["custom"])),
        may("description", Kind::Text),
        may("cache_control", Kind::Map),
        may("strict", Kind::Flag),
        may("defer_loading", Kind::Flag),
        may("eager_input_streaming", Kind::Flag),
        may("allowed_callers", Kind::List),
        may("input_examples", Kind::List),
    ];
    for (index, tool) in body.get("tools").and_then(Value::as_array).into_iter().flatten().enumerate() {
        // Tools of the provider have a type with a date.
        if tool["type"].as_str().is_some_and(|kind| kind != "custom") {
            continue;
        }
        let at = format!("tools.{index}.custom");
        let object = tool.as_object().ok_or_else(|| Failure::invalid(format!("{at}: Input should be an object")))?;
        check(object, &at, &fields)?;
        let name = tool["name"].as_str().unwrap_or_default();
        let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
        if name.is_empty() || name.len() > 128 || !name.chars().all(fits) {
            let message = format!("{at}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'");
            return Err(Failure::invalid(message));
        }
        let schema = &tool["input_schema"];
        match schema["type"].as_str() {
            None => return Err(Failure::invalid(format!("{at}.input_schema.type: Field required"))),
            Some("object") => {}
            Some(_) => return Err(Failure::invalid(format!("{at}.input_schema.type: Input should be 'object'"))),
        }
        if tool["strict"] == true {
            closed(schema, &at)?;
        }
        if ask.tools.iter().any(|known| known.name == name) {
            return Err(Failure::invalid("tools: Tool names must be unique."));
        }
        ask.tools.push(Tool { name: name.to_owned(), schema: schema.clone() });
    }
    choose(body, ask)
}

fn choose(body: &Object, ask: &mut Ask) -> Result<(), Failure> {
    let Some(choice) = body.get("tool_choice").filter(|choice| choice.is_object()) else { return Ok(()) };
    if !body.contains_key("tools") {
        return Err(Failure::invalid("tool_choice: tool_choice may only be specified while providing tools"));
    }
    ask.parallel = choice["disable_parallel_tool_use"] != true;
    match choice["type"].as_str().unwrap_or_default() {
        "auto" | "any" => {}
        "none" => ask.tools.clear(),
        "tool" => {
            let name = choice["name"].as_str().unwrap_or_default();
            ask.tools.retain(|tool| tool.name == name);
            if ask.tools.is_empty() {
                return Err(Failure::invalid(format!("Tool '{name}' not found in provided tools")));
            }
        }
        other => return Err(words::bad_tag("tool_choice", other, &["auto", "any", "tool", "none"])),
    }
    Ok(())
}

/// Objects of a schema that is kept to the letter must say that nothing else may be in them.
fn closed(schema: &Value, at: &str) -> Result<(), Failure> {
    if schema["type"] == "object" && schema["additionalProperties"] != false {
        let message = format!("{at}: For 'object' type, 'additionalProperties' must be explicitly set to false");
        return Err(Failure::invalid(message));
    }
    let inner = ["properties", "$defs"].into_iter().filter_map(|keyword| schema[keyword].as_object());
    inner.flat_map(Object::values).chain(schema.get("items")).try_for_each(|inner| closed(inner, at))
}

fn output(body: &Object, ask: &mut Ask) -> Result<(), Failure> {
    let config = body.get("output_config").and_then(Value::as_object);
    if let Some(config) = config {
        let fields = [may("effort", Kind::OneOf(EFFORTS)), may("format", Kind::Map), may("task_budget", Kind::Map)];
        check(config, "output_config", &fields)?;
    }
    let format = config.and_then(|config| config.get("format")).or_else(|| body.get("output_format"));
    let Some(format) = format.and_then(Value::as_object) else { return Ok(()) };
    let fields = [need("type", Kind::OneOf(&["json_schema"])), need("schema", Kind::Map)];
    check(format, "output_config.format", &fields)?;
    closed(&format["schema"], "output_config.format.schema")?;
    ask.schema = Some(format["schema"].clone());
    Ok(())
}

fn cache(body: &Object, ask: &mut Ask) -> Result<(), Failure> {
    let mut hints = Vec::new();
    for name in ["tools", "system", "messages"] {
        hinted(body.get(name).unwrap_or(&Value::Null), &mut hints);
    }
    if hints.len() > BREAKPOINTS_MAX {
        let message =
            format!("A maximum of {BREAKPOINTS_MAX} blocks with cache_control may be provided. Found {}.", hints.len());
        return Err(Failure::invalid(message));
    }
    hints.extend(body.get("cache_control"));
    if let Some(hint) = hints.iter().find(|hint| hint["type"] != "ephemeral") {
        return Err(words::bad_tag("cache_control", hint["type"].as_str().unwrap_or_default(), &["ephemeral"]));
    }
    if !hints.is_empty() {
        ask.cache = Some(format!("{:?}{:?}", body.get("system"), body.get("tools")));
    }
    Ok(())
}

fn hinted<'a>(value: &'a Value, hints: &mut Vec<&'a Value>) {
    match value {
        Value::Array(all) => all.iter().for_each(|one| hinted(one, hints)),
        Value::Object(object) => {
            hints.extend(object.get("cache_control").filter(|hint| hint.is_object()));
            hints_in_content(object, hints);
        }
        _ => {}
    }
}

fn hints_in_content<'a>(object: &'a Object, hints: &mut Vec<&'a Value>) {
    if let Some(content) = object.get("content") {
        hinted(content, hints);
    }
}
