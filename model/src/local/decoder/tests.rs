//! The decoder held against what others say to the same weights, and against itself.

#[cfg(feature = "gpu")]
mod candle;
mod parity;
mod transformers;

use std::path::PathBuf;

use super::*;
#[cfg(feature = "gpu")]
use crate::local::device::Guest;
use crate::local::folder::Folder;
use crate::local::gguf::Gguf;
use crate::local::machine::{Machine, Processor};

/// Makes a model ready to run.
type Open = fn(Shape, &dyn Tensors) -> Result<Box<dyn Machine>>;

/// On the kernels.
fn kernels(shape: Shape, tensors: &dyn Tensors) -> Result<Box<dyn Machine>> {
    Ok(Box::new(<Processor>::new(Decoder::new(shape, tensors)?)))
}

/// On the kernels, with nothing rounded that is kept of tokens.
fn exact_kernels(shape: Shape, tensors: &dyn Tensors) -> Result<Box<dyn Machine>> {
    Ok(Box::new(Processor::<f32>::new(Decoder::new(shape, tensors)?)))
}

/// On the device that candle has everywhere.
#[cfg(feature = "gpu")]
fn guest(shape: Shape, tensors: &dyn Tensors) -> Result<Box<dyn Machine>> {
    Ok(Box::new(Guest::new(shape, tensors, gpu::Device::Cpu)?))
}

/// A model of the test data, if there is any.
fn model(name: &str, open: Open) -> Option<Box<dyn Machine>> {
    let Some(data) = std::env::var_os("LOREWELL_DATA") else {
        println!("skipped: LOREWELL_DATA names no folder with models");
        return None;
    };
    let path = PathBuf::from(data).join("models").join(name);
    let gguf = Gguf::open(path).expect("the model can be read");
    Some(of_gguf(&gguf, 512, open).expect("the model can be run"))
}

fn of_gguf(gguf: &Gguf, window: usize, open: Open) -> Result<Box<dyn Machine>> {
    open(Shape::of_gguf(gguf, window)?, gguf)
}

fn of_folder(folder: &Folder, window: usize, open: Open) -> Result<Box<dyn Machine>> {
    open(Shape::of_config(folder.config(), window)?, folder)
}

/// Runs sequences through a model, one batch after the other.
struct Runner {
    machine: Box<dyn Machine>,
    blocks: Vec<Vec<BlockId>>,
    read: Vec<usize>,
}

impl Runner {
    fn new(machine: Box<dyn Machine>, sequences: usize) -> Self {
        Self { machine, blocks: vec![Vec::new(); sequences], read: vec![0; sequences] }
    }

    /// Reads tokens of some sequences; returns the scores after each of them.
    fn read(&mut self, parts: &[(usize, &[u32])]) -> Vec<Vec<f32>> {
        let mut rows = Vec::new();
        for (sequence, tokens) in parts {
            for token in *tokens {
                let position = self.read[*sequence];
                if position.is_multiple_of(BLOCK_TOKENS) {
                    self.blocks[*sequence].push(self.machine.grow().expect("there is memory"));
                }
                rows.push(Row { token: *token, sequence: *sequence, position, is_wanted: true });
                self.read[*sequence] += 1;
            }
        }
        let batch = Batch { rows, sequences: self.blocks.iter().map(Vec::as_slice).collect() };
        let scores = self.machine.forward(&batch).expect("it can be run");
        scores.chunks(self.machine.shape().vocabulary).map(<[f32]>::to_vec).collect()
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
        let Some(machine) = model(file, kernels) else { return };
        let data = PathBuf::from(std::env::var_os("LOREWELL_DATA").expect("it was set"));
        let golden = std::fs::read_to_string(data.join("models/stories260K/golden.json")).expect("it is there");
        let golden: serde_json::Value = serde_json::from_str(&golden).expect("it is JSON");
        let Some(cases) = golden.get(name) else { continue };
        let cases: Vec<Golden> = serde_json::from_value(cases.clone()).expect("it has prompts");
        for Golden { prompt_ids, greedy_ids } in cases {
            let count = greedy_ids.len() - prompt_ids.len();
            let found = Runner::new(model(file, kernels).expect("it was there"), 1).greedy(&prompt_ids, count);
            let same = found.iter().zip(&greedy_ids).take_while(|(a, b)| a == b).count();
            println!("{file}: {same} of {} tokens as expected", greedy_ids.len());
            if file.ends_with("stories260K.gguf") || file.starts_with("baby") {
                assert_eq!(found, greedy_ids, "{file}");
            }
        }
        drop(machine);
    }
}

/// The tiny model of `tests/tiny`.
fn tiny(open: Open) -> Box<dyn Machine> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny"));
    Folder::open(&path).and_then(|folder| of_folder(&folder, 512, open)).expect("the model can be run")
}

/// Lets the tiny model speak as transformers let it speak.
fn hold_tiny(open: Open) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny/golden.json");
    let golden: Vec<Golden> =
        serde_json::from_str(&std::fs::read_to_string(path).expect("it can be read")).expect("cases");
    for Golden { prompt_ids, greedy_ids } in golden {
        let count = greedy_ids.len() - prompt_ids.len();
        assert_eq!(Runner::new(tiny(open), 1).greedy(&prompt_ids, count), greedy_ids);
    }
}

#[test]
fn the_tiny_model_says_what_transformers_says() {
    hold_tiny(kernels);
}

#[test]
#[cfg(feature = "gpu")]
fn the_tiny_model_says_on_a_device_what_transformers_says() {
    hold_tiny(guest);
}

/// Reads tokens at once, and in pieces beside other sequences.
fn hold_order(open: Open) {
    let tokens: Vec<u32> = (0..90).map(|index| 3 + index * 37 % 500).collect();
    let expected = Runner::new(tiny(open), 1).read(&[(0, &tokens)]);
    let mut pieces = Runner::new(tiny(open), 3);
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

#[test]
fn however_tokens_come_their_scores_are_the_same() {
    hold_order(kernels);
}

#[test]
#[cfg(feature = "gpu")]
fn however_tokens_come_to_a_device_their_scores_are_the_same() {
    hold_order(guest);
}
