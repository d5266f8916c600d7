//! Answering by quoting: search, choose sentences, hold each against its source, and say so when nothing supports an
//! answer.

use std::collections::HashSet;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use lorewell_embed::Purpose;
use lorewell_model::Result;
use serde::Serialize;

use super::extract::{Draft, Extraction, Group, Passage, Reason};
use super::verify::{Checked, Loss, Sources, Standing};
use crate::index::Index;
use crate::place::Place;
use crate::search::{Filter, Fusion, Hit, Hits, Meaning};
use crate::sparse::content_terms;

/// Passages that sentences are taken from.
const PASSAGES: usize = 8;
/// Sentences compared with the question by meaning: the cost of an answer, some milliseconds each on one core.
const EMBEDDED_SENTENCES_MAX: usize = 24;

/// A question that has not been asked; `.await` asks it.
#[derive(Debug, Clone)]
#[must_use = "a question is asked when it is awaited"]
pub struct QuoteRequest {
    index: Index,
    question: String,
    filter: Filter,
    fusion: Fusion,
}

/// An answer in the documents' own words, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Answer {
    /// The question.
    pub question: String,
    /// What the documents say, in order; empty if there is no answer.
    pub sentences: Vec<Sentence>,
    /// Where they say it. Every citation was checked against its source.
    pub citations: Vec<Citation>,
    /// Why there is no answer.
    pub abstained: Option<String>,
    /// How well the best sentence supports an answer, 0..1.
    pub support: f32,
    /// Items of a quoted list that did not fit.
    pub left_out: usize,
    /// Sentences left out because their source does not say them any more, is gone or cannot be read.
    pub dropped: usize,
    /// The passages looked at, closest first.
    pub nearest: Vec<Hit>,
    /// How far the search by meaning could be used.
    pub meaning: Meaning,
}

/// A quoted sentence.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Sentence {
    /// The sentence as it stands in the document now.
    pub text: String,
    /// Number of its citation, from 1.
    pub citation: usize,
    /// How well it supports an answer, 0..1.
    pub support: f32,
}

/// Where an answer's sentences stand.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Citation {
    /// Its number, from 1.
    pub number: usize,
    /// `path:line-line`, `path p.N` or `path §heading`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Name of the document.
    pub path: String,
    /// Where in the document.
    pub place: Place,
    /// Titles of the sections around it, outermost first.
    pub headings: Vec<String>,
    /// The quoted sentences, as they stand in the document now.
    pub quotes: Vec<String>,
    /// How they stand to the source as it is now.
    pub standing: Standing,
}

impl Index {
    /// Answers a question with sentences of the documents, each checked against its source, or abstains.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use lorewell_rag::index::{Index, Options};
    ///
    /// let folder = tempfile::tempdir().unwrap();
    /// let file = folder.path().join("returns.md");
    /// std::fs::write(&file, "# Returns\n\nYou can return unused parts within 30 days.\n").unwrap();
    /// let index = Index::open(folder.path().join("kb"), Options::default()).await?;
    /// index.add([file]).await?;
    ///
    /// let answer = index.quote("within how many days can I return unused parts?").await?;
    /// assert_eq!(answer.sentences[0].text, "You can return unused parts within 30 days.");
    /// assert!(answer.citations[0].reference.ends_with("returns.md:3"));
    ///
    /// let answer = index.quote("who won the 1998 world cup?").await?;
    /// assert!(answer.abstained.is_some() && answer.sentences.is_empty());
    /// # Ok::<(), lorewell_model::Error>(()) }).unwrap();
    /// ```
    pub fn quote(&self, question: impl Into<String>) -> QuoteRequest {
        let (filter, fusion) = (Filter::default(), Fusion::Dbsf);
        QuoteRequest { index: self.clone(), question: question.into(), filter, fusion }
    }
}

impl QuoteRequest {
    /// Restricts the answer to some documents.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Chooses how words and meaning are fused.
    pub fn fusion(mut self, fusion: Fusion) -> Self {
        self.fusion = fusion;
        self
    }

    /// Reads what an answer would be made of, without answering: for measuring and fitting.
    ///
    /// # Errors
    /// Those of a search.
    pub async fn draft(&self) -> Result<Drafted> {
        let search = self.index.search(&self.question).filter(self.filter.clone()).fusion(self.fusion);
        Drafted::new(&self.index, self.question.clone(), search.limit(PASSAGES).await?).await
    }

    async fn run(self) -> Result<Answer> {
        let drafted = self.draft().await?;
        let extraction = drafted.read(|draft, _| draft.extract());
        let found = drafted.found;
        let empty = Answer {
            question: self.question,
            sentences: Vec::new(),
            citations: Vec::new(),
            abstained: None,
            support: 0.0,
            left_out: 0,
            dropped: 0,
            nearest: found.hits,
            meaning: found.meaning,
        };
        match extraction {
            Extraction::Found { groups, support, left_out } => {
                let sources = Sources::new(self.index.clone(), self.index.reader().await?);
                cite(Answer { support, left_out, ..empty }, groups, sources).await
            }
            Extraction::Abstained { reason, nearest } => Ok(abstain(empty, &reason, &nearest)),
        }
    }
}

/// What an answer would be made of: the passages found and how close their sentences are to the question.
#[derive(Debug, Clone)]
pub struct Drafted {
    question: String,
    found: Hits,
    closeness: Vec<(usize, f32)>,
}

impl Drafted {
    pub(super) async fn new(index: &Index, question: String, found: Hits) -> Result<Self> {
        let closeness = closeness(index, &question, &found).await?;
        Ok(Self { question, found, closeness })
    }

    /// Returns the passages.
    pub(super) fn hits(&self) -> &[Hit] {
        &self.found.hits
    }

    /// Hands the draft to a function, with the names of the documents that its passages are from.
    pub fn read<T>(&self, read: impl FnOnce(&Draft<'_>, &[&str]) -> T) -> T {
        let passages: Vec<Passage<'_>> = self.found.hits.iter().map(passage).collect();
        let paths: Vec<&str> = self.found.hits.iter().map(|hit| hit.path.as_str()).collect();
        let mut draft = Draft::new(&self.question, &passages, &content_terms);
        self.closeness.iter().for_each(|&(sentence, cosine)| draft.set_closeness(sentence, cosine));
        read(&draft, &paths)
    }
}

impl IntoFuture for QuoteRequest {
    type Output = Result<Answer>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Answer>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// Compares the most promising sentences with the question by meaning, where there is an embedder.
async fn closeness(index: &Index, question: &str, found: &Hits) -> Result<Vec<(usize, f32)>> {
    let (Some(embedder), Some(vector)) = (index.embedder(), &found.vector) else { return Ok(Vec::new()) };
    let passages: Vec<Passage<'_>> = found.hits.iter().map(passage).collect();
    let shortlist = Draft::new(question, &passages, &content_terms).shortlist(EMBEDDED_SENTENCES_MAX);
    let texts: Vec<&str> = shortlist.iter().map(|(_, text)| *text).collect();
    let vectors = embedder.embed(&texts, Purpose::Passage).await?;
    let cosines = vectors.rows().map(|row| lorewell_embed::dot(vector, row));
    Ok(shortlist.iter().map(|(sentence, _)| *sentence).zip(cosines).collect())
}

fn passage(hit: &Hit) -> Passage<'_> {
    Passage { text: &hit.text, format: hit.format, headings: &hit.headings, score: hit.score }
}

/// Checks every sentence against its source. What the source does not say is not shown.
async fn cite(mut answer: Answer, groups: Vec<Group>, mut sources: Sources) -> Result<Answer> {
    let (mut losses, mut shown) = (Vec::new(), HashSet::new());
    for group in groups {
        for quote in group.quotes {
            let hit = &answer.nearest[group.passage];
            let at = hit.range.start + quote.range.start..hit.range.start + quote.range.end;
            let checked = match sources.check(&hit.path, &hit.text[quote.range], at).await? {
                Ok(checked) => checked,
                Err(loss) => {
                    losses.push(loss);
                    continue;
                }
            };
            if !shown.insert((hit.path.clone(), checked.range.clone())) {
                continue; // two sentences have become one since they were indexed
            }
            let text = checked.text.clone();
            let (path, headings) = (hit.path.clone(), hit.headings.clone());
            let citation = place_citation(&mut answer.citations, path, headings, checked);
            answer.sentences.push(Sentence { text, citation, support: quote.support });
        }
    }
    answer.dropped = losses.len();
    if answer.sentences.is_empty() {
        answer.abstained = Some(lost(&losses));
    } else if answer.dropped > 0 {
        answer.support = answer.sentences.iter().map(|sentence| sentence.support).fold(0.0, f32::max);
    }
    Ok(answer)
}

/// Says why none of the sentences can be shown: first what the reader can do something about.
fn lost(losses: &[Loss]) -> String {
    let why = losses.iter().find_map(|loss| if let Loss::Unread(why) = loss { Some(why) } else { None });
    match why {
        Some(why) => format!("the source could not be read ({why}); ask again when it can"),
        None if losses.contains(&Loss::Changed) => {
            "the sources have changed and no longer say it; run `lorewell ingest`".to_owned()
        }
        None => "the source is gone; run `lorewell ingest`".to_owned(),
    }
}

/// Adds a sentence to the citation it continues, or begins a new one, and returns its number.
pub(super) fn place_citation(
    citations: &mut Vec<Citation>,
    path: String,
    headings: Vec<String>,
    checked: Checked,
) -> usize {
    let Checked { standing, place, text: quote, .. } = checked;
    let headings = if place.headings.is_empty() { headings } else { place.headings.clone() };
    if let Some(last) = citations.last_mut()
        && last.path == path
        && last.standing == standing
        && last.headings == headings
        && let Some(joined) = last.place.joined(&place)
    {
        last.reference = joined.reference(&path);
        last.place = joined;
        last.quotes.push(quote);
        return last.number;
    }
    let number = citations.len() + 1;
    let reference = place.reference(&path);
    citations.push(Citation { number, reference, path, place, headings, quotes: vec![quote], standing });
    number
}

fn abstain(mut answer: Answer, reason: &Reason, nearest: &[(usize, f32)]) -> Answer {
    answer.abstained = Some(match reason {
        Reason::NoTerms => "the question has no words to look for".to_owned(),
        Reason::Unsupported { missing, .. } if !missing.is_empty() => {
            format!("no passage mentions {}", missing.join(", "))
        }
        Reason::NoSentences => "no passage was found".to_owned(),
        Reason::Unsupported { .. } => "no sentence supports an answer well enough".to_owned(),
    });
    answer.support = nearest.first().map_or(0.0, |(_, support)| *support);
    let order: Vec<Hit> = nearest.iter().map(|(index, _)| answer.nearest[*index].clone()).collect();
    answer.nearest = order;
    answer
}

#[cfg(test)]
mod tests;
