//! Measures quoted answers: how many questions are answered, how many rightly, and how many that should not be.
//!
//! `cargo run --release --features full --example measure_answers -- <documents> <questions.jsonl>… [--fit]`
//!
//! Several pairs of documents and questions are measured together. `--fit` fits the weights of support on the dev
//! split alone, `--words` leaves the embedder out, `--show` prints wrong dev answers, `--keep <folder>` keeps indexes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lorewell::embed::Embedder;
use lorewell::rag::answer::extract::{Extraction, Features};
use lorewell::rag::answer::support::{LEXICAL, SEMANTIC, SUPPORT_MIN, Weights};
use lorewell::rag::index::{Index, Options};
use lorewell::{Error, Kind, Result};
use serde::Deserialize;

const USAGE: &str =
    "give pairs of a documents folder and a questions file, then `--fit`, `--words`, `--show`, `--keep`";
// A quotation says what was expected if it has this share of its words; sentence bounds may differ by a clause.
const OVERLAP_MIN: f64 = 0.6;
// Steps of the threshold in the curve.
const CURVE_STEPS: u8 = 19;
// A threshold may let this share of the unanswerable questions be answered: saying nothing costs less than a lie.
const LIES_MAX: f64 = 0.05;
// Gradient descent over a few thousand sentences with standardised features has long settled by then.
const FIT_STEPS: u32 = 4_000;
const FIT_RATE: f64 = 1.0;
// Pulls weights towards 0, so that a feature that few questions show gets no extreme weight.
const FIT_PENALTY: f64 = 0.002;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Split {
    Dev,
    Test,
}

#[derive(Debug, Deserialize)]
struct Case {
    question: String,
    answerable: bool,
    file: Option<String>,
    quote: Option<String>,
    topic: Option<String>,
    split: Split,
}

/// A sentence that could have been quoted.
struct Sample {
    features: Features,
    is_right: bool,
}

/// What came of one question.
struct Outcome {
    case: Case,
    answered: bool,
    right: bool,
    text: String,
    support: f32,
    /// Whether the answer would be right, at each threshold of the curve; none where it abstains.
    curve: Vec<Option<bool>>,
    samples: Vec<Sample>,
}

struct Args {
    pairs: Vec<(PathBuf, PathBuf)>,
    fit: bool,
    words: bool,
    show: bool,
    keep: Option<PathBuf>,
}

impl Args {
    fn parse(given: impl Iterator<Item = String>) -> Result<Self> {
        let usage = || Error::new(Kind::BadInput, USAGE);
        let (mut paths, mut args) =
            (Vec::new(), Self { pairs: Vec::new(), fit: false, words: false, show: false, keep: None });
        let mut given = given;
        while let Some(arg) = given.next() {
            match arg.as_str() {
                "--fit" => args.fit = true,
                "--words" => args.words = true,
                "--show" => args.show = true,
                "--keep" => args.keep = Some(given.next().ok_or_else(usage)?.into()),
                flag if flag.starts_with('-') => return Err(usage()),
                path => paths.push(PathBuf::from(path)),
            }
        }
        args.pairs = paths.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        if args.pairs.is_empty() || paths.len() % 2 == 1 { Err(usage()) } else { Ok(args) }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let args = Args::parse(std::env::args().skip(1))?;
    let scratch = tempfile::tempdir().map_err(|error| Error::new(Kind::Io, format!("making a folder: {error}")))?;
    let home = args.keep.clone().unwrap_or_else(|| scratch.path().to_owned());
    let mut outcomes = Vec::new();
    for (number, (documents, questions)) in args.pairs.iter().enumerate() {
        let index = open(&home, number, documents, args.words).await?;
        for case in read_cases(questions)? {
            outcomes.push(measure(&index, case).await?);
        }
    }
    if args.show {
        show(&outcomes);
    }
    for split in [Split::Dev, Split::Test] {
        report(split, &outcomes);
    }
    if args.fit {
        fit(&outcomes, args.words);
    }
    Ok(())
}

async fn open(home: &Path, number: usize, documents: &Path, words: bool) -> Result<Index> {
    let mut options = Options::default();
    if !words {
        options.embedder = Some(Embedder::bundled()?.cached(home.join("vectors"))?);
    }
    let index = Index::open(home.join(format!("{number}{}", if words { "-words" } else { "" })), options).await?;
    index.add([documents.to_owned()]).await?;
    Ok(index)
}

fn read_cases(file: &Path) -> Result<Vec<Case>> {
    let fail = |kind, error: &dyn std::fmt::Display| Error::new(kind, format!("reading `{}`: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| fail(Kind::Io, &error))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| serde_json::from_str(line).map_err(|error| fail(Kind::BadInput, &error))).collect()
}

async fn measure(index: &Index, case: Case) -> Result<Outcome> {
    let answer = index.quote(&case.question).await?;
    let texts: Vec<String> = answer.sentences.iter().map(|sentence| sentence.text.clone()).collect();
    let found = index.quote(&case.question).draft().await?;
    let mut samples = Vec::new();
    let mut curve = Vec::new();
    found.read(|draft, paths| {
        for (passage, quote) in draft.quotes() {
            let text = &draft.passage(passage).text[quote.range.clone()];
            let in_file = case.file.as_ref().is_some_and(|file| paths[passage].ends_with(file.as_str()));
            samples.push(Sample { features: quote.features, is_right: in_file && says(&[text.to_owned()], &case) });
        }
        for threshold in thresholds() {
            let Extraction::Found { groups, .. } = draft.extract_above(threshold) else {
                curve.push(None);
                continue;
            };
            let quoted = groups.iter().flat_map(|group| group.quotes.iter().map(|quote| (group.passage, quote)));
            let texts: Vec<String> =
                quoted.map(|(passage, quote)| draft.passage(passage).text[quote.range.clone()].to_owned()).collect();
            curve.push(Some(says(&texts, &case)));
        }
    });
    let right = says(&texts, &case);
    let answered = answer.abstained.is_none();
    Ok(Outcome { answered, right, text: texts.join(" | "), support: answer.support, curve, samples, case })
}

fn thresholds() -> impl Iterator<Item = f32> {
    (1..=CURVE_STEPS).map(|step| f32::from(step) * 0.05)
}

/// Tells whether quoted sentences say what a case expects, one alone or all together.
fn says(texts: &[String], case: &Case) -> bool {
    let Some(quote) = &case.quote else { return false };
    let expected = words(quote);
    texts
        .iter()
        .map(|text| words(text))
        .chain([words(&texts.join(" "))])
        .any(|said| share(&expected, &said) >= OVERLAP_MIN)
}

fn words(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

fn share(expected: &BTreeSet<String>, said: &BTreeSet<String>) -> f64 {
    ratio(expected.intersection(said).count(), expected.len())
}

fn ratio(part: usize, whole: usize) -> f64 {
    let number = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    if whole == 0 { 0.0 } else { number(part) / number(whole) }
}

/// Prints what went wrong on the dev split.
fn show(outcomes: &[Outcome]) {
    for outcome in outcomes.iter().filter(|outcome| outcome.case.split == Split::Dev) {
        let verdict = match (outcome.case.answerable, outcome.answered, outcome.right) {
            (true, true, true) | (false, false, _) => continue,
            (true, true, false) => "WRONG",
            (true, false, _) => "SILENT",
            (false, true, _) => "LIE",
        };
        println!("{verdict} {:.2} {}", outcome.support, outcome.case.question);
        println!("    said: {}", outcome.text.replace('\n', " "));
        if let Some(quote) = &outcome.case.quote {
            println!("    expected: {quote}");
            let best = outcome.samples.iter().filter(|sample| sample.is_right);
            let best =
                best.max_by(|a, b| weights_of(a).evidence(&a.features).total_cmp(&weights_of(b).evidence(&b.features)));
            println!("    expected has {:?}", best.map(|sample| sample.features));
        }
    }
}

fn weights_of(sample: &Sample) -> Weights {
    if sample.features.closeness.is_some() { SEMANTIC } else { LEXICAL }
}

fn report(split: Split, outcomes: &[Outcome]) {
    let of: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.case.split == split).collect();
    println!("\n{split:?}, support of at least {SUPPORT_MIN:.2}");
    println!("{:<22}{:>10}{:>10}{:>10}", "", "questions", "answered", "rightly");
    let line = |name: &str, cases: Vec<&&Outcome>| {
        let count = |test: fn(&Outcome) -> bool| cases.iter().filter(|outcome| test(outcome)).count();
        println!("{name:<22}{:>10}{:>10}{:>10}", cases.len(), count(|o| o.answered), count(|o| o.answered && o.right));
    };
    line("answerable", of.iter().filter(|outcome| outcome.case.answerable).collect());
    for topic in ["near", "off"] {
        let is_topic = |outcome: &&&Outcome| outcome.case.topic.as_deref() == Some(topic);
        line(&format!("unanswerable, {topic}"), of.iter().filter(is_topic).collect());
    }
    println!("{:<12}{:>22}{:>20}{:>26}", "threshold", "answerable answered", "of these right", "unanswerable answered");
    for (step, threshold) in thresholds().enumerate() {
        let point = Point::at(step, &of);
        println!(
            "{threshold:<12.2}{:>20.1} %{:>18.1} %{:>24.1} %",
            100.0 * point.answered,
            100.0 * point.right,
            100.0 * point.lies
        );
    }
    if split == Split::Dev {
        let best = chosen(&of);
        let lies = 100.0 * LIES_MAX;
        println!(
            "chosen: {best:.2}: most right answers, less wrong ones, with at most {lies:.0} % of unanswerable answered"
        );
        println!("to make it {SUPPORT_MIN:.2}, add {:.2} to the bias", logit(SUPPORT_MIN) - logit(best));
    }
}

fn logit(support: f32) -> f32 {
    (support / (1.0 - support)).ln()
}

/// One point of the curve, in shares.
struct Point {
    answered: f64,
    right: f64,
    lies: f64,
    rightly: f64,
}

impl Point {
    /// Right answers less wrong ones.
    fn gain(&self) -> f64 {
        2.0 * self.rightly - self.answered
    }

    fn at(step: usize, outcomes: &[&Outcome]) -> Self {
        let (can, cannot): (Vec<&Outcome>, Vec<&Outcome>) =
            outcomes.iter().partition(|outcome| outcome.case.answerable);
        let answered = can.iter().filter(|outcome| outcome.curve[step].is_some()).count();
        let right = can.iter().filter(|outcome| outcome.curve[step] == Some(true)).count();
        let lies = cannot.iter().filter(|outcome| outcome.curve[step].is_some()).count();
        Self {
            answered: ratio(answered, can.len()),
            right: ratio(right, answered),
            lies: ratio(lies, cannot.len()),
            rightly: ratio(right, can.len()),
        }
    }
}

/// Chooses the threshold with the most right answers, less the wrong ones, within the share of lies.
fn chosen(outcomes: &[&Outcome]) -> f32 {
    let points = thresholds().enumerate().map(|(step, threshold)| (threshold, Point::at(step, outcomes)));
    let fitting = points.filter(|(_, point)| point.lies <= LIES_MAX);
    // The last of equals is the stricter one: the same answers, further from the lies.
    fitting.max_by(|a, b| a.1.gain().total_cmp(&b.1.gain())).map_or(SUPPORT_MIN, |(threshold, _)| threshold)
}

/// Fits the weights on the dev split and prints them. The bias is set on the best sentence of each question; once the
/// weights are in place, the curve of the whole extraction says by how much to move it.
fn fit(outcomes: &[Outcome], words: bool) {
    let dev: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.case.split == Split::Dev).collect();
    let counts = |sample: &&Sample| words || sample.features.closeness.is_some();
    let rows: Vec<(Vec<f64>, bool)> = dev
        .iter()
        .flat_map(|outcome| outcome.samples.iter().filter(counts))
        .map(|sample| (values(sample), sample.is_right))
        .collect();
    let right = rows.iter().filter(|(_, is_right)| *is_right).count();
    let (_, weights) = descend(&rows);
    let evidence =
        |sample: &Sample| values(sample).iter().zip(&weights).map(|(value, weight)| value * weight).sum::<f64>();
    let best = dev.iter().filter_map(|outcome| {
        let best = outcome.samples.iter().filter(counts).max_by(|a, b| evidence(a).total_cmp(&evidence(b)))?;
        Some(Best { evidence: evidence(best), is_right: best.is_right, answerable: outcome.case.answerable })
    });
    let cut = cut(best.collect());
    println!("\nfitted on {} sentences, {right} of them right", rows.len());
    println!("Weights {{ bias: {:.2}, features: [", -cut);
    for (name, weight) in Features::NAMES.iter().zip(&weights) {
        println!("    {weight:.2}, // {name}");
    }
    println!("] }}");
}

fn values(sample: &Sample) -> Vec<f64> {
    sample.features.values().into_iter().map(f64::from).collect()
}

/// The best sentence for a question.
struct Best {
    evidence: f64,
    is_right: bool,
    answerable: bool,
}

/// Chooses what evidence an answer needs, by the rule of [`chosen`], midway between two questions.
fn cut(mut best: Vec<Best>) -> f64 {
    best.sort_by(|a, b| b.evidence.total_cmp(&a.evidence));
    let unanswerable = best.iter().filter(|best| !best.answerable).count();
    let (mut lies, mut gain, mut most) = (0, 0, 0);
    let mut cut = best.first().map_or(0.0, |best| best.evidence);
    for (index, one) in best.iter().enumerate() {
        match (one.answerable, one.is_right) {
            (false, _) => lies += 1,
            (true, true) => gain += 1,
            (true, false) => gain -= 1,
        }
        if ratio(lies, unanswerable) > LIES_MAX {
            break;
        }
        if gain > most {
            most = gain;
            cut = one.evidence.midpoint(best.get(index + 1).map_or(one.evidence, |next| next.evidence));
        }
    }
    cut
}

/// Logistic regression by gradient descent. Right sentences are few, so each side weighs half; weights stay at or
/// above 0, since every feature was made to speak for a sentence.
fn descend(rows: &[(Vec<f64>, bool)]) -> (f64, Vec<f64>) {
    let right = rows.iter().filter(|(_, is_right)| *is_right).count();
    let share = [1.0 / (2.0 * count(rows.len() - right)), 1.0 / (2.0 * count(right))];
    let mut weights = vec![0.0; Features::NAMES.len()];
    let mut bias = 0.0;
    for _ in 0..FIT_STEPS {
        let (mut bias_slope, mut slopes) = (0.0, vec![0.0; weights.len()]);
        for (values, is_right) in rows {
            let evidence: f64 = bias + values.iter().zip(&weights).map(|(value, weight)| value * weight).sum::<f64>();
            let error =
                share[usize::from(*is_right)] * (1.0 / (1.0 + (-evidence).exp()) - f64::from(u8::from(*is_right)));
            bias_slope += error;
            slopes.iter_mut().zip(values).for_each(|(slope, value)| *slope += error * value);
        }
        bias -= FIT_RATE * bias_slope;
        for (weight, slope) in weights.iter_mut().zip(&slopes) {
            *weight = (*weight - FIT_RATE * (slope + FIT_PENALTY * *weight)).max(0.0);
        }
    }
    (bias, weights)
}

/// At least 1, so that a split without right sentences divides by something.
fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n.max(1)).unwrap_or(u32::MAX))
}
