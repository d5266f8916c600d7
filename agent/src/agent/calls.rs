//! The calls of one answer: each is checked, approved where it has to be, made side by side with the others, and journalled. What
//! goes wrong in one stays with that one.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError};
use std::task::Poll;
use std::time::UNIX_EPOCH;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use lorewell_model::{
    Access, Budget, Error, Kind, Origin, Part, Result, Secret, Spent, Tool, ToolCall, ToolCx, ToolError, ToolOutput,
    ToolResult,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tracing::Instrument as _;

use super::approval::{Answer, Asked, Decision, Grant};
use super::host::{Asking, Host};
use super::middleware::Verdict;
use super::turn::Turn;
use super::{Chat, Inner, span};
use crate::cx::Cx;

/// Calls that one answer may have: several times what a model asks for at once that has a plan.
const CALLS_MAX: usize = 128;
/// Tools that touch this bring what others wrote.
const FOREIGN: Access = Access::READ.or(Access::NETWORK).or(Access::EXECUTE);

/// What came of a call, as it is journalled.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Made {
    result: ToolResult,
    origin: Origin,
    /// What agents inside the call have read.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    has_read: BTreeSet<Origin>,
    /// With what graphs inside the call have spent.
    #[serde(default)]
    spent: Spent,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ends_turn: bool,
}

/// What came of all calls of an answer.
pub(super) struct Results {
    pub(super) results: Vec<ToolResult>,
    /// Whether one of them ends the turn.
    pub(super) end_turn: bool,
}

impl Made {
    /// One that was not made, and what the model is told of it.
    fn not(call: &ToolCall, told: String, origin: Origin) -> Self {
        let (has_read, spent) = (BTreeSet::new(), Spent::default());
        Self { result: ToolResult::failed(call, told), origin, has_read, spent, ends_turn: false }
    }
}

/// The calls of one answer of the model.
pub(super) struct Calls<'a> {
    pub(super) agent: &'a Inner,
    pub(super) cx: &'a Cx<Chat>,
    pub(super) turn: &'a Turn,
    pub(super) grants: &'a mut Vec<Grant>,
    pub(super) has_read: &'a mut BTreeSet<Origin>,
}

/// What has become of a call before it is made.
enum Begun {
    /// It can be made. By what a person has said of it, later ones can too.
    Ready(Ready, Option<Grant>),
    /// It is not made.
    Over(Made),
    /// A person is asked.
    Asks,
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

impl Ready {
    fn asked<'a>(&'a self, has_read: &'a BTreeSet<Origin>) -> Asked<'a> {
        Asked { tool: &*self.tool, call: &self.call, arguments: &self.arguments, has_read }
    }
}

impl Calls<'_> {
    /// Makes them all, and returns their results in order.
    pub(super) async fn make(self, calls: &[ToolCall]) -> Result<Results> {
        let mut made: Vec<Option<Made>> = vec![None; calls.len()];
        let (mut now, mut grants, asking) = (Vec::new(), Vec::new(), Arc::new(Asking::default()));
        for (index, call) in calls.iter().enumerate() {
            match self.begin(index, call, &asking).await? {
                Begun::Ready(ready, grant) => {
                    now.push(ready);
                    grants.extend(grant);
                }
                Begun::Over(over) => made[index] = Some(over),
                Begun::Asks => {}
            }
        }
        // What needs nobody's word does not wait for it.
        self.run(now, &asking, &mut made).await?;
        if asking.ask(self.cx.task()) {
            std::future::pending::<()>().await;
        }
        // Only now: what is said of one call of an answer decides nothing about the others, which are asked about too.
        self.grants.extend(grants);
        let read = made.iter().flatten().flat_map(|made| made.has_read.iter().copied().chain([made.origin]));
        self.has_read.extend(read.filter(|origin| !origin.is_trusted()));
        let end_turn = made.iter().flatten().any(|made| made.ends_turn);
        let results = made.into_iter().map(|made| made.map(|made| made.result)).collect::<Option<Vec<_>>>();
        let results = results.ok_or_else(|| Error::new(Kind::Internal, "a call has no result"))?;
        Ok(Results { results, end_turn })
    }

    /// Finds out whether a call can be made.
    async fn begin(&self, index: usize, call: &ToolCall, asking: &Asking) -> Result<Begun> {
        let over = |told, origin| Ok(Begun::Over(Made::not(call, told, origin)));
        if index >= CALLS_MAX {
            return over(
                format!("not made: an answer may have {CALLS_MAX} calls; make fewer at once"),
                Origin::Developer,
            );
        }
        let ready = match self.ready(index, call.clone()) {
            Ok(ready) => ready,
            Err(told) => return over(told, Origin::Developer),
        };
        let verdict = match self.verdict(&ready, "").await? {
            Verdict::Refuse(told) => return over(told, Origin::Developer),
            verdict => verdict,
        };
        let asked = ready.asked(self.has_read);
        if !self.needs_approval(&asked, &verdict) {
            return Ok(Begun::Ready(ready, None));
        }
        let name = format!("approve {}.{index} {}", self.turn.steps(), asked.digest());
        let Some(answer) = self.cx.task().answer_named(&name) else {
            asking.later(index, name, asked.prompt(), schemars::schema_for!(Answer).to_value());
            return Ok(Begun::Asks);
        };
        let decision: Decision = serde_json::from_value::<Answer>(answer)?.into();
        match self.decided(ready, &decision).await? {
            Ok(ready) => {
                let grant = Grant::of(&ready.asked(self.has_read), &decision);
                Ok(Begun::Ready(ready, grant))
            }
            Err(told) => over(told, Origin::User),
        }
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

    /// Asks what stands around the tools. `occasion` tells apart the times that one call is asked about.
    async fn verdict(&self, ready: &Ready, occasion: &str) -> Result<Verdict> {
        if self.agent.around.is_empty() {
            return Ok(Verdict::Go);
        }
        let name = format!("verdict {}.{}{occasion}", self.turn.steps(), ready.index);
        let asked = self.cx.effect(&name, async |_| {
            let mut verdict = Verdict::Go;
            for around in self.agent.around.iter() {
                verdict = verdict.and(around.before_tool(self.turn, &ready.call).await?);
            }
            Ok(verdict)
        });
        asked.await
    }

    /// Says whether a person has to decide about a call, and has not done so before.
    fn needs_approval(&self, asked: &Asked<'_>, verdict: &Verdict) -> bool {
        if *verdict != Verdict::Ask && !asked.needs_approval(self.agent.allowed) {
            return false;
        }
        let now = self.cx.now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        !self.grants.iter().any(|grant| grant.covers(asked, now))
    }

    /// Turns what a person decided into a call, or into what the model is told.
    async fn decided(&self, ready: Ready, decision: &Decision) -> Result<Result<Ready, String>> {
        if !decision.approve {
            let reason = decision.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            return Ok(Err(format!(
                "a person has declined this call{reason}. Do not try to reach the same by other means."
            )));
        }
        let Some(arguments) = &decision.arguments else { return Ok(Ok(ready)) };
        let call = ToolCall { arguments_json: arguments.to_string(), ..ready.call };
        let note = Some(format!("(a person has changed the arguments to {arguments})"));
        let edited = match self.ready(ready.index, call) {
            Ok(edited) => Ready { note, ..edited },
            Err(told) => return Ok(Err(told)),
        };
        // What stands around the tools has not seen these arguments.
        Ok(match self.verdict(&edited, " edited").await? {
            Verdict::Refuse(told) => Err(told),
            Verdict::Go | Verdict::Ask => Ok(edited),
        })
    }

    /// Makes calls side by side.
    async fn run(&self, ready: Vec<Ready>, asking: &Arc<Asking>, made: &mut [Option<Made>]) -> Result<()> {
        let has_read = Arc::new(self.has_read.clone());
        let host = |index| Host {
            task: self.cx.task().clone(),
            asking: asking.clone(),
            step: self.turn.steps(),
            index,
            has_read: has_read.clone(),
            read: Arc::default(),
            spent: Arc::default(),
        };
        let mut running: FuturesUnordered<_> =
            ready.into_iter().map(|ready| self.journalled(host(ready.index), ready)).collect();
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
    async fn journalled(&self, host: Host, ready: Ready) -> Result<(usize, Made)> {
        let (index, mut is_new) = (ready.index, false);
        let name = format!("tool {}.{index}", self.turn.steps());
        let made = self.cx.effect(&name, async |key| {
            is_new = true;
            if let Some(budget) = self.cx.task().session.purse() {
                budget.begin_call()?;
            }
            self.made(ready, key, host).await
        });
        let made = made.await?;
        self.cx.task().spend(&name, made.spent, is_new);
        // At once: the turn may break off before it ends.
        self.cx.task().note_read(made.has_read.iter().copied().chain([made.origin]));
        Ok((index, made))
    }

    /// Makes a call inside of its span.
    async fn made(&self, ready: Ready, key: String, host: Host) -> Result<Made> {
        let open = span::of_call(self.cx.task(), &ready.call, &*ready.tool, &ready.arguments);
        let span = open.span();
        let made = self.told(ready, key, host).instrument(span.clone()).await;
        open.end(made.as_ref().err());
        made.inspect(|made| span::answered(&span, &made.result))
    }

    /// Makes a call and tells those who listen.
    async fn told(&self, ready: Ready, key: String, host: Host) -> Result<Made> {
        let Ready { call, tool, arguments, note, .. } = ready;
        self.cx.tool_call(&call.id, &call.name, &arguments).await;
        let (inside, read) = (host.spent.clone(), host.read.clone());
        let cx = ToolCx::new(call.clone(), key).share(self.agent.shared.clone());
        let unsaid = if tool.access().meets(FOREIGN) { Origin::Tool } else { Origin::Developer };
        let mut ends_turn = false;
        let (mut result, origin) = match attempts(&*tool, &cx, host, arguments).await {
            Ok(output) => {
                ends_turn = output.ends_turn;
                let parts = note.map(Part::text).into_iter().chain(output.parts).collect();
                let (id, name) = (call.id.clone(), call.name.clone());
                (ToolResult { id, name, parts, is_error: false }, output.origin.unwrap_or(unsaid))
            }
            Err(error) => {
                let error = match error.into_error() {
                    // What an agent inside could not spend, this one cannot either.
                    Ok(error) if Budget::is_over(&error) => return Err(error),
                    Ok(error) => error.into(),
                    Err(told) => told,
                };
                if let Some(hidden) = error.hidden() {
                    tracing::warn!(tool = call.name, call = call.id, error = hidden_words(hidden), "a tool has failed");
                }
                (ToolResult::failed(&call, error.for_model(&call.name)), unsaid)
            }
        };
        without_secrets(&mut result);
        for around in self.agent.around.iter().rev() {
            around.after_tool(self.turn, &call, &mut result).await?;
        }
        if self.cx.task().is_heard() {
            self.cx.tool_result(&call.id, &Value::from(result.text())).await;
        }
        let mut spent = std::mem::take(&mut *inside.lock().unwrap_or_else(PoisonError::into_inner));
        spent.calls += 1;
        let has_read = std::mem::take(&mut *read.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Made { result, origin, has_read, spent, ends_turn })
    }
}

/// Takes out of a result what this process keeps secret: it goes to the model, into the store and to those who listen.
fn without_secrets(result: &mut ToolResult) {
    for part in &mut result.parts {
        if let Part::Text(text) = part
            && let Cow::Owned(redacted) = Secret::redact_all(&text.text)
        {
            text.text = redacted;
        }
    }
}

/// All that an error hides from the model, for the log: itself and its causes, but no secret.
fn hidden_words(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    let words = causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"));
    Secret::redact_all(&words).into_owned()
}

/// Calls a tool within its limits, again if that may help.
async fn attempts(tool: &dyn Tool, cx: &ToolCx, host: Host, arguments: Value) -> Result<ToolOutput, ToolError> {
    let (limits, cx) = (tool.limits(), cx.clone().host(Arc::new(host.clone())));
    for nth in 1.. {
        host.begin();
        let error = match attempt(tool, &cx, &host, arguments.clone()).await {
            Ok(output) => return Ok(output.cut(limits.output_bytes_max)),
            Err(error) => error,
        };
        let wait = error.passing().zip(limits.retry);
        let wait = wait.and_then(|(error, retry)| retry.wait(nth, error, host.task.chance(nth)));
        let Some(wait) = wait else { return Err(error) };
        tokio::time::sleep(wait).await;
    }
    unreachable!("attempts end by themselves")
}

/// Calls a tool once, as long as it may take.
async fn attempt(tool: &dyn Tool, cx: &ToolCx, host: &Host, arguments: Value) -> Result<ToolOutput, ToolError> {
    // What the tool has begun elsewhere is told when this ends, in whatever way.
    let (cx, _attempt) = cx.attempt();
    let timeout = tool.limits().timeout;
    let name = cx.call().name.clone();
    let call = AssertUnwindSafe(tool.call(cx, arguments)).catch_unwind();
    tokio::select! {
        ended = call => ended.unwrap_or_else(|panic| Err(crate::run::panicked("the tool", &*panic).into())),
        () = host.too_long(timeout) => {
            Err(ToolError::failed(format!("`{name}` took longer than {timeout:?} and was stopped")))
        }
    }
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
