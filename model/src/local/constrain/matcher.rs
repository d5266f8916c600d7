//! One answer under a grammar: what may come, what must, and whether it may end.

use std::fmt;
use std::sync::Arc;

use llguidance::api::StopReason;

use super::first_line;
use super::numbers::Numbers;
use super::tokens::Tokens;
use crate::local::mask::Mask;
use crate::{Error, Kind, Result};

/// An answer that follows a grammar, as far as it was said.
pub struct Matcher {
    inner: llguidance::Matcher,
    tokens: Arc<Tokens>,
    /// Where in it JSON is.
    numbers: Option<Numbers>,
    /// What may come next, once somebody has asked.
    mask: Option<Mask>,
    over: bool,
}

/// Shows where it stands; the grammar would fill pages.
impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matcher").field("over", &self.over).finish_non_exhaustive()
    }
}

impl Matcher {
    pub(super) fn new(inner: llguidance::Matcher, tokens: Arc<Tokens>, is_json: bool) -> Self {
        Self { inner, tokens, numbers: is_json.then(Numbers::default), mask: None, over: false }
    }

    /// Returns which tokens may come next; those at which an answer ends are among them when it may end.
    ///
    /// # Errors
    /// `Limit` if the grammar is too complex to tell.
    pub fn mask(&mut self) -> Result<&Mask> {
        let mask = match self.mask.take() {
            Some(mask) => mask,
            None => self.compute()?,
        };
        Ok(self.mask.insert(mask))
    }

    fn compute(&mut self) -> Result<Mask> {
        let len = self.tokens.vocabulary.len();
        if self.over {
            let mut mask = Mask::new(len);
            self.tokens.vocabulary.stops().iter().for_each(|stop| mask.allow(*stop));
            return Ok(mask);
        }
        let words = self.inner.compute_mask().map_err(|error| self.failed(&error))?;
        let mut mask = Mask::from_words(words.into(), len);
        if let Some(numbers) = &self.numbers {
            numbers.limit(&mut mask, &self.tokens.numbers);
        }
        Ok(mask)
    }

    /// Goes on by a token.
    ///
    /// # Errors
    /// `BadInput` if it may not come next, which changes nothing; `Limit` if the grammar is too complex to tell.
    pub fn accept(&mut self, token: u32) -> Result<()> {
        if self.tokens.is_stop(token) {
            if !self.may_end()? {
                return Err(self.refused(token));
            }
            self.over = true;
            self.mask = None;
            return Ok(());
        }
        let fits = !self.over && (token as usize) < self.tokens.vocabulary.len();
        if !fits || self.inner.try_consume_tokens(&[token]).map_err(|error| self.failed(&error))? == 0 {
            return Err(self.refused(token));
        }
        self.mask = None;
        if let Some(numbers) = &mut self.numbers {
            numbers.read(self.tokens.vocabulary.bytes(token));
        }
        self.over = self.inner.is_stopped();
        if self.over && !self.inner.stop_reason().is_ok() {
            return Err(self.failed(&"it cannot go on"));
        }
        Ok(())
    }

    /// Returns tokens that must come next, so that none need be drawn. They are not accepted yet. Without a tokenizer it
    /// is one at most.
    ///
    /// # Errors
    /// As [`Matcher::mask`].
    pub fn forced(&mut self) -> Result<Vec<u32>> {
        if self.over {
            return Ok(Vec::new());
        }
        let forced = self.inner.compute_ff_tokens();
        if !forced.is_empty() {
            return Ok(forced);
        }
        let mask = self.mask()?;
        let only = if mask.count() == 1 { mask.tokens().next() } else { None };
        Ok(only.into_iter().filter(|token| !self.tokens.is_stop(*token)).collect())
    }

    /// Tells whether the answer is whole, and nothing can follow.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Tells whether the answer may end here.
    ///
    /// # Errors
    /// As [`Matcher::mask`].
    pub fn may_end(&mut self) -> Result<bool> {
        Ok(self.over || self.inner.is_accepting().map_err(|error| self.failed(&error))?)
    }

    fn refused(&self, token: u32) -> Error {
        let text = String::from_utf8_lossy(self.tokens.vocabulary.bytes(token));
        Error::new(Kind::BadInput, format!("token {token}, `{text}`, may not come next in this form"))
    }

    fn failed(&self, error: &impl ToString) -> Error {
        let message = first_line(error);
        match self.inner.stop_reason() {
            StopReason::LexerTooComplex | StopReason::ParserTooComplex => {
                let message = format!("the form of the answer is too complex to follow: {message}; make it simpler");
                Error::new(Kind::Limit, message)
            }
            _ => Error::new(Kind::Internal, format!("the form of the answer cannot be followed: {message}")),
        }
    }
}
