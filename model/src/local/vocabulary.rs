//! What the tokens of a model stand for: bytes, of which several tokens may make one character.

/// The tokens of a model.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    bytes: Vec<u8>,
    /// Where each token ends in `bytes`.
    ends_at: Vec<usize>,
    kinds: Vec<TokenKind>,
    stops: Vec<u32>,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenKind {
    /// Part of a text.
    Text,
    /// A mark that a text cannot hold, such as the end of a turn. Its bytes are its name, which a person never sees.
    Control,
    /// Nothing; a model never says it.
    Unused,
}

impl Vocabulary {
    /// Makes a vocabulary of tokens in the order of their ids, and the ids of those at which an answer ends.
    pub fn new(tokens: impl IntoIterator<Item = (Vec<u8>, TokenKind)>, stops: impl IntoIterator<Item = u32>) -> Self {
        let mut vocabulary = Self { stops: stops.into_iter().collect(), ..Self::default() };
        for (bytes, kind) in tokens {
            vocabulary.bytes.extend(bytes);
            vocabulary.ends_at.push(vocabulary.bytes.len());
            vocabulary.kinds.push(kind);
        }
        vocabulary
    }

    /// Returns how many tokens there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Tells whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Returns what a token stands for; nothing if there is none of that id.
    #[must_use]
    pub fn bytes(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let Some(end) = self.ends_at.get(id) else { return &[] };
        let start = id.checked_sub(1).map_or(0, |before| self.ends_at[before]);
        &self.bytes[start..*end]
    }

    /// Returns what a token is; [`TokenKind::Unused`] if there is none of that id.
    #[must_use]
    pub fn kind(&self, id: u32) -> TokenKind {
        self.kinds.get(id as usize).copied().unwrap_or(TokenKind::Unused)
    }

    /// Returns the tokens at which an answer ends.
    #[must_use]
    pub fn stops(&self) -> &[u32] {
        &self.stops
    }
}
