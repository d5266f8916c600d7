//! What templates are given, what they may do, and what becomes of those that know little.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value as Json, json};

use super::*;
use crate::media::Media;
use crate::message::{Message, Part, Reasoning, ToolCall, ToolResult};
use crate::request::ToolSpec;

/// A template that can say nothing but words of two sides in turn, like Gemma's.
const NARROW: &str = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}\
    {% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('in turn') }}{% endif %}\
    [{{ m.role }}]{{ m.content }}{% endfor %}";

fn template(source: &str) -> Template {
    Template::new(source, Names::default()).expect("it is a template")
}

fn write(source: &str, context: &Json) -> Result<String> {
    template(source).render_json(context)
}

/// Runs a template that may take so many steps.
fn write_in(steps: u64, source: &str) -> Result<String> {
    let mut template = template(source);
    if let Form::Jinja { engine, .. } = &mut template.form {
        engine.steps(steps);
    }
    template.render_json(&json!({}))
}

fn weather() -> ToolSpec {
    ToolSpec::new("weather", "Tells it.", json!({"type": "object", "properties": {"city": {"type": "string"}}}))
}

/// A question, a call and its result.
fn asked() -> Request {
    let call = ToolCall::new("call_1", "weather", &json!({"city": "Zürich"}));
    let result = ToolResult::new(&call, "rain");
    let thought = Part::Reasoning(Reasoning { text: "hm".into(), opaque: None });
    let answer = Message::new(Role::Assistant, [thought, Part::ToolCall(call)]);
    Request::from("Weather?").system("Be brief.").message(answer).message(Message::results([result])).tool(weather())
}

#[test]
fn json_is_written_as_python_does() {
    let context = json!({"x": {"b": [1, 2.5, 1e16, 1e-5, true, null, []], "a": {"é<>&'\"": "\u{1}\n\\"}}});
    let check = |source: &str, expected: &str| assert_eq!(write(source, &context).unwrap(), expected, "{source}");
    let plain = r#"{"b": [1, 2.5, 1e+16, 1e-05, true, null, []], "a": {"é<>&'\"": "\u0001\n\\"}}"#;
    check("{{ x | tojson }}", plain);
    check("{{ x | tojson | safe }}", plain);
    check("{{ x.a | tojson(ensure_ascii=true) }}", r#"{"\u00e9<>&'\"": "\u0001\n\\"}"#);
    check(
        "{{ x.b[:2] | tojson(separators=(',', ':')) }}{{ {'b': 1, 'a': 2} | tojson(sort_keys=True) }}",
        r#"[1,2.5]{"a": 2, "b": 1}"#,
    );
    check(
        "{{ {'a': [1, {}], 'b': {'c': 'd'}} | tojson(indent=2) }}",
        "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": {\n    \"c\": \"d\"\n  }\n}",
    );
    check("{{ '🙂' | tojson(true) }}{{ 5 | tojson }}{{ {1: true} | tojson }}", r#""\ud83d\ude42"5{"1": true}"#);
}

#[test]
fn python_is_at_hand() {
    let check = |source: &str, expected: &str| assert_eq!(write(source, &json!({})).unwrap(), expected, "{source}");
    check("{{ nothing | length }}{{ none is iterable }}{{ 'a' is sequence }}", "0FalseTrue");
    check("{{ 'a-b-c'.rsplit('-', 1) }}{{ ' a b  c '.rsplit(None, 1) }}", "['a-b', 'c'][' a b', 'c']");
    check("{{ 'a=b=c'.partition('=') | join('|') }} {{ 'a=b=c'.rpartition('=') | join('|') }}", "a|=|b=c a=b|=|c");
    check("{{ 'x.py'.removesuffix('.py') }}{{ '-7'.zfill(4) }}{{ 'ab'.center(5, '*') }}", "x-007**ab*");
    check("{{ 'a\nb\n\nc' | indent(2) }}|{{ 'a\nb' | indent(width='>', first=true) }}", "a\n  b\n\n  c|>a\n>b");
    check("{% for x in [1,2,3] %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "13");
    check("a\n  {% generation %}\nb\n  {%- endgeneration %}\nc {{ 'generation' }}", "a\nbc generation");
    check("{{ {'a': True, 'b': none} }} {{ ['it\\'s'] | string }}", "{'a': True, 'b': None} [\"it's\"]");
}

#[test]
fn what_a_template_refuses_is_told_in_its_words() {
    let error = write("{{ raise_exception('only ' ~ 2 ~ ' turns') }}", &json!({})).unwrap_err();
    assert_eq!(error.kind(), Kind::BadInput);
    assert_eq!(error.to_string(), "the chat template refuses the conversation: only 2 turns");
    let error = Template::new("{% if %}", Names::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::BadInput);
    assert!(error.to_string().starts_with("the chat template cannot be read in line 1:"), "{error}");
}

#[test]
fn strangers_cannot_run_for_ever_or_look_around() {
    let endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}";
    assert_eq!(write_in(100_000, endless).unwrap_err().kind(), Kind::Limit);
    let long = "{% set x = 'x' * 100000 %}{% for a in range(99999) %}{{ x }}{% endfor %}";
    assert_eq!(write(long, &json!({})).unwrap_err().kind(), Kind::Limit);
    let calls_itself = "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}";
    assert_eq!(write(calls_itself, &json!({})).unwrap_err().kind(), Kind::BadInput);
    for looks in ["{% include '/etc/passwd' %}", "{% import 'x' as y %}", "{{ open('x') }}", "{{ ''.__class__.x }}"] {
        assert_eq!(write(looks, &json!({})).unwrap_err().kind(), Kind::BadInput, "{looks}");
    }
    let source = "x".repeat(SOURCE_BYTES_MAX + 1);
    assert_eq!(Template::new(&source, Names::default()).unwrap_err().kind(), Kind::Limit);
}

#[test]
fn lists_within_lists_do_not_break_the_stack() {
    let deep = "{% set ns = namespace(x=[]) %}{% for a in range(99999) %}{% set ns.x = [ns.x] %}{% set ns.x = [ns.x] %}\
        {% endfor %}done";
    assert_eq!(write(deep, &json!({})).unwrap(), "done");
    let written =
        "{% set ns = namespace(x=[]) %}{% for a in range(999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | tojson }}";
    assert_eq!(write(written, &json!({})).unwrap_err().kind(), Kind::BadInput);
}

#[test]
fn a_template_can_be_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<Template>();
}

#[test]
fn the_date_is_that_of_the_clock() {
    let clock = Arc::new(|| UNIX_EPOCH + Duration::from_secs(1_770_091_506));
    let template = Template::of_clock("{{ strftime_now('%d %b %Y') }}", Names::default(), clock).unwrap();
    assert_eq!(template.render(&Request::from("x"), None).unwrap(), "03 Feb 2026");
}

#[test]
fn all_of_a_request_reaches_the_template() {
    let source = "{% for m in messages %}{{ m | tojson }}\n{% endfor %}{{ tools | tojson }}\n\
        {{ bos_token }}|{{ eos_token }}|{{ pad_token }}|{{ enable_thinking }}|{{ reasoning_effort }}|{{ mood }}";
    let names = Names { bos: Some("<s>".into()), pad: Some("<p>".into()), ..Names::default() };
    let request = asked().effort(crate::Effort::Minimal).extra("chat_template_kwargs", json!({"mood": "good"}));
    let prompt = Template::new(source, names).unwrap().render(&request, Some(true)).unwrap();
    let expected = expect_test::expect![[r#"
        {"role": "system", "content": "Be brief."}
        {"role": "user", "content": "Weather?"}
        {"role": "assistant", "content": "", "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": {"city": "Zürich"}}}], "reasoning_content": "hm"}
        {"role": "tool", "name": "weather", "tool_call_id": "call_1", "content": "rain"}
        [{"type": "function", "function": {"name": "weather", "description": "Tells it.", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]
        <s>||<p>|True|low|good"#]];
    expected.assert_eq(&prompt);
}

#[test]
fn a_narrow_template_gets_all_in_words() {
    let expected = expect_test::expect![[r#"
        [user]Be brief.

        You can call these tools, each given by its name, what it does and the JSON schema of its arguments:

        {"name":"weather","description":"Tells it.","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}

        To call a tool, answer with nothing but a JSON object with its name and arguments:
        {"name": "NAME", "arguments": {}}
        To call several at once, answer with a JSON list of such objects. What they return comes in the next message. If no tool is needed, answer in words.

        Weather?[assistant]{"name": "weather", "arguments": {"city":"Zürich"}}[user]`weather` returned: rain

        And now?"#]];
    let request = asked().message(Message::user("And now?"));
    expected.assert_eq(&template(NARROW).render(&request, None).unwrap());
}

#[test]
fn a_template_gets_what_it_wants() {
    let nine = "{% for m in messages %}{% for c in m.tool_calls %}{% if c.id | length != 9 %}{{ raise_exception('9') }}\
        {% endif %}{{ c.id }}{{ c.function.arguments | tojson }}{% endfor %}{{ m.content }}{% endfor %}{{ tools }}";
    let prompt = template(nine).render(&asked(), None).unwrap();
    assert!(prompt.contains("{\"city\": \"Zürich\"}"), "{prompt}");
    let text = "{% for m in messages %}{% for c in m.tool_calls %}{{ '<' + c.function.arguments + '>' }}{% endfor %}\
        {{ m.content }}{% endfor %}{{ tools }}";
    assert!(template(text).render(&asked(), None).unwrap().contains("<{\"city\":\"Zürich\"}>"));
    let parts = "{% for m in messages %}{{ m.content[0].text }}{% endfor %}";
    assert_eq!(template(parts).render(&Request::from("x").system("s"), None).unwrap(), "sx");
    let late = "{% for m in messages %}{% if m.role == 'system' and not loop.first %}{{ raise_exception('late') }}\
        {% endif %}{{ m.content }};{% endfor %}";
    let request = Request::new([Message::user("u"), Message::assistant("a"), Message::system("s"), Message::user("v")]);
    assert_eq!(template(late).render(&request, None).unwrap(), "s;u;a;v;");
}

#[test]
fn a_template_that_takes_one_call_gets_one_at_a_time() {
    let source = "{% for m in messages %}{% if m.tool_calls | length > 1 %}{{ raise_exception('one') }}{% endif %}\
        [{{ m.role }}]{{ m.content }}{% for c in m.tool_calls %}{{ c.id }}{{ c.function.arguments | tojson }}{% endfor %}\
        {% endfor %}{{ tools }}";
    let calls = ["a", "b"].map(|id| ToolCall::new(id, "weather", &json!({"city": id})));
    let results = [ToolResult::new(&calls[1], "2"), ToolResult::new(&calls[0], "1")];
    let both = Message::new(Role::Assistant, calls.map(Part::ToolCall)).part(Part::text("Both."));
    let request = Request::from("x").message(both).message(Message::results(results)).message(Message::user("y"));
    let expected = "[user]x[assistant]Both.a{\"city\": \"a\"}[tool]1[assistant]b{\"city\": \"b\"}[tool]2[user]yNone";
    assert_eq!(
        template(source).render(&request.tool(weather()).tool_choice(crate::ToolChoice::None), None).unwrap(),
        expected
    );
}

#[test]
fn pictures_are_refused_and_text_files_are_read() {
    let picture = Message::user("See:").part(Part::Image(Media::bytes("image/png", vec![1])));
    let error = Template::chatml().unwrap().render(&Request::from(picture), None).unwrap_err();
    assert_eq!(error.kind(), Kind::BadInput);
    assert!(error.to_string().contains("this model takes text only"), "{error}");
    let file = Message::user("Read: ").part(Part::File(Media::bytes("text/plain", b"words".to_vec())));
    assert_eq!(Template::plain().render(&Request::from(file), None).unwrap(), "Read: file:\n\nwords\n\n");
}

#[test]
fn models_without_a_template_get_one() {
    let request =
        Request::new([Message::system("s"), Message::user("one"), Message::assistant("a"), Message::user("two")]);
    let of =
        |token: bool| Template::of_model(None, Names::default(), |_| token).unwrap().render(&request, None).unwrap();
    assert_eq!(of(false), "two");
    assert!(of(true).starts_with("<|im_start|>system\ns<|im_end|>\n<|im_start|>user\none<|im_end|>\n"));
    assert_eq!(Template::named("chatml").unwrap().render(&request, None).unwrap(), of(true));
    assert_eq!(Template::named("nix").unwrap_err().kind(), Kind::NotFound);
}
