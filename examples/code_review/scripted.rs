//! What a model would say about the sample, written down, so that the example runs without a key. It answers by what it is
//! asked and keeps nothing, so a new process goes on where another was killed.

use lorewell::model::mock::Rules;
use lorewell::model::{Part, Role, ToolCall};
use lorewell::{Error, Kind, Message, Model, Request, Result};
use serde_json::{Value, json};

use crate::patch::APPLY_PATCH;
use crate::review::SENT_BACK;

/// The diff that it knows.
pub(crate) const CHANGES: &str = include_str!("sample/changes.diff");
/// The patches that it proposes, one after the other.
const PATCHES: [(&str, &str); 4] = [
    ("reports/tickets.py", include_str!("scripted/tickets.diff")),
    ("src/api.rs", include_str!("scripted/api.diff")),
    ("reports/nightly.py", include_str!("scripted/nightly.diff")),
    ("src/page.rs", include_str!("scripted/page.diff")),
];

/// Makes the scripted model, for the sample alone.
pub(crate) fn model(diff: &str) -> Result<Model> {
    if diff != CHANGES {
        let message = "the scripted model knows only the sample; name a real one: `--model openai:gpt-5-mini`, \
                       `--model ollama:qwen3`, `--model gguf:FILE`";
        return Err(Error::new(Kind::Config, message));
    }
    let findings: Value = serde_json::from_str(include_str!("scripted/findings.json"))?;
    let wrong = wrong_line(findings.clone());
    let rules = Rules::new()
        .when_request(|request| has_tool(request, APPLY_PATCH), fix)
        .when_request(|request| said(request, SENT_BACK), move |_| call("final_answer", 0, &findings))
        .when_request(|request| results(request) > 0, move |_| call("final_answer", 0, &wrong))
        .otherwise(|_| call("read_file", 0, &json!({"path": "src/ticket.rs"})));
    Ok(Model::new("mock:reviewer".parse()?, rules))
}

/// The same findings, but one points to a line that is not there: models do that, and the example shows what becomes of it.
fn wrong_line(mut findings: Value) -> Value {
    findings["findings"][3]["line"] = json!(111);
    findings
}

/// Proposes the next patch, whatever became of those before.
fn fix(request: &Request) -> Message {
    let done = results(request);
    match PATCHES.get(done) {
        Some((file, diff)) => call(APPLY_PATCH, done, &json!({"file": file, "diff": diff})),
        None => Message::assistant("That was the last one."),
    }
}

fn call(tool: &str, number: usize, arguments: &Value) -> Message {
    Message::new(Role::Assistant, [Part::ToolCall(ToolCall::new(format!("call_{number}"), tool, arguments))])
}

fn has_tool(request: &Request, name: &str) -> bool {
    request.tools.iter().any(|tool| tool.name == name)
}

fn said(request: &Request, words: &str) -> bool {
    request.messages.iter().any(|message| message.role == Role::User && message.text().contains(words))
}

fn results(request: &Request) -> usize {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    parts.filter(|part| matches!(part, Part::ToolResult(_))).count()
}
