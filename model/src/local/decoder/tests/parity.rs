//! What llama.cpp says to the same files: those in `tests/parity/fixtures`, or in the folder that `LOREWELL_PARITY` names.
//! `tests/parity` makes both, the models and what is expected of them.

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
/// no farther from the truth than llama.cpp is, and to choose its tokens where the margin is above such noise. Where the
/// first scores are the same, the later ones need not be; there it is `least`, a share of how far scores spread.
fn hold(folder: &Path, Expected { model, cases }: &Expected, open: Open, least: f32) -> Vec<String> {
    let gguf = Gguf::open(folder.join(model)).expect("the model can be read");
    let mut faults = Vec::new();
    for case in cases {
        let machine = match of_gguf(&gguf, case.context, open) {
            Ok(machine) => machine,
            Err(error) => return vec![format!("{model}: {error}")],
        };
        let mut runner = Runner::new(machine, 1);
        let mut scores = runner.read(&[(0, &case.prompt)]).pop().expect("the prompt is not empty");
        let seen: Vec<f32> = scores.iter().copied().step_by(case.stride).collect();
        let spread = root_mean_square(&case.first, &vec![0.0; case.first.len()]);
        let off = root_mean_square(&seen, &case.first) / spread;
        let (mut is_good, mut noise) = (off < 0.01, 0.01);
        if let Some(Exact { first: truth }) = &case.exact {
            let (ours, theirs) = (root_mean_square(&seen, truth), root_mean_square(&case.first, truth));
            is_good = ours <= FARTHER_MAX * theirs + 0.01 * spread;
            // A margin is the difference of two scores, each of which may be off by some of these.
            noise = 6.0 * off.max(least);
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

fn hold_all(open: Open, least: f32) {
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
    let faults: Vec<_> = paths.iter().flat_map(|path| hold(&folder, &read(path), open, least)).collect();
    assert!(paths.len() > 10 && faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn models_say_what_llama_cpp_says() {
    hold_all(kernels, 0.0);
}

#[test]
#[cfg(feature = "gpu")]
fn models_say_on_a_device_what_llama_cpp_says() {
    hold_all(guest, 0.01);
}
