//! What transformers says of the same weights: the folders in `tests/parity/fixtures/hf`, or those that `LOREWELL_PARITY_HF`
//! names, each with an `expected.json`. Beside a folder stands a GGUF file that holds the same numbers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;

#[derive(serde::Deserialize)]
struct Expected {
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    case: String,
    prompt: Vec<u32>,
    stride: usize,
    /// Every so many scores, after some tokens of the prompt.
    positions: BTreeMap<usize, Vec<f32>>,
    /// The same where keys and values were rounded as a cache rounds them.
    half: BTreeMap<usize, Vec<f32>>,
}

/// How far a score may be off, in shares of how far scores spread, where the judge rounds keys and values as well.
const OFF_MAX: f32 = 1e-3;
/// The same where the judge does not round them.
const OFF_ROUNDED_MAX: f32 = 2e-2;
/// GGUF files of these are read without the window, as llama.cpp does, and so held on prompts that fit inside.
const WINDOWLESS: &[&str] = &["mistral", "phi3"];

/// The name of the model in a folder.
fn name(folder: &Path) -> &str {
    let name = folder.file_name().and_then(|name| name.to_str()).expect("it has a name");
    name.rsplit_once('-').expect("the name ends with a type").0
}

/// Opens the weights of a folder, from the GGUF file that holds the same numbers.
fn decoder(folder: &Path, context: usize) -> Decoder {
    let name = name(folder);
    let around = folder.parent().and_then(Path::parent).expect("the folder is inside another");
    let places = [around.to_owned(), around.join("gguf")];
    let paths =
        places.iter().flat_map(|place| ["F32", "F16", "BF16"].map(|kind| place.join(format!("{name}-{kind}.gguf"))));
    let path = paths.into_iter().find(|path| path.is_file()).expect("a GGUF file holds the same numbers");
    let gguf = Gguf::open(path).expect("the model can be read");
    Decoder::of_gguf(&gguf, context).expect("the model can be run")
}

/// Holds scores against those at some positions; returns how many agree, of how many, and the largest difference.
fn hold(
    scores: &[Vec<f32>],
    positions: &BTreeMap<usize, Vec<f32>>,
    stride: usize,
    off_max: f32,
) -> (usize, usize, f32) {
    let pairs = positions.iter().flat_map(|(position, expected)| {
        let spread = (expected.iter().map(|score| score * score).sum::<f32>() / expected.len() as f32).sqrt();
        let found = scores[*position].iter().step_by(stride);
        found.zip(expected).map(move |(found, expected)| (found - expected).abs() / spread)
    });
    pairs.fold((0, 0, 0.0), |(same, all, off), next| (same + usize::from(next <= off_max), all + 1, next.max(off)))
}

#[test]
fn models_say_what_transformers_says() {
    let fixtures = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/fixtures/hf"));
    let folder = std::env::var_os("LOREWELL_PARITY_HF").map_or(fixtures, PathBuf::from);
    let entries = std::fs::read_dir(folder).expect("it can be read").map(|entry| entry.expect("it can be read").path());
    let mut folders: Vec<_> = entries.filter(|folder| folder.join("expected.json").is_file()).collect();
    folders.sort();
    let mut faults = Vec::new();
    for folder in &folders {
        let text = std::fs::read_to_string(folder.join("expected.json")).expect("it can be read");
        let expected: Expected = serde_json::from_str(&text).expect("it has the form of an expectation");
        for case in &expected.cases {
            if WINDOWLESS.contains(&name(folder)) && case.case == "long" {
                continue;
            }
            let scores = Runner::new(decoder(folder, case.prompt.len()), 1).read(&[(0, &case.prompt)]);
            let (same, all, off) = hold(&scores, &case.half, case.stride, OFF_MAX);
            let (same_rounded, all_rounded, rounded) = hold(&scores, &case.positions, case.stride, OFF_ROUNDED_MAX);
            let line = format!(
                "{} {}: {off:.5} off at most, {rounded:.5} where only we round, {} of {} logits",
                folder.display(),
                case.case,
                same + same_rounded,
                all + all_rounded
            );
            println!("{line}");
            faults.extend((same + same_rounded < all + all_rounded).then_some(line));
        }
    }
    assert!(folders.len() > 7 && faults.is_empty(), "{}", faults.join("\n"));
}
