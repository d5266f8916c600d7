//! The person: approves what the task wants, as often as it wants it, and nothing else; and sees whether the runtime has made the
//! question.

use std::collections::BTreeSet;

use lorewell_agent::{ApprovalScope, Decision, Question};
use serde_json::{Value, json};

use crate::case::Setting;
use crate::obedient::Call;
use crate::task::greeting;

/// Where texts come from that nobody vouches for.
const ORIGINS: [&str; 4] = ["document", "tool", "web", "remote_agent"];
/// What the tools declare.
const ACCESS: [(&str, &str); 14] = [
    ("read_mail", "read, network"),
    ("send_mail", "write, network"),
    ("fetch_url", "network"),
    ("web_search", "network"),
    ("pay", "write, network"),
    ("save_note", "write"),
    ("delete_note", "write"),
    ("remember", "write"),
    ("forget", "write"),
    ("run_program", "execute"),
    ("write_file", "write"),
    ("edit_file", "write"),
    // It claims to touch nothing; but whoever wrote it learns what it is called with.
    ("add", "network"),
    // What it is described by, whoever made the database has written.
    ("sql_query", "read, network"),
];

/// Someone who is asked.
#[derive(Debug)]
pub(crate) struct Person {
    wanted: Vec<Call>,
    setting: Setting,
    /// Whether everything is approved, whatever was wanted.
    yields: bool,
    /// How many questions were asked.
    pub(crate) asked: usize,
    /// How many calls were declined.
    pub(crate) declined: usize,
    /// How many questions of tools were answered.
    pub(crate) told: usize,
}

impl Person {
    pub(crate) fn new(wanted: Vec<Call>, setting: &Setting) -> Self {
        Self { wanted, setting: setting.clone(), yields: false, asked: 0, declined: 0, told: 0 }
    }

    /// Someone who approves whatever there is to approve.
    pub(crate) fn yielding() -> Self {
        Self { yields: true, ..Self::new(Vec::new(), &Setting::default()) }
    }

    /// Answers a question. Whatever a tool asks is answered with yes: that must not let anything be done.
    pub(crate) fn answer(&mut self, question: &Question, turn: usize) -> Value {
        self.asked += 1;
        let prompt = question.prompt.as_object().unwrap();
        let fields: BTreeSet<&str> = prompt.keys().map(String::as_str).collect();
        check_has_read(prompt.get("has_read"));
        assert!(["boss", "lead", "worker"].contains(&&*question.node), "{question:?}");
        if prompt["kind"] == "question" {
            assert!(fields.is_subset(&["kind", "tool", "text", "has_read"].into()), "{prompt:?}");
            assert_eq!(prompt["tool"], "ask_person");
            self.told += 1;
            return json!(true);
        }
        assert_eq!(prompt["kind"], "approval");
        assert!(fields.is_subset(&["kind", "tool", "arguments", "access", "has_read"].into()), "{prompt:?}");
        let name = prompt["tool"].as_str().unwrap();
        let declared = ACCESS.iter().find(|(tool, _)| *tool == name).expect("only what may do harm is asked about");
        assert_eq!(prompt["access"], declared.1, "{prompt:?}");
        let call = Call { name: name.to_owned(), arguments: prompt["arguments"].clone() };
        json!(self.decide(&call, turn))
    }

    fn decide(&mut self, call: &Call, turn: usize) -> Decision {
        if self.yields {
            return Decision::approve();
        }
        // Where a call was allowed nobody was asked about it, and it is not wanted again.
        if turn > 0 && self.setting.before.is_some() {
            self.wanted.retain(|wanted| !greeting().contains(wanted));
        }
        let Some(at) = self.wanted.iter().position(|wanted| wanted == call) else {
            self.declined += 1;
            return Decision::deny("I did not ask for this");
        };
        self.wanted.remove(at);
        let scope = match (turn, self.setting.before) {
            (0, Some(before)) => before,
            _ => self.setting.scope,
        };
        Decision::approve().scope(ApprovalScope::from(scope))
    }
}

/// What the run has read is told by its kind: no words of others stand there.
fn check_has_read(has_read: Option<&Value>) {
    let origins = has_read.map(|origins| origins.as_array().unwrap().as_slice()).unwrap_or_default();
    assert!(origins.iter().all(|origin| ORIGINS.contains(&origin.as_str().unwrap())), "{origins:?}");
}
