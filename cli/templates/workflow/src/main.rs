//! Runs the graph in a thread that is a file, so that the answer to a question may come in another
//! process.

use lorewell::agent::checkpoint::Sqlite;
use lorewell::agent::{Outcome, Thread};
use lorewell::{Error, Kind, Result};

use new_workflow::{Refund, flow};

#[tokio::main]
async fn main() -> Result<()> {
    let thread = flow()?.thread("refund", Sqlite::open("threads.sqlite").await?);
    let word = std::env::args().nth(1).unwrap_or_else(|| "2500".to_owned());
    let outcome = match word.as_str() {
        "yes" | "no" => go_on(&thread, word == "yes").await?,
        _ => {
            thread
                .run(Refund::of(cents(&word)?))
                .discard_unfinished()
                .await?
        }
    };
    match outcome {
        Outcome::Done(refund) => println!("{}", refund.log.join("\n")),
        Outcome::Paused(paused) => {
            for question in paused.questions {
                let asked = question.prompt.as_str().unwrap_or_default();
                println!("{asked} `cargo run -- yes`, or `no`");
            }
        }
    }
    Ok(())
}

fn cents(word: &str) -> Result<u64> {
    let fault = || format!("`{word}` is no sum; give cents, such as 2500, or `yes`, or `no`");
    word.parse()
        .map_err(|_| Error::new(Kind::BadInput, fault()))
}

async fn go_on(thread: &Thread<Refund>, answer: bool) -> Result<Outcome<Refund>> {
    for question in thread.questions().await? {
        thread.answer(&question.id, answer).await?;
    }
    thread.resume().await
}
