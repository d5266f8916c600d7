//! One committed state of the index: counting, scoring, explaining. It never changes; a newer commit makes a newer
//! view.
//!
//! Scores are summed term by term into one number per chunk. That is exact, where tantivy's own queries skip by
//! bounds that were computed for other averages and count removed chunks, so that scores would tell how an index
//! came about; and at the sizes of an embedded index it is as fast (see the `sparse` bench).

use std::sync::Arc;

use tantivy::columnar::Column;
use tantivy::postings::Postings;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, DocSet, Searcher, SegmentReader, Term};

use super::schema::Fields;
use crate::ids::{ChunkId, IdSet, Scored};
use crate::sparse::bm25::{Best, Saturation, idf};
use crate::sparse::question::{AskedTerm, Question};
use crate::sparse::{Language, TermScore};

type Result<T> = tantivy::Result<T>;

#[derive(Debug)]
pub(super) struct View {
    segments: Vec<Segment>,
    chunks: u64,
    saturation: Saturation,
    languages: Vec<Language>,
}

/// A part of the index, written once; only its list of removed chunks grows.
#[derive(Debug, Clone)]
struct Segment {
    reader: Arc<SegmentReader>,
    ids: Column<u64>,
    lengths: Arc<[u32]>,
}

/// A term of a question with what the whole index says about it.
struct Weighted<'a> {
    asked: &'a AskedTerm,
    term: Term,
    chunks: u64,
    idf: f32,
}

impl View {
    /// Makes the view of a searcher, with what it can take over from the one before.
    pub(super) fn new(fields: &Fields, searcher: &Searcher, before: Option<&Self>) -> Result<Self> {
        let mut segments = Vec::with_capacity(searcher.segment_readers().len());
        for reader in searcher.segment_readers() {
            let known = before.and_then(|before| before.segment(reader));
            segments.push(Segment::new(reader, known.map(|segment| Arc::clone(&segment.lengths)))?);
        }
        let chunks = searcher.num_docs();
        let length: u64 = segments.iter().map(Segment::length).sum();
        #[expect(clippy::cast_precision_loss, reason = "an average does not need more than 24 bits")]
        let mean_length = length as f32 / chunks.max(1) as f32;
        let mut view = Self { segments, chunks, saturation: Saturation::new(mean_length), languages: Vec::new() };
        view.languages = view.find_languages(fields)?;
        Ok(view)
    }

    fn segment(&self, reader: &SegmentReader) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.reader.segment_id() == reader.segment_id())
    }

    /// Returns the languages that live chunks are in; English if there are no chunks.
    fn find_languages(&self, fields: &Fields) -> Result<Vec<Language>> {
        let mut languages = Vec::new();
        for language in Language::ALL {
            if self.chunks_with(&Term::from_field_text(fields.language, language.code()))? > 0 {
                languages.push(language);
            }
        }
        if languages.is_empty() {
            languages.push(Language::English);
        }
        Ok(languages)
    }

    pub(super) fn search(
        &self,
        fields: &Fields,
        question: &str,
        limit: usize,
        allowed: Option<&IdSet>,
    ) -> Result<Vec<Scored>> {
        let question = Question::new(question, &self.languages);
        let terms = self.weigh(fields, &question)?;
        let mut best = Best::new(limit);
        for segment in &self.segments {
            let scores = self.score(segment, &terms)?;
            segment.collect(&scores, allowed, &mut best);
        }
        Ok(best.into_list())
    }

    pub(super) fn explain(&self, fields: &Fields, question: &str, id: ChunkId) -> Result<Option<Vec<TermScore>>> {
        let Some((segment, doc)) = self.find(fields.id, id)? else { return Ok(None) };
        let question = Question::new(question, &self.languages);
        let mut scores = Vec::with_capacity(question.terms.len());
        for Weighted { asked, term, chunks, idf } in self.weigh(fields, &question)? {
            let count = segment.count(&term, doc)?;
            let score = idf * self.saturation.of(count, segment.lengths[doc as usize]);
            scores.push(TermScore { word: asked.word.clone(), term: asked.term.clone(), score, chunks });
        }
        Ok(Some(scores))
    }

    /// Returns the ids of live chunks, ascending.
    pub(super) fn ids(&self) -> Vec<ChunkId> {
        let live = |segment: &Segment| {
            segment.reader.doc_ids_alive().filter_map(|doc| segment.ids.first(doc)).map(ChunkId).collect::<Vec<_>>()
        };
        let mut ids: Vec<ChunkId> = self.segments.iter().flat_map(live).collect();
        ids.sort_unstable();
        ids
    }

    fn weigh<'a>(&self, fields: &Fields, question: &'a Question) -> Result<Vec<Weighted<'a>>> {
        let field = if question.only_stopwords { fields.stopwords } else { fields.terms };
        let weigh = |asked: &'a AskedTerm| {
            let term = Term::from_field_text(field, &asked.term);
            let chunks = self.chunks_with(&term)?;
            Ok(Weighted { asked, term, chunks, idf: idf(chunks, self.chunks) })
        };
        question.terms.iter().map(weigh).collect()
    }

    /// Counts the live chunks that have a term.
    fn chunks_with(&self, term: &Term) -> Result<u64> {
        self.segments.iter().map(|segment| segment.chunks_with(term)).sum()
    }

    /// Scores every chunk of a segment, removed ones too.
    fn score(&self, segment: &Segment, terms: &[Weighted<'_>]) -> Result<Vec<f32>> {
        let mut scores = vec![0.0; segment.lengths.len()];
        for Weighted { term, idf, .. } in terms {
            let index = segment.reader.inverted_index(term.field())?;
            let Some(mut postings) = index.read_block_postings(term, IndexRecordOption::WithFreqs)? else { continue };
            while !postings.docs().is_empty() {
                for (&doc, &count) in postings.docs().iter().zip(postings.freqs()) {
                    let doc = doc as usize;
                    scores[doc] += idf * self.saturation.of(count, segment.lengths[doc]);
                }
                postings.advance();
            }
        }
        Ok(scores)
    }

    fn find(&self, field: Field, id: ChunkId) -> Result<Option<(&Segment, DocId)>> {
        let term = Term::from_field_u64(field, id.0);
        for segment in &self.segments {
            let index = segment.reader.inverted_index(field)?;
            let Some(mut postings) = index.read_postings(&term, IndexRecordOption::Basic)? else { continue };
            while postings.doc() != tantivy::TERMINATED {
                if !segment.reader.is_deleted(postings.doc()) {
                    return Ok(Some((segment, postings.doc())));
                }
                postings.advance();
            }
        }
        Ok(None)
    }
}

impl Segment {
    fn new(reader: &SegmentReader, lengths: Option<Arc<[u32]>>) -> Result<Self> {
        let lengths = match lengths {
            Some(lengths) => lengths,
            None => {
                let column = reader.fast_fields().u64("length")?;
                let length = |doc| u32::try_from(column.first(doc).unwrap_or(0)).unwrap_or(u32::MAX);
                (0..reader.max_doc()).map(length).collect()
            }
        };
        Ok(Self { ids: reader.fast_fields().u64("id")?, reader: Arc::new(reader.clone()), lengths })
    }

    /// Sums the lengths of live chunks.
    fn length(&self) -> u64 {
        self.reader.doc_ids_alive().map(|doc| u64::from(self.lengths[doc as usize])).sum()
    }

    fn chunks_with(&self, term: &Term) -> Result<u64> {
        let index = self.reader.inverted_index(term.field())?;
        let Some(alive) = self.reader.alive_bitset() else { return Ok(u64::from(index.doc_freq(term)?)) };
        let postings = index.read_postings(term, IndexRecordOption::Basic)?;
        Ok(postings.map_or(0, |postings| u64::from(postings.doc_freq_given_deletes(alive))))
    }

    /// Returns how often a term is in a chunk.
    fn count(&self, term: &Term, doc: DocId) -> Result<u32> {
        let index = self.reader.inverted_index(term.field())?;
        let Some(mut postings) = index.read_postings(term, IndexRecordOption::WithFreqs)? else { return Ok(0) };
        let found = postings.doc() <= doc && postings.seek(doc) == doc;
        Ok(if found { postings.term_freq() } else { 0 })
    }

    /// Offers the live and allowed chunks that score.
    fn collect(&self, scores: &[f32], allowed: Option<&IdSet>, best: &mut Best) {
        for (doc, &score) in (0..).zip(scores) {
            if best.admits(score) && !self.reader.is_deleted(doc) {
                let id = self.ids.first(doc).map(ChunkId);
                if let Some(id) = id.filter(|&id| allowed.is_none_or(|allowed| allowed.contains(id))) {
                    best.offer(Scored { id, score });
                }
            }
        }
    }
}
