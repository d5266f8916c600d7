//! A conversation in a group, and who has the word in it.

use std::fmt;
use std::sync::Arc;

use lorewell_model::{OutputSchema, Result};
use serde::Deserialize;
use serde_json::json;

use super::line::nobody;
use super::member::{Member, decides};
use super::talk::Talk;
use crate::agent::Agent;
use crate::graph::{END, Graph, START};

/// Says who speaks next; nobody, if the conversation is over.
type Choose = dyn Fn(&Talk) -> Option<String> + Send + Sync;

/// Who has the word in a group.
#[derive(Clone)]
pub struct Speakers(Policy);

#[derive(Clone)]
enum Policy {
    InTurn,
    ByLot(u64),
    By(Arc<Choose>),
    Moderator(Agent),
}

impl Speakers {
    /// One after the other, in the order of the members.
    #[must_use]
    pub fn in_turn() -> Self {
        Self(Policy::InTurn)
    }

    /// By lot, but nobody twice in a row; the same seed draws the same.
    #[must_use]
    pub fn by_lot(seed: u64) -> Self {
        Self(Policy::ByLot(seed))
    }

    /// Whom a function names; the conversation is over when it names nobody. It must say the same of the same talk.
    pub fn by(choose: impl Fn(&Talk) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Policy::By(Arc::new(choose)))
    }

    /// Whom a moderator names, who also says when it is over.
    #[must_use]
    pub fn moderated(moderator: Agent) -> Self {
        Self(Policy::Moderator(moderator))
    }
}

/// A group whose members talk to each other, each hearing all that was said, until so many things were said or there is nobody
/// to speak. The answer is what was said last.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> lorewell_agent::Result<()> {
/// use lorewell_agent::{Agent, team::{self, Speakers, Talk}};
/// # use lorewell_model::{Message, Model, mock::Script};
/// # let scripted = |texts: &[&str]| {
/// #     let answers = texts.iter().map(|text| Message::assistant(*text));
/// #     Model::new("mock:script".parse().unwrap(), Script::new(answers))
/// # };
/// # let (a, b) = (scripted(&["Blue?", "Fine."]), scripted(&["Green!"]));
///
/// let group = team::group([Agent::new(a).name("ann"), Agent::new(b).name("bob")], Speakers::in_turn(), 3)?;
/// let talk = group.build()?.run(Talk::say("Which colour shall the door have?")).await?.done()?;
/// assert_eq!(talk.since_task().len(), 3);
/// assert_eq!((talk.by("bob"), talk.text()), (Some("Green!"), "Fine."));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Config` if nobody is in it, or a member cannot run as it is.
pub fn group(
    members: impl IntoIterator<Item = impl Into<Member>>,
    speakers: Speakers,
    words_max: usize,
) -> Result<Graph<Talk>> {
    let members: Vec<Member> = members.into_iter().map(Into::into).collect();
    if members.is_empty() {
        return Err(nobody());
    }
    let names: Vec<String> = members.iter().map(|member| member.name.clone()).collect();
    let is_over = {
        let names = names.clone();
        move |talk: &Talk| talk.since_task().iter().filter(|said| names.contains(&said.by)).count() >= words_max
    };
    let mut graph = Graph::new().steps_max(2 * words_max as u64 + 2);
    for member in &members {
        graph = graph.node(&member.name, member.speaks(|_| None)?);
    }
    match speakers.0 {
        Policy::Moderator(moderator) => moderated(graph, &moderator, &members, is_over),
        policy => {
            let choose = chooses(policy, names.clone());
            let next = Arc::new(move |talk: &Talk| match is_over(talk) {
                true => END.to_owned(),
                false => choose(talk).unwrap_or_else(|| END.to_owned()),
            });
            let targets: Vec<&str> = names.iter().map(|name| &**name).chain([END]).collect();
            for from in names.iter().map(|name| &**name).chain([START]) {
                let next = next.clone();
                graph = graph.branch(from, targets.iter().copied(), move |talk: &Talk| next(talk));
            }
            Ok(graph)
        }
    }
}

fn chooses(policy: Policy, names: Vec<String>) -> Arc<Choose> {
    match policy {
        Policy::By(choose) => choose,
        Policy::ByLot(seed) => Arc::new(move |talk| {
            let said = talk.since_task();
            let last = said.last().map(|said| &said.by);
            let others: Vec<&String> = names.iter().filter(|name| names.len() == 1 || Some(*name) != last).collect();
            let drawn = blake3::hash(&[seed.to_le_bytes(), (said.len() as u64).to_le_bytes()].concat());
            let [a, b, c, d, ..] = *drawn.as_bytes();
            let at = u32::from_le_bytes([a, b, c, d]) as usize % others.len().max(1);
            others.get(at).map(|name| (*name).clone())
        }),
        Policy::InTurn | Policy::Moderator(_) => {
            Arc::new(move |talk| names.get(talk.since_task().len() % names.len().max(1)).cloned())
        }
    }
}

/// Whom a moderator names.
#[derive(Deserialize)]
struct Named {
    next: Option<String>,
}

fn moderated(
    graph: Graph<Talk>,
    moderator: &Agent,
    members: &[Member],
    is_over: impl Fn(&Talk) -> bool + Send + Sync + 'static,
) -> Result<Graph<Talk>> {
    let me = moderator.own_name().to_owned();
    let known: Vec<String> =
        members.iter().map(|member| format!("- {}: {}", member.name, member.description)).collect();
    let asked = format!("Say who speaks next, or null if all has been said. There are:\n{}", known.join("\n"));
    let names: Vec<serde_json::Value> =
        members.iter().map(|member| json!(member.name)).chain([serde_json::Value::Null]).collect();
    let schema = json!({
        "type": "object",
        "properties": {"next": {"enum": names}},
        "required": ["next"],
        "additionalProperties": false,
    });
    let name = me.clone();
    let node = decides(
        moderator,
        OutputSchema::new("next", schema),
        move |talk| talk.seen_by(&me, Some(&asked)),
        |Named { next }, _| (None, Talk::update().next(next)),
    )?;
    let targets: Vec<&str> = members.iter().map(|member| &*member.name).chain([END]).collect();
    let mut graph = graph.node(&name, node).start(&name).branch(&name, targets, move |talk: &Talk| {
        talk.next.clone().filter(|_| !is_over(talk)).unwrap_or_else(|| END.to_owned())
    });
    for member in members {
        graph = graph.edge(&member.name, &name);
    }
    Ok(graph)
}

impl fmt::Debug for Speakers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Policy::InTurn => "Speakers::in_turn",
            Policy::ByLot(_) => "Speakers::by_lot",
            Policy::By(_) => "Speakers::by",
            Policy::Moderator(_) => "Speakers::moderated",
        })
    }
}
