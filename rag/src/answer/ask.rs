//! Answering with a language model: search, pack passages into its window, let it write, and hand on only sentences that
//! were held against the passages they cite.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use lorewell_model::{ChatModel as _, Event, Finish, Fold, Model, Result, Usage};
use serde::Serialize;

use super::choose;
use super::claims::{Claims, Passage, Piece};
use super::prompt::{self, Packed};
use super::quote::{Citation, Drafted};
use super::verify::Sources;
use crate::index::{Index, blocking};
use crate::search::{Filter, Fusion, Hit, Hits, Meaning};

/// Passages that are looked for; so many of them as fit are shown to the model.
const PASSAGES: usize = 16;
/// Tokens of passages unless said: they fit, with room for an answer, into the 8192 tokens that even small local models
/// have.
pub const PASSAGE_TOKENS_MAX: usize = 5000;
/// Tokens of the answer unless said, thoughts included: answers are a few sentences.
const OUTPUT_TOKENS_MAX: u32 = 4096;

/// A question for a model that has not been asked; `.await` asks it, [`stream`](Self::stream) reads the answer as it is
/// written.
#[derive(Debug, Clone)]
#[must_use = "a question is asked when it is awaited"]
pub struct AskRequest {
    index: Index,
    model: Model,
    question: String,
    filter: Filter,
    fusion: Fusion,
    tokens_max: usize,
    output_tokens_max: u32,
}

/// An answer that a model wrote, each sentence held against the passage it cites, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Written {
    /// The question.
    pub question: String,
    /// What the model wrote, with the numbers of citations in brackets; empty if there is no answer. Sentences that their
    /// passages do not say are marked `[unsupported]`.
    pub text: String,
    /// Where the documents say it. Every citation was checked against its source.
    pub citations: Vec<Citation>,
    /// Sentences that the passages do not say.
    pub unsupported: Vec<String>,
    /// Whether the text is sentences of the passages that the model chose when nothing supported its own words, which only
    /// models can do that [can be held to a form](lorewell_model::ChatModel::can_constrain).
    pub is_chosen: bool,
    /// Why there is no answer.
    pub abstained: Option<String>,
    /// How many passages the model was shown.
    pub used: usize,
    /// How many were found.
    pub found: usize,
    /// The passages found, closest first.
    pub nearest: Vec<Hit>,
    /// How far the search by meaning could be used.
    pub meaning: Meaning,
    /// Whether the limit of tokens cut the answer off.
    pub is_cut: bool,
    /// What the model used.
    pub usage: Usage,
    /// The model.
    pub model: String,
}

/// What happens while an answer is written.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum AskEvent {
    /// Passages were found, and so many of them are shown to the model.
    Passages {
        /// Shown.
        used: usize,
        /// Found.
        found: usize,
    },
    /// More of the answer. Its sentences were checked; nothing comes before the first that is supported.
    Text {
        /// The words.
        text: String,
    },
    /// The whole answer.
    Answer(Box<Written>),
}

/// An answer while it is written. Dropping it stops the model.
#[must_use = "a question is asked when its events are read"]
pub struct AskEvents(BoxStream<'static, Result<AskEvent>>);

impl AskEvents {
    /// Returns the next event; `None` after the answer.
    ///
    /// # Errors
    /// Those of the search, of the model and of reading the sources.
    pub async fn next(&mut self) -> Option<Result<AskEvent>> {
        self.0.next().await
    }
}

impl Stream for AskEvents {
    type Item = Result<AskEvent>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<AskEvent>>> {
        self.0.poll_next_unpin(cx)
    }
}

impl std::fmt::Debug for AskEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AskEvents").finish_non_exhaustive()
    }
}

impl Index {
    /// Lets a model answer a question from passages of the documents. What it writes is held against them, sentence by
    /// sentence; an answer that nothing supports is not given.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use lorewell_model::model;
    /// use lorewell_rag::index::{Index, Options};
    ///
    /// let folder = tempfile::tempdir().unwrap();
    /// let file = folder.path().join("returns.md");
    /// std::fs::write(&file, "# Returns\n\nYou can return unused parts within 30 days.\n").unwrap();
    /// let index = Index::open(folder.path().join("kb"), Options::default()).await?;
    /// index.add([file]).await?;
    ///
    /// let model = model("mock:cite").await?;
    /// let answer = index.ask(&model, "Within how many days can I return unused parts?").await?;
    /// assert_eq!(answer.text, "\"You can return unused parts within 30 days.\" [1]");
    /// assert!(answer.citations[0].reference.ends_with("returns.md:3"));
    /// # Ok::<(), lorewell_model::Error>(()) }).unwrap();
    /// ```
    pub fn ask(&self, model: &Model, question: impl Into<String>) -> AskRequest {
        AskRequest {
            index: self.clone(),
            model: model.clone(),
            question: question.into(),
            filter: Filter::default(),
            fusion: Fusion::Dbsf,
            tokens_max: PASSAGE_TOKENS_MAX,
            output_tokens_max: OUTPUT_TOKENS_MAX,
        }
    }
}

impl AskRequest {
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

    /// Sets how many tokens of passages the model is shown; [`PASSAGE_TOKENS_MAX`] unless said.
    pub fn passage_tokens_max(mut self, tokens: usize) -> Self {
        self.tokens_max = tokens;
        self
    }

    /// Sets the most tokens that the answer may have; 4096 unless said.
    pub fn output_tokens_max(mut self, tokens: u32) -> Self {
        self.output_tokens_max = tokens;
        self
    }

    /// Reads the answer as it is written.
    pub fn stream(self) -> AskEvents {
        AskEvents(
            async_stream::try_stream! {
                let search = self.index.search(&self.question).filter(self.filter).fusion(self.fusion);
                let found = search.limit(PASSAGES).await?;
                let room = prompt::room(&self.model, &self.question, self.tokens_max, self.output_tokens_max);
                let packed = prompt::pack(&self.model, &found.hits, room);
                yield AskEvent::Passages { used: packed.hits.len(), found: found.hits.len() };
                let mut written = Written::empty(self.question, &packed, &found, &self.model);
                if packed.hits.is_empty() {
                    written.abstained = Some(match found.hits.is_empty() {
                        true => "no passage was found".to_owned(),
                        false => prompt::no_room(&self.model, room),
                    });
                } else {
                    let mut request = prompt::request(&written.question, &packed);
                    request.output_tokens_max = Some(self.output_tokens_max);
                    let (mut next, mut is_second) = (Some(request.clone()), false);
                    while let Some(asked) = next.take() {
                        let sources = Sources::new(self.index.clone(), self.index.reader().await?);
                        let mut events = self.model.stream(asked);
                        let mut writing = Writing::new(packed.clone(), sources).await?;
                        while let Some(event) = events.next().await {
                            let event = event.map_err(|error| error.context(format!("asking `{}`", self.model.name())))?;
                            if let Some(text) = writing.take(&event).await? {
                                yield AskEvent::Text { text };
                            }
                        }
                        if let Some(text) = writing.rest().await? {
                            yield AskEvent::Text { text };
                        }
                        let is_unsupported = writing.finish(&mut written)?;
                        if is_unsupported && !is_second && self.model.can_constrain() {
                            let shown = Hits { hits: packed.hits.clone(), ..found.clone() };
                            let drafted = Drafted::new(&self.index, written.question.clone(), shown).await?;
                            // Its prompt is the same, so a local model has read it already. It chooses what it finds likeliest:
                            // a draw could as well choose nothing.
                            next = choose::form(&drafted)
                                .map(|form| request.clone().temperature(0.0).extra("regex", form));
                            is_second = next.is_some();
                        }
                    }
                    written.is_chosen = is_second && written.abstained.is_none();
                }
                written.nearest = found.hits;
                yield AskEvent::Answer(Box::new(written));
            }
            .boxed(),
        )
    }

    async fn run(self) -> Result<Written> {
        let mut events = self.stream();
        loop {
            match events.next().await {
                Some(Ok(AskEvent::Answer(written))) => return Ok(*written),
                Some(Ok(AskEvent::Passages { .. } | AskEvent::Text { .. })) => {}
                Some(Err(error)) => return Err(error),
                None => unreachable!("the answer is the last event"),
            }
        }
    }
}

impl Written {
    fn empty(question: String, packed: &Packed, found: &Hits, model: &Model) -> Self {
        Self {
            question,
            text: String::new(),
            citations: Vec::new(),
            unsupported: Vec::new(),
            is_chosen: false,
            abstained: None,
            used: packed.hits.len(),
            found: found.hits.len(),
            nearest: Vec::new(),
            meaning: found.meaning.clone(),
            is_cut: false,
            usage: Usage::default(),
            model: model.name().to_string(),
        }
    }
}

/// An answer on its way: sentences that are whole are checked and handed on.
struct Writing {
    fold: Fold,
    claims: Claims,
    hits: Vec<Hit>,
    /// The same passages, ready to be held against what is written.
    passages: Vec<Passage>,
    sources: Sources,
    citations: Vec<Citation>,
    unsupported: Vec<String>,
    text: String,
    /// What is held back until a sentence is supported.
    held: String,
}

impl Writing {
    async fn new(packed: Packed, sources: Sources) -> Result<Self> {
        let (hits, passages) = blocking(move || {
            let passages = packed.hits.iter().map(|hit| Passage::new(&hit.text, hit.format)).collect();
            Ok((packed.hits, passages))
        })
        .await?;
        let (text, held) = (String::new(), String::new());
        let (citations, unsupported) = (Vec::new(), Vec::new());
        Ok(Self {
            fold: Fold::new(),
            claims: Claims::default(),
            hits,
            passages,
            sources,
            citations,
            unsupported,
            text,
            held,
        })
    }

    /// Takes an event, and returns what may be shown.
    async fn take(&mut self, event: &Event) -> Result<Option<String>> {
        self.fold.push(event)?;
        let Event::Text { text } = event else { return Ok(None) };
        let pieces = self.claims.push(text);
        self.check(pieces).await
    }

    async fn rest(&mut self) -> Result<Option<String>> {
        let pieces = self.claims.end();
        self.check(pieces).await
    }

    async fn check(&mut self, pieces: Vec<Piece>) -> Result<Option<String>> {
        let had = !self.citations.is_empty();
        for piece in pieces {
            let shown = self.check_piece(&piece).await?;
            self.held.push_str(&shown);
        }
        if self.held.is_empty() || self.citations.is_empty() {
            return Ok(None);
        }
        let text = std::mem::take(&mut self.held);
        let text = if had { text } else { text.trim_start().to_owned() };
        self.text.push_str(&text);
        Ok(Some(text))
    }

    /// Checks a sentence and returns it as it is shown.
    async fn check_piece(&mut self, piece: &Piece) -> Result<String> {
        let mut numbers = Vec::new();
        let cited = match piece.marks.is_empty() {
            true if !piece.is_claim() => return Ok(piece.shown("")),
            // A model that does not mark what it says may still say what a passage says.
            true => (0..self.hits.len()).collect(),
            false => piece.marks.iter().filter_map(|mark| mark.checked_sub(1)).collect::<Vec<_>>(),
        };
        for passage in cited {
            let (Some(hit), Some(passage)) = (self.hits.get(passage), self.passages.get(passage)) else { continue };
            let Some(range) = piece.supported_by(passage) else { continue };
            let at = hit.range.start + range.start..hit.range.start + range.end;
            let Ok(checked) = self.sources.check(&hit.path, &hit.text[range], at).await? else { continue };
            let (path, headings) = (hit.path.clone(), hit.headings.clone());
            let number = super::quote::place_citation(&mut self.citations, path, headings, checked);
            if !numbers.contains(&number) {
                numbers.push(number);
            }
            if piece.marks.is_empty() {
                break;
            }
        }
        if !numbers.is_empty() {
            let numbers: Vec<_> = numbers.iter().map(|number| format!("[{number}]")).collect();
            return Ok(piece.shown(&numbers.concat()));
        }
        if !piece.is_claim() {
            return Ok(piece.shown(""));
        }
        self.unsupported.push(piece.sentence().to_owned());
        Ok(piece.shown("[unsupported]"))
    }

    /// Writes down what came of it, and tells whether the model wrote what no passage supports.
    fn finish(self, written: &mut Written) -> Result<bool> {
        written.usage += self.fold.usage();
        let reply = self.fold.reply()?;
        written.is_cut = reply.finish == Finish::Length;
        written.unsupported.extend(self.unsupported);
        written.abstained = None;
        if self.citations.is_empty() {
            let mut is_unsupported = false;
            let said = reply.text();
            written.abstained = Some(match reply.finish {
                Finish::Refused => "the model declined to answer".to_owned(),
                Finish::Length if said.trim().is_empty() => {
                    "the model reached the limit of tokens before it said anything".to_owned()
                }
                _ if said.trim().is_empty() => "the model said nothing".to_owned(),
                _ if prompt::is_abstention(&said) => "the model found no answer in the passages".to_owned(),
                _ => {
                    is_unsupported = true;
                    "no passage supports what the model wrote".to_owned()
                }
            });
            return Ok(is_unsupported);
        }
        written.text = self.text.trim_end().to_owned();
        written.citations = self.citations;
        Ok(false)
    }
}

impl IntoFuture for AskRequest {
    type Output = Result<Written>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Written>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

#[cfg(test)]
mod tests;
