//! What transformers says to the same folders: those in `tests/parity/fixtures/hf`, or those that `LOREWELL_PARITY_HF` names,
//! each with an `expected.json`.

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
    greedy: Vec<u32>,
    /// How far the best score is above the second, for each token.
    margins: Vec<f32>,
    stride: usize,
    /// Every so many scores, after some tokens of the prompt.
    positions: BTreeMap<usize, Vec<f32>>,
}

/// How far a score may be off; scores spread over some three and a half.
const OFF_MAX: f32 = 1e-3;

fn hold(path: &Path, open: Open) -> Vec<String> {
    let text = std::fs::read_to_string(path.join("expected.json")).expect("it can be read");
    let Expected { cases } = serde_json::from_str(&text).expect("it has the form of an expectation");
    let folder = Folder::open(path).expect("the folder can be read");
    cases.iter().filter_map(|case| hold_case(&folder, case, open)).collect()
}

/// Returns what differs, if anything.
fn hold_case(folder: &Folder, case: &Case, open: Open) -> Option<String> {
    let Case { case, prompt, greedy, margins, stride, positions } = case;
    let machine = of_folder(folder, prompt.len() + greedy.len(), open).expect("it can be run");
    let mut runner = Runner::new(machine, 1);
    let scores = runner.read(&[(0, prompt)]);
    let offs: Vec<f32> = positions
        .iter()
        .flat_map(|(position, expected)| scores[*position].iter().step_by(*stride).zip(expected))
        .map(|(found, expected)| (found - expected).abs())
        .collect();
    let mut scores = scores.last().expect("the prompt is not empty").clone();
    let mut said = 0;
    for (token, margin) in greedy.iter().zip(margins) {
        let best = scores.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
        if best.is_none_or(|(best, _)| best != *token as usize) && *margin > OFF_MAX {
            break;
        }
        said += 1;
        scores = runner.read(&[(0, &[*token])]).pop().expect("a row has scores");
    }
    let same = offs.iter().filter(|off| **off <= OFF_MAX).count();
    let off = offs.iter().fold(0.0, |most: f32, off| most.max(*off));
    let line = format!(
        "{} {case}: {off:.5} off at most, {said} of {} greedy tokens, {same} of {} logits",
        folder.path().display(),
        greedy.len(),
        offs.len()
    );
    println!("{line}");
    (same < offs.len() || said < greedy.len()).then_some(line)
}

fn hold_all(open: Open) {
    let fixtures = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/fixtures/hf"));
    let folders = std::env::var_os("LOREWELL_PARITY_HF").map_or(fixtures, PathBuf::from);
    let entries =
        std::fs::read_dir(folders).expect("it can be read").map(|entry| entry.expect("it can be read").path());
    let mut folders: Vec<_> = entries.filter(|folder| folder.join("expected.json").is_file()).collect();
    folders.sort();
    let faults: Vec<_> = folders.iter().flat_map(|folder| hold(folder, open)).collect();
    assert!(folders.len() > 7 && faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn models_say_what_transformers_says() {
    // transformers does not round what it keeps of tokens either.
    hold_all(exact_kernels);
}

#[test]
#[cfg(feature = "gpu")]
fn models_say_on_a_device_what_transformers_says() {
    hold_all(guest);
}
