//! Section `scale`: 50,000 chunks in 10,000 files. The tree is made of sentences of the Rust book and SciFact, put
//! together anew but the same in every run; the index of it is kept beside the build products, since making its
//! vectors takes minutes.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Instant;

use lorewell::rag::chunk::ChunkOptions;
use lorewell::rag::search::{Fusion, Mode};
use lorewell_model::{Error, Kind, Result, ResultExt};

use crate::args::{Args, peers_dir};
use crate::lorewell::{Brain, Engine};
use crate::pair::quantile;
use crate::scifact::SciFact;
use crate::table::{Bar, Row, Table};
use crate::texts::{Rng, markdown_files};

const FILES: usize = 10_000;
const FILES_PER_FOLDER: usize = 100;
const SECTIONS: usize = 5; // of a file; each is cut into a chunk of its own
const SENTENCES: usize = 3; // of a section
const SENTENCE_TOKENS: RangeInclusive<usize> = 14..=18; // three fit into a chunk, the six of two sections do not
const CHUNK_TOKENS: usize = 64;
/// 50,000, give or take a section that the chunker sees differently.
const CHUNKS: RangeInclusive<u64> = 49_500..=50_500;
const SEED: u64 = 2;
const QUESTIONS: usize = 200;
const LIMIT: usize = 10; // also the depth of recall
/// Scores this close are the same: both sides sum the same products, in a different order.
const SCORE_TOLERANCE: f32 = 1e-5;

/// Measures and fills in the table.
pub(crate) fn run(args: &Args, table: &mut Table) -> Result<()> {
    let scifact = SciFact::read(&args.data("scifact")?)?;
    let kept = Kept::make(args, &scifact, table)?;
    let brain = kept.open()?;
    reingest(&brain, &kept, args.rounds, table)?;

    let questions: Vec<&str> = scifact.claims.iter().map(|claim| claim.text.as_str()).take(QUESTIONS).collect();
    time(&brain, &questions)?; // files of the index come from the disk once
    let with = time(&brain, &questions)?;
    let vectors: Vec<Vec<f32>> = questions.iter().map(|question| brain.remember(question)).collect::<Result<_>>()?;
    let without = time(&brain, &questions)?;
    for (what, samples, bar) in [("with its embedding", with, 15.0), ("without", without, 3.0)] {
        let slow = quantile(&samples, 99);
        table.push(Row::alone(format!("50,000 chunks, query {what}, p50"), "ms", samples, Bar::AtMost(bar)));
        table.push(Row::alone(format!("50,000 chunks, query {what}, p99"), "ms", vec![slow], Bar::Shown));
    }
    recall(&brain, &kept, &questions, &vectors, table)
}

/// What is kept between runs.
struct Kept {
    dir: PathBuf,
}

impl Kept {
    /// Makes the tree and its index, unless they stand.
    fn make(args: &Args, scifact: &SciFact, table: &mut Table) -> Result<Self> {
        let kept = Self { dir: peers_dir().join("scale") };
        let stamp = format!("{} {CHUNK_TOKENS} {SEED}\n", Engine::bundled()?.fingerprint());
        // The stamp is written last, so that a run that was stopped is begun anew.
        if std::fs::read_to_string(kept.stamp()).is_ok_and(|found| found == stamp) {
            return Ok(kept);
        }
        if kept.dir.exists() {
            std::fs::remove_dir_all(&kept.dir).context(|| format!("clearing `{}`", kept.dir.display()))?;
        }
        eprintln!("   making {FILES} files and their index in `{}` (once)", kept.dir.display());
        write_tree(&kept.tree(), &phrases(args, scifact)?)?;
        let brain = kept.open()?;
        let report = brain.add(&kept.tree())?;
        if !CHUNKS.contains(&report.chunks_added) || !report.failed.is_empty() {
            let why = format!("the tree gave {} chunks, {} files failed", report.chunks_added, report.failed.len());
            return Err(Error::new(Kind::Internal, why));
        }
        table.push(Row::alone("50,000 chunks, words searchable", "s", vec![report.seconds_words], Bar::Shown));
        table.push(Row::alone("50,000 chunks, fully ingested", "s", vec![report.seconds], Bar::Shown));
        let bytes: Vec<u8> = brain.passages().into_iter().flat_map(f32::to_le_bytes).collect();
        std::fs::write(kept.vectors(), bytes).context(|| format!("writing `{}`", kept.vectors().display()))?;
        std::fs::write(kept.stamp(), stamp).context(|| format!("writing `{}`", kept.stamp().display()))?;
        Ok(kept)
    }

    fn open(&self) -> Result<Brain> {
        let mut chunks = ChunkOptions::default();
        chunks.tokens_max = CHUNK_TOKENS;
        chunks.tokens_overlap = 0;
        Brain::open(&self.dir.join("brain"), chunks)
    }

    fn tree(&self) -> PathBuf {
        self.dir.join("tree")
    }

    fn stamp(&self) -> PathBuf {
        self.dir.join("stamp.txt")
    }

    fn vectors(&self) -> PathBuf {
        self.dir.join("vectors.f32")
    }
}

/// The beginnings of sentences of real prose, all of about the same number of tokens.
fn phrases(args: &Args, scifact: &SciFact) -> Result<Vec<String>> {
    let engine = Engine::bundled()?;
    let mut prose = Vec::new();
    for path in markdown_files(&args.data("rust-book")?.join("src"))? {
        prose.push(std::fs::read_to_string(&path).context(|| format!("reading `{}`", path.display()))?);
    }
    prose.extend(scifact.papers.iter().map(|paper| paper.text.clone()));
    let sentences = prose.iter().flat_map(|text| text.split(". "));
    Ok(sentences.filter_map(|sentence| phrase(sentence, |word| engine.count_tokens(word))).collect())
}

fn phrase(sentence: &str, count_tokens: impl Fn(&str) -> usize) -> Option<String> {
    // Plain words only: markup would make headings and lists of its own.
    let is_plain = |word: &&str| word.chars().all(|char| char.is_alphanumeric() || ",-'".contains(char));
    let (mut phrase, mut tokens) = (Vec::new(), 0);
    for word in sentence.split_whitespace().filter(is_plain) {
        tokens += count_tokens(word);
        if tokens > *SENTENCE_TOKENS.end() {
            break;
        }
        phrase.push(word);
        if SENTENCE_TOKENS.contains(&tokens) {
            return Some(phrase.join(" "));
        }
    }
    None
}

fn write_tree(tree: &Path, phrases: &[String]) -> Result<()> {
    let mut rng = Rng::new(SEED);
    for file in 0..FILES {
        let folder = tree.join(format!("{:03}", file / FILES_PER_FOLDER));
        std::fs::create_dir_all(&folder).context(|| format!("making `{}`", folder.display()))?;
        let mut text = String::new();
        for section in 1..=SECTIONS {
            let sentences: Vec<&str> = (0..SENTENCES).map(|_| phrases[rng.below(phrases.len())].as_str()).collect();
            text.push_str(&format!("## {section}\n\n{}.\n\n", sentences.join(". ")));
        }
        let path = folder.join(format!("{file:05}.md"));
        std::fs::write(&path, text).context(|| format!("writing `{}`", path.display()))?;
    }
    Ok(())
}

fn reingest(brain: &Brain, kept: &Kept, rounds: usize, table: &mut Table) -> Result<()> {
    let mut seconds = Vec::new();
    brain.add(&kept.tree())?;
    for _ in 0..rounds {
        let started = Instant::now();
        let report = brain.add(&kept.tree())?;
        seconds.push(started.elapsed().as_secs_f64());
        if report.indexed != 0 || report.unchanged != FILES as u64 {
            let why = format!("{} files of an unchanged tree were indexed again", report.indexed);
            return Err(Error::new(Kind::Internal, why));
        }
    }
    table.push(Row::alone("10,000 unchanged files, ingested again", "s", seconds, Bar::AtMost(2.0)));
    Ok(())
}

fn time(brain: &Brain, questions: &[&str]) -> Result<Vec<f64>> {
    let one = |question: &&str| {
        let started = Instant::now();
        brain.search(question, Mode::Hybrid, Fusion::Dbsf, LIMIT)?;
        Ok(started.elapsed().as_secs_f64() * 1e3)
    };
    questions.iter().map(one).collect()
}

/// Compares the store's answers with an exact search over the f32 vectors. A hit counts if its score is among the
/// exact ten best, so that equal scores may come in any order.
fn recall(brain: &Brain, kept: &Kept, questions: &[&str], vectors: &[Vec<f32>], table: &mut Table) -> Result<()> {
    let bytes = std::fs::read(kept.vectors()).context(|| format!("reading `{}`", kept.vectors().display()))?;
    let (components, _) = bytes.as_chunks::<4>();
    let rows: Vec<f32> = components.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let mut found = 0;
    for (question, vector) in questions.iter().zip(vectors) {
        let dot = |row: &[f32]| row.iter().zip(vector).map(|(a, b)| a * b).sum::<f32>();
        let mut exact: Vec<f32> = rows.chunks_exact(vector.len()).map(dot).collect();
        exact.sort_by(|a, b| b.total_cmp(a));
        let last = exact[LIMIT - 1] - SCORE_TOLERANCE;
        let hits = brain.search(question, Mode::Meaning, Fusion::Dbsf, LIMIT)?.hits;
        found += hits.iter().filter(|hit| hit.meaning.is_some_and(|part| part.score >= last)).count();
    }
    let recall = f64::from(u32::try_from(found).expect("a few thousand")) / (questions.len() * LIMIT) as f64;
    table.push(Row::alone("50,000 chunks, recall@10 of exact f32", "", vec![recall], Bar::AtLeast(0.99)));
    Ok(())
}
