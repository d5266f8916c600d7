//! The decoder held against what others say to the same weights, and against itself.

mod parity;
mod transformers;

use std::path::PathBuf;

use super::*;

/// A model of the test data, if there is any.
fn model(name: &str) -> Option<Decoder> {
    let Some(data) = std::env::var_os("LOREWELL_DATA") else {
        println!("skipped: LOREWELL_DATA names no folder with models");
        return None;
    };
    let path = PathBuf::from(data).join("models").join(name);
    let gguf = Gguf::open(path).expect("the model can be read");
    Some(Decoder::of_gguf(&gguf, 512).expect("the model can be run"))
}

/// Runs sequences through a model, one batch after the other.
struct Runner<E = u16> {
    decoder: Decoder,
    cache: Cache<E>,
    scratch: Scratch,
    blocks: Vec<Vec<BlockId>>,
    read: Vec<usize>,
}

impl<E: Stored> Runner<E> {
    fn new(decoder: Decoder, sequences: usize) -> Self {
        let cache = decoder.cache();
        Self {
            decoder,
            cache,
            scratch: Scratch::default(),
            blocks: vec![Vec::new(); sequences],
            read: vec![0; sequences],
        }
    }

    /// Reads tokens of some sequences; returns the scores after each of them.
    fn read(&mut self, parts: &[(usize, &[u32])]) -> Vec<Vec<f32>> {
        let mut rows = Vec::new();
        for (sequence, tokens) in parts {
            for token in *tokens {
                let position = self.read[*sequence];
                if position.is_multiple_of(BLOCK_TOKENS) {
                    self.blocks[*sequence].push(self.cache.grow());
                }
                rows.push(Row { token: *token, sequence: *sequence, position, is_wanted: true });
                self.read[*sequence] += 1;
            }
        }
        let batch = Batch { rows, sequences: self.blocks.iter().map(Vec::as_slice).collect() };
        let scores = self.decoder.forward(&batch, &mut self.cache, &mut self.scratch);
        scores.chunks(self.decoder.shape.vocabulary).map(<[f32]>::to_vec).collect()
    }

    fn greedy(&mut self, prompt: &[u32], count: usize) -> Vec<u32> {
        let mut tokens = prompt.to_vec();
        let mut scores = self.read(&[(0, prompt)]).pop().expect("the prompt is not empty");
        while tokens.len() < prompt.len() + count {
            let best = scores.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
            let token = best.map_or(0, |(token, _)| u32::try_from(token).expect("vocabularies are small"));
            tokens.push(token);
            scores = self.read(&[(0, &[token])]).pop().expect("a row has scores");
        }
        tokens
    }
}

#[derive(serde::Deserialize)]
struct Golden {
    prompt_ids: Vec<u32>,
    greedy_ids: Vec<u32>,
}

#[test]
fn trained_models_say_what_is_expected() {
    for (name, file) in [
        ("stories260K", "stories260K/stories260K.gguf"),
        ("stories260K", "stories260K/stories260K-Q8_0.gguf"),
        ("stories260K", "stories260K/stories260K-Q4_0.gguf"),
        ("babyllama105", "babyllama105/babyllama105.gguf"),
    ] {
        let Some(decoder) = model(file) else { return };
        let data = PathBuf::from(std::env::var_os("LOREWELL_DATA").expect("it was set"));
        let golden = std::fs::read_to_string(data.join("models/stories260K/golden.json")).expect("it is there");
        let golden: serde_json::Value = serde_json::from_str(&golden).expect("it is JSON");
        let Some(cases) = golden.get(name) else { continue };
        let cases: Vec<Golden> = serde_json::from_value(cases.clone()).expect("it has prompts");
        for Golden { prompt_ids, greedy_ids } in cases {
            let count = greedy_ids.len() - prompt_ids.len();
            let found = <Runner>::new(model(file).expect("it was there"), 1).greedy(&prompt_ids, count);
            let same = found.iter().zip(&greedy_ids).take_while(|(a, b)| a == b).count();
            println!("{file}: {same} of {} tokens as expected", greedy_ids.len());
            if file.ends_with("stories260K.gguf") || file.starts_with("baby") {
                assert_eq!(found, greedy_ids, "{file}");
            }
        }
        drop(decoder);
    }
}

/// The tiny model of `tests/tiny`.
fn tiny() -> Decoder {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny"));
    Folder::open(&path).and_then(|folder| Decoder::of_folder(&folder, 512)).expect("the model can be run")
}

#[test]
fn the_tiny_model_says_what_transformers_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny/golden.json");
    let golden: Vec<Golden> =
        serde_json::from_str(&std::fs::read_to_string(path).expect("it can be read")).expect("cases");
    for Golden { prompt_ids, greedy_ids } in golden {
        let count = greedy_ids.len() - prompt_ids.len();
        assert_eq!(<Runner>::new(tiny(), 1).greedy(&prompt_ids, count), greedy_ids);
    }
}

#[test]
fn however_tokens_come_their_scores_are_the_same() {
    let tokens: Vec<u32> = (0..90).map(|index| 3 + index * 37 % 500).collect();
    let mut whole: Runner = Runner::new(tiny(), 1);
    let expected = whole.read(&[(0, &tokens)]);
    let mut pieces: Runner = Runner::new(tiny(), 3);
    let mut found = pieces.read(&[(2, &tokens[..8]), (0, &tokens[..40])]);
    found.drain(..8);
    for token in &tokens[40..44] {
        found.extend(pieces.read(&[(0, &[*token]), (1, &tokens[..1])]).into_iter().take(1));
    }
    found.extend(pieces.read(&[(1, &tokens[..5]), (0, &tokens[44..])]).into_iter().skip(5));
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        assert!((found - expected).abs() < 1e-4, "{found} {expected}");
    }
}
