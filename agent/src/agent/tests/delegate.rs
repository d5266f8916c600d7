//! Agents and graphs as tools of agents.

use super::*;
use crate::State;

/// An agent whose tool is an agent that writes a note.
fn delegating(notes: &Notes, own: impl IntoIterator<Item = Message>) -> (Agent, Script) {
    let (worker, script) = scripted([calls(&[("note", json!({"text": "from below"}))]), Message::assistant("noted")]);
    let worker = worker.name("worker").tool("note", notes.tool());
    let (boss, _) = scripted(own);
    (boss.tool("worker", worker.as_tool("Writes notes.")).tool("note", notes.tool()), script)
}

#[tokio::test]
async fn an_agent_is_a_tool_whose_questions_reach_the_thread() {
    let notes = Notes::default();
    let asked = calls(&[("worker", json!({"task": "write it"})), ("note", json!({"text": "from above"}))]);
    let (boss, script) = delegating(&notes, [asked, Message::assistant("all done")]);
    let store = Memory::new();
    let thread = boss.thread("t", store.clone()).unwrap();
    let waits = paused(thread.run(Chat::say("go")).await.unwrap());
    let tools: Vec<_> = waits.questions.iter().map(|question| question.prompt["arguments"]["text"].clone()).collect();
    assert_eq!(tools, ["from below", "from above"], "{:#?}", waits.questions);
    assert_eq!(notes.texts(), Vec::<String>::new());

    // One answer at a time, each after a restart.
    let thread = boss.thread("t", store.clone()).unwrap();
    thread.answer(&waits.questions[0].id, true).await.unwrap();
    let waits = paused(thread.resume().await.unwrap());
    assert_eq!(notes.texts(), ["from below"]);
    assert_eq!(waits.questions.len(), 1, "{:#?}", waits.questions);
    let thread = boss.thread("t", store).unwrap();
    thread.answer(&waits.questions[0].id, Decision::deny("not now")).await.unwrap();
    let chat = thread.resume().await.unwrap().done().unwrap();
    assert_eq!(notes.texts(), ["from below"]);
    let told = results(&chat);
    assert_eq!(told[0], ("noted".to_owned(), false));
    assert!(told[1].0.starts_with("a person has declined this call: not now"), "{told:?}");
    assert_eq!(script.asked().len(), 2, "what finished below does not run again");
}

#[tokio::test]
async fn several_agents_work_side_by_side_and_ask_together() {
    let notes = Notes::default();
    let asked = calls(&[("a", json!({"task": "x"})), ("b", json!({"task": "y"})), ("c", json!({"task": "z"}))]);
    let (mut boss, _) = scripted([asked, Message::assistant("ok")]);
    for name in ["a", "b", "c"] {
        let (worker, _) = scripted([calls(&[("note", json!({"text": name}))]), Message::assistant(name)]);
        boss = boss.tool(name, worker.tool("note", notes.tool()).as_tool("Writes."));
    }
    let thread = boss.thread("t", Memory::new()).unwrap();
    let waits = paused(thread.run(Chat::say("go")).await.unwrap());
    assert_eq!(waits.questions.len(), 3);
    for question in &waits.questions {
        thread.answer(&question.id, true).await.unwrap();
    }
    let chat = thread.resume().await.unwrap().done().unwrap();
    assert_eq!(results(&chat), ["a", "b", "c"].map(|name| (name.to_owned(), false)));
    let mut texts = notes.texts();
    texts.sort();
    assert_eq!(texts, ["a", "b", "c"]);
}

#[tokio::test]
async fn what_an_agent_has_read_its_delegates_have_read_and_the_other_way_round() {
    let reads = || tool(|_: Note| async { Ok::<_, ToolError>(ToolOutput::text("page").origin(Origin::Web)) });
    let notes = Notes::default();
    // Above reads, below may not write.
    let (boss, _) = scripted([
        calls(&[("read", json!({"text": ""}))]),
        calls(&[("worker", json!({"task": "write"}))]),
        Message::assistant("ok"),
    ]);
    let (worker, _) = scripted([calls(&[("note", json!({"text": "n"}))]), Message::assistant("noted")]);
    let worker = worker.tool("note", notes.tool()).allow(Access::WRITE);
    let boss = boss.tool("read", reads()).tool("worker", worker.as_tool("Writes."));
    let waits = paused(boss.thread("t", Memory::new()).unwrap().run(Chat::say("go")).await.unwrap());
    assert_eq!(waits.questions[0].prompt["has_read"], json!(["web"]));
    // Below reads, above may not write.
    let (boss, _) = scripted([calls(&[("worker", json!({"task": "read"}))]), calls(&[("note", json!({"text": "n"}))])]);
    let (worker, _) = scripted([calls(&[("read", json!({"text": ""}))]), Message::assistant("it says so")]);
    let worker = worker.tool("read", reads());
    let boss = boss.tool("note", notes.tool()).tool("worker", worker.as_tool("Reads.")).allow(Access::WRITE);
    let waits = paused(boss.thread("t", Memory::new()).unwrap().run(Chat::say("go")).await.unwrap());
    assert_eq!(waits.questions[0].prompt["has_read"], json!(["web"]));
    assert_eq!(notes.texts(), Vec::<String>::new());
}

#[tokio::test]
async fn a_graph_is_a_tool_and_may_keep_its_state() {
    #[derive(Clone, Default, State)]
    struct Count {
        #[reduce(sum)]
        n: i64,
    }
    let flow = || Graph::<Count>::new().node("add", |_: crate::Cx<Count>| async { Ok(Count::update().n(1)) });
    let flow = || flow().start("add").build().unwrap();
    let counts = |flow: Flow<Count>| {
        flow.as_tool("Counts.", |note: Note| Count::update().n(note.text.len() as i64), |count| count.n.to_string())
    };
    for (flow, expected) in [(flow(), ["2", "3"]), (flow().keep(), ["2", "5"])] {
        let (agent, _) = scripted([
            calls(&[("count", json!({"text": "a"}))]),
            calls(&[("count", json!({"text": "ab"}))]),
            Message::assistant("ok"),
        ]);
        let agent = agent.tool("count", counts(flow));
        let chat = agent.thread("t", Memory::new()).unwrap().run(Chat::say("go")).await.unwrap().done().unwrap();
        let told = chat.messages.iter().flat_map(|message| &message.parts).filter_map(|part| match part {
            Part::ToolResult(result) => Some(result.text()),
            _ => None,
        });
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn a_delegate_that_no_agent_calls_runs_by_itself() {
    let notes = Notes::default();
    let (worker, _) = scripted([calls(&[("note", json!({"text": "n"}))]), Message::assistant("noted")]);
    let alone = worker.tool("note", notes.tool()).as_tool("Writes.");
    let cx = ToolCx::new(ToolCall::new("1", "worker", &json!({})), "key");
    let error = Tool::call(&alone, cx, json!({"task": "write"})).await.unwrap_err();
    assert!(format!("{error:?}").contains("nobody can be asked here"), "{error:?}");
    assert_eq!(notes.texts(), Vec::<String>::new());
}
