//! What goes wrong: models that fail now and then, judges that cannot be read, rewards and settings that make no sense.

use lorewell_model::mock::Script;
use lorewell_model::{Error, Message};

use super::*;

fn scripted<const N: usize>(said: [&str; N]) -> (Reasoner, Script) {
    let script = Script::new(said.map(Message::assistant));
    (Reasoner::new(Model::new("mock:script".parse().unwrap(), script.clone())), script)
}

/// Fails with a share of all calls.
fn flaky(share: f64, kind: Kind) -> Known {
    Known::new(move |request| match chance(request, "fails") < share {
        true => Err(Error::new(kind, "not now")),
        false => Ok(right(request, 1.0)),
    })
}

#[tokio::test]
async fn a_sample_that_fails_does_not_lose_the_others() {
    for kind in [Kind::Unavailable, Kind::Refused, Kind::Auth] {
        let solution = flaky(0.5, kind).reasoner().solve(&SelfConsistency::new(16), "?").await.unwrap();
        assert_eq!((solution.answer.as_deref(), solution.confidence), (Some("42"), Some(1.0)));
        let failed: Vec<_> = solution.trace.iter().filter_map(|tried| tried.error.as_deref()).collect();
        assert!((2..15).contains(&failed.len()) && failed[0] == "asking `mock:known`: not now", "{failed:?}");
        assert_eq!((solution.trace.len(), solution.calls), (16, 16));
    }
}

#[tokio::test]
async fn all_samples_that_fail_are_an_error() {
    let error = flaky(1.0, Kind::RateLimited).reasoner().solve(&SelfConsistency::new(3), "?").await.unwrap_err();
    assert_eq!(error.kind(), Kind::RateLimited);
    assert!(error.to_string().contains("3 of 3 lines at `reason` have failed; the first: "), "{error}");
}

#[tokio::test]
async fn who_cancels_one_call_stops_all() {
    let error = flaky(0.5, Kind::Cancelled).reasoner().solve(&SelfConsistency::new(16), "?").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Cancelled);
}

#[tokio::test]
async fn samples_without_an_answer_count_against_the_answer() {
    let (reasoner, _) = scripted(["Answer: 7", "hm", "Answer: 7.0", "no idea"]);
    let solution = reasoner.solve(&SelfConsistency::new(4), "?").await.unwrap();
    assert_eq!((solution.answer.as_deref(), solution.confidence), (Some("7"), Some(0.5)));
    let (reasoner, _) = scripted(["hm", "no idea"]);
    let solution = reasoner.solve(&SelfConsistency::new(2), "?").await.unwrap();
    assert_eq!((solution.text.as_str(), solution.answer, solution.confidence), ("hm", None, Some(0.0)));
}

#[tokio::test]
async fn a_judge_that_cannot_be_read_is_told_so_once() {
    for bad in ["8, 9", r#"{"scores": [9]}"#, r#"{"scores": [9, 11]}"#, r#"{"scores": [9, -1]}"#, r#"{"points": []}"#] {
        let (reasoner, script) = scripted(["Answer: 1", "Answer: 2", bad, r#"{"scores": [9, 9]}"#]);
        let solution = reasoner.solve(&BestOfN::new(2, Judge::new()), "?").await.unwrap();
        assert_eq!((solution.answer.as_deref(), solution.confidence, solution.calls), (Some("1"), Some(0.9), 4));
        let told = &script.asked()[3].messages;
        assert_eq!(told[1], Message::assistant(bad));
        assert!(told.len() == 3 && !told[2].text().is_empty());
        let (reasoner, _) = scripted(["Answer: 1", "Answer: 2", bad, bad]);
        let error = reasoner.solve(&BestOfN::new(2, Judge::new()), "?").await.unwrap_err();
        assert_eq!(error.kind(), Kind::BadOutput, "{error}");
        assert!(error.to_string().starts_with("`reason/reward/judge 1/scores repair 1`: "), "{error}");
    }
}

#[tokio::test]
async fn a_judge_is_held_to_a_form() {
    let (reasoner, script) = scripted(["Answer: 1", "Answer: 2", r#"{"comparison": "", "scores": [3, 8]}"#]);
    reasoner.solve(&BestOfN::new(2, Judge::new().rubric("Which is shorter?")), "?").await.unwrap();
    let asked = script.asked().remove(2);
    let form = asked.output.clone().unwrap();
    let validator = jsonschema::validator_for(&form.schema).unwrap();
    let fits = |value: serde_json::Value| validator.is_valid(&value);
    assert!(fits(serde_json::json!({"comparison": "", "scores": [0, 10]})));
    for scores in [vec![1], vec![1, 2, 3], vec![1, 11]] {
        assert!(!fits(serde_json::json!({"comparison": "", "scores": scores})));
    }
    assert!(words(&asked).contains("Which is shorter?"));
}

#[tokio::test]
async fn rewards_that_are_no_scores_are_refused() {
    for bad in [f64::NAN, 1.5, -0.1, f64::INFINITY] {
        let (reasoner, _) = scripted(["Answer: 1"]);
        let error = reasoner.solve(&BestOfN::new(1, move |_: &str, _: &[String]| bad), "?").await.unwrap_err();
        assert_eq!(error.kind(), Kind::BadOutput, "{error}");
    }
    let hard = |difficulty: f64| ByDifficulty::new(move |_: &str| difficulty, ChainOfThought::new());
    let error = scripted([]).0.solve(&hard(2.0), "?").await.unwrap_err();
    assert_eq!(error.to_string(), "the difficulty that was estimated is 2; give 0 to 1");
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused_before_anything_is_asked() {
    let zero = |_: &str, _: &[String]| 0.0;
    let fine = |_: &str, _: &str| Check::Passed;
    let strategies: [Box<dyn Strategy>; 11] = [
        Box::new(SelfConsistency::new(0)),
        Box::new(SelfConsistency::new(SAMPLES_MAX + 1)),
        Box::new(SelfConsistency::new(3).stop_at(f64::NAN)),
        Box::new(BestOfN::new(0, zero)),
        Box::new(TreeOfThoughts::new(zero).beam(0)),
        Box::new(TreeOfThoughts::new(zero).best_first(0)),
        Box::new(TreeOfThoughts::new(zero).depth_max(0)),
        Box::new(Refine::new().rounds(ROUNDS_MAX + 1)),
        Box::new(Verify::new(fine).rounds(0)),
        Box::new(Debate::new(1, 1)),
        Box::new(ByDifficulty::new(|_: &str| 0.5, ChainOfThought::new()).up_to(f64::NAN, ChainOfThought::new())),
    ];
    for (number, strategy) in strategies.iter().enumerate() {
        let model = known(1.0, 1.0);
        let error = model.reasoner().solve(&**strategy, "?").await.unwrap_err();
        assert_eq!((error.kind(), model.calls()), (Kind::Config, 0), "{number}: {error}");
    }
}

/// Says something, and ends in a way of its own.
#[derive(Debug)]
struct Ends(Option<Finish>);

impl ChatModel for Ends {
    fn stream(&self, _: Request) -> Events {
        let said = Event::Text { text: "Answer: 4".to_owned() };
        Events::of([said].into_iter().chain(self.0.clone().map(|finish| Event::Finish { finish })))
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_is_refused_is_no_sample() {
    for (finish, kind) in [(None, Kind::Unavailable), (Some(Finish::Refused), Kind::Refused)] {
        let reasoner = Reasoner::new(Model::new("mock:ends".parse().unwrap(), Ends(finish)));
        let error = reasoner.solve(&SelfConsistency::new(2), "?").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}
