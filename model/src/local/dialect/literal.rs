//! Values as Python and Gemma write them, and calls that hold them. What is read here is JSON in the end.

use serde_json::{Map, Value};

/// How deep values may lie within each other.
const DEPTH_MAX: u32 = 64;
/// The quotes of Gemma.
const QUOTE: &str = "<|\"|>";

/// Reads `call:name{x:…}`. What cannot be read is given as it is, as the arguments.
pub(super) fn gemma(whole: &str) -> Vec<(String, String)> {
    let call = whole.trim();
    let call = call.strip_prefix("call:").unwrap_or(call);
    let Some((name, _)) = call.split_once('{') else { return Vec::new() };
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Vec::new();
    }
    let arguments = &call[name.len()..];
    let read = value(arguments).filter(Value::is_object);
    vec![(name.to_owned(), read.map_or_else(|| arguments.to_owned(), |value| value.to_string()))]
}

/// Reads `[name(x=…), other()]`.
pub(super) fn python(whole: &str) -> Vec<(String, String)> {
    let mut cursor = Cursor { rest: whole.trim() };
    cursor.skip("[");
    let mut calls = Vec::new();
    loop {
        cursor.space();
        let Some((name, rest)) = cursor.rest.split_once('(') else { return calls };
        let name = name.trim().trim_start_matches([',', ' ']).to_owned();
        if name.is_empty() || !name.chars().all(|letter| letter.is_alphanumeric() || "_.-".contains(letter)) {
            return calls;
        }
        cursor.rest = rest;
        match cursor.keywords() {
            Some(arguments) => calls.push((name, Value::Object(arguments).to_string())),
            None => {
                calls.push((name, rest.to_owned()));
                return calls;
            }
        }
        cursor.space();
        cursor.skip(",");
    }
}

/// Reads a value, if the text is one and nothing else.
pub(super) fn value(text: &str) -> Option<Value> {
    let mut cursor = Cursor { rest: text.trim() };
    let value = cursor.value(0)?;
    cursor.rest.trim().is_empty().then_some(value)
}

struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn skip(&mut self, mark: &str) -> bool {
        match self.rest.strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Reads `x=…, y=…)`.
    fn keywords(&mut self) -> Option<Map<String, Value>> {
        let mut all = Map::new();
        loop {
            self.space();
            if self.skip(")") {
                return Some(all);
            }
            let (name, rest) = self.rest.split_once('=')?;
            let name = name.trim();
            if name.is_empty() || name.contains(char::is_whitespace) {
                return None;
            }
            self.rest = rest;
            let value = self.value(0)?;
            all.insert(name.to_owned(), value);
            self.space();
            self.skip(",");
        }
    }

    fn value(&mut self, depth: u32) -> Option<Value> {
        self.space();
        if depth == DEPTH_MAX {
            return None;
        }
        if self.skip(QUOTE) {
            let (words, rest) = self.rest.split_once(QUOTE)?;
            self.rest = rest;
            return Some(words.into());
        }
        match self.rest.chars().next()? {
            '{' => self.map(depth),
            '[' | '(' => self.list(depth),
            quote @ ('"' | '\'') => self.text(quote).map(Value::from),
            _ => self.word(),
        }
    }

    fn map(&mut self, depth: u32) -> Option<Value> {
        self.skip("{");
        let mut all = Map::new();
        loop {
            self.space();
            if self.skip("}") {
                return Some(Value::Object(all));
            }
            let key = match self.rest.chars().next()? {
                '"' | '\'' | '<' => match self.value(depth + 1)? {
                    Value::String(key) => key,
                    _ => return None,
                },
                _ => {
                    let (key, _) = self.rest.split_once(':')?;
                    self.rest = &self.rest[key.len()..];
                    key.trim().to_owned()
                }
            };
            self.space();
            if !self.skip(":") {
                return None;
            }
            let value = self.value(depth + 1)?;
            all.insert(key, value);
            self.space();
            if !self.skip(",") && !self.rest.starts_with('}') {
                return None;
            }
        }
    }

    fn list(&mut self, depth: u32) -> Option<Value> {
        let close = if self.skip("[") { "]" } else { ")" };
        if close == ")" {
            self.skip("(");
        }
        let mut all = Vec::new();
        loop {
            self.space();
            if self.skip(close) {
                return Some(Value::Array(all));
            }
            all.push(self.value(depth + 1)?);
            self.space();
            if !self.skip(",") && !self.rest.starts_with(close) {
                return None;
            }
        }
    }

    /// Reads a text in quotes, with the escapes that Python and JSON share.
    fn text(&mut self, quote: char) -> Option<String> {
        let mut letters = self.rest.char_indices().skip(1);
        let mut words = String::new();
        while let Some((at, letter)) = letters.next() {
            if letter == quote {
                self.rest = &self.rest[at + letter.len_utf8()..];
                return Some(words);
            }
            if letter != '\\' {
                words.push(letter);
                continue;
            }
            match letters.next()?.1 {
                'n' => words.push('\n'),
                't' => words.push('\t'),
                'r' => words.push('\r'),
                'b' => words.push('\u{8}'),
                'f' => words.push('\u{c}'),
                'u' => {
                    let digits: String = letters.by_ref().take(4).map(|(_, digit)| digit).collect();
                    words.push(u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32)?);
                }
                other @ ('\\' | '\'' | '"' | '/') => words.push(other),
                other => words.extend(['\\', other]),
            }
        }
        None
    }

    /// Reads a number, a truth or nothing.
    fn word(&mut self) -> Option<Value> {
        let end = self.rest.find([',', '}', ']', ')', ':', ' ', '\n']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let value = match word {
            "true" | "True" => Value::Bool(true),
            "false" | "False" => Value::Bool(false),
            "null" | "None" => Value::Null,
            _ => serde_json::from_str::<serde_json::Number>(word).ok()?.into(),
        };
        self.rest = rest;
        Some(value)
    }
}
