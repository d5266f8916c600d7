//! A planner and who carries its plan out, one step at a time; after each the planner looks again at what is left.

use lorewell_model::{OutputSchema, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use super::ROUNDS_MAX;
use super::member::{Member, decides};
use super::talk::Talk;
use crate::agent::Agent;
use crate::graph::{END, Graph};

/// What is left to be done.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Plan {
    /// The steps that are left, in order, each a task that can be done without knowing the others; none when the answer is known.
    steps: Vec<String>,
    /// The answer to the person, when no step is left.
    answer: Option<String>,
}

/// A team of a planner, who makes steps of the task, and somebody who carries them out one by one. After each step the planner
/// sees what came of it and changes what is left, until it has the answer.
///
/// Plan-and-Solve, Wang et al. 2023, arXiv 2305.04091; with the plan looked at again after each step.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> lorewell_agent::Result<()> {
/// use lorewell_agent::{Agent, team::{self, Talk}};
/// # use lorewell_model::{Message, Model, mock::Script};
/// # let scripted = |texts: &[&str]| {
/// #     let answers = texts.iter().map(|text| Message::assistant(*text));
/// #     Model::new("mock:script".parse().unwrap(), Script::new(answers))
/// # };
/// # let big = scripted(&[
/// #     r#"{"steps": ["Find the height.", "Find the age."], "answer": null}"#,
/// #     r#"{"steps": [], "answer": "It is 12 m high."}"#,
/// # ]);
/// # let small = scripted(&["12 m"]);
///
/// let planner = Agent::new(big).name("planner");
/// let worker = Agent::new(small).name("worker");
/// let team = team::plan_and_execute(&planner, worker)?.build()?;
/// let talk = team.run(Talk::say("How high is the tower?")).await?.done()?;
/// assert_eq!(talk.text(), "It is 12 m high.");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Config` if a member cannot run as it is. The run fails with `Limit` after [`ROUNDS_MAX`](super::ROUNDS_MAX) steps.
pub fn plan_and_execute(planner: &Agent, worker: impl Into<Member>) -> Result<Graph<Talk>> {
    let worker: Member = worker.into();
    let (name, me) = (planner.own_name().to_owned(), planner.own_name().to_owned());
    let asked = "Say which steps are left to be done, or the answer if none is. What was done need not be done again.";
    let node = decides(
        planner,
        OutputSchema::of::<Plan>(),
        move |talk| talk.seen_by(&me, Some(asked)),
        |Plan { steps, answer }, _| {
            let Some(next) = steps.first() else {
                let answer = answer.unwrap_or_default();
                return (Some(answer.clone()), Talk::update().plan(steps).answer(Some(answer)));
            };
            (Some(format!("Next: {next}")), Talk::update().plan(steps))
        },
    )?;
    let step = worker.speaks(|talk| talk.plan.first().map(|step| format!("Do this one step now: {step}")))?;
    let (first, then) = (name.clone(), worker.name.clone());
    Ok(Graph::new()
        .node(&name, node)
        .node(&worker.name, step)
        .start(&name)
        .branch(&first, [&*then, END], move |talk: &Talk| match talk.plan.is_empty() {
            true => END.to_owned(),
            false => worker.name.clone(),
        })
        .edge(&then, &name)
        .steps_max(2 * ROUNDS_MAX as u64 + 1))
}
