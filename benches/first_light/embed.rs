//! Section `embed`: sentences per second and the time of one query, beside onnxruntime f32 with a fused graph.
//! Both sides get the same texts and tokenise them themselves; both may sort them by length.

use std::cell::RefCell;
use std::time::Instant;

use lorewell_model::{Error, Kind, Result};

use crate::args::Args;
use crate::lorewell::Engine;
use crate::pair::{Pair, median};
use crate::peers::{OnnxRuntime, Peers};
use crate::table::{Bar, Better, Row, Table};
use crate::texts::{Rng, Words};

const SEED: u64 = 1; // any will do; the same texts in every run
const TEXTS: usize = 256; // some seconds a turn: long against scheduling noise, short against drift
const SPECIAL_TOKENS: usize = 2; // `[CLS]` and `[SEP]`
const QUERIES: usize = 50; // repetitions of one query in a turn; their median is the sample
const COMPARED: usize = 32; // vectors that are compared between the two sides
/// Cosine between the two sides' vectors below which they do not run the same model. int8 weights keep 0.999.
const AGREEMENT_MIN: f64 = 0.995;

const PEER: &str = "onnxruntime f32";
const TIMES_MIN: f64 = 0.7; // of onnxruntime's speed; parity is a later aim

/// Both sides, and the texts they are given.
struct Sides {
    engine: Engine,
    onnx: RefCell<OnnxRuntime>,
    words: Words,
    rng: Rng,
    rounds: usize,
}

/// Measures and fills in the table.
pub(crate) fn run(args: &Args, table: &mut Table) -> Result<()> {
    let book = args.data("rust-book")?.join("src");
    let engine = Engine::bundled()?;
    let words = Words::of_book(&book, |word| engine.count_tokens(word))?;
    let onnx = RefCell::new(OnnxRuntime::start(&Peers::install()?)?);
    let mut sides = Sides { engine, onnx, words, rng: Rng::new(SEED), rounds: args.rounds };
    table.push(sides.rate("embed, 128 tokens each", 128, 128)?);
    table.push(sides.rate("embed, 32 to 224 tokens", 32, 224)?);
    for tokens in [8, 16, 32] {
        table.push(sides.query(tokens)?);
    }
    Ok(())
}

impl Sides {
    /// Compares texts per second.
    fn rate(&mut self, what: &str, tokens_min: usize, tokens_max: usize) -> Result<Row> {
        let mut texts = Vec::with_capacity(TEXTS);
        for _ in 0..TEXTS {
            let tokens = tokens_min + self.rng.below(tokens_max - tokens_min + 1);
            texts.push(self.text(tokens)?);
        }
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        self.same_work(&texts)?;
        let rate = |seconds: f64| texts.len() as f64 / seconds;
        let ours = || Ok(rate(timed(|| self.engine.embed(&texts).map(drop))?));
        let theirs = || Ok(rate(self.onnx.borrow_mut().embed(&texts, 1, 0)?.seconds[0]));
        let pair = Pair::alternate(self.rounds, ours, theirs)?;
        Ok(Row::paired(what, "texts/s", PEER, pair, Better::Higher, Bar::Times(TIMES_MIN)))
    }

    /// Compares the time of one short text.
    fn query(&mut self, tokens: usize) -> Result<Row> {
        let query = self.text(tokens)?;
        let one = || timed(|| self.engine.embed(&[&query]).map(drop));
        let ours = || Ok(median(&(0..QUERIES).map(|_| one()).collect::<Result<Vec<f64>>>()?) * 1e3);
        let theirs = || Ok(median(&self.onnx.borrow_mut().embed(&[&query], QUERIES, 0)?.seconds) * 1e3);
        let pair = Pair::alternate(self.rounds, ours, theirs)?;
        let what = format!("embed one query of {tokens} tokens");
        Ok(Row::paired(what, "ms", PEER, pair, Better::Lower, Bar::Times(TIMES_MIN)))
    }

    fn text(&mut self, tokens: usize) -> Result<String> {
        self.words.text(&mut self.rng, tokens - SPECIAL_TOKENS)
    }

    /// Refuses to compare speeds unless both sides read the same tokens and give the same vectors.
    fn same_work(&self, texts: &[&str]) -> Result<()> {
        let ours: usize = texts.iter().map(|text| self.engine.count_tokens(text) + SPECIAL_TOKENS).sum();
        let theirs = self.onnx.borrow_mut().embed(texts, 1, COMPARED)?;
        if ours != theirs.tokens {
            let why = format!("Lorewell counts {ours} tokens, onnxruntime's side {}", theirs.tokens);
            return Err(Error::new(Kind::Internal, why));
        }
        let vectors = self.engine.embed(&texts[..COMPARED])?;
        for (ours, theirs) in vectors.rows().zip(&theirs.vectors) {
            let cosine: f64 = ours.iter().zip(theirs).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            if cosine < AGREEMENT_MIN {
                let why = format!("the two sides give different vectors for one text: their cosine is {cosine:.4}");
                return Err(Error::new(Kind::Internal, why));
            }
        }
        Ok(())
    }
}

/// Returns the seconds that some work takes.
fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed().as_secs_f64())
}
