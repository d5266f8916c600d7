//! Remembering a text: a request that is awaited. What is known already is noted once more, and not stored twice.

use std::future::IntoFuture;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use lorewell_model::{Error, Kind, Origin, Result};
use rusqlite::{Transaction, params};

use super::database::{Durable, Work};
use super::filter::origin_name;
use super::item::{MemoryId, MemoryItem, MemoryKind, MemorySource};
use super::rows::{self, Draft, check_importance};
use super::time::{micros, now};
use super::{IMPORTANCE, Namespace};

/// Bytes of a text that is remembered: three pages. What is longer is a document, which belongs in an index.
pub const TEXT_BYTES_MAX: usize = 16 << 10;

/// A text that is to be remembered: `.await` it.
#[derive(Debug, Clone)]
#[must_use = "nothing is remembered until this is awaited"]
pub struct Remember {
    namespace: Namespace,
    text: String,
    kind: MemoryKind,
    origin: Origin,
    source: MemorySource,
    importance: f32,
    lifetime: Option<Duration>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remembered {
    /// The memory.
    pub id: MemoryId,
    /// Whether it was not known before.
    pub is_new: bool,
    /// What was forgotten because the namespace is full.
    pub forgotten: Vec<MemoryId>,
}

impl Remember {
    pub(super) fn new(namespace: Namespace, text: String) -> Self {
        let (kind, source) = (MemoryKind::default(), MemorySource::new());
        Self { namespace, text, kind, origin: Origin::User, source, importance: IMPORTANCE, lifetime: None }
    }

    /// Says what sort of memory it is; [`MemoryKind::Semantic`] unless said.
    pub fn kind(mut self, kind: MemoryKind) -> Self {
        self.kind = kind;
        self
    }

    /// Says who wrote it; the user unless said. What nobody vouches for stays marked so for as long as it lives.
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    /// Says where it comes from.
    pub fn source(mut self, source: MemorySource) -> Self {
        self.source = source;
        self
    }

    /// Says how much it matters, 0..1; 0.5 unless said.
    pub fn importance(mut self, importance: f32) -> Self {
        self.importance = importance;
        self
    }

    /// Says after what time it is forgotten by itself; never unless said.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    fn draft(self) -> Result<(Namespace, Draft)> {
        if self.kind == MemoryKind::Fact {
            let message = "a fact has an entity, an attribute and a value; call `fact` instead of `remember`";
            return Err(Error::new(Kind::BadInput, message));
        }
        check_importance(self.importance)?;
        self.source.check()?;
        // What would last beyond the end of time never expires.
        let expires = self.lifetime.and_then(|lifetime| SystemTime::now().checked_add(lifetime)).map(micros);
        let draft = Draft {
            kind: self.kind,
            text: check_text(self.text)?,
            statement: None,
            origin: self.origin,
            source: self.source,
            importance: self.importance,
            valid_from: None,
            valid_to: None,
            expires,
            vector: None,
        };
        Ok((self.namespace, draft))
    }
}

impl IntoFuture for Remember {
    type Output = Result<Remembered>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    /// # Errors
    /// `BadInput` if the text is empty, the importance not within 0..1 or the kind [`MemoryKind::Fact`]; `Limit` if the text is
    /// longer than [`TEXT_BYTES_MAX`]; those of the embedder, `Conflict` if it is not the one of the file any more; those of the
    /// store. In each case nothing was changed.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (namespace, mut draft) = self.draft()?;
            draft.vector = namespace.store().embed_one(&draft.text).await?;
            let (path, store) = (namespace.shared_path(), namespace.store().shared());
            let write = move |transaction: &Transaction<'_>| {
                rows::check_embedder(transaction, store.fingerprint())?;
                let namespace = rows::make_namespace(transaction, &path)?;
                remember(transaction, namespace, &draft, store.capacity(), now())
            };
            namespace.store().database().write(Durable::Yes, write).await
        })
    }
}

/// Stores a text, or notes that it was said again.
pub(super) fn remember(
    transaction: &Transaction<'_>,
    namespace: i64,
    draft: &Draft,
    capacity: usize,
    now: i64,
) -> Work<Remembered> {
    if let Some((row, item)) = rows::duplicate(transaction, namespace, draft)? {
        again(transaction, row, &item, draft, now)?;
        return Ok(Remembered { id: item.id, is_new: false, forgotten: Vec::new() });
    }
    let forgotten = rows::make_room(transaction, namespace, capacity, 1, now)?;
    let (_, id) = rows::insert(transaction, namespace, draft, now)?;
    Ok(Remembered { id, is_new: true, forgotten })
}

/// Notes that something was said again: it matters as much as it ever did, lives as long as anyone asked, and is of the one who is
/// trusted most. These words are theirs too, and repeating them must not take their trust away.
fn again(transaction: &Transaction<'_>, row: i64, item: &MemoryItem, draft: &Draft, now: i64) -> Work<()> {
    let expires = item.expires.map(micros).zip(draft.expires).map(|(a, b)| a.max(b));
    let sql = "UPDATE memories SET importance = max(importance, ?2), expires = ?3 WHERE row = ?1";
    transaction.prepare_cached(sql)?.execute(params![row, draft.importance, expires])?;
    if draft.origin < item.origin {
        let sql = "UPDATE memories SET origin = ?2, thread = ?3, message = ?4, document = ?5 WHERE row = ?1";
        let MemorySource { thread, message, document } = &draft.source;
        let origin = origin_name(draft.origin);
        transaction.prepare_cached(sql)?.execute(params![row, origin, thread, message, document])?;
    }
    rows::touch(transaction, &[row], now)
}

/// Checks a text, and brings it into the form in which it is kept.
pub(super) fn check_text(text: String) -> Result<String> {
    let text = if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text };
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::new(Kind::BadInput, "the text is empty; say what is to be remembered"));
    }
    if text.len() > TEXT_BYTES_MAX {
        let message = format!(
            "a memory of {} bytes is too long, {TEXT_BYTES_MAX} is the limit; put the text into an index",
            text.len()
        );
        return Err(Error::new(Kind::Limit, message));
    }
    Ok(text.to_owned())
}
