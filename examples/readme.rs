//! The code of the README, as it stands there, with what it leaves to the reader: a model with a script, a few documents.
//! A test holds the two against each other, and runs this.

use lorewell::agent::Outcome;
use lorewell::model::mock::Script;
use lorewell::model::{Message, Model, Part, Role, ToolCall};
use lorewell::{Index, Options, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<()> {
    use lorewell::rag::load::serve;

    // First thing in `main`: as a worker the program does nothing else.
    if std::env::args().nth(1).as_deref() == Some("load-worker") {
        return serve();
    }

    let folder = tempfile::tempdir()?;
    std::env::set_current_dir(folder.path())?;
    std::fs::create_dir("docs")?;
    std::fs::write("docs/refunds.md", "# Refunds\n\nThe refund window is 30 days long.\n")?;
    quote().await?;
    ask().await?;
    isolated().await?;
    agent().await?;
    approval().await?;
    team().await?;
    graph().await
}

async fn quote() -> Result<()> {
    use lorewell::{Index, Options};

    let index = Index::open("kb", Options::bundled()?).await?;
    index.add(["docs"]).await?;
    let answer = index.quote("How long is the refund window?").await?;
    for sentence in &answer.sentences {
        println!("{} [{}]", sentence.text, sentence.citation);
    }
    Ok(())
}

#[derive(Debug, Deserialize, Serialize, schemars::JsonSchema)]
struct Mountain {
    name: String,
}

async fn ask() -> Result<()> {
    let index = Index::open("kb", Options::bundled()?).await?;
    use lorewell::model;

    let model = model("mock:cite").await?; // or "openai:…", "anthropic:…", "gemini:…", "ollama:…", "gguf:…", "hf:…"
    let answer = index.ask(&model, "How long is the refund window?").await?;
    println!("{} ({} of {} passages)", answer.text, answer.used, answer.found);

    let model = says([Message::assistant("Eiger, Dom, Rigi."), Message::assistant(r#"{"name": "Mont Blanc"}"#)]);
    use lorewell::Request;

    let mut events = model.stream(Request::from("Name three mountains.").output_tokens_max(100));
    while let Some(event) = events.next().await {
        if let lorewell::model::Event::Text { text } = event? {
            print!("{text}");
        }
    }
    let mountain: Mountain = model.chat_as("The highest mountain of the Alps?").await?; // a type with a schema
    println!("\n{}", mountain.name);
    Ok(())
}

async fn isolated() -> Result<()> {
    use lorewell::rag::load::{Limits, Loader, Worker};

    let worker = Worker { program: std::env::current_exe()?, args: vec!["load-worker".into()] };
    let mut options = Options::bundled()?;
    options.loader = Loader::isolated(worker, Limits::default());
    let index = Index::open("isolated", options).await?;

    println!("{} file read by a worker", index.add(["docs"]).await?.indexed);
    Ok(())
}

/// A model that says one thing after the other.
fn says(answers: impl IntoIterator<Item = Message>) -> Model {
    Model::new("mock:script".parse().expect("the name of a model"), Script::new(answers))
}

/// A model that calls a tool, and then says something.
fn calls(tool: &str, arguments: &serde_json::Value, says_then: &str) -> Model {
    let call = Message::new(Role::Assistant, [Part::ToolCall(ToolCall::new("1", tool, arguments))]);
    says([call, Message::assistant(says_then)])
}

async fn agent() -> Result<()> {
    let index = Index::open("kb", Options::bundled()?).await?;
    let model = calls("stock", &json!({"part": "chain"}), "There are 3 chains.");
    use lorewell::{Agent, ToolError};

    /// Tells how many of a part are in stock.
    #[derive(Deserialize, schemars::JsonSchema)]
    struct Stock {
        /// The name of the part.
        part: String,
    }

    async fn stock(asked: Stock) -> Result<u32, ToolError> {
        if asked.part == "chain" { Ok(3) } else { Err(ToolError::failed("there is no such part")) }
    }

    let agent = Agent::new(model)
        .instructions("You work in a bicycle shop. Be brief.")
        .tool("stock", stock) // a function is a tool
        .tool("search", index.tool()); // so is an index, another agent, a graph
    println!("{}", agent.run("How many chains are there?").await?);
    Ok(())
}

async fn approval() -> Result<()> {
    let model = calls("order", &json!({"part": "chain", "count": 2}), "It is on its way.");
    use lorewell::agent::{Decision, checkpoint::Sqlite};
    use lorewell::{Access, Agent, Chat, ToolCx, ToolError, tool};

    /// Orders parts.
    #[derive(Deserialize, schemars::JsonSchema)]
    struct Order {
        part: String,
        count: u32,
    }

    async fn order(cx: ToolCx, asked: Order) -> Result<String, ToolError> {
        Ok(format!("{} × {}, number {}", asked.count, asked.part, cx.key())) // the same key after a crash
    }

    let agent = Agent::new(model).tool("order", tool(order).access(Access::WRITE));
    let thread = agent.thread("shop-7", Sqlite::open("threads.sqlite").await?)?;
    if let Outcome::Paused(paused) = thread.run(Chat::say("We need two chains.")).await? {
        println!("{}", paused.questions[0].prompt["arguments"]); // what is shown is what is done
        thread.answer(&paused.questions[0].id, Decision::approve()).await?; // today, or after a restart
        println!("{}", thread.resume().await?.done()?.text());
    }
    Ok(())
}

async fn team() -> Result<()> {
    let (strong, cheap, wise) = (
        says([Message::assistant("It works.")]),
        says([Message::assistant("It is cheap.")]),
        says([Message::assistant("Buy it.")]),
    );
    use lorewell::Agent;
    use lorewell::agent::{Budget, team};

    let engineer = Agent::new(strong).name("engineer").instructions("You judge what things can do.");
    let buyer = Agent::new(cheap).name("buyer").instructions("You judge what things cost.");
    let chief = Agent::new(wise).name("chief").instructions("You decide by what the others say.");
    let team = team::parallel([engineer, buyer], chief)?.build()?; // a graph, to be kept in a thread or drawn
    let budget = Budget::new().tokens_max(20_000).calls_max(10); // for all of them together
    let talk = team.run(team::Talk::say("Shall we buy the new lamp?")).budget(&budget).await?.done()?;
    println!("{}", talk.text());
    Ok(())
}

use lorewell::agent::Cx;

async fn classify(cx: Cx<Desk>) -> Result<DeskUpdate> {
    Ok(Desk::update().notes([format!("in {}", cx.node())]).refund(true))
}

/// The bank knows by the key what it has paid already.
async fn pay_back(euros: u32, key: String) -> Result<String> {
    tokio::task::yield_now().await;
    Ok(if key.is_empty() { "no receipt".to_owned() } else { format!("a receipt for {euros} EUR") })
}

use lorewell::agent::State;

#[derive(Clone, Default, State)]
struct Desk {
    #[reduce(append)]
    notes: Vec<String>,
    refund: bool,
}

async fn refund(cx: Cx<Desk>) -> lorewell::Result<DeskUpdate> {
    let yes: bool = cx.ask("Refund 25 EUR?").await?; // pauses; survives a restart
    let receipt: String = cx.effect("refund", |key| pay_back(25, key)).await?; // once, whatever happens
    Ok(Desk::update().notes([format!("{yes}: {receipt}")]))
}

async fn graph() -> Result<()> {
    use lorewell::agent::{END, Graph, checkpoint::Sqlite};

    let flow = Graph::<Desk>::new()
        .node("classify", classify)
        .node("refund", refund)
        .start("classify")
        .branch("classify", ["refund", END], |desk: &Desk| if desk.refund { "refund" } else { END })
        .build()?; // every fault of the graph at once, in words

    let thread = flow.thread("ticket-42", Sqlite::open("threads.sqlite").await?);
    if let Outcome::Paused(paused) = thread.run(Desk::default()).await? {
        thread.answer(&paused.questions[0].id, true).await?; // now, or next week in another process
        let desk = thread.resume().await?.done()?;
        println!("{}", desk.notes.join(", "));
    }
    Ok(())
}
