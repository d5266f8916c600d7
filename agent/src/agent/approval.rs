//! Calls that a person has to approve: which ones, what the person is shown, what may be answered, how far an answer goes.

use std::collections::BTreeSet;

use lorewell_model::{Access, Origin, Tool, ToolCall};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What needs approval unless the agent allows it: what outlives the call, and what runs programs.
pub(super) const ASKED: Access = Access::WRITE.or(Access::EXECUTE);
/// What needs approval in a run that has read what nobody vouches for, whatever the agent allows: instructions may hide in
/// such text, and these are the tools by which they do harm.
pub(super) const GUARDED: Access = ASKED.or(Access::NETWORK);
/// By what data leave. What these are called with is where the data go, so an approval must say it.
const CARRIES_AWAY: Access = Access::NETWORK.or(Access::EXECUTE);

/// What a person says to a call: yes, no, or a [`Decision`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Answer {
    /// Yes to this call, or no.
    Plain(bool),
    /// Anything else.
    Full(Decision),
}

/// What a person decides about a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Decision {
    /// Whether the call is made.
    pub approve: bool,
    /// How far an approval goes.
    #[serde(default)]
    pub scope: ApprovalScope,
    /// Other arguments, with which the call is made instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
    /// Why not, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Decision {
    /// Lets the call be made, once.
    #[must_use]
    pub fn approve() -> Self {
        Self { approve: true, scope: ApprovalScope::Once, arguments: None, reason: None }
    }

    /// Lets the call not be made, and tells the model why.
    pub fn deny(reason: impl Into<String>) -> Self {
        Self { approve: false, reason: Some(reason.into()), ..Self::approve() }
    }

    /// Sets how far the approval goes.
    #[must_use]
    pub fn scope(mut self, scope: ApprovalScope) -> Self {
        self.scope = scope;
        self
    }

    /// Changes the arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: Value) -> Self {
        self.arguments = Some(arguments);
        self
    }
}

impl From<Answer> for Decision {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Plain(approve) => Self { approve, ..Self::approve() },
            Answer::Full(decision) => decision,
        }
    }
}

/// How far an approval goes. All of them end with the thread and when the tool changes, and none decides about other calls of
/// the same answer, which are asked about by themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ApprovalScope {
    /// This one call. If its arguments are changed, whatever is said holds for the changed ones.
    #[default]
    Once,
    /// Calls of this tool with exactly these arguments.
    Call,
    /// All calls of this tool, until the run reads untrusted text of a kind that it had not read when this was said. Where it has
    /// read any, a tool that sends something or runs programs is asked about all the same.
    Tool,
    /// The same until then, in seconds since 1970.
    Until(u64),
}

/// An approval that holds for more than one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    tool: String,
    /// What the tool was then: one that has changed since is another tool.
    #[serde(default)]
    definition: String,
    /// The arguments it is bound to, in their canonical form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arguments: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    /// Where what the run had read came from, as the person was told.
    #[serde(default)]
    has_read: BTreeSet<Origin>,
}

impl Grant {
    /// Makes the grant of a decision about a call that is made, if it goes beyond it.
    pub(super) fn of(asked: &Asked<'_>, decision: &Decision) -> Option<Self> {
        let (tool, definition) = (asked.call.name.clone(), asked.definition());
        let grant = Self { tool, definition, arguments: None, until: None, has_read: asked.has_read.clone() };
        match decision.scope {
            _ if !decision.approve => None,
            ApprovalScope::Once => None,
            ApprovalScope::Call => Some(Self { arguments: Some(canonical(&asked.call.arguments_json)), ..grant }),
            ApprovalScope::Tool => Some(grant),
            ApprovalScope::Until(until) => Some(Self { until: Some(until), ..grant }),
        }
    }

    /// Tells whether a call has its approval by this grant.
    pub(super) fn covers(&self, asked: &Asked<'_>, now: u64) -> bool {
        let is_same = self.tool == asked.call.name && self.definition == asked.definition();
        let fits = self.arguments.as_ref().is_none_or(|bound| *bound == canonical(&asked.call.arguments_json));
        let is_safe = self.arguments.is_some() || self.is_safe(asked);
        is_same && fits && is_safe && self.until.is_none_or(|until| now < until)
    }

    /// Tells whether a grant that is not bound to arguments stands. Where the run may have been led astray, none does for what
    /// carries data away, and none that was given before the person knew of what was read.
    fn is_safe(&self, asked: &Asked<'_>) -> bool {
        let carries_away = access(asked.tool).meets(CARRIES_AWAY);
        asked.has_read.is_empty() || (!carries_away && self.has_read.is_superset(asked.has_read))
    }
}

/// A call that may need approval.
pub(super) struct Asked<'a> {
    pub(super) tool: &'a dyn Tool,
    pub(super) call: &'a ToolCall,
    /// What the tool is given.
    pub(super) arguments: &'a Value,
    /// Whose texts the run has read that nobody vouches for.
    pub(super) has_read: &'a BTreeSet<Origin>,
}

impl Asked<'_> {
    /// Says whether it needs approval, where tools may touch this without.
    pub(super) fn needs_approval(&self, allowed: Access) -> bool {
        let access = access(self.tool);
        let is_guarded = !self.has_read.is_empty() && access.meets(GUARDED);
        is_guarded || access.without(allowed).meets(ASKED)
    }

    /// What a person is shown. It is made here, of the call as it is made, and never of what the model says about it.
    pub(super) fn prompt(&self) -> Value {
        let mut prompt = json!({
            "kind": "approval",
            "tool": self.call.name,
            "arguments": self.arguments,
            "access": access(self.tool).to_string(),
        });
        if !self.has_read.is_empty() {
            prompt["has_read"] = json!(self.has_read);
        }
        prompt
    }

    /// What the question is called: an answer to it is none to a question about anything else.
    pub(super) fn digest(&self) -> String {
        digest(&[&self.prompt().to_string(), &self.definition()])
    }

    /// What the tool is, to know it again.
    fn definition(&self) -> String {
        let origin = format!("{:?} {:?}", self.tool.origin(), self.tool.described_by());
        digest(&[&json!(self.tool.spec()).to_string(), &self.tool.access().to_string(), &origin])
    }
}

/// What a tool may touch. Whoever wrote it learns what it is called with, whatever it declares.
fn access(tool: &dyn Tool) -> Access {
    if tool.origin().is_trusted() { tool.access() } else { tool.access() | Access::NETWORK }
}

/// A hash of texts, as a name.
pub(super) fn digest(texts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for text in texts {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

/// JSON with its fields in order, so that the same arguments are the same text.
pub(super) fn canonical(arguments: &str) -> String {
    fn sorted(value: Value) -> Value {
        match value {
            Value::Object(fields) => {
                let mut fields: Vec<_> = fields.into_iter().map(|(name, value)| (name, sorted(value))).collect();
                fields.sort_by(|a, b| a.0.cmp(&b.0));
                Value::Object(fields.into_iter().collect())
            }
            Value::Array(items) => items.into_iter().map(sorted).collect(),
            other => other,
        }
    }
    serde_json::from_str(arguments).map_or_else(|_| arguments.to_owned(), |value| sorted(value).to_string())
}
