//! What a state of JSON values refuses, and where it has more to decide than the typed one.

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;
use crate::state::Write;

fn state() -> Json {
    let fields = [
        ("route", Rule::Last, json!(null)),
        ("hits", Rule::Append, json!(["old"])),
        ("facts", Rule::Merge, json!({"old": 0})),
        ("messages", Rule::Messages, json!([{"id": "1", "text": "one"}])),
        ("risk", Rule::Max, json!(null)),
        ("price", Rule::Min, json!(9)),
        ("tokens", Rule::Sum, json!(0)),
        ("scratch", Rule::Untracked, json!(null)),
        ("hint", Rule::Ephemeral, json!("none")),
    ];
    Json::new(fields).unwrap()
}

fn step(state: &Json, updates: impl IntoIterator<Item = Value>) -> Result<Json> {
    let updates = updates.into_iter().map(|update| JsonUpdate::try_from(update).unwrap());
    let mut writes: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .zip(0..)
        .zip(updates)
        .map(|((node, task), update)| Write { node, task, update })
        .collect();
    let mut next = state.clone();
    next.apply(&mut Writes::new(&mut writes))?;
    Ok(next)
}

/// Shows what becomes of a state: the fields that change, or the error.
#[expect(clippy::needless_pass_by_value, reason = "as `expect!` gives it")]
fn check<const N: usize>(updates: [Value; N], expected: Expect) {
    let before = state();
    let shown = match step(&before, updates) {
        Ok(after) => {
            let changed = after.entries().filter(|(field, value)| before.get(&field.name) != Some(value));
            changed.map(|(field, value)| format!("{}: {value}", field.name)).collect::<Vec<_>>().join("\n")
        }
        Err(error) => format!("{error:?}"),
    };
    expected.assert_eq(&shown);
}

#[test]
fn updates_are_plain_objects() {
    check(
        [json!({"route": "x", "hits": ["new"], "facts": {"young": 1}})],
        expect![[r#"
        route: "x"
        hits: ["old","new"]
        facts: {"old":0,"young":1}"#]],
    );
    check([json!({"hits": ["a"]}), json!({"$replace": {"hits": [1]}, "hits": [2]})], expect![[r#"hits: [1,2,"a"]"#]]);
    check([json!({"facts": {"k": 1}}), json!({"$replace": {"facts": {}}})], expect![[r#"facts: {"k":1}"#]]);
    check([json!({"hint": "left"})], expect![[r#"hint: "left""#]]);
    check([json!({"route": null, "risk": null})], expect![""]);
}

#[test]
fn messages_are_edited_by_id() {
    let put = json!({"messages": [{"id": "1", "text": "new"}, {"id": "2"}]});
    check([put.clone()], expect![[r#"messages: [{"id":"1","text":"new"},{"id":"2"}]"#]]);
    check([put.clone(), json!({"messages": [{"$remove": "1"}]})], expect![[r#"messages: [{"id":"2"}]"#]]);
    check([put, json!({"messages": [{"$clear": true}, {"id": "3"}]})], expect![[r#"messages: [{"id":"3"}]"#]]);
    check(
        [json!({"messages": [{"$remove": "7"}]})],
        expect!["BadInput: `a` writing `messages`: no message has the id `7` to be removed"],
    );
}

#[test]
fn numbers_stay_integers_while_they_can() {
    check([json!({"tokens": 1}), json!({"tokens": 2})], expect!["tokens: 3"]);
    check([json!({"tokens": 1}), json!({"tokens": 0.5})], expect!["tokens: 1.5"]);
    check(
        [json!({"tokens": u64::MAX}), json!({"tokens": 1})],
        expect!["Limit: the sum `tokens` does not fit its type after what `b` added"],
    );
    check(
        [json!({"tokens": f64::MAX}), json!({"tokens": f64::MAX})],
        expect!["Limit: the sum `tokens` does not fit its type after what `b` added"],
    );
    // As floats the two would be the same.
    check([json!({"risk": (1_u64 << 53)}), json!({"risk": (1_u64 << 53) + 1})], expect!["risk: 9007199254740993"]);
    check([json!({"risk": 1}), json!({"risk": 1.5}), json!({"risk": -2})], expect!["risk: 1.5"]);
    check([json!({"price": 10}), json!({"price": 8.5})], expect!["price: 8.5"]);
    let nothing = Json::new([("total", Rule::Sum, json!(null))]).unwrap();
    assert_eq!(step(&nothing, [json!({})]).unwrap().get("total"), Some(&json!(null)));
    assert_eq!(step(&nothing, [json!({"total": 2}), json!({"total": 3})]).unwrap().get("total"), Some(&json!(5)));
}

#[test]
fn conflicts_name_both_nodes() {
    check(
        [json!({"route": 1}), json!({}), json!({"route": 1})],
        expect![
            "Conflict: `a` and `c` wrote `route` in the same superstep, which keeps one value; give the field a rule such as `append`, or let only one of them write it"
        ],
    );
    check(
        [json!({"$replace": {"hits": []}}), json!({"$replace": {"hits": []}})],
        expect!["Conflict: `a` and `b` replaced all of `hits` in the same superstep; let only one of them"],
    );
}

#[test]
fn unknown_fields_are_refused() {
    check(
        [json!({"rotue": 1})],
        expect!["BadInput: `a` wrote `rotue`, which is no field of the state; did you mean `route`?"],
    );
    check(
        [json!({}), json!({"$replace": {"hit": []}})],
        expect!["BadInput: `b` wrote `hit`, which is no field of the state; did you mean `hint`?"],
    );
    check(
        [json!({"colour": "blue"})],
        expect![
            "BadInput: `a` wrote `colour`, which is no field of the state; fields are: route, hits, facts, messages, risk, price, tokens, scratch, hint"
        ],
    );
    check(
        [json!({"$replace": []})],
        expect![
            "BadInput: `a` wrote something else than an object of fields to `$replace`; write what replaces them by name"
        ],
    );
}

#[test]
fn what_does_not_fit_the_rule_is_refused() {
    check(
        [json!({}), json!({"hits": "one"})],
        expect!["BadInput: `b` wrote a string to `hits`, whose rule `append` takes an array of what is added"],
    );
    check(
        [json!({"facts": []})],
        expect!["BadInput: `a` wrote an array to `facts`, whose rule `merge` takes an object of what is put into it"],
    );
    check(
        [json!({"tokens": "12"})],
        expect!["BadInput: `a` wrote a string to `tokens`, whose rule `sum` takes a number"],
    );
    check([json!({"tokens": null})], expect!["BadInput: `a` wrote null to `tokens`, whose rule `sum` takes a number"]);
    check(
        [json!({"risk": true})],
        expect!["BadInput: `a` wrote a boolean to `risk`, whose rule `max` takes a number or null"],
    );
    check(
        [json!({"messages": {"id": "1"}})],
        expect!["BadInput: `a` wrote an object to `messages`, whose rule `messages` takes an array of messages"],
    );
    check(
        [json!({"messages": ["one"]})],
        expect!["BadInput: `a` wrote `messages` with a string in it, but a message is an object"],
    );
    check(
        [json!({"messages": [{"id": 1}]})],
        expect!["BadInput: `a` wrote `messages` with a message in it whose `id` is no string"],
    );
    check(
        [json!({"messages": [{"$remove": 1}]})],
        expect![[r#"BadInput: `a` wrote `messages` with a removal that is not of the form `{"$remove": "id"}`"#]],
    );
    check(
        [json!({"messages": [{"$clear": false}]})],
        expect![[r#"BadInput: `a` wrote `messages` with a clearance that is not of the form `{"$clear": true}`"#]],
    );
    check(
        [json!({"messages": [{"$clear": true, "id": "1"}]})],
        expect![[r#"BadInput: `a` wrote `messages` with a clearance that is not of the form `{"$clear": true}`"#]],
    );
}

#[test]
fn only_lists_and_maps_are_replaced() {
    check(
        [json!({"$replace": {"hits": {}}})],
        expect!["BadInput: `a` replaced `hits` with an object, but the rule `append` keeps an array"],
    );
    check(
        [json!({"$replace": {"tokens": 3}})],
        expect!["BadInput: `a` replaced `tokens`, whose rule is `sum`; only `append` and `merge` have a replacement"],
    );
    check(
        [json!({"$replace": {"messages": []}})],
        expect![[
            r#"BadInput: `a` replaced `messages`, whose rule is `messages`; write `{"$clear": true}` before what is put"#
        ]],
    );
}

#[test]
fn a_faulty_declaration_is_told_all_its_faults() {
    let fields = [
        ("", Rule::Last, json!(1)),
        ("$replace", Rule::Last, json!(1)),
        ("twice", Rule::Append, json!(null)),
        ("twice", Rule::Merge, json!([])),
        ("sum", Rule::Sum, json!("0")),
        ("messages", Rule::Messages, json!([{"id": 3}])),
        ("fold", Rule::Custom, json!(0)),
    ];
    let error = Json::new(fields).unwrap_err();
    expect![[r#"
        a field has an empty name
        `$replace` begins with `$`, which is for instructions in updates
        `twice` starts with null, but the rule `append` keeps an array
        `twice` starts with an array, but the rule `merge` keeps an object
        `twice` is declared twice
        `sum` starts with a string, but the rule `sum` keeps a number or null
        `messages` starts with a message in it whose `id` is no string
        `fold` needs a function that folds: add it with `Json::custom`"#]]
    .assert_eq(&error.message().replace("; ", "\n"));
    let error = state().custom("route", json!(0), |_: &mut Value, _| {}).unwrap_err();
    expect!["BadInput: `route` is declared twice"].assert_eq(&format!("{error:?}"));
}

#[test]
fn a_function_folds_or_fails() {
    let fold = |kept: &mut Value, written: Value| {
        let written = written.as_i64().ok_or_else(|| Error::new(Kind::BadInput, "a product is of integers"))?;
        *kept = json!(kept.as_i64().unwrap_or(1) * written);
        Ok(())
    };
    let state = state().custom("product", json!(2), fold).unwrap();
    let after = step(&state, [json!({"product": 3}), json!({"product": 7})]).unwrap();
    assert_eq!(after.get("product"), Some(&json!(42)));
    let error = step(&state, [json!({"product": "x"})]).unwrap_err();
    expect!["folding what `a` wrote into `product`: a product is of integers"].assert_eq(&error.to_string());
}

#[test]
fn an_ephemeral_value_falls_back_to_its_start() {
    let hinted = step(&state(), [json!({"hint": "left"})]).unwrap();
    let after = step(&hinted, []).unwrap();
    assert_eq!(after.get("hint"), Some(&json!("none")));
}

#[test]
fn untracked_values_are_kept_but_not_stored() {
    let update = JsonUpdate::new().set("scratch", 1).set("route", "x").replace("hits", json!([]));
    expect![[r#"{"route":"x","$replace":{"hits":[]}}"#]].assert_eq(&state().encode(&update).unwrap());
    let mut writes = [Write { node: "a", task: 0, update }];
    let mut after = state();
    after.apply(&mut Writes::new(&mut writes)).unwrap();
    assert_eq!(after.get("scratch"), Some(&json!(1)));
    let mut saved = Saved::default();
    after.save(&mut saved).unwrap();
    assert!(!saved.fields().any(|field| field == "scratch"));
    let back = state().load(&mut saved).unwrap();
    assert_eq!(back.get("scratch"), Some(&json!(null)));
    assert_eq!(back.get("route"), Some(&json!("x")));
}

#[test]
fn saved_values_must_fit_and_others_are_left() {
    let load = |text: &str| state().load(&mut serde_json::from_str(text).unwrap());
    let state = load(r#"{"route": "x", "gone": 1}"#).unwrap();
    assert_eq!(state.get("route"), Some(&json!("x")));
    assert_eq!(state.get("tokens"), Some(&json!(0)));
    assert_eq!(state.get("gone"), None);
    let error = load(r#"{"hits": {"a": 1}}"#).unwrap_err();
    expect!["Corrupt: field `hits` was saved with an object, but the rule `append` keeps an array; give the graph a `migration`"].assert_eq(&format!("{error:?}"));
}

#[test]
fn messages_without_an_id_get_one() {
    let mut ids = (1..).map(|id| format!("new-{id}"));
    let messages = json!([{"text": "a"}, {"$remove": "1"}, {"$clear": true}, {"id": "2"}, {"id": null}, {"id": 5}, 6]);
    let mut update = JsonUpdate::new().set("messages", messages).set("hits", json!([{}]));
    state().identify(&mut update, &mut || ids.next().unwrap());
    let expected = json!([
        {"id": "new-1", "text": "a"}, {"$remove": "1"}, {"$clear": true}, {"id": "2"}, {"id": "new-2"}, {"id": 5}, 6
    ]);
    assert_eq!(update, JsonUpdate::new().set("messages", expected).set("hits", json!([{}])));
}

#[test]
fn updates_and_states_are_shown_and_read_as_objects() {
    let update = JsonUpdate::new().set("hits", json!([1])).replace("hits", json!([2])).set("hits", json!([3]));
    let text = serde_json::to_string(&update).unwrap();
    expect![[r#"{"hits":[3],"$replace":{"hits":[2]}}"#]].assert_eq(&text);
    assert_eq!(serde_json::from_str::<JsonUpdate>(&text).unwrap(), update);
    assert_eq!(state().written(&update), ["hits"]);
    let error = JsonUpdate::try_from(json!([1])).unwrap_err();
    expect!["BadInput: an update is an object of the fields that it writes, not an array"]
        .assert_eq(&format!("{error:?}"));
    let small = Json::new([("b", Rule::Last, json!(1)), ("a", Rule::Last, json!(2))]).unwrap();
    assert_eq!(serde_json::to_string(&small).unwrap(), r#"{"b":1,"a":2}"#);
    assert_eq!(Value::Object(small.object()), json!({"a": 2, "b": 1}));
    assert_eq!(format!("{small:?}"), r#"{"b": Number(1), "a": Number(2)}"#);
}
