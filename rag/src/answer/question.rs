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
    Duration,
    Time,
    Name,
    Place,
    Reason,
    Anything,
}

/// A question, read.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) wanted: Wanted,
    pub(super) is_plural: bool,  // `what are`: a list may answer it as well as a definition
    terms: HashMap<String, f32>, // weights; they add up to 1 unless there are none
    words: Vec<(String, Vec<String>)>,
    names: Vec<Vec<String>>, // terms of each name and number
}

/// The distinct terms of a text.
pub(super) type Terms = BTreeSet<String>;

impl Question {
    pub(super) fn read(text: &str, terms_of: TermsOf<'_>) -> Self {
        let (wanted, asked) = wanted(text);
        let words = asked.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
        let words: Vec<(String, Vec<String>)> =
            words.map(|word| (word.to_owned(), terms_of(word))).filter(|(_, terms)| !terms.is_empty()).collect();
        let opening = text.split_whitespace().next().unwrap_or_default();
        let is_name = |word: &str| stands_out(word) && !opening.contains(word);
        let names = words.iter().filter(|(word, _)| is_name(word)).map(|(_, terms)| terms.clone()).collect();
        let terms = terms_of(asked).into_iter().map(|term| (term, 1.0)).collect();
        let is_plural = text.trim_start().to_lowercase().starts_with("what are ");
        Self { wanted, is_plural, terms, words, names }
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

    /// Returns the share of the question's names and numbers that is among some terms; all of it if there are none.
    pub(super) fn names<'t>(&self, terms: impl IntoIterator<Item = &'t Terms>) -> f32 {
        let said: BTreeSet<&str> = terms.into_iter().flatten().map(String::as_str).collect();
        let is_said = |name: &[String]| name.iter().all(|term| said.contains(term.as_str()));
        let marks: Vec<f32> = self.names.iter().map(|name| f32::from(u8::from(is_said(name)))).collect();
        if marks.is_empty() { 1.0 } else { marks.iter().sum::<f32>() / marks.iter().map(|_| 1.0).sum::<f32>() }
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
            Wanted::Definition | Wanted::Anything => return 0.0,
            Wanted::Quantity => has_number(sentence),
            Wanted::Duration => (has_number(sentence) && has_word(sentence, UNITS)) || has_word(sentence, LIMITS),
            Wanted::Time => has_number(sentence) || has_word(sentence, TIMES),
            Wanted::Name => has_name(sentence),
            Wanted::Place => has_word(sentence, PLACES),
            // A reason may stand for itself, without a word that says so.
            Wanted::Reason => return f32::from(u8::from(has_word(sentence, REASONS))),
        };
        if holds { 1.0 } else { -1.0 }
    }

    /// Tells whether the question asks for one fact, which no list as a whole can be.
    pub(super) fn wants_one_fact(&self) -> bool {
        matches!(self.wanted, Wanted::Quantity | Wanted::Duration | Wanted::Time | Wanted::Name | Wanted::Place)
    }

    /// Tells whether some terms are most of what the question is about.
    fn is_about(&self, terms: &[String]) -> bool {
        let named: Terms = terms.iter().cloned().collect();
        self.likeness(&named) >= ABOUT_LIKENESS_MIN
    }

    /// Tells whether a sentence says what the thing asked about is: it sets the thing in italics, as writers do where
    /// they introduce it, or names it before a word of defining.
    pub(super) fn defines(&self, sentence: &str, terms_of: TermsOf<'_>) -> bool {
        if self.wanted != Wanted::Definition {
            return false;
        }
        if emphasised(sentence).any(|words| self.is_about(&terms_of(words))) {
            return true;
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

// One of two terms, if it is the rarer one.
const ABOUT_LIKENESS_MIN: f32 = 0.66;
// Longer italics are a stressed clause, not a term.
const TERM_BYTES_MAX: usize = 40;

/// Returns the words set in italics by `_` or `*`.
fn emphasised(sentence: &str) -> impl Iterator<Item = &str> {
    let marks = sentence.match_indices(['_', '*']).filter(|(at, _)| {
        let before = sentence[..*at].chars().next_back();
        before.is_none_or(|c| c.is_whitespace() || matches!(c, '(' | '“' | '"' | '['))
    });
    marks.filter_map(|(at, mark)| {
        let (words, _) = sentence[at + mark.len()..].split_once(mark)?;
        (!words.is_empty() && words.len() <= TERM_BYTES_MAX).then_some(words)
    })
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
// What questions begin with. What stands here is the question, not its subject: `long` of `how long` is no term.
const OPENINGS: &[(Wanted, &[&str])] = &[
    (Wanted::Duration, &["how long", "for how long", "within how many", "how old"]),
    (Wanted::Time, &["when", "until when", "since when", "what time", "what year", "what date", "which year"]),
    (
        Wanted::Quantity,
        &["how many", "how much", "how often", "how large", "how big", "how far", "how deep", "how high"],
    ),
    (Wanted::Name, &["who", "whom", "whose"]),
    (Wanted::Place, &["where"]),
    (Wanted::Reason, &["why"]),
    (Wanted::Definition, &["what is", "what are", "what's", "what does", "define", "meaning of"]),
    (Wanted::Anything, &["what happens"]),
];
// What `what does` may end with.
const ENDINGS: &[&str] = &[" mean", " stand for", " refer to"];
const NUMBERS: &[&str] = &[
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "hundred",
    "thousand", "million", "half", "never", "once", "twice", "every", "single",
];
const UNITS: &[&str] = &[
    "second",
    "seconds",
    "minute",
    "minutes",
    "hour",
    "hours",
    "day",
    "days",
    "week",
    "weeks",
    "month",
    "months",
    "year",
    "years",
    "metre",
    "metres",
    "meter",
    "meters",
    "kilometre",
    "kilometres",
    "miles",
    "inches",
    "feet",
    "bytes",
    "characters",
    "pages",
    "min",
    "ms",
];
const LIMITS: &[&str] = &["until", "till", "forever", "permanently", "lifetime", "entire", "whole"];
const TIMES: &[&str] = &[
    "when",
    "if",
    "once",
    "before",
    "after",
    "until",
    "during",
    "every",
    "always",
    "never",
    "soon",
    "as",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "daily",
    "weekly",
    "monthly",
    "yearly",
    "mondays",
    "tuesdays",
    "wednesdays",
    "thursdays",
    "fridays",
    "saturdays",
    "sundays",
];
const PLACES: &[&str] = &[
    "in", "into", "on", "onto", "at", "to", "near", "next", "behind", "under", "above", "below", "beside", "between",
    "inside", "outside", "opposite", "from", "here", "there",
];
const REASONS: &[&str] = &["because", "since", "so", "therefore", "thus", "cause", "caused", "reason", "due", "avoid"];

/// Returns the kind of thing asked for, and the question without the words that said so.
fn wanted(text: &str) -> (Wanted, &str) {
    let text = text.trim();
    for (wanted, openings) in OPENINGS {
        for opening in *openings {
            let head = text.get(..opening.len()).filter(|head| head.eq_ignore_ascii_case(opening));
            let rest = head.map(|head| &text[head.len()..]).filter(|rest| !rest.starts_with(char::is_alphanumeric));
            if let Some(rest) = rest {
                return (*wanted, without_ending(rest));
            }
        }
    }
    (Wanted::Anything, text)
}

fn without_ending(asked: &str) -> &str {
    let bare = asked.trim_end_matches(|c: char| c == '?' || c.is_whitespace());
    ENDINGS.iter().find_map(|ending| bare.strip_suffix(ending)).unwrap_or(bare)
}

fn has_number(sentence: &str) -> bool {
    sentence.contains(char::is_numeric) || has_word(sentence, NUMBERS)
}

fn has_word(sentence: &str, list: &[&str]) -> bool {
    let folded = sentence.to_lowercase();
    folded.split(|c: char| !c.is_alphanumeric()).any(|word| list.contains(&word))
}

/// Tells whether a word of a question is a name or a number: it must not be missing where its answer stands.
fn stands_out(word: &str) -> bool {
    word.chars().count() > 1 && (word.contains(|c: char| c.is_uppercase() || c.is_numeric()) || word.contains('_'))
}

/// Tells whether a word other than the first begins with a capital.
fn has_name(sentence: &str) -> bool {
    let words = sentence.split_whitespace().skip(1).map(|word| word.trim_start_matches(|c: char| !c.is_alphanumeric()));
    words.filter(|word| word.chars().count() > 1).any(|word| word.starts_with(char::is_uppercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms_of(text: &str) -> Vec<String> {
        text.to_lowercase()
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| word.len() > 3)
            .map(str::to_owned)
            .collect()
    }

    fn check(question: &str, fits: &str, fails: &str) {
        let question = Question::read(question, &terms_of);
        assert_eq!((question.fit(fits), question.fit(fails)), (1.0, -1.0), "{question:?}");
    }

    #[test]
    fn an_answer_holds_the_kind_of_thing_asked_for() {
        check("How long is it valid?", "It is valid for six months.", "It has 6 wheels.");
        check("How long does the lease run?", "It runs until the spring.", "It runs well.");
        check("When do we meet?", "We meet on Friday.", "We meet here.");
        check("How much is it?", "It costs 5 euros.", "It is cheap.");
        check("Who signed?", "It was signed by Ada.", "It was signed.");
        check("Where are the rags?", "They are in the bin.", "They are red.");
        let why = Question::read("Why is it closed?", &terms_of);
        assert_eq!((why.fit("It is closed because it rains."), why.fit("It rains.")), (1.0, 0.0));
        assert_eq!(Question::read("Whenever you like", &terms_of).wanted, Wanted::Anything);
    }

    #[test]
    fn what_asks_is_not_what_is_asked_about() {
        let question = Question::read("How long does shipping take?", &terms_of);
        let terms: BTreeSet<&str> = question.terms.keys().map(String::as_str).collect();
        assert_eq!(terms, BTreeSet::from(["does", "shipping", "take"]));
        assert_eq!(wanted("What does Send mean?"), (Wanted::Definition, " Send"));
        assert_eq!(wanted("What happens meanwhile?"), (Wanted::Anything, " meanwhile"));
    }

    #[test]
    fn a_term_in_italics_is_introduced() {
        let mut question = Question::read("What is snake case?", &terms_of);
        question.weigh([].iter());
        assert!(question.defines("Rust code uses _snake case_ for names.", &terms_of));
        assert!(!question.defines("Rust code uses snake case for names, _always case_.", &terms_of));
        let found: Vec<&str> = emphasised("_a b_ snake_case_x *c* 2*3*4 (_d_) **e** _open").collect();
        assert_eq!(found, ["a b", "c", "d"]);
    }

    #[test]
    fn names_and_numbers_must_be_said() {
        let question = Question::read("Is Hamlet from 1603?", &terms_of);
        assert_eq!(question.names([&Terms::from(["hamlet".to_owned()])]), 0.5);
        assert_eq!(Question::read("Opening hours?", &terms_of).names([&Terms::new()]), 1.0);
    }
}
