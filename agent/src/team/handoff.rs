//! Members who hand the person over to each other. Who has the word keeps it over turns, until it hands over.

use lorewell_model::{FunctionTool, Result, Role, ToolError, ToolOutput, tool};
use schemars::JsonSchema;
use serde::Deserialize;

use super::ROUNDS_MAX;
use super::line::nobody;
use super::member::{Member, chats};
use super::talk::{Talk, TalkUpdate};
use crate::agent::Chat;
use crate::graph::{END, Graph, Node, START};

/// The tool by which a member hands over.
const TOOL: &str = "hand_over";

#[derive(Deserialize, JsonSchema)]
struct HandOver {
    /// Whom to hand over to.
    to: String,
    /// What that one must know: what the person wants, what was found out.
    why: String,
}

/// A team whose members hand the person over to each other, by a tool that each of them has. The first one begins; who has the
/// word then has it in the next run of the thread too. A member that is a team answers, and does not hand over.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> lorewell_agent::Result<()> {
/// use lorewell_agent::{Agent, checkpoint::Memory, team};
/// # use lorewell_model::{Message, Model, Part, Role, ToolCall, mock::Script};
/// # let call = ToolCall::new("1", "hand_over", &serde_json::json!({"to": "repairs", "why": "A lamp is broken."}));
/// # let model = |answers: Vec<Message>| Model::new("mock:script".parse().unwrap(), Script::new(answers));
/// # let one = model(vec![Message::new(Role::Assistant, [Part::ToolCall(call)])]);
/// # let two = model(vec![Message::assistant("Which one?"), Message::assistant("I come at noon.")]);
///
/// let front = team::Member::new(Agent::new(one).name("front"), "finds out what people want");
/// let repairs = team::Member::new(Agent::new(two).name("repairs"), "mends what is broken");
/// let thread = team::hand_offs([front, repairs])?.build()?.thread("call-7", Memory::new());
/// let talk = thread.run(team::Talk::say("My lamp is broken.")).await?.done()?;
/// assert_eq!(talk.text(), "Which one?");
/// let talk = thread.run(team::Talk::say("In the hall.")).await?.done()?; // `repairs` still has the word
/// assert_eq!(talk.text(), "I come at noon.");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Config` if nobody is in it, or a member cannot run as it is. The run fails with `Limit` after
/// [`ROUNDS_MAX`](super::ROUNDS_MAX) hand-overs.
pub fn hand_offs(members: impl IntoIterator<Item = impl Into<Member>>) -> Result<Graph<Talk>> {
    let members: Vec<Member> = members.into_iter().map(Into::into).collect();
    let Some(first) = members.first().map(|member| member.name.clone()) else { return Err(nobody()) };
    let names: Vec<String> = members.iter().map(|member| member.name.clone()).collect();
    let is_member = names.clone();
    let mut graph = Graph::new().branch(START, &names, move |talk: &Talk| {
        talk.next.clone().filter(|next| is_member.contains(next)).unwrap_or_else(|| first.clone())
    });
    for member in &members {
        let (me, name, others) = (&member.name, member.name.clone(), others(member, &members));
        let targets: Vec<&str> = others.iter().map(|other| &*other.name).chain([END]).collect();
        graph = graph.node(me, speaks(member, &others)?).branch(me, targets, move |talk: &Talk| {
            talk.next.clone().filter(|next| *next != name).unwrap_or_else(|| END.to_owned())
        });
    }
    Ok(graph.steps_max(ROUNDS_MAX as u64 + 1))
}

fn others<'a>(member: &Member, members: &'a [Member]) -> Vec<&'a Member> {
    members.iter().filter(|other| other.name != member.name).collect()
}

/// The node of a member, which has the tool to hand over if it is an agent.
fn speaks(member: &Member, others: &[&Member]) -> Result<Node<Talk>> {
    let me = member.name.clone();
    let keeps = move |name: &str| Talk::update().next(Some(name.to_owned()));
    let Some(agent) = member.agent().filter(|_| !others.is_empty()) else {
        let name = me.clone();
        return member.hears(move |talk| talk.seen_by(&me, None), move |_, _| keeps(&name));
    };
    let flow = agent.clone().tool(TOOL, hand_over(others)).flow()?;
    let name = me.clone();
    Ok(chats(
        &member.name,
        flow,
        move |talk| talk.seen_by(&me, None),
        move |chat, _| {
            Ok(match handed_over(chat) {
                Some(HandOver { to, why }) => handing(chat, &to, &why),
                None => (Some(chat.text()), keeps(&name)),
            })
        },
    ))
}

fn handing(chat: &Chat, to: &str, why: &str) -> (Option<String>, TalkUpdate) {
    let text = chat.text();
    let text = if text.is_empty() { format!("@{to} {why}") } else { format!("{text}\n\n@{to} {why}") };
    (Some(text), Talk::update().next(Some(to.to_owned())))
}

fn hand_over(others: &[&Member]) -> FunctionTool {
    let names: Vec<String> = others.iter().map(|other| other.name.clone()).collect();
    let known = others.iter().map(|other| format!("- {}: {}", other.name, other.description));
    let known = known.collect::<Vec<_>>().join("\n");
    let described = format!("Hands the person over to somebody who is better placed to help. There are:\n{known}");
    let call = move |HandOver { to, .. }: HandOver| {
        let is_known = names.contains(&to);
        let known = names.join("`, `");
        async move {
            match is_known {
                true => Ok(ToolOutput::text(format!("handed over to {to}")).end_turn()),
                false => Err(ToolError::retry(format!("there is no `{to}`; there are `{known}`"))),
            }
        }
    };
    tool(call).description(described)
}

/// Whom the newest turn has handed over to.
fn handed_over(chat: &Chat) -> Option<HandOver> {
    let (answer, results) = match chat.messages.as_slice() {
        [.., answer, results] if results.role == Role::Tool => (answer, results),
        _ => return None,
    };
    let mut results = results.parts.iter().filter_map(|part| match part {
        lorewell_model::Part::ToolResult(result) if result.name == TOOL && !result.is_error => Some(&result.id),
        _ => None,
    });
    let id = results.next()?;
    answer.tool_calls().find(|call| call.id == *id)?.arguments().ok()
}
