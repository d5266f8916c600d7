//! A question of a task to a person. It has an id that does not change, waits as long as it takes, and takes only an
//! answer that fits its schema.

use std::collections::BTreeMap;

use lorewell_model::{Error, Kind, Result, Secret};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::Gate;

/// A question that a task waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Question {
    /// Its id: the same after a restart, unique among all questions of all threads.
    pub id: String,
    /// The graph within the thread that the task belongs to; empty for the thread's own.
    pub path: String,
    /// The node that asks.
    pub node: String,
    /// What it asks: a text, or anything a front end knows to show.
    pub prompt: Value,
    /// What an answer looks like: a JSON schema.
    pub schema: Value,
}

impl Question {
    pub(crate) fn new(id: String, path: &str, node: &str, prompt: Value, schema: Value) -> Self {
        let (prompt, schema) = (without_secrets(prompt), without_secrets(schema));
        Self { id, path: path.to_owned(), node: node.to_owned(), prompt, schema }
    }

    /// Tells whether an answer fits.
    ///
    /// # Errors
    /// With [`Kind::BadInput`] and all that is wrong with it.
    pub fn check(&self, answer: &Value) -> Result<()> {
        let validator = jsonschema::validator_for(&self.schema).map_err(|error| {
            Error::new(Kind::Corrupt, format!("the schema of question `{}` is no JSON schema: {error}", self.id))
        })?;
        let faults: Vec<String> = validator.iter_errors(answer).map(|fault| fault.to_string()).collect();
        if faults.is_empty() {
            return Ok(());
        }
        let message = format!(
            "the answer does not fit question `{}` (`{}` of node `{}`): {}; nothing was stored",
            self.id,
            self.prompt,
            self.node,
            faults.join("; ")
        );
        Err(Error::new(Kind::BadInput, message))
    }
}

/// Takes out what this process keeps secret, of what goes to people, into stores and to those who listen.
pub(crate) fn without_secrets(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(Secret::redact_all(&text).into_owned()),
        Value::Array(values) => values.into_iter().map(without_secrets).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, without_secrets(value))).collect(),
        other => other,
    }
}

/// The pause of a task, as it is stored: its questions, and the answers it had when it paused. It runs again when there
/// is one that it has not seen.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Pause {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) questions: Vec<Question>,
    /// The ids of all questions that the task itself has asked, in order: so they stay the same in a copy of the thread.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ids: Vec<String>,
    /// The ids of questions that have names, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) named: BTreeMap<String, String>,
    /// Ids of questions that had an answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) seen: Vec<String>,
    /// Whether the error handler of the node has asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) by_handler: bool,
    /// Gates at which a graph inside the task has stopped; resuming passes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) gates: Vec<Gate>,
}
