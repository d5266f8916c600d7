//! Grammars that let nothing pass but calls, in the language of llguidance. What a control token stands for is written as
//! that token, all else as text.

use std::fmt::Write;

use serde_json::Value;

use super::syntax::{self, Body, Parameters};
use super::{Dialect, Envelope};
use crate::local::constrain::spelling;
use crate::request::{ToolChoice, ToolSpec};

/// Stands for a number in the marks of a dialect.
const NUMBER: char = '#';

type Token<'a> = &'a dyn Fn(&str) -> Option<u32>;

pub(super) fn grammar(
    dialect: Dialect,
    tools: &[ToolSpec],
    choice: &ToolChoice,
    parallel: bool,
    token: Token<'_>,
) -> Option<String> {
    let chosen: Vec<_> = match choice {
        ToolChoice::Required => tools.iter().collect(),
        ToolChoice::Tool(name) => tools.iter().filter(|tool| tool.name == *name).collect(),
        ToolChoice::Auto | ToolChoice::None => return None,
    };
    if chosen.is_empty() {
        return None;
    }
    let writer = Writer { dialect, token };
    match (dialect.envelope(), syntax::syntax(dialect).body) {
        (Some(envelope), _) => Some(writer.of_envelope(&envelope, &chosen, parallel)),
        (None, Body::Parameters(marks)) => Some(writer.of_parameters(&marks, &chosen, parallel)),
        (None, _) => None,
    }
}

struct Writer<'a> {
    dialect: Dialect,
    token: Token<'a>,
}

impl Writer<'_> {
    fn of_envelope(&self, envelope: &Envelope, tools: &[&ToolSpec], parallel: bool) -> String {
        let mut grammar =
            self.frame(envelope.begin, envelope.end, envelope.separator.filter(|_| parallel), tools.len());
        for (place, tool) in tools.iter().enumerate() {
            let before = self.pieces(&[envelope.before, &tool.name, envelope.between].concat());
            let after = self.pieces(envelope.after);
            line(&mut grammar, &format!("call_{place}: {before} arguments_{place} {after}"));
            line(&mut grammar, &format!("arguments_{place}: %json {}", spelled(object(&tool.parameters))));
        }
        grammar
    }

    fn of_parameters(&self, marks: &Parameters, tools: &[&ToolSpec], parallel: bool) -> String {
        let [begin, before, after, separator, end] = match self.dialect {
            Dialect::Qwen3Coder => ["", "<tool_call>\n<function=", "</function>\n</tool_call>", "\n", ""],
            Dialect::Glm => ["", "<tool_call>", "</tool_call>", "\n", ""],
            Dialect::DeepSeekMarkup => [
                "<｜DSML｜function_calls>\n",
                "<｜DSML｜invoke name=\"",
                "</｜DSML｜invoke>\n",
                "",
                "</｜DSML｜function_calls>",
            ],
            Dialect::MiniMax => ["<minimax:tool_call>\n", "<invoke name=\"", "</invoke>\n", "", "</minimax:tool_call>"],
            _ => ["", "<function name=\"", "</function>", "\n", ""],
        };
        let mut grammar = self.frame(begin, end, Some(separator).filter(|_| parallel), tools.len());
        let line_end = if self.dialect == Dialect::MiniCpm { "" } else { "\n" };
        for (place, tool) in tools.iter().enumerate() {
            let name_end = if self.dialect == Dialect::Glm { "" } else { marks.name_end };
            let mut call = self.pieces(&[before, &tool.name, name_end, line_end].concat());
            let properties = tool.parameters.get("properties").and_then(Value::as_object);
            for (number, (key, schema)) in properties.into_iter().flatten().enumerate() {
                let rule = format!("parameter_{place}_{number}");
                let mark = if is_required(&tool.parameters, key) { "" } else { "?" };
                let _ = write!(call, " {rule}{mark}"); // writing into a string does not fail
                self.parameter(&rule, marks, key, schema, line_end, &mut grammar);
            }
            line(&mut grammar, &format!("call_{place}: {call} {}", self.pieces(after)));
        }
        grammar
    }

    /// The rules of one parameter: its marks, and what may stand between.
    fn parameter(
        &self,
        rule: &str,
        marks: &Parameters,
        key: &str,
        schema: &Value,
        line_end: &str,
        grammar: &mut String,
    ) {
        let kind = schema.get("type").and_then(Value::as_str);
        let choices = schema.get("enum").and_then(Value::as_array);
        let is_text = kind == Some("string") || choices.is_some_and(|all| all.iter().all(Value::is_string));
        let key_end = match self.dialect {
            Dialect::DeepSeekMarkup => format!("\" string=\"{is_text}\">"),
            _ => marks.key_end.to_owned(),
        };
        let between = if self.dialect == Dialect::Glm { "\n" } else { "" };
        let before = [marks.key, key, &key_end, between, marks.value, marks.space].concat();
        let close = [marks.space, marks.value_end].concat();
        let (before, after) = (self.pieces(&before), quoted(line_end));
        match choices.filter(|_| is_text) {
            Some(choices) => {
                let words: Vec<_> = choices.iter().filter_map(Value::as_str).map(quoted).collect();
                line(grammar, &format!("{rule}: {before} ({}) {} {after}", words.join(" | "), self.pieces(&close)));
            }
            None if is_text => {
                line(grammar, &format!("{rule}: {before} {rule}_words {after}"));
                line(grammar, &format!("{rule}_words[suffix={}]: /(.|\\n)*/", quoted(&close)));
            }
            None => {
                line(grammar, &format!("{rule}: {before} {rule}_value {} {after}", self.pieces(&close)));
                line(grammar, &format!("{rule}_value: %json {}", spelled(schema.clone())));
            }
        }
    }

    /// The rules around the calls.
    fn frame(&self, begin: &str, end: &str, separator: Option<&str>, calls: usize) -> String {
        let more = separator.map(|separator| format!("({} call)*", self.pieces(separator))).unwrap_or_default();
        let mut grammar = String::new();
        line(&mut grammar, &format!("start: {} call {more} {}", self.pieces(begin), self.pieces(end)));
        let calls: Vec<_> = (0..calls).map(|place| format!("call_{place}")).collect();
        line(&mut grammar, &format!("call: {}", calls.join(" | ")));
        grammar
    }

    /// Writes text with control tokens and numbers in it.
    fn pieces(&self, text: &str) -> String {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            if let Some((length, id)) = self.control(rest) {
                pieces.extend((!plain.is_empty()).then(|| quoted(&std::mem::take(&mut plain))));
                pieces.push(format!("<[{id}]>"));
                rest = &rest[length..];
            } else if letter == NUMBER {
                pieces.extend((!plain.is_empty()).then(|| quoted(&std::mem::take(&mut plain))));
                pieces.push("/[0-9]+/".to_owned());
                rest = &rest[1..];
            } else {
                plain.push(letter);
                rest = &rest[letter.len_utf8()..];
            }
        }
        pieces.extend((!plain.is_empty()).then(|| quoted(&plain)));
        if pieces.is_empty() { "\"\"".to_owned() } else { pieces.join(" ") }
    }

    /// Whether a text begins with the name of a control token: how long that is, and its id.
    fn control(&self, text: &str) -> Option<(usize, u32)> {
        let close = match text.as_bytes().first()? {
            b'<' => '>',
            b'[' => ']',
            _ => return None,
        };
        let length = text.find(close)? + 1;
        (self.token)(&text[..length]).map(|id| (length, id))
    }
}

fn is_required(schema: &Value, key: &str) -> bool {
    schema.get("required").and_then(Value::as_array).is_some_and(|all| all.iter().any(|name| name == key))
}

/// The schema of arguments, which are an object whatever it says.
fn object(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) if fields.contains_key("type") || fields.contains_key("$ref") => schema.clone(),
        Value::Object(fields) => {
            let mut fields = fields.clone();
            fields.insert("type".to_owned(), "object".into());
            fields.into()
        }
        _ => serde_json::json!({"type": "object"}),
    }
}

/// A schema with how its values are written.
fn spelled(mut schema: Value) -> Value {
    if let Value::Object(fields) = &mut schema {
        fields.insert("x-guidance".to_owned(), spelling());
    }
    schema
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn line(grammar: &mut String, rule: &str) {
    grammar.push_str(rule);
    grammar.push('\n');
}
