//! Which tokens may come next: one bit for each, as samplers and grammars both want it.

/// A set of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    /// Token `n` is bit `n % 32` of word `n / 32`. Bits beyond `len` are 0.
    words: Vec<u32>,
    len: usize,
}

impl Mask {
    /// Makes a mask for a vocabulary of so many tokens, of which none may come.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(32)], len }
    }

    /// Makes a mask of words of bits, for so many tokens.
    pub(crate) fn from_words(mut words: Vec<u32>, len: usize) -> Self {
        words.resize(len.div_ceil(32), 0);
        if let (Some(last), used @ 1..) = (words.last_mut(), len % 32) {
            *last &= (1 << used) - 1;
        }
        Self { words, len }
    }

    /// Lets a token come; one beyond the vocabulary never may.
    pub fn allow(&mut self, token: u32) {
        if (token as usize) < self.len {
            self.words[token as usize / 32] |= 1 << (token % 32);
        }
    }

    /// Tells whether a token may come.
    #[must_use]
    pub fn allows(&self, token: u32) -> bool {
        self.words.get(token as usize / 32).is_some_and(|word| word & (1 << (token % 32)) != 0)
    }

    /// Returns how many tokens the vocabulary has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Tells whether no token may come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Returns how many may come.
    #[must_use]
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Returns the tokens that may come, lowest first.
    pub fn tokens(&self) -> impl Iterator<Item = u32> + '_ {
        (0_u32..).step_by(32).zip(&self.words).filter(|(_, word)| **word != 0).flat_map(|(first, word)| {
            let word = *word;
            (0..32).filter(move |bit| word & (1 << bit) != 0).map(move |bit| first + bit)
        })
    }

    /// Takes tokens out, unless none would be left.
    pub(crate) fn remove(&mut self, others: &Self) {
        let left = |(word, other): (&u32, &u32)| word & !other != 0;
        if self.words.iter().zip(&others.words).any(left) {
            self.words.iter_mut().zip(&others.words).for_each(|(word, other)| *word &= !other);
        }
    }

    /// Makes the logits of all other tokens as low as can be.
    pub(crate) fn apply(&self, logits: &mut [f32]) {
        let known = self.len.min(logits.len());
        for (word, logits) in self.words.iter().zip(logits[..known].chunks_mut(32)) {
            match *word {
                u32::MAX => {}
                0 => logits.fill(f32::NEG_INFINITY),
                word => {
                    for (bit, logit) in logits.iter_mut().enumerate() {
                        *logit = if word & (1 << bit) == 0 { f32::NEG_INFINITY } else { *logit };
                    }
                }
            }
        }
        logits[known..].fill(f32::NEG_INFINITY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_in_and_come_out() {
        let mut mask = Mask::new(70);
        assert!(mask.is_empty());
        for token in [0, 31, 32, 69, 70, 1000] {
            mask.allow(token);
        }
        assert_eq!(mask.tokens().collect::<Vec<_>>(), [0, 31, 32, 69]);
        assert_eq!((mask.count(), mask.allows(31), mask.allows(30), mask.allows(1000)), (4, true, false, false));
        let mut logits = [1.0; 72];
        mask.apply(&mut logits);
        let left = logits.iter().enumerate().filter(|(_, logit)| **logit == 1.0).map(|(index, _)| index);
        assert_eq!(left.collect::<Vec<_>>(), [0, 31, 32, 69]);
    }

    #[test]
    fn bits_beyond_the_vocabulary_are_cleared() {
        assert_eq!(Mask::from_words(vec![u32::MAX; 3], 40).count(), 40);
        assert_eq!(Mask::from_words(vec![u32::MAX], 64).count(), 32);
    }

    #[test]
    fn the_last_token_is_never_removed() {
        let (mut mask, mut others) = (Mask::new(3), Mask::new(3));
        mask.allow(1);
        mask.allow(2);
        others.allow(1);
        mask.remove(&others);
        assert_eq!(mask.tokens().collect::<Vec<_>>(), [2]);
        others.allow(2);
        mask.remove(&others);
        assert_eq!(mask.tokens().collect::<Vec<_>>(), [2]);
    }
}
