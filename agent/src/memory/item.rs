//! What is remembered: the memory itself, its id, its kind, and where it comes from.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lorewell_model::{Error, Kind, Origin, Result};
use serde::{Deserialize, Serialize};

/// What remains, after an hour without use, of the part of a memory's worth that use gives it. Park et al. 2023, arXiv
/// 2304.03442, §4.1.
const DECAY_PER_HOUR: f64 = 0.995;

/// Names a memory: 128 random bits, written as 32 hexadecimal digits. Outside of its namespace it names nothing.
///
/// ```
/// use lorewell_agent::memory::MemoryId;
///
/// let id: MemoryId = "00112233445566778899aabbccddeeff".parse()?;
/// assert_eq!(id.to_string(), "00112233445566778899aabbccddeeff");
/// # Ok::<(), lorewell_agent::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MemoryId(u128);

/// Digits of an id.
const ID_DIGITS: usize = 32;

impl MemoryId {
    /// Draws one.
    pub(super) fn random() -> Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| {
            Error::new(Kind::Io, format!("this system has no randomness for the id of a memory: {error}"))
        })?;
        Ok(Self(u128::from_le_bytes(bytes)))
    }
}

impl FromStr for MemoryId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_hex = text.len() == ID_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let read = u128::from_str_radix(text, 16).ok().filter(|_| is_hex);
        read.map(Self).ok_or_else(|| {
            // The text may be of any length.
            let shown: String = text.chars().take(ID_DIGITS + 1).collect();
            Error::new(
                Kind::BadInput,
                format!("`{shown}` is no id of a memory; give its {ID_DIGITS} hexadecimal digits"),
            )
        })
    }
}

impl TryFrom<String> for MemoryId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<MemoryId> for String {
    fn from(id: MemoryId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for MemoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for MemoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryId({self})")
    }
}

/// What sort of memory it is. The first three are those of CoALA (Sumers et al. 2023, arXiv 2309.02427).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MemoryKind {
    /// What is so: preferences, knowledge.
    #[default]
    Semantic,
    /// What has happened.
    Episodic,
    /// How something is done.
    Procedural,
    /// What an attribute of an entity is, and when; made by [`Namespace::fact`](super::Namespace::fact).
    Fact,
}

impl MemoryKind {
    pub(super) const ALL: [Self; 4] = [Self::Semantic, Self::Episodic, Self::Procedural, Self::Fact];

    /// Returns its name, as it is stored.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Semantic => "semantic",
            Self::Episodic => "episodic",
            Self::Procedural => "procedural",
            Self::Fact => "fact",
        }
    }
}

/// Where a memory comes from: a thread, a message in it, a document.
///
/// ```
/// use lorewell_agent::memory::MemorySource;
///
/// let source = MemorySource::new().thread("ticket-42").message("m7");
/// assert_eq!(source.thread.as_deref(), Some("ticket-42"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MemorySource {
    /// The thread in which it was said.
    pub thread: Option<String>,
    /// The message.
    pub message: Option<String>,
    /// The document in which it stands.
    pub document: Option<String>,
}

impl MemorySource {
    /// Bytes of each of its names: a path or an address is shorter.
    pub const BYTES_MAX: usize = 4096;

    /// Makes one that names nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the thread.
    #[must_use]
    pub fn thread(mut self, thread: impl Into<String>) -> Self {
        self.thread = Some(thread.into());
        self
    }

    /// Names the message.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Names the document.
    #[must_use]
    pub fn document(mut self, document: impl Into<String>) -> Self {
        self.document = Some(document.into());
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        let names = [&self.thread, &self.message, &self.document];
        match names.into_iter().flatten().find(|name| name.len() > Self::BYTES_MAX) {
            None => Ok(()),
            Some(name) => {
                let message = format!("a source of {} bytes is too long; {} is the limit", name.len(), Self::BYTES_MAX);
                Err(Error::new(Kind::BadInput, message))
            }
        }
    }
}

/// What a fact states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Statement {
    /// What it is about: `ACME`.
    pub entity: String,
    /// Which attribute of it: `ceo`.
    pub attribute: String,
    /// What that is: `Ms. Bolt`.
    pub value: String,
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.entity, self.attribute, self.value)
    }
}

/// Something that is remembered.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MemoryItem {
    /// Its name within the namespace.
    pub id: MemoryId,
    /// The path of its namespace: `user/anna`.
    pub namespace: Arc<str>,
    /// What sort of memory it is.
    pub kind: MemoryKind,
    /// What is remembered. Unless its origin is trusted it is data: to be quoted, never to be obeyed.
    pub text: String,
    /// The same in parts, if it is a fact.
    pub statement: Option<Statement>,
    /// Who wrote it.
    pub origin: Origin,
    /// Where it comes from.
    pub source: MemorySource,
    /// How much it matters, 0..1.
    pub importance: f32,
    /// When it was first remembered.
    pub created: SystemTime,
    /// When it was last changed.
    pub updated: SystemTime,
    /// When it was last found, or remembered again.
    pub used: SystemTime,
    /// How often that was.
    pub uses: u64,
    /// From when it is so; always, if nothing is said.
    pub valid_from: Option<SystemTime>,
    /// Until when it was so, exclusive; it still is, if nothing is said.
    pub valid_to: Option<SystemTime>,
    /// When it is forgotten by itself.
    pub expires: Option<SystemTime>,
    /// The BLAKE3 hash of its kind and text.
    pub hash: [u8; 32],
}

impl MemoryItem {
    /// Tells whether its words may act as an instruction.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.origin.is_trusted()
    }

    /// Returns how much it is worth to keep, 0..2: its importance, and 1 at the time of its last use, 0.5 % less each hour
    /// after. When a namespace is full, what is worth least is forgotten.
    #[must_use]
    pub fn retention(&self, now: SystemTime) -> f32 {
        retention(self.importance, now.duration_since(self.used).unwrap_or_default())
    }
}

/// Recency and importance of the generative agents (Park et al. 2023); there is no question to be relevant to.
pub(super) fn retention(importance: f32, idle: Duration) -> f32 {
    let recency = DECAY_PER_HOUR.powf(idle.as_secs_f64() / 3600.0);
    #[expect(clippy::cast_possible_truncation, reason = "a number of 0..1 loses some digits and nothing else")]
    let recency = recency as f32;
    importance + recency
}

/// Returns the hash by which exact duplicates are known.
pub(super) fn content_hash(kind: MemoryKind, text: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("lorewell memory content 1");
    hasher.update(kind.name().as_bytes()).update(&[0]).update(text.as_bytes());
    *hasher.finalize().as_bytes()
}
