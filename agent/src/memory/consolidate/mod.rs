//! Consolidation: a model reads a conversation beside the memories that are nearest to it, and proposes what to add, to change and
//! to end (Chhikara et al. 2025, arXiv 2504.19413). What it proposes is checked and never obeyed blindly: see `apply`.

mod apply;
mod prompt;

use std::future::IntoFuture;

use futures_util::future::BoxFuture;
use lorewell_model::{Message, Model, Origin, Result};
use rusqlite::Transaction;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Namespace;
use super::database::Durable;
use super::filter::MemoryFilter;
use super::item::{MemoryId, MemoryItem, MemoryKind, MemorySource};
use apply::{Fix, apply};
use prompt::Shown;

/// Bytes of the conversation that the model reads, newest messages first: about 16,000 tokens.
pub const CONVERSATION_BYTES_MAX: usize = 64 << 10;
/// Operations of one consolidation that are looked at: more than a conversation of that length is worth.
pub const OPERATIONS_MAX: usize = 64;
/// Memories that are found for each message: as many as in the paper.
const NEAR_EACH: usize = 10;
/// Memories that the model is shown.
const NEAR_MAX: usize = 40;
/// Bytes of them.
const NEAR_BYTES_MAX: usize = 32 << 10;
/// Messages for which memories are looked for, newest first.
const ASKED_MAX: usize = 16;

/// What the model answers.
#[derive(Debug, Deserialize, JsonSchema)]
struct Proposal {
    /// What is to be done; empty if nothing of the conversation is worth remembering.
    operations: Vec<Operation>,
}

/// One thing to do.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct Operation {
    /// `add` a new memory, `update` one that is no longer right as it stands, `invalidate` one that is not so any more, or `none`.
    action: Action,
    /// The number of the memory that is updated or invalidated, as it is shown.
    memory: Option<usize>,
    /// The text of the memory that is added, or the new text of the one that is updated.
    text: Option<String>,
    /// What sort of memory is added: `semantic` for what is so, `episodic` for what has happened, `procedural` for how something
    /// is done.
    kind: Option<Sort>,
    /// How much an added memory matters: 1 is trivial, 10 is vital.
    importance: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Action {
    Add,
    Update,
    Invalidate,
    None,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Update => "update",
            Self::Invalidate => "invalidate",
            Self::None => "none",
        }
    }
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Sort {
    Semantic,
    Episodic,
    Procedural,
}

impl From<Sort> for MemoryKind {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Semantic => Self::Semantic,
            Sort::Episodic => Self::Episodic,
            Sort::Procedural => Self::Procedural,
        }
    }
}

/// What came of a consolidation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Consolidation {
    /// Memories that are new.
    pub added: Vec<MemoryId>,
    /// Memories whose text has changed.
    pub updated: Vec<MemoryId>,
    /// Memories that are not so any more.
    pub invalidated: Vec<MemoryId>,
    /// Memories that were forgotten because the namespace is full.
    pub forgotten: Vec<MemoryId>,
    /// What the model proposed in vain.
    pub refused: Vec<Refusal>,
    /// Messages, of the oldest, that the model was not shown because the conversation is too long.
    pub left_out: usize,
    /// Who wrote what the new texts are made of.
    pub origin: Origin,
}

/// Something that was proposed and not done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// Which of the operations, from 0.
    pub operation: usize,
    /// Why.
    pub why: String,
}

/// A consolidation: `.await` it.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use lorewell_agent::memory::{MemorySource, MemoryStore};
/// use lorewell_model::{Message, Model, mock::Script};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("memory.sqlite");
/// # let answer = r#"{"operations": [{"action": "add", "text": "Anna has moved to Ulm.", "importance": 8}]}"#;
/// # let model = Model::new("mock:script".parse()?, Script::new([Message::assistant(answer)]));
/// let anna = MemoryStore::open(path).await?.namespace(["user", "anna"])?;
/// let conversation = [Message::user("I have moved to Ulm."), Message::assistant("Noted!")];
/// let done = anna.consolidate(&model, conversation).source(MemorySource::new().thread("ticket-42")).await?;
/// assert_eq!(anna.get(done.added[0]).await?.unwrap().text, "Anna has moved to Ulm.");
/// # Ok::<(), lorewell_agent::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is consolidated until this is awaited"]
pub struct Consolidate {
    namespace: Namespace,
    model: Model,
    messages: Vec<Message>,
    origin: Option<Origin>,
    source: MemorySource,
}

impl Consolidate {
    pub(super) fn new(namespace: Namespace, model: Model, messages: Vec<Message>) -> Self {
        Self { namespace, model, messages, origin: None, source: MemorySource::new() }
    }

    /// Says who wrote what is in the conversation: the one that is trusted least, such as `chat.has_read.last()`. Unless said, a
    /// conversation with results of tools is of a [`Tool`](Origin::Tool), one with files of a [`Document`](Origin::Document),
    /// any other of the user.
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Says where the conversation was held.
    pub fn source(mut self, source: MemorySource) -> Self {
        self.source = source;
        self
    }

    /// Memories that are nearest to what was said. A model that reads what is trusted alone is shown nothing else, so that its
    /// proposals can be.
    async fn near(&self, origin: Origin) -> Result<Vec<MemoryItem>> {
        let filter = if origin.is_trusted() { MemoryFilter::new().trusted() } else { MemoryFilter::new() };
        let mut near: Vec<MemoryItem> = Vec::new();
        let mut left = NEAR_BYTES_MAX;
        for query in self.messages.iter().rev().filter_map(prompt::question).take(ASKED_MAX) {
            let hits = self.namespace.search(query).filter(filter.clone()).limit(NEAR_EACH).unnoticed().await?;
            for hit in hits {
                // Facts are stated anew, never rewritten.
                let is_new = hit.item.statement.is_none() && near.iter().all(|item| item.id != hit.item.id);
                if is_new && near.len() < NEAR_MAX && hit.item.text.len() <= left {
                    left -= hit.item.text.len();
                    near.push(hit.item);
                }
            }
        }
        Ok(near)
    }

    async fn run(self) -> Result<Consolidation> {
        self.source.check()?;
        let origin = self.origin.unwrap_or_else(|| prompt::origin(&self.messages));
        let near = self.near(origin).await?;
        let Shown { request, left_out } = prompt::request(&self.messages, &near);
        let proposal: Proposal = self.model.chat_as(request).await?;
        let store = self.namespace.store();
        let texts: Vec<&str> = proposal.operations.iter().take(OPERATIONS_MAX).filter_map(apply::text).collect();
        let vectors = store.embed(&texts).await?;
        let fix = Fix { origin, source: self.source, near, capacity: store.shared().capacity() };
        let (path, shared) = (self.namespace.shared_path(), store.shared());
        let write = move |transaction: &Transaction<'_>| {
            super::rows::check_embedder(transaction, shared.fingerprint())?;
            let namespace = super::rows::make_namespace(transaction, &path)?;
            let done = apply(transaction, namespace, &fix, &proposal.operations, vectors)?;
            super::rows::drop_if_empty(transaction, namespace)?;
            Ok(done)
        };
        let done = store.database().write(Durable::Yes, write).await?;
        Ok(Consolidation { left_out, ..done })
    }
}

impl IntoFuture for Consolidate {
    type Output = Result<Consolidation>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    /// # Errors
    /// Those of the model; `BadOutput` if its answer never has the form; those of the embedder and of the store. In each case
    /// nothing was changed.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
