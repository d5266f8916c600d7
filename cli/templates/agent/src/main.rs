//! Talks with the agent. Its thread is a file, so that the answer to a question may come in another
//! process.

use std::env::VarError;

use lorewell::agent::checkpoint::Sqlite;
use lorewell::agent::{Outcome, Thread};
use lorewell::{Chat, Kind, Model, OrKind, Result, model};

#[tokio::main]
async fn main() -> Result<()> {
    let agent = new_agent::agent(chosen().await?);
    let thread = agent.thread("workshop", Sqlite::open("threads.sqlite").await?)?;
    let said = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "We need chains.".to_owned());
    let outcome = match said.as_str() {
        "yes" | "no" => go_on(&thread, said == "yes").await?,
        _ => thread.run(Chat::say(said)).discard_unfinished().await?,
    };
    match outcome {
        Outcome::Done(chat) => println!("{}", chat.text()),
        Outcome::Paused(paused) => {
            for question in paused.questions {
                let (tool, arguments) = (&question.prompt["tool"], &question.prompt["arguments"]);
                println!("May it call {tool} with {arguments}? `cargo run -- yes`, or `no`");
            }
        }
    }
    Ok(())
}

/// Opens the model that the environment names, else the one that needs no key.
async fn chosen() -> Result<Model> {
    match std::env::var("LOREWELL_MODEL") {
        Ok(name) => model(name).await,
        Err(VarError::NotPresent) => new_agent::offline(),
        Err(error) => Err(error).or_kind(Kind::Config),
    }
}

async fn go_on(thread: &Thread<Chat>, answer: bool) -> Result<Outcome<Chat>> {
    for question in thread.questions().await? {
        thread.answer(&question.id, answer).await?;
    }
    thread.resume().await
}
