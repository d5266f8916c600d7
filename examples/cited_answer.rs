//! A model answers from documents, and what it writes is held against them: numbers, names, negations. The model here
//! quotes a sentence; give another name for a real one: `cargo run --example cited_answer -- ollama:qwen3`.

use lorewell::rag::answer::AskEvent;
use lorewell::{Index, Options, Result, model};

#[tokio::main]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let docs = folder.path().join("docs");
    std::fs::create_dir(&docs)?;
    std::fs::write(
        docs.join("returns.md"),
        "# Returns\n\nUnused parts can be returned within 30 days. Opened parts cannot be returned.\n",
    )?;
    let index = Index::open(folder.path().join("kb"), Options::default()).await?;
    index.add([docs]).await?;

    let model = model(std::env::args().nth(1).unwrap_or_else(|| "mock:cite".to_owned())).await?;
    let mut events = index.ask(&model, "Within how many days can unused parts be returned?").stream();
    while let Some(event) = events.next().await {
        match event? {
            AskEvent::Passages { used, found } => println!("{used} of {found} passages used"),
            AskEvent::Text { text } => print!("{text}"),
            AskEvent::Answer(answer) => {
                println!();
                for citation in &answer.citations {
                    let place = citation.reference.rsplit('/').next().unwrap_or_default();
                    println!("[{}] {place} {:?}", citation.number, citation.standing);
                }
                if let Some(why) = answer.abstained {
                    println!("no answer: {why}");
                }
            }
            _ => {}
        }
    }
    Ok(())
}
