//! Streams of OpenAI and of servers that speak like it.

use expect_test::{Expect, expect};

use super::super::super::testing::{error, play, play_raw, reply, shown};
use crate::event::{Event, Finish};
use crate::remote::Format;
use crate::{Kind, Part};

const CREATED: &str = r#"{"type":"response.created","response":{"id":"resp_1","object":"response","status":"in_progress","model":"m","output":[],"usage":null},"sequence_number":0}"#;
const COMPLETED: &str = r#"{"type":"response.completed","response":{"id":"resp_1","status":"completed","error":null,"incomplete_details":null,"output":[],"usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":1},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":14}}}"#;

#[expect(clippy::needless_pass_by_value, reason = "as it is written")]
fn check(data: &[&str], expected: Expect) {
    expected.assert_eq(&shown(play(Format::Responses, data)));
}

fn added(place: u32, item: &str) -> String {
    format!(r#"{{"type":"response.output_item.added","output_index":{place},"item":{item}}}"#)
}

fn done(place: u32, item: &str) -> String {
    format!(r#"{{"type":"response.output_item.done","output_index":{place},"item":{item}}}"#)
}

fn delta(kind: &str, place: u32, text: &str) -> String {
    format!(
        r#"{{"type":"response.{kind}.delta","item_id":"i","output_index":{place},"content_index":0,"delta":"{text}","obfuscation":"x"}}"#
    )
}

#[test]
fn words_with_a_phase() {
    let item = r#"{"id":"msg_1","type":"message","status":"completed","role":"assistant","phase":"final_answer","content":[{"type":"output_text","text":"Mont Blanc","annotations":[]}]}"#;
    check(
        &[
            CREATED,
            r#"{"type":"response.in_progress","response":{"id":"resp_1"}}"#,
            &added(0, r#"{"id":"msg_1","type":"message","status":"in_progress","content":[],"role":"assistant"}"#),
            r#"{"type":"response.content_part.added","content_index":0,"output_index":0,"part":{"type":"output_text","text":""}}"#,
            &delta("output_text", 0, "Mont"),
            &delta("output_text", 0, " Blanc"),
            r#"{"type":"response.output_text.done","output_index":0,"text":"Mont Blanc"}"#,
            r#"{"type":"response.content_part.done","output_index":0,"part":{"type":"output_text","text":"Mont Blanc"}}"#,
            &done(0, item),
            COMPLETED,
        ],
        expect![[r#"
            {"event":"start","id":"resp_1","model":"m"}
            {"event":"text","text":"Mont"}
            {"event":"text","text":" Blanc"}
            {"event":"text_end","opaque":{"provider":"openai","value":{"phase":"final_answer"}}}
            {"event":"usage","usage":{"input_tokens":9,"cache_read_tokens":4,"cache_write_tokens":1,"output_tokens":5,"reasoning_tokens":3}}
            {"event":"finish","finish":"stop"}"#]],
    );
}

#[test]
fn thoughts_keep_their_item() {
    let summary = |index: u32, text: &str| {
        format!(
            r#"{{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":{index},"delta":"{text}"}}"#
        )
    };
    check(
        &[
            CREATED,
            &added(0, r#"{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":"early"}"#),
            r#"{"type":"response.reasoning_summary_part.added","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}}"#,
            &summary(0, "First"),
            &summary(0, " thing"),
            &summary(1, "Second"),
            &delta("reasoning_text", 0, "the same in full"),
            &done(
                0,
                r#"{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"First thing"}],"encrypted_content":"late"}"#,
            ),
            &done(1, r#"{"id":"rs_2","type":"reasoning","summary":[],"encrypted_content":"sealed"}"#),
            &done(
                2,
                r#"{"id":"rs_3","type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"open"}]}"#,
            ),
            COMPLETED,
        ],
        expect![[r#"
            {"event":"start","id":"resp_1","model":"m"}
            {"event":"reasoning","text":"First"}
            {"event":"reasoning","text":" thing"}
            {"event":"reasoning","text":"\n\nSecond"}
            {"event":"reasoning_end","opaque":{"provider":"openai","value":{"encrypted_content":"late","id":"rs_1","summary":[{"text":"First thing","type":"summary_text"}],"type":"reasoning"}}}
            {"event":"reasoning_end","opaque":{"provider":"openai","value":{"encrypted_content":"sealed","id":"rs_2","summary":[],"type":"reasoning"}}}
            {"event":"reasoning","text":"open"}
            {"event":"reasoning_end","opaque":{"provider":"openai","value":{"content":[{"text":"open","type":"reasoning_text"}],"id":"rs_3","summary":[],"type":"reasoning"}}}
            {"event":"usage","usage":{"input_tokens":9,"cache_read_tokens":4,"cache_write_tokens":1,"output_tokens":5,"reasoning_tokens":3}}
            {"event":"finish","finish":"stop"}"#]],
    );
}

#[test]
fn calls_in_pieces_and_whole() {
    let call = |id: &str, arguments: &str| {
        format!(
            r#"{{"id":"fc_{id}","type":"function_call","call_id":"{id}","name":"f","arguments":"{arguments}","namespace":null}}"#
        )
    };
    check(
        &[
            CREATED,
            &added(0, &call("a", "")),
            &delta("function_call_arguments", 0, "{"),
            &added(1, &call("b", "")),
            &delta("function_call_arguments", 0, "}"),
            r#"{"type":"response.function_call_arguments.done","output_index":0,"arguments":"{}"}"#,
            r#"{"type":"response.function_call_arguments.done","output_index":1,"arguments":"{\"x\":1}"}"#,
            &done(0, &call("a", "{}")),
            &done(1, &call("b", "{}")),
            &done(2, r#"{"type":"function_call","name":"g","arguments":"[]","namespace":"n"}"#),
            COMPLETED,
        ],
        expect![[r#"
            {"event":"start","id":"resp_1","model":"m"}
            {"event":"tool_call_start","index":0,"id":"a","name":"f"}
            {"event":"tool_call_arguments","index":0,"text":"{"}
            {"event":"tool_call_start","index":1,"id":"b","name":"f"}
            {"event":"tool_call_arguments","index":0,"text":"}"}
            {"event":"tool_call_arguments","index":1,"text":"{\"x\":1}"}
            {"event":"tool_call_end","index":0}
            {"event":"tool_call_end","index":1}
            {"event":"tool_call_start","index":2,"id":"made_d04935eb0a95b680_2","name":"g"}
            {"event":"tool_call_arguments","index":2,"text":"[]"}
            {"event":"tool_call_end","index":2,"opaque":{"provider":"openai","value":{"namespace":"n"}}}
            {"event":"usage","usage":{"input_tokens":9,"cache_read_tokens":4,"cache_write_tokens":1,"output_tokens":5,"reasoning_tokens":3}}
            {"event":"finish","finish":"tool_calls"}"#]],
    );
}

#[test]
fn a_server_that_counts_nothing() {
    let data = [
        r#"{"type":"response.output_item.added","item":{"type":"function_call","id":"x","name":"f"}}"#,
        r#"{"type":"response.function_call_arguments.delta","delta":"{\"a\""}"#,
        r#"{"type":"response.function_call_arguments.delta","delta":":1}"}"#,
        r#"{"type":"response.output_item.done","item":{"type":"function_call","id":"x","name":"f","arguments":"{\"a\":1}"}}"#,
        r#"{"type":"response.output_item.done","item":{"type":"function_call","call_id":"y","name":"g","arguments":{"b":2}}}"#,
        r#"{"type":"response.completed","response":{}}"#,
    ];
    let reply = reply(play(Format::Responses, &data));
    let calls: Vec<_> = reply.message.tool_calls().map(|call| (&*call.id, &*call.arguments_json)).collect();
    assert_eq!(calls, [("x", r#"{"a":1}"#), ("y", r#"{"b":2}"#)]);
    assert_eq!(reply.finish, Finish::ToolCalls);
}

#[test]
fn a_call_in_many_pieces_takes_linear_time() {
    let mut stream = format!("data: {}\n\n", added(0, r#"{"type":"function_call","call_id":"a","name":"f"}"#));
    let piece = format!("data: {}\n\n", delta("function_call_arguments", 0, "1234567890"));
    (0..10_000).for_each(|_| stream.push_str(&piece));
    stream.push_str(&format!("data: {COMPLETED}\n\n"));
    let mut decoder = Format::Responses.decoder();
    let mut events = Vec::new();
    decoder.push(stream.as_bytes(), &mut events).unwrap();
    let call = reply((events, Ok(()))).message.tool_calls().next().unwrap().clone();
    assert_eq!(call.arguments_json.len(), 100_000);
}

#[test]
fn refusals_end_so() {
    check(
        &[
            CREATED,
            &delta("refusal", 0, "I'm sorry"),
            r#"{"type":"response.refusal.done","output_index":0,"refusal":"I'm sorry"}"#,
            &done(0, r#"{"type":"message","content":[{"type":"refusal","refusal":"I'm sorry"}]}"#),
            COMPLETED,
        ],
        expect![[r#"
            {"event":"start","id":"resp_1","model":"m"}
            {"event":"text","text":"I'm sorry"}
            {"event":"text_end"}
            {"event":"usage","usage":{"input_tokens":9,"cache_read_tokens":4,"cache_write_tokens":1,"output_tokens":5,"reasoning_tokens":3}}
            {"event":"finish","finish":"refused"}"#]],
    );
}

#[test]
fn sources_are_told_once() {
    let url = r#"{"type":"url_citation","start_index":0,"end_index":1,"title":"A","url":"https://a.example"}"#;
    let file = r#"{"type":"file_citation","file_id":"file-1","filename":"b.pdf","index":1}"#;
    let item = |annotations: &str| {
        format!(r#"{{"type":"message","content":[{{"type":"output_text","text":"x","annotations":[{annotations}]}}]}}"#)
    };
    check(
        &[
            &delta("output_text", 0, "x"),
            &format!(r#"{{"type":"response.output_text.annotation.added","output_index":0,"annotation":{url}}}"#),
            &done(0, &item(url)),
            &done(1, &item(file)),
            COMPLETED,
        ],
        expect![[r#"
            {"event":"text","text":"x"}
            {"event":"citation","citation":{"title":"A","url":"https://a.example","opaque":{"provider":"openai","value":{"end_index":1,"start_index":0,"title":"A","type":"url_citation","url":"https://a.example"}}}}
            {"event":"text_end"}
            {"event":"text","text":"x"}
            {"event":"citation","citation":{"title":"b.pdf","opaque":{"provider":"openai","value":{"file_id":"file-1","filename":"b.pdf","index":1,"type":"file_citation"}}}}
            {"event":"text_end"}
            {"event":"start","id":"resp_1"}
            {"event":"usage","usage":{"input_tokens":9,"cache_read_tokens":4,"cache_write_tokens":1,"output_tokens":5,"reasoning_tokens":3}}
            {"event":"finish","finish":"stop"}"#]],
    );
}

#[test]
fn other_items_are_kept_whole() {
    let items = [
        r#"{"id":"ws_1","type":"web_search_call","status":"completed","action":{"type":"search","query":"x"}}"#,
        r#"{"id":"mcp_1","type":"mcp_call","name":"ask","output":"y"}"#,
        r#"{"id":"ci_1","type":"code_interpreter_call","code":"1"}"#,
        r#"{"id":"cmp_1","type":"compaction","encrypted_content":"z"}"#,
        r#"{"id":"n_1","type":"not_invented_yet","a":[1,{"b":null}]}"#,
    ];
    let mut data = vec![CREATED.to_owned()];
    data.extend((0..).zip(items).map(|(place, item)| done(place, item)));
    data.push(r#"{"type":"response.web_search_call.completed","output_index":0}"#.to_owned());
    data.push(COMPLETED.to_owned());
    let data: Vec<_> = data.iter().map(String::as_str).collect();
    let reply = reply(play(Format::Responses, &data));
    assert_eq!(reply.finish, Finish::Stop);
    let kept = reply.message.parts.iter().map(|part| match part {
        Part::Opaque(opaque) => opaque.value.clone(),
        part => panic!("{part:?}"),
    });
    let expected = items.map(|item| serde_json::from_str::<serde_json::Value>(item).unwrap());
    assert_eq!(kept.collect::<Vec<_>>(), expected);
}

#[test]
fn reasons_to_end() {
    let end = |status: &str, details: &str| {
        format!(r#"{{"type":"response.{status}","response":{{"status":"{status}","incomplete_details":{details}}}}}"#)
    };
    let cases = [
        (end("completed", "null"), Finish::Stop),
        (end("incomplete", r#"{"reason":"max_output_tokens"}"#), Finish::Length),
        (end("incomplete", r#"{"reason":"content_filter"}"#), Finish::Refused),
        (end("incomplete", r#"{"reason":"new"}"#), Finish::Other("new".into())),
        (end("incomplete", "null"), Finish::Other("incomplete".into())),
    ];
    for (end, finish) in cases {
        assert_eq!(reply(play(Format::Responses, &[CREATED, &end, "[DONE]"])).finish, finish, "{end}");
    }
    assert_eq!(error(play(Format::Responses, &[CREATED])).kind(), Kind::Unavailable);
    assert_eq!(error(play(Format::Responses, &[CREATED, "[DONE]"])).kind(), Kind::Unavailable);
}

#[test]
fn errors_in_the_middle() {
    let cases = [
        (
            r#"{"type":"error","error":{"type":"insufficient_quota","code":"insufficient_quota","message":"x"}}"#,
            Kind::Limit,
        ),
        (r#"{"type":"error","code":"rate_limit_exceeded","message":"x","param":null}"#, Kind::RateLimited),
        (r#"{"type":"error","code":"ERR","message":"x"}"#, Kind::Unavailable),
        (
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"x"}}}"#,
            Kind::Unavailable,
        ),
        (
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"context_length_exceeded","message":"x"}}}"#,
            Kind::Limit,
        ),
        (
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"invalid_prompt","message":"x"}}}"#,
            Kind::Refused,
        ),
        (r#"{"type":"response.failed","response":{"status":"failed","error":null}}"#, Kind::Unavailable),
        (r#"{"error":{"message":"x","code":"model_not_found"}}"#, Kind::NotFound),
        ("{broken", Kind::BadOutput),
    ];
    for (data, kind) in cases {
        let (events, result) = play(Format::Responses, &[CREATED, data]);
        assert_eq!(result.unwrap_err().kind(), kind, "{data}");
        assert_eq!(events.len(), 1, "{data}");
    }
    let named = "event: error\ndata: {\"message\":\"overloaded\",\"code\":\"overloaded\"}\n\n";
    assert_eq!(error(play_raw(Format::Responses, named)).kind(), Kind::Unavailable);
}

#[test]
fn what_is_not_known_is_passed_over() {
    let odd = [
        r#"{"type":"response.created","response":null}"#,
        r#"{"type":"response.not.invented","delta":{"a":1},"item":3,"output_index":"x"}"#,
        r#"{"type":"keepalive","sequence_number":3}"#,
        r#"{"type":7}"#,
        r#"{"type":"response.output_item.done","item":null}"#,
        r#"{"type":"response.output_text.delta","output_index":"0","delta":"a","logprobs":"none"}"#,
        r#"{"type":"response.completed","response":{"usage":"none","output":null,"status":null}}"#,
    ];
    expect![[r#"
        {"event":"start"}
        {"event":"ping"}
        {"event":"text","text":"a"}
        {"event":"finish","finish":"stop"}"#]]
    .assert_eq(&shown(play(Format::Responses, &odd)));
    let stream = format!(": hi\n\nevent: ping\ndata: what\n\nevent: response.completed\ndata: {COMPLETED}\n\n");
    assert_eq!(play_raw(Format::Responses, &stream).0.len(), 3);
    let events = play(Format::Responses, &[CREATED, COMPLETED, CREATED, "{broken"]).0;
    assert!(matches!(events.last(), Some(Event::Finish { .. })));
}

#[test]
fn an_answer_in_one_piece() {
    let whole = r#"{
  "id": "resp_1", "object": "response", "status": "completed", "model": "m", "error": null,
  "output": [
    {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}]},
    {"id": "msg_1", "type": "message", "content": [{"type": "output_text", "text": "Look", "annotations": []}]},
    {"id": "fc_1", "type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
  ],
  "usage": {"input_tokens": 1, "output_tokens": 2}
}"#;
    expect![[r#"
        {"event":"start","id":"resp_1","model":"m"}
        {"event":"reasoning","text":"Hm"}
        {"event":"reasoning_end","opaque":{"provider":"openai","value":{"id":"rs_1","summary":[{"text":"Hm","type":"summary_text"}],"type":"reasoning"}}}
        {"event":"text","text":"Look"}
        {"event":"text_end"}
        {"event":"tool_call_start","index":0,"id":"a","name":"f"}
        {"event":"tool_call_arguments","index":0,"text":"{}"}
        {"event":"tool_call_end","index":0}
        {"event":"usage","usage":{"input_tokens":1,"cache_read_tokens":0,"cache_write_tokens":0,"output_tokens":2,"reasoning_tokens":0}}
        {"event":"finish","finish":"tool_calls"}"#]].assert_eq(&shown(play_raw(Format::Responses, whole)));
}

#[test]
fn calls_end_even_if_the_server_does_not_say_so() {
    let added = |place: u32, id: &str| {
        format!(
            r#"{{"type":"response.output_item.added","output_index":{place},"item":{{"type":"function_call","call_id":"{id}","name":"f"}}}}"#
        )
    };
    let delta = r#"{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{}"}"#;
    let output = r#"[{"type":"message"},{"type":"function_call","call_id":"b","name":"f","arguments":"{\"x\":1}"}]"#;
    let end = format!(r#"{{"type":"response.completed","response":{{"output":{output}}}}}"#);
    check(
        &[&added(0, "a"), &added(1, "b"), delta, &end],
        expect![[r#"
        {"event":"tool_call_start","index":0,"id":"a","name":"f"}
        {"event":"tool_call_start","index":1,"id":"b","name":"f"}
        {"event":"tool_call_arguments","index":0,"text":"{}"}
        {"event":"start"}
        {"event":"tool_call_end","index":0}
        {"event":"tool_call_arguments","index":1,"text":"{\"x\":1}"}
        {"event":"tool_call_end","index":1}
        {"event":"finish","finish":"tool_calls"}"#]],
    );
}
