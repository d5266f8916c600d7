//! Questions that an answer waits for: calls of tools that a person has to approve, and what tools ask themselves. What is
//! shown is what is done: whole, and with every character that could hide something written out.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use lorewell::agent::{ApprovalScope, Decision, Question};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Talk;
use crate::editor;
use crate::output::{self, BOLD, DIM, WARN, note, paint, visible};

/// Attempts to read one answer: a terminal that says the same wrong thing over and over has nobody before it.
const TRIES_MAX: usize = 50;

/// How long an approval for a time may go: nobody remembers on the next day what they have allowed.
const GRANTED_MAX: Duration = Duration::from_secs(24 * 60 * 60);

const KEYS: &str = "\
  y  yes, this once            a  always, with exactly these arguments, in this session
  t  this tool, in this session, until it reads text of another kind; `t 30m` or `t 2h` for so long at most
  e  edit the arguments        n  no
  q  leave the question open; /retry asks it again";

/// A call that a person has to approve.
#[derive(Debug, Deserialize)]
struct Approval {
    tool: String,
    arguments: Value,
    access: String,
    #[serde(default)]
    has_read: Vec<String>,
}

impl Approval {
    /// Reads a question; none if it asks for something else.
    fn read(question: &Question) -> Option<Self> {
        let is_approval = question.prompt["kind"] == "approval";
        is_approval.then(|| Self::deserialize(&question.prompt).ok()).flatten()
    }

    /// Writes down all of it.
    fn show(&self) -> String {
        let tool = paint(BOLD, &visible(&self.tool));
        let mut text = format!("{} {tool} wants to run. It may touch: {}\n", paint(WARN, "?"), visible(&self.access));
        text.push_str(&arguments(&self.arguments));
        if !self.has_read.is_empty() {
            let read = visible(&self.has_read.join(", "));
            // Writing to a text cannot fail.
            let _ = writeln!(
                text,
                "{}",
                paint(WARN, &format!("  read before: {read} - such text may have asked for this"))
            );
        }
        text.trim_end().to_owned()
    }
}

/// Writes arguments one below the other, nothing left out. Texts of several lines keep their lines, behind a bar.
fn arguments(arguments: &Value) -> String {
    let Some(fields) = arguments.as_object() else { return format!("  {}\n", visible(&arguments.to_string())) };
    let mut text = String::new();
    for (name, value) in fields {
        let name = visible(name);
        // Writing to a text cannot fail.
        let _ = match value.as_str().filter(|value| value.contains('\n')) {
            None => writeln!(text, "  {name}: {}", visible(&value.to_string())),
            Some(value) => {
                let lines: String = value.split('\n').map(|line| format!("  | {}\n", visible(line))).collect();
                write!(text, "  {name}:\n{lines}")
            }
        };
    }
    text
}

impl Talk<'_> {
    /// Has questions answered, and stores each answer at once. Returns whether there is an answer to all of them.
    pub(super) async fn decide(&mut self, questions: &[Question]) -> Result<bool> {
        for question in questions {
            let answer = match Approval::read(question) {
                Some(approval) if self.yes_to.contains(&approval.tool) => {
                    note(&paint(DIM, &format!("· {} is approved by --yes-to", visible(&approval.tool))));
                    Some(serde_json::to_value(Decision::approve())?)
                }
                _ if !self.is_interactive => {
                    self.say_open(question);
                    None
                }
                Some(approval) => self.ask_approval(approval)?.map(serde_json::to_value).transpose()?,
                None => self.ask_question(question)?,
            };
            let Some(answer) = answer else { return Ok(false) };
            self.thread.answer(&question.id, answer).await?;
        }
        Ok(true)
    }

    /// Says what waits for a person, and how to answer.
    fn say_open(&self, question: &Question) {
        let name = &self.conversation.name;
        let how = match Approval::read(question) {
            Some(approval) => {
                output::to_stderr(&approval.show());
                format!(", or approve it with --yes-to {}", visible(&approval.tool))
            }
            None => {
                output::to_stderr(&asked(question));
                String::new()
            }
        };
        output::to_stderr(&format!("It waits for a person. Answer in a terminal: lorewell chat --session {name}{how}"));
    }

    /// Asks about a call; none leaves the question open.
    fn ask_approval(&mut self, mut approval: Approval) -> Result<Option<Decision>> {
        output::line(&approval.show())?;
        let (tool, wanted) = (visible(&approval.tool), approval.arguments.clone());
        for _ in 0..TRIES_MAX {
            let Some(key) = self.source.ask(&format!("{tool} [y/a/t/e/n/q, ? explains] "))? else { break };
            let scope = match key.trim() {
                "n" | "no" => return self.deny(),
                "q" => break,
                "e" => {
                    match edited(&approval.arguments) {
                        Ok(arguments) => approval.arguments = arguments,
                        Err(error) => output::error(&crate::exit::message(&error)),
                    }
                    output::line(&approval.show())?;
                    continue;
                }
                key => scope(key, SystemTime::now()),
            };
            let Some(scope) = scope else {
                output::line(KEYS)?;
                continue;
            };
            let decision = Decision::approve().scope(scope);
            // What is approved is what is shown, however often it was edited.
            let is_edited = approval.arguments != wanted;
            return Ok(Some(if is_edited { decision.arguments(approval.arguments) } else { decision }));
        }
        note("The question stays open; /retry asks it again, /undo takes back what led to it.");
        Ok(None)
    }

    fn deny(&mut self) -> Result<Option<Decision>> {
        let reason = self.source.ask("why not, for the model (may be empty): ")?.unwrap_or_default();
        let mut no = Decision::deny(reason.trim());
        no.reason = no.reason.filter(|reason| !reason.is_empty());
        Ok(Some(no))
    }

    /// Asks what a tool wants to know; none leaves the question open.
    fn ask_question(&mut self, question: &Question) -> Result<Option<Value>> {
        output::line(&asked(question))?;
        for _ in 0..TRIES_MAX {
            let Some(text) = self.source.ask("answer (Ctrl-D leaves it open): ")? else { break };
            let answer = answer(&text, &question.schema);
            match question.check(&answer) {
                Ok(()) => return Ok(Some(answer)),
                Err(error) => output::error(error.message()),
            }
        }
        note("The question stays open; /retry asks it again.");
        Ok(None)
    }
}

/// Reads how far an approval goes; none if it is none.
fn scope(key: &str, now: SystemTime) -> Option<ApprovalScope> {
    match key {
        "y" | "yes" => Some(ApprovalScope::Once),
        "a" => Some(ApprovalScope::Call),
        "t" => Some(ApprovalScope::Tool),
        _ => {
            let time = key.strip_prefix("t ")?.trim();
            let (number, seconds) = match (time.strip_suffix('m'), time.strip_suffix('h')) {
                (Some(minutes), _) => (minutes, 60),
                (None, Some(hours)) => (hours, 60 * 60),
                (None, None) => return None,
            };
            let time = Duration::from_secs(number.trim().parse::<u64>().ok()?.checked_mul(seconds)?);
            if time.is_zero() || time > GRANTED_MAX {
                return None;
            }
            Some(ApprovalScope::Until((now.duration_since(UNIX_EPOCH).ok()? + time).as_secs()))
        }
    }
}

/// Writes down what a tool asks, and what an answer looks like.
fn asked(question: &Question) -> String {
    let prompt = &question.prompt;
    let tool = prompt["tool"].as_str().unwrap_or(&question.node);
    let text = prompt["text"].as_str().map_or_else(|| prompt.to_string(), str::to_owned);
    let text: Vec<String> = text.split('\n').map(visible).collect();
    let form = match question.schema["type"].as_str() {
        Some("boolean") => "y or n".to_owned(),
        Some("string") if question.schema.get("enum").is_none() => "a text".to_owned(),
        _ => visible(&question.schema.to_string()),
    };
    format!("{} {} asks: {}\n  {}", paint(WARN, "?"), paint(BOLD, &visible(tool)), text.join("\n  "), paint(DIM, &form))
}

/// Reads what was typed as the schema wants it: words where it takes a text, y and n where it takes a choice, else JSON.
fn answer(typed: &str, schema: &Value) -> Value {
    let typed = typed.trim();
    let as_text = || Value::from(typed);
    match (schema["type"].as_str(), typed) {
        (Some("string"), _) => as_text(),
        (Some("boolean"), "y" | "yes") => true.into(),
        (Some("boolean"), "n" | "no") => false.into(),
        _ => serde_json::from_str(typed).unwrap_or_else(|_| as_text()),
    }
}

/// Lets a person edit arguments in their editor.
fn edited(arguments: &Value) -> Result<Value> {
    let file =
        tempfile::Builder::new().prefix("lorewell-").suffix(".json").tempfile().context("making a file to edit")?;
    std::fs::write(file.path(), serde_json::to_string_pretty(arguments)?).context("writing the arguments to edit")?;
    editor::open(file.path(), 1)?;
    let text = std::fs::read_to_string(file.path()).context("reading what was edited")?;
    let edited: Map<String, Value> = serde_json::from_str(&text).context("what was edited is no JSON object")?;
    Ok(edited.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_hide_nothing() {
        let shown = arguments(&json!({"path": "a\u{202E}txt", "text": "one\n\u{1b}[2Jtwo\u{200B}", "n": 3}));
        assert_eq!(shown, "  path: \"a\\u{202e}txt\"\n  text:\n  | one\n  | \\u{1b}[2Jtwo\\u{200b}\n  n: 3\n");
        let long = "x".repeat(100_000);
        assert!(arguments(&json!({"text": long})).contains(&long));
    }

    #[test]
    fn an_approval_goes_as_far_as_its_key_says() {
        let scope = |key| scope(key, UNIX_EPOCH + Duration::from_secs(1000));
        let known = ["y", "a", "t"].map(scope);
        assert_eq!(known, [ApprovalScope::Once, ApprovalScope::Call, ApprovalScope::Tool].map(Some));
        assert_eq!(scope("t 30m"), Some(ApprovalScope::Until(1000 + 30 * 60)));
        assert_eq!(scope("t 24 h"), Some(ApprovalScope::Until(1000 + 24 * 60 * 60)));
        for none in
            ["", "x", "t 0m", "t 25h", "t 30", "t -1m", "t 18446744073709551615h", "t 307445734561825860m", "tm", "ty"]
        {
            assert_eq!(scope(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_typed_becomes_what_the_schema_takes() {
        assert_eq!(answer(" y ", &json!({"type": "boolean"})), true);
        assert_eq!(answer("3", &json!({"type": "string"})), "3");
        assert_eq!(answer("3", &json!({"type": "integer"})), 3);
        assert_eq!(answer(r#"{"a": 1}"#, &json!({"type": "object"})), json!({"a": 1}));
        assert_eq!(answer("maybe", &json!({"type": "boolean"})), "maybe");
    }
}
