//! Asks the documents: without a model in their own words, with one in its.

use std::env::VarError;
use std::path::Path;

use lorewell::{Index, Kind, OrKind, Result, model};

#[tokio::main]
async fn main() -> Result<()> {
    let index = new_rag::open(Path::new(".")).await?;
    let asked = std::env::args().nth(1);
    let question = asked.unwrap_or_else(|| "How long can unused parts be returned?".to_owned());
    match std::env::var("LOREWELL_MODEL") {
        Ok(name) => {
            let agent = new_rag::agent(model(name).await?, &index);
            println!("{}", agent.run(question).await?);
            Ok(())
        }
        Err(VarError::NotPresent) => quote(&index, &question).await,
        Err(error) => Err(error).or_kind(Kind::Config),
    }
}

async fn quote(index: &Index, question: &str) -> Result<()> {
    let answer = index.quote(question).await?;
    for sentence in &answer.sentences {
        println!("{} [{}]", sentence.text, sentence.citation);
    }
    for citation in &answer.citations {
        println!("[{}] {}", citation.number, citation.reference);
    }
    if let Some(why) = answer.abstained {
        println!("The documents do not answer this: {why}");
    }
    Ok(())
}
