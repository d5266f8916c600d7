//! Answers without a language model: the sentences of the passages that answer a question, or why none does.
//!
//! A pure function in steps. [`Draft::new`] reads the passages, [`Draft::shortlist`] names the sentences worth
//! embedding, [`Draft::set_closeness`] takes what the embedder says of them, [`Draft::extract`] decides.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::answer::question::{Question, Terms};
use crate::answer::reading::quotable;
pub use crate::answer::support::Features;
use crate::answer::support::{SUPPORT_MIN, evidence, support};
use crate::answer::words::words;
use crate::document::Format;
use crate::sentences::SentenceKind;

/// Gives the terms of a text as the index does: folded, stemmed, without stop words.
pub type TermsOf<'a> = &'a dyn Fn(&str) -> Vec<String>;

/// A passage that may hold the answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Passage<'a> {
    /// The text, as it stands in its document.
    pub text: &'a str,
    /// Format of its document: it says what can be quoted.
    pub format: Format,
    /// Titles of the sections around its start, outermost first.
    pub headings: &'a [String],
    /// How well it was found; only the proportion to other passages matters.
    pub score: f32,
}

/// A sentence that may be quoted.
#[derive(Debug, Clone, PartialEq)]
pub struct Quote {
    /// Where it lies in its passage.
    pub range: Range<usize>,
    /// How much it supports an answer, 0..1.
    pub support: f32,
    /// Why.
    pub features: Features,
}

/// Sentences quoted from one passage, in its order.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Index of the passage.
    pub passage: usize,
    /// What is quoted.
    pub quotes: Vec<Quote>,
}

/// What came of looking for an answer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Extraction {
    /// These sentences answer the question.
    Found {
        /// The sentences, best passage first.
        groups: Vec<Group>,
        /// Support of the best sentence.
        support: f32,
        /// Items of a quoted list that did not fit.
        left_out: usize,
    },
    /// Nothing answers it.
    Abstained {
        /// Why not.
        reason: Reason,
        /// Indices of the closest passages, best first, with the support of their best sentence.
        nearest: Vec<(usize, f32)>,
    },
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// The question has no words to look for.
    NoTerms,
    /// There are no passages, or no sentences in them.
    NoSentences,
    /// No sentence supports an answer well enough.
    Unsupported {
        /// Support of the best sentence.
        support: f32,
        /// Words of the question that no passage contains.
        missing: Vec<String>,
    },
}

// More than this is a page to read, not an answer.
const QUOTES_MAX: usize = 5;
// A further sentence has at most this much less evidence than the best; support saturates, evidence does not.
const EVIDENCE_MARGIN: f32 = 1.0;
// A list is the answer as a whole if the question and its heading are this much alike.
const LIST_LIKENESS_MIN: f32 = 0.75;
// Sentences that share this much of their words say the same; overlapping chunks repeat them.
const SAME_PERCENT_MIN: usize = 85;
// Passages named when there is no answer.
const NEAREST_MAX: usize = 3;

#[derive(Debug)]
struct Candidate {
    passage: usize,
    range: Range<usize>,
    kind: SentenceKind,
    terms: Terms,
    list: Option<usize>,  // number of the list it is an item of
    leads: Option<usize>, // number of the list it leads in
    features: Features,
}

/// An answer in the making: every sentence of the passages with what speaks for it.
#[derive(Debug)]
pub struct Draft<'a> {
    passages: &'a [Passage<'a>],
    question: Question,
    candidates: Vec<Candidate>,
    said: Vec<Terms>, // by each passage, also where nothing can be quoted, and by its headings
}

impl<'a> Draft<'a> {
    /// Reads a question and the passages found for it.
    #[must_use]
    pub fn new(question: &str, passages: &'a [Passage<'a>], terms_of: TermsOf<'_>) -> Self {
        let mut read = Reading { terms_of, passages, lists: 0, candidates: Vec::new(), frames: Vec::new() };
        (0..passages.len()).for_each(|index| read.passage(index));
        let Reading { mut candidates, frames, .. } = read;
        let mut question = Question::read(question, terms_of);
        question.weigh(candidates.iter().map(|candidate| &candidate.terms));
        let whole: Vec<Terms> = passages.iter().map(|passage| of_passage(passage, terms_of)).collect();
        let shares: Vec<(f32, f32)> =
            whole.iter().map(|said| (question.share([said]), question.names([said]))).collect();
        let best = passages.iter().map(|passage| passage.score).fold(0.0, f32::max);
        for (candidate, frame) in candidates.iter_mut().zip(&frames) {
            let passage = &passages[candidate.passage];
            let text = &passage.text[candidate.range.clone()];
            let about = frame.around.iter().chain([&frame.heading, &frame.lead, &candidate.terms]);
            let likeness = question.likeness(&frame.heading);
            candidate.features = Features {
                coverage: question.share([&candidate.terms]),
                context: question.share(about),
                passage: shares[candidate.passage].0,
                names: shares[candidate.passage].1,
                heading: likeness,
                list: match candidate.list {
                    Some(_) if !question.wants_one_fact() => likeness.max(question.likeness(&frame.lead)),
                    _ => 0.0,
                },
                definition: f32::from(u8::from(question.defines(text, terms_of))),
                kind: question.fit(text),
                rank: if best > 0.0 { (passage.score / best).clamp(0.0, 1.0) } else { 0.0 },
                closeness: None,
            };
        }
        Self { passages, question, candidates, said: whole }
    }

    /// Returns the number of every sentence worth embedding with its text, best first.
    #[must_use]
    pub fn shortlist(&self, limit: usize) -> Vec<(usize, &'a str)> {
        self.ranked().into_iter().take(limit).map(|index| (index, self.text(index))).collect()
    }

    /// Notes the cosine of the question and a sentence of the shortlist.
    ///
    /// # Panics
    /// If there is no sentence of this number.
    pub fn set_closeness(&mut self, sentence: usize, cosine: f32) {
        self.candidates[sentence].features.closeness = Some(cosine);
    }

    /// Returns a passage by its number.
    ///
    /// # Panics
    /// If there is no passage of this number.
    #[must_use]
    pub fn passage(&self, number: usize) -> &Passage<'a> {
        &self.passages[number]
    }

    /// Returns all sentences with their passages and features, in text order: what the weights are fitted on.
    pub fn quotes(&self) -> impl Iterator<Item = (usize, Quote)> {
        self.candidates.iter().map(|candidate| (candidate.passage, quote(candidate)))
    }

    /// Chooses the sentences that answer the question, or says why there are none.
    #[must_use]
    pub fn extract(&self) -> Extraction {
        self.extract_above(SUPPORT_MIN)
    }

    /// Chooses the sentences as [`extract`](Self::extract) does, for another support than [`SUPPORT_MIN`].
    #[must_use]
    pub fn extract_above(&self, support_min: f32) -> Extraction {
        let ranked = self.ranked();
        let Some(&best) = ranked.first() else { return self.abstain(Reason::NoSentences) };
        if self.question.is_empty() {
            return self.abstain(Reason::NoTerms);
        }
        let most = support(&self.candidates[best].features);
        if most < support_min {
            let missing = self.question.missing(&self.said);
            return self.abstain(Reason::Unsupported { support: most, missing });
        }
        let (chosen, left_out) =
            self.whole_list(&ranked, support_min).unwrap_or_else(|| (self.best_of(&ranked, support_min), 0));
        Extraction::Found { groups: self.grouped(&chosen), support: most, left_out }
    }

    fn text(&self, index: usize) -> &'a str {
        let candidate = &self.candidates[index];
        &self.passages[candidate.passage].text[candidate.range.clone()]
    }

    /// Returns the sentences, best supported first.
    fn ranked(&self) -> Vec<usize> {
        let mut ranked: Vec<(usize, f32)> =
            self.candidates.iter().map(|candidate| support(&candidate.features)).enumerate().collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        ranked.into_iter().map(|(index, _)| index).collect()
    }

    /// Returns the list that answers as a whole, and how many of its items did not fit: the list that the question is
    /// about, or the one that the best sentence leads in.
    fn whole_list(&self, ranked: &[usize], support_min: f32) -> Option<(Vec<usize>, usize)> {
        let &best = ranked.first()?;
        let first = &self.candidates[best];
        let is_defined = first.features.definition > 0.0 && !self.question.is_plural;
        if is_defined || self.question.wants_one_fact() {
            return None;
        }
        // An item seldom repeats what its list is about; a sentence beside it that does speaks for the list.
        let backed: BTreeSet<usize> = ranked
            .iter()
            .map(|&index| &self.candidates[index])
            .take_while(|candidate| support(&candidate.features) >= support_min)
            .map(|candidate| candidate.passage)
            .collect();
        let is_about = |item: &Candidate| item.features.list >= LIST_LIKENESS_MIN && backed.contains(&item.passage);
        let about = ranked.iter().map(|&index| &self.candidates[index]).find(|candidate| is_about(candidate));
        let (list, lead) = match about {
            Some(item) => (item.list?, None),
            None => (first.leads?, Some(best)),
        };
        let items = self.candidates.iter().enumerate().filter(|(_, item)| item.list == Some(list));
        let mut chosen: Vec<usize> = lead.into_iter().chain(items.map(|(index, _)| index)).collect();
        let left_out = chosen.len().saturating_sub(QUOTES_MAX);
        chosen.truncate(QUOTES_MAX);
        Some((chosen, left_out))
    }

    /// Returns the best sentences that say different things.
    fn best_of(&self, ranked: &[usize], support_min: f32) -> Vec<usize> {
        let most = ranked.first().map_or(0.0, |&best| evidence(&self.candidates[best].features));
        let enough = most - EVIDENCE_MARGIN;
        let mut chosen: Vec<(usize, BTreeSet<String>)> = Vec::new();
        for &index in ranked {
            let features = &self.candidates[index].features;
            if chosen.len() == QUOTES_MAX || evidence(features) < enough || support(features) < support_min {
                break;
            }
            let text = self.text(index);
            let said: BTreeSet<String> = words(text, 0..text.len()).into_iter().map(|word| word.folded).collect();
            if !chosen.iter().any(|(_, other)| are_same(&said, other)) {
                chosen.push((index, said));
            }
        }
        chosen.into_iter().map(|(index, _)| index).collect()
    }

    /// Puts chosen sentences under their passages, in the order in which the passages come first.
    fn grouped(&self, chosen: &[usize]) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for candidate in chosen.iter().map(|&index| &self.candidates[index]) {
            match groups.iter_mut().find(|group| group.passage == candidate.passage) {
                Some(group) => group.quotes.push(quote(candidate)),
                None => groups.push(Group { passage: candidate.passage, quotes: vec![quote(candidate)] }),
            }
        }
        groups.iter_mut().for_each(|group| group.quotes.sort_by_key(|quote| quote.range.start));
        groups
    }

    fn abstain(&self, reason: Reason) -> Extraction {
        let mut nearest: Vec<(usize, f32)> = Vec::new();
        for index in self.ranked() {
            let candidate = &self.candidates[index];
            if nearest.len() < NEAREST_MAX && nearest.iter().all(|&(passage, _)| passage != candidate.passage) {
                nearest.push((candidate.passage, support(&candidate.features)));
            }
        }
        Extraction::Abstained { reason, nearest }
    }
}

/// Returns the terms that a passage says with its headings.
fn of_passage(passage: &Passage<'_>, terms_of: TermsOf<'_>) -> Terms {
    passage.headings.iter().map(String::as_str).chain([passage.text]).flat_map(terms_of).collect()
}

fn quote(candidate: &Candidate) -> Quote {
    let features = candidate.features;
    Quote { range: candidate.range.clone(), support: support(&features), features }
}

fn are_same(a: &BTreeSet<String>, b: &BTreeSet<String>) -> bool {
    a.intersection(b).count() * 100 >= a.union(b).count() * SAME_PERCENT_MIN
}

/// What stands around a sentence and says what it is about.
#[derive(Debug, Clone, Default)]
struct Frame {
    around: Vec<Terms>, // headings of the passage, and the sentence before
    heading: Terms,     // directly above
    lead: Terms,        // a sentence that ends in `:` or `?`, while its list or paragraph lasts
}

struct Reading<'a> {
    terms_of: TermsOf<'a>,
    passages: &'a [Passage<'a>],
    lists: usize,
    candidates: Vec<Candidate>,
    frames: Vec<Frame>, // of each candidate
}

impl Reading<'_> {
    fn passage(&mut self, index: usize) {
        let passage = self.passages[index];
        let headings: Vec<Terms> = passage.headings.iter().map(|heading| self.terms(heading)).collect();
        let mut heading = headings.last().cloned().unwrap_or_default();
        let (mut lead, mut previous) = (Terms::default(), Terms::default());
        let mut list = None;
        for sentence in quotable(passage.text, passage.format) {
            let text = &passage.text[sentence.range.clone()];
            let terms = self.terms(text);
            if sentence.kind != SentenceKind::Item {
                list = None;
            }
            match sentence.kind {
                SentenceKind::Heading => {
                    heading = terms;
                    (lead, previous) = (Terms::default(), Terms::default());
                    continue;
                }
                SentenceKind::Code => continue,
                SentenceKind::Item if list.is_none() => list = Some(self.start_list(index)),
                SentenceKind::Item | SentenceKind::Row | SentenceKind::Prose => {}
            }
            let around = headings.iter().cloned().chain([previous]).collect();
            if !text.ends_with('?') {
                self.frames.push(Frame { around, heading: heading.clone(), lead: lead.clone() });
                let kind = sentence.kind;
                let candidate = Candidate {
                    passage: index,
                    range: sentence.range,
                    kind,
                    terms: terms.clone(),
                    list,
                    leads: None,
                    features: Features::default(),
                };
                self.candidates.push(candidate);
            }
            if text.ends_with([':', '?', '：', '？']) {
                lead = terms.clone();
            } else if list.is_none() {
                lead = Terms::default();
            }
            previous = terms;
        }
    }

    fn terms(&self, text: &str) -> Terms {
        (self.terms_of)(text).into_iter().collect()
    }

    /// Numbers a list, and notes it with the sentence that leads it in.
    fn start_list(&mut self, passage: usize) -> usize {
        self.lists += 1;
        let before = self.candidates.last_mut().filter(|candidate| candidate.passage == passage);
        let lead = before.filter(|candidate| {
            let text = &self.passages[passage].text[candidate.range.clone()];
            candidate.kind == SentenceKind::Prose && text.ends_with([':', '：'])
        });
        if let Some(candidate) = lead {
            candidate.leads = Some(self.lists);
        }
        self.lists
    }
}

#[cfg(test)]
mod tests;
