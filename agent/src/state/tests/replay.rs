//! Any run ends in the same state whether its fields are typed or JSON, and whether the state is kept in memory or
//! read back from what was stored of each superstep.

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

use super::*;

/// What one task writes, for both kinds of state.
#[derive(Debug, Clone)]
struct Written {
    route: Option<Option<String>>,
    items: Option<Vec<i64>>,
    all_items: Option<Vec<i64>>,
    facts: Option<BTreeMap<String, i64>>,
    all_facts: Option<BTreeMap<String, i64>>,
    messages: Option<Vec<Edit<Value>>>,
    limits: Option<(Option<i64>, Option<i64>)>,
    floats: Option<(f64, f64)>,
    tokens: Option<u32>,
    title: Option<String>,
    scratch: Option<Option<i64>>,
    hint: Option<Option<String>>,
}

fn written() -> impl Strategy<Value = Written> {
    let facts = || of(btree_map("[a-c]", any::<i64>(), 0..3));
    let items = || of(vec(any::<i64>(), 0..3));
    let text = || rarely(of(of("[a-z]{0,3}")));
    let first = (text(), items(), rarely(items()), facts(), rarely(facts()), of(vec(edit(), 0..3)));
    let limits = of((of(any::<i64>()), of(any::<i64>())));
    let floats = of((-1e6..1e6, -1e6..1e6));
    let rest = (limits, floats, of(any::<u32>()), of("[a-z]{0,9}"), rarely(of(of(any::<i64>()))), text());
    (first, rest).prop_map(|(first, rest)| {
        let (route, items, all_items, facts, all_facts, messages) = first;
        let (limits, floats, tokens, title, scratch, hint) = rest;
        Written { route, items, all_items, facts, all_facts, messages, limits, floats, tokens, title, scratch, hint }
    })
}

fn rarely<T: std::fmt::Debug + Clone>(strategy: impl Strategy<Value = Option<T>>) -> impl Strategy<Value = Option<T>> {
    (strategy, 0..4).prop_map(|(value, die)| value.filter(|_| die == 0))
}

fn edit() -> impl Strategy<Value = Edit<Value>> {
    let put = |(id, text): (Option<String>, i64)| match id {
        Some(id) => Edit::Put(json!({"id": id, "text": text})),
        None => Edit::Put(json!({"text": text})),
    };
    prop_oneof![
        6 => (of("[a-c]"), any::<i64>()).prop_map(put),
        2 => "[a-c]".prop_map(Edit::Remove),
        1 => Just(Edit::Clear),
    ]
}

impl Written {
    fn typed(self) -> DeskUpdate {
        DeskUpdate {
            route: self.route,
            items: change(self.all_items, self.items),
            facts: change(self.all_facts, self.facts),
            messages: self.messages,
            highest: self.limits.map(|(highest, _)| highest),
            lowest: self.limits.map(|(_, lowest)| lowest),
            risk: self.floats.map(|(risk, _)| risk),
            tokens: self.tokens.map(u64::from),
            cost: self.floats.map(|(_, cost)| cost),
            title: self.title,
            scratch: self.scratch,
            hint: self.hint,
        }
    }

    fn json(self) -> JsonUpdate {
        let edit = |edit| match edit {
            Edit::Put(message) => message,
            Edit::Remove(id) => json!({"$remove": id}),
            Edit::Clear => json!({"$clear": true}),
        };
        let set = [
            ("route", self.route.map(Value::from)),
            ("items", self.items.map(Value::from)),
            ("facts", self.facts.map(|facts| json!(facts))),
            ("messages", self.messages.map(|edits| edits.into_iter().map(edit).collect())),
            ("highest", self.limits.map(|(highest, _)| highest.into())),
            ("lowest", self.limits.map(|(_, lowest)| lowest.into())),
            ("risk", self.floats.map(|(risk, _)| risk.into())),
            ("tokens", self.tokens.map(Value::from)),
            ("cost", self.floats.map(|(_, cost)| cost.into())),
            ("title", self.title.map(Value::from)),
            ("scratch", self.scratch.map(Value::from)),
            ("hint", self.hint.map(Value::from)),
        ];
        let replace = [("items", self.all_items.map(Value::from)), ("facts", self.all_facts.map(|facts| json!(facts)))];
        let update = written_only(replace).fold(JsonUpdate::new(), |update, (name, all)| update.replace(name, all));
        written_only(set).fold(update, |update, (name, value)| update.set(name, value))
    }
}

fn change<C: Extend<C::Item> + IntoIterator>(all: Option<C>, added: Option<C>) -> Option<Change<C>> {
    let Some(mut all) = all else { return added.map(Change::Add) };
    all.extend(added.into_iter().flatten());
    Some(Change::Replace(all))
}

fn written_only<const N: usize>(fields: [(&str, Option<Value>); N]) -> impl Iterator<Item = (&str, Value)> {
    fields.into_iter().filter_map(|(name, value)| Some((name, value?)))
}

fn blank() -> Json {
    let fields = [
        ("route", Rule::Last, json!(null)),
        ("items", Rule::Append, json!([])),
        ("facts", Rule::Merge, json!({})),
        ("messages", Rule::Messages, json!([])),
        ("highest", Rule::Max, json!(null)),
        ("lowest", Rule::Min, json!(null)),
        ("risk", Rule::Max, json!(0.0)),
        ("tokens", Rule::Sum, json!(0)),
        ("cost", Rule::Sum, json!(0.0)),
        ("scratch", Rule::Untracked, json!(null)),
        ("hint", Rule::Ephemeral, json!(null)),
    ];
    let fold = |kept: &mut Value, written: Value| {
        let mut title = kept.as_str().unwrap().to_owned();
        longer(&mut title, written.as_str().unwrap().to_owned())?;
        *kept = title.into();
        Ok(())
    };
    Json::new(fields).unwrap().custom("title", json!(""), fold).unwrap()
}

/// Runs supersteps, of which one that fails changes nothing, and returns what each ended in. What is read back from
/// the text of the updates is held against it, from the beginning and from every state on the way. What a state ended
/// in is a value and not a text: whether a JSON map keeps its order is for the program that is built to say.
fn run<S: State>(blank: &S, steps: &[Vec<S::Update>]) -> Vec<Result<Value, String>> {
    let mut ids = (0..).map(|id| format!("new-{id}"));
    let mut state = blank.clone();
    let mut replayed = blank.clone();
    let mut ends = Vec::new();
    for step in steps {
        let mut updates = step.clone();
        for update in &mut updates {
            state.identify(update, &mut || ids.next().unwrap());
        }
        let stored: Vec<String> = updates.iter().map(|update| state.encode(update).unwrap()).collect();
        match super::step(&state, updates) {
            Ok(next) => {
                let decoded = stored.iter().map(|text| serde_json::from_str(text).unwrap());
                replayed = super::step(&replayed, decoded).unwrap();
                assert_eq!(saved(&replayed), saved(&next));
                replayed = blank.load(&mut serde_json::from_str(&saved(&next)).unwrap()).unwrap();
                assert_eq!(saved(&replayed), saved(&next));
                ends.push(Ok(serde_json::from_str(&saved(&next)).unwrap()));
                state = next;
            }
            Err(error) => ends.push(Err(format!("{error:?}"))),
        }
    }
    ends
}

proptest! {
    #[test]
    fn typed_and_json_states_agree_and_replay(steps in vec(vec(written(), 0..3), 1..6)) {
        let typed: Vec<Vec<_>> = steps.iter().map(|step| step.iter().cloned().map(Written::typed).collect()).collect();
        let json: Vec<Vec<_>> = steps.into_iter().map(|step| step.into_iter().map(Written::json).collect()).collect();
        prop_assert_eq!(run(&desk(), &typed), run(&blank(), &json));
    }
}
