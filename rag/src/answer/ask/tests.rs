//! Whole questions to scripted models.

use std::fs;

use lorewell_model::mock::Script;
use lorewell_model::{ChatModel, Kind, Message, Model};
use tempfile::TempDir;

use super::*;
use crate::index::Options;

const RETURNS: &str = "# Returns\n\nYou can return unused parts within 30 days. Opened parts cannot be returned.\n";
const PAINT: &str = "# Paint\n\nThe bridge is painted red every 7 years. The paint is made in Leith.\n";

async fn index(folder: &TempDir) -> Index {
    let docs = folder.path().join("docs");
    fs::create_dir(&docs).unwrap();
    fs::write(docs.join("returns.md"), RETURNS).unwrap();
    fs::write(docs.join("paint.md"), PAINT).unwrap();
    let index = Index::open(folder.path().join("kb"), Options::default()).await.unwrap();
    index.add([docs]).await.unwrap();
    index
}

fn says(text: &str) -> (Script, Model) {
    let script = Script::new([Message::assistant(text)]);
    (script.clone(), Model::new("mock:said".parse().unwrap(), script))
}

async fn ask(text: &str) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let index = index(&folder).await;
    index.ask(&says(text).1, "How long can I return unused parts?").await.unwrap()
}

#[tokio::test]
async fn what_the_passages_say_is_cited() {
    let written = ask("Unused parts can be returned within 30 days [1]. Opened parts cannot be returned. [1]").await;
    assert_eq!(written.text, "Unused parts can be returned within 30 days. [1] Opened parts cannot be returned. [1]");
    assert!(written.citations[0].reference.ends_with("returns.md:3"), "{written:#?}");
    assert_eq!(written.citations[0].quotes.len(), 2);
    assert_eq!((written.abstained, written.unsupported.len()), (None, 0));
    assert!(written.used >= 1 && written.used <= written.found);
}

#[tokio::test]
async fn what_they_do_not_say_is_marked() {
    let written =
        ask("Opened parts are shipped back by train [1]. Unused parts can be returned within 30 days [1].").await;
    assert_eq!(
        written.text,
        "Opened parts are shipped back by train. [unsupported] Unused parts can be returned within 30 days. [1]"
    );
    assert_eq!(written.unsupported, ["Opened parts are shipped back by train."]);
}

#[tokio::test]
async fn an_answer_that_nothing_supports_is_not_given() {
    let reasons = [
        ("Parts can be returned within 90 days [1].", "no passage supports what the model wrote"),
        ("Parts can be returned within 30 days [9].", "no passage supports what the model wrote"),
        ("I do not know.", "the model found no answer in the passages"),
        ("", "the model said nothing"),
    ];
    for (said, reason) in reasons {
        let written = ask(said).await;
        assert_eq!((written.text.as_str(), written.abstained.as_deref()), ("", Some(reason)), "{said}");
    }
}

/// A model that says one thing after the other, and whether it can be held to a form.
#[derive(Debug)]
struct Held {
    script: Script,
    can_constrain: bool,
}

impl ChatModel for Held {
    fn stream(&self, request: lorewell_model::Request) -> lorewell_model::Events {
        self.script.stream(request)
    }

    fn can_constrain(&self) -> bool {
        self.can_constrain
    }
}

async fn ask_held(question: &str, said: &[&str], can_constrain: bool) -> (Written, Script) {
    let folder = tempfile::tempdir().unwrap();
    let index = index(&folder).await;
    let script = Script::new(said.iter().map(|said| Message::assistant(*said)));
    let model = Model::new("mock:held".parse().unwrap(), Held { script: script.clone(), can_constrain });
    (index.ask(&model, question).await.unwrap(), script)
}

const QUESTION: &str = "Within how many days can I return unused parts?";

#[tokio::test]
async fn a_model_that_makes_things_up_may_choose_among_sentences() {
    let chosen = "You can return unused parts within 30 days. [1]";
    let (written, script) = ask_held(QUESTION, &["Once upon a time. The end.", chosen], true).await;
    assert_eq!((written.text.as_str(), written.is_chosen, written.abstained), (chosen, true, None));
    assert!(written.citations[0].reference.ends_with("returns.md:3"));
    assert_eq!(written.unsupported, ["Once upon a time.", "The end."]);
    let requests = script.asked();
    assert_eq!(requests[0].messages, requests[1].messages);
    let form = "You can return unused parts within 30 days\\. \\[1\\]|I do not know\\.";
    assert_eq!((requests[0].extra.get("regex"), &requests[1].extra["regex"]), (None, &form.into()));
}

#[tokio::test]
async fn a_second_try_is_not_for_everyone() {
    let cases = [
        // It cannot be held to anything.
        (QUESTION, vec!["Once upon a time."], false, "no passage supports what the model wrote"),
        // It says that it does not know, at once or then.
        (QUESTION, vec!["I do not know."], true, "the model found no answer in the passages"),
        (QUESTION, vec!["Once upon a time.", "I do not know."], true, "the model found no answer in the passages"),
        // No sentence speaks for an answer.
        (
            "Who designed the bridge in 1890, and how tall is it?",
            vec!["Once upon a time."],
            true,
            "no passage supports what the model wrote",
        ),
    ];
    for (question, said, can_constrain, reason) in cases {
        let (written, script) = ask_held(question, &said, can_constrain).await;
        assert_eq!((written.abstained.as_deref(), written.is_chosen), (Some(reason), false), "{said:?}");
        assert_eq!(script.asked().len(), said.len());
    }
}

#[tokio::test]
async fn a_sentence_without_a_mark_is_looked_for() {
    let written = ask("Unused parts can be returned within 30 days.").await;
    assert_eq!(written.text, "Unused parts can be returned within 30 days. [1]");
}

#[tokio::test]
async fn nothing_is_asked_where_nothing_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::open(folder.path().join("kb"), Options::default()).await.unwrap();
    let (script, model) = says("anything");
    let written = index.ask(&model, "How long can I return unused parts?").await.unwrap();
    assert_eq!(written.abstained.as_deref(), Some("no passage was found"));
    assert!(script.asked().is_empty());
}

#[tokio::test]
async fn only_checked_text_is_streamed() {
    let folder = tempfile::tempdir().unwrap();
    let index = index(&folder).await;
    let (script, model) = says("Trains run late [1]. Unused parts can be returned within 30 days [1]. So they can.");
    let mut events = index.ask(&model, "How long can I return unused parts?").stream();
    let mut texts = Vec::new();
    let mut answer = None;
    while let Some(event) = events.next().await {
        match event.unwrap() {
            AskEvent::Text { text } => texts.push(text),
            AskEvent::Answer(written) => answer = Some(written),
            AskEvent::Passages { used, .. } => assert!(used > 0),
        }
    }
    let answer = answer.unwrap();
    assert_eq!(texts.concat().trim_end(), answer.text);
    assert!(texts[0].starts_with("Trains run late. [unsupported]") && texts[0].contains("[1]"), "{texts:?}");
    let prompt = script.asked()[0].messages[1].text().into_owned();
    assert!(
        prompt.contains("<passage id=\"1\"") && prompt.ends_with("How long can I return unused parts?"),
        "{prompt}"
    );
}

#[tokio::test]
async fn passages_are_packed_to_the_window() {
    let folder = tempfile::tempdir().unwrap();
    let index = index(&folder).await;
    let (_, model) = says("x");
    let written = index.ask(&model, "return unused parts or red paint").passage_tokens_max(75).await.unwrap();
    assert_eq!((written.used, written.found), (1, 2));
    let written = index.ask(&model, "return unused parts").passage_tokens_max(10).await.unwrap();
    assert_eq!(written.used, 0);
    assert!(written.abstained.unwrap().contains("none of the passages fits"));
}

#[tokio::test]
async fn a_source_that_has_changed_supports_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let index = index(&folder).await;
    fs::write(folder.path().join("docs/returns.md"), "# Returns\n\nNothing can be returned.\n").unwrap();
    let (_, model) = says("Unused parts can be returned within 30 days [1].");
    let written = index.ask(&model, "How long can I return unused parts?").await.unwrap();
    assert!(written.abstained.is_some() && written.citations.is_empty());
}

#[tokio::test]
async fn a_failing_model_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let index = index(&folder).await;
    let model = Model::new("mock:down".parse().unwrap(), Script::default().then_fail(Kind::Unavailable, "overloaded"));
    let error = index.ask(&model, "return unused parts").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(error.to_string(), "asking `mock:down`: overloaded");
}
