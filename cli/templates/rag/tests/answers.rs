//! What is answered from the documents, what is not, and what a model is shown of them.

use std::fs;

use lorewell::model::mock::Script;
use lorewell::model::{Part, Role, ToolCall};
use lorewell::{Message, Model, Result, Standing};
use serde_json::json;
use tempfile::TempDir;

use new_rag::{agent, open};

/// Copies the documents, so that a test may change them.
fn project() -> Result<TempDir> {
    let project = tempfile::tempdir()?;
    let docs = project.path().join("docs");
    fs::create_dir(&docs)?;
    fs::write(docs.join("returns.md"), include_str!("../docs/returns.md"))?;
    fs::write(
        docs.join("opening-hours.md"),
        include_str!("../docs/opening-hours.md"),
    )?;
    Ok(project)
}

#[tokio::test]
async fn an_answer_is_a_quotation_that_was_checked() -> Result<()> {
    let project = project()?;
    let answer = open(project.path())
        .await?
        .quote("How long can unused parts be returned?")
        .await?;
    assert_eq!(
        answer.sentences[0].text,
        "Unused parts can be returned within 30 days."
    );
    assert_eq!(answer.citations[0].reference, "docs/returns.md:3");
    assert_eq!(answer.citations[0].standing, Standing::Verified);
    Ok(())
}

#[tokio::test]
async fn what_the_documents_do_not_say_is_not_answered() -> Result<()> {
    let project = project()?;
    let answer = open(project.path())
        .await?
        .quote("Who painted the Mona Lisa?")
        .await?;
    assert!(
        answer.sentences.is_empty() && answer.abstained.is_some(),
        "{answer:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_document_that_changes_is_read_again() -> Result<()> {
    let project = project()?;
    open(project.path()).await?;
    let returns = "# Returns\n\nUnused parts can be returned within 60 days.\n";
    fs::write(project.path().join("docs/returns.md"), returns)?;
    let answer = open(project.path())
        .await?
        .quote("How long can unused parts be returned?")
        .await?;
    assert_eq!(
        answer.sentences[0].text,
        "Unused parts can be returned within 60 days."
    );
    Ok(())
}

#[tokio::test]
async fn an_agent_reads_the_passages_that_it_searches() -> Result<()> {
    let project = project()?;
    let search = ToolCall::new("1", "search", &json!({"query": "closed on Mondays"}));
    let said = "It is closed on Mondays (docs/opening-hours.md).";
    let script = Script::new([
        Message::new(Role::Assistant, [Part::ToolCall(search)]),
        Message::assistant(said),
    ]);
    let model = Model::new("mock:script".parse()?, script.clone());
    let agent = agent(model, &open(project.path()).await?);
    assert_eq!(agent.run("Are you open on Mondays?").await?, said);
    let shown = format!("{:?}", script.asked()[1].messages);
    assert!(
        shown.contains("On Mondays it is closed.") && shown.contains("opening-hours.md"),
        "{shown}"
    );
    Ok(())
}
