//! Speed of word search: analysis, indexing, questions on 50,000 chunks. Texts are made of words drawn by Zipf's law,
//! so that frequent words are as frequent as in prose.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use lorewell_rag::ids::{ChunkId, IdSet};
use lorewell_rag::sparse::{Access, Analyzer, Language, SparseStore, TantivySparse, Terms};
use tempfile::TempDir;
use tokio::runtime::Builder;

const CHUNKS: u64 = 50_000;
const WORDS_PER_CHUNK: usize = 200;
const VOCABULARY: f64 = 40_000.0;

/// A small generator of random numbers (xorshift64, Marsaglia 2003), so that every run has the same texts.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A rank by Zipf's law: as likely as 1 / rank.
    fn rank(&mut self) -> u64 {
        let uniform = f64::from(u32::try_from(self.next() >> 32).expect("32 bits")) / f64::from(u32::MAX);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below the size of the vocabulary")]
        let rank = VOCABULARY.powf(uniform) as u64;
        rank
    }

    /// Writes a rank with syllables, so that stemmers have something to do.
    fn word(&mut self) -> String {
        const SYLLABLES: [&str; 16] =
            ["ta", "ri", "lo", "ne", "sing", "ver", "tion", "al", "ed", "pro", "mus", "kel", "or", "in", "ba", "ly"];
        let mut rank = self.rank();
        let mut word = String::new();
        loop {
            word.push_str(SYLLABLES[usize::try_from(rank % 16).expect("below 16")]);
            rank /= 16;
            if rank == 0 {
                return word;
            }
        }
    }

    fn text(&mut self, words: usize) -> String {
        (0..words).map(|_| self.word() + " ").collect()
    }
}

fn chunks(texts: &[String]) -> Vec<Terms<'_>> {
    let chunk = |(id, text)| Terms { id: ChunkId(id), title: "", path: "", headings: &[], text, language: None };
    (0..).zip(texts.iter().map(String::as_str)).map(chunk).collect()
}

fn benches(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().build().expect("a runtime starts");
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let texts: Vec<String> = (0..CHUNKS).map(|_| random.text(WORDS_PER_CHUNK)).collect();
    let questions: Vec<String> = (0..64).map(|_| random.text(6)).collect();

    let mut group = criterion.benchmark_group("sparse");
    group.throughput(Throughput::Elements(1000)).sample_size(10);
    group.bench_function("analyse 1000 chunks", |bencher| {
        let analyzer = Analyzer::new(Language::English);
        bencher.iter(|| texts[..1000].iter().map(|text| analyzer.terms(text).count()).sum::<usize>());
    });
    group.bench_function("index 1000 chunks, uncommitted", |bencher| {
        let dir = TempDir::new().expect("a folder can be made");
        let open = TantivySparse::open(dir.path(), Access::Write);
        let store = runtime.block_on(open).expect("a store can be made");
        let chunks = chunks(&texts[..1000]);
        bencher.iter(|| runtime.block_on(store.add(&chunks)).expect("chunks can be added"));
    });
    group.finish();

    let dir = TempDir::new().expect("a folder can be made");
    let store = runtime.block_on(TantivySparse::open(dir.path(), Access::Write)).expect("a store can be made");
    runtime.block_on(store.add(&chunks(&texts))).expect("chunks can be added");
    runtime.block_on(store.commit()).expect("a commit succeeds");
    let few: IdSet = (0..CHUNKS).step_by(100).map(ChunkId).collect();
    for (name, allowed) in [("ask 50,000 chunks", None), ("ask 50,000 chunks, 1 % allowed", Some(&few))] {
        let mut asked = questions.iter().cycle();
        criterion.bench_function(name, |bencher| {
            bencher.iter_batched(
                || asked.next().expect("a cycle does not end"),
                |question| black_box(runtime.block_on(store.search(question, 100, allowed))),
                BatchSize::SmallInput,
            );
        });
    }
    criterion.bench_function("refresh, nothing new", |bencher| {
        bencher.iter(|| runtime.block_on(store.refresh()));
    });
}

criterion_group!(sparse, benches);
criterion_main!(sparse);
