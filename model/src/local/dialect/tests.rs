//! What models of each family write, and what becomes of it. The forms are those that the templates of the models write and
//! that llama.cpp expects in its tests; the words are ours.

mod grammars;
mod written;

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::event::{Event, Finish};
use crate::message::Part;
use crate::{Fold, Request};

fn tools() -> Vec<ToolSpec> {
    let object = |properties| json!({"type": "object", "properties": properties});
    let text = || json!({"type": "string", "description": "words"});
    vec![
        ToolSpec::new(
            "weather",
            "Tells it.",
            object(json!({"city": text(), "days": {"type": "integer", "description": "how many"}})),
        ),
        ToolSpec::new(
            "send",
            "Sends.",
            object(json!({"to": {"type": "array", "items": text(), "description": "whom"}, "body": text()})),
        ),
        ToolSpec::new("now", "Tells the time.", object(json!({}))),
    ]
}

fn request() -> Request {
    tools().into_iter().fold(Request::from("x"), Request::tool)
}

/// Reads pieces and shows the parts in short, after a look at the order of the events.
fn read<'a>(dialect: Dialect, thinks: bool, pieces: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut reader = dialect.reader(&request(), thinks);
    let mut events = Vec::new();
    pieces.into_iter().for_each(|piece| reader.push(piece, &mut events));
    reader.end(&mut events).expect("an end is no error");
    let (mut fold, mut begun, mut ended, mut ids) = (Fold::new(), HashSet::new(), HashSet::new(), HashSet::new());
    for event in &events {
        match event {
            Event::ToolCallStart { index, id, .. } => assert!(begun.insert(*index) && ids.insert(id.clone())),
            Event::ToolCallArguments { index, .. } => assert!(begun.contains(index) && !ended.contains(index)),
            Event::ToolCallEnd { index, .. } => assert!(begun.contains(index) && ended.insert(*index)),
            _ => {}
        }
        fold.push(event).expect("the events fit together");
    }
    assert_eq!(begun, ended, "a call does not end");
    fold.push(&Event::Finish { finish: Finish::Stop }).expect("it ends");
    let parts = fold.message().parts.into_iter().map(|part| match part {
        Part::Text(text) => text.text,
        Part::Reasoning(reasoning) => format!("({})", reasoning.text),
        Part::ToolCall(call) => format!("{}: {}", call.name, call.arguments_json),
        other => panic!("{other:?}"),
    });
    parts.collect()
}

/// Reads a text as a whole, letter by letter and cut in two wherever it can be.
#[track_caller]
fn check_from(dialect: Dialect, thinks: bool, text: &str, expected: &[&str]) {
    assert_eq!(read(dialect, thinks, [text]), expected, "{dialect:?} {text}");
    let cuts: Vec<_> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let letters = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]);
    assert_eq!(read(dialect, thinks, letters), expected, "{dialect:?} letter by letter: {text}");
    for cut in cuts {
        let (before, after) = text.split_at(cut);
        assert_eq!(read(dialect, thinks, [before, after]), expected, "{dialect:?} {before} | {after}");
    }
}

#[track_caller]
fn check(dialect: Dialect, text: &str, expected: &[&str]) {
    check_from(dialect, false, text, expected);
}

const PARIS: &str = "weather: {\"city\": \"Paris\"}";
const ROME: &str = "weather: {\"city\": \"Rome\", \"days\": 2}";

#[test]
fn what_nobody_offered_is_text() {
    let said = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";
    let mut reader = Dialect::Hermes.reader(&Request::from("what time is it?"), false);
    let mut events = Vec::new();
    reader.push(said, &mut events);
    reader.end(&mut events).unwrap();
    let text = |event: &Event| match event {
        Event::Text { text } => Some(text.clone()),
        _ => None,
    };
    let shown: String = events.iter().filter_map(text).collect();
    assert_eq!(shown, "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n", "a mark that means nothing is left out");
    assert!(!reader.has_called());
}

#[test]
fn hermes() {
    let paris = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>";
    let rome = "<tool_call>\n{\"arguments\": {\"city\": \"Rome\", \"days\": 2}, \"name\": \"weather\"}</tool_call>";
    check(Dialect::Hermes, paris, &[PARIS]);
    check(Dialect::Hermes, &format!("I look.\n{paris}\n{rome}\n"), &["I look.\n", PARIS, ROME]);
    check(Dialect::Hermes, &format!("<think>\nHm.\n</think>\n\n{paris}\n\nDone."), &["(Hm.)", PARIS, "Done."]);
    check_from(Dialect::Hermes, true, &format!("\nHm {paris}\n</think>\nYes"), &[&format!("(Hm {paris})"), "Yes"]);
    check(Dialect::Hermes, " <tool_cal> <", &[" <tool_cal> <"]);
    check(Dialect::Hermes, "<tool_call>{\"name\": \"now\"}</tool_call>", &["now: "]);
    check(
        Dialect::Hermes,
        "<tool_call>{'name': 'weather', 'arguments': \"{\\\"city\\\": \\\"Paris\\\"}\"}</tool_call>",
        &[PARIS],
    );
    check(
        Dialect::Hermes,
        "<tool_call>{\"type\": \"function\", \"function\": {\"name\": \"now\", \"arguments\": {}}}</tool_call>!",
        &["now: {}", "!"],
    );
}

#[test]
fn broken_calls_are_calls_with_what_there_is() {
    let check = |text: &str, expected: &[&str]| check(Dialect::Hermes, text, expected);
    check("<tool_call>{\"name\": \"weather\", \"arguments\": {\"city\": \"Par", &["weather: {\"city\": \"Par"]);
    check(
        "<tool_call>{\"name\": \"weather\", \"arguments\": {\"city\": Paris\n</tool_call>x",
        &["weather: {\"city\": Paris\n", "x"],
    );
    check("<tool_call>{\"name\": \"weather\", \"arguments\": \"{\\\"ci", &["weather: {\\\"ci"]);
    check("<tool_call>{\"name\": \"weather\", \"argu", &["weather: "]);
    check("<tool_call>{name: weather}</tool_call>", &["<tool_call>{name: weather}"]);
    check("<tool_call>\nweather(Paris)\n</tool_call>", &["<tool_call>\nweather(Paris)\n"]);
    check("<tool_call>{\"na", &["<tool_call>{\"na"]);
    check("<tool_call>", &["<tool_call>"]);
}

#[test]
fn thoughts_of_every_kind() {
    for (open, end) in THOUGHTS {
        check(Dialect::Hermes, &format!("{open}\nHm, so\n\n{end}\n\nYes <b>"), &["(Hm, so)", "Yes <b>"]);
        check_from(Dialect::Generic, true, &format!("{open}Hm{end}Yes"), &["(Hm)", "Yes"]);
        check_from(Dialect::Generic, true, &format!("Hm, {end}"), &["(Hm,)"]);
        assert!(Dialect::starts_thinking(&format!("x{open}\n")));
    }
    assert!(!Dialect::starts_thinking("<think></think>\n"));
    check(Dialect::Hermes, "Yes <think>no</think>", &["Yes <think>no</think>"]);
    check(Dialect::Hermes, "<think>\n\n</think>\n\nYes", &["Yes"]);
    check(Dialect::Hermes, "<think>still", &["(still)"]);
    check(Dialect::Hermes, " Hello ", &[" Hello "]);
    check(Dialect::Hermes, "<thin", &["<thin"]);
}

#[test]
fn llama() {
    let rome = "{\"type\": \"function\", \"name\": \"weather\", \"parameters\": {\"city\": \"Rome\", \"days\": 2}}";
    check(Dialect::Llama3, rome, &[ROME]);
    check(Dialect::Llama3, &format!("<|python_tag|>{rome}"), &[ROME]);
    check(Dialect::Llama3, &format!("\n{rome}; {rome}"), &[ROME, ROME]);
    check(
        Dialect::Llama3,
        "{\"name\": \"weasel\", \"parameters\": {}}",
        &["{\"name\": \"weasel\", \"parameters\": {}}"],
    );
    check(Dialect::Llama3, "{\"city\": \"Rome\"}", &["{\"city\": \"Rome\"}"]);
    check(Dialect::Llama3, "<|python_tag|>print(1)", &["<|python_tag|>print(1)"]);
    check(Dialect::Llama3, "See {\"name\": \"weather\"}", &["See {\"name\": \"weather\"}"]);
    check(Dialect::Generic, "```json\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\"}}\n```", &[PARIS]);
    check(
        Dialect::Generic,
        "[{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\"}}, {\"arguments\": {}, \"name\": \"now\"}]",
        &[PARIS, "now: {}"],
    );
    check(Dialect::Generic, "```python\nprint(1)\n```", &["```python\nprint(1)\n```"]);
    check(Dialect::Generic, "[1, 2]", &["[1, 2]"]);
}

#[test]
fn mistral() {
    for dialect in [Dialect::Mistral, Dialect::MistralNamed] {
        let id = ", \"id\": \"123456789\"";
        let list = format!(
            "[TOOL_CALLS][{{\"name\": \"weather\", \"arguments\": {{\"city\": \"Paris\"}}{id}}}, {{\"name\": \"now\", \"arguments\": {{}}}}]"
        );
        check(dialect, &list, &[PARIS, "now: {}"]);
        check(dialect, "Yes.[TOOL_CALLS]weather[ARGS]{\"city\": \"Paris\"}", &["Yes.", PARIS]);
        let two =
            "[TOOL_CALLS]weather[CALL_ID]000000001[ARGS]{\"city\": \"Paris\"}[TOOL_CALLS]now[CALL_ID]000000002[ARGS]{}";
        check(dialect, two, &[PARIS, "now: {}"]);
        check(
            dialect,
            "[THINK]Is [TOOL_CALLS]now[ARGS]{} so?[/THINK][TOOL_CALLS]now[ARGS]{}",
            &["(Is [TOOL_CALLS]now[ARGS]{} so?)", "now: {}"],
        );
        check(dialect, "[TOOL_CALLS]now", &["[TOOL_CALLS]now"]);
        check(dialect, "[TOOL_CALLS]now[ARGS]soon", &["now: soon"]);
    }
}

#[test]
fn parameters_between_marks() {
    let coder = "<tool_call>\n<function=weather>\n<parameter=city>\nParis\n</parameter>\n</function>\n</tool_call>";
    check(Dialect::Qwen3Coder, coder, &[PARIS]);
    check(Dialect::Qwen3Coder, &coder["<tool_call>\n".len()..], &[PARIS]);
    check(Dialect::Qwen3Coder, &format!("Yes.\n\n{coder}\n{coder}"), &["Yes.\n\n", PARIS, PARIS]);
    let seed = "<seed:tool_call>\n<function=weather>\n<parameter=city>Rome</parameter>\n<parameter=days>2</parameter>\n</function>\n</seed:tool_call>";
    check(Dialect::Qwen3Coder, seed, &[ROME]);
    let send = "<function=send>\n<parameter=body>\n\"a\" < <b>\n\n</parameter>\n<parameter=to>\n[\"ann\", 'bob']\n</parameter>\n</function>";
    check(Dialect::Qwen3Coder, send, &["send: {\"body\": \"\\\"a\\\" < <b>\\n\", \"to\": [\"ann\",\"bob\"]}"]);
    check(Dialect::Qwen3Coder, "<function=now>\n</function>", &["now: {}"]);
    check(Dialect::Qwen3Coder, "<function=now>\n{\"a\": 1}\n</function>x", &["now: {\"a\": 1}\n", "x"]);
    check(Dialect::Qwen3Coder, "<function=weather>\n<parameter=city>\nPar", &["weather: {\"city\": \"Par"]);
    check(Dialect::Qwen3Coder, "<function=weather>\n<parameter=city>\nParis\n</parameter>\nand", &[PARIS, "and"]);
    check(Dialect::Qwen3Coder, "a <function of x", &["a <function of x"]);
    let glm = "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Rome</arg_value>\n<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n</tool_call>";
    check(Dialect::Glm, glm, &[ROME]);
    check(Dialect::Glm, &format!("{0}{0}", glm.replace('\n', "")), &[ROME, ROME]);
    check(Dialect::Glm, "Ok.<tool_call>now</tool_call>", &["Ok.", "now: {}"]);
    let max = "<minimax:tool_call>\n<invoke name=\"weather\">\n<parameter name=\"city\">Rome</parameter>\n<parameter name=\"days\">2</parameter>\n</invoke>\n<invoke name=\"now\">\n</invoke>\n</minimax:tool_call>";
    check(Dialect::MiniMax, max, &[ROME, "now: {}"]);
    let cpm = "<function name=\"weather\"><param name=\"city\">Paris</param></function>";
    check(Dialect::MiniCpm, &format!("Ok.\n{cpm}\n{cpm}"), &["Ok.\n", PARIS, PARIS]);
    let markup = "\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"weather\">\n<｜DSML｜parameter name=\"city\" string=\"true\">Rome</｜DSML｜parameter>\n<｜DSML｜parameter name=\"days\" string=\"false\">2</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>";
    check(Dialect::DeepSeekMarkup, markup, &[ROME]);
    check_from(Dialect::DeepSeekMarkup, true, &format!("Hm</think>{markup}"), &["(Hm)", ROME]);
}

#[test]
fn names_and_json() {
    let deep = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>{\"city\": \"Paris\"}<｜tool▁call▁end｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>";
    check(Dialect::DeepSeek, deep, &[PARIS, "now: {}"]);
    check_from(Dialect::DeepSeek, true, &format!("Hm</think>Ok{deep}"), &["(Hm)", "Ok", PARIS, "now: {}"]);
    let old = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{\"city\": \"Paris\"}\n```<｜tool▁call▁end｜>\n<｜tool▁calls▁end｜>";
    check(Dialect::DeepSeekR1, old, &[PARIS]);
    let kimi = "<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>{\"city\": \"Paris\"}<|tool_call_end|><|tool_call_begin|>functions.now:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>";
    check(Dialect::Kimi, &format!("Ok.{kimi}"), &["Ok.", PARIS, "now: {}"]);
    let solar = "<|tool_calls|><|tool_call:begin|>abc<|tool_call:name|>weather<|tool_call:args|>{\"city\": \"Paris\"}<|tool_call:end|><|calls|>";
    check(Dialect::Solar, solar, &[PARIS]);
    check(
        Dialect::Functionary,
        "Ok<function=weather>{\"city\": \"Paris\"}</function><function=now>{}</function>",
        &["Ok", PARIS, "now: {}"],
    );
}

#[test]
fn lists_of_objects() {
    let list = |name: &str, arguments: &str| {
        format!(
            "[{{\"{name}\": \"weather\", \"{arguments}\": {{\"city\": \"Paris\"}}}}, {{\"{name}\": \"now\", \"{arguments}\": {{}}}}]"
        )
    };
    let usual = list("name", "arguments");
    let both = [PARIS, "now: {}"];
    check(Dialect::Phi4, &format!("<|tool_call|>{usual}<|/tool_call|>"), &both);
    check(Dialect::Phi4, &format!("<|tool_call|>{usual}"), &both);
    check(Dialect::Nemotron, &format!("<TOOLCALL>{usual}</TOOLCALL>\n"), &both);
    check(Dialect::Apriel, &format!("[BEGIN\n<tool_calls>{usual}</tool_calls>"), &["[BEGIN\n", PARIS, "now: {}"]);
    check(
        Dialect::Apriel,
        "<tool_calls>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\"}}\n{\"name\": \"now\", \"arguments\": {}}\n</tool_calls>",
        &both,
    );
    check(Dialect::FireFunction, &format!(" functools{usual}"), &both);
    check(Dialect::FireFunction, "see functools and [1]", &["see functools and [1]"]);
    check(
        Dialect::Apertus,
        "<|tools_prefix|>[{\"weather\": {\"city\": \"Paris\"}}, {\"now\": {}}]<|tools_suffix|>",
        &both,
    );
    let cohere = list("tool_name", "parameters").replace("{\"tool_name\"", "{\"tool_call_id\": \"0\", \"tool_name\"");
    check(
        Dialect::Cohere,
        &format!("<|START_THINKING|>Hm<|END_THINKING|><|START_ACTION|>[\n {}<|END_ACTION|>", &cohere[1..]),
        &["(Hm)", PARIS, "now: {}"],
    );
    check(Dialect::Cohere, "<|START_RESPONSE|>Hello<|END_RESPONSE|>", &["Hello"]);
    check(Dialect::CommandR, &format!("Action:\n```json\n{}```", list("tool_name", "parameters")), &both);
    check(
        Dialect::GigaChat,
        "Ok<|message_sep|>\n\nfunction call<|role_sep|>\n{\"name\": \"now\", \"arguments\": {}}",
        &["Ok", "now: {}"],
    );
    check(Dialect::GigaChat, "<|function_call|>{\"name\": \"now\", \"arguments\": {}}", &["now: {}"]);
}

#[test]
fn calls_in_other_words() {
    check(
        Dialect::Gemma,
        "Ok<|tool_call>call:weather{city:<|\"|>Rome<|\"|>,days:2}<tool_call|>",
        &["Ok", "weather: {\"city\":\"Rome\",\"days\":2}"],
    );
    check(
        Dialect::Gemma,
        "<|channel>thought\nHm\n<channel|><|tool_call>call:now{}<tool_call|><|tool_call>call:now{}<tool_call|>",
        &["(Hm)", "now: {}", "now: {}"],
    );
    check(
        Dialect::Gemma,
        "<|tool_call>call:send{to:[<|\"|>a<|\"|>,<|\"|>b, {c}<|\"|>],x:{y:null,z:true}}<tool_call|>",
        &["send: {\"to\":[\"a\",\"b, {c}\"],\"x\":{\"y\":null,\"z\":true}}"],
    );
    check(Dialect::Gemma, "<|tool_call>call:send{to:[<|\"|>a", &["send: {to:[<|\"|>a"]);
    let lfm = "<|tool_call_start|>[weather(city=\"Rome\", days=2), now(), a.b(x=True, y=None, z=['it\\'s', {\"k\": 1.5}])]<|tool_call_end|>";
    check(
        Dialect::Lfm,
        lfm,
        &[
            "weather: {\"city\":\"Rome\",\"days\":2}",
            "now: {}",
            "a.b: {\"x\":true,\"y\":null,\"z\":[\"it's\",{\"k\":1.5}]}",
        ],
    );
    check(Dialect::Lfm, "<|tool_call_start|>[weather(city=", &["weather: city="]);
    check(Dialect::Lfm, "<|tool_call_start|>what?<|tool_call_end|>", &["<|tool_call_start|>what?"]);
}

#[test]
fn channels() {
    let check = |text: &str, expected: &[&str]| check(Dialect::Harmony, text, expected);
    check("<|channel|>final<|message|>Hello, you", &["Hello, you"]);
    check(
        "<|channel|>analysis<|message|>Hm<|end|><|start|>assistant<|channel|>final<|message|>Yes<|return|>",
        &["(Hm)", "Yes"],
    );
    for header in [
        " to=functions.weather<|channel|>analysis<|message|>",
        "<|channel|>analysis to=functions.weather<|message|>",
        " to=functions.weather<|channel|>analysis <|constrain|>json<|message|>",
        "<|channel|>commentary to=functions.weather <|constrain|>json<|message|>",
    ] {
        check(&format!("{header}{{\"city\": \"Paris\"}}"), &[PARIS]);
        check(
            &format!(
                "<|channel|>analysis<|message|>Hm<|end|><|start|>assistant{header}{{\"city\": \"Paris\"}}<|call|>"
            ),
            &["(Hm)", PARIS],
        );
    }
    check("<|channel|>commentary to=assistant<|channel|>analysis<|message|>Hm<|end|>", &["(Hm)"]);
    check(
        "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant to=functions.now<|channel|>commentary json<|message|>{}<|call|>",
        &["I look.", "now: {}"],
    );
    check("<|channel|>analy", &[]);
    check("to=5", &["to=5"]);
    check("Hello", &["Hello"]);
}

#[test]
fn nothing_is_held_back_longer_than_needed() {
    let check = |dialect: Dialect, pieces: &[(&str, &str)]| {
        let mut reader = dialect.reader(&request(), false);
        for (piece, expected) in pieces {
            let mut events = Vec::new();
            reader.push(piece, &mut events);
            let said = events.iter().map(|event| match event {
                Event::Text { text } | Event::ToolCallArguments { text, .. } => text.clone(),
                Event::Reasoning { text } => format!("({text})"),
                Event::ToolCallStart { name, .. } => format!("{name}:"),
                _ => String::new(),
            });
            assert_eq!(said.collect::<String>(), *expected, "{dialect:?} {piece}");
        }
    };
    let call = "<tool_call>{\"name\": \"weather\", \"arguments\": {\"ci";
    check(
        Dialect::Hermes,
        &[("Hel", "Hel"), ("lo <", "lo "), ("b> ", "<b> "), (call, "weather:{\"ci"), ("ty\": \"P", "ty\": \"P")],
    );
    let call = "<function=weather>\n<parameter=city>\nPar";
    check(Dialect::Qwen3Coder, &[(call, "weather:{\"city\": \"Par"), ("is\n", "is"), ("x</par", "\\nx")]);
    check(Dialect::Hermes, &[("<think>", ""), ("Hm", "(Hm)"), (" so ", "( so)"), ("on</", "( on)"), ("x", "(</x)")]);
    check(Dialect::Generic, &[("{", ""), ("\"input\"", "{\"input\""), (": 1}", ": 1}")]);
    check(Dialect::Generic, &[("{\"name\": \"Ann", ""), ("\", ", "{\"name\": \"Ann\", ")]);
    check(Dialect::MistralNamed, &[("[TOOL_CALLS]now[ARGS]{", "now:{"), ("\"a\"", "\"a\"")]);
}

#[test]
fn ids_are_made_of_the_conversation() {
    let id = |request: &Request| {
        let (mut reader, mut events) = (Dialect::Functionary.reader(request, false), Vec::new());
        reader.push("<function=now>{}</function>", &mut events);
        events.into_iter().find_map(|event| match event {
            Event::ToolCallStart { id, .. } => Some(id),
            _ => None,
        })
    };
    let first = id(&request()).expect("there is a call");
    assert_eq!(id(&request()), Some(first.clone()));
    assert!(first.len() == 9 && first.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert_ne!(id(&request().message(crate::Message::assistant("y"))), Some(first));
}

#[test]
fn what_is_written_is_read() {
    let calls = [("weather", json!({"city": "Rome", "days": 2})), ("now", json!({}))];
    for dialect in ALL {
        let written = dialect.write(&calls);
        let shown = read(*dialect, false, [&*written]);
        if dialect.envelope().is_some() && *dialect != Dialect::Harmony || *dialect == Dialect::Lfm {
            assert_eq!(shown, ["weather: {\"city\":\"Rome\",\"days\":2}", "now: {}"], "{dialect:?} {written}");
        }
    }
}

/// Every dialect.
pub(super) const ALL: &[Dialect] = &[
    Dialect::Hermes,
    Dialect::Llama3,
    Dialect::Mistral,
    Dialect::MistralNamed,
    Dialect::Qwen3Coder,
    Dialect::Glm,
    Dialect::DeepSeek,
    Dialect::DeepSeekR1,
    Dialect::DeepSeekMarkup,
    Dialect::MiniMax,
    Dialect::MiniCpm,
    Dialect::Gemma,
    Dialect::Lfm,
    Dialect::Phi4,
    Dialect::Nemotron,
    Dialect::Apriel,
    Dialect::Apertus,
    Dialect::Cohere,
    Dialect::CommandR,
    Dialect::Kimi,
    Dialect::Solar,
    Dialect::Functionary,
    Dialect::FireFunction,
    Dialect::GigaChat,
    Dialect::Harmony,
    Dialect::Generic,
];

/// Scraps of what models write, marks of this dialect among them.
fn scraps(dialect: Dialect) -> impl Strategy<Value = String> {
    let syntax = syntax::syntax(dialect);
    let mut marks: Vec<&str> = [syntax.opens, syntax.ignored, syntax.after].concat();
    if let syntax::Body::Named(ends) = syntax.body {
        marks.extend(ends);
    }
    if let syntax::Body::Parameters(of) = syntax.body {
        marks.extend([of.name_end, of.key, of.key_end, of.value, of.value_end, of.end]);
    }
    marks.extend(["<think>", "</think>", "<|message|>", "assistant", " to=functions.now", "analysis", "<channel|>"]);
    marks.extend([
        "{",
        "}",
        "[",
        "]",
        "\"",
        ":",
        ",",
        "'",
        "\\",
        "name",
        "\"name\"",
        "\"arguments\"",
        "now",
        "weather",
        "(",
        ")",
        "=",
    ]);
    marks.extend([
        " ",
        "\n",
        "<",
        "é",
        "🙂",
        "1.5",
        "true",
        "```",
        "json",
        "call:now{",
        "words",
        "{\"name\": \"now\", \"arguments\": {\"a\": ",
    ]);
    proptest::collection::vec((proptest::sample::select(marks), any::<prop::sample::Index>(), any::<bool>()), 0..24)
        .prop_map(|scraps| {
            let scrap = |(mark, cut, is_whole): &(&str, prop::sample::Index, bool)| {
                let cuts: Vec<_> = mark.char_indices().map(|(at, _)| at).chain([mark.len()]).collect();
                let end = if *is_whole { mark.len() } else { cuts[cut.index(cuts.len())] };
                mark[..end].to_owned()
            };
            scraps.iter().map(scrap).collect()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cuts_make_no_difference(
        (dialect, text) in proptest::sample::select(ALL).prop_flat_map(|dialect| (Just(dialect), scraps(dialect))),
        thinks: bool,
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let places: Vec<_> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| places[cut.index(places.len())]).chain([0, text.len()]).collect();
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]);
        prop_assert_eq!(read(dialect, thinks, pieces), read(dialect, thinks, [&*text]), "{:?} {}", dialect, text);
    }

    #[test]
    fn words_without_marks_are_text(text in "[a-zA-Z0-9 .,;:!?\n\"'()é]{0,60}") {
        for dialect in ALL {
            let expected = if text.trim().is_empty() || text.starts_with("to=") { continue } else { vec![text.clone()] };
            prop_assert_eq!(read(*dialect, false, [&*text]), expected);
        }
    }
}
