//! Lorewell answers from your own documents, offline, with citations that were checked.
//!
//! An [`Index`] is one folder. [`Index::add`] reads files and folders into it, [`Index::search`] finds passages by words
//! and by meaning, [`Index::quote`] answers with sentences of the documents, each held against its source.
//!
//! ```
//! # #[cfg(feature = "bundled-minilm")]
//! # #[tokio::main]
//! # async fn main() -> lorewell::Result<()> {
//! # let folder = tempfile::tempdir()?;
//! # let docs = folder.path().join("docs");
//! # std::fs::create_dir(&docs)?;
//! # std::fs::write(docs.join("returns.md"), "# Returns\n\nUnused parts can be returned within 30 days.\n")?;
//! # let kb = folder.path().join("kb");
//! use lorewell::{Index, Options};
//!
//! let index = Index::open(kb, Options::bundled()?).await?;
//! let report = index.add([docs]).await?;
//! assert_eq!(report.indexed, 1);
//!
//! let hits = index.search("giving parts back").limit(3).await?;
//! println!("{}: {}", hits.hits[0].path, hits.hits[0].text);
//!
//! let answer = index.quote("How long do I have to return unused parts?").await?;
//! for sentence in &answer.sentences {
//!     println!("{} [{}]", sentence.text, sentence.citation);
//! }
//! # assert_eq!(answer.sentences[0].text, "Unused parts can be returned within 30 days.");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "bundled-minilm"))]
//! # fn main() {}
//! ```
//!
//! A [`Model`] answers in its own words: [`Index::ask`] shows it passages, and holds what it writes against them.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> lorewell::Result<()> {
//! use lorewell::model;
//!
//! let model = model("mock:echo").await?; // or "openai:…", "anthropic:…", "gemini:…", "ollama:…"
//! assert_eq!(model.chat("hi").await?.text(), "hi");
//! # Ok(())
//! # }
//! ```
//!
//! An [`Agent`] acts: its model may call [tools](trait@Tool), of which an index is one.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> lorewell::Result<()> {
//! use lorewell::{Agent, ToolError, model};
//!
//! /// Tells how many parts there are in stock.
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! struct Stock { part: String }
//! async fn stock(asked: Stock) -> Result<u32, ToolError> {
//!     if asked.part == "chain" { Ok(3) } else { Err(ToolError::failed("there is no such part")) }
//! }
//!
//! let agent = Agent::new(model("mock:echo").await?).instructions("Be brief.").tool("stock", stock);
//! println!("{}", agent.run("How many chains do we have?").await?);
//! # Ok(())
//! # }
//! ```
//!
//! What writes or runs something a person approves, in a thread that waits as long as it takes and goes on after a restart.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> lorewell::Result<()> {
//! use lorewell::agent::{Decision, Outcome, checkpoint::Memory};
//! use lorewell::{Access, Agent, Chat, ToolError, tool};
//! # use lorewell::model::{Message, Model, Part, Role, ToolCall, mock::Script};
//! # let call = ToolCall::new("1", "order", &serde_json::json!({"part": "chain"}));
//! # let script = Script::new([Message::new(Role::Assistant, [Part::ToolCall(call)]), Message::assistant("Ordered.")]);
//! # let model = Model::new("mock:script".parse()?, script);
//!
//! /// Orders a part.
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! struct Order { part: String }
//! async fn order(asked: Order) -> Result<String, ToolError> {
//!     Ok(format!("{} is on its way", asked.part))
//! }
//!
//! let agent = Agent::new(model).tool("order", tool(order).access(Access::WRITE));
//! let thread = agent.thread("shop", Memory::new())?; // `Sqlite::open("threads.sqlite")` keeps it
//! let Outcome::Paused(paused) = thread.run(Chat::say("We need a chain.")).await? else { panic!("it asks") };
//! assert_eq!(paused.questions[0].prompt["arguments"]["part"], "chain");
//! thread.answer(&paused.questions[0].id, Decision::approve()).await?;
//! assert_eq!(thread.resume().await?.done()?.text(), "Ordered.");
//! # Ok(())
//! # }
//! ```
//!
//! A [team](agent::team) is several agents in one graph, and an agent can be the tool of another one.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> lorewell::Result<()> {
//! use lorewell::agent::team::{self, Talk};
//! use lorewell::{Agent, agent::Budget};
//! # use lorewell::model::{Message, Model, mock::Script};
//! # let says = |text: &str| Model::new("mock:script".parse().unwrap(), Script::new([Message::assistant(text)]));
//! # let (a, b, c) = (says("It works."), says("It is cheap."), says("Buy it."));
//!
//! let engineer = Agent::new(a).name("engineer").instructions("You judge what things can do.");
//! let buyer = Agent::new(b).name("buyer").instructions("You judge what things cost.");
//! let chief = Agent::new(c).name("chief").instructions("You decide.");
//! let team = team::parallel([engineer, buyer], chief)?.build()?;
//! let budget = Budget::new().tokens_max(20_000); // for all of them together
//! let talk = team.run(Talk::say("Shall we buy the new lamp?")).budget(&budget).await?.done()?;
//! assert_eq!(talk.text(), "Buy it.");
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | feature | adds | default |
//! |---|---|---|
//! | `candle` | chat models from GGUF files and folders of safetensors, BERT embedders, on this machine | yes |
//! | `remote` | models behind HTTP | yes |
//! | `hub` | downloads of models, [`model::hub`] | yes |
//! | `sqlite` | threads of graphs in one file, memories of agents, the tool that reads databases | yes |
//! | `trace` | traces of runs in another one | |
//! | `otlp` | traces to a collector of OpenTelemetry | |
//! | `tantivy` | search by words | yes |
//! | `fetch` | the tool that reads pages of the web | yes |
//! | `bundled-minilm` | all-MiniLM-L6-v2 inside the binary, 23 MB | |
//! | `docling` | PDF and Word | |
//! | `code` | structure of source code | |
//! | `full` | all of these but `otlp` | |
//! | `gpu` | local models on GPUs; needs `--features gpu/cuda`, or candle-core with `cuda` or `metal` beside it | |
//!
//! This crate only brings the others together: [`mod@model`] speaks with language models, [`agent`] runs agents and graphs of
//! steps durably, [`embed`] makes vectors, [`rag`] loads, chunks, indexes, searches and answers.

pub use lorewell_agent as agent;
pub use lorewell_agent::{Agent, Chat};
pub use lorewell_embed as embed;
pub use lorewell_model as model;
pub use lorewell_model::{
    Access, Error, Kind, Message, Model, OrKind, Origin, Request, Result, ResultExt, Tool, ToolCx, ToolError,
    ToolOutput, model, tool,
};
pub use lorewell_rag as rag;
pub use lorewell_rag::answer::{Answer, Citation, Standing};
pub use lorewell_rag::index::{Index, Options, Progress, Report};
pub use lorewell_rag::search::{Filter, Fusion, Hit, Hits, Mode};
