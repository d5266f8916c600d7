//! The fields of the index on disk, and how a chunk becomes a record of them. A change here makes indexes on disk
//! unreadable; they are then built anew.

use tantivy::TantivyDocument;
use tantivy::schema::{FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};

use crate::ids::ChunkId;
use crate::sparse::{Analyzer, Language, TermKind, Terms};

// How many times a term of the title, of a heading, of the path counts. One field with repeated terms is the simple
// extension of BM25 to weighted fields (Robertson, Zaragoza and Taylor 2004): a term has one frequency and one
// rarity, so a word that is in few titles, but everywhere in the text, does not pass for rare. Measured by the tests
// in `quality`: SciFact with titles apart .685, .701, .705, .706 nDCG@10 for title weights 0 to 3; the Rust book .75,
// .79, .83, .85, .85 mean reciprocal rank for heading weights 0 to 4; the path makes no difference to either.
const TITLE_WEIGHT: usize = 2;
const HEADINGS_WEIGHT: usize = 3;
const PATH_WEIGHT: usize = 1; // so that a file is found by its name

/// The fields.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    pub(super) schema: Schema,
    /// The chunk's id.
    pub(super) id: Field,
    /// Terms with content.
    pub(super) terms: Field,
    /// How many of them there are, repetitions included.
    pub(super) length: Field,
    /// Stopwords, apart so that they make no chunk longer; asked only by questions that have nothing else.
    pub(super) stopwords: Field,
    /// The language that the terms were stemmed in.
    pub(super) language: Field,
}

impl Fields {
    pub(super) fn new() -> Self {
        // Terms come analysed and joined by spaces. Lengths are kept exactly, so the coarse ones are left out.
        let indexing = TextFieldIndexing::default().set_tokenizer("whitespace").set_fieldnorms(false);
        let counted = TextOptions::default()
            .set_indexing_options(indexing.clone().set_index_option(IndexRecordOption::WithFreqs));
        let present = TextOptions::default().set_indexing_options(indexing.set_index_option(IndexRecordOption::Basic));
        let mut schema = Schema::builder();
        let id = schema.add_u64_field("id", INDEXED | FAST);
        // The number is that of the analysis: another one makes an index unreadable, which is better than half found.
        let terms = schema.add_text_field("terms_2", counted.clone());
        let length = schema.add_u64_field("length", FAST);
        let stopwords = schema.add_text_field("stopwords", counted);
        let language = schema.add_text_field("language", present);
        Self { schema: schema.build(), id, terms, length, stopwords, language }
    }

    pub(super) fn document(&self, record: &Record) -> TantivyDocument {
        let mut document = TantivyDocument::new();
        document.add_u64(self.id, record.id.0);
        document.add_text(self.terms, &record.terms);
        document.add_u64(self.length, record.length);
        document.add_text(self.stopwords, &record.stopwords);
        document.add_text(self.language, record.language.code());
        document
    }
}

/// A chunk, analysed.
#[derive(Debug)]
pub(super) struct Record {
    id: ChunkId,
    language: Language,
    terms: String,
    stopwords: String,
    length: u64,
}

impl Record {
    pub(super) fn new(chunk: &Terms<'_>) -> Self {
        let language = Language::from_code(chunk.language);
        let mut record = Self { id: chunk.id, language, terms: String::new(), stopwords: String::new(), length: 0 };
        record.add(chunk.text, 1);
        record.add(chunk.title, TITLE_WEIGHT);
        // The heading that gave the document its title has been counted.
        let headings = chunk.headings.iter().enumerate().filter(|(at, heading)| *at != 0 || *heading != chunk.title);
        for (_, heading) in headings {
            record.add(heading, HEADINGS_WEIGHT);
        }
        record.add(chunk.path, PATH_WEIGHT);
        record
    }

    fn add(&mut self, text: &str, weight: usize) {
        for term in Analyzer::new(self.language).terms(text) {
            let is_stopword = term.kind == TermKind::Stopword;
            let field = if is_stopword { &mut self.stopwords } else { &mut self.terms };
            for _ in 0..weight {
                field.push_str(&term.term);
                field.push(' ');
                self.length += u64::from(!is_stopword);
            }
        }
    }
}
