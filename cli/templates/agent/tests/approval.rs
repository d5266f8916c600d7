//! The agent with a model that follows a script: what it does by itself, and what a person decides.

use lorewell::agent::checkpoint::Sqlite;
use lorewell::agent::{Decision, Outcome};
use lorewell::model::mock::Script;
use lorewell::{Chat, Message, Model, Result};
use serde_json::json;

use new_agent::{agent, call};

fn scripted(answers: impl IntoIterator<Item = Message>) -> Result<(Script, Model)> {
    let script = Script::new(answers);
    Ok((script.clone(), Model::new("mock:script".parse()?, script)))
}

#[tokio::test]
async fn it_looks_by_itself_and_is_told_what_there_is() -> Result<()> {
    let (script, model) = scripted([
        call("stock", &json!({"part": "lamp"})),
        call("stock", &json!({"part": "bell"})),
        Message::assistant("There are 12 bells."),
    ])?;
    assert_eq!(
        agent(model).run("Have we lamps, or bells?").await?,
        "There are 12 bells."
    );
    let told = format!("{:?}", script.asked()[1].messages);
    assert!(
        told.contains("there is no `lamp`; give `bell` or `chain`"),
        "{told}"
    );
    Ok(())
}

#[tokio::test]
async fn an_order_waits_for_a_person_over_a_restart() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("threads.sqlite");
    let order = call("order", &json!({"part": "chain", "pieces": 4}));
    let (script, model) = scripted([order, Message::assistant("Four chains are on their way.")])?;

    let thread = agent(model.clone()).thread("test", Sqlite::open(&file).await?)?;
    let Outcome::Paused(paused) = thread.run(Chat::say("Order chains.")).await? else {
        panic!("it orders without approval");
    };
    assert_eq!(
        paused.questions[0].prompt["arguments"],
        json!({"part": "chain", "pieces": 4})
    );
    drop(thread);

    let thread = agent(model).thread("test", Sqlite::open(&file).await?)?;
    thread
        .answer(&paused.questions[0].id, Decision::approve())
        .await?;
    assert_eq!(
        thread.resume().await?.done()?.text(),
        "Four chains are on their way."
    );
    let told = format!("{:?}", script.asked()[1].messages);
    assert!(told.contains("ordered 4 of `chain`"), "{told}");
    Ok(())
}

#[tokio::test]
async fn what_a_person_denies_is_not_ordered() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let thread = agent(new_agent::offline()?).thread(
        "test",
        Sqlite::open(folder.path().join("threads.sqlite")).await?,
    )?;
    let Outcome::Paused(paused) = thread.run(Chat::say("We need chains.")).await? else {
        panic!("it orders without approval");
    };
    thread
        .answer(&paused.questions[0].id, Decision::deny("wait for the sale"))
        .await?;
    let told = thread.resume().await?.done()?.text();
    assert!(
        told.contains("wait for the sale") && !told.contains("ordered"),
        "{told}"
    );
    Ok(())
}
