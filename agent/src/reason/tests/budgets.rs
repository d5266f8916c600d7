//! One budget for all that runs inside a strategy, and one outcome for a seed, whatever comes first.

use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};

use super::*;

/// Answers what every strategy here asks, sometimes unreadably.
fn any_kind() -> Known {
    Known::new(|request| {
        let Some(form) = &request.output else { return Ok(right(request, 0.6)) };
        if chance(request, "unreadable") < 0.1 {
            return Ok("{".to_owned());
        }
        let picked = |count: u64| request.seed.expect("every call has a seed") % count;
        let scores: Vec<usize> =
            (0..words(request).matches("<answer number=").count()).map(|at| (at * 7) % 11).collect();
        let value = match form.name.as_str() {
            "scores" => serde_json::json!({"comparison": "", "scores": scores}),
            "critique" => serde_json::json!({"critique": "too short", "is_done": picked(3) == 0}),
            "questions" => serde_json::json!({"questions": ["Is it?", "Why?"]}),
            "disagreements" => serde_json::json!({"disagreements": vec!["no"; usize::from(picked(2) == 0)]}),
            "next_steps" => serde_json::json!({"steps": [format!("step {}", picked(9)), "Answer: 42"]}),
            other => panic!("nobody asks for `{other}`"),
        };
        Ok(value.to_string())
    })
}

fn strategies() -> Vec<(&'static str, Box<dyn Strategy>)> {
    let half = |_: &str, steps: &[String]| 1.0 / (1 + steps.len()) as f64;
    vec![
        ("chain of thought", Box::new(ChainOfThought::new())),
        ("self-consistency", Box::new(SelfConsistency::new(7))),
        ("adaptive consistency", Box::new(SelfConsistency::new(12).stop_at(0.95))),
        ("best of n", Box::new(BestOfN::new(14, Judge::new()))),
        ("best of refined", Box::new(BestOfN::new(4, Judge::new()).over(Refine::new()))),
        ("beam", Box::new(TreeOfThoughts::new(half).beam(3).depth_max(3))),
        ("judged best-first", Box::new(TreeOfThoughts::new(Judge::new()).best_first(5))),
        ("verified", Box::new(Verify::new(ChainOfVerification::new()))),
        ("debate", Box::new(Debate::new(3, 2).over(SelfConsistency::new(3)))),
        ("by difficulty", Box::new(ByDifficulty::new(Disagreement::new(4), Debate::new(4, 1)).accept_up_to(0.0))),
    ]
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_strategy_goes_beyond_its_budget(
        calls_max in 0u64..24, tokens_max in 1u64..400, parallel_max in 1usize..9, seed: u64, salt: u64
    ) {
        for (name, strategy) in strategies() {
            let model = any_kind().delays(salt);
            let reasoner = model.reasoner().seed(seed).calls_max(calls_max).tokens_max(tokens_max);
            let solved = block_on(reasoner.parallel_max(parallel_max).solve(&*strategy, "?"));
            prop_assert!(model.calls() <= calls_max, "{name}: {} of {calls_max} calls", model.calls());
            prop_assert!(model.running_most() <= parallel_max, "{name}: {} at once", model.running_most());
            // Every line may end with one answer that takes more than is left: 10 tokens, in at most 14 lines.
            prop_assert!(model.calls() * 10 < tokens_max + 14 * 10, "{name}: {} calls", model.calls());
            match solved {
                Ok(solution) => {
                    prop_assert_eq!(solution.calls, model.calls());
                    prop_assert_eq!(solution.usage.total_tokens(), 10 * model.calls());
                    prop_assert!(solution.confidence.is_none_or(|sure| (0.0..=1.0).contains(&sure)), "{name}");
                }
                Err(error) => prop_assert!(matches!(error.kind(), Kind::Limit | Kind::BadOutput), "{name}: {error}"),
            }
        }
    }

    #[test]
    fn a_seed_has_one_solution_in_whatever_order_replies_come(
        calls_max in 1u64..40, parallel_max in 1usize..9, seed: u64, salt: u64
    ) {
        for (name, strategy) in strategies() {
            let solve = |model: &Known, parallel_max: usize| {
                let reasoner = model.reasoner().seed(seed).calls_max(calls_max).parallel_max(parallel_max);
                block_on(reasoner.solve(&*strategy, "?")).map_err(|error| error.to_string())
            };
            let in_turn = solve(&any_kind(), 1);
            let shuffled = solve(&any_kind().delays(salt), parallel_max);
            prop_assert_eq!(in_turn, shuffled, "{}", name);
        }
    }
}

#[tokio::test]
async fn another_seed_draws_other_samples() {
    let model = Known::new(|request| Ok(format!("Answer: {}", chance(request, "answer"))));
    let drawn = async |seed| model.reasoner().seed(seed).solve(&SelfConsistency::new(3), "?").await.unwrap().trace;
    assert_eq!(drawn(1).await, drawn(1).await);
    assert_ne!(drawn(1).await, drawn(2).await);
    let seeds: std::collections::BTreeSet<_> = model.asked().iter().map(|request| request.seed).collect();
    assert_eq!(seeds.len(), 6, "samples of one seed differ as well");
    assert!(seeds.iter().all(|seed| seed.unwrap() < 1 << 31));
}

#[tokio::test]
async fn what_is_cut_gives_the_best_so_far() {
    let solve = async |calls: u64, strategy: &dyn Strategy| {
        let solution = known(1.0, 1.0).reasoner().calls_max(calls).solve(strategy, "?").await.unwrap();
        (solution.answer, solution.confidence, solution.calls, solution.is_cut)
    };
    let answer = || Some("42".to_owned());
    assert_eq!(solve(4, &SelfConsistency::new(9)).await, (answer(), Some(1.0), 4, true));
    assert_eq!(solve(9, &SelfConsistency::new(9)).await, (answer(), Some(1.0), 9, false));
    // One call is held back for the judge; if there is only one, it is for a candidate.
    assert_eq!(solve(4, &BestOfN::new(9, Judge::new())).await, (answer(), Some(1.0), 4, true));
    assert_eq!(solve(1, &BestOfN::new(9, Judge::new())).await, (answer(), None, 1, true));
    assert_eq!(solve(3, &Debate::new(5, 2)).await, (answer(), Some(1.0), 3, true));
    let never = |_: &str, _: &str| Check::Failed("no".to_owned());
    assert_eq!(solve(2, &Verify::new(never).rounds(5)).await, (answer(), Some(0.0), 2, true));
    assert_eq!(solve(1, &Verify::new(ChainOfVerification::new())).await, (answer(), None, 1, true));
    assert_eq!(solve(1, &Refine::new()).await, (answer(), None, 1, true));
    let hard = || ByDifficulty::new(Disagreement::new(3), ChainOfThought::new());
    assert_eq!(solve(3, &hard()).await, (answer(), Some(1.0), 3, true));
    assert_eq!(solve(4, &hard()).await, (answer(), None, 4, false));
}

#[tokio::test]
async fn nothing_at_all_is_an_error() {
    for (name, strategy) in strategies() {
        let model = any_kind();
        let error = model.reasoner().calls_max(0).solve(&*strategy, "?").await.unwrap_err();
        assert_eq!((error.kind(), model.calls()), (Kind::Limit, 0), "{name}: {error}");
        assert!(error.to_string().contains("raise `calls_max`"), "{error}");
    }
}
