//! Calls that a person has to approve: which ones, what the person is shown, what may be answered, how far an answer goes.

use lorewell_model::{Access, Origin, ToolCall};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What needs approval unless the agent allows it: what outlives the call, and what runs programs.
pub(super) const ASKED: Access = Access::WRITE.or(Access::EXECUTE);
/// What needs approval in a run that has read what nobody vouches for, whatever the agent allows: instructions may hide in
/// such text, and these are the tools by which they do harm.
pub(super) const GUARDED: Access = ASKED.or(Access::NETWORK);

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

/// How far an approval goes. All of them end with the thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ApprovalScope {
    /// This one call.
    #[default]
    Once,
    /// Calls of this tool with exactly these arguments.
    Call,
    /// All calls of this tool.
    Tool,
    /// All calls of this tool until then, in seconds since 1970.
    Until(u64),
}

/// An approval that holds for more than one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    tool: String,
    /// The arguments it is bound to, in their canonical form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arguments: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    /// Whether it was given while the person knew that the run had read untrusted text.
    is_guarded: bool,
}

impl Grant {
    /// Makes the grant of a decision, if it goes beyond one call.
    pub(super) fn of(call: &ToolCall, decision: &Decision, why: Why) -> Option<Self> {
        let (tool, is_guarded) = (call.name.clone(), why == Why::Guarded);
        let grant = Self { tool, arguments: None, until: None, is_guarded };
        match decision.scope {
            _ if !decision.approve => None,
            ApprovalScope::Once => None,
            ApprovalScope::Call => Some(Self { arguments: Some(canonical(&call.arguments_json)), ..grant }),
            ApprovalScope::Tool => Some(grant),
            ApprovalScope::Until(until) => Some(Self { until: Some(until), ..grant }),
        }
    }

    /// Tells whether a call that needs approval for a reason has it by this grant.
    pub(super) fn covers(&self, call: &ToolCall, why: Why, now: u64) -> bool {
        let is_bound = self.arguments.is_some();
        let fits = self.arguments.as_ref().is_none_or(|arguments| *arguments == canonical(&call.arguments_json));
        // In a run that may have been led astray, only an approval of these very arguments stands, or one given knowingly.
        let is_safe = why != Why::Guarded || is_bound || self.is_guarded;
        self.tool == call.name && fits && is_safe && self.until.is_none_or(|until| now < until)
    }
}

/// Why a call needs approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Of what its tool may touch.
    Declared,
    /// Because the run has read what nobody vouches for.
    Guarded,
    /// Because a middleware wants it.
    Wanted,
}

impl Why {
    /// Says whether a call needs approval.
    pub(super) fn of(access: Access, allowed: Access, has_read_untrusted: bool) -> Option<Self> {
        if has_read_untrusted && access.meets(GUARDED) {
            return Some(Self::Guarded);
        }
        access.without(allowed).meets(ASKED).then_some(Self::Declared)
    }
}

/// What a person is shown. It is made here, of the call itself, and never of what the model says about it.
pub(super) fn prompt(call: &ToolCall, access: Access, why: Why, origins: &[Origin]) -> Value {
    let arguments = serde_json::from_str(&call.arguments_json).unwrap_or_else(|_| Value::from(&*call.arguments_json));
    let mut prompt = json!({
        "kind": "approval",
        "tool": call.name,
        "arguments": arguments,
        "access": access.to_string(),
    });
    if why == Why::Guarded {
        prompt["has_read"] = json!(origins);
    }
    prompt
}

/// JSON with its fields in order, so that the same arguments are the same text.
fn canonical(arguments: &str) -> String {
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
