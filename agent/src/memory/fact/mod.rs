//! Facts about entities, with two times: when something was so, and when that was known (Snodgrass and Ahn 1985; for the memory
//! of agents Rasmussen et al. 2025, arXiv 2501.13956). A new value closes the old one, and what was believed before is kept.

mod store;
mod timeline;

use std::time::SystemTime;

use futures_util::future::BoxFuture;
use lorewell_model::{Error, Kind, Origin, Result};
use rusqlite::Transaction;

use super::Namespace;
use super::database::{Durable, Work};
use super::item::{MemoryId, MemoryKind, MemorySource, Statement};
use super::remember::Remembered;
use super::rows::{self, Draft, check_importance};
use super::time::{micros, now};
pub(super) use store::{close, erase};

/// Bytes of each part of a fact; what is longer is a text to remember.
pub const FACT_PART_BYTES_MAX: usize = 1024;

/// What an attribute of an entity is. An attribute has one value at a time: `Fact::new("ACME", "ceo", "Ms. Bolt")` closes what
/// was known before of the `ceo` of `ACME`.
///
/// It holds from now on, unless said, and until a value is known to follow.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Fact {
    /// What it states.
    pub statement: Statement,
    /// From when it holds.
    pub valid_from: Option<SystemTime>,
    /// Until when, exclusive.
    pub valid_to: Option<SystemTime>,
    /// Who says so.
    pub origin: Origin,
    /// Where it is said.
    pub source: MemorySource,
    /// How much it matters, 0..1.
    pub importance: f32,
}

impl Fact {
    /// States a fact. The user says so, unless said.
    pub fn new(entity: impl Into<String>, attribute: impl Into<String>, value: impl Into<String>) -> Self {
        let statement = Statement { entity: entity.into(), attribute: attribute.into(), value: value.into() };
        let (origin, source) = (Origin::User, MemorySource::new());
        Self { statement, valid_from: None, valid_to: None, origin, source, importance: super::IMPORTANCE }
    }

    /// Says from when it holds.
    #[must_use]
    pub fn valid_from(mut self, time: impl Into<SystemTime>) -> Self {
        self.valid_from = Some(time.into());
        self
    }

    /// Says until when it holds, exclusive.
    #[must_use]
    pub fn valid_to(mut self, time: impl Into<SystemTime>) -> Self {
        self.valid_to = Some(time.into());
        self
    }

    /// Says who wrote it.
    #[must_use]
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    /// Says where it comes from.
    #[must_use]
    pub fn source(mut self, source: MemorySource) -> Self {
        self.source = source;
        self
    }

    /// Says how much it matters, 0..1.
    #[must_use]
    pub fn importance(mut self, importance: f32) -> Self {
        self.importance = importance;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        let Statement { entity, attribute, value } = &self.statement;
        for (name, part) in [("entity", entity), ("attribute", attribute), ("value", value)] {
            if part.trim().is_empty() || part.trim() != part || part.chars().any(char::is_control) {
                let message =
                    format!("the {name} of a fact is one line of text without spaces around it, not {part:?}");
                return Err(Error::new(Kind::BadInput, message));
            }
            if part.len() > FACT_PART_BYTES_MAX {
                let message =
                    format!("the {name} of a fact has {} bytes; {FACT_PART_BYTES_MAX} is the limit", part.len());
                return Err(Error::new(Kind::Limit, message));
            }
        }
        if attribute.contains(": ") || attribute.ends_with(':') {
            let message =
                format!("the attribute `{attribute}` has a colon, after which its value is written; leave it out");
            return Err(Error::new(Kind::BadInput, message));
        }
        if self.valid_from.zip(self.valid_to).is_some_and(|(from, to)| from >= to) {
            return Err(Error::new(Kind::BadInput, "the fact ends before it begins; swap its times"));
        }
        self.source.check()?;
        check_importance(self.importance)
    }
}

/// What is, or was, known of an attribute.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FactRecord {
    /// The memory; a value that was closed has the id that it had before.
    pub id: MemoryId,
    /// What it states.
    pub statement: Statement,
    /// From when it holds.
    pub valid_from: Option<SystemTime>,
    /// Until when, exclusive; nobody knows of an end, if nothing is said.
    pub valid_to: Option<SystemTime>,
    /// Since when this is known.
    pub recorded_from: SystemTime,
    /// Until when this was believed, exclusive; it still is, if nothing is said.
    pub recorded_to: Option<SystemTime>,
    /// Who says so.
    pub origin: Origin,
    /// Where it is said.
    pub source: MemorySource,
}

/// A question for facts about an entity: `.await` it.
#[derive(Debug, Clone)]
#[must_use = "a question does nothing until it is awaited"]
pub struct Facts {
    namespace: Namespace,
    entity: String,
    attribute: Option<String>,
    as_of: Option<SystemTime>,
    known_at: Option<SystemTime>,
}

impl Facts {
    pub(super) fn new(namespace: Namespace, entity: String) -> Self {
        Self { namespace, entity, attribute: None, as_of: None, known_at: None }
    }

    /// Asks for one attribute; for all unless said.
    pub fn attribute(mut self, attribute: impl Into<String>) -> Self {
        self.attribute = Some(attribute.into());
        self
    }

    /// Asks for what was so at a time; for what is so now unless said.
    pub fn as_of(mut self, time: impl Into<SystemTime>) -> Self {
        self.as_of = Some(time.into());
        self
    }

    /// Asks for what was believed at a time; for what is believed now unless said.
    pub fn known_at(mut self, time: impl Into<SystemTime>) -> Self {
        self.known_at = Some(time.into());
        self
    }
}

impl IntoFuture for Facts {
    type Output = Result<Vec<FactRecord>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    /// # Errors
    /// The memory cannot be read.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { namespace, entity, attribute, as_of, known_at } = self;
            let as_of = as_of.map_or_else(now, micros);
            let known_at = known_at.map(micros);
            let path = namespace.shared_path();
            namespace
                .store()
                .database()
                .read(move |transaction| {
                    let Some(namespace) = rows::namespace(transaction, &path)? else { return Ok(Vec::new()) };
                    store::facts(transaction, namespace, &entity, attribute.as_deref(), as_of, known_at)
                })
                .await
        })
    }
}

/// Stores a fact, and closes what it takes the place of.
pub(super) fn state(
    transaction: &Transaction<'_>,
    namespace: i64,
    fact: &Fact,
    vector: Option<Vec<f32>>,
    capacity: usize,
) -> Work<Remembered> {
    let now = now();
    let draft = Draft {
        kind: MemoryKind::Fact,
        text: fact.statement.to_string(),
        statement: Some(fact.statement.clone()),
        origin: fact.origin,
        source: fact.source.clone(),
        importance: fact.importance,
        valid_from: Some(fact.valid_from.map_or(now, micros)),
        valid_to: fact.valid_to.map(micros),
        expires: None,
        vector,
    };
    store::state(transaction, namespace, &draft, capacity, now)
}

impl Namespace {
    /// Remembers a fact, closing what it takes the place of. The memory that says it may be known already.
    ///
    /// # Errors
    /// `BadInput` and `Limit` if it cannot be kept as it is; `Refused` if nobody vouches for it and it denies what somebody
    /// vouches for; those of the embedder and of the store.
    pub async fn fact(&self, fact: Fact) -> Result<Remembered> {
        fact.check()?;
        let vector = self.store().embed_one(&fact.statement.to_string()).await?;
        let (path, store) = (self.shared_path(), self.store().shared());
        let write = move |transaction: &Transaction<'_>| {
            rows::check_embedder(transaction, store.fingerprint())?;
            let namespace = rows::make_namespace(transaction, &path)?;
            state(transaction, namespace, &fact, vector, store.capacity())
        };
        self.store().database().write(Durable::Yes, write).await
    }

    /// Asks for facts about an entity.
    pub fn facts(&self, entity: impl Into<String>) -> Facts {
        Facts::new(self.clone(), entity.into())
    }

    /// Returns all that is and was believed of an entity: by attribute, then in the order in which it was learned.
    ///
    /// # Errors
    /// The memory cannot be read.
    pub async fn history(&self, entity: &str) -> Result<Vec<FactRecord>> {
        let (path, entity) = (self.shared_path(), entity.to_owned());
        let read = move |transaction: &Transaction<'_>| {
            let Some(namespace) = rows::namespace(transaction, &path)? else { return Ok(Vec::new()) };
            store::history(transaction, namespace, &entity)
        };
        self.store().database().read(read).await
    }
}
