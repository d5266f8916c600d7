//! What llama.cpp says to the same files. The folder in `LOREWELL_PARITY` holds GGUF files, and for some of them
//! `expected/NAME.json`; `tests/parity` makes both.

use std::collections::BTreeMap;
use std::path::Path;

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
}

/// The model of the same weights in full, whose scores are the truth.
fn whole(model: &str) -> String {
    let (name, _) = model.rsplit_once('-').expect("names end with the kind of weights");
    format!("{}-F32.gguf", name.strip_suffix("-K").unwrap_or(name))
}

fn root_mean_square(found: &[f32], expected: &[f32]) -> f32 {
    let squares = found.iter().zip(expected).map(|(found, expected)| (found - expected) * (found - expected));
    (squares.sum::<f32>() / found.len() as f32).sqrt()
}

/// Holds a model against what is expected: floats within a hundredth of how far scores spread. Quantised activations round
/// in another way as soon as one float differs in its last bit, and there is no right way; so those models are held to be
/// no farther from the truth than llama.cpp is, and to choose its tokens where the margin is above such noise.
fn hold(folder: &Path, Expected { model, cases }: &Expected, truth: Option<&Expected>) -> Vec<String> {
    let gguf = Gguf::open(folder.join(model)).expect("the model can be read");
    let mut faults = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let decoder = match Decoder::of_gguf(&gguf, case.context) {
            Ok(decoder) => decoder,
            Err(error) => return vec![format!("{model}: {error}")],
        };
        let mut runner = Runner::new(decoder, 1);
        let mut scores = runner.read(&[(0, &case.prompt)]).pop().expect("the prompt is not empty");
        let seen: Vec<f32> = scores.iter().copied().step_by(case.stride).collect();
        let spread = root_mean_square(&case.first, &vec![0.0; case.first.len()]);
        let off = root_mean_square(&seen, &case.first) / spread;
        let (mut is_good, mut noise) = (off < 0.01, 0.01);
        if let Some(truth) = truth {
            let truth = &truth.cases[index].first;
            let (ours, theirs) = (root_mean_square(&seen, truth), root_mean_square(&case.first, truth));
            is_good = ours <= 1.1 * theirs + 0.01 * spread;
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
    let Some(folder) = std::env::var_os("LOREWELL_PARITY") else {
        println!("skipped: LOREWELL_PARITY names no folder that `tests/parity` made");
        return;
    };
    let folder = Path::new(&folder);
    let mut expected = BTreeMap::new();
    for entry in std::fs::read_dir(folder.join("expected")).expect("it has expectations") {
        let path = entry.expect("it can be read").path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = std::fs::read_to_string(&path).expect("it can be read");
            let case: Expected = serde_json::from_str(&text).expect("it has the form of an expectation");
            expected.insert(case.model.clone(), case);
        }
    }
    let truth = |model: &str| expected.get(&whole(model)).filter(|truth| truth.model != model);
    let faults: Vec<_> = expected.values().flat_map(|case| hold(folder, case, truth(&case.model))).collect();
    assert!(!expected.is_empty() && faults.is_empty(), "{}", faults.join("\n"));
}
