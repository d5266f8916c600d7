//! The turn of an agent as a machine without input and output: what was said goes in, what is to be done next comes out. It is
//! plain data, so a test can step it and a store can keep it.

use std::collections::HashSet;

use lorewell_model::{Error, Finish, Kind, Message, Messages, Part, Reply, Result, Role, ToolCall, ToolResult, Usage};
use serde::{Deserialize, Serialize};

use super::window::tokens;

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
    /// What the model is shown.
    messages: Messages,
    /// How many of them are instructions, which stay.
    head: usize,
    /// Whether a summary comes after those.
    is_folded: bool,
    /// How many messages there were before.
    began: usize,
    /// What the turn has added and the model is not shown any more.
    aside: Vec<Message>,
    /// How many tokens the messages before `sized` have, as the model has counted them.
    size_tokens: usize,
    sized: usize,
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
        let head = messages.iter().take_while(|message| message.role == Role::System).count();
        Self {
            messages,
            head,
            is_folded: false,
            began,
            aside: Vec::new(),
            size_tokens: 0,
            sized: 0,
            steps: 0,
            steps_max,
            calls: Vec::new(),
            made: 0,
            finish: None,
            usage: Usage::default(),
        }
    }

    /// Says that a summary comes after the instructions.
    pub(super) fn folded(mut self) -> Self {
        self.is_folded = true;
        self
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
    pub fn model_said(&mut self, mut reply: Reply) {
        tell_apart(&mut reply.message);
        self.steps += 1;
        self.usage += reply.usage;
        self.calls = reply.message.tool_calls().cloned().collect();
        // A provider that paused a long turn goes on when it gets the conversation back.
        self.finish = Some(reply.finish).filter(|finish| self.calls.is_empty() && *finish != Finish::Paused);
        // Arguments that cannot be read are answered with an error; no provider takes them back as they are.
        self.messages.push(reply.message.with_readable_calls());
        let counted = usize::try_from(reply.usage.total_tokens()).unwrap_or(usize::MAX);
        if counted > 0 {
            (self.size_tokens, self.sized) = (counted, self.messages.len());
        }
    }

    /// How many of the messages are instructions, which stay in sight.
    pub(super) fn head(&self) -> usize {
        self.head
    }

    /// Whether a summary comes after them.
    pub(super) fn is_folded(&self) -> bool {
        self.is_folded
    }

    /// How many tokens the messages have, about.
    pub(super) fn size_tokens(&self) -> usize {
        self.size_tokens + self.messages.range(self.sized..).map(tokens).sum::<usize>()
    }

    /// Takes the messages before one of them out of sight, and puts a summary in their place. Returns how many messages of the
    /// conversation that were.
    pub(super) fn fold(&mut self, cut: usize, summary: Option<Message>) -> usize {
        let (head, had_summary) = (self.head, usize::from(self.is_folded));
        self.aside.extend(self.messages.range(self.began.max(head)..cut).cloned());
        let after = self.began.saturating_sub(cut);
        self.is_folded = summary.is_some();
        let kept: Vec<Message> = self.messages.range(cut..).cloned().collect();
        self.messages = self.messages.range(..head).cloned().collect();
        self.messages.extend(summary);
        self.began = self.messages.len() + after;
        self.messages.extend(kept);
        (self.size_tokens, self.sized) = (0, 0);
        cut - head - had_summary
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

    /// Returns the conversation so far, as the model is shown it.
    #[must_use]
    pub fn messages(&self) -> &Messages {
        &self.messages
    }

    /// Returns what the turn has added to it and the model is still shown.
    #[must_use]
    pub fn added(&self) -> &[Message] {
        // What was there before may be shared; what was added never is.
        let (own, added) = (self.messages.own(), self.messages.len() - self.began);
        &own[own.len() - added..]
    }

    /// Takes all that the turn has added.
    #[must_use]
    pub fn into_added(mut self) -> Vec<Message> {
        let added = self.messages.split_off(self.began);
        if self.aside.is_empty() {
            return added;
        }
        self.aside.extend(added);
        self.aside
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

    /// Adds what a summary of the conversation has used.
    pub(super) fn used(&mut self, usage: Usage) {
        self.usage += usage;
    }

    /// Returns what the model has used.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }
}

/// Gives each call of an answer an id of its own: a model may choose the same for several, and by their ids calls are counted
/// and results told apart.
fn tell_apart(message: &mut Message) {
    let mut ids = HashSet::new();
    for (index, part) in message.parts.iter_mut().enumerate() {
        let Part::ToolCall(call) = part else { continue };
        if ids.contains(&call.id) {
            call.id = format!("{}-{index}", call.id);
        }
        while !ids.insert(call.id.clone()) {
            call.id.push('-');
        }
    }
}
