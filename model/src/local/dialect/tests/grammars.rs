//! Grammars are compiled by llguidance over a vocabulary of single bytes: they must take what the reader reads as a call, and
//! refuse the rest.

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::ApproximateTokEnv;
use llguidance::{Matcher, ParserFactory};

use super::*;

/// Whether a grammar takes a text as a whole.
fn takes(grammar: &str, text: &str) -> bool {
    let environment = ApproximateTokEnv::single_byte_env();
    let mut factory = ParserFactory::new_simple(&environment).expect("bytes are a vocabulary");
    factory.quiet();
    let mut matcher = Matcher::new(factory.create_parser(TopLevelGrammar::from_lark(grammar.to_owned())));
    assert!(!matcher.is_error(), "{:?}\n{grammar}", matcher.get_error());
    let tokens: Vec<u32> = text.bytes().map(u32::from).collect();
    let taken = matcher.try_consume_tokens(&tokens).expect("they are tokens");
    taken == tokens.len() && matcher.is_accepting().expect("it goes on")
}

fn grammar_of(dialect: Dialect, parallel: bool) -> Option<String> {
    let mut tools = tools();
    tools[0].parameters["required"] = json!(["city"]);
    dialect.grammar(&tools, &ToolChoice::Required, parallel, &|_| None)
}

#[test]
fn calls_are_taken_and_nothing_else() {
    let mut held = 0;
    for dialect in ALL {
        let Some(grammar) = grammar_of(*dialect, false) else { continue };
        held += 1;
        let call = example(*dialect, &json!({"city": "Paris", "days": 2}));
        assert!(takes(&grammar, &call), "{dialect:?} {call}\n{grammar}");
        let shown = read(*dialect, false, [&*call]);
        let json = shown[0].strip_prefix("weather: ").expect("it is a call");
        let arguments: serde_json::Value = serde_json::from_str(json).expect("it is JSON");
        assert_eq!(arguments, json!({"city": "Paris", "days": 2}), "{dialect:?}");
        for bad in [
            call.replace("weather", "weasel"),
            call.replace("city", "town"),
            call.replace('2', "two"),
            format!("x{call}"),
            "Hello".into(),
        ] {
            // A schema that says nothing against other fields lets them pass, but the city is missing then.
            assert!(!takes(&grammar, &bad), "{dialect:?} {bad}");
        }
    }
    assert_eq!(held, ALL.len() - 2, "all but those whose values are no JSON");
}

#[test]
fn two_calls_only_if_they_may_be() {
    for dialect in
        [Dialect::Hermes, Dialect::Mistral, Dialect::DeepSeek, Dialect::Kimi, Dialect::Qwen3Coder, Dialect::Cohere]
    {
        let two = two(dialect);
        assert!(takes(&grammar_of(dialect, true).expect("it has one"), &two), "{dialect:?} {two}");
        assert!(!takes(&grammar_of(dialect, false).expect("it has one"), &two), "{dialect:?} {two}");
    }
}

#[test]
fn one_tool_may_be_asked_for() {
    let grammar =
        Dialect::Hermes.grammar(&tools(), &ToolChoice::Tool("now".into()), true, &|_| None).expect("it has one");
    assert!(takes(&grammar, "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>"));
    assert!(!takes(&grammar, "<tool_call>\n{\"name\": \"weather\", \"arguments\": {}}\n</tool_call>"));
    let empty_lines = "<tool_call>\n{\"name\": \"now\", \"arguments\": {\n\n}}\n</tool_call>";
    assert!(!takes(&grammar, empty_lines), "small models would write nothing else");
    for choice in [ToolChoice::Auto, ToolChoice::None, ToolChoice::Tool("other".into())] {
        assert_eq!(Dialect::Hermes.grammar(&tools(), &choice, true, &|_| None), None);
    }
}

#[test]
fn control_tokens_are_written_as_such() {
    let token = |name: &str| (name == "[TOOL_CALLS]").then_some(5);
    let grammar = Dialect::MistralNamed.grammar(&tools(), &ToolChoice::Required, true, &token).expect("it has one");
    assert!(grammar.contains("call_2: <[5]> \"now[ARGS]\" arguments_2 \"\""), "{grammar}");
    assert!(takes(&grammar, "\u{5}now[ARGS]{}\u{5}now[ARGS]{}"));
}

#[test]
fn parameters_of_all_kinds_are_held_to_their_schema() {
    let properties = json!({"mood": {"enum": ["good", "bad"]}, "n": {"type": "number"}, "words": {"type": "string"}});
    let tool =
        ToolSpec::new("f", "", json!({"type": "object", "properties": properties, "required": ["mood", "words"]}));
    let grammar = Dialect::Qwen3Coder.grammar(&[tool], &ToolChoice::Required, false, &|_| None).expect("it has one");
    let call = |mood: &str, more: &str| {
        format!(
            "<tool_call>\n<function=f>\n<parameter=mood>\n{mood}\n</parameter>\n{more}<parameter=words>\n<a>\n\"\n</parameter>\n</function>\n</tool_call>"
        )
    };
    assert!(takes(&grammar, &call("good", "")), "{grammar}");
    assert!(takes(&grammar, &call("bad", "<parameter=n>\n1.5\n</parameter>\n")));
    assert!(!takes(&grammar, &call("so", "")));
    assert!(!takes(&grammar, &call("good", "<parameter=n>\nx\n</parameter>\n")));
}

fn example(dialect: Dialect, arguments: &serde_json::Value) -> String {
    match dialect.envelope() {
        Some(of) => [of.begin, of.before, "weather", of.between, &arguments.to_string(), of.after, of.end].concat().replace('#', "0"),
        None => match dialect {
            Dialect::Qwen3Coder => "<tool_call>\n<function=weather>\n<parameter=city>\nParis\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>".into(),
            Dialect::Glm => "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n</tool_call>".into(),
            Dialect::DeepSeekMarkup => "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"weather\">\n<｜DSML｜parameter name=\"city\" string=\"true\">Paris</｜DSML｜parameter>\n<｜DSML｜parameter name=\"days\" string=\"false\">2</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>".into(),
            Dialect::MiniMax => "<minimax:tool_call>\n<invoke name=\"weather\">\n<parameter name=\"city\">Paris</parameter>\n<parameter name=\"days\">2</parameter>\n</invoke>\n</minimax:tool_call>".into(),
            _ => "<function name=\"weather\"><param name=\"city\">Paris</param><param name=\"days\">2</param></function>".into(),
        },
    }
}

fn two(dialect: Dialect) -> String {
    match dialect.envelope() {
        Some(of) => {
            let call = [of.before, "now", of.between, "{}", of.after].concat();
            [of.begin, &call, of.separator.unwrap_or_default(), &call, of.end].concat().replace('#', "1")
        }
        None => {
            let call = "<tool_call>\n<function=now>\n</function>\n</tool_call>";
            format!("{call}\n{call}")
        }
    }
}
