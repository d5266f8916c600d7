//! The turn of an agent as a machine without input and output: what was said goes in, what is to be done next comes out. It is
//! plain data, so a test can step it and a store can keep it.

use lorewell_model::{Error, Finish, Kind, Message, Messages, Reply, Result, ToolCall, ToolResult, Usage};
use serde::{Deserialize, Serialize};

/// Answers of the model that one turn may take, unless the agent says otherwise.
pub const STEPS_MAX: u32 = 50;

/// Where an agent stands within a turn.
///
/// ```
/// use lorewell_agent::{Next, Turn};
/// use lorewell_model::{Finish, Fold, Event, Message, ToolResult};
/// use serde_json::json;
///
/// let mut turn = Turn::new([Message::user("2 + 3?")], 10);
/// assert_eq!(turn.next()?, Next::Model);
///
/// let call = lorewell_model::ToolCall::new("1", "add", &json!({"a": 2, "b": 3}));
/// turn.model_said(lorewell_model::Reply::new(
///     Message::new(lorewell_model::Role::Assistant, [lorewell_model::Part::ToolCall(call.clone())]),
///     Finish::ToolCalls,
/// ));
/// assert_eq!(turn.next()?, Next::Tools(&[call.clone()]));
///
/// turn.tools_said([ToolResult::new(&call, "5")]);
/// assert_eq!(turn.next()?, Next::Model);
/// turn.model_said(lorewell_model::Reply::new(Message::assistant("5"), Finish::Stop));
/// assert_eq!(turn.next()?, Next::Done);
/// assert_eq!(turn.messages().len(), 4);
/// # Ok::<(), lorewell_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    messages: Messages,
    /// How many messages there were before.
    began: usize,
    steps: u32,
    steps_max: u32,
    calls: Vec<ToolCall>,
    /// How many calls have their results.
    made: usize,
    finish: Option<Finish>,
    usage: Usage,
}

/// What is to be done next.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub enum Next<'a> {
    /// Let the model answer the messages.
    Model,
    /// Make these calls; their results go back all at once, in this order.
    Tools(&'a [ToolCall]),
    /// Nothing: the model has said its last.
    Done,
}

impl Turn {
    /// Begins a turn after these messages.
    pub fn new(messages: impl Into<Messages>, steps_max: u32) -> Self {
        let messages = messages.into();
        let began = messages.len();
        Self { messages, began, steps: 0, steps_max, calls: Vec::new(), made: 0, finish: None, usage: Usage::default() }
    }

    /// Says what is to be done.
    ///
    /// # Errors
    /// `Limit` if the model would have to be asked more often than it may be.
    pub fn next(&self) -> Result<Next<'_>> {
        if !self.calls.is_empty() {
            return Ok(Next::Tools(&self.calls));
        }
        if self.finish.is_some() {
            return Ok(Next::Done);
        }
        if self.steps == self.steps_max {
            let message = format!(
                "the agent is not done after {} answers of the model; raise `steps_max`, or give it less to do at once",
                self.steps_max
            );
            return Err(Error::new(Kind::Limit, message));
        }
        Ok(Next::Model)
    }

    /// Takes an answer of the model.
    pub fn model_said(&mut self, reply: Reply) {
        self.steps += 1;
        self.usage += reply.usage;
        self.calls = reply.message.tool_calls().cloned().collect();
        // A provider that paused a long turn goes on when it gets the conversation back.
        self.finish = Some(reply.finish).filter(|finish| self.calls.is_empty() && *finish != Finish::Paused);
        // Arguments that cannot be read are answered with an error; no provider takes them back as they are.
        self.messages.push(reply.message.with_readable_calls());
    }

    /// Takes the results of the calls, in their order.
    pub fn tools_said(&mut self, results: impl IntoIterator<Item = ToolResult>) {
        self.messages.push(Message::results(results));
        self.made += self.calls.len();
        self.calls.clear();
    }

    /// Goes on after the model was done, with another message for it.
    pub(crate) fn go_on(&mut self, message: Message) {
        self.messages.push(message);
        self.finish = None;
    }

    /// Ends with what the tools said.
    pub(crate) fn stop(&mut self) {
        self.finish = Some(Finish::Stop);
    }

    /// Returns the conversation so far.
    #[must_use]
    pub fn messages(&self) -> &Messages {
        &self.messages
    }

    /// Returns what the turn has added to it.
    #[must_use]
    pub fn added(&self) -> &[Message] {
        &self.messages[self.began..]
    }

    /// Takes what the turn has added.
    #[must_use]
    pub fn into_added(self) -> Vec<Message> {
        // Nobody else holds the conversation any more, so this copies nothing.
        let mut messages: Vec<Message> = self.messages.into();
        messages.split_off(self.began)
    }

    /// Returns how often the model has answered.
    #[must_use]
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// Returns how many calls were asked for in this turn before one of the newest answer.
    #[must_use]
    pub fn calls_before(&self, call: &ToolCall) -> usize {
        self.made + self.calls.iter().position(|other| other.id == call.id).unwrap_or(self.calls.len())
    }

    /// Returns why the model stopped, when it is done.
    #[must_use]
    pub fn finish(&self) -> Option<&Finish> {
        self.finish.as_ref()
    }

    /// Returns what the model has used.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }
}
