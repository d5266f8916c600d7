//! The sampler against a slow one that follows the definitions, and how long it takes.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Request;

fn sampling(request: &Request) -> Sampling {
    Sampling::new(request, &Defaults::default()).expect("the request is fine")
}

fn plain() -> Sampling {
    let request = Request::default().temperature(1.0).top_k(0).top_p(1.0).seed(1).extra("min_p", 0.0);
    sampling(&request)
}

/// How often each token is drawn.
fn counts(sampling: &Sampling, logits: &[f32], draws: u32) -> Vec<u32> {
    let mut sampler = Sampler::new(sampling.clone());
    let mut counts = vec![0; logits.len()];
    for _ in 0..draws {
        counts[sampler.next(&mut logits.to_vec(), None).unwrap() as usize] += 1;
    }
    counts
}

fn logits_of(shares: &[f32]) -> Vec<f32> {
    shares.iter().map(|share| share.ln()).collect()
}

#[test]
fn the_likeliest_is_taken_and_of_equals_the_first() {
    let mut sampler = Sampler::new(Sampling { temperature: 0.0, ..plain() });
    for len in [1, 5, 64, 65, 300] {
        for at in 0..len {
            let mut logits = vec![-1.0; len];
            logits[at..].fill(3.5);
            assert_eq!(sampler.next(&mut logits, None).unwrap() as usize, at);
        }
    }
    assert_eq!(sampler.next(&mut [0.0, f32::INFINITY, 9.0, f32::INFINITY], None).unwrap(), 1);
    assert_eq!(sampler.next(&mut [-0.0, 0.0], None).unwrap(), 0);
}

#[test]
fn tokens_come_as_often_as_they_should() {
    let logits = logits_of(&[0.5, 0.25, 0.125, 0.125]);
    let near = |counts: &[u32], shares: &[f64]| {
        for (count, share) in counts.iter().zip(shares) {
            assert!((f64::from(*count) / 20_000.0 - share).abs() < 0.015, "{counts:?} {shares:?}");
        }
    };
    near(&counts(&plain(), &logits, 20_000), &[0.5, 0.25, 0.125, 0.125]);
    // Half the temperature squares the odds.
    let halved = Sampling { temperature: 0.5, ..plain() };
    near(&counts(&halved, &logits, 20_000), &[16.0 / 22.0, 4.0 / 22.0, 1.0 / 22.0, 1.0 / 22.0]);
    let two = Sampling { top_k: 2, ..plain() };
    near(&counts(&two, &logits, 20_000), &[2.0 / 3.0, 1.0 / 3.0, 0.0, 0.0]);
    let most = Sampling { top_p: 0.74, ..plain() };
    near(&counts(&most, &logits, 20_000), &[2.0 / 3.0, 1.0 / 3.0, 0.0, 0.0]);
    let likely = Sampling { min_p: 0.26, ..plain() };
    near(&counts(&likely, &logits, 20_000), &[2.0 / 3.0, 1.0 / 3.0, 0.0, 0.0]);
    let none = Sampling { top_p: 0.0, ..plain() };
    near(&counts(&none, &logits, 20_000), &[1.0, 0.0, 0.0, 0.0]);
    near(&counts(&plain(), &[f32::INFINITY, 3.0, f32::INFINITY], 20_000), &[0.5, 0.0, 0.5]);
}

#[test]
fn only_tokens_that_may_come_are_drawn() {
    let mut allowed = Mask::new(100);
    allowed.allow(7);
    allowed.allow(99);
    let mut sampler = Sampler::new(sampling(&Request::default().seed(3)));
    for _ in 0..100 {
        // There are more logits than tokens, as where a vocabulary is padded.
        let mut logits: Vec<f32> = (0..128).map(|n| n as f32 / 100.0).collect();
        logits[50] = f32::NAN;
        assert!([7, 99].contains(&sampler.next(&mut logits, Some(&allowed)).unwrap()));
    }
    let error = sampler.next(&mut [1.0; 5], Some(&allowed)).unwrap_err();
    assert_eq!(
        error.message(),
        "the model computed no number for any token that may come next; the file may be damaged"
    );
}

#[test]
fn logits_that_are_no_numbers_are_an_error() {
    let mut sampler = Sampler::new(plain());
    for logits in [&mut [][..], &mut [f32::NAN], &mut [f32::NEG_INFINITY; 3], &mut [1.0, f32::NAN, f32::INFINITY]] {
        let error = sampler.next(logits, None).unwrap_err();
        assert_eq!(error.kind(), Kind::BadOutput);
        assert_eq!(error.message(), "the model computed no number for its next token; the file may be damaged");
    }
}

#[test]
fn what_was_said_is_held_against_a_token() {
    let check = |sampling: Sampling, said: &[u32], expected: &[f32]| {
        let mut sampler = Sampler::new(sampling);
        said.iter().for_each(|token| sampler.accept(*token));
        let mut logits = [2.0, -2.0, 1.0];
        sampler.penalize(&mut logits);
        assert_eq!(logits, expected);
    };
    let of = |repeat_penalty, presence_penalty, frequency_penalty, penalty_last_n| Sampling {
        repeat_penalty,
        presence_penalty,
        frequency_penalty,
        penalty_last_n,
        ..plain()
    };
    check(of(1.0, 0.0, 0.0, Some(64)), &[0, 1, 1], &[2.0, -2.0, 1.0]);
    check(of(2.0, 0.0, 0.0, Some(64)), &[0, 1, 1], &[1.0, -4.0, 1.0]);
    check(of(1.0, 0.5, 0.0, Some(64)), &[0, 1, 1], &[1.5, -2.5, 1.0]);
    check(of(1.0, 0.0, 0.5, Some(64)), &[0, 1, 1], &[1.5, -3.0, 1.0]);
    check(of(2.0, 0.5, 0.5, Some(64)), &[0, 1, 1, 900], &[0.0, -5.5, 1.0]);
    // Only the last two count.
    check(of(1.0, 0.0, 0.5, Some(2)), &[0, 0, 1, 2, 2, 1], &[2.0, -2.5, 0.5]);
    check(of(1.0, 0.0, 0.5, Some(0)), &[0, 1], &[2.0, -2.0, 1.0]);
    check(of(1.0, 0.0, 0.5, None), &[0; 10], &[-3.0, -2.0, 1.0]);
}

#[test]
fn a_seed_gives_the_same_tokens() {
    let logits: Vec<f32> = (0..1000).map(|n| ((n * 7919) % 1000) as f32 / 100.0).collect();
    let tokens = |sampling: Sampling| {
        let mut sampler = Sampler::new(sampling);
        (0..12).map(|_| sampler.next(&mut logits.clone(), None).unwrap()).collect::<Vec<_>>()
    };
    // Written down, so that another platform or a change of the arithmetic shows.
    let seeded = sampling(&Request::default().seed(42));
    assert_eq!(tokens(seeded.clone()), [741, 926, 926, 642, 198, 568, 889, 605, 988, 568, 988, 593]);
    let nucleus = Sampling { top_k: 0, ..seeded };
    assert_eq!(tokens(nucleus), [470, 494, 815, 284, 534, 741, 346, 173, 989, 62, 310, 681]);
    assert_eq!(tokens(plain()), [754, 371, 445, 952, 210, 595, 458, 198, 312, 889, 520, 533]);
    // Without a seed there is one all the same.
    let random = sampling(&Request::default());
    assert_ne!(random.seed, sampling(&Request::default()).seed);
    let again = sampling(&Request::default().seed(random.seed));
    assert_eq!(tokens(random), tokens(again));
}

#[test]
fn the_model_says_what_the_request_does_not() {
    let config = json!({"do_sample": true, "temperature": 0.6, "top_k": 20, "top_p": 0.9, "repetition_penalty": 1.1});
    let defaults = Defaults::of(&config).unwrap();
    let sampling = Sampling::new(&Request::default().top_k(5).seed(1), &defaults).unwrap();
    let expected = Sampling {
        temperature: 0.6,
        top_k: 5,
        top_p: 0.9,
        min_p: 0.05,
        repeat_penalty: 1.1,
        presence_penalty: 0.0,
        frequency_penalty: 0.0,
        penalty_last_n: None,
        seed: 1,
    };
    assert_eq!(sampling, expected);
    assert_eq!(Defaults::of(&json!({"do_sample": false, "temperature": 0.6})).unwrap().temperature, Some(0.0));
    assert_eq!(Defaults::of(&json!({"top_k": null})).unwrap(), Defaults::default());
    let error = Defaults::of(&json!({"top_p": "0.9"})).unwrap_err();
    assert_eq!(
        error.to_string(),
        "reading `generation_config.json`: `top_p` is \"0.9\", and should be a number from 0 to 1"
    );
}

#[test]
fn values_out_of_range_are_named() {
    #[track_caller]
    fn check(request: &Request, expected: &str) {
        let error = Sampling::new(request, &Defaults::default()).unwrap_err();
        assert_eq!((error.kind(), error.message()), (Kind::BadInput, expected));
    }
    let request = Request::default;
    check(&request().temperature(-0.5), "`temperature` is -0.5, and should be a number from 0 to 100");
    check(&request().temperature(f32::NAN), "`temperature` is NaN, and should be a number from 0 to 100");
    check(&request().top_p(1.5), "`top_p` is 1.5, and should be a number from 0 to 1");
    check(&request().extra("min_p", "0.1"), "`min_p` is \"0.1\", and should be a number from 0 to 1");
    check(&request().extra("repeat_penalty", 0), "`repeat_penalty` is 0.0, and should be a number from 0.1 to 10");
    check(
        &request().extra("repeat_last_n", 0.5),
        "`repeat_last_n` is 0.5, and should be a whole number from -1 to 16777216",
    );
    check(
        &request().extra("presence_penalty", true),
        "`presence_penalty` is true, and should be a number from -10 to 10",
    );
    check(
        &request().extra("frequency_penalty", 11),
        "`frequency_penalty` is 11.0, and should be a number from -10 to 10",
    );
    let fine = request().extra("min_p", serde_json::Value::Null).extra("repeat_last_n", -1).top_k(u32::MAX);
    let fine = sampling(&fine);
    assert_eq!((fine.min_p, fine.penalty_last_n), (0.05, None));
}

/// The candidates by definition: all sorted, then cut.
fn slowly(sampling: &Sampling, logits: &[f32]) -> Vec<u32> {
    let mut all: Vec<(f64, usize)> = logits.iter().map(|logit| f64::from(*logit)).zip(0..).collect();
    all.retain(|(logit, _)| *logit > f64::NEG_INFINITY);
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    if sampling.top_k > 0 {
        all.truncate(sampling.top_k);
    }
    let weights: Vec<f64> = all.iter().map(|(logit, _)| (logit - all[0].0).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let mut end = 0;
    let mut so_far = 0.0;
    while end < all.len() && (end == 0 || (so_far < sum * f64::from(sampling.top_p) || sampling.top_p >= 1.0)) {
        so_far += weights[end];
        end += 1;
    }
    let kept = (0..end).filter(|index| weights[*index] >= f64::from(sampling.min_p));
    let mut tokens: Vec<u32> = kept.map(|index| u32::try_from(all[index].1).unwrap()).collect();
    tokens.sort_unstable();
    tokens
}

proptest! {
    #[test]
    fn the_candidates_are_those_of_the_definition(
        // Sixteenths make ties, and weights that no rounding moves across a border.
        steps in prop::collection::vec(-160_i16..160, 1..700),
        banned in prop::collection::vec(any::<prop::sample::Index>(), 0..50),
        top_k in prop_oneof![Just(0_usize), 1_usize..60, Just(10_000)],
        top_p in prop_oneof![Just(1.0_f32), 0.013_f32..0.987],
        min_p in prop_oneof![Just(0.0_f32), 0.0103_f32..0.887],
    ) {
        let mut logits: Vec<f32> = steps.iter().map(|step| f32::from(*step) / 16.0).collect();
        for index in banned {
            *index.get_mut(&mut logits) = f32::NEG_INFINITY;
        }
        prop_assume!(logits.iter().any(|logit| *logit > f32::NEG_INFINITY));
        let sampling = Sampling { top_k, top_p, min_p, ..plain() };
        let mut sampler = Sampler::new(sampling.clone());
        let (greatest, _) = weigh::greatest(&logits);
        sampler.choose(&logits, greatest);
        let mut tokens: Vec<u32> = sampler.candidates.iter().map(|candidate| candidate.token).collect();
        tokens.sort_unstable();
        prop_assert_eq!(tokens, slowly(&sampling, &logits));
        let drawn = sampler.next(&mut logits, None).unwrap();
        prop_assert!(sampler.candidates.iter().any(|candidate| candidate.token == drawn));
    }
}
