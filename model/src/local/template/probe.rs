//! Finds out what a template can say by giving it small conversations and looking for their words in what it makes of them.

use std::cell::Cell;

use serde_json::{Value, json};

use super::Names;
use super::context;
use super::engine::Engine;
use crate::Kind;

/// Words that no template has by itself.
const NEEDLE: &str = "needle7531";
const OTHER: &str = "hay8642";

/// What a template can say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Abilities {
    /// Instructions.
    pub(super) system: bool,
    /// Tools.
    pub(super) tools: bool,
    /// Calls of them.
    pub(super) calls: bool,
    /// What they returned.
    pub(super) results: bool,
    /// It wants the arguments of calls as text.
    pub(super) arguments_as_text: bool,
    /// It takes ids of nine letters and digits only.
    pub(super) nine_letter_ids: bool,
    /// It takes messages as lists of parts only.
    pub(super) takes_parts: bool,
}

impl Abilities {
    pub(super) fn of(engine: &Engine, source: &str, names: &Names) -> Self {
        // A template that does not end is not asked again.
        let is_endless = Cell::new(false);
        let says = |messages: &Value, tools: &Value, words: &str| {
            let messages = messages.as_array().cloned().unwrap_or_default();
            let tools = Some(tools.clone()).filter(|tools| !tools.is_null());
            if is_endless.get() {
                return false;
            }
            let made = engine.run(&Value::Object(context::base(messages, tools, names)));
            is_endless.set(made.as_ref().is_err_and(|error| error.kind() == Kind::Limit));
            made.is_ok_and(|made| made.contains(words))
        };
        let user = |text: &str| json!({"role": "user", "content": text});
        let none = Value::Null;
        let parts = json!([{"role": "user", "content": [{"type": "text", "text": NEEDLE}]}]);
        let takes_parts = !says(&json!([user(NEEDLE)]), &none, NEEDLE) && says(&parts, &none, NEEDLE);
        let text = |text: &str| if takes_parts { json!([{"type": "text", "text": text}]) } else { json!(text) };
        let user = json!({"role": "user", "content": text("x")});
        let system = says(&json!([{"role": "system", "content": text(NEEDLE)}, user]), &none, NEEDLE);
        let tools = source.contains("tools") && says(&json!([user]), &tool_named(NEEDLE), NEEDLE);
        let mut abilities = Self {
            system,
            tools,
            calls: false,
            results: false,
            arguments_as_text: false,
            nine_letter_ids: false,
            takes_parts,
        };
        for (id, as_text) in [("call_00001", false), ("abcdefgh1", false), ("call_00001", true), ("abcdefgh1", true)] {
            let called = [user.clone(), call(id, as_text)];
            let returned = json!({"role": "tool", "name": "f", "tool_call_id": id, "content": text(NEEDLE)});
            let whole = json!([called[0], called[1], returned]);
            abilities.calls = says(&whole, &tool_named(NEEDLE), OTHER);
            abilities.results = says(&whole, &tool_named("f"), NEEDLE);
            abilities.arguments_as_text = as_text;
            abilities.nine_letter_ids = id.len() == 9;
            if abilities.calls {
                return abilities;
            }
        }
        Self { arguments_as_text: false, nine_letter_ids: false, ..abilities }
    }
}

fn tool_named(name: &str) -> Value {
    let parameters = json!({"type": "object", "properties": {"a": {"type": "string", "description": "d"}}});
    json!([{"type": "function", "function": {"name": name, "description": "d", "parameters": parameters}}])
}

fn call(id: &str, as_text: bool) -> Value {
    let arguments = json!({ "a": OTHER });
    let arguments = if as_text { arguments.to_string().into() } else { arguments };
    let call = json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
    json!({"role": "assistant", "content": "", "tool_calls": [call]})
}
