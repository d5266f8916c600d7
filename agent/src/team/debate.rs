//! Members who answer at the same time, then look at each other's answers, and a judge at the end.

use lorewell_model::Result;

use super::line::nobody;
use super::member::Member;
use super::talk::Talk;
use crate::cx::Cx;
use crate::graph::{END, Graph};

/// The node between two rounds.
const ROUND: &str = "round";

/// A debate: each round all answer at the same time; from the second on each has heard what the others have said. After so many
/// rounds the judge gives the answer.
///
/// Du et al. 2023, arXiv 2305.14325.
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
/// # let (a, b, c) = (scripted(&["7", "8"]), scripted(&["8", "8"]), scripted(&["It is 8."]));
///
/// let (ann, bob, judge) = (Agent::new(a).name("ann"), Agent::new(b).name("bob"), Agent::new(c).name("judge"));
/// let team = team::debate([ann, bob], judge, 2)?.build()?;
/// let talk = team.run(Talk::say("How many legs has a spider?")).await?.done()?;
/// assert_eq!(talk.text(), "It is 8.");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Config` if nobody is in it, or a member cannot run as it is.
pub fn debate(
    members: impl IntoIterator<Item = impl Into<Member>>,
    judge: impl Into<Member>,
    rounds: usize,
) -> Result<Graph<Talk>> {
    let (members, judge): (Vec<Member>, Member) = (members.into_iter().map(Into::into).collect(), judge.into());
    if members.is_empty() {
        return Err(nobody());
    }
    let names: Vec<String> = members.iter().map(|member| member.name.clone()).collect();
    let mut graph = Graph::new().node(ROUND, |_: Cx<Talk>| async { Ok(()) }).join(&names, ROUND);
    for member in &members {
        let asked = "Look at what the others have said. Say what you think now, and why.";
        let node = member.speaks(move |talk| (!talk.since_task().is_empty()).then(|| asked.to_owned()))?;
        graph = graph.start(&member.name).node(&member.name, node);
    }
    let asked = "Weigh what was said, and give the answer to the task.";
    graph = graph.node(&judge.name, judge.speaks(move |_| Some(asked.to_owned()))?).edge(&judge.name, END);
    let targets: Vec<&str> = names.iter().map(|name| &**name).chain([&*judge.name]).collect();
    let (all, last) = (names.clone(), judge.name.clone());
    let graph = graph.branch(ROUND, targets, move |talk: &Talk| match talk.since_task().len() / all.len() >= rounds {
        true => vec![last.clone()],
        false => all.clone(),
    });
    Ok(graph.steps_max(2 * rounds as u64 + 2))
}
