//! A supervisor who hands out work, one member at a time, until the task is done.

use lorewell_model::{OutputSchema, Result};
use serde::Deserialize;
use serde_json::json;

use super::ROUNDS_MAX;
use super::line::nobody;
use super::member::{Member, decides};
use super::talk::Talk;
use crate::agent::Agent;
use crate::graph::{END, Graph};

/// What the supervisor decides.
#[derive(Deserialize)]
struct Decision {
    next: String,
    words: String,
}

/// What `next` says when the task is done.
const DONE: &str = "done";

/// A team whose supervisor says who does what next, until it gives the answer itself. A member may be a team with a supervisor of
/// its own: [`Member::team`].
///
/// After [`ROUNDS_MAX`](super::ROUNDS_MAX) orders in one task the supervisor must answer.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> lorewell_agent::Result<()> {
/// use lorewell_agent::{Agent, team};
/// # use lorewell_model::{Message, Model, mock::Script};
/// # let scripted = |texts: &[&str]| {
/// #     let answers = texts.iter().map(|text| Message::assistant(*text));
/// #     Model::new("mock:script".parse().unwrap(), Script::new(answers))
/// # };
/// # let big = scripted(&[r#"{"next": "chemist", "words": "What is water?"}"#, r#"{"next": "done", "words": "H2O."}"#]);
/// # let small = scripted(&["It is H2O."]);
///
/// let chief = Agent::new(big).name("chief");
/// let chemist = team::Member::new(Agent::new(small).name("chemist"), "knows what things are made of");
/// let team = team::supervisor(&chief, [chemist])?.build()?;
/// let talk = team.run(team::Talk::say("What is water made of?")).await?.done()?;
/// assert_eq!(talk.text(), "H2O.");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Config` if nobody is in it, or a member cannot run as it is.
pub fn supervisor(chief: &Agent, members: impl IntoIterator<Item = impl Into<Member>>) -> Result<Graph<Talk>> {
    let members: Vec<Member> = members.into_iter().map(Into::into).collect();
    if members.is_empty() {
        return Err(nobody());
    }
    let name = chief.own_name().to_owned();
    let node = decides(chief, choice(&members), shown(&name, &members), |Decision { next, words }, _| {
        if next == DONE {
            return (Some(words.clone()), Talk::update().answer(Some(words)).next(None));
        }
        (Some(format!("@{next} {words}")), Talk::update().next(Some(next)))
    })?;
    let targets: Vec<&str> = members.iter().map(|member| &*member.name).chain([END]).collect();
    let mut graph = Graph::new()
        .node(&name, node)
        .start(&name)
        .branch(&name, targets, |talk: &Talk| talk.next.clone().unwrap_or_else(|| END.to_owned()));
    for member in &members {
        graph = graph.node(&member.name, member.speaks(|_| None)?).edge(&member.name, &name);
    }
    Ok(graph.steps_max(2 * ROUNDS_MAX as u64 + 2))
}

fn choice(members: &[Member]) -> OutputSchema {
    let names: Vec<&str> = members.iter().map(|member| &*member.name).chain([DONE]).collect();
    let schema = json!({
        "type": "object",
        "properties": {
            "next": {"enum": names, "description": "Who works next, or `done`."},
            "words": {"type": "string", "description": "What that one is to do; the answer to the person if it is done."},
        },
        "required": ["next", "words"],
        "additionalProperties": false,
    });
    OutputSchema::new("decision", schema)
}

/// What the supervisor is shown: all that was said, and whom it can ask.
fn shown(name: &str, members: &[Member]) -> impl Fn(&Talk) -> super::talk::Shown + Send + Sync + 'static {
    let members: Vec<String> =
        members.iter().map(|member| format!("- {}: {}", member.name, member.description)).collect();
    let (name, members) = (name.to_owned(), members.join("\n"));
    move |talk| {
        let orders = talk.since_task().iter().filter(|said| said.by == name).count();
        let told = match orders {
            ..ROUNDS_MAX => format!(
                "Say who works next and what that one is to do, or `done` and the answer. There are:\n{members}"
            ),
            _ => "Say `done` now, and the answer as far as it is known.".to_owned(),
        };
        talk.seen_by(&name, Some(&told))
    }
}
