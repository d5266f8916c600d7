//! Somebody who tries, and somebody who says what was wrong with it, until it is right.

use lorewell_model::{OutputSchema, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use super::member::{Member, decides};
use super::talk::Talk;
use crate::agent::Agent;
use crate::graph::{END, Graph};

/// What a critic says.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Verdict {
    /// Whether the answer does all that the task asks for.
    is_right: bool,
    /// If it does not: what was wrong, why, and what to do differently next time.
    lesson: String,
}

/// A team of an actor, who tries, and a critic, who says what to learn from it, until the critic has nothing to say or the actor
/// has tried so often. The answer is the last attempt.
///
/// Reflexion, Shinn et al. 2023, arXiv 2303.11366.
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
/// # let tries = scripted(&["Tea is grey.", "Tea is green."]);
/// # let looks = scripted(&[r#"{"is_right": false, "lesson": "Look."}"#, r#"{"is_right": true, "lesson": ""}"#]);
///
/// let team = team::reflexion(Agent::new(tries).name("actor"), &Agent::new(looks).name("critic"), 3)?.build()?;
/// let talk = team.run(Talk::say("What colour has tea?")).await?.done()?;
/// assert_eq!(talk.text(), "Tea is green.");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Config` if a member cannot run as it is.
pub fn reflexion(actor: impl Into<Member>, critic: &Agent, tries_max: usize) -> Result<Graph<Talk>> {
    let actor: Member = actor.into();
    let (name, me) = (critic.own_name().to_owned(), critic.own_name().to_owned());
    let asked = "Is the last answer right? If it is not, say what is to be learned from it.";
    let by = actor.name.clone();
    let node = decides(
        critic,
        OutputSchema::of::<Verdict>(),
        move |talk| talk.seen_by(&me, Some(asked)),
        move |Verdict { is_right, lesson }, talk| {
            let tries = talk.since_task().iter().filter(|said| said.by == by).count();
            let is_over = is_right || tries >= tries_max;
            let answer = talk.by(&by).filter(|_| is_over).map(str::to_owned);
            let said = (!is_right).then_some(lesson);
            (said, Talk::update().answer(answer))
        },
    )?;
    let acts = actor.speaks(|talk| (!talk.since_task().is_empty()).then(|| "Try again.".to_owned()))?;
    let target = actor.name.clone();
    Ok(Graph::new()
        .node(&actor.name, acts)
        .node(&name, node)
        .start(&actor.name)
        .edge(&actor.name, &name)
        .branch(&name, [&*actor.name, END], move |talk: &Talk| match talk.answer {
            Some(_) => END.to_owned(),
            None => target.clone(),
        })
        .steps_max(2 * tries_max as u64 + 1))
}
