//! A session as a file for people or for programs: all that was said, the calls of tools with what they brought, and the
//! places that answers rest on.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use lorewell::agent::Chat;
use lorewell::model::{Message, Part, Role, ToolCall, ToolResult};
use serde::Serialize;

use super::Talk;
use super::agent::SEARCH;
use super::screen::places;
use super::turn::is_stopped;
use crate::exit::Misuse;
use crate::folders::in_home;
use crate::output::{note, plain};
use crate::sessions::Facts;

/// Version of the JSON.
const SCHEMA: u32 = 1;

/// A session as JSON.
#[derive(Serialize)]
struct Exported<'a> {
    schema: u32,
    session: &'a str,
    #[serde(flatten)]
    facts: &'a Facts,
    /// Whether the person has stopped the last answer.
    is_stopped: bool,
    messages: &'a [Message],
}

impl Talk<'_> {
    /// Writes the session to a file that is not there yet.
    pub(super) async fn export(&self, file: Option<&Path>) -> Result<()> {
        let Some(standing) = self.standing().await? else {
            return Err(Misuse("nothing was said in this session yet, so there is nothing to export".to_owned()).into());
        };
        let (name, facts) = (&self.conversation.name, &self.conversation.facts);
        let file = in_home(&file.map_or_else(|| PathBuf::from(format!("{name}.md")), Path::to_owned))?;
        let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        let text = match &*ending {
            "md" | "markdown" => markdown(name, facts, &standing.state),
            "json" => json(name, facts, &standing.state)?,
            _ => bail!("`{}` has no ending that says what to write; end it with .md or .json", file.display()),
        };
        let doing = || format!("writing `{}`", file.display());
        let mut new = std::fs::File::create_new(&file).with_context(doing)?;
        new.write_all(text.as_bytes()).with_context(doing)?;
        note(&format!("Written to {}.", plain(&file.display().to_string())));
        Ok(())
    }
}

fn json(session: &str, facts: &Facts, chat: &Chat) -> Result<String> {
    let messages = &chat.messages;
    let exported = Exported { schema: SCHEMA, session, facts, is_stopped: is_stopped(chat), messages };
    Ok(serde_json::to_string_pretty(&exported)? + "\n")
}

fn markdown(name: &str, facts: &Facts, chat: &Chat) -> String {
    let mut text = format!("# Session {name}\n\n");
    let model = facts.model.as_deref().unwrap_or("no model");
    // Writing to a text cannot fail.
    let _ = writeln!(text, "{model}, {}\n", facts.spent().say());
    for message in &chat.messages {
        match message.role {
            Role::User => text.push_str("## You\n\n"),
            Role::Assistant => text.push_str("## Lorewell\n\n"),
            Role::System | Role::Tool => {}
        }
        message.parts.iter().for_each(|part| text.push_str(&shown(part)));
    }
    if is_stopped(chat) {
        text.push_str("(stopped)\n\n");
    }
    let sources = sources(&chat.messages);
    if !sources.is_empty() {
        text.push_str("## Places that were read\n\n");
        sources.iter().for_each(|place| text.push_str(&format!("- {place}\n")));
    }
    text.trim_end().to_owned() + "\n"
}

fn shown(part: &Part) -> String {
    match part {
        Part::Text(words) => format!("{}\n\n", words.text.trim()),
        Part::ToolCall(ToolCall { name, arguments_json, .. }) => {
            format!("Calls `{name}`:\n\n{}\n", block("json", arguments_json))
        }
        Part::ToolResult(result) => {
            let what = if result.is_error { "was not done" } else { "brought" };
            format!("`{}` {what}:\n\n{}\n", result.name, block("text", &result.text()))
        }
        Part::Image(media) | Part::File(media) => format!("(a file: {})\n\n", media.media_type),
        Part::Citation(cited) => {
            let place = [&cited.title, &cited.url].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
            format!("(source: {place})\n\n")
        }
        // Thoughts are no part of what was said, and the rest only its provider can read.
        _ => String::new(),
    }
}

/// Puts a text between fences that it cannot close.
fn block(language: &str, text: &str) -> String {
    let ticks = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat((ticks + 1).max(3));
    format!("{fence}{language}\n{}\n{fence}\n", text.trim_end())
}

/// Returns the places of the library that searches have brought, each once, in order.
fn sources(messages: &[Message]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for result in messages.iter().flat_map(|message| &message.parts).filter_map(searched) {
        for place in places(&result.text()) {
            if !found.iter().any(|known| known == place) {
                found.push(place.to_owned());
            }
        }
    }
    found
}

fn searched(part: &Part) -> Option<&ToolResult> {
    match part {
        Part::ToolResult(result) if result.name == SEARCH => Some(result),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_was_said_and_done_is_there() {
        let call = ToolCall::new("1", SEARCH, &serde_json::json!({"query": "boiler"}));
        let found = "<passage id=\"1\" source=\"a.md:3-4\" section=\"\">\n```hot```\n</passage>";
        let mut chat = Chat::default();
        chat.messages = vec![
            Message::user("Is it hot?"),
            Message::new(Role::Assistant, [Part::ToolCall(call.clone())]),
            Message::results([ToolResult::new(&call, found), ToolResult::new(&call, found)]),
            Message::assistant("It is (a.md:3-4)."),
        ];
        let text = markdown("a", &Facts::default(), &chat);
        assert!(
            text.starts_with(
                "# Session a\n\nno model, 0 in / 0 out - $0\n\n## You\n\nIs it hot?\n\n## Lorewell\n\nCalls"
            )
        );
        assert!(text.contains("Calls `search_library`:\n\n```json\n{\"query\":\"boiler\"}\n```\n"), "{text}");
        assert!(text.contains(&format!("brought:\n\n````text\n{found}\n````\n")), "{text}");
        assert!(text.ends_with("It is (a.md:3-4).\n\n## Places that were read\n\n- a.md:3-4\n"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&json("a", &Facts::default(), &chat).unwrap()).unwrap();
        assert_eq!((&json["messages"][2]["parts"][0]["name"], &json["schema"]), (&SEARCH.into(), &1.into()));
    }
}
