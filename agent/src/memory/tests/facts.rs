//! Facts and their two times.

use std::time::SystemTime;

use super::*;

fn ceo(name: &str, from: u64) -> Fact {
    Fact::new("ACME", "ceo", name).valid_from(at(from))
}

/// Value, and when it holds, in seconds.
fn told(records: &[FactRecord]) -> Vec<(&str, Option<u64>, Option<u64>)> {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_secs();
    let record = |record: &FactRecord| (record.valid_from.map(seconds), record.valid_to.map(seconds));
    records.iter().map(|told| (&*told.statement.value, record(told).0, record(told).1)).collect()
}

#[tokio::test]
async fn a_new_value_closes_the_old_one() {
    let bench = Bench::new().await;
    let anna = bench.anna();
    let bolt = anna.fact(ceo("Ms. Bolt", 100)).await.unwrap();
    let between = SystemTime::now();
    anna.fact(ceo("Mr. Carl", 200)).await.unwrap();
    assert_eq!(told(&anna.facts("ACME").await.unwrap()), [("Mr. Carl", Some(200), None)]);
    assert_eq!(told(&anna.facts("ACME").as_of(at(199)).await.unwrap()), [("Ms. Bolt", Some(100), Some(200))]);
    assert!(anna.facts("ACME").as_of(at(99)).await.unwrap().is_empty());
    let believed = anna.facts("ACME").attribute("ceo").known_at(between).await.unwrap();
    assert_eq!(told(&believed), [("Ms. Bolt", Some(100), None)], "nobody knew of an end then");
    assert_eq!(believed[0].id, bolt.id);
    assert!(anna.facts("ACME").known_at(at(150)).await.unwrap().is_empty(), "nobody knew anything then");
    let history = anna.history("ACME").await.unwrap();
    let expected = [("Ms. Bolt", Some(100), None), ("Ms. Bolt", Some(100), Some(200)), ("Mr. Carl", Some(200), None)];
    assert_eq!(told(&history), expected);
    assert_eq!(history[0].recorded_to, Some(history[1].recorded_from));
    assert!(anna.facts("ACME").attribute("cfo").await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_learned_late_finds_its_place() {
    let bench = Bench::new().await;
    let anna = bench.anna();
    anna.fact(ceo("Ms. Bolt", 200)).await.unwrap();
    anna.fact(ceo("Mr. Adam", 100)).await.unwrap();
    anna.fact(ceo("Ms. Dora", 300).valid_to(at(400))).await.unwrap();
    let mut line = Vec::new();
    for time in [150, 250, 350, 450] {
        line.extend(anna.facts("ACME").as_of(at(time)).await.unwrap());
    }
    let expected = [
        ("Mr. Adam", 100, Some(200)),
        ("Ms. Bolt", 200, Some(300)),
        ("Ms. Dora", 300, Some(400)),
        ("Ms. Bolt", 400, None),
    ];
    assert_eq!(told(&line), expected.map(|(name, from, to)| (name, Some(from), to)));
    let pending = bench.store.status().await.unwrap().pending;
    assert_eq!(pending, 0, "what was split has its vector");
}

#[tokio::test]
async fn what_is_known_is_not_stored_again() {
    let bench = Bench::new().await;
    let anna = bench.anna();
    let first = anna.fact(ceo("Ms. Bolt", 100)).await.unwrap();
    let again = anna.fact(Fact::new("ACME", "ceo", "Ms. Bolt")).await.unwrap();
    assert_eq!((first.is_new, again.is_new, again.id), (true, false, first.id));
    assert_eq!(anna.history("ACME").await.unwrap().len(), 1);
}

#[tokio::test]
async fn facts_are_searched_as_they_are_now() {
    let bench = Bench::new().await;
    let anna = bench.anna();
    anna.fact(ceo("Ms. Bolt", 100)).await.unwrap();
    let carl = anna.fact(ceo("Mr. Carl", 200)).await.unwrap().id;
    assert_eq!(texts(&anna.search("ceo of ACME").await.unwrap()), ["ACME ceo: Mr. Carl"]);
    assert_eq!(texts(&anna.search("ceo of ACME").as_of(at(150)).await.unwrap()), ["ACME ceo: Ms. Bolt"]);
    anna.invalidate(carl, at(300)).await.unwrap();
    assert!(anna.search("ceo of ACME").await.unwrap().is_empty());
    assert_eq!(anna.facts("ACME").as_of(at(299)).await.unwrap().len(), 1);
    let early = anna.invalidate(carl, at(200)).await.unwrap_err();
    assert!(early.to_string().contains("forget it instead"), "{early}");
}

#[tokio::test]
async fn a_fact_that_is_forgotten_has_no_history() {
    let bench = Bench::new().await;
    let anna = bench.anna();
    let bolt = anna.fact(ceo("Ms. Bolt", 100)).await.unwrap().id;
    anna.fact(ceo("Mr. Carl", 100)).await.unwrap();
    assert!(anna.get(bolt).await.unwrap().is_none(), "another value holds all that time");
    assert_eq!(anna.history("ACME").await.unwrap().len(), 2);
    assert!(anna.forget(bolt).await.unwrap());
    assert_eq!(told(&anna.history("ACME").await.unwrap()), [("Mr. Carl", Some(100), None)]);
    assert!(!anna.forget(bolt).await.unwrap());
}

#[tokio::test]
async fn nobody_denies_what_somebody_vouches_for() {
    let bench = Bench::new().await;
    let anna = bench.anna();
    anna.fact(ceo("Ms. Bolt", 100)).await.unwrap();
    for foreign in [ceo("Mr. Mallory", 200), ceo("Ms. Bolt", 50), ceo("Mr. Mallory", 50).valid_to(at(500))] {
        let refused = anna.fact(foreign.origin(Origin::Web)).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Refused, "{refused}");
    }
    assert_eq!(anna.history("ACME").await.unwrap().len(), 1);
    let new = Fact::new("ACME", "town", "Ulm").origin(Origin::Web);
    anna.fact(new).await.unwrap();
    anna.fact(Fact::new("ACME", "town", "Bonn")).await.unwrap();
    assert_eq!(anna.facts("ACME").attribute("town").await.unwrap()[0].origin, Origin::User);
    anna.fact(Fact::new("Rex", "is a", "dog").origin(Origin::Web)).await.unwrap();
    assert!(anna.fact(Fact::new("Rex", "is a", "dog")).await.unwrap().is_new);
    assert_eq!(anna.facts("Rex").await.unwrap()[0].origin, Origin::User, "whoever says it vouches for it");
}

#[tokio::test]
async fn parts_of_a_fact_are_checked() {
    let bench = Bench::new().await;
    let anna = bench.anna();
    let long = "x".repeat(FACT_PART_BYTES_MAX + 1);
    for (fact, kind) in [
        (Fact::new("", "a", "b"), Kind::BadInput),
        (Fact::new("e", "a\n", "b"), Kind::BadInput),
        (Fact::new("e", "a", " b"), Kind::BadInput),
        (Fact::new("e", "a: b", "c"), Kind::BadInput),
        (Fact::new("e", "a", &*long), Kind::Limit),
        (Fact::new("e", "a", "b").importance(2.0), Kind::BadInput),
        (Fact::new("e", "a", "b").valid_from(at(2)).valid_to(at(2)), Kind::BadInput),
    ] {
        assert_eq!(anna.fact(fact.clone()).await.unwrap_err().kind(), kind, "{fact:?}");
    }
}
