//! A node asks a person and waits as long as it takes: the process ends, another one goes on with the answer.
//!
//! `cargo run --example approval`, and then, today or next week, `cargo run --example approval -- yes`

use std::time::Duration;

use lorewell::agent::checkpoint::Sqlite;
use lorewell::agent::{Cx, Graph, Outcome, Result, State, Thread};
use tokio::time::sleep;

#[derive(Clone, Default, State)]
struct Ticket {
    order: u32,
    #[reduce(append)]
    log: Vec<String>,
}

/// Runs from its start again when there is an answer. What must not happen twice is an effect: its result is stored,
/// and the node gets it back.
async fn refund(cx: Cx<Ticket>) -> Result<TicketUpdate> {
    let order = cx.state().order;
    let cents: u64 = cx.effect("look up", |_| look_up(order)).await?;
    let price = format!("{}.{:02} EUR", cents / 100, cents % 100);

    let yes: bool = cx.ask(format!("Refund {price} for order {order}?")).await?;
    if !yes {
        return Ok(Ticket::update().log(["not refunded".to_owned()]));
    }
    let receipt: String = cx.effect("pay back", |key| pay_back(cents, key)).await?;
    Ok(Ticket::update().log([format!("refunded {price}, receipt {receipt}")]))
}

async fn look_up(order: u32) -> Result<u64> {
    println!("(looking up order {order})");
    sleep(Duration::from_millis(10)).await;
    Ok(2_500)
}

/// The key is the same however often the payment is tried, so the bank can tell that it has made it already.
async fn pay_back(cents: u64, key: String) -> Result<String> {
    println!("(paying back {cents} cents)");
    sleep(Duration::from_millis(10)).await;
    Ok(key[..8].to_owned())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let flow = Graph::new().node("refund", refund).start("refund").build()?;
    let store = Sqlite::open(std::env::temp_dir().join("lorewell-approval.sqlite")).await?;
    let thread = flow.thread("order-42", store);

    let outcome = match std::env::args().nth(1) {
        None => thread.run(Ticket { order: 42, ..Ticket::default() }).discard_unfinished().await?,
        Some(answer) => go_on(&thread, answer == "yes").await?,
    };
    match outcome {
        Outcome::Paused(paused) => {
            for question in paused.questions {
                println!("{}", question.prompt.as_str().unwrap_or_default());
            }
            println!("Answer with `cargo run --example approval -- yes`, or `no`.");
        }
        Outcome::Done(ticket) => println!("{}", ticket.log.join("\n")),
    }
    Ok(())
}

/// Answers the question that is open, if there is one. If nothing is left to run, the outcome is that of the last run.
async fn go_on(thread: &Thread<Ticket>, answer: bool) -> Result<Outcome<Ticket>> {
    if let Some(question) = thread.questions().await?.first() {
        thread.answer(&question.id, answer).await?;
    }
    thread.resume().await
}
