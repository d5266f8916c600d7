//! A member of a team: an agent, or another team.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use lorewell_model::{Error, Finish, Kind, Origin, OutputSchema, Result, Usage};
use serde::de::DeserializeOwned;

use super::talk::{Said, Shown, Talk, TalkUpdate};
use crate::agent::{Agent, Chat};
use crate::cx::Cx;
use crate::flow::Flow;
use crate::graph::{Command, Node, node};

/// A member of a team, with its name and what it is good for. An [`Agent`] is one by its own name.
#[derive(Clone)]
pub struct Member {
    pub(super) name: String,
    pub(super) description: String,
    does: Does,
}

#[derive(Clone)]
enum Does {
    Agent(Agent),
    Team(Flow<Talk>),
}

impl From<Agent> for Member {
    fn from(agent: Agent) -> Self {
        Self::new(agent, "")
    }
}

impl Member {
    /// Returns the agent that it is, if it is one.
    pub(super) fn agent(&self) -> Option<&Agent> {
        match &self.does {
            Does::Agent(agent) => Some(agent),
            Does::Team(_) => None,
        }
    }

    /// The same under another name.
    pub(super) fn called(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Makes a member of an agent, and says what it is good for, to those who choose.
    pub fn new(agent: Agent, description: impl Into<String>) -> Self {
        Self { name: agent.own_name().to_owned(), description: description.into(), does: Does::Agent(agent) }
    }

    /// Makes a member of a whole team. It is told what was said as one task, and says its answer.
    pub fn team(name: impl Into<String>, description: impl Into<String>, team: Flow<Talk>) -> Self {
        Self { name: name.into(), description: description.into(), does: Does::Team(team) }
    }

    /// A node in which it says something to what was said, and to `asked` besides.
    pub(super) fn speaks(&self, asked: impl Fn(&Talk) -> Option<String> + Send + Sync + 'static) -> Result<Node<Talk>> {
        let me = self.name.clone();
        self.hears(move |talk| talk.seen_by(&me, asked(talk).as_deref()), |_, _| Talk::update())
    }

    /// A node in which it says something to what it is shown; `then` is written besides what it says.
    pub(super) fn hears(
        &self,
        shown: impl Fn(&Talk) -> Shown + Send + Sync + 'static,
        then: impl Fn(&str, &Talk) -> TalkUpdate + Send + Sync + 'static,
    ) -> Result<Node<Talk>> {
        let runs = match &self.does {
            Does::Agent(agent) => Runs::Agent(agent.flow()?),
            Does::Team(team) => Runs::Team(team.clone()),
        };
        let shared = Arc::new((self.name.clone(), runs, shown, then));
        Ok(node(move |cx: Cx<Talk>| {
            let shared = shared.clone();
            async move {
                let (name, runs, shown, then) = &*shared;
                let Answer { text, has_read, usage } = runs.answer(&cx, shown(cx.state())).await?;
                let then = then(&text, cx.state());
                let said = Talk::update().said([Said::new(name, text)]).has_read(has_read).usage(usage);
                Ok(written([said, then]))
            }
        }))
    }
}

/// What runs when a member speaks.
enum Runs {
    Agent(Flow<Chat>),
    Team(Flow<Talk>),
}

/// What a member has said.
struct Answer {
    text: String,
    has_read: BTreeSet<Origin>,
    usage: Usage,
}

impl Runs {
    async fn answer(&self, cx: &Cx<Talk>, shown: Shown) -> Result<Answer> {
        match self {
            Self::Agent(flow) => {
                let chat = chat(cx, flow, shown).await?;
                Ok(Answer { text: chat.text(), has_read: chat.has_read, usage: chat.usage })
            }
            Self::Team(flow) => {
                let talk = cx.run(flow, shown.task()).await?;
                Ok(Answer { text: talk.text().to_owned(), has_read: talk.has_read, usage: talk.usage })
            }
        }
    }
}

async fn chat(cx: &Cx<Talk>, flow: &Flow<Chat>, shown: Shown) -> Result<Chat> {
    let chat = cx.run(flow, shown.chat()).await?;
    match chat.finish {
        Some(Finish::Refused) => Err(Error::new(Kind::Refused, "the model declined to answer")),
        _ => Ok(chat),
    }
}

/// Updates of one task.
fn written(updates: impl IntoIterator<Item = TalkUpdate>) -> Command<Talk> {
    Command { updates: updates.into_iter().collect(), ..Command::new() }
}

/// A node that runs an agent: `then` makes of its conversation what it says, and what is written besides.
pub(super) fn chats(
    name: &str,
    flow: Flow<Chat>,
    shown: impl Fn(&Talk) -> Shown + Send + Sync + 'static,
    then: impl Fn(&Chat, &Talk) -> Result<(Option<String>, TalkUpdate)> + Send + Sync + 'static,
) -> Node<Talk> {
    let shared = Arc::new((name.to_owned(), flow, shown, then));
    node(move |cx: Cx<Talk>| {
        let shared = shared.clone();
        async move {
            let (name, flow, shown, then) = &*shared;
            let chat = chat(&cx, flow, shown(cx.state())).await?;
            let (text, then) = then(&chat, cx.state())?;
            let said: Vec<Said> = text.map(|text| Said::new(name, text)).into_iter().collect();
            Ok(written([Talk::update().said(said).has_read(chat.has_read).usage(chat.usage), then]))
        }
    })
}

/// A node in which an agent decides something of a form.
pub(super) fn decides<T: DeserializeOwned + 'static>(
    agent: &Agent,
    schema: OutputSchema,
    shown: impl Fn(&Talk) -> Shown + Send + Sync + 'static,
    then: impl Fn(T, &Talk) -> (Option<String>, TalkUpdate) + Send + Sync + 'static,
) -> Result<Node<Talk>> {
    let flow = agent.flow_checked(schema, |value| {
        T::deserialize(value).map(drop).map_err(|error| Error::new(Kind::BadOutput, error.to_string()))
    })?;
    Ok(chats(agent.own_name(), flow, shown, move |chat, talk| Ok(then(chat.result_as()?, talk))))
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("name", &self.name)
            .field("description", &self.description)
            .finish_non_exhaustive()
    }
}
