//! Graphs in a graph: one with a state of its own, once for each town; one that works on the state around it.
//!
//! `cargo run --example subgraphs`

use lorewell::agent::{Cx, END, Flow, Goto, Graph, Result, State};

/// The state of the whole.
#[derive(Clone, Default, State)]
struct Trip {
    towns: Vec<String>,
    #[reduce(append)]
    plan: Vec<String>,
}

/// The state of the graph that looks at one town. Nothing of it is seen outside but what is handed out.
#[derive(Clone, Default, State)]
struct Town {
    name: String,
    #[reduce(append)]
    sights: Vec<String>,
}

async fn museum(cx: Cx<Town>) -> Result<TownUpdate> {
    Ok(Town::update().sights([format!("the museum of {}", cx.state().name)]))
}

async fn market(cx: Cx<Town>) -> Result<TownUpdate> {
    Ok(Town::update().sights([format!("the market of {}", cx.state().name)]))
}

fn sightseeing() -> Result<Flow<Town>> {
    Graph::new().node("market", market).node("museum", museum).start("market").start("museum").build()
}

async fn pack(_: Cx<Trip>) -> Result<TripUpdate> {
    Ok(Trip::update().plan(["pack the tent".to_owned()]))
}

async fn leave(_: Cx<Trip>) -> Result<TripUpdate> {
    Ok(Trip::update().plan(["leave early".to_owned()]))
}

fn departure() -> Result<Flow<Trip>> {
    Graph::new().node("pack", pack).node("leave", leave).start("pack").edge("pack", "leave").build()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    // Another state: say what goes in, and what comes out.
    let visit = sightseeing()?.within(
        |cx: &Cx<Trip>| Town { name: cx.input().unwrap_or_default(), ..Town::default() },
        |town: Town| Trip::update().plan([format!("{}: {}", town.name, town.sights.join(", "))]),
    );
    let flow = Graph::<Trip>::new()
        .node("depart", departure()?) // the same state: a flow is a node
        .node("visit", visit)
        .start("depart")
        .branch("depart", ["visit"], |trip: &Trip| {
            trip.towns.iter().map(|town| Goto::send("visit", town.clone())).collect::<Vec<_>>()
        })
        .edge("visit", END)
        .build()?;

    println!("{}", flow.mermaid());
    let trip = Trip { towns: vec!["Ghent".to_owned(), "Lille".to_owned()], ..Trip::default() };
    println!("{}", flow.run(trip).await?.done()?.plan.join("\n"));
    Ok(())
}
