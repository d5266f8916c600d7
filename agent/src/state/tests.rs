//! What each rule makes of the writes of one superstep, on a typed state; `replay` holds it against the state of JSON
//! values and against what is stored.

mod replay;

use std::collections::BTreeMap;
use std::time::Duration;

use expect_test::{Expect, expect};
use lorewell_model::{Error, Kind, Result};
use serde_json::{Value, json};

use super::*;

/// A field for each rule.
#[derive(Clone, Default, State)]
struct Desk {
    route: Option<String>,
    #[reduce(append)]
    items: Vec<i64>,
    #[reduce(merge)]
    facts: BTreeMap<String, i64>,
    #[reduce(messages)]
    messages: Vec<Value>,
    #[reduce(max)]
    highest: Option<i64>,
    #[reduce(min)]
    lowest: Option<i64>,
    #[reduce(max)]
    risk: f64,
    #[reduce(sum)]
    tokens: u64,
    #[reduce(sum)]
    cost: f64,
    #[reduce(untracked)]
    scratch: Option<i64>,
    #[reduce(ephemeral)]
    hint: Option<String>,
    #[reduce(with = longer)]
    title: String,
}

fn longer(kept: &mut String, written: String) -> Result<()> {
    if written.is_empty() {
        return Err(Error::new(Kind::BadInput, "a title is empty"));
    }
    if written.len() > kept.len() {
        *kept = written;
    }
    Ok(())
}

/// Applies the writes of one superstep, by nodes called `a`, `b` and so on.
fn step<S: State>(state: &S, updates: impl IntoIterator<Item = S::Update>) -> Result<S> {
    const NODES: [&str; 4] = ["a", "b", "c", "d"];
    let mut writes: Vec<_> =
        NODES.into_iter().zip(0..).zip(updates).map(|((node, task), update)| Write { node, task, update }).collect();
    let mut next = state.clone();
    next.apply(&mut Writes::new(&mut writes))?;
    Ok(next)
}

fn saved<S: State>(state: &S) -> String {
    let mut saved = Saved::default();
    state.save(&mut saved).unwrap();
    serde_json::to_string(&saved).unwrap()
}

/// Shows the fields of a desk that are not as they were.
#[expect(clippy::needless_pass_by_value, reason = "as `expect!` gives it")]
fn check<const N: usize>(before: &Desk, updates: [DeskUpdate; N], expected: Expect) {
    let shown = match step(before, updates) {
        Ok(after) => changes(&saved(before), &saved(&after)),
        Err(error) => format!("{error:?}"),
    };
    expected.assert_eq(&shown);
}

fn changes(before: &str, after: &str) -> String {
    let before: BTreeMap<String, Value> = serde_json::from_str(before).unwrap();
    let after: BTreeMap<String, Value> = serde_json::from_str(after).unwrap();
    let changed = after.iter().filter(|(field, value)| before[*field] != **value);
    changed.map(|(field, value)| format!("{field}: {value}")).collect::<Vec<_>>().join("\n")
}

fn desk() -> Desk {
    Desk::default()
}

#[test]
fn last_keeps_the_one_value_written() {
    check(&desk(), [Desk::update().route("x".to_owned())], expect![[r#"route: "x""#]]);
    check(&desk(), [Desk::update(), Desk::update().route("x".to_owned())], expect![[r#"route: "x""#]]);
    let routed = Desk { route: Some("x".to_owned()), ..desk() };
    check(&routed, [Desk::update().route(None)], expect!["route: null"]);
    check(&routed, [], expect![""]);
}

#[test]
fn two_tasks_cannot_write_one_value() {
    check(
        &desk(),
        [Desk::update().route("x".to_owned()), Desk::update().route("x".to_owned())],
        expect![
            "Conflict: `a` and `b` wrote `route` in the same superstep, which keeps one value; give the field a rule such as `append`, or let only one of them write it"
        ],
    );
    let mut writes = [0, 1].map(|task| Write { node: "a", task, update: Desk::update().hint("h".to_owned()) });
    let error = desk().apply(&mut Writes::new(&mut writes)).unwrap_err();
    expect!["two tasks of `a` wrote `hint` in the same superstep, which keeps one value; give the field a rule such as `append`, or let only one of them write it"].assert_eq(&error.to_string());
    check(
        &desk(),
        [Desk::update().scratch(1), Desk::update().scratch(2)],
        expect![
            "Conflict: `a` and `b` wrote `scratch` in the same superstep, which keeps one value; give the field a rule such as `append`, or let only one of them write it"
        ],
    );
}

#[test]
fn append_adds_in_the_order_of_the_tasks() {
    check(&desk(), [Desk::update().items([3, 1]), Desk::update().items([2])], expect!["items: [3,1,2]"]);
    check(&Desk { items: vec![7], ..desk() }, [Desk::update().items([1]).items([2])], expect!["items: [7,1,2]"]);
}

#[test]
fn a_replacement_comes_before_what_is_added() {
    let before = Desk { items: vec![7], ..desk() };
    let [added, replaced] = [Desk::update().items([1]), Desk::update().replace_items(vec![2]).items([3])];
    check(&before, [added.clone(), replaced.clone()], expect!["items: [2,3,1]"]);
    check(&before, [added.clone().replace_items(vec![])], expect!["items: []"]);
    check(
        &before,
        [replaced.clone(), added, replaced],
        expect!["Conflict: `a` and `c` replaced all of `items` in the same superstep; let only one of them"],
    );
}

#[test]
fn merge_lets_the_later_task_win() {
    let fact = |value| Desk::update().facts([("k".to_owned(), value)]);
    check(&desk(), [fact(1), fact(2)], expect![[r#"facts: {"k":2}"#]]);
    let before = Desk { facts: BTreeMap::from([("old".to_owned(), 0)]), ..desk() };
    check(&before, [fact(1), Desk::update().replace_facts(BTreeMap::new())], expect![[r#"facts: {"k":1}"#]]);
}

#[test]
fn messages_are_put_and_removed_by_id() {
    let message = |id: &str, text: &str| json!({"id": id, "text": text});
    let before = Desk { messages: vec![message("1", "one"), message("2", "two")], ..desk() };
    let put = Desk::update().messages([message("1", "new"), message("3", "three")]);
    check(
        &before,
        [put.clone()],
        expect![[r#"messages: [{"id":"1","text":"new"},{"id":"2","text":"two"},{"id":"3","text":"three"}]"#]],
    );
    let remove = Desk::update().messages([Edit::<Value>::Remove("2".to_owned())]);
    check(
        &before,
        [put.clone(), remove.clone()],
        expect![[r#"messages: [{"id":"1","text":"new"},{"id":"3","text":"three"}]"#]],
    );
    check(
        &before,
        [remove.clone(), remove],
        expect!["BadInput: `b` writing `messages`: no message has the id `2` to be removed"],
    );
    check(
        &before,
        [put, Desk::update().messages([Edit::Clear, Edit::Put(message("9", "last"))])],
        expect![[r#"messages: [{"id":"9","text":"last"}]"#]],
    );
    check(
        &before,
        [Desk::update().messages([json!("no id"), json!("no id")])],
        expect![[r#"messages: [{"id":"1","text":"one"},{"id":"2","text":"two"},"no id","no id"]"#]],
    );
}

#[test]
fn messages_without_an_id_get_one() {
    let mut ids = (1..).map(|id| format!("new-{id}"));
    let mut update = Desk::update().messages([
        Edit::Put(json!({"text": "first"})),
        Edit::Remove("x".to_owned()),
        Edit::Put(json!({"id": "has one"})),
        Edit::Put(json!({"id": null})),
    ]);
    desk().identify(&mut update, &mut || ids.next().unwrap());
    let expected = vec![
        Edit::Put(json!({"id": "new-1", "text": "first"})),
        Edit::Remove("x".to_owned()),
        Edit::Put(json!({"id": "has one"})),
        Edit::Put(json!({"id": "new-2"})),
    ];
    assert_eq!(update.messages, Some(expected));
}

#[test]
fn the_greatest_and_the_least_stay() {
    let both = |value: i64| Desk::update().highest(value).lowest(value);
    check(
        &desk(),
        [both(3), both(5), both(4)],
        expect![[r#"
        highest: 5
        lowest: 3"#]],
    );
    let before = Desk { highest: Some(4), lowest: Some(4), ..desk() };
    check(
        &before,
        [both(3), both(5)],
        expect![[r#"
        highest: 5
        lowest: 3"#]],
    );
    check(&before, [Desk::update().highest(None).lowest(None)], expect![""]);
}

#[test]
fn nan_is_no_candidate() {
    check(&desk(), [Desk::update().risk(f64::NAN)], expect![""]);
    check(&desk(), [Desk::update().risk(f64::NAN), Desk::update().risk(0.5)], expect!["risk: 0.5"]);
    let keep = |mut value: Option<f64>, written: f64| {
        let mut writes = [Write { node: "a", task: 0, update: Some(Some(written)) }];
        Writes::new(&mut writes).max_some(&mut value, Option::take);
        value
    };
    assert_eq!(keep(None, f64::NAN), None);
    assert_eq!(keep(Some(f64::NAN), 0.5), Some(0.5));
}

#[test]
fn what_could_not_be_read_back_is_not_stored() {
    let error = desk().encode(&Desk::update().risk(f64::NAN)).unwrap_err();
    expect!["an update could not be read back from JSON: invalid type: null, expected f64 at line 1 column 12; is a float in it NaN or infinite?"].assert_eq(&error.to_string());
    let error = Desk { risk: f64::INFINITY, ..desk() }.save(&mut Saved::default()).unwrap_err();
    expect!["field `risk` could not be read back from JSON: invalid type: null, expected f64 at line 1 column 4; is a float in it NaN or infinite?"].assert_eq(&error.to_string());
    let keyed = BTreeMap::from([(vec![1], 1)]);
    let error = Saved::default().put("keyed", &keyed).unwrap_err();
    expect!["field `keyed` has no form in JSON: key must be a string"].assert_eq(&error.to_string());
}

#[test]
fn sums_that_do_not_fit_are_errors() {
    check(
        &desk(),
        [Desk::update().tokens(2).cost(0.5), Desk::update().tokens(3).cost(0.25)],
        expect![[r#"
        cost: 0.75
        tokens: 5"#]],
    );
    check(
        &desk(),
        [Desk::update().tokens(u64::MAX), Desk::update().tokens(1)],
        expect!["Limit: the sum `tokens` does not fit its type after what `b` added"],
    );
    check(
        &desk(),
        [Desk::update().cost(f64::MAX), Desk::update().cost(f64::MAX)],
        expect!["Limit: the sum `cost` does not fit its type after what `b` added"],
    );
    check(
        &desk(),
        [Desk::update().cost(f64::NAN)],
        expect!["Limit: the sum `cost` does not fit its type after what `a` added"],
    );
    assert_eq!(Duration::MAX.plus(&Duration::from_nanos(1)), None);
}

#[test]
fn a_function_folds_or_fails() {
    check(
        &desk(),
        [Desk::update().title("on desks"), Desk::update().title("short")],
        expect![[r#"title: "on desks""#]],
    );
    check(
        &desk(),
        [Desk::update().title("on desks"), Desk::update().title("")],
        expect!["BadInput: folding what `b` wrote into `title`: a title is empty"],
    );
}

#[test]
fn an_ephemeral_value_lasts_for_one_superstep() {
    let hinted = step(&desk(), [Desk::update().hint("left".to_owned())]).unwrap();
    assert_eq!(hinted.hint.as_deref(), Some("left"));
    check(&hinted, [Desk::update().hint("right".to_owned())], expect![[r#"hint: "right""#]]);
    check(&hinted, [], expect!["hint: null"]);
}

#[test]
fn untracked_values_are_kept_but_not_stored() {
    let update = Desk::update().scratch(1).route("x".to_owned());
    let after = step(&desk(), [update.clone()]).unwrap();
    assert_eq!(after.scratch, Some(1));
    assert!(!saved(&after).contains("scratch"));
    expect![[r#"{"route":"x"}"#]].assert_eq(&desk().encode(&update).unwrap());
    assert_eq!(desk().written(&update), ["route", "scratch"]);
}

#[test]
fn a_written_null_survives_being_stored() {
    let update = Desk::update().route(None).replace_items(vec![1]).messages([Edit::<Value>::Clear]);
    let text = desk().encode(&update).unwrap();
    expect![[r#"{"route":null,"items":{"replace":[1]},"messages":["clear"]}"#]].assert_eq(&text);
    let back: DeskUpdate = serde_json::from_str(&text).unwrap();
    assert_eq!(back.route, Some(None));
    assert_eq!(back.hint, None);
    assert_eq!(format!("{back:?}"), "DeskUpdate(route, items, messages)");
}

#[test]
fn what_is_not_saved_stays_as_in_the_blank_state() {
    let blank = Desk { title: "blank".to_owned(), route: Some("blank".to_owned()), ..desk() };
    let mut saved: Saved = serde_json::from_str(r#"{"route": null, "tokens": 3, "gone": 1}"#).unwrap();
    let desk = blank.load(&mut saved).unwrap();
    assert_eq!((desk.title.as_str(), desk.route, desk.tokens), ("blank", None, 3));
    assert_eq!(saved.fields().collect::<Vec<_>>(), ["gone"]);
    let error = blank.load(&mut serde_json::from_str(r#"{"tokens": "three"}"#).unwrap()).map(drop).unwrap_err();
    expect![[r#"Corrupt: field `tokens` does not fit its type any more: invalid type: string "three", expected u64 at line 1 column 7; give the graph a `migration` (caused by Error("invalid type: string \"three\", expected u64", line: 1, column: 7))"#]].assert_eq(&format!("{error:?}"));
}

#[test]
fn fields_are_described_in_order() {
    let fields: Vec<_> = desk().fields().iter().map(|field| format!("{}: {}", field.name, field.rule)).collect();
    expect![[r#"
        route: last
        items: append
        facts: merge
        messages: messages
        highest: max
        lowest: min
        risk: max
        tokens: sum
        cost: sum
        scratch: untracked
        hint: ephemeral
        title: custom"#]]
    .assert_eq(&fields.join("\n"));
    assert!(Rule::Custom.takes_many() && !Rule::Ephemeral.takes_many());
}
