//! What llama.cpp says to the same files, and transformers to the same folders: those in `tests/parity/fixtures`, or in the
//! folders that `LOREWELL_PARITY` and `LOREWELL_PARITY_FOLDERS` name. `tests/parity` makes both, the models and what is
//! expected of them.

use std::path::{Path, PathBuf};

use super::*;

#[derive(serde::Deserialize)]
struct Expected {
    model: String,
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    case: String,
    prompt: Vec<u32>,
    context: usize,
    greedy: Vec<u32>,
    /// How far the best score is above the second, for each token.
    margins: Vec<f32>,
    stride: usize,
    /// Every so many scores after the prompt.
    first: Vec<f32>,
    /// The same where activations are not quantised.
    exact: Option<Exact>,
}

#[derive(serde::Deserialize)]
struct Exact {
    first: Vec<f32>,
}

fn root_mean_square(found: &[f32], expected: &[f32]) -> f32 {
    let squares = found.iter().zip(expected).map(|(found, expected)| (found - expected) * (found - expected));
    (squares.sum::<f32>() / found.len() as f32).sqrt()
}

/// How much farther from the truth than llama.cpp a model may be, whose distance is a matter of chance as well.
const FARTHER_MAX: f32 = 1.5;

/// Holds a model against what is expected: floats within a hundredth of how far scores spread. Quantised activations round
/// in another way as soon as one float differs in its last bit, and there is no right way; so those models are held to be
/// no farther from the truth than llama.cpp is, and to choose its tokens where the margin is above such noise.
fn hold(folder: &Path, Expected { model, cases }: &Expected) -> Vec<String> {
    let gguf = Gguf::open(folder.join(model)).expect("the model can be read");
    let mut faults = Vec::new();
    for case in cases {
        let decoder = match Decoder::of_gguf(&gguf, case.context) {
            Ok(decoder) => decoder,
            Err(error) => return vec![format!("{model}: {error}")],
        };
        let mut runner: Runner = Runner::new(decoder, 1);
        let mut scores = runner.read(&[(0, &case.prompt)]).pop().expect("the prompt is not empty");
        let seen: Vec<f32> = scores.iter().copied().step_by(case.stride).collect();
        let spread = root_mean_square(&case.first, &vec![0.0; case.first.len()]);
        let off = root_mean_square(&seen, &case.first) / spread;
        let (mut is_good, mut noise) = (off < 0.01, 0.01);
        if let Some(Exact { first: truth }) = &case.exact {
            let (ours, theirs) = (root_mean_square(&seen, truth), root_mean_square(&case.first, truth));
            is_good = ours <= FARTHER_MAX * theirs + 0.01 * spread;
            // A margin is the difference of two scores, each of which may be off by some of these.
            noise = 6.0 * off;
            print!("{model} {}: {:.4} from the truth, llama.cpp {:.4}; ", case.case, ours / spread, theirs / spread);
        }
        let mut same = 0;
        for (token, margin) in case.greedy.iter().zip(&case.margins) {
            let best = scores.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
            if best.is_none_or(|(best, _)| best != *token as usize) && *margin > noise * spread {
                break;
            }
            same += 1;
            scores = runner.read(&[(0, &[*token])]).pop().expect("a row has scores");
        }
        println!("{model} {}: {off:.5} apart, {same} of {} tokens", case.case, case.greedy.len());
        if !is_good || same < case.greedy.len() {
            faults.push(format!("{model} {}: {off} apart, {same} of {} tokens", case.case, case.greedy.len()));
        }
    }
    faults
}

#[test]
fn models_say_what_llama_cpp_says() {
    let fixtures = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/fixtures/gguf"));
    let folder = std::env::var_os("LOREWELL_PARITY").map_or(fixtures, PathBuf::from);
    let expected = Some(folder.join("expected")).filter(|folder| folder.is_dir()).unwrap_or_else(|| folder.clone());
    let mut paths: Vec<_> = std::fs::read_dir(expected)
        .expect("it can be read")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    let read = |path: &PathBuf| -> Expected {
        let text = std::fs::read_to_string(path).expect("it can be read");
        serde_json::from_str(&text).expect("it has the form of an expectation")
    };
    let faults: Vec<_> = paths.iter().flat_map(|path| hold(&folder, &read(path))).collect();
    assert!(paths.len() > 10 && faults.is_empty(), "{}", faults.join("\n"));
}

/// What transformers says to a folder.
#[derive(serde::Deserialize)]
struct OfFolder {
    cases: Vec<FolderCase>,
}

#[derive(serde::Deserialize)]
struct FolderCase {
    case: String,
    prompt: Vec<u32>,
    greedy: Vec<u32>,
    margins: Vec<f32>,
    stride: usize,
    /// Every so many scores after some of the tokens.
    positions: std::collections::BTreeMap<usize, Vec<f32>>,
}

/// How far a score may be from that of transformers, where scores spread over some three and a half.
const SCORE_OFF_MAX: f32 = 1e-3;

fn hold_folder(path: &Path, expected: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(expected).expect("it can be read");
    let OfFolder { cases } = serde_json::from_str(&text).expect("it has the form of an expectation");
    let folder = Folder::open(path).expect("the folder can be read");
    let mut faults = Vec::new();
    for FolderCase { case, prompt, greedy, margins, stride, positions } in cases {
        let decoder = Decoder::of_folder(&folder, prompt.len() + greedy.len()).expect("it can be run");
        // What transformers keeps of tokens is not rounded either.
        let mut runner: Runner<f32> = Runner::new(decoder, 1);
        let scores = runner.read(&[(0, &prompt)]);
        let off = |(position, expected): (&usize, &Vec<f32>)| {
            let found = scores[*position].iter().step_by(stride);
            found.zip(expected).map(|(found, expected)| (found - expected).abs()).fold(0.0, f32::max)
        };
        let off = positions.iter().map(off).fold(0.0, f32::max);
        let mut scores = scores.last().expect("the prompt is not empty").clone();
        let mut same = 0;
        for (token, margin) in greedy.iter().zip(&margins) {
            let best = scores.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
            if best.is_none_or(|(best, _)| best != *token as usize) && *margin > SCORE_OFF_MAX {
                break;
            }
            same += 1;
            scores = runner.read(&[(0, &[*token])]).pop().expect("a row has scores");
        }
        let line = format!("{} {case}: {off:.5} apart, {same} of {} tokens", path.display(), greedy.len());
        println!("{line}");
        if off > SCORE_OFF_MAX || same < greedy.len() {
            faults.push(line);
        }
    }
    faults
}

#[test]
fn folders_say_what_transformers_says() {
    let fixtures = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/fixtures/hf"));
    let folders = std::env::var_os("LOREWELL_PARITY_FOLDERS").map_or(fixtures, PathBuf::from);
    let mut paths: Vec<_> = std::fs::read_dir(&folders)
        .expect("it can be read")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.join("expected.json").is_file())
        .collect();
    paths.sort();
    let faults: Vec<_> = paths.iter().flat_map(|path| hold_folder(path, &path.join("expected.json"))).collect();
    assert!(paths.len() > 7 && faults.is_empty(), "{}", faults.join("\n"));
}
