//! The states that tasks run on: a conversation, what is said in a team, and a state of a developer's own, whose graph knows nothing
//! of agents.

use std::collections::BTreeSet;

use lorewell_agent::team::Talk;
use lorewell_agent::{Agent, Chat, Cx, END, Flow, Graph, Node, START, State, node};
use lorewell_model::{Message, Origin, Role};

use crate::task::{Host, Shape, Task};

/// A state that a task runs on.
pub(crate) trait Stage: State {
    /// What a person says in a turn.
    fn said(turn: usize, message: Message, has_read: BTreeSet<Origin>) -> Self::Update;

    /// How often the person has spoken.
    fn turns(&self) -> usize;

    /// The agents of a task, as a process makes them that has just begun.
    fn flow(task: &Task, host: &Host<'_>) -> Flow<Self>;
}

impl Stage for Chat {
    fn said(_: usize, message: Message, has_read: BTreeSet<Origin>) -> Self::Update {
        Self::update().messages([message]).has_read(has_read)
    }

    fn turns(&self) -> usize {
        self.messages.iter().filter(|message| message.role == Role::User).count()
    }

    fn flow(task: &Task, host: &Host<'_>) -> Flow<Self> {
        task.chat(host)
    }
}

impl Stage for Talk {
    fn said(_: usize, message: Message, has_read: BTreeSet<Origin>) -> Self::Update {
        Self::say(message.text()).has_read(has_read)
    }

    fn turns(&self) -> usize {
        self.said.iter().filter(|said| said.by == "person").count()
    }

    fn flow(task: &Task, host: &Host<'_>) -> Flow<Self> {
        task.team(host)
    }
}

/// A state of a developer's own.
#[derive(Debug, Clone, Default, PartialEq, State)]
pub(crate) struct Desk {
    /// How often something was asked.
    turns: usize,
    asked: String,
    /// What was read.
    page: String,
    /// What was done.
    log: String,
}

impl Stage for Desk {
    fn said(turn: usize, message: Message, has_read: BTreeSet<Origin>) -> Self::Update {
        assert!(has_read.is_empty(), "the state keeps no words of others");
        Self::update().turns(turn + 1).asked(message.text())
    }

    fn turns(&self) -> usize {
        self.turns
    }

    fn flow(task: &Task, host: &Host<'_>) -> Flow<Self> {
        let (boss, worker) = (host.agent("boss", &task.boss), host.agent("worker", &task.worker));
        let (first, second) = match task.shape {
            Shape::Calls => (run(&boss, asked, |text| Self::update().page(text)), run(&worker, told, log)),
            Shape::Loads => (loads(host), within(&worker, told, log)),
            _ => (within(&boss, asked, |text| Self::update().page(text)), within(&worker, told, log)),
        };
        let graph = Graph::new().node("first", first).node("second", second);
        let graph = match task.shape {
            // One after the other, each when the person has spoken.
            Shape::Later => graph
                .branch(START, ["first", "second"], |desk: &Self| if desk.turns == 1 { "first" } else { "second" })
                .edge("first", END),
            _ => graph.start("first").edge("first", "second"),
        };
        graph.edge("second", END).build().unwrap()
    }
}

fn asked(desk: &Desk) -> String {
    desk.asked.clone()
}

fn told(desk: &Desk) -> String {
    format!("{}\n{}", desk.asked, desk.page)
}

fn log(text: String) -> DeskUpdate {
    Desk::update().log(text)
}

/// A node made of an agent.
fn within(agent: &Agent, told: fn(&Desk) -> String, write: fn(String) -> DeskUpdate) -> Node<Desk> {
    let flow = agent.flow().unwrap();
    flow.within(move |cx: &Cx<Desk>| Chat::say(told(cx.state())), move |chat: Chat| write(chat.text()))
}

/// A node that runs an agent among other things.
fn run(agent: &Agent, told: fn(&Desk) -> String, write: fn(String) -> DeskUpdate) -> Node<Desk> {
    let flow = agent.flow().unwrap();
    node(move |cx: Cx<Desk>| {
        let flow = flow.clone();
        async move { Ok(write(cx.run(&flow, Chat::say(told(cx.state()))).await?.text())) }
    })
}

/// A node that reads a file, and says so.
fn loads(host: &Host<'_>) -> Node<Desk> {
    let path = host.world.files().join("report.md");
    node(move |cx: Cx<Desk>| {
        let path = path.clone();
        async move {
            cx.note_read(Origin::Document);
            Ok(Desk::update().page(std::fs::read_to_string(path)?))
        }
    })
}
