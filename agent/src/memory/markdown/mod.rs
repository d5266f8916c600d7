//! Memories as a file that a person reads and edits. One file is one namespace, in Markdown; a sync takes over what the person has
//! changed, then writes what the store holds. The edits of the person win; where both have changed, nothing is lost.

mod disk;
mod merge;
mod page;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use lorewell_model::{Origin, Result};
use rusqlite::Transaction;

use super::Namespace;
use super::database::{Durable, Work, blocking};
use super::fact::{self, Fact};
use super::filter::MemoryFilter;
use super::item::{MemoryId, MemoryItem, MemorySource, Statement};
use super::remember::{check_text, remember};
use super::rows::{self, Change, Draft};
use super::time::now;
pub use disk::FILE_BYTES_MAX;
use merge::{Conflict, Plan, plan};
use page::{Body, Page, parse, render};

/// What a sync has changed in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Synced {
    /// Memories of lines that are new, or were edited in conflict.
    pub added: Vec<MemoryId>,
    /// Memories whose lines were edited.
    pub updated: Vec<MemoryId>,
    /// Memories whose lines were taken out, and those that were forgotten because the namespace is full.
    pub forgotten: Vec<MemoryId>,
    /// Where the file and the store had both changed.
    pub conflicts: Vec<FileConflict>,
}

/// A memory that was changed in the file and in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileConflict {
    /// The memory.
    pub id: MemoryId,
    /// What the line says; it was remembered as a new memory. `None` if the line was taken out, and the memory kept.
    pub line: Option<String>,
    /// What was found, and what was done.
    pub message: String,
}

impl From<Conflict> for FileConflict {
    fn from(conflict: Conflict) -> Self {
        match conflict {
            Conflict::Edited { id, line } => {
                let message = format!("`{id}` was edited in the file and changed in the store; both texts were kept");
                Self { id, line: Some(line.text()), message }
            }
            Conflict::Gone { id, line } => {
                let message = format!(
                    "`{id}` was edited in the file and forgotten in the store; the line was kept as a new memory"
                );
                Self { id, line: Some(line.text()), message }
            }
            Conflict::Removed { id } => {
                let message = format!("`{id}` was taken out of the file and changed in the store; it was kept");
                Self { id, line: None, message }
            }
        }
    }
}

/// What the lines of a file are stored with.
struct Edit {
    page: Page,
    vectors: HashMap<String, Option<Vec<f32>>>,
    capacity: usize,
}

impl Namespace {
    /// Brings a file and the namespace together, writing the file if there is none. A line that was edited changes its memory, one
    /// that was taken out forgets it, one that is new is remembered as said by the user; then the file is written with all that
    /// the store holds and is so now. What was closed before stays in the store alone.
    ///
    /// A line keeps the mark of who wrote it: to vouch for what came from a page, write it as a new line.
    ///
    /// # Errors
    /// `BadInput` if the file is not that of this namespace, is cut off, or a line of it cannot be kept; `Limit` if it has more
    /// than [`FILE_BYTES_MAX`] bytes; `Conflict` if it was saved by somebody else meanwhile: sync again; `Io` and `NotFound` if it
    /// cannot be read or written; those of the embedder and of the store. The store is changed by all of the file or by nothing.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use lorewell_agent::memory::MemoryStore;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("memory.sqlite");
    /// let file = folder.path().join("anna.md");
    /// let anna = MemoryStore::open(path).await?.namespace(["user", "anna"])?;
    /// anna.remember("Prefers short answers.").await?;
    /// anna.sync(&file).await?;
    ///
    /// let edited = std::fs::read_to_string(&file)?.replace("short", "long");
    /// std::fs::write(&file, edited)?;
    /// assert_eq!(anna.sync(&file).await?.updated.len(), 1);
    /// assert_eq!(anna.search("answers").await?[0].item.text, "Prefers long answers.");
    /// # Ok::<(), lorewell_agent::Error>(()) }).unwrap();
    /// ```
    pub async fn sync(&self, file: impl AsRef<Path>) -> Result<Synced> {
        let file = file.as_ref().to_owned();
        let path = file.clone();
        let before = blocking(move || disk::read(&path)).await?;
        let shown = file.display().to_string();
        let page = before.as_deref().map(|text| parse(self.path(), text)).transpose();
        let page = page.map_err(|error| error.context(format!("reading `{shown}`")))?.unwrap_or_default();
        let vectors = self.embed_lines(&page).await.map_err(|error| error.context(format!("reading `{shown}`")))?;
        let edit = Edit { page, vectors, capacity: self.store().shared().capacity() };
        let (synced, text) = self.apply(edit).await?;
        if synced != Synced::default() {
            self.store().database().scrub().await?;
        }
        blocking(move || disk::replace(&file, before.as_deref(), &text)).await?;
        Ok(synced)
    }

    /// Checks the lines that may have to be stored, and embeds them.
    async fn embed_lines(&self, page: &Page) -> Result<HashMap<String, Option<Vec<f32>>>> {
        let mut texts = Vec::new();
        for line in &page.lines {
            let is_old = line.id.and_then(|id| page.base.get(&id)).is_some_and(|mark| *mark == line.body.mark());
            if !is_old {
                check(&line.body)?;
                texts.push(line.body.text());
            }
        }
        let borrowed: Vec<&str> = texts.iter().map(|text| &**text).collect();
        let vectors = self.store().embed(&borrowed).await?;
        Ok(texts.into_iter().zip(vectors).collect())
    }

    /// Changes the store. Returns the new text of the file.
    async fn apply(&self, edit: Edit) -> Result<(Synced, String)> {
        let (path, store) = (self.shared_path(), self.store().shared());
        let write = move |transaction: &Transaction<'_>| {
            rows::check_embedder(transaction, store.fingerprint())?;
            let namespace = rows::make_namespace(transaction, &path)?;
            let before = shown(transaction, namespace)?;
            let bodies = before.iter().map(|(_, item)| (item.id, Body::of(item))).collect();
            let plan = plan(&edit.page, &bodies);
            let before: BTreeMap<MemoryId, (i64, MemoryItem)> =
                before.into_iter().map(|(row, item)| (item.id, (row, item))).collect();
            let synced = edit.carry_out(transaction, namespace, plan, &before)?;
            let after: Vec<MemoryItem> = shown(transaction, namespace)?.into_iter().map(|(_, item)| item).collect();
            let text = render(&path, &after);
            disk::check_length(text.len())?;
            rows::drop_if_empty(transaction, namespace)?;
            Ok((synced, text))
        };
        self.store().database().write(Durable::Yes, write).await
    }
}

/// What a file shows: all that is so now.
fn shown(transaction: &Transaction<'_>, namespace: i64) -> Work<Vec<(i64, MemoryItem)>> {
    let now = now();
    rows::select(transaction, namespace, &MemoryFilter::new().clause().living(now).valid(now), usize::MAX)
}

/// Makes sure that a line can be kept.
fn check(body: &Body) -> Result<()> {
    match body {
        Body::Text(_, text) => check_text(text.clone()).map(drop),
        Body::Fact(statement) => stated(statement).check(),
    }
}

fn stated(statement: &Statement) -> Fact {
    Fact::new(&statement.entity, &statement.attribute, &statement.value)
}

impl Edit {
    fn carry_out(
        &self,
        transaction: &Transaction<'_>,
        namespace: i64,
        plan: Plan,
        before: &BTreeMap<MemoryId, (i64, MemoryItem)>,
    ) -> Work<Synced> {
        let mut synced = Synced::default();
        for (row, item) in plan.forget.iter().filter_map(|id| before.get(id)) {
            rows::delete(transaction, *row, item.id)?;
            synced.forgotten.push(item.id);
        }
        for (id, body) in &plan.update {
            if let Some((row, item)) = before.get(id) {
                self.update(transaction, namespace, (*row, item), body, &mut synced)?;
            }
        }
        for body in &plan.add {
            self.add(transaction, namespace, body, &mut synced)?;
        }
        synced.conflicts = plan.conflicts.into_iter().map(FileConflict::from).collect();
        Ok(synced)
    }

    fn vector(&self, text: &str) -> Option<Vec<f32>> {
        self.vectors.get(text).cloned().flatten()
    }

    fn update(
        &self,
        transaction: &Transaction<'_>,
        namespace: i64,
        (row, item): (i64, &MemoryItem),
        body: &Body,
        synced: &mut Synced,
    ) -> Work<()> {
        match body {
            Body::Fact(statement) => {
                fact::erase(transaction, namespace, row, now())?;
                let fact = Fact { valid_from: item.valid_from, valid_to: item.valid_to, ..stated(statement) };
                let fact = fact.origin(item.origin).source(item.source.clone()).importance(item.importance);
                let vector = self.vector(&statement.to_string());
                synced.updated.push(fact::state(transaction, namespace, &fact, vector, self.capacity)?.id);
            }
            // Two lines that have become one are one.
            Body::Text(_, text) if rows::says_another(transaction, row, item, text)? => {
                rows::delete(transaction, row, item.id)?;
                synced.forgotten.push(item.id);
            }
            Body::Text(_, text) => {
                let vector = self.vector(text);
                let change = Change { text, origin: item.origin, vector: vector.as_deref(), now: now() };
                rows::set_text(transaction, row, item, &change)?;
                synced.updated.push(item.id);
            }
        }
        Ok(())
    }

    fn add(&self, transaction: &Transaction<'_>, namespace: i64, body: &Body, synced: &mut Synced) -> Work<()> {
        let vector = self.vector(&body.text());
        let done = match body {
            Body::Fact(statement) => fact::state(transaction, namespace, &stated(statement), vector, self.capacity)?,
            Body::Text(kind, text) => {
                let draft = Draft {
                    kind: *kind,
                    text: text.clone(),
                    statement: None,
                    origin: Origin::User,
                    source: MemorySource::new(),
                    importance: super::IMPORTANCE,
                    valid_from: None,
                    valid_to: None,
                    expires: None,
                    vector,
                };
                remember(transaction, namespace, &draft, self.capacity, now())?
            }
        };
        if done.is_new {
            synced.added.push(done.id);
        }
        synced.forgotten.extend(done.forgotten);
        Ok(())
    }
}
