//! Letters to a bicycle workshop go through a graph with a typed state: a branch, two nodes side by side, a join.
//!
//! `cargo run --example typed_graph`

use lorewell::agent::{Cx, END, Graph, Result, State};

/// What the nodes share. An attribute says what becomes of what several of them write at the same time.
#[derive(Clone, Default, State)]
struct Desk {
    letter: String,
    part: Option<String>,
    #[reduce(append)]
    items: Vec<String>,
    #[reduce(sum)]
    cents: u64,
    reply: String,
}

/// Finds the part that a letter is about.
async fn read(cx: Cx<Desk>) -> Result<DeskUpdate> {
    let part = ["chain", "tyre", "bell"].into_iter().find(|part| cx.state().letter.contains(part));
    Ok(Desk::update().part(part.map(str::to_owned)))
}

async fn goods(cx: Cx<Desk>) -> Result<DeskUpdate> {
    let part = cx.state().part.as_deref().unwrap_or_default();
    let cents = match part {
        "chain" => 1_890,
        "tyre" => 2_450,
        _ => 790,
    };
    Ok(Desk::update().items([format!("a new {part}")]).cents(cents))
}

async fn labour(cx: Cx<Desk>) -> Result<DeskUpdate> {
    let minutes = if cx.state().part.as_deref() == Some("bell") { 5 } else { 20 };
    Ok(Desk::update().items([format!("{minutes} minutes of work")]).cents(minutes * 80))
}

async fn quote(cx: Cx<Desk>) -> Result<DeskUpdate> {
    let Desk { items, cents, .. } = cx.state();
    Ok(Desk::update().reply(format!("{}: {}.{:02} EUR", items.join(" and "), cents / 100, cents % 100)))
}

async fn thank(_: Cx<Desk>) -> Result<DeskUpdate> {
    Ok(Desk::update().reply("Thank you for your letter."))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let flow = Graph::<Desk>::new()
        .node("read", read)
        .node("goods", goods)
        .node("labour", labour)
        .node("quote", quote)
        .node("thank", thank)
        .start("read")
        .branch("read", ["goods", "labour", "thank"], |desk: &Desk| match desk.part {
            Some(_) => vec!["goods", "labour"],
            None => vec!["thank"],
        })
        .join(["goods", "labour"], "quote")
        .edge("quote", END)
        .edge("thank", END)
        .build()?; // checked as a whole, all faults at once

    for letter in ["The tyre is flat again.", "My bell does not ring.", "What a lovely workshop!"] {
        let desk = flow.run(Desk { letter: letter.to_owned(), ..Desk::default() }).await?.done()?;
        println!("{letter}\n  {}", desk.reply);
    }
    Ok(())
}
