//! Streams of OpenAI and of servers that stray from it.

use expect_test::{Expect, expect};

use super::super::super::testing::{error, play, play_raw, reply, shown};
use crate::event::{Event, Finish};
use crate::remote::Format;
use crate::remote::body::is_made_up;
use crate::{Kind, ToolCall};

#[expect(clippy::needless_pass_by_value, reason = "as it is written")]
fn check(data: &[&str], expected: Expect) {
    expected.assert_eq(&shown(play(Format::Chat, data)));
}

/// Wraps a delta in a chunk.
fn delta(delta: &str) -> String {
    format!(r#"{{"id":"c1","model":"m","choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#)
}

fn end(reason: &str) -> String {
    format!(r#"{{"id":"c1","model":"m","choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}"#)
}

/// Plays deltas to an end, and returns the calls.
fn calls(deltas: &[&str]) -> Vec<ToolCall> {
    let mut data: Vec<_> = deltas.iter().map(|text| delta(text)).collect();
    data.push(end("stop"));
    let data: Vec<_> = data.iter().map(String::as_str).chain(["[DONE]"]).collect();
    let reply = reply(play(Format::Chat, &data));
    assert_eq!(reply.finish, Finish::ToolCalls);
    reply.message.tool_calls().cloned().collect()
}

/// Plays deltas to an end, and returns the calls in short; ids that were made up are shown by their ends.
fn short(deltas: &[&str]) -> Vec<String> {
    let id = |id: String| if is_made_up(&id) { format!("made{}", &id[id.len() - 2..]) } else { id };
    calls(deltas).into_iter().map(|call| format!("{} {}{}", id(call.id), call.name, call.arguments_json)).collect()
}

#[test]
fn words_and_usage_in_the_last_chunk() {
    check(
        &[
            r#"{"id":"","model":"","choices":[],"prompt_filter_results":[]}"#,
            &delta(r#"{"role":"assistant","content":"","refusal":null}"#),
            &delta(r#"{"content":"Mont"}"#),
            &delta(r#"{"content":" Blanc"}"#),
            &end("stop"),
            r#"{"id":"c1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#,
            "[DONE]",
        ],
        expect![[r#"
            {"event":"start","id":"c1","model":"m"}
            {"event":"text","text":"Mont"}
            {"event":"text","text":" Blanc"}
            {"event":"text_end"}
            {"event":"usage","usage":{"input_tokens":9,"cache_read_tokens":0,"cache_write_tokens":0,"output_tokens":2,"reasoning_tokens":0}}
            {"event":"finish","finish":"stop"}"#]],
    );
}

#[test]
fn thoughts_by_every_name() {
    for name in ["reasoning_content", "reasoning"] {
        let thought = delta(&format!(r#"{{"content":null,"{name}":"Hm"}}"#));
        let empty = delta(&format!(r#"{{"content":"","{name}":null}}"#));
        let data = [&thought, &empty, &delta(r#"{"content":"Yes"}"#), &end("stop"), "[DONE]"];
        let events = play(Format::Chat, &data.map(|data| data)).0;
        let thought = Event::Reasoning { text: "Hm".into() };
        assert_eq!(events[1..3], [thought, Event::ReasoningEnd { opaque: None }], "{name}");
    }
}

#[test]
fn thoughts_in_the_text_are_thoughts() {
    let whole = "\n<think>\nHm, so\n</think>\n\nYes, <b>";
    let expected = |events: &[Event]| {
        let said = |event: &Event| match event {
            Event::Reasoning { text } => format!("({text})"),
            Event::Text { text } => text.clone(),
            Event::ReasoningEnd { .. } | Event::TextEnd { .. } => "|".to_owned(),
            _ => String::new(),
        };
        assert_eq!(events.iter().map(said).collect::<String>().replace(")(", ""), "(Hm, so)|Yes, <b>|");
    };
    for cut in 0..=whole.len() {
        let piece = |text: &str| delta(&serde_json::json!({ "content": text }).to_string());
        let (before, after) = whole.split_at(cut);
        let data = [&piece(before), &piece(after), &end("stop"), "[DONE]"];
        expected(&play(Format::Chat, &data.map(|data| data)).0);
    }
    let letters = whole.chars().map(|letter| delta(&serde_json::json!({ "content": letter }).to_string()));
    let letters: Vec<_> = letters.chain([end("stop")]).collect();
    expected(&play(Format::Chat, &letters.iter().map(String::as_str).collect::<Vec<_>>()).0);
}

#[test]
fn thoughts_in_the_text_end_at_a_call() {
    let call = r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}"#;
    check(
        &[&delta(r#"{"content":"<think>Hm </th"}"#), &delta(call), &end("tool_calls"), "[DONE]"],
        expect![[r#"
            {"event":"start","id":"c1","model":"m"}
            {"event":"reasoning","text":"Hm"}
            {"event":"reasoning","text":" </th"}
            {"event":"reasoning_end"}
            {"event":"tool_call_start","index":0,"id":"a","name":"f"}
            {"event":"tool_call_arguments","index":0,"text":"{}"}
            {"event":"tool_call_end","index":0}
            {"event":"finish","finish":"tool_calls"}"#]],
    );
    let parsed = delta(r#"{"reasoning_content":"Hm"}"#);
    let events = play(Format::Chat, &[&parsed, &delta(r#"{"content":"<think> is a tag"}"#), &end("stop"), "[DONE]"]).0;
    assert_eq!(events[3], Event::Text { text: "<think> is a tag".into() });
    let short = play(Format::Chat, &[&delta(r#"{"content":" <thi"}"#), &end("stop"), "[DONE]"]).0;
    assert_eq!(short[1], Event::Text { text: " <thi".into() });
}

#[test]
fn mistral_sends_thoughts_as_content() {
    check(
        &[
            &delta(r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm"}]}]}"#),
            &delta(r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":", yes"}],"closed":true}]}"#),
            &delta(r#"{"content":[{"type":"text","text":"4"},{"type":"reference","reference_ids":[1]}]}"#),
            &end("model_length"),
            "[DONE]",
        ],
        expect![[r#"
            {"event":"start","id":"c1","model":"m"}
            {"event":"reasoning","text":"Hm"}
            {"event":"reasoning","text":", yes"}
            {"event":"reasoning_end"}
            {"event":"text","text":"4"}
            {"event":"text_end"}
            {"event":"finish","finish":"length"}"#]],
    );
}

#[test]
fn openrouter_wants_its_details_back() {
    let detail = |more: &str| delta(&format!(r#"{{"content":"","reasoning_details":[{{{more}}}]}}"#));
    check(
        &[
            ": OPENROUTER PROCESSING",
            &detail(r#""type":"reasoning.text","text":"Let","format":"f","index":0"#),
            &detail(r#""type":"reasoning.text","text":" me","format":"f","index":0"#),
            &detail(r#""type":"reasoning.text","signature":"sig","format":"f","index":0"#),
            &detail(r#""type":"reasoning.summary","summary":"Short","index":1"#),
            &delta(r#"{"content":"4"}"#),
            &detail(r#""type":"reasoning.encrypted","data":"abc","id":"r1","index":2,"other":[1]"#),
            &end("stop"),
            "[DONE]",
        ]
        .map(|data| if data.starts_with(':') { "" } else { data }),
        expect![[r#"
            {"event":"start","id":"c1","model":"m"}
            {"event":"reasoning","text":"Let"}
            {"event":"reasoning","text":" me"}
            {"event":"reasoning","text":"Short"}
            {"event":"reasoning_end","opaque":{"provider":"openai-chat","value":{"reasoning_details":[{"format":"f","index":0,"signature":"sig","text":"Let me","type":"reasoning.text"},{"index":1,"summary":"Short","type":"reasoning.summary"}]}}}
            {"event":"text","text":"4"}
            {"event":"text_end"}
            {"event":"reasoning_end","opaque":{"provider":"openai-chat","value":{"reasoning_details":[{"data":"abc","id":"r1","index":2,"other":[1],"type":"reasoning.encrypted"}]}}}
            {"event":"finish","finish":"stop"}"#]],
    );
}

#[test]
fn parallel_calls_interleave() {
    check(
        &[
            &delta(
                r#"{"content":null,"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}"#,
            ),
            &delta(r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\""}}]}"#),
            &delta(
                r#"{"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}]}"#,
            ),
            &delta(r#"{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}"#),
            &end("tool_calls"),
            "[DONE]",
        ],
        expect![[r#"
            {"event":"start","id":"c1","model":"m"}
            {"event":"tool_call_start","index":0,"id":"a","name":"f"}
            {"event":"tool_call_arguments","index":0,"text":"{\"x\""}
            {"event":"tool_call_start","index":1,"id":"b","name":"g"}
            {"event":"tool_call_arguments","index":1,"text":"{}"}
            {"event":"tool_call_arguments","index":0,"text":":1}"}
            {"event":"tool_call_end","index":0}
            {"event":"tool_call_end","index":1}
            {"event":"finish","finish":"tool_calls"}"#]],
    );
}

#[test]
fn calls_of_other_servers() {
    let whole = r#"{"tool_calls":[{"function":{"name":"f","arguments":"{\"a\":1}"}},{"function":{"name":"f","arguments":"{}"}}]}"#;
    assert_eq!(short(&[whole]), [r#"made_0 f{"a":1}"#, "made_1 f{}"], "no index and no id");
    let object = r#"{"tool_calls":[{"id":"x","function":{"name":"f","arguments":{"a": [1]}}}]}"#;
    assert_eq!(short(&[object]), [r#"x f{"a": [1]}"#], "an object");
    let repeated = [
        r#"{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{\"a\""}}]}"#,
        r#"{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":":1}"}}]}"#,
    ];
    assert_eq!(short(&repeated), [r#"x f{"a":1}"#], "a name in every chunk");
    let nameless = [
        r#"{"tool_calls":[{"function":{"name":"f","arguments":"{\"a\""}}]}"#,
        r#"{"tool_calls":[{"id":"","function":{"name":null,"arguments":":1"}}]}"#,
        r#"{"tool_calls":[{"id":null,"function":{"name":"f","arguments":"}"}}]}"#,
    ];
    assert_eq!(short(&nameless), [r#"made_0 f{"a":1}"#], "no index, and the name again");
    let zeros = [
        r#"{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{}"}}]}"#,
        r#"{"tool_calls":[{"index":0,"id":"y","function":{"name":"f","arguments":"{}"}}]}"#,
    ];
    assert_eq!(short(&zeros), ["x f{}", "y f{}"], "the same index for all");
    let odd = [
        r#"{"tool_calls":null}"#,
        r#"{"tool_calls":[{"index":1,"id":"x","function":{"name":"f","arguments":null}}]}"#,
        r#"{"tool_calls":[{"index":1,"id":"","function":{"arguments":"null"}},null,3]}"#,
    ];
    assert_eq!(short(&odd), ["x f"], "nothing");
    let late = [
        r#"{"tool_calls":[{"index":0,"id":"x","function":{"arguments":"{\"a\""}}]}"#,
        r#"{"tool_calls":[{"index":0,"function":{"name":"f","arguments":":1}"}}]}"#,
    ];
    assert_eq!(short(&late), [r#"x f{"a":1}"#], "a late name");
    assert_eq!(short(&[r#"{"function_call":{"name":"f","arguments":"{}"}}"#]), ["made_0 f{}"], "the old form");
    let signed =
        r#"{"tool_calls":[{"id":"x","extra_content":{"google":{"thought_signature":"s"}},"function":{"name":"f"}}]}"#;
    let opaque = calls(&[signed])[0].opaque.clone().unwrap();
    assert_eq!(opaque.value.to_string(), r#"{"extra_content":{"google":{"thought_signature":"s"}}}"#);
}

#[test]
fn a_call_in_many_pieces_takes_linear_time() {
    let mut stream = format!(
        "data: {}\n\n",
        delta(r#"{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":""}}]}"#)
    );
    let piece = format!("data: {}\n\n", delta(r#"{"tool_calls":[{"index":0,"function":{"arguments":"1234567890"}}]}"#));
    (0..10_000).for_each(|_| stream.push_str(&piece));
    stream.push_str(&format!("data: {}\n\ndata: [DONE]\n\n", end("tool_calls")));
    let mut decoder = Format::Chat.decoder();
    let mut events = Vec::new();
    decoder.push(stream.as_bytes(), &mut events).unwrap();
    decoder.end(&mut events).unwrap();
    let call = reply((events, Ok(()))).message.tool_calls().next().unwrap().clone();
    assert_eq!(call.arguments_json.len(), 100_000);
}

#[test]
fn a_refusal_is_shown_and_told() {
    check(
        &[&delta(r#"{"refusal":"I'm sorry"}"#), &end("stop"), "[DONE]"],
        expect![[r#"
        {"event":"start","id":"c1","model":"m"}
        {"event":"text","text":"I'm sorry"}
        {"event":"text_end"}
        {"event":"finish","finish":"refused"}"#]],
    );
}

#[test]
fn sources_of_all_kinds() {
    let openai = r#"{"content":"x","annotations":[{"type":"url_citation","url_citation":{"url":"https://a.example","title":"A","content":"q","start_index":0,"end_index":1}}]}"#;
    let perplexity = r#"{"id":"c1","choices":[{"index":0,"delta":{"content":"y"},"message":{"content":"xy"}}],"citations":["https://b.example"],"search_results":[{"title":"B","url":"https://b.example"}]}"#;
    check(
        &[&delta(openai), perplexity, perplexity, &end("stop"), "[DONE]"],
        expect![[r#"
        {"event":"start","id":"c1","model":"m"}
        {"event":"text","text":"x"}
        {"event":"citation","citation":{"title":"A","url":"https://a.example","quote":"q","opaque":{"provider":"openai-chat","value":{"type":"url_citation","url_citation":{"content":"q","end_index":1,"start_index":0,"title":"A","url":"https://a.example"}}}}}
        {"event":"text","text":"y"}
        {"event":"text","text":"y"}
        {"event":"text_end"}
        {"event":"citation","citation":{"title":"B","url":"https://b.example","opaque":{"provider":"openai-chat","value":{"title":"B","url":"https://b.example"}}}}
        {"event":"finish","finish":"stop"}"#]],
    );
}

#[test]
fn usage_comes_anywhere() {
    let usage = |tokens: u64| format!(r#"{{"prompt_tokens":5,"completion_tokens":{tokens}}}"#);
    let say = |tokens| format!(r#"{{"id":"c","choices":[{{"delta":{{"content":"a"}}}}],"usage":{}}}"#, usage(tokens));
    let every = [&say(1), &say(2), &end("stop"), "[DONE]"];
    let groq = format!(
        r#"{{"choices":[{{"delta":{{}},"finish_reason":"stop"}}],"x_groq":{{"id":"r","usage":{}}}}}"#,
        usage(2)
    );
    let groq = [&delta(r#"{"content":"a"}"#), groq.as_str()];
    let with_reason = format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":"stop"}}],"usage":{}}}"#, usage(2));
    let with_reason = [&delta(r#"{"content":"a"}"#), with_reason.as_str(), r#"{"choices":[],"usage":null}"#];
    for data in [&every[..], &groq, &with_reason] {
        let reply = reply(play(Format::Chat, data));
        assert_eq!((reply.usage.input_tokens, reply.usage.output_tokens), (5, 2), "{data:?}");
        assert_eq!(reply.finish, Finish::Stop);
    }
}

#[test]
fn reasons_to_end() {
    let cases = [
        ("stop", Finish::Stop),
        ("eos", Finish::Stop),
        ("STOP", Finish::Stop),
        ("length", Finish::Length),
        ("max_tokens", Finish::Length),
        ("tool_calls", Finish::ToolCalls),
        ("function_call", Finish::ToolCalls),
        ("content_filter", Finish::Refused),
        ("new", Finish::Other("new".into())),
    ];
    for (reason, finish) in cases {
        let reply = reply(play(Format::Chat, &[&delta(r#"{"content":"a"}"#), &end(reason)]));
        assert_eq!(reply.finish, finish, "{reason}");
    }
    for reason in ["", "null"] {
        let broken = play(Format::Chat, &[&delta(r#"{"content":"a"}"#), &end(reason)]);
        assert_eq!(error(broken).kind(), Kind::Unavailable, "{reason}");
    }
    let given_up = play(Format::Chat, &[&delta(r#"{"content":"a"}"#), &end("insufficient_system_resource"), "[DONE]"]);
    assert_eq!(error(given_up).kind(), Kind::Unavailable);
}

#[test]
fn the_end_may_be_missing() {
    let text = delta(r#"{"content":"a"}"#);
    assert_eq!(reply(play(Format::Chat, &[&text, &end("stop")])).finish, Finish::Stop);
    assert_eq!(reply(play(Format::Chat, &[&text, "[DONE]"])).finish, Finish::Stop);
    assert_eq!(error(play(Format::Chat, &[&text])).kind(), Kind::Unavailable);
    assert_eq!(error(play(Format::Chat, &["[DONE]"])).kind(), Kind::Unavailable);
    assert_eq!(error(play(Format::Chat, &[])).kind(), Kind::Unavailable);
}

#[test]
fn errors_in_the_middle() {
    let text = delta(r#"{"content":"a"}"#);
    let cases = [
        (r#"{"error":{"message":"busy","type":"server_error"}}"#, Kind::Unavailable),
        (
            r#"{"id":"c","error":{"code":429,"message":"slow"},"choices":[{"delta":{},"finish_reason":"error"}]}"#,
            Kind::RateLimited,
        ),
        (r#"{"choices":[{"delta":{},"error":{"code":502,"message":"upstream"}}]}"#, Kind::Unavailable),
        (r#"{"object":"error","message":"bad","code":400}"#, Kind::BadInput),
        (r#"{"error":{"message":"m","code":"tool_use_failed","status_code":400}}"#, Kind::BadOutput),
        (r#"{"x_groq":{"error":"over capacity"}}"#, Kind::Unavailable),
        ("{broken", Kind::BadOutput),
    ];
    for (data, kind) in cases {
        let (events, result) = play(Format::Chat, &[&text, data]);
        assert_eq!(result.unwrap_err().kind(), kind, "{data}");
        assert_eq!(events.len(), 2, "{data}");
    }
    let named =
        format!("data: {text}\n\nevent: error\ndata: {{\"message\":\"quota\",\"code\":\"insufficient_quota\"}}\n\n");
    assert_eq!(error(play_raw(Format::Chat, &named)).kind(), Kind::Limit);
}

#[test]
fn what_is_not_known_is_passed_over() {
    let odd = [
        r#"{"id":3,"model":null,"choices":null,"usage":"none","new":{"a":[1]}}"#,
        r#"{"id":"c1","choices":[{"index":"0","delta":{"content":4,"reasoning":{"a":1},"tool_calls":"none","refusal":[]}}]}"#,
        r#"{"choices":[{"index":1,"delta":{"content":"another choice"}}],"error":null}"#,
        r#"{"choices":[{"delta":null}],"usage":{"prompt_tokens":"5","completion_tokens":null}}"#,
        r#"{"choices":{"delta":{"content":"!"},"finish_reason":"stop"}}"#,
    ];
    expect![[r#"
        {"event":"start","id":"3"}
        {"event":"text","text":"4"}
        {"event":"text","text":"!"}
        {"event":"text_end"}
        {"event":"usage","usage":{"input_tokens":5,"cache_read_tokens":0,"cache_write_tokens":0,"output_tokens":0,"reasoning_tokens":0}}
        {"event":"finish","finish":"stop"}"#]].assert_eq(&shown(play(Format::Chat, &odd)));
    let stream = ": ping\n\nevent: ping\ndata: what\n\nid: 3\nretry: 10\ndata: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\n\r\ndata: [DONE]";
    assert_eq!(reply(play_raw(Format::Chat, stream)).text(), "a");
}

#[test]
fn an_answer_in_one_piece() {
    let whole = r#"
 {
  "id": "c1", "object": "chat.completion", "model": "m",
  "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": "Look",
   "reasoning_content": "Hm", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}}],
  "usage": {"prompt_tokens": 1, "completion_tokens": 2}
 }
"#;
    expect![[r#"
        {"event":"start","id":"c1","model":"m"}
        {"event":"reasoning","text":"Hm"}
        {"event":"reasoning_end"}
        {"event":"text","text":"Look"}
        {"event":"text_end"}
        {"event":"tool_call_start","index":0,"id":"a","name":"f"}
        {"event":"tool_call_arguments","index":0,"text":"{}"}
        {"event":"tool_call_end","index":0}
        {"event":"usage","usage":{"input_tokens":1,"cache_read_tokens":0,"cache_write_tokens":0,"output_tokens":2,"reasoning_tokens":0}}
        {"event":"finish","finish":"tool_calls"}"#]].assert_eq(&shown(play_raw(Format::Chat, whole)));
    let failed = "{\"error\": {\"message\": \"no\", \"type\": \"server_error\"}}";
    assert_eq!(error(play_raw(Format::Chat, failed)).kind(), Kind::Unavailable);
}

#[test]
fn an_error_may_be_a_field_of_its_own() {
    let said = r#"{"code":400,"message":"request (2009 tokens) exceeds the available context size (512 tokens)","type":"exceed_context_size_error"}"#;
    for format in [Format::Chat, Format::Responses] {
        let stream = format!("data: {}\n\nerror: {said}\n\ndata: [DONE]\n\n", delta(r#"{"content":"a"}"#));
        assert_eq!(error(play_raw(format, &stream)).kind(), Kind::Limit, "{format:?}");
    }
    let page = error(play_raw(Format::Chat, "<!DOCTYPE html>\n<html>\n"));
    assert_eq!((page.kind(), page.is_retryable()), (Kind::BadOutput, false));
}
