//! A namespace: the memories of one user, one project, one agent. All that is found, changed or forgotten is of it; nothing here
//! takes the path of another from what is stored, or from a model.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use lorewell_model::{Error, Kind, Result};
use rusqlite::Transaction;

use super::consolidate::Consolidate;
use super::database::{Durable, Work};
use super::fact;
use super::filter::MemoryFilter;
use super::item::{MemoryId, MemoryItem};
use super::remember::{Remember, check_text};
use super::rows::{self, Change};
use super::search::Search;
use super::store::MemoryStore;
use super::time::{micros, now};

/// Parts of the path of a namespace.
pub const NAMESPACE_DEPTH_MAX: usize = 8;
/// Bytes of each: the name of a file may be so long.
pub const NAMESPACE_PART_BYTES_MAX: usize = 128;
/// Memories that [`Namespace::list`] returns at once.
const LIST_MAX: usize = 1000;

/// The memories of one user, project or agent. Nothing of another namespace is ever found in it, whether its path is longer or
/// shorter. Cheap to clone.
///
/// Its path has one to eight parts, which may be names of files: without `/`, `\`, `:`, `*`, `?`, `"`, `<`, `>`, `|` and control
/// characters, not `.` or `..`, without spaces around them.
#[derive(Clone)]
pub struct Namespace {
    store: MemoryStore,
    path: Arc<str>,
}

impl Namespace {
    pub(super) fn new<P: AsRef<str>>(store: MemoryStore, parts: impl IntoIterator<Item = P>) -> Result<Self> {
        // One more than there may be is enough to see that they are too many.
        let parts: Vec<P> = parts.into_iter().take(NAMESPACE_DEPTH_MAX + 1).collect();
        if parts.is_empty() || parts.len() > NAMESPACE_DEPTH_MAX {
            let message = format!("a namespace has 1 to {NAMESPACE_DEPTH_MAX} parts, such as `[\"user\", \"anna\"]`");
            return Err(Error::new(Kind::BadInput, message));
        }
        for part in &parts {
            check_part(part.as_ref())?;
        }
        let parts: Vec<&str> = parts.iter().map(P::as_ref).collect();
        Ok(Self { store, path: Arc::from(parts.join("/")) })
    }

    /// Returns its path: `user/anna`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn shared_path(&self) -> Arc<str> {
        Arc::clone(&self.path)
    }

    pub(super) fn store(&self) -> &MemoryStore {
        &self.store
    }

    /// Remembers a text: `.await` it, after saying more about it.
    pub fn remember(&self, text: impl Into<String>) -> Remember {
        Remember::new(self.clone(), text.into())
    }

    /// Searches by words and by meaning: `.await` it.
    pub fn search(&self, query: impl Into<String>) -> Search {
        Search::new(self.clone(), query.into())
    }

    /// Lets a model decide what of a conversation is worth remembering: `.await` it.
    pub fn consolidate(
        &self,
        model: &lorewell_model::Model,
        messages: impl IntoIterator<Item = lorewell_model::Message>,
    ) -> Consolidate {
        Consolidate::new(self.clone(), model.clone(), messages.into_iter().collect())
    }

    /// Returns a memory; `None` if there is none of this id here, or its time is over.
    ///
    /// # Errors
    /// The memory cannot be read.
    pub async fn get(&self, id: MemoryId) -> Result<Option<MemoryItem>> {
        let now = now();
        let is_over = move |item: &MemoryItem| item.expires.is_some_and(|expires| micros(expires) <= now);
        let found = self.read(None, move |transaction, namespace| rows::find(transaction, namespace, id)).await?;
        Ok(found.map(|(_, item)| item).filter(|item| !is_over(item)))
    }

    /// Returns memories that fit and are so now, in the order in which they were stored: at most `limit`, and 1000.
    ///
    /// # Errors
    /// The memory cannot be read.
    pub async fn list(&self, filter: &MemoryFilter, limit: usize) -> Result<Vec<MemoryItem>> {
        let clause = filter.clause().living(now()).valid(now());
        let limit = limit.min(LIST_MAX);
        let read = move |transaction: &Transaction<'_>, namespace| rows::select(transaction, namespace, &clause, limit);
        let found = self.read(Vec::new(), read).await?;
        Ok(found.into_iter().map(|(_, item)| item).collect())
    }

    /// Gives a memory another text. It keeps its origin: whoever can vouch for the new text remembers it anew.
    ///
    /// # Errors
    /// `NotFound` if there is none of this id here; `BadInput` if it is a fact, which has a value to state instead, or if another
    /// memory says the same; those of [`remember`](Self::remember).
    pub async fn update(&self, id: MemoryId, text: impl Into<String>) -> Result<()> {
        let text = check_text(text.into())?;
        let vector = self.store.embed_one(&text).await?;
        let store = self.store.shared();
        self.change(id, move |transaction, row, item| {
            rows::check_embedder(transaction, store.fingerprint())?;
            set_text(
                transaction,
                row,
                item,
                &Change { text: &text, origin: item.origin, vector: vector.as_deref(), now: now() },
            )
        })
        .await?;
        self.store.database().scrub().await
    }

    /// Ends a memory at a time: from then on it is not so any more, and is not found. Of a fact the history tells.
    ///
    /// # Errors
    /// `NotFound` if there is none of this id here; `BadInput` if it begins only then.
    pub async fn invalidate(&self, id: MemoryId, at: impl Into<SystemTime>) -> Result<()> {
        let at = micros(at.into());
        self.change(id, move |transaction, row, item| fact::close(transaction, row, item, at, now())).await
    }

    /// Forgets a memory: its text, its words, its vector and what was believed before are overwritten. Tells whether there was
    /// one of this id here.
    ///
    /// What another process reads at the moment stays in the log of the file until the next time.
    ///
    /// # Errors
    /// The memory cannot be changed.
    pub async fn forget(&self, id: MemoryId) -> Result<bool> {
        let path = self.shared_path();
        let forget = move |transaction: &Transaction<'_>| {
            let Some(namespace) = rows::namespace(transaction, &path)? else { return Ok(false) };
            let sql = "DELETE FROM versions WHERE namespace = ?1 AND id = ?2";
            let versions = transaction.execute(sql, (namespace, id.to_string()))?;
            let found = rows::find(transaction, namespace, id)?;
            if let Some((row, _)) = &found {
                rows::delete(transaction, *row, id)?;
            }
            rows::drop_if_empty(transaction, namespace)?;
            Ok(found.is_some() || versions > 0)
        };
        let was_there = self.store.database().write(Durable::Yes, forget).await?;
        self.store.database().scrub().await?;
        Ok(was_there)
    }

    /// Forgets all memories that fit, also those that are not so any more. Returns how many.
    ///
    /// # Errors
    /// `BadInput` if the filter fits everything: that is what [`clear`](Self::clear) is for.
    pub async fn forget_where(&self, filter: &MemoryFilter) -> Result<usize> {
        if filter.is_empty() {
            let message = "the filter fits everything; say which memories, or call `clear`";
            return Err(Error::new(Kind::BadInput, message));
        }
        let (path, clause) = (self.shared_path(), filter.clause());
        let forget = move |transaction: &Transaction<'_>| {
            let Some(namespace) = rows::namespace(transaction, &path)? else { return Ok(0) };
            let all = rows::select(transaction, namespace, &clause, usize::MAX)?;
            for (row, item) in &all {
                rows::delete(transaction, *row, item.id)?;
            }
            rows::drop_if_empty(transaction, namespace)?;
            Ok(all.len())
        };
        let count = self.store.database().write(Durable::Yes, forget).await?;
        self.store.database().scrub().await?;
        Ok(count)
    }

    /// Forgets everything, the namespace too.
    ///
    /// # Errors
    /// The memory cannot be changed.
    pub async fn clear(&self) -> Result<()> {
        let path = self.shared_path();
        let clear = move |transaction: &Transaction<'_>| {
            transaction.execute("DELETE FROM namespaces WHERE path = ?1", [&*path])?;
            Ok(())
        };
        self.store.database().write(Durable::Yes, clear).await?;
        self.store.database().scrub().await
    }

    /// Reads something of it, if there is anything.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        nothing: T,
        read: impl FnOnce(&Transaction<'_>, i64) -> Work<T> + Send + 'static,
    ) -> Result<T> {
        let path = self.shared_path();
        let work = move |transaction: &Transaction<'_>| match rows::namespace(transaction, &path)? {
            Some(namespace) => read(transaction, namespace),
            None => Ok(nothing),
        };
        self.store.database().read(work).await
    }

    /// Changes a memory of it.
    async fn change(
        &self,
        id: MemoryId,
        change: impl FnOnce(&Transaction<'_>, i64, &MemoryItem) -> Work<()> + Send + 'static,
    ) -> Result<()> {
        let path = self.shared_path();
        let work = move |transaction: &Transaction<'_>| {
            let namespace = rows::namespace(transaction, &path)?.ok_or_else(|| rows::unknown(id))?;
            let (row, item) = rows::find(transaction, namespace, id)?.ok_or_else(|| rows::unknown(id))?;
            change(transaction, row, &item)
        };
        self.store.database().write(Durable::Yes, work).await
    }
}

/// Gives a memory another text, unless another one says the same.
pub(super) fn set_text(transaction: &Transaction<'_>, row: i64, item: &MemoryItem, change: &Change<'_>) -> Work<()> {
    if item.statement.is_some() {
        let message = format!("`{}` is a fact; state its value anew instead", item.id);
        return Err(Error::new(Kind::BadInput, message).into());
    }
    if item.valid_to.is_none() && rows::says_another(transaction, row, item, change.text)? {
        let message = format!("another memory says the same as `{}` would; forget one of them", item.id);
        return Err(Error::new(Kind::BadInput, message).into());
    }
    rows::set_text(transaction, row, item, change)
}

/// Characters that some system does not take in the name of a file.
const NO_NAME: &[char] = &['/', '\\', ':', '*', '?', '"', '<', '>', '|'];

fn check_part(part: &str) -> Result<()> {
    let fault = if part.is_empty() || part.len() > NAMESPACE_PART_BYTES_MAX {
        format!("it must have 1 to {NAMESPACE_PART_BYTES_MAX} bytes")
    } else if part.trim() != part || matches!(part, "." | "..") {
        "it must be a name, without spaces around it".to_owned()
    } else if part.contains(NO_NAME) || part.chars().any(char::is_control) {
        "it must have none of `/ \\ : * ? \" < > |` and no control characters".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::new(Kind::BadInput, format!("{part:?} cannot be a part of a namespace: {fault}")))
}

/// The paths of namespaces that come after one.
pub(super) fn paths(transaction: &Transaction<'_>, after: &str, limit: usize) -> Work<Vec<String>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement =
        transaction.prepare_cached("SELECT path FROM namespaces WHERE path > ?1 ORDER BY path LIMIT ?2")?;
    let rows = statement.query_map((after, limit), |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The namespaces that hold more than they may.
pub(super) fn above(transaction: &Transaction<'_>, capacity: usize) -> Work<Vec<i64>> {
    let capacity = i64::try_from(capacity).unwrap_or(i64::MAX);
    let sql = "SELECT namespace FROM memories GROUP BY namespace HAVING count(*) > ?1";
    let mut statement = transaction.prepare_cached(sql)?;
    let rows = statement.query_map([capacity], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace").field("path", &self.path).field("store", &self.store).finish()
    }
}
