//! A thousand random schemas, and a model that says random things: whatever it finishes must satisfy the schema.

use std::collections::BTreeMap;

use super::*;
use crate::Request;
use crate::local::{Defaults, Sampler, Sampling};

const SCHEMAS: u64 = 1000;
/// A model that has said so much is cut off; its answer is then no answer.
const TOKENS_MAX: usize = 600;

/// What may be refused. The last is no matter of keywords: some random schemas ask for what cannot be.
const REFUSALS: [&str; 13] = [
    "`dependentRequired`",
    "`format: regex`",
    "`format: uri-reference`",
    "`if`",
    "`minProperties`",
    "`not`",
    "`oneOf` cannot be enforced where two of its cases may hold at once",
    "`patternProperties` cannot be enforced where one name may match two patterns",
    "`pattern` is too complex",
    "`propertyNames`",
    "`unevaluatedProperties`",
    "`uniqueItems`",
    "no answer satisfies it",
];

/// SplitMix64; what `proptest` draws would differ from version to version.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        list[usize::try_from(self.below(list.len() as u64)).expect("it is an index")].clone()
    }

    fn number(&mut self) -> Value {
        let whole = i64::try_from(self.below(2000)).expect("it is small") - 1000;
        if self.one_in(3) { json!(whole as f64 / 8.0) } else { json!(whole) }
    }

    fn text(&mut self) -> String {
        self.pick(&["", "a", "red", "dark \"blue\"", "日本", "a\nb", "\\", "né/à", "true", "12", "\t", "{}"]).to_owned()
    }
}

fn schema(dice: &mut Dice, depth: u32) -> Value {
    let kinds = if depth == 0 { 8 } else { 14 };
    match dice.below(kinds) {
        0 => json!({"type": dice.pick(&["null", "boolean"])}),
        1 => number(dice, "integer"),
        2 => number(dice, "number"),
        3 | 4 => string(dice),
        5 => literal(dice),
        6 => json!({"$ref": dice.pick(&["#/$defs/leaf", "#/$defs/chain", "#/$defs/tree"])}),
        7 => nullable(dice),
        8 | 9 => array(dice, depth - 1),
        10 => choice(dice, depth - 1),
        _ => object(dice, depth - 1),
    }
}

fn number(dice: &mut Dice, kind: &str) -> Value {
    let mut schema = json!({"type": kind});
    let low = i64::try_from(dice.below(200)).expect("it is small") - 100;
    let high = low + i64::try_from(dice.below(150)).expect("it is small") + 12;
    if dice.one_in(2) {
        let low = if kind == "number" { json!(low as f64 + 0.25) } else { json!(low) };
        schema[dice.pick(&["minimum", "exclusiveMinimum"])] = low;
    }
    if dice.one_in(2) {
        let high = if kind == "number" { json!(high as f64 - 0.125) } else { json!(high) };
        schema[dice.pick(&["maximum", "exclusiveMaximum"])] = high;
    }
    if dice.one_in(5) {
        schema["multipleOf"] = if kind == "number" {
            dice.pick(&[json!(0.5), json!(2), json!(0.25)])
        } else {
            dice.pick(&[json!(3), json!(10)])
        };
    }
    if kind == "integer" && dice.one_in(6) {
        schema["format"] = json!(dice.pick(&["int32", "uint8", "int64", "uint64"]));
        schema.as_object_mut().expect("it is one").retain(|key, _| ["type", "format"].contains(&key.as_str()));
    }
    schema
}

fn string(dice: &mut Dice) -> Value {
    let mut schema = json!({"type": "string"});
    match dice.below(4) {
        0 => {
            let least = dice.below(5);
            schema["minLength"] = json!(least);
            schema["maxLength"] = json!(least + dice.below(20));
        }
        1 => {
            let patterns = [
                "^[a-z]+$",
                "^\\d{3}-\\d{4}$",
                "^(foo|bar)",
                "[0-9]$",
                "^\\w{2,5}$",
                "a.c",
                "^[^\"]{1,8}$",
                "^$|^x",
                "^é+\\s?$",
            ];
            schema["pattern"] = json!(dice.pick(&patterns));
            if dice.one_in(6) {
                schema["maxLength"] = json!(12);
            }
        }
        2 => {
            let formats = ["date", "time", "date-time", "email", "uuid", "ipv4", "ipv6", "hostname", "duration", "uri"];
            schema["format"] = json!(dice.pick(&formats));
            if dice.one_in(20) {
                schema["format"] = json!(dice.pick(&["uri-reference", "regex"]));
            }
        }
        _ => {}
    }
    schema
}

fn literal(dice: &mut Dice) -> Value {
    let value = |dice: &mut Dice| match dice.below(6) {
        0 => Value::Null,
        1 => json!(dice.one_in(2)),
        2 => dice.number(),
        3 => json!({"k": dice.number(), "\"": [dice.text()]}),
        _ => json!(dice.text()),
    };
    if dice.one_in(3) {
        return json!({"const": value(dice)});
    }
    json!({"enum": (0..=dice.below(4)).map(|_| value(dice)).collect::<Vec<_>>()})
}

fn nullable(dice: &mut Dice) -> Value {
    if dice.one_in(2) {
        return json!({"anyOf": [schema(dice, 0), {"type": "null"}]});
    }
    json!({"type": [dice.pick(&["string", "integer", "number", "boolean"]), "null"]})
}

fn array(dice: &mut Dice, depth: u32) -> Value {
    let mut array = json!({"type": "array"});
    if !dice.one_in(8) {
        array["items"] = schema(dice, depth);
    }
    if dice.one_in(4) {
        array["prefixItems"] = json!([schema(dice, 0), schema(dice, 0)]);
    }
    let least = dice.below(3);
    if dice.one_in(2) {
        array["minItems"] = json!(least);
    }
    if dice.one_in(2) {
        array["maxItems"] = json!(least + dice.below(4));
    }
    if dice.one_in(8) {
        array["uniqueItems"] = json!(dice.one_in(3));
    }
    array
}

fn choice(dice: &mut Dice, depth: u32) -> Value {
    let key = dice.pick(&["anyOf", "anyOf", "anyOf", "oneOf", "allOf"]);
    if key == "allOf" {
        let one = json!({"type": "object", "properties": {"l": schema(dice, depth)}, "required": ["l"]});
        let other = json!({"properties": {"r": schema(dice, 0)}, "required": ["r"], "additionalProperties": true});
        return json!({"allOf": [one, other]});
    }
    let tagged = key == "oneOf" && dice.one_in(2);
    let cases = (0..2 + dice.below(2)).map(|index| match tagged {
        true => json!({"type": "object", "properties": {"kind": {"const": format!("k{index}")}, "value": schema(dice, depth)},
            "required": ["kind"]}),
        false => schema(dice, depth),
    });
    json!({key: cases.collect::<Vec<_>>()})
}

fn object(dice: &mut Dice, depth: u32) -> Value {
    let names = ["name", "a\"b", "größe", "id", "x y", "tags", "é\\", "n"];
    let mut object = json!({"type": "object", "properties": {}});
    let mut required = Vec::new();
    for name in names.iter().take(usize::try_from(dice.below(6)).expect("it is small")) {
        object["properties"][*name] = schema(dice, depth);
        if dice.one_in(2) {
            required.push(*name);
        }
    }
    if dice.one_in(20) {
        required.push("unlisted");
    }
    object["required"] = json!(required);
    match dice.below(6) {
        0 => object["additionalProperties"] = json!(true),
        1 => object["additionalProperties"] = schema(dice, 0),
        2 | 3 => object["additionalProperties"] = json!(false),
        _ => {}
    }
    if dice.one_in(12) {
        object["minProperties"] = json!(required.len() as u64 + dice.below(3));
    }
    if dice.one_in(12) {
        object["maxProperties"] = json!(required.len() as u64 + 1 + dice.below(3));
    }
    if dice.one_in(12) {
        object["patternProperties"] = json!({"^p_": schema(dice, 0), "_q$": schema(dice, 0)});
    } else if dice.one_in(12) {
        object["patternProperties"] = json!({"^[a-z]{4}$": {"type": "string"}});
    }
    if dice.one_in(30) {
        let (key, value) = dice.pick(&[
            ("not", json!({"required": ["zzz"]})),
            ("propertyNames", json!({"maxLength": 9})),
            ("dependentRequired", json!({"id": ["name"]})),
            ("unevaluatedProperties", json!(false)),
            ("if", json!({"required": ["id"]})),
        ]);
        object[key] = value;
    }
    object
}

fn root(seed: u64) -> Value {
    let mut dice = Dice(seed);
    let mut root = schema(&mut dice, 3);
    root["$defs"] = json!({
        "leaf": schema(&mut dice, 0),
        "chain": {"type": "object", "properties": {"value": {"type": "boolean"}, "next": {"anyOf": [{"$ref": "#/$defs/chain"},
            {"type": "null"}]}}, "required": ["value", "next"]},
        "tree": {"type": "array", "items": {"$ref": "#/$defs/tree"}, "maxItems": 3},
    });
    // A leaf that is itself.
    if root["$defs"]["leaf"] == json!({"$ref": "#/$defs/leaf"}) {
        root["$defs"]["leaf"] = json!(true);
    }
    root
}

/// What a model says that draws at random, but longs for an end the more it has said.
fn say(matcher: &mut Matcher, vocabulary: &Vocabulary, seed: u64) -> Option<String> {
    let request = Request::default().temperature(1.0).top_k(0).top_p(1.0).seed(seed).extra("min_p", 0.0);
    let mut sampler = Sampler::new(Sampling::new(&request, &Defaults::default()).unwrap());
    let mut dice = Dice(seed);
    let ids = 0..u32::try_from(vocabulary.len()).unwrap();
    // A string ends as soon as it can; what may also be in a string comes later, with what patterns and formats wait for.
    let longed_for = |id: u32| match vocabulary.bytes(id) {
        [b'"', ..] => 0.12,
        b"]" | b"}" | b"null" | b"c" | b"1" | b":" | b"@" => 0.06,
        _ if vocabulary.stops().contains(&id) => 0.12,
        _ => 0.0,
    };
    let longed_for: Vec<f32> = ids.map(longed_for).collect();
    let mut said = Vec::new();
    for step in 0..TOKENS_MAX {
        let mut forced = matcher.forced().unwrap().into_iter();
        let mut next = forced.next();
        if next.is_none() {
            let logit = |longed_for: &f32| (dice.below(600) as f32) / 100.0 + longed_for * step as f32;
            let mut logits: Vec<f32> = longed_for.iter().map(logit).collect();
            next = Some(sampler.next(&mut logits, Some(matcher.mask().unwrap())).unwrap());
        }
        while let Some(token) = next {
            matcher.accept(token).unwrap();
            if vocabulary.stops().contains(&token) {
                return Some(String::from_utf8(said).unwrap());
            }
            said.extend_from_slice(vocabulary.bytes(token));
            next = forced.next();
        }
        if matcher.is_over() {
            return Some(String::from_utf8(said).unwrap());
        }
    }
    None
}

/// Runs as many schemas as it is told to, from a seed on; `LOREWELL_SCHEMAS` asks for more than usual.
#[test]
#[expect(clippy::print_stdout, reason = "it says what was refused, and why")]
fn what_a_random_model_finishes_satisfies_a_random_schema() {
    let asked = std::env::var("LOREWELL_SCHEMAS").ok().and_then(|count| count.parse().ok());
    let vocabulary = Arc::new(vocabulary());
    let trie = vocabulary.clone();
    let plain = Grammars::new(vocabulary.clone()).unwrap();
    let forcing = Grammars::with_tokenizer(vocabulary.clone(), move |text| longest_first(&trie, text)).unwrap();
    let (mut finished, mut cut, mut refused) = (0, 0, BTreeMap::<String, u32>::new());
    for seed in 0..asked.unwrap_or(SCHEMAS) {
        let schema = root(seed);
        let grammars = if seed % 4 == 0 { &forcing } else { &plain };
        let mut matcher = match grammars.start(&Constraint::Schema(schema.clone())) {
            Ok(matcher) => matcher,
            Err(error) => {
                assert_eq!(error.kind(), Kind::BadInput, "{error}");
                let why = error.message().split(" at `#").next().unwrap_or_default().to_owned();
                *refused.entry(why).or_default() += 1;
                continue;
            }
        };
        let Some(said) = say(&mut matcher, &vocabulary, seed) else {
            cut += 1;
            continue;
        };
        finished += 1;
        let value: Value =
            serde_json::from_str(&said).unwrap_or_else(|error| panic!("{seed}: {error}: {said}\n{schema}"));
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        if let Err(error) = validator.validate(&value) {
            panic!("{seed}: {error}: {said}\n{schema}");
        }
    }
    println!("{finished} finished, {cut} cut off, refused: {refused:#?}");
    assert!(cut * 50 < finished, "{cut} of {finished} were cut off");
    let unknown = refused.keys().find(|why| !REFUSALS.iter().any(|refusal| why.starts_with(refusal)));
    assert_eq!(unknown, None, "{refused:#?}");
}

/// A tokenizer that takes the longest token at each place, as far as there is one.
fn longest_first(vocabulary: &Vocabulary, text: &str) -> Vec<u32> {
    let (mut tokens, mut rest) = (Vec::new(), text.as_bytes());
    while !rest.is_empty() {
        let ids = 0..u32::try_from(vocabulary.len()).unwrap();
        let fits = |id: &u32| vocabulary.kind(*id) == TokenKind::Text && rest.starts_with(vocabulary.bytes(*id));
        let longest = ids.filter(fits).max_by_key(|id| (vocabulary.bytes(*id).len(), u32::MAX - id));
        let longest = longest.expect("every byte is a token");
        tokens.push(longest);
        rest = &rest[vocabulary.bytes(longest).len()..];
    }
    tokens
}
