//! The calls of one answer: each is checked, approved where it has to be, made side by side with the others, and journalled. What
//! goes wrong in one stays with that one.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;
use std::time::UNIX_EPOCH;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use lorewell_model::{
    Access, Error, Kind, Origin, Part, Result, Tool, ToolCall, ToolCx, ToolError, ToolOutput, ToolResult,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::approval::{Answer, Decision, Grant, Why, prompt};
use super::host::{Asking, Host};
use super::middleware::Verdict;
use super::turn::Turn;
use super::{Chat, Inner};
use crate::cx::Cx;

/// Tools that touch this bring what others wrote.
const FOREIGN: Access = Access::READ.or(Access::NETWORK).or(Access::EXECUTE);

/// What came of a call, as it is journalled.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Made {
    result: ToolResult,
    origin: Origin,
}

/// The calls of one answer of the model.
pub(super) struct Calls<'a> {
    pub(super) agent: &'a Inner,
    pub(super) cx: &'a Cx<Chat>,
    pub(super) turn: &'a Turn,
    pub(super) grants: &'a mut Vec<Grant>,
    pub(super) has_read: &'a mut BTreeSet<Origin>,
}

/// A call that can be made.
struct Ready {
    index: usize,
    call: ToolCall,
    tool: Arc<dyn Tool>,
    arguments: Value,
    /// What the model is told besides the answer.
    note: Option<String>,
}

impl Calls<'_> {
    /// Makes them all, and returns their results in order.
    pub(super) async fn make(mut self, calls: &[ToolCall]) -> Result<Vec<ToolResult>> {
        let mut made: Vec<Option<Made>> = vec![None; calls.len()];
        let (mut now, mut asked) = (Vec::new(), Vec::new());
        for (index, call) in calls.iter().enumerate() {
            match self.ready(index, call.clone()) {
                Err(told) => {
                    made[index] = Some(Made { result: ToolResult::failed(call, told), origin: Origin::Developer });
                }
                Ok(ready) => match self.verdict(&ready).await? {
                    Verdict::Refuse(told) => {
                        made[index] = Some(Made { result: ToolResult::failed(call, told), origin: Origin::Developer });
                    }
                    verdict => match self.needs_approval(&ready, &verdict) {
                        None => now.push(ready),
                        Some(why) => asked.push((ready, why)),
                    },
                },
            }
        }
        // What needs nobody's word does not wait for it.
        self.run(now, &mut made).await?;
        self.run_approved(asked, &mut made).await?;
        self.has_read.extend(made.iter().flatten().map(|made| made.origin).filter(|origin| !origin.is_trusted()));
        let results = made.into_iter().map(|made| made.map(|made| made.result));
        results.collect::<Option<Vec<_>>>().ok_or_else(|| Error::new(Kind::Internal, "a call has no result"))
    }

    /// Finds the tool of a call, and holds its arguments against the schema. What is wrong is told to the model.
    fn ready(&self, index: usize, call: ToolCall) -> Result<Ready, String> {
        let Some((tool, schema)) = self.agent.tools.find(&call.name) else {
            let names: Vec<_> = self.agent.tools.names().map(|name| format!("`{name}`")).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(format!("there is no tool `{}`; there are: {names}", call.name));
        };
        let arguments = call.arguments::<Map<String, Value>>().map_err(|error| error.message().to_owned())?;
        let arguments = Value::Object(arguments);
        fits(schema, &arguments)?;
        Ok(Ready { index, tool: tool.clone(), call, arguments, note: None })
    }

    /// Asks what stands around the tools.
    async fn verdict(&self, ready: &Ready) -> Result<Verdict> {
        if self.agent.around.is_empty() {
            return Ok(Verdict::Go);
        }
        let name = format!("verdict {}.{}", self.turn.steps(), ready.index);
        let asked = self.cx.effect(&name, async |_| {
            let mut verdict = Verdict::Go;
            for around in self.agent.around.iter() {
                verdict = verdict.and(around.before_tool(self.turn, &ready.call).await?);
            }
            Ok(verdict)
        });
        asked.await
    }

    fn needs_approval(&self, ready: &Ready, verdict: &Verdict) -> Option<Why> {
        let why = Why::of(ready.tool.access(), self.agent.allowed, !self.has_read.is_empty());
        let why = why.or_else(|| (*verdict == Verdict::Ask).then_some(Why::Wanted))?;
        let now = self.cx.now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let is_granted = self.grants.iter().any(|grant| grant.covers(&ready.call, why, now));
        (!is_granted).then_some(why)
    }

    /// Asks about calls, makes those that are approved, and waits for the answers that are not there.
    async fn run_approved(&mut self, asked: Vec<(Ready, Why)>, made: &mut [Option<Made>]) -> Result<()> {
        let origins: Vec<Origin> = self.has_read.iter().copied().collect();
        let (mut now, mut open) = (Vec::new(), Vec::new());
        for (ready, why) in asked {
            let name = format!("approve {}.{}", self.turn.steps(), ready.index);
            let Some(answer) = self.cx.task().answer_named(&name) else {
                open.push((name, prompt(&ready.call, ready.tool.access(), why, &origins)));
                continue;
            };
            let decision: Decision = serde_json::from_value::<Answer>(answer)?.into();
            self.grants.extend(Grant::of(&ready.call, &decision, why));
            let (index, call) = (ready.index, ready.call.clone());
            match self.decided(ready, decision) {
                Ok(ready) => now.push(ready),
                Err(told) => {
                    made[index] = Some(Made { result: ToolResult::failed(&call, told), origin: Origin::User });
                }
            }
        }
        self.run(now, made).await?;
        if open.is_empty() {
            return Ok(());
        }
        let schema = schemars::schema_for!(Answer).to_value();
        for (name, prompt) in open {
            self.cx.task().ask_named(&name, prompt, schema.clone());
        }
        std::future::pending().await
    }

    /// Turns what a person decided into a call, or into what the model is told.
    fn decided(&self, ready: Ready, decision: Decision) -> Result<Ready, String> {
        if !decision.approve {
            let reason = decision.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            return Err(format!(
                "a person has declined this call{reason}. Do not try to reach the same by other means."
            ));
        }
        let Some(arguments) = decision.arguments else { return Ok(ready) };
        let call = ToolCall { arguments_json: arguments.to_string(), ..ready.call };
        let note = Some(format!("(a person has changed the arguments to {arguments})"));
        Ok(Ready { note, ..self.ready(ready.index, call)? })
    }

    /// Makes calls side by side.
    async fn run(&self, ready: Vec<Ready>, made: &mut [Option<Made>]) -> Result<()> {
        let asking = Arc::new(Asking::default());
        let mut running: FuturesUnordered<_> =
            ready.into_iter().map(|ready| self.journalled(ready, asking.clone())).collect();
        poll_fn(|context| {
            loop {
                match running.poll_next_unpin(context) {
                    Poll::Ready(Some(Ok((index, outcome)))) => made[index] = Some(outcome),
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                    Poll::Ready(None) => return Poll::Ready(Ok(())),
                    Poll::Pending => {
                        // Only people can help now.
                        if asking.waiting() == running.len() {
                            asking.ask(self.cx.task());
                        }
                        return Poll::Pending;
                    }
                }
            }
        })
        .await
    }

    /// Makes a call, unless its result is known.
    async fn journalled(&self, ready: Ready, asking: Arc<Asking>) -> Result<(usize, Made)> {
        let index = ready.index;
        let name = format!("tool {}.{index}", self.turn.steps());
        let made = self.cx.effect(&name, async |key| self.told(ready, key, asking).await).await?;
        Ok((index, made))
    }

    /// Makes a call and tells those who listen.
    async fn told(&self, ready: Ready, key: String, asking: Arc<Asking>) -> Result<Made> {
        let Ready { index, call, tool, arguments, note } = ready;
        self.cx.tool_call(&call.id, &call.name, &arguments).await;
        let host = Host { task: self.cx.task().clone(), asking, index };
        let cx = ToolCx::new(call.clone(), key).share(self.agent.shared.clone());
        let unsaid = if tool.access().meets(FOREIGN) { Origin::Tool } else { Origin::Developer };
        let (mut result, origin) = match attempts(&*tool, &cx, host, arguments).await {
            Ok(output) => {
                let parts = note.map(Part::text).into_iter().chain(output.parts).collect();
                let (id, name) = (call.id.clone(), call.name.clone());
                (ToolResult { id, name, parts, is_error: false }, output.origin.unwrap_or(unsaid))
            }
            Err(error) => {
                if let Some(hidden) = error.hidden() {
                    tracing::warn!(tool = call.name, call = call.id, error = hidden, "a tool has failed");
                }
                (ToolResult::failed(&call, error.for_model(&call.name)), unsaid)
            }
        };
        for around in self.agent.around.iter().rev() {
            around.after_tool(self.turn, &call, &mut result).await?;
        }
        if self.cx.task().is_heard() {
            self.cx.tool_result(&call.id, &Value::from(result.text())).await;
        }
        Ok(Made { result, origin })
    }
}

/// Calls a tool within its limits, again if that may help.
async fn attempts(tool: &dyn Tool, cx: &ToolCx, host: Host, arguments: Value) -> Result<ToolOutput, ToolError> {
    let (limits, cx) = (tool.limits(), cx.clone().host(Arc::new(host.clone())));
    for attempt in 1.. {
        host.begin();
        let call = AssertUnwindSafe(tool.call(cx.clone(), arguments.clone())).catch_unwind();
        let error = tokio::select! {
            ended = call => match ended {
                Ok(Ok(output)) => return Ok(output.cut(limits.output_bytes_max)),
                Ok(Err(error)) => error,
                Err(panic) => crate::run::panicked("the tool", &*panic).into(),
            },
            () = host.too_long(limits.timeout) => {
                let message = format!("`{}` took longer than {:?} and was stopped", cx.call().name, limits.timeout);
                ToolError::failed(message)
            }
        };
        let wait = error.passing().zip(limits.retry);
        let wait = wait.and_then(|(error, retry)| retry.wait(attempt, error, host.task.chance(attempt)));
        let Some(wait) = wait else { return Err(error) };
        tokio::time::sleep(wait).await;
    }
    unreachable!("attempts end by themselves")
}

/// Holds arguments against a schema, and says all that is wrong with them in words for the model.
fn fits(schema: &jsonschema::Validator, arguments: &Value) -> Result<(), String> {
    let faults: Vec<String> = schema
        .iter_errors(arguments)
        .map(|fault| match fault.instance_path().as_str() {
            "" => fault.to_string(),
            path => format!("{path}: {fault}"),
        })
        .collect();
    match faults.is_empty() {
        true => Ok(()),
        false => Err(format!("the arguments do not fit the schema: {}", faults.join("; "))),
    }
}
