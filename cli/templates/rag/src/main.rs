//! Asks the documents: without a model in their own words, with one in its.

use std::path::Path;

use lorewell::{Index, Result, model};

#[tokio::main]
async fn main() -> Result<()> {
    let index = new_rag::open(Path::new(".")).await?;
    let asked = std::env::args().nth(1);
    let question = asked.unwrap_or_else(|| "How long can unused parts be returned?".to_owned());
    match std::env::var("LOREWELL_MODEL") {
        Ok(name) => println!(
            "{}",
            new_rag::agent(model(name).await?, &index)
                .run(question)
                .await?
        ),
        Err(_) => quote(&index, &question).await?,
    }
    Ok(())
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
