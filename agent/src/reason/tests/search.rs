//! The game of 24, with a model that knows the moves and not which of them are good. One chain of it never comes to 24; a search
//! with an exact reward does, and one whose reward errs does if it can take a step back.

use super::*;

const QUESTION: &str = "Make 24 (left: 4 9 10 13)";

/// The numbers that are left after the last step that says so.
fn left(text: &str) -> Vec<i64> {
    let (_, last) = text.rsplit_once("(left: ").unwrap();
    let (numbers, _) = last.split_once(')').unwrap();
    numbers.split(' ').map(|number| number.parse().unwrap()).collect()
}

/// All moves from here: what they say, and what they leave.
fn moves(numbers: &[i64]) -> Vec<(String, Vec<i64>)> {
    let mut all = Vec::new();
    for i in 0..numbers.len() {
        for j in (0..numbers.len()).filter(|j| *j != i) {
            let (a, b) = (numbers[i], numbers[j]);
            let sums = [('+', Some(a + b)), ('-', Some(a - b)), ('*', Some(a * b)), ('/', a.checked_div(b))];
            for (sign, value) in sums {
                let Some(value) = value.filter(|value| sign != '/' || value * b == a) else { continue };
                let rest = numbers.iter().enumerate().filter(|(at, _)| *at != i && *at != j).map(|(_, number)| *number);
                all.push((format!("{a} {sign} {b} = {value}"), rest.chain([value]).collect()));
            }
        }
    }
    all
}

fn is_solvable(numbers: &[i64]) -> bool {
    match numbers {
        [one] => *one == 24,
        _ => moves(numbers).iter().any(|(_, left)| is_solvable(left)),
    }
}

fn step(said: &str, left: &[i64]) -> String {
    let shown: Vec<String> = left.iter().map(i64::to_string).collect();
    let answer = if let [one] = left { format!("\nAnswer: {one}") } else { String::new() };
    format!("{said} (left: {}){answer}", shown.join(" "))
}

/// Proposes all moves in the order of the numbers. On its own it takes the first that comes to its mind, to the end.
fn player() -> Known {
    Known::new(|request| {
        let mut numbers = left(&words(request));
        if request.output.is_some() {
            let steps: Vec<String> = moves(&numbers).iter().map(|(said, left)| step(said, left)).collect();
            return Ok(serde_json::json!({"steps": steps}).to_string());
        }
        let mut chain = Vec::new();
        while numbers.len() > 1 {
            let (said, left) = moves(&numbers).swap_remove(0);
            chain.push(step(&said, &left));
            numbers = left;
        }
        Ok(chain.join("\n"))
    })
}

/// Knows what can still come to 24.
fn exact(_: &str, steps: &[String]) -> f64 {
    f64::from(u8::from(is_solvable(&left(&steps[steps.len() - 1]))))
}

/// Takes the first move for a good one, though it leads nowhere, and sees that only further on.
fn misled(question: &str, steps: &[String]) -> f64 {
    match steps {
        [first] if first.starts_with("4 + 9") => 0.9,
        _ if left(&steps[steps.len() - 1]) == [24] => 1.0,
        _ => 0.8 * exact(question, steps) + 0.1,
    }
}

async fn play(strategy: &dyn Strategy) -> Solution {
    player().reasoner().solve(strategy, QUESTION).await.unwrap()
}

#[track_caller]
fn check_solved(solution: &Solution) {
    assert_eq!((solution.answer.as_deref(), solution.confidence), (Some("24"), Some(1.0)), "{}", solution.text);
    let mut numbers = vec![4, 9, 10, 13];
    for said in solution.text.lines().filter(|line| !line.starts_with("Answer")) {
        let after = left(said);
        assert!(moves(&numbers).iter().any(|(_, left)| *left == after), "{said} is no move from {numbers:?}");
        numbers = after;
    }
    assert_eq!(numbers, [24]);
}

#[tokio::test]
async fn a_search_solves_what_no_chain_of_the_model_can() {
    assert!(is_solvable(&left(QUESTION)));
    // The model begins every chain with this move, after which 24 cannot be reached.
    assert!(!is_solvable(&[10, 13, 4 + 9]));
    let chains = play(&SelfConsistency::new(20)).await;
    assert!(chains.text.starts_with("4 + 9 = 13"), "{}", chains.text);
    assert_ne!(chains.answer.as_deref(), Some("24"));
    for tree in [TreeOfThoughts::new(exact).beam(2), TreeOfThoughts::new(exact).best_first(10)] {
        check_solved(&play(&tree.steps(48)).await);
    }
}

#[tokio::test]
async fn what_can_take_a_step_back_is_not_lost_where_the_reward_errs() {
    let lost = play(&TreeOfThoughts::new(misled).steps(48).beam(1)).await;
    assert!(lost.text.starts_with("4 + 9"), "{}", lost.text);
    assert_ne!(lost.answer.as_deref(), Some("24"));
    check_solved(&play(&TreeOfThoughts::new(misled).steps(48).beam(2)).await);
    let back = play(&TreeOfThoughts::new(misled).steps(48).best_first(10)).await;
    check_solved(&back);
    assert!(!back.text.starts_with("4 + 9") && back.calls == 4, "{} calls: {}", back.calls, back.text);
}

#[tokio::test]
async fn a_path_is_worth_what_is_said() {
    let script = || Known::new(|_| Ok(r#"{"steps": ["a", "b\nAnswer: b"]}"#.to_owned()));
    // A path that gets better by and by, and one that is middling at once.
    let reward = |_: &str, steps: &[String]| match steps.len() {
        1 if steps[0] == "a" => 0.2,
        1 => 0.5,
        _ => 0.9,
    };
    let worth = async |path_score| {
        let tree = TreeOfThoughts::new(reward).depth_max(2).path_score(path_score);
        let solution = script().reasoner().solve(&tree, "?").await.unwrap();
        (solution.text, solution.confidence.unwrap())
    };
    assert_eq!(worth(PathScore::Last).await, ("a\nb\nAnswer: b".to_owned(), 0.9));
    assert_eq!(worth(PathScore::Product).await, ("b\nAnswer: b".to_owned(), 0.5));
    assert_eq!(worth(PathScore::Lowest).await, ("b\nAnswer: b".to_owned(), 0.5));
}

#[tokio::test]
async fn a_search_that_is_cut_gives_the_best_path_so_far() {
    for (tree, calls) in [(TreeOfThoughts::new(exact).beam(3), 2), (TreeOfThoughts::new(exact).best_first(10), 2)] {
        let solution = player().reasoner().calls_max(calls).solve(&tree.steps(48), QUESTION).await.unwrap();
        assert_eq!((solution.answer, solution.is_cut, solution.calls), (None, true, calls));
        assert!(is_solvable(&left(&solution.text)), "{}", solution.text);
    }
    let error = player().reasoner().calls_max(0).solve(&TreeOfThoughts::new(exact), QUESTION).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Limit);
}

#[tokio::test]
async fn what_cannot_be_read_is_a_dead_end_and_not_the_end() {
    let half = Known::new(|request| {
        let words = words(request);
        Ok(match () {
            () if words.contains(">\nbad\n<") || request.messages.len() > 1 => "I do not like this.".to_owned(),
            () if words.contains(">\ngood\n<") => r#"{"steps": ["Answer: yes", "", "Answer: yes"]}"#.to_owned(),
            () => r#"{"steps": ["bad", "good"]}"#.to_owned(),
        })
    });
    let reward = |_: &str, steps: &[String]| if steps.len() == 1 && steps[0] == "good" { 0.4 } else { 0.6 };
    for tree in [TreeOfThoughts::new(reward), TreeOfThoughts::new(reward).best_first(9)] {
        let solution = half.reasoner().solve(&tree, "?").await.unwrap();
        assert_eq!((solution.answer.as_deref(), solution.confidence), (Some("yes"), Some(0.6)));
        assert!(solution.trace.iter().any(|tried| tried.error.is_some()), "the dead end is in the trace");
    }
    let mute = Known::new(|_| Ok("no".to_owned()));
    for tree in [TreeOfThoughts::new(reward), TreeOfThoughts::new(reward).best_first(9)] {
        let error = mute.reasoner().solve(&tree, "?").await.unwrap_err();
        assert_eq!(error.kind(), Kind::BadOutput, "{error}");
    }
}
