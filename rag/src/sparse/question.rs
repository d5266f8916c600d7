//! From a question in plain words to the terms that are looked up. Nothing in a question is syntax: there is no parser
//! that it could offend.

use std::collections::HashSet;

use super::analysis::{Analyzer, Term, TermKind};
use super::language::Language;

/// Distinct terms of a question that count. A question has ten, a pasted page a few hundred; by then the first ones
/// have said what it is about, and each costs a look at the index.
pub const QUESTION_TERMS_MAX: usize = 128;

/// What to look up for a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// Distinct terms in the order of the question.
    pub(super) terms: Vec<AskedTerm>,
    /// Whether they are stopwords, because the question has nothing else.
    pub(super) only_stopwords: bool,
}

/// A term of a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AskedTerm {
    /// As it stands in the question.
    pub(super) word: String,
    /// As it is indexed.
    pub(super) term: String,
}

impl Question {
    /// Analyses a question in every language that the index has: a chunk holds the stems of its own language, and
    /// those of the others seldom find anything in it.
    ///
    /// A word that is a stopword in one of them is one in all: else `the` would be a rare term among German chunks.
    pub(super) fn new(question: &str, languages: &[Language]) -> Self {
        let mut content = AskedTerms::default();
        let mut stopwords = AskedTerms::default();
        // The languages differ in stems, not in where terms begin, so they go through the text in step.
        let mut readings: Vec<_> = languages.iter().map(|&language| Analyzer::new(language).terms(question)).collect();
        while content.0.len() < QUESTION_TERMS_MAX {
            let variants: Vec<Term> = readings.iter_mut().filter_map(Iterator::next).collect();
            let Some(first) = variants.first() else { break };
            if first.kind == TermKind::Character {
                continue;
            }
            let is_stopword = variants.iter().any(|term| term.kind == TermKind::Stopword);
            let terms = if is_stopword { &mut stopwords } else { &mut content };
            for Term { range, term, .. } in variants {
                terms.add(&question[range], term);
            }
        }
        let only_stopwords = content.0.is_empty();
        Self { terms: if only_stopwords { stopwords.0 } else { content.0 }, only_stopwords }
    }
}

#[derive(Default)]
struct AskedTerms(Vec<AskedTerm>, HashSet<String>);

impl AskedTerms {
    fn add(&mut self, word: &str, term: String) {
        if self.0.len() < QUESTION_TERMS_MAX && self.1.insert(term.clone()) {
            self.0.push(AskedTerm { word: word.to_owned(), term });
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(question: &str, languages: &[Language], expected: &Expect) {
        let question = Question::new(question, languages);
        let terms: Vec<String> = question.terms.iter().map(|asked| format!("{}={}", asked.word, asked.term)).collect();
        let note = if question.only_stopwords { " (only stopwords)" } else { "" };
        expected.assert_eq(&format!("{}{note}", terms.join(" ")));
    }

    #[test]
    fn a_question_is_its_content() {
        let english = &[Language::English];
        check("What are the ownership rules?", english, &expect!["ownership=ownership rules=rule"]);
        check("Rules, rules & RULES", english, &expect!["Rules=rule"]);
        check("To be or not to be", english, &expect!["To=to be=be or=or not=not (only stopwords)"]);
        check("AND OR ( \" : * ~ ^ \\", english, &expect!["AND=and OR=or (only stopwords)"]);
        check("", english, &expect![" (only stopwords)"]);
        check("東京の塔", english, &expect!["東京=東京 京の=京の の塔=の塔"]);
        check("塔", english, &expect!["塔=塔"]);
    }

    #[test]
    fn every_language_of_the_index_is_asked() {
        let languages = &[Language::English, Language::German];
        check("the Häuser", languages, &expect!["Häuser=hauser Häuser=haus"]);
        check("die Häuser", &[Language::German], &expect!["die=die Häuser=haus"]);
    }

    #[test]
    fn a_pasted_book_is_cut_short() {
        let book: String = (0..100_000).map(|n| format!("word{n} ")).collect();
        let question = Question::new(&book, &[Language::English, Language::German]);
        assert_eq!(question.terms.len(), QUESTION_TERMS_MAX);
    }
}
