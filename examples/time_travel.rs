//! Time travel: looks back on a run, goes to an earlier checkpoint, changes the state there, and runs on from it. What
//! had happened before stays where it is.
//!
//! `cargo run --example time_travel`

use lorewell::agent::checkpoint::Memory;
use lorewell::agent::{Cx, END, Graph, Result, State, Thread};

#[derive(Clone, Default, State)]
struct Tale {
    hero: String,
    #[reduce(append)]
    lines: Vec<String>,
}

async fn cast(_: Cx<Tale>) -> Result<TaleUpdate> {
    Ok(Tale::update().hero("a hare"))
}

async fn begin(cx: Cx<Tale>) -> Result<TaleUpdate> {
    Ok(Tale::update().lines([format!("Once there was {}.", cx.state().hero)]))
}

async fn finish(cx: Cx<Tale>) -> Result<TaleUpdate> {
    let end = if cx.state().hero.contains("hare") { "It slept, and lost." } else { "Slowly, it won." };
    Ok(Tale::update().lines([end.to_owned()]))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let flow = Graph::<Tale>::new()
        .node("cast", cast)
        .node("begin", begin)
        .node("finish", finish)
        .start("cast")
        .edge("cast", "begin")
        .edge("begin", "finish")
        .edge("finish", END)
        .build()?;
    let thread = flow.thread("tale", Memory::new());

    let tale = thread.run(Tale::default()).await?.done()?;
    println!("{}\n", tale.lines.join(" "));
    show(&thread).await?;

    // Back to where the hero was just cast.
    let history = thread.history(None, 10).await?;
    let Some(cast) = history.iter().find(|checkpoint| checkpoint.next == ["begin"]) else { return Ok(()) };
    thread.fork(&cast.id).await?;
    thread.edit(Tale::update().hero("a tortoise")).await?;

    let tale = thread.resume().await?.done()?;
    println!("\n{}\n", tale.lines.join(" "));
    show(&thread).await?;

    let first = thread.standing_at(&history[0].id).await?;
    println!("\nAnd {} still says: {}", history[0].id, first.state.lines.join(" "));
    Ok(())
}

/// Shows the checkpoints that the thread has come by, newest first.
async fn show(thread: &Thread<Tale>) -> Result<()> {
    for checkpoint in thread.history(None, 10).await? {
        let hero = thread.standing_at(&checkpoint.id).await?.state.hero;
        let next = if checkpoint.next.is_empty() { "the end".to_owned() } else { checkpoint.next.join(", ") };
        println!("{}  by {:<6} hero: {hero:<11} next: {next}", checkpoint.id, format!("{:?}", checkpoint.source));
    }
    Ok(())
}
