//! A vocabulary as grammars need it: a tree of the bytes of all tokens, and sets of tokens that numbers must not end in.

use std::sync::Arc;

use llguidance::toktrie::{TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv};

use super::numbers::NumberTokens;
use crate::local::vocabulary::{TokenKind, Vocabulary};

/// Longer tokens are never forced nor allowed; the tree has room for 1,024 bytes.
const TOKEN_BYTES_MAX: usize = 1000;

/// What makes tokens of text.
pub(super) type Tokenize = Arc<dyn Fn(&str) -> Vec<u32> + Send + Sync>;

/// A vocabulary and what follows from it.
pub(super) struct Tokens {
    pub(super) vocabulary: Arc<Vocabulary>,
    pub(super) numbers: NumberTokens,
}

impl Tokens {
    pub(super) fn new(vocabulary: Arc<Vocabulary>) -> Self {
        let numbers = NumberTokens::new(&vocabulary);
        Self { vocabulary, numbers }
    }

    pub(super) fn is_stop(&self, token: u32) -> bool {
        self.vocabulary.stops().contains(&token)
    }

    pub(super) fn environment(&self, tokenize: Option<Tokenize>) -> TokEnv {
        let ids = 0..u32::try_from(self.vocabulary.len()).unwrap_or(u32::MAX);
        let words: Vec<Vec<u8>> = ids.clone().map(|id| self.word(id)).collect();
        let stops: Vec<u32> = self.vocabulary.stops().iter().copied().filter(|stop| ids.contains(stop)).collect();
        let first = stops.first().copied().unwrap_or_default();
        let trie = TokTrie::from(&TokRxInfo::new(ids.end, first), &words);
        let trie = if stops.len() > 1 { trie.with_eos_tokens(&stops) } else { trie };
        Arc::new(Environment { trie, tokenize })
    }

    /// The bytes of a token; those of a mark begin with one that no text has. None for what must never come.
    fn word(&self, id: u32) -> Vec<u8> {
        const MARK: u8 = TokTrie::SPECIAL_TOKEN_MARKER;
        let bytes = self.vocabulary.bytes(id);
        if bytes.len() > TOKEN_BYTES_MAX {
            return Vec::new();
        }
        match self.vocabulary.kind(id) {
            TokenKind::Control => [&[MARK], bytes].concat(),
            // A stop that is spelled like text must not come as text.
            _ if self.is_stop(id) => [&[MARK], bytes].concat(),
            TokenKind::Text if !bytes.contains(&MARK) => bytes.to_vec(),
            TokenKind::Text | TokenKind::Unused => Vec::new(),
        }
    }
}

struct Environment {
    trie: TokTrie,
    tokenize: Option<Tokenize>,
}

impl TokenizerEnv for Environment {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        let tokens = match (&self.tokenize, std::str::from_utf8(bytes)) {
            (Some(tokenize), Ok(text)) => tokenize(text),
            _ => Vec::new(),
        };
        let known = tokens.iter().all(|token| (*token as usize) < self.trie.vocab_size());
        // A tokenizer that adds a space or drops letters would force what the grammar does not allow.
        let same = known && self.trie.decode_raw(&tokens) == bytes;
        if same { tokens } else { self.trie.greedy_tokenize(bytes) }
    }

    fn tokenize_is_canonical(&self) -> bool {
        self.tokenize.is_some()
    }
}
