//! With a known rate of error, what a strategy gets right is known too. Each law is held against 2,000 questions, and may be off
//! by four standard deviations; the seeds are fixed, so a test that passes always does.

use super::*;
use crate::reason::vote;

const QUESTIONS: u64 = 2000;

/// Answers all questions; returns how many were right and how many calls were made.
async fn answered(model: &Known, strategy: &dyn Strategy) -> (u64, u64) {
    let (mut hits, mut calls) = (0, 0);
    for seed in 0..QUESTIONS {
        let solution = model.reasoner().seed(seed).solve(strategy, "What is it?").await.unwrap();
        hits += u64::from(solution.answer.as_deref() == Some("42"));
        calls += solution.calls;
    }
    (hits, calls)
}

#[track_caller]
fn check(what: &str, hits: u64, probability: f64) {
    let (n, hits) = (QUESTIONS as f64, hits as f64);
    let deviation = (n * probability * (1.0 - probability)).sqrt();
    let off = (hits - n * probability) / deviation;
    assert!(off.abs() <= 4.0, "{what}: {hits} of {n} are right, {off:.1} deviations from {probability:.4}");
}

fn binomial(n: u64, k: u64, p: f64) -> f64 {
    let ways: f64 = (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product();
    ways * p.powf(k as f64) * (1.0 - p).powf((n - k) as f64)
}

/// How likely most of `n` samples are right. Where there are as many of both, the first sample decides, and it is as likely one
/// of the right ones as of the others.
fn majority(n: u64, p: f64) -> f64 {
    (0..=n).map(|k| binomial(n, k, p) * if 2 * k == n { 0.5 } else { f64::from(u8::from(2 * k > n)) }).sum()
}

#[tokio::test]
async fn self_consistency_follows_the_binomial_law() {
    for (p, samples) in [(0.6, 1), (0.6, 9), (0.4, 9), (0.7, 4)] {
        let (hits, calls) = answered(&known(p, 1.0), &SelfConsistency::new(samples)).await;
        check(&format!("{samples} samples, each right with {p}"), hits, majority(samples as u64, p));
        assert_eq!(calls, QUESTIONS * samples as u64);
    }
}

/// How likely the answer is right, and how many samples are expected, where it stops as soon as one answer is enough ahead.
fn adaptive(most: u64, p: f64, enough: f64) -> (f64, f64) {
    let (mut open, mut hits, mut calls) = (vec![((0, 0), 1.0)], 0.0, 0.0);
    while !open.is_empty() {
        let mut next: Vec<((u64, u64), f64)> = Vec::new();
        for ((right, wrong), weight) in open {
            for k in 0..=5 {
                let (right, wrong) = (right + k, wrong + 5 - k);
                let weight = weight * binomial(5, k, p);
                let answers = (0..right).map(|_| Some("42")).chain((0..wrong).map(|_| Some("13")));
                if vote::lead(&vote::count(answers)) >= enough || right + wrong == most {
                    hits += if right > wrong { weight } else { 0.0 };
                    calls += weight * (right + wrong) as f64;
                } else if let Some((_, known)) = next.iter_mut().find(|(counts, _)| *counts == (right, wrong)) {
                    *known += weight;
                } else {
                    next.push(((right, wrong), weight));
                }
            }
        }
        open = next;
    }
    (hits, calls)
}

#[tokio::test]
async fn stopping_early_costs_the_calls_and_the_right_answers_that_its_law_says() {
    let p = 0.7;
    let (hits, calls) = answered(&known(p, 1.0), &SelfConsistency::new(15).stop_at(0.95)).await;
    let (probability, expected) = adaptive(15, p, 0.95);
    check("adaptive", hits, probability);
    let mean = calls as f64 / QUESTIONS as f64;
    // A run takes 5, 10 or 15 calls, so the deviation of one is at most 5, and that of the mean 5 / √2000.
    assert!((mean - expected).abs() < 4.0 * 5.0 / (QUESTIONS as f64).sqrt(), "{mean} calls instead of {expected}");
    assert!(expected < 12.5 && probability > majority(15, p) - 0.005, "{expected} calls, {probability}");
}

/// How likely the best of `n` is right, if each is with `p`, and the judge sees it rightly with `q`. The first candidate that it
/// takes for right is the answer; if there is none, the first one is.
fn best_of(n: i32, p: f64, q: f64) -> f64 {
    let liked = p * q + (1.0 - p) * (1.0 - q);
    let none = (1.0 - liked).powi(n);
    (1.0 - none) * (p * q / liked) + none * (p * (1.0 - q) / (1.0 - liked))
}

#[tokio::test]
async fn best_of_n_follows_the_law_of_its_judge() {
    for (p, q, n) in [(0.4, 0.8, 5), (0.2, 0.95, 8), (0.5, 0.5, 4)] {
        let (hits, calls) = answered(&known(p, q), &BestOfN::new(n, Judge::new())).await;
        check(&format!("best of {n}, right with {p}, judged with {q}"), hits, best_of(i32::try_from(n).unwrap(), p, q));
        assert_eq!(calls, QUESTIONS * (n as u64 + 1));
    }
}

#[tokio::test]
async fn a_judge_that_likes_what_it_sees_first_likes_all_candidates_alike() {
    let biased = Known::new(|request| {
        let answer = chance(request, "answer");
        let count = words(request).matches("<answer number=").count();
        let scores: Vec<u8> = (0..count).map(|at| if at == 0 { 10 } else { 5 }).collect();
        Ok(match request.output.is_some() {
            true => serde_json::json!({"comparison": "", "scores": scores}).to_string(),
            false => format!("Answer: {answer}"),
        })
    });
    let mut first = 0;
    for seed in 0..QUESTIONS {
        let solution = biased.reasoner().seed(seed).solve(&BestOfN::new(4, Judge::new()), "?").await.unwrap();
        let drawn = solution.trace.iter().find(|tried| tried.name == "reason/candidate 1/answer").unwrap();
        first += u64::from(solution.text == drawn.text);
    }
    check("the first of four", first, 0.25);
}

#[tokio::test]
async fn questions_get_the_compute_that_their_difficulty_asks_for() {
    let strategy = || {
        let probe = Disagreement::new(4);
        ByDifficulty::new(probe, SelfConsistency::new(21)).accept_up_to(0.0).up_to(0.3, SelfConsistency::new(5))
    };
    let (_, easy) = answered(&known(0.98, 1.0), &strategy()).await;
    let (_, hard) = answered(&known(0.6, 1.0), &strategy()).await;
    let cost = |p: f64| {
        let same = |k: u64| binomial(4, k, p) + binomial(4, 4 - k, p);
        4.0 + 5.0 * same(1) + 21.0 * (1.0 - same(0) - same(1))
    };
    for (calls, p) in [(easy, 0.98), (hard, 0.6)] {
        // A run takes 4, 9 or 25 calls: a deviation of at most 10.5.
        let off = (calls as f64 / QUESTIONS as f64 - cost(p)).abs();
        assert!(off < 4.0 * 10.5 / (QUESTIONS as f64).sqrt(), "{off} calls off at {p}");
    }
    assert!(easy * 3 < hard, "{easy} {hard}");
}
