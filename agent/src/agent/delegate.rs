//! Graphs and agents as tools of other agents. Within an agent such a call runs inside its task: with checkpoints of its own,
//! questions that reach the thread, and the budget of the run. Anywhere else it runs by itself.

use std::sync::Arc;
use std::time::Duration;

use lorewell_model::{Error, Finish, FunctionTool, Kind, Origin, Result, ToolCx, ToolError, ToolOutput, tool};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::host::Host;
use super::{Agent, Chat};
use crate::checkpoint::Memory;
use crate::flow::Flow;
use crate::run::{Input, Outcome};
use crate::state::State;

/// How long a graph or an agent that is a tool may take, unless said; without the time in which it waits for a person.
pub const DELEGATE_TIMEOUT: Duration = Duration::from_secs(600);
/// How often a graph that runs by itself, and not inside an agent, may stop to ask.
const ROUNDS_MAX: usize = 100;

/// What an agent is asked to do as a tool.
#[derive(Deserialize, JsonSchema)]
struct Task {
    /// What is to be done, with all that one has to know for it: nothing else of this conversation is passed on.
    task: String,
}

impl<S: State> Flow<S> {
    /// Makes a tool of it, for an agent: `input` makes of the arguments what it begins with, `output` of its last state what the
    /// model is told. Nobody vouches for what it tells, unless `output` says otherwise.
    ///
    /// A flow that [keeps](Self::keep) its state goes on in each call where the last one of the thread has ended.
    pub fn as_tool<A, I, R>(
        self,
        description: &str,
        input: impl Fn(A) -> I + Send + Sync + 'static,
        output: impl Fn(S) -> R + Send + Sync + 'static,
    ) -> FunctionTool
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        I: Into<Input<S>>,
        R: Into<ToolOutput>,
    {
        let shared = Arc::new((self, input, output));
        let call = move |cx: ToolCx, arguments: A| {
            let shared = shared.clone();
            async move {
                let (flow, input, output) = &*shared;
                let begin = input(arguments).into();
                let told: ToolOutput = output(Arc::unwrap_or_clone(run(&cx, flow, begin).await?)).into();
                let origin = told.origin.unwrap_or(Origin::Tool);
                Ok::<_, ToolError>(told.origin(origin))
            }
        };
        tool(call).description(description).timeout(DELEGATE_TIMEOUT)
    }
}

impl Agent {
    /// Makes a tool of it, for another agent, which calls it with a task in words and is told its answer. It knows nothing of
    /// the other's conversation, but what the other has read it counts as read.
    ///
    /// What its tools want to have approved is asked where the other's is, and what it spends counts against the budget of
    /// the run.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> lorewell_agent::Result<()> {
    /// use lorewell_agent::Agent;
    /// # use lorewell_model::{Message, Model, Part, Role, ToolCall, mock::Script};
    /// # let call = ToolCall::new("1", "librarian", &serde_json::json!({"task": "Who wrote Momo?"}));
    /// # let answers = [Message::new(Role::Assistant, [Part::ToolCall(call)]), Message::assistant("Michael Ende.")];
    /// # let model = Model::new("mock:script".parse()?, Script::new(answers));
    /// # let small = Model::new("mock:script".parse()?, Script::new([Message::assistant("Michael Ende")]));
    ///
    /// let librarian = Agent::new(small).instructions("You know books.");
    /// let agent = Agent::new(model).tool("librarian", librarian.as_tool("Answers questions about books."));
    /// assert_eq!(agent.run("Who wrote Momo?").await?, "Michael Ende.");
    /// # Ok(())
    /// # }
    /// ```
    pub fn as_tool(&self, description: &str) -> FunctionTool {
        let agent = self.clone();
        let call = move |cx: ToolCx, Task { task }: Task| {
            let agent = agent.clone();
            async move {
                let chat = run(&cx, &agent.flow()?, Chat::say(task).into()).await?;
                if chat.finish == Some(Finish::Refused) {
                    return Err(ToolError::failed("it declined to answer"));
                }
                let origin = chat.has_read.first().copied().unwrap_or(Origin::Developer);
                Ok(ToolOutput::text(chat.text()).origin(origin))
            }
        };
        tool(call).description(description).timeout(DELEGATE_TIMEOUT)
    }
}

/// Runs a graph for a call: inside the task of the agent that calls, or by itself.
async fn run<S: State>(cx: &ToolCx, flow: &Flow<S>, input: Input<S>) -> Result<Arc<S>> {
    match cx.caller::<Host>() {
        Some(host) => Box::pin(host.run(&cx.call().name, flow, input)).await,
        None => Box::pin(alone(cx, flow, input)).await,
    }
}

/// Runs a graph where no agent calls: what it asks, whoever calls is asked.
async fn alone<S: State>(cx: &ToolCx, flow: &Flow<S>, input: Input<S>) -> Result<Arc<S>> {
    let thread = flow.thread(cx.key(), Memory::new());
    let mut outcome = thread.run(input).await?;
    for _ in 0..ROUNDS_MAX {
        let paused = match outcome {
            Outcome::Done(state) => return Ok(Arc::new(state)),
            Outcome::Paused(paused) => paused,
        };
        for question in paused.questions {
            let prompt = question.prompt.as_str().map_or_else(|| question.prompt.to_string(), str::to_owned);
            let answer = cx.ask_json(&prompt, question.schema).await?;
            thread.answer(&question.id, answer).await?;
        }
        outcome = thread.resume().await?;
    }
    Err(Error::new(Kind::Limit, format!("it has asked {ROUNDS_MAX} times and is not done")))
}
