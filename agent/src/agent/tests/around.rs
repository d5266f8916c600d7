//! The middleware that comes with agents.

use lorewell_model::Cache;

use super::*;

#[tokio::test]
async fn the_model_sees_no_personal_data_and_tools_get_it_back() {
    let script = Script::new([]);
    let agent = Agent::new(Model::new("mock:script".parse().unwrap(), script.clone())).middleware(Redact::new());
    let notes = Notes::default();
    let agent = agent.tool("note", notes.tool()).allow(Access::WRITE);
    // What the model is asked says how it names the address.
    let error = agent.run("Mail ann@example.org, not bob@example.org.").await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error}");
    let seen = script.asked()[0].messages[0].text().into_owned();
    assert!(!seen.contains("example.org"), "{seen}");
    let ann = seen.split_whitespace().nth(1).unwrap().trim_end_matches(',').to_owned();
    let script = script
        .then(calls(&[("note", json!({"text": format!("to {ann}")}))]))
        .then(Message::assistant(format!("Done for {ann} and <email-00000000>.")));
    let text = agent.run("Mail ann@example.org, not bob@example.org.").await.unwrap();
    assert_eq!(text, "Done for ann@example.org and <email-00000000>.");
    assert_eq!(notes.texts(), ["to ann@example.org"]);
    for request in script.asked() {
        let seen = serde_json::to_string(&request.messages).unwrap();
        assert!(!seen.contains("example.org"), "{seen}");
    }
}

#[tokio::test]
async fn a_provider_is_told_what_to_keep() {
    let (agent, script) = scripted([calls(&[("echo", json!({"text": "a"}))]), Message::assistant("ok")]);
    let agent = agent.instructions("Be brief.").tool("echo", |note: Note| async move { Ok::<_, ToolError>(note.text) });
    let agent = agent.middleware(PromptCache::default().cache(Cache::long()));
    done(&agent, "hi").await;
    let marks = |at: usize| -> Vec<bool> {
        let asked: Request = script.asked().remove(at);
        assert_eq!(asked.cache, Some(Cache::long()));
        asked.messages.iter().map(|message| message.cache_here).collect()
    };
    assert_eq!(marks(0), [false, true]);
    assert_eq!(marks(1), [false, true, false, true]);
}

#[tokio::test]
async fn who_summarises_sees_no_personal_data_either() {
    let summaries = Script::new([]);
    let summariser = Model::new("mock:summary".parse().unwrap(), summaries.clone());
    let (agent, script) = scripted(["one", "two", "three"].map(Message::assistant));
    let agent = agent.middleware(Redact::new()).window(Window::messages(2).summarise_with(summariser));
    let thread = agent.thread("t", Memory::new()).unwrap();
    let say = |text: &str| thread.run(Chat::say(text));
    say("Mail ann@example.org.").await.unwrap().done().unwrap();
    // What the summariser is asked says how it names the address.
    let error = say("And then?").await.unwrap_err();
    assert!(error.to_string().contains("summarising the conversation"), "{error}");
    let seen = summaries.asked()[0].messages[1].text().into_owned();
    let hidden =
        seen.split_whitespace().find(|word| word.starts_with("<email-")).unwrap().trim_end_matches('.').to_owned();
    let _ = summaries.clone().then(Message::assistant(format!("They want to mail {hidden}.")));
    let chat = thread.resume().await.unwrap().done().unwrap();
    assert_eq!(chat.summary.unwrap().text.as_deref(), Some("They want to mail ann@example.org."));
    for request in script.asked().into_iter().chain(summaries.asked()) {
        let seen = serde_json::to_string(&request.messages).unwrap();
        assert!(!seen.contains("example.org"), "{seen}");
    }
}
