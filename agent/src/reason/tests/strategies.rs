//! What each strategy asks, and what it makes of the answers.

use lorewell_model::Message;
use lorewell_model::mock::Script;

use super::*;

fn scripted<const N: usize>(said: [&str; N]) -> (Reasoner, Script) {
    let script = Script::new(said.map(Message::assistant));
    (Reasoner::new(Model::new("mock:script".parse().unwrap(), script.clone())), script)
}

fn texts(script: &Script) -> Vec<String> {
    script.asked().iter().map(words).collect()
}

#[tokio::test]
async fn a_chain_of_thought_is_shown_how_to_think() {
    let (reasoner, script) = scripted(["Answer: 8"]);
    let reasoner = reasoner.request(Request::new([Message::system("Be brief.")]).temperature(0.7));
    let chain = ChainOfThought::new().example("Half of 6?", "Answer: 3");
    reasoner.solve(&chain, "Half of 16?").await.unwrap();
    let asked = script.asked().remove(0);
    let said: Vec<_> = asked.messages.iter().map(|message| message.text().into_owned()).collect();
    assert_eq!(said[0], "Be brief.");
    assert!(said[1].starts_with("Half of 6?\n\nThink step by step."));
    assert_eq!(said[2], "Answer: 3");
    assert!(said[3].starts_with("Half of 16?\n\nThink step by step."));
    assert_eq!((asked.temperature, said.len()), (Some(0.7), 4));
}

#[tokio::test]
async fn an_answer_is_found_as_the_caller_says() {
    let (reasoner, script) = scripted([r#"{"total": 7}"#, r#"{"total": "7"}"#, r#"{"total": 9}"#]);
    let solution = reasoner.extract(Extract::field("total")).solve(&SelfConsistency::new(3), "?").await.unwrap();
    assert_eq!((solution.answer.as_deref(), solution.confidence), (Some("7"), Some(2.0 / 3.0)));
    assert_eq!(texts(&script)[0], "?\n\nThink step by step.", "a line is asked for only where one is looked for");
}

#[tokio::test]
async fn a_refinement_is_told_what_was_wrong_and_ends_with_its_rounds() {
    let fault = r#"{"critique": "too long", "is_done": false}"#;
    let (reasoner, script) = scripted(["one", fault, "two", fault, "three"]);
    let solution = reasoner.solve(&Refine::new().rounds(2), "Say it.").await.unwrap();
    assert_eq!((solution.text.as_str(), solution.calls, solution.is_cut), ("three", 5, false));
    let asked = texts(&script);
    assert!(asked[1].contains("<answer>\none\n</answer>"), "{}", asked[1]);
    assert!(asked[2].contains("<faults>\ntoo long\n</faults>"), "{}", asked[2]);
    assert!(asked[3].contains("<answer>\ntwo\n</answer>"), "{}", asked[3]);
}

#[tokio::test]
async fn a_verification_answers_its_questions_without_seeing_the_answer() {
    let (reasoner, script) = scripted([
        "Secret draft.\nAnswer: 1912",
        r#"{"questions": ["When was it built?", "By whom?", "Why?"]}"#,
        "In 1902.",
        "By Borin.",
        r#"{"disagreements": ["It was built in 1902."]}"#,
        "It was 1902.\nAnswer: 1902",
        r#"{"questions": ["When was it built?"]}"#,
        "In 1902.",
        r#"{"disagreements": []}"#,
    ]);
    let verify = Verify::new(ChainOfVerification::new().questions_max(2));
    let solution = reasoner.parallel_max(1).solve(&verify, "When?").await.unwrap();
    assert_eq!((solution.answer.as_deref(), solution.confidence, solution.calls), (Some("1902"), Some(1.0), 9));
    let asked = texts(&script);
    for finding in [&asked[2], &asked[3], &asked[7]] {
        assert!(!finding.contains("draft") && !finding.contains("1912"), "{finding}");
    }
    assert!(asked[4].contains("<finding number=\"2\">\nBy Borin.\n</finding>"), "{}", asked[4]);
    assert!(asked[5].contains("It was built in 1902."), "{}", asked[5]);
}

#[tokio::test]
async fn what_never_passes_is_given_with_no_confidence() {
    let (reasoner, script) = scripted(["Answer: 1", "Answer: 2", "Answer: 3"]);
    let never = |_: &str, answer: &str| Check::Failed(format!("not `{answer}`"));
    let solution = reasoner.solve(&Verify::new(never), "?").await.unwrap();
    assert_eq!((solution.answer.as_deref(), solution.confidence, solution.calls), (Some("3"), Some(0.0), 3));
    assert!(texts(&script)[2].contains("not `Answer: 2`"));
}

#[tokio::test]
async fn a_debate_shows_each_what_the_others_said() {
    let (reasoner, script) =
        scripted(["A: 1\nAnswer: 1", "B: 2\nAnswer: 2", "C: 2\nAnswer: 2", "Answer: 2", "Answer: 2", "x"]);
    let solution = reasoner.solve(&Debate::new(3, 1), "?").await.unwrap();
    assert_eq!((solution.answer.as_deref(), solution.confidence, solution.calls), (Some("2"), Some(2.0 / 3.0), 6));
    let asked = texts(&script);
    assert!(asked[3].contains("<own>\nA: 1") && !asked[3].contains("<other number=\"1\">\nA: 1"), "{}", asked[3]);
    assert!(asked[4].contains("<other number=\"1\">\nA: 1") && asked[4].contains("<other number=\"2\">\nC: 2"));
    let (reasoner, _) = scripted(["Answer: 5", "Answer: 5.0"]);
    let agreed = reasoner.solve(&Debate::new(2, 9), "?").await.unwrap();
    assert_eq!((agreed.calls, agreed.confidence), (2, Some(1.0)), "who agrees has nothing to discuss");
}

#[tokio::test]
async fn an_agent_that_fails_in_a_round_keeps_to_what_it_said() {
    let script = Script::new(["Answer: 1", "Answer: 2"].map(Message::assistant));
    let script = script.then_fail(Kind::Unavailable, "down").then(Message::assistant("Answer: 1"));
    let reasoner = Reasoner::new(Model::new("mock:script".parse().unwrap(), script));
    let solution = reasoner.solve(&Debate::new(2, 1), "?").await.unwrap();
    assert_eq!((solution.answer.as_deref(), solution.confidence), (Some("1"), Some(1.0)));
}

#[tokio::test]
async fn a_question_goes_to_the_strategy_for_its_difficulty() {
    let routed = async |difficulty: f64| {
        let named =
            |answer: &'static str| Verify::new(move |_: &str, _: &str| Check::Failed(answer.to_owned())).rounds(1);
        let strategy = ByDifficulty::new(move |_: &str| difficulty, named("hard"));
        let strategy = strategy.up_to(0.6, named("middling")).up_to(0.2, named("easy"));
        let (reasoner, script) = scripted(["a", "b"]);
        let solution = reasoner.solve(&strategy, "?").await.unwrap();
        assert_eq!(solution.trace[0].score, Some(difficulty));
        texts(&script).remove(1)
    };
    for (difficulty, taken) in [(0.0, "easy"), (0.2, "easy"), (0.5, "middling"), (0.61, "hard"), (1.0, "hard")] {
        assert!(routed(difficulty).await.contains(taken), "{difficulty}");
    }
}

#[tokio::test]
async fn a_judge_may_be_another_model_and_sees_a_dozen_at_once() {
    let (judge, shown) = scripted([&scores(JUDGED_MAX, 5), &scores(3, 6)]);
    drop(judge);
    let judge = Judge::new().model(Model::new("mock:judge".parse().unwrap(), shown.clone()));
    let drawn = known(0.5, 1.0);
    let solution = drawn.reasoner().solve(&BestOfN::new(JUDGED_MAX + 3, judge), "?").await.unwrap();
    assert_eq!((solution.confidence, solution.calls, drawn.calls()), (Some(0.6), 17, 15));
    let counts: Vec<_> = texts(&shown).iter().map(|words| words.matches("<answer number=").count()).collect();
    assert_eq!(counts, [JUDGED_MAX, 3]);
}

fn scores(count: usize, points: u8) -> String {
    serde_json::json!({"comparison": "", "scores": vec![points; count]}).to_string()
}
