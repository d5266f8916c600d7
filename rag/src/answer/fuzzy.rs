//! Finds a quotation that differs from its source in small things: a typo, a word broken at a line end, words left out.
//!
//! Windows of the source that share most of the quotation's words are aligned with it word by word. What differs must
//! be small *and* harmless: decisive words are the same in the same order, no word is exchanged for another one, none
//! that differs may be a name, and nothing but an article is added. A quotation that fails this may be close, but it is
//! not what the source says.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use crate::answer::align::{chars, runs};
use crate::answer::citation::is_negated;
use crate::answer::decisive::is_decisive;
use crate::answer::words::{Word, Words, words};

// Per cent of characters that must agree, and the length under which a likeness proves nothing.
const SIMILARITY_PERCENT_MIN: usize = 85;
const QUOTE_CHARS_MIN: usize = 12;
const QUOTE_WORDS_MIN: usize = 3;
// Alignment costs the square of the words; a sentence of this length is a page.
const QUOTE_WORDS_MAX: usize = 256;
// A window is worth aligning if it holds this much of the quotation; typos lower it below the similarity asked.
const SEED_PERCENT_MIN: usize = 60;
// Windows aligned; the best ones, so that a source full of near misses stays cheap.
const WINDOWS_MAX: usize = 16;

/// A quotation, ready to be looked for with small differences.
pub(super) struct Fuzzy<'a> {
    quote: &'a [Word],
    ids: &'a HashMap<String, usize>,
    needed: Vec<usize>,  // how often each word stands in the quotation
    weights: Vec<usize>, // characters of each word
    chars: usize,
}

impl<'a> Fuzzy<'a> {
    /// Prepares a quotation, unless it is too short or too long to be recognised by likeness.
    pub(super) fn new(quote: &'a [Word], ids: &'a HashMap<String, usize>) -> Option<Self> {
        let (mut needed, mut weights) = (vec![0; ids.len()], vec![0; ids.len()]);
        for word in quote {
            let id = ids[&word.folded];
            needed[id] += 1;
            weights[id] = chars(word);
        }
        let total = quote.iter().map(chars).sum();
        let fits = total >= QUOTE_CHARS_MIN && (QUOTE_WORDS_MIN..=QUOTE_WORDS_MAX).contains(&quote.len());
        fits.then_some(Self { quote, ids, needed, weights, chars: total })
    }

    /// Finds the most similar passage of a region that differs only in harmless things.
    pub(super) fn find(&self, source: &str, region: Range<usize>) -> Option<Range<usize>> {
        let fitting = self.windows(source, region).into_iter().filter_map(|window| self.compare(source, window));
        fitting.min_by_key(|(difference, _)| *difference).map(|(_, range)| range)
    }

    /// Returns the windows that share most words with the quotation, in one pass over the region.
    fn windows(&self, source: &str, region: Range<usize>) -> Vec<Range<usize>> {
        let width = self.quote.len() + self.quote.len() / 4 + 2;
        let mut held: VecDeque<(Option<usize>, Range<usize>)> = VecDeque::with_capacity(width + 1);
        let mut have = vec![0usize; self.needed.len()];
        let mut shared = 0;
        let mut found = Found::default();
        let mut reader = Words::within(source, region);
        let mut folded = String::new();
        while let Some(range) = reader.read(&mut folded) {
            let id = self.ids.get(folded.as_str()).copied();
            if let Some(id) = id {
                shared += if have[id] < self.needed[id] { self.weights[id] } else { 0 };
                have[id] += 1;
            }
            held.push_back((id, range));
            if held.len() > width
                && let Some((Some(id), _)) = held.pop_front()
            {
                have[id] -= 1;
                shared -= if have[id] < self.needed[id] { self.weights[id] } else { 0 };
            }
            if let (true, Some((_, first)), Some((_, last))) =
                (shared * 100 >= self.chars * SEED_PERCENT_MIN, held.front(), held.back())
            {
                found.add(shared, first.start..last.end);
            }
        }
        found.windows.into_iter().map(|(_, window)| window).collect()
    }

    /// Aligns a window and returns how many characters of its passage differ, if the difference is harmless.
    fn compare(&self, source: &str, window: Range<usize>) -> Option<(usize, Range<usize>)> {
        let candidates = words(source, window);
        let runs = runs(self.quote, &candidates);
        let (first, last) = (runs.first()?.source.start, runs.last()?.source.end);
        let passage = &candidates[first..last];
        let range = passage.first()?.range.start..passage.last()?.range.end;
        let decisive = |words: &[Word]| -> Vec<String> {
            words.iter().filter(|word| is_decisive(&word.folded)).map(|word| word.folded.clone()).collect()
        };
        if decisive(self.quote) != decisive(passage) || is_negated(source, range.start) {
            return None;
        }
        let mut agreeing = 0;
        for run in runs {
            agreeing += run.agreement(self.quote, &candidates)?;
        }
        let longer = self.chars.max(passage.iter().map(chars).sum());
        (agreeing * 100 >= longer * SIMILARITY_PERCENT_MIN).then(|| (longer - agreeing, range))
    }
}

/// The best windows so far, no two of them over each other.
#[derive(Default)]
struct Found {
    windows: Vec<(usize, Range<usize>)>,
}

impl Found {
    fn add(&mut self, shared: usize, window: Range<usize>) {
        // Windows come in order, so only the latest can lie under a new one.
        match self.windows.last_mut() {
            Some((most, last)) if window.start < last.end => {
                if shared > *most {
                    (*most, *last) = (shared, window);
                }
            }
            _ => self.windows.push((shared, window)),
        }
        if self.windows.len() > WINDOWS_MAX {
            let settled = self.windows.len() - 1;
            let worst = (0..settled).min_by_key(|&index| self.windows[index].0).unwrap_or(0);
            self.windows.remove(worst);
        }
    }
}
