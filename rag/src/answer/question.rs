//! What a question asks: its terms with their weights, and the kind of thing an answer would hold.
//!
//! Kinds are read from English question words; a question in another language has no kind and is judged by the rest.

use std::collections::{BTreeSet, HashMap};

use crate::answer::extract::TermsOf;

/// The kind of thing an answer would hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Definition,
    Quantity,
    Name,
    Anything,
}

/// A question, read.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) wanted: Wanted,
    terms: HashMap<String, f32>, // weights; they add up to 1 unless there are none
    words: Vec<(String, Vec<String>)>,
}

/// The distinct terms of a text.
pub(super) type Terms = BTreeSet<String>;

impl Question {
    pub(super) fn read(text: &str, terms_of: TermsOf<'_>) -> Self {
        let words = text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
        let words =
            words.map(|word| (word.to_owned(), terms_of(word))).filter(|(_, terms)| !terms.is_empty()).collect();
        let terms = terms_of(text).into_iter().map(|term| (term, 1.0)).collect();
        Self { wanted: wanted(text), terms, words }
    }

    /// Tells whether the question has no terms to look for.
    pub(super) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Weighs each term by its rarity among sentences, so that what is nowhere said weighs most.
    pub(super) fn weigh<'t>(&mut self, sentences: impl Iterator<Item = &'t Terms>) {
        let mut found: HashMap<&str, f32> = HashMap::new();
        let mut total = 0.0;
        for sentence in sentences {
            total += 1.0;
            for term in sentence.iter().filter(|term| self.terms.contains_key(*term)) {
                *found.entry(term).or_default() += 1.0;
            }
        }
        // Robertson and Spärck Jones 1976, with 1 added so that a term of every sentence still counts.
        let rarity = |term: &str| (2.0_f32 + total / (1.0 + found.get(term).copied().unwrap_or_default())).ln();
        let weights: Vec<(String, f32)> = self.terms.keys().map(|term| (term.clone(), rarity(term))).collect();
        let sum: f32 = weights.iter().map(|(_, weight)| weight).sum();
        self.terms = weights.into_iter().map(|(term, weight)| (term, weight / sum)).collect();
    }

    /// Returns the weighed share of the question that is among some terms.
    pub(super) fn share<'t>(&self, terms: impl IntoIterator<Item = &'t Terms>) -> f32 {
        let named: BTreeSet<&str> = terms.into_iter().flatten().map(String::as_str).collect();
        self.terms.iter().filter(|(term, _)| named.contains(term.as_str())).map(|(_, weight)| weight).sum()
    }

    /// Returns how alike the question and a heading are: the harmonic mean of their shares of each other.
    pub(super) fn likeness(&self, heading: &Terms) -> f32 {
        if heading.is_empty() {
            return 0.0;
        }
        let common = heading.iter().filter(|term| self.terms.contains_key(*term)).map(|_| 1.0).sum::<f32>();
        let precision = common / heading.iter().map(|_| 1.0).sum::<f32>();
        let recall = self.share([heading]);
        if common > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 }
    }

    /// Returns the words of the question whose terms are nowhere among these.
    pub(super) fn missing<'t>(&self, terms: impl IntoIterator<Item = &'t Terms>) -> Vec<String> {
        let named: BTreeSet<&str> = terms.into_iter().flatten().map(String::as_str).collect();
        let is_missing = |terms: &[String]| terms.iter().all(|term| !named.contains(term.as_str()));
        self.words.iter().filter(|(_, terms)| is_missing(terms)).map(|(word, _)| word.clone()).collect()
    }

    /// Tells how well a sentence fits the kind of thing asked for: 1, −1, or 0 if none is.
    pub(super) fn fit(&self, sentence: &str) -> f32 {
        let holds = match self.wanted {
            Wanted::Quantity => sentence.chars().any(char::is_numeric) || has_number_word(sentence),
            Wanted::Name => has_name(sentence),
            Wanted::Definition | Wanted::Anything => return 0.0,
        };
        if holds { 1.0 } else { -1.0 }
    }

    /// Tells whether a sentence says what the thing asked about is: the thing, then a word of defining.
    pub(super) fn defines(&self, sentence: &str, terms_of: TermsOf<'_>) -> bool {
        if self.wanted != Wanted::Definition {
            return false;
        }
        let folded = sentence.to_lowercase();
        let verb = DEFINING.iter().filter_map(|verb| folded.find(verb)).min();
        verb.is_some_and(|at| {
            let subject: Terms = terms_of(&folded[..at]).into_iter().collect();
            !self.is_empty()
                && self.terms.keys().all(|term| subject.contains(term))
                && subject.len() <= self.terms.len() + 2
        })
    }
}

const DEFINING: &[&str] = &[
    " is a",
    " is the",
    " are ",
    " means ",
    " refers to ",
    " is called ",
    " stands for ",
    " is defined ",
    " describes ",
    " is ",
];
const QUANTITY: &[&str] = &[
    "how many",
    "how much",
    "how long",
    "how old",
    "how often",
    "how large",
    "how big",
    "when ",
    "what year",
    "what date",
    "which version",
    "what port",
    "what time",
];
const DEFINITION: &[&str] = &["what is", "what are", "what's", "what does", "define ", "meaning of"];
const NAME: &[&str] = &["who ", "whom ", "whose "];
const NUMBER_WORDS: &[&str] = &[
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twelve", "hundred", "thousand",
    "million", "never", "once", "twice",
];

fn wanted(text: &str) -> Wanted {
    let folded = text.trim().to_lowercase();
    let starts = |list: &[&str]| list.iter().any(|start| folded.starts_with(start));
    if starts(QUANTITY) {
        Wanted::Quantity
    } else if starts(NAME) {
        Wanted::Name
    } else if starts(DEFINITION) {
        Wanted::Definition
    } else {
        Wanted::Anything
    }
}

fn has_number_word(sentence: &str) -> bool {
    let folded = sentence.to_lowercase();
    folded.split(|c: char| !c.is_alphanumeric()).any(|word| NUMBER_WORDS.contains(&word))
}

/// Tells whether a word other than the first begins with a capital.
fn has_name(sentence: &str) -> bool {
    let words = sentence.split_whitespace().skip(1).map(|word| word.trim_start_matches(|c: char| !c.is_alphanumeric()));
    words.filter(|word| word.chars().count() > 1).any(|word| word.starts_with(char::is_uppercase))
}
