//! The agent of a chat: its model, what it is told, and the tools that this run of the command allows.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use lorewell::agent::memory::MemoryStore;
use lorewell::agent::tools::{self, Fetch, Files, Sql};
use lorewell::agent::{LoopGuard, Middleware, PromptCache, Turn, Verdict, Window};
use lorewell::model::{ChatModel as _, IntoTool as _, Model, ToolCall};
use lorewell::rag::index::Index;
use lorewell::{Access, Agent, Tool};

use crate::args;
use crate::commands::Session;
use crate::exit::Misuse;
use crate::folders::make_private;

/// The name of the agent, which is that of its node too.
pub(super) const NODE: &str = "lorewell";
/// The tool that searches the brain.
pub(super) const SEARCH: &str = "search_library";

const INSTRUCTIONS: &str = include_str!("instructions.md");

/// What the model of a chat may use.
pub(super) struct Toolset {
    pub(super) tools: Vec<Arc<dyn Tool>>,
    /// The brain at hand, if there is one.
    pub(super) index: Option<Index>,
}

impl Toolset {
    /// Opens what the arguments and the settings allow.
    pub(super) async fn open(session: &Session, args: &args::Chat) -> Result<Self> {
        let index = if session.brain.exists() { Some(session.index().await?) } else { None };
        let mut all: Vec<Arc<dyn Tool>> = Vec::new();
        all.extend(index.as_ref().map(|index| Arc::new(index.tool().into_tool(SEARCH)) as Arc<dyn Tool>));
        all.extend([tools::calculator(), tools::clock()]);
        all.extend(files(session, args)?.tools());
        if args.web || session.config.is_on("chat_web") {
            all.push(web(session)?);
        }
        if let Some(file) = &args.db {
            all.push(Sql::open(file)?.tool());
        }
        if session.config.is_on("chat_memory") {
            all.extend(memory(session).await?);
        }
        Ok(Self { tools: all, index })
    }

    /// Makes an agent of a model.
    pub(super) fn agent(&self, model: &Model, steps_max: u32) -> Agent {
        let sending = self.tools.iter().filter(|tool| tool.access().has(Access::NETWORK));
        let asks = AskBeforeSending(sending.map(|tool| tool.spec().name.clone()).collect());
        let agent = Agent::new(model.clone()).name(NODE).instructions(INSTRUCTIONS).tools(self.tools.iter().cloned());
        let agent = agent.middleware(asks).middleware(LoopGuard::default()).middleware(PromptCache::default());
        let agent = agent.steps_max(steps_max);
        match model.window_tokens() {
            Some(_) => agent.window(Window::of_model().summarise()),
            None => agent,
        }
    }

    /// Refuses names that no tool has: a slip of the fingers would approve nothing, and be found out too late.
    pub(super) fn check(&self, names: &[String]) -> Result<()> {
        let has = |name: &String| self.tools.iter().any(|tool| tool.spec().name == *name);
        let Some(unknown) = names.iter().find(|name| !has(name)) else { return Ok(()) };
        let all: Vec<String> = self.tools.iter().map(|tool| format!("`{}`", tool.spec().name)).collect();
        Err(Misuse(format!("there is no tool `{unknown}`; there are {}", all.join(", "))).into())
    }
}

fn files(session: &Session, args: &args::Chat) -> Result<Files> {
    if let Some(folder) = &args.write {
        return Ok(Files::open(folder)?.writing());
    }
    let here = Files::open(std::env::current_dir().context("finding the current folder")?)?;
    Ok(if session.config.is_on("chat_write") { here.writing() } else { here })
}

fn web(session: &Session) -> Result<Arc<dyn Tool>> {
    if session.global.offline {
        return Err(Misuse("`--offline` allows no network connection, and `--web` needs one".to_owned()).into());
    }
    Ok(Fetch::new().tool()?)
}

async fn memory(session: &Session) -> Result<Vec<Arc<dyn Tool>>> {
    make_private(&session.folders.data)?;
    let store = MemoryStore::open(session.folders.data.join("memory.sqlite")).await?;
    Ok(store.namespace(["chat"])?.tools())
}

/// Has a person asked before anything is sent, whatever was read before.
struct AskBeforeSending(Vec<String>);

#[async_trait]
impl Middleware for AskBeforeSending {
    async fn before_tool(&self, _: &Turn, call: &ToolCall) -> lorewell::Result<Verdict> {
        Ok(if self.0.contains(&call.name) { Verdict::Ask } else { Verdict::Go })
    }
}
