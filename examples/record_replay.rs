//! What a model was asked and answered, recorded once and replayed without it: how a test of a program with a model runs
//! offline, and notices when the program asks something else.

use lorewell::model::Cassette;
use lorewell::{Message, Model, Request, Result, model};

async fn program(model: &Model, city: &str) -> Result<String> {
    let request =
        Request::new([Message::system("Answer in one sentence."), Message::user(format!("Where is {city}?"))]);
    Ok(model.chat(request).await?.text())
}

#[tokio::main]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("cities.jsonl");

    // Once, with a model; a real one has its key in the environment, and no key is ever recorded.
    let recorded = model("mock:echo").await?.record(&Cassette::create(&path)?);
    println!("recorded: {}", program(&recorded, "Chamonix").await?);

    // From then on without.
    let cassette = Cassette::open(&path)?;
    let played = cassette.model("mock:echo")?;
    match program(&played, "Paris").await {
        Ok(answer) => println!("played: {answer}"),
        Err(error) => {
            let diff: Vec<_> = error.message().lines().filter(|line| line.contains("Where is")).collect();
            println!("drifted:\n{}", diff.join("\n"));
        }
    }
    println!("played: {}", program(&played, "Chamonix").await?);
    println!("left: {}", cassette.unplayed());
    Ok(())
}
