//! Does what the machine of a turn says is next: asks the model, makes the calls, and journals what comes of it, so that a turn
//! that was cut off goes on where it was.

use std::sync::Arc;

use lorewell_model::{
    Budget, Error, Fold, Kind, Message, Messages, Model, Origin, OutputSchema, Part, Reply, Request, Result, Role,
    Spent, ToolCall, ToolResult,
};
use lorewell_model::{Event as Said, ToolChoice, ToolSpec};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tracing::Instrument as _;

use super::calls::{Calls, Results};
use super::turn::{Next, Turn};
use super::{Chat, ChatUpdate, Inner, Summary, span, window};
use crate::cx::Cx;

/// The tool by which an agent with tools gives an answer that has a form.
pub(super) const FINAL: &str = "final_answer";
/// How often an answer that does not have its form is sent back.
const REPAIRS_MAX: u32 = 2;

/// The form that the answer must have.
#[derive(Clone)]
pub(super) struct Form {
    pub(super) schema: OutputSchema,
    /// Tells what is wrong with an answer.
    pub(super) check: Check,
}

pub(super) type Check = Arc<dyn Fn(&Value) -> Result<()> + Send + Sync>;

impl Form {
    /// The form of a type.
    pub(super) fn of<T: DeserializeOwned + JsonSchema + 'static>() -> Result<Self> {
        Self::new(OutputSchema::of::<T>(), |value| T::deserialize(value).map(drop).map_err(misfit))
    }

    /// The form that a schema says, and which is checked besides.
    pub(super) fn new(
        schema: OutputSchema,
        also: impl Fn(&Value) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Self> {
        let validator = jsonschema::validator_for(&schema.schema)
            .map_err(|error| Error::new(Kind::Config, format!("the form of the answer is no JSON schema: {error}")))?;
        let check = move |value: &Value| {
            let faults: Vec<String> = validator.iter_errors(value).map(|fault| fault.to_string()).collect();
            match faults.is_empty() {
                true => also(value),
                false => Err(misfit(faults.join("; "))),
            }
        };
        Ok(Self { schema, check: Arc::new(check) })
    }
}

/// Drives one turn, and returns what it adds to the conversation.
pub(super) async fn drive(agent: Arc<Inner>, form: Option<Form>, cx: Cx<Chat>) -> Result<ChatUpdate> {
    let open = span::of_turn(&agent, &cx);
    let driven = Box::pin(drive_within(agent, form, cx)).instrument(open.span()).await;
    open.end(driven.as_ref().err());
    driven
}

async fn drive_within(agent: Arc<Inner>, form: Option<Form>, cx: Cx<Chat>) -> Result<ChatUpdate> {
    let state = cx.state();
    let mut turn = begun(&agent, cx.shared_state());
    let mut summary = state.summary.clone();
    let (mut grants, mut has_read) = (state.grants.clone(), state.has_read.clone());
    has_read.extend(agent.tools.origins());
    has_read.extend(cx.has_read());
    has_read.extend(state.messages.iter().filter_map(brings));
    let granted = grants.len();
    let by_tool = form.as_ref().filter(|_| !agent.tools.is_empty());
    let asked = asked(&agent, form.as_ref(), by_tool);
    let (mut result, mut repairs) = (None, 0);
    loop {
        // An error, too, may say what a text says that was read.
        cx.task().note_read(has_read.iter().copied());
        match turn.next()? {
            Next::Model => {
                fold(&agent, &cx, &mut turn, &mut summary).await?;
                let mut request = asked.clone();
                request.messages = turn.messages().clone();
                let reply = reply(&agent, &cx, &turn, request).await?;
                has_read.extend(looked_up(&reply));
                turn.model_said(reply);
            }
            Next::Tools(calls) => {
                let calls = calls.to_vec();
                if let Some((form, last)) = by_tool.zip(calls.iter().find(|call| call.name == FINAL)) {
                    let read = last.arguments().and_then(|value: Map<String, Value>| checked(form, value.into()));
                    turn.tools_said(calls.iter().map(|call| taken(call, &last.id, &read)));
                    match read {
                        Ok(value) => {
                            result = Some(value);
                            turn.stop();
                        }
                        Err(error) if repairs == REPAIRS_MAX => return Err(error),
                        Err(_) => repairs += 1,
                    }
                    continue;
                }
                let made = Calls { agent: &agent, cx: &cx, turn: &turn, grants: &mut grants, has_read: &mut has_read };
                let Results { results, end_turn } = made.make(&calls).await?;
                turn.tools_said(results);
                if end_turn {
                    turn.stop();
                }
            }
            Next::Done => {
                let Some(form) = form.as_ref().filter(|_| result.is_none()) else { break };
                let text = turn.messages().last().map(Message::text).unwrap_or_default();
                match lorewell_model::read_json(&text).and_then(|value| checked(form, value)) {
                    Ok(value) => result = Some(value),
                    Err(error) if repairs == REPAIRS_MAX => return Err(error),
                    Err(error) => {
                        repairs += 1;
                        turn.go_on(Message::user(error.message()));
                    }
                }
            }
        }
    }
    let (usage, finish) = (turn.usage(), turn.finish().cloned());
    span::used(usage);
    let new = Chat::update().messages(turn.into_added()).grants(grants.split_off(granted)).has_read(has_read);
    let new = if summary == state.summary { new } else { new.summary(summary) };
    Ok(new.usage(usage).finish(finish).result(result))
}

/// What was said before the turn, as the state keeps it.
struct Before(Arc<Chat>);

impl AsRef<[Message]> for Before {
    fn as_ref(&self) -> &[Message] {
        &self.0.messages
    }
}

/// Begins a turn with what the model is shown of the conversation, which is not copied.
fn begun(agent: &Inner, chat: &Arc<Chat>) -> Turn {
    let system = agent.instructions.iter().map(Message::system);
    let (folded, summary) = match &chat.summary {
        Some(summary) => (summary.messages, summary.message()),
        None => (0, None),
    };
    let is_folded = summary.is_some();
    let mut messages: Messages = system.chain(summary).collect();
    messages.share(Arc::new(Before(chat.clone())), folded..chat.messages.len());
    let turn = Turn::new(messages, agent.steps_max);
    if is_folded { turn.folded() } else { turn }
}

/// What a message brings that the person has not written: instructions may hide in pictures and documents too.
fn brings(message: &Message) -> Option<Origin> {
    let is_foreign = |part: &Part| matches!(part, Part::Image(_) | Part::File(_));
    (message.role == Role::User && message.parts.iter().any(is_foreign)).then_some(Origin::Document)
}

/// What a provider has read for an answer with tools of its own, which nobody here sees.
fn looked_up(reply: &Reply) -> Option<Origin> {
    let is_foreign = |part: &Part| matches!(part, Part::Citation(_) | Part::Opaque(_));
    reply.message.parts.iter().any(is_foreign).then_some(Origin::Web)
}

/// Takes the beginning of the conversation out of sight if the window is full.
async fn fold(agent: &Inner, cx: &Cx<Chat>, turn: &mut Turn, summary: &mut Option<Summary>) -> Result<()> {
    let Some(window) = &agent.window else { return Ok(()) };
    let Some(cut) = window.cut(turn, &agent.model) else { return Ok(()) };
    let text = match window.summariser(&agent.model) {
        None => None,
        Some(model) => Some(summarised(agent, cx, turn, cut, model).await?),
    };
    let mut new = Summary { messages: summary.as_ref().map_or(0, |summary| summary.messages), text };
    new.messages += turn.fold(cut, new.message());
    *summary = Some(new);
    Ok(())
}

/// Has the messages before one of them summarised, in parts if they are too many to be read at once.
async fn summarised(agent: &Inner, cx: &Cx<Chat>, turn: &mut Turn, cut: usize, model: &Model) -> Result<String> {
    let mut before: Option<String> = None;
    let said: Vec<Message> = turn.messages().range(turn.head()..cut).cloned().collect();
    for (part, messages) in window::parts(&said, model).enumerate() {
        let request = window::asked(before.as_deref(), messages);
        let name = format!("summary {}.{part}", turn.steps());
        let asked = journalled(cx, &name, async |own| {
            around(agent, turn, request, async |request| paid(cx, model, own).chat(request).await).await
        });
        let reply = asked.await.map_err(|error| error.context("summarising the conversation"))?;
        turn.used(reply.usage);
        before = Some(reply.text());
    }
    Ok(before.unwrap_or_default())
}

/// What the model is asked besides the conversation; the same in each step, so that providers can cache it.
fn asked(agent: &Inner, form: Option<&Form>, by_tool: Option<&Form>) -> Request {
    let mut request = agent.request.clone();
    request.tools = agent.tools.specs().cloned().collect();
    match (form, by_tool) {
        (None, _) => {}
        (Some(form), None) => request.output = Some(form.schema.clone()),
        (Some(form), Some(_)) => {
            let told = "Gives the answer, when you have it.";
            request.tools.push(ToolSpec::new(FINAL, told, form.schema.schema.clone()));
            request.tool_choice = Some(ToolChoice::Required);
        }
    }
    request
}

/// An answer of the model, as it is journalled.
#[derive(Serialize, Deserialize)]
struct Answered {
    reply: Reply,
    /// With attempts that failed, at the prices of those who answered.
    spent: Spent,
}

/// Has a model answer, unless its answer is known; counts what that spends.
async fn journalled(cx: &Cx<Chat>, name: &str, ask: impl AsyncFnOnce(&Budget) -> Result<Reply>) -> Result<Reply> {
    let mut is_new = false;
    let asked = cx.effect(name, async |_| {
        is_new = true;
        let own = Budget::new();
        let reply = ask(&own).await?;
        Ok(Answered { reply, spent: own.spent() })
    });
    let Answered { reply, spent } = asked.await?;
    // What was asked just now the budget of the run has counted.
    cx.task().spend(name, spent, is_new);
    Ok(reply)
}

/// A model that spends from the budget of the run, and counts for itself what that is.
fn paid(cx: &Cx<Chat>, model: &Model, own: &Budget) -> Model {
    let model = model.clone().budget(own);
    match cx.task().session.purse() {
        Some(budget) => model.budget(budget),
        None => model,
    }
}

/// Lets the agent's model answer.
async fn reply(agent: &Inner, cx: &Cx<Chat>, turn: &Turn, request: Request) -> Result<Reply> {
    let name = format!("model {}", turn.steps());
    let asked = journalled(cx, &name, async |own| {
        around(agent, turn, request, async |request| match said(&paid(cx, &agent.model, own), cx, request).await {
            Ok(reply) => Ok(reply),
            Err(error) => instead(agent, turn, error).await,
        })
        .await
    });
    asked.await
}

/// Has a model answer, with all that stands around it.
async fn around(
    agent: &Inner,
    turn: &Turn,
    mut request: Request,
    ask: impl AsyncFnOnce(Request) -> Result<Reply>,
) -> Result<Reply> {
    for around in agent.around.iter() {
        around.before_model(turn, &mut request).await?;
    }
    let mut reply = ask(request).await?;
    for around in agent.around.iter().rev() {
        around.after_model(turn, &mut reply).await?;
    }
    Ok(reply)
}

/// Asks a model, and hands on what it says.
async fn said(model: &Model, cx: &Cx<Chat>, request: Request) -> Result<Reply> {
    let reply = async {
        let mut events = model.stream(request);
        let mut fold = Fold::new();
        while let Some(event) = events.next().await {
            let event = event?;
            cx.alive();
            match &event {
                Said::Text { text } => cx.token(text).await,
                Said::Reasoning { text } => cx.reasoning(text).await,
                _ => {}
            }
            fold.push(&event)?;
        }
        fold.reply()
    };
    reply.await.map_err(|error: Error| error.context(format!("asking `{}`", model.name())))
}

/// What is said in the place of a model that has failed.
async fn instead(agent: &Inner, turn: &Turn, error: Error) -> Result<Reply> {
    for around in agent.around.iter() {
        if let Some(reply) = around.on_error(turn, &error).await? {
            return Ok(reply);
        }
    }
    Err(error)
}

fn checked(form: &Form, value: Value) -> Result<Value> {
    (form.check)(&value).map(|()| value)
}

/// What a model is told that has given its answer by a call.
fn taken(call: &ToolCall, last: &str, read: &Result<Value>) -> ToolResult {
    match read {
        Ok(_) if call.id == last => ToolResult::new(call, "taken"),
        Err(error) if call.id == last => ToolResult::failed(call, error.message()),
        _ => ToolResult::failed(call, format!("not made: `{FINAL}` was called at the same time")),
    }
}

/// An answer that does not have its form.
fn misfit(error: impl std::fmt::Display) -> Error {
    Error::new(Kind::BadOutput, format!("the answer does not have the form that was asked for: {error}"))
}
