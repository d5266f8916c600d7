//! OpenAI Responses: the items of a conversation, which must fit together, and of which the sealed ones must come back
//! as they were.

use std::collections::HashSet;

use serde_json::Value;

use super::words;
use crate::ask::Ask;
use crate::failure::{Failure, Invalid};
use crate::media;
use crate::shape::{Kind, Problem, Wrong, check, may, name_of, need};
use crate::state::State;

/// Reads all items in order.
pub(super) fn read(items: &[Value], ask: &mut Ask, state: &State) -> Result<(), Failure> {
    let mut reader = Reader { items, ask, state, open: Vec::new(), known: HashSet::new() };
    for index in 0..items.len() {
        reader.item(index)?;
    }
    match reader.open.first() {
        Some(id) => Err(at_input(format!("No tool output found for function call {id}."))),
        None => Ok(()),
    }
}

struct Reader<'a> {
    items: &'a [Value],
    ask: &'a mut Ask,
    state: &'a State,
    /// Calls without a result.
    open: Vec<String>,
    /// Sealed items that came back.
    known: HashSet<String>,
}

fn at_input(message: String) -> Failure {
    Failure::Invalid(Invalid { message, param: Some("input".to_owned()), code: None })
}

impl Reader<'_> {
    fn item(&mut self, index: usize) -> Result<(), Failure> {
        let item = &self.items[index];
        let at = format!("input[{index}]");
        let Some(object) = item.as_object() else {
            let what = Wrong::Type { expected: "an object", found: name_of(item) };
            return Err(Problem { path: at, what }.into());
        };
        let id = || may("id", Kind::Text);
        let status = || may("status", Kind::Text);
        match item["type"].as_str().unwrap_or("message") {
            "message" => {
                let fields = [
                    need("role", Kind::OneOf(&["assistant", "system", "developer", "user"])),
                    need("content", Kind::TextOrList),
                    may("type", Kind::Text),
                    may("phase", Kind::Text),
                    id(),
                    status(),
                ];
                check(object, &at, &fields)?;
                self.message(item, &at)
            }
            "function_call" => {
                let fields = [
                    need("type", Kind::Text),
                    need("call_id", Kind::Text),
                    need("name", Kind::Text),
                    need("arguments", Kind::Text),
                    may("namespace", Kind::Text),
                    id(),
                    status(),
                    may("caller", Kind::Map),
                ];
                check(object, &at, &fields)?;
                self.call(item)
            }
            "function_call_output" => {
                let fields = [
                    need("type", Kind::Text),
                    need("call_id", Kind::Text),
                    need("output", Kind::TextOrList),
                    id(),
                    status(),
                ];
                check(object, &at, &fields)?;
                self.result(item, &at)
            }
            "reasoning" => {
                let fields = [
                    need("type", Kind::Text),
                    need("summary", Kind::List),
                    may("content", Kind::List),
                    may("encrypted_content", Kind::Text),
                    need("id", Kind::Text),
                    status(),
                ];
                check(object, &at, &fields)?;
                self.reasoning(index)
            }
            "web_search_call" => self.search(item),
            "item_reference" | "compaction" | "custom_tool_call" | "custom_tool_call_output" => Ok(()),
            other => {
                Err(words::bad_part(other, &["message", "function_call", "function_call_output", "reasoning"], &at))
            }
        }
    }

    fn message(&mut self, item: &Value, at: &str) -> Result<(), Failure> {
        let role = item["role"].as_str().unwrap_or_default();
        let supported: &[&'static str] = match role {
            "assistant" => &["output_text", "refusal"],
            "user" => &["input_text", "input_image", "input_file"],
            _ => &["input_text"],
        };
        let said = match &item["content"] {
            Value::String(text) => text.clone(),
            content => self.parts(content, supported, &format!("{at}.content"))?,
        };
        match role {
            "user" => self.ask.said(&said),
            "assistant" => self.ask.answered = true,
            _ => {}
        }
        Ok(())
    }

    fn parts(&mut self, parts: &Value, supported: &[&'static str], at: &str) -> Result<String, Failure> {
        let mut said = String::new();
        for (index, part) in parts.as_array().into_iter().flatten().enumerate() {
            let at = format!("{at}[{index}]");
            let kind = part["type"].as_str().unwrap_or_default();
            if !supported.contains(&kind) {
                return Err(words::bad_part(kind, supported, &at));
            }
            match kind {
                "input_text" | "output_text" => {
                    let text = part["text"].as_str().ok_or_else(|| words::missing(&format!("{at}.text")))?;
                    said.push_str(text);
                }
                "input_image" => self.media(&part["image_url"], &format!("{at}.image_url"))?,
                "input_file" if part["file_data"].is_string() => {
                    if !part["filename"].is_string() {
                        return Err(words::missing(&format!("{at}.filename")));
                    }
                    self.media(&part["file_data"], &format!("{at}.file_data"))?;
                }
                "input_file" => self.media(&part["file_url"], &format!("{at}.file_url"))?,
                _ => {}
            }
        }
        Ok(said)
    }

    fn media(&mut self, url: &Value, at: &str) -> Result<(), Failure> {
        let found = url.as_str().and_then(media::url).ok_or_else(|| {
            let message = format!("Invalid '{at}'. Expected a valid URL, but got a value with an invalid format.");
            Failure::coded(message, at, "invalid_value")
        })?;
        self.ask.media.push(found);
        Ok(())
    }

    fn call(&mut self, item: &Value) -> Result<(), Failure> {
        let id = item["call_id"].as_str().unwrap_or_default();
        let seal = self.state.required(id).filter(|seal| !self.known.contains(seal));
        if let Some(seal) = seal {
            let own = item["id"].as_str().unwrap_or(id);
            return Err(at_input(format!(
                "Item '{own}' of type 'function_call' was provided without its required 'reasoning' item: '{seal}'."
            )));
        }
        self.ask.answered = true;
        self.open.push(id.to_owned());
        Ok(())
    }

    fn result(&mut self, item: &Value, at: &str) -> Result<(), Failure> {
        let id = item["call_id"].as_str().unwrap_or_default();
        let Some(place) = self.open.iter().position(|open| open == id) else {
            return Err(at_input(format!("No tool call found for function call output with call_id {id}.")));
        };
        self.open.remove(place);
        let said = match &item["output"] {
            Value::String(text) => text.clone(),
            output => self.parts(output, &["input_text", "input_image", "input_file"], &format!("{at}.output"))?,
        };
        self.ask.results.push(said);
        Ok(())
    }

    /// What was sealed must be as it was, and must stand before what came of it.
    fn reasoning(&mut self, index: usize) -> Result<(), Failure> {
        let item = &self.items[index];
        let id = item["id"].as_str().unwrap_or_default();
        let sealed = item["encrypted_content"].as_str();
        let kept = self.state.kept(id);
        let is_unchanged = match (&kept, sealed) {
            (Some(kept), Some(sealed)) => kept == sealed,
            (None, Some(_)) => false,
            // Without its seal only what is stored here can be found again.
            (kept, None) => kept.is_some(),
        };
        if !is_unchanged {
            let start: String = sealed.unwrap_or(id).chars().take(12).collect();
            let message = format!(
                "The encrypted content {start}... could not be verified. Reason: Encrypted content could not be \
                 decrypted or parsed."
            );
            return Err(Failure::Invalid(Invalid { message, param: None, code: Some("invalid_encrypted_content") }));
        }
        let next = self.items.get(index + 1);
        let is_followed = next.is_some_and(|next| {
            next["type"] == "function_call" || next["type"] == "reasoning" || next["role"] == "assistant"
        });
        if !is_followed {
            return Err(at_input(format!(
                "Item '{id}' of type 'reasoning' was provided without its required following item."
            )));
        }
        self.known.insert(id.to_owned());
        Ok(())
    }

    fn search(&mut self, item: &Value) -> Result<(), Failure> {
        let id = item["id"].as_str().unwrap_or_default();
        if self.state.kept(id).as_ref() != Some(item) {
            return Err(at_input(format!("Item '{id}' of type 'web_search_call' is not as it was.")));
        }
        self.ask.answered = true;
        self.ask.echoed += 1;
        Ok(())
    }
}
