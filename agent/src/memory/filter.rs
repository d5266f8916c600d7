//! Which memories are looked at. A filter holds before anything is compared, so what it leaves out costs no place among the hits.

use std::time::SystemTime;

use lorewell_model::Origin;
use rusqlite::types::Value;

use super::item::MemoryKind;
use super::time::micros;

/// All origins, to tell the store which are trusted.
const ORIGINS: [Origin; 6] =
    [Origin::User, Origin::Developer, Origin::Document, Origin::Tool, Origin::Web, Origin::RemoteAgent];

/// Which memories are meant: those that fit all that is said. An empty one fits all.
///
/// ```
/// use lorewell_agent::memory::{MemoryFilter, MemoryKind};
///
/// let filter = MemoryFilter::new().kind(MemoryKind::Episodic).thread("ticket-42");
/// assert!(!filter.is_empty());
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct MemoryFilter {
    /// Of this kind.
    pub kind: Option<MemoryKind>,
    /// With a trusted origin, or without.
    pub trusted: Option<bool>,
    /// From this thread.
    pub thread: Option<String>,
    /// From this document.
    pub document: Option<String>,
    /// About this entity: facts only.
    pub entity: Option<String>,
    /// Changed before this time.
    pub updated_before: Option<SystemTime>,
    /// Found or remembered for the last time before this.
    pub used_before: Option<SystemTime>,
}

impl MemoryFilter {
    /// Makes one that fits all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells whether it fits all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Only of this kind.
    #[must_use]
    pub fn kind(mut self, kind: MemoryKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Only what somebody vouches for.
    #[must_use]
    pub fn trusted(mut self) -> Self {
        self.trusted = Some(true);
        self
    }

    /// Only what nobody vouches for.
    #[must_use]
    pub fn untrusted(mut self) -> Self {
        self.trusted = Some(false);
        self
    }

    /// Only from this thread.
    #[must_use]
    pub fn thread(mut self, thread: impl Into<String>) -> Self {
        self.thread = Some(thread.into());
        self
    }

    /// Only from this document.
    #[must_use]
    pub fn document(mut self, document: impl Into<String>) -> Self {
        self.document = Some(document.into());
        self
    }

    /// Only facts about this entity.
    #[must_use]
    pub fn entity(mut self, entity: impl Into<String>) -> Self {
        self.entity = Some(entity.into());
        self
    }

    /// Only what was changed before this time.
    #[must_use]
    pub fn updated_before(mut self, time: impl Into<SystemTime>) -> Self {
        self.updated_before = Some(time.into());
        self
    }

    /// Only what was found or remembered for the last time before this.
    #[must_use]
    pub fn used_before(mut self, time: impl Into<SystemTime>) -> Self {
        self.used_before = Some(time.into());
        self
    }

    /// As a condition on the table `memories`.
    pub(super) fn clause(&self) -> Clause {
        let mut clause = Clause { sql: "1".to_owned(), values: Vec::new() };
        let fields = [("kind", self.kind.map(|kind| kind.name().to_owned())), ("thread", self.thread.clone())];
        let more = [("document", self.document.clone()), ("entity", self.entity.clone())];
        for (column, value) in fields.into_iter().chain(more) {
            if let Some(value) = value {
                clause.and(&format!("memories.{column} = ?"), [Value::Text(value)]);
            }
        }
        for (column, time) in [("updated", self.updated_before), ("used", self.used_before)] {
            if let Some(time) = time {
                clause.and(&format!("memories.{column} < ?"), [Value::Integer(micros(time))]);
            }
        }
        if let Some(is_trusted) = self.trusted {
            let names =
                ORIGINS.iter().filter(|origin| origin.is_trusted()).map(|origin| Value::Text(origin_name(*origin)));
            let names: Vec<Value> = names.collect();
            let marks = vec!["?"; names.len()].join(", ");
            let not = if is_trusted { "" } else { "NOT" };
            clause.and(&format!("memories.origin {not} IN ({marks})"), names);
        }
        clause
    }
}

/// A condition of SQL with the values for its marks.
#[derive(Debug, Clone)]
pub(super) struct Clause {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl Clause {
    fn and(&mut self, sql: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push_str(" AND ");
        self.sql.push_str(sql);
        self.values.extend(values);
    }

    /// Only what has not expired.
    pub(super) fn living(mut self, now: i64) -> Self {
        self.and("(memories.expires IS NULL OR memories.expires > ?)", [Value::Integer(now)]);
        self
    }

    /// Only what was so at a time.
    pub(super) fn valid(mut self, at: i64) -> Self {
        self.and(
            "(memories.valid_from IS NULL OR memories.valid_from <= ?) AND (memories.valid_to IS NULL OR memories.valid_to > ?)",
            [Value::Integer(at), Value::Integer(at)],
        );
        self
    }
}

/// Returns the name of an origin, as it is stored.
pub(super) fn origin_name(origin: Origin) -> String {
    match serde_json::to_value(origin) {
        Ok(serde_json::Value::String(name)) => name,
        _ => unreachable!("an origin is a word in JSON"),
    }
}

/// Reads the name of an origin.
pub(super) fn origin_of(name: &str) -> Option<Origin> {
    serde_json::from_value(name.into()).ok()
}
