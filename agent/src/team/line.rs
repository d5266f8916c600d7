//! One after the other, and side by side.

use lorewell_model::{Error, Kind, Result};

use super::member::Member;
use super::talk::Talk;
use crate::graph::{END, Graph};

/// A team whose members speak one after the other, each knowing what was said before; the last one's words are the answer.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> lorewell_agent::Result<()> {
/// use lorewell_agent::{Agent, team};
/// # use lorewell_model::{Message, Model, mock::Script};
/// # let scripted = |text: &str| Model::new("mock:script".parse().unwrap(), Script::new([Message::assistant(text)]));
/// # let (one, other) = (scripted("A draft."), scripted("A text."));
///
/// let author = Agent::new(one).name("author").instructions("You write drafts.");
/// let editor = Agent::new(other).name("editor").instructions("You make texts shorter.");
/// let team = team::sequential([author, editor])?.build()?;
/// let talk = team.run(team::Talk::say("Write about tea.")).await?.done()?;
/// assert_eq!(talk.text(), "A text.");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Config` if nobody is in it, or a member cannot run as it is.
pub fn sequential(members: impl IntoIterator<Item = impl Into<Member>>) -> Result<Graph<Talk>> {
    let members: Vec<Member> = members.into_iter().map(Into::into).collect();
    let (Some(first), Some(last)) = (members.first(), members.last()) else { return Err(nobody()) };
    let mut graph = Graph::new().start(&first.name).edge(&last.name, END);
    for pair in members.windows(2) {
        graph = graph.edge(&pair[0].name, &pair[1].name);
    }
    for member in &members {
        graph = graph.node(&member.name, member.speaks(|_| None)?);
    }
    Ok(graph)
}

/// A team whose members speak at the same time, each knowing only the task; then `merge` makes one answer of theirs.
///
/// # Errors
/// `Config` if nobody is in it, or a member cannot run as it is.
pub fn parallel(members: impl IntoIterator<Item = impl Into<Member>>, merge: impl Into<Member>) -> Result<Graph<Talk>> {
    let members: Vec<Member> = members.into_iter().map(Into::into).collect();
    if members.is_empty() {
        return Err(nobody());
    }
    let merge: Member = merge.into();
    let names: Vec<String> = members.iter().map(|member| member.name.clone()).collect();
    let mut graph = Graph::new().join(&names, &merge.name).edge(&merge.name, END);
    for member in &members {
        graph = graph.start(&member.name).node(&member.name, member.speaks(|_| None)?);
    }
    let asked = "Make one answer to the task of what the others have said.";
    Ok(graph.node(&merge.name, merge.speaks(move |_| Some(asked.to_owned()))?))
}

pub(super) fn nobody() -> Error {
    Error::new(Kind::Config, "a team needs members")
}
