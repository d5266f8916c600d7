//! What a model is shown of a long conversation.

use futures_util::StreamExt as _;
use lorewell_model::{ChatModel, Event as Said, Events};

use super::*;

/// Answers as a script does, and says nothing of tokens.
#[derive(Debug)]
struct Uncounted(Script);

impl ChatModel for Uncounted {
    fn stream(&self, request: Request) -> Events {
        let is_said = |event: &Result<Said>| !matches!(event, Ok(Said::Usage { .. }));
        Events::new(self.0.stream(request).filter(move |event| std::future::ready(is_said(event))))
    }
}

fn said(script: &Script, at: usize) -> Vec<String> {
    script.asked()[at].messages.iter().map(|message| message.text().into_owned()).collect()
}

#[tokio::test]
async fn what_falls_out_is_summarised_and_the_conversation_stays_whole() {
    let (agent, script) = scripted((0..4).map(|n| Message::assistant(format!("answer {n}"))));
    let summaries = Script::new([Message::assistant("first summary"), Message::assistant("second summary")]);
    let summariser = Model::new("mock:summary".parse().unwrap(), summaries.clone());
    let agent = agent.instructions("Be brief.").window(Window::messages(4).summarise_with(summariser));
    let thread = agent.thread("t", Memory::new()).unwrap();
    let mut chat = Chat::default();
    for n in 0..4 {
        chat = thread.run(Chat::say(format!("question {n}"))).await.unwrap().done().unwrap();
    }
    // All that was said is still there.
    let texts: Vec<_> = chat.messages.iter().map(|message| message.text().into_owned()).collect();
    let all: Vec<_> = (0..4).flat_map(|n| [format!("question {n}"), format!("answer {n}")]).collect();
    assert_eq!(texts, all);
    assert_eq!(said(&script, 1), ["Be brief.", "question 0", "answer 0", "question 1"]);
    let shown = said(&script, 2);
    assert_eq!(shown[0], "Be brief.");
    assert!(shown[1].contains("<summary>\nfirst summary\n</summary>"), "{shown:?}");
    assert_eq!(shown[2..], ["answer 1", "question 2"]);
    let summary = chat.summary.unwrap();
    assert_eq!((summary.text.as_deref(), summary.messages), (Some("second summary"), 5));
    let shown = said(&script, 3);
    assert!(shown[1].contains("second summary"), "{shown:?}");
    assert_eq!(shown[2..], ["answer 2", "question 3"]);
    // The second summary was made of the first and what came after.
    let asked = summaries.asked()[1].messages[1].text().into_owned();
    for part in ["first summary", "assistant: answer 1", "person: question 2"] {
        assert!(asked.contains(part), "{asked}");
    }
}

#[tokio::test]
async fn within_a_turn_results_stay_with_their_calls_and_nothing_is_lost() {
    let rounds = 12;
    let answers = (0..rounds).map(|n| calls(&[("echo", json!({"text": format!("{n} ").repeat(50)}))]));
    let script = Script::new(answers.chain([Message::assistant("done")]));
    let agent = Agent::new(Model::new("mock:script".parse().unwrap(), Uncounted(script.clone())));
    let agent = agent.tool("echo", |note: Note| async move { Ok::<_, ToolError>(note.text) });
    let chat = done(&agent.window(Window::tokens(500)), "go").await;
    assert_eq!(chat.messages.len(), 1 + 2 * rounds + 1, "all of it is kept");
    for asked in script.asked() {
        let size: usize = asked.messages.iter().map(super::super::window::tokens).sum();
        assert!(size <= 500, "{size} tokens were shown");
        let mut open: Vec<String> = Vec::new();
        for part in asked.messages.iter().flat_map(|message| &message.parts) {
            match part {
                Part::ToolCall(call) => open.push(call.arguments_json.clone()),
                Part::ToolResult(_) => drop(open.pop().expect("a result without its call is shown")),
                _ => {}
            }
        }
        assert!(open.is_empty(), "a call without its result is shown");
    }
}

#[tokio::test]
async fn a_summary_that_was_made_is_not_made_again_after_a_crash() {
    let (agent, script) =
        scripted([Message::assistant("one"), calls(&[("note", json!({"text": "n"}))]), Message::assistant("two")]);
    let summaries = Script::new([Message::assistant("before the pause"), Message::assistant("after it")]);
    let summariser = Model::new("mock:summary".parse().unwrap(), summaries.clone());
    let notes = Notes::default();
    let agent = agent.tool("note", notes.tool()).window(Window::messages(2).summarise_with(summariser));
    let store = Memory::new();
    let thread = agent.thread("t", store.clone()).unwrap();
    let _ = thread.run(Chat::say("a")).await.unwrap();
    let asked = paused(thread.run(Chat::say("b")).await.unwrap());
    thread.answer(&asked.questions[0].id, true).await.unwrap();
    let chat = agent.thread("t", store).unwrap().resume().await.unwrap().done().unwrap();
    assert_eq!(chat.text(), "two");
    assert_eq!(chat.messages.len(), 6);
    assert_eq!((summaries.asked().len(), script.asked().len()), (2, 3));
    assert_eq!(chat.summary.unwrap().text.as_deref(), Some("after it"));
}

#[tokio::test]
async fn a_window_that_cannot_be_known_is_an_error() {
    let (agent, _) = scripted([Message::assistant("ok")]);
    let error = agent.clone().window(Window::of_model()).run("hi").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.to_string().contains("use `Window::tokens(..)`"), "{error}");
    assert_eq!(agent.window(Window::messages(0)).run("hi").await.unwrap_err().kind(), Kind::Config);
}

#[test]
fn nothing_in_a_summary_ends_it() {
    let summary = Summary { messages: 1, text: Some("a </summary> b".to_owned()) };
    let shown = summary.message().unwrap().text().into_owned();
    assert!(shown.ends_with("<summary>\na ‹/summary> b\n</summary>"), "{shown}");
}
