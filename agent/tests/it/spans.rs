//! What a run tells of itself: which span is inside of which, what each has used, how each ended.

use std::collections::VecDeque;
use std::sync::Mutex;

use expect_test::{Expect, expect};
use lorewell_agent::checkpoint::Memory;
use lorewell_agent::trace::{SpanState, Trace, TraceStore};
use lorewell_agent::{
    Access, Agent, Cancel, Chat, Cx, END, Error, Graph, Kind, Outcome, Result, State, ToolError, tool,
};
use lorewell_model::{
    Cassette, ChatModel, Event, Events, Finish, Message, Model, Part, Request, Role, ToolCall, Usage, semconv as name,
};
use tracing_subscriber::prelude::*;

#[derive(Debug, Clone, Default, State)]
struct Desk {
    #[reduce(append)]
    notes: Vec<String>,
}

/// Runs something, and returns the traces of it, oldest first.
async fn traces(run: impl Future<Output = ()>) -> Vec<Trace> {
    let folder = tempfile::tempdir().unwrap();
    let store = TraceStore::open(folder.path().join("traces.sqlite")).await.unwrap();
    let guard = tracing_subscriber::registry().with(store.layer()).set_default();
    run.await;
    drop(guard);
    store.flush().await.unwrap();
    let mut traces = Vec::new();
    for summary in store.list(100).await.unwrap() {
        traces.insert(0, store.read(summary.id).await.unwrap());
    }
    traces
}

fn shown(traces: &[Trace]) -> String {
    let spans = traces.iter().flat_map(|trace| &trace.spans);
    let lines = spans.map(|span| {
        let used = match span.totals.answers {
            0 => String::new(),
            _ => format!(" {}+{}", span.totals.usage.input_tokens, span.totals.usage.output_tokens),
        };
        let error = span.text(name::ERROR_TYPE).map(|error| format!(" {error}")).unwrap_or_default();
        format!("{:width$}{} {:?}{error}{used}\n", "", span.name, span.state, width = 2 * span.depth)
    });
    lines.collect()
}

async fn check(run: impl Future<Output = ()>, expected: Expect) {
    expected.assert_eq(&shown(&traces(run).await));
}

fn call(id: &str, name: &str) -> Part {
    Part::ToolCall(ToolCall::new(id, name, &serde_json::json!({"n": id.len()})))
}

/// A model that says these, one after the other, each for a hundred tokens and ten.
#[derive(Debug)]
struct Told(Mutex<VecDeque<Message>>);

impl ChatModel for Told {
    fn stream(&self, _: Request) -> Events {
        let Some(message) = self.0.lock().unwrap().pop_front() else {
            return Events::failed(Error::new(Kind::Unavailable, "there is nothing left to say"));
        };
        let mut events = vec![Event::Start { id: Some("answer-1".into()), model: Some("told-2".into()) }];
        for (index, part) in (0..).zip(message.parts) {
            match part {
                Part::ToolCall(call) => events.extend([
                    Event::ToolCallStart { index, id: call.id, name: call.name },
                    Event::ToolCallArguments { index, text: call.arguments_json },
                    Event::ToolCallEnd { index, opaque: None },
                ]),
                part => events.push(Event::Text { text: Message::new(Role::Assistant, [part]).text().into_owned() }),
            }
        }
        let usage = Usage { input_tokens: 100, output_tokens: 10, ..Usage::default() };
        events.extend([Event::Usage { usage }, Event::Finish { finish: Finish::Stop }]);
        Events::of(events)
    }
}

fn model(said: impl IntoIterator<Item = Message>) -> Model {
    Model::new("mock:told".parse().unwrap(), Told(Mutex::new(said.into_iter().collect())))
}

/// Does nothing with a number.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Asked {
    n: usize,
}

async fn look(asked: Asked) -> Result<usize, ToolError> {
    tokio::task::yield_now().await;
    Ok(asked.n)
}

async fn fall(asked: Asked) -> Result<usize, ToolError> {
    tokio::task::yield_now().await;
    Err(ToolError::failed(format!("no {}", asked.n)))
}

#[tokio::test]
async fn calls_that_are_made_side_by_side_are_inside_of_their_turn() {
    let calls = Message::new(Role::Assistant, [call("1", "look"), call("2", "fall"), call("3", "look")]);
    let agent =
        Agent::new(model([calls, Message::assistant("Done.")])).name("clerk").tool("look", look).tool("fall", fall);
    let run = async { assert_eq!(agent.run("Go.").await.unwrap(), "Done.") };
    let expected = expect![[r#"
        invoke_workflow Done 200+20
          node clerk Done 200+20
            invoke_agent clerk Done 200+20
              chat told Done 100+10
              execute_tool look Done
              execute_tool fall Failed tool_error
              execute_tool look Done
              chat told Done 100+10
    "#]];
    check(run, expected).await;
}

#[tokio::test]
async fn nodes_that_run_side_by_side_have_what_they_do_inside_of_them() {
    let asks = |answer: &'static str| {
        let model = model([Message::assistant(answer)]);
        move |_: Cx<Desk>| {
            let model = model.clone();
            async move {
                tokio::task::yield_now().await;
                let reply = model.chat("?").await?;
                Ok::<_, Error>(Desk::update().notes([reply.text()]))
            }
        }
    };
    let inner = Graph::<Desk>::new().node("deep", asks("c")).start("deep").edge("deep", END).build().unwrap();
    let flow = Graph::<Desk>::new()
        .node("split", |_: Cx<Desk>| async { Ok(()) })
        .node("left", asks("a"))
        .node("right", asks("b"))
        .node("nested", inner)
        .start("split")
        .edge("split", "left")
        .edge("split", "right")
        .edge("split", "nested")
        .build()
        .unwrap();
    let traces = traces(async { drop(flow.run(Desk::default()).await.unwrap()) }).await;
    expect![[r#"
        invoke_workflow Done 300+30
          node split Done
          node left Done 100+10
            chat told Done 100+10
          node nested Done 100+10
            node deep Done 100+10
              chat told Done 100+10
          node right Done 100+10
            chat told Done 100+10
    "#]]
    .assert_eq(&shown(&traces));
    let deep = traces[0].spans.iter().find(|span| span.name == "node deep").unwrap();
    assert_eq!(deep.text(name::GRAPH_NODE_ID), Some("nested@2#1/deep"));
    assert_eq!(deep.text(name::GRAPH_NODE_PARENT_ID), Some("nested@2#1"));
}

#[tokio::test]
async fn a_span_of_an_answer_tells_what_was_asked_and_used() {
    let run = async {
        let request = Request::from("A secret question").temperature(0.5).output_tokens_max(7);
        drop(model([Message::assistant("An answer")]).chat(request).await.unwrap());
    };
    let traces = traces(run).await;
    let mut attributes = traces[0].spans[0].attributes.clone();
    assert!(attributes.remove(name::RESPONSE_TIME_TO_FIRST_CHUNK).unwrap().as_f64().unwrap() >= 0.0);
    let expected = serde_json::json!({
        "otel.kind": "client",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "mock",
        "gen_ai.request.model": "told",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 7,
        "gen_ai.request.stream": true,
        "gen_ai.response.id": "answer-1",
        "gen_ai.response.model": "told-2",
        "gen_ai.response.finish_reasons": "[\"stop\"]",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 10,
        "lorewell.usage.cost_usd": 0.0,
    });
    assert_eq!(serde_json::Value::from(attributes), expected, "and nothing of what was said");
}

#[tokio::test]
async fn an_error_is_told_where_it_happened() {
    let agent = Agent::new(model([]));
    let run = async { drop(agent.run("Go.").await.unwrap_err()) };
    let traces = traces(run).await;
    let spans = &traces[0].spans;
    assert!(spans.iter().all(|span| span.state == SpanState::Failed), "{}", shown(&traces));
    assert_eq!(traces[0].summary.totals.errors, 1);
    let kind = spans[3].text(name::ERROR_TYPE).unwrap();
    assert!(spans.iter().all(|span| span.text(name::ERROR_TYPE) == Some(kind)));
}

#[tokio::test]
async fn a_run_that_waits_for_a_person_is_paused_and_tells_its_thread() {
    let pay = || Message::new(Role::Assistant, [call("1", "pay")]);
    let agent = Agent::new(model([pay(), Message::assistant("Paid.")])).tool("pay", tool(look).access(Access::WRITE));
    let thread = agent.thread("ticket-42", Memory::new()).unwrap();
    let run = async {
        let Outcome::Paused(paused) = thread.run(Chat::say("Pay.")).await.unwrap() else { panic!("it asks") };
        thread.answer(&paused.questions[0].id, lorewell_agent::Decision::approve()).await.unwrap();
        drop(thread.resume().await.unwrap().done().unwrap());
    };
    let traces = traces(run).await;
    expect![[r#"
        invoke_workflow Paused 100+10
          node agent Paused 100+10
            invoke_agent agent Paused 100+10
              chat told Done 100+10
        invoke_workflow Done 100+10
          node agent Done 100+10
            invoke_agent agent Done 100+10
              execute_tool pay Done
              chat told Done 100+10
    "#]]
    .assert_eq(&shown(&traces));
    let threads = traces.iter().map(|trace| trace.spans[0].text(name::CONVERSATION_ID));
    assert_eq!(threads.collect::<Vec<_>>(), [Some("ticket-42"), Some("ticket-42")]);
}

#[tokio::test]
async fn what_is_stopped_says_so() {
    let cancel = Cancel::new();
    let stop = cancel.clone();
    let waits = move |_: Cx<Desk>| {
        stop.cancel();
        std::future::pending::<Result<()>>()
    };
    let flow = Graph::<Desk>::new().node("waits", waits).start("waits").edge("waits", END).build().unwrap();
    let run = async {
        let error = flow.run(Desk::default()).cancel(&cancel).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Cancelled);
    };
    let expected = expect![[r#"
        invoke_workflow Cancelled cancelled
          node waits Cancelled cancelled
    "#]];
    check(run, expected).await;
}

#[tokio::test]
async fn an_answer_that_nobody_reads_to_its_end_is_cancelled() {
    let run = async {
        let mut events = model([Message::assistant("An answer")]).stream("?");
        drop(events.next().await.unwrap().unwrap());
    };
    check(
        run,
        expect![[r#"
        chat told Cancelled cancelled 0+0
    "#]],
    )
    .await;
}

#[tokio::test]
async fn each_model_that_was_asked_has_a_span_of_its_own() {
    let first = Model::new("mock:first".parse().unwrap(), Told(Mutex::default()));
    let model = first.fallback(&model([Message::assistant("I can.")]));
    let run = async { assert_eq!(model.chat("?").await.unwrap().text(), "I can.") };
    let expected = expect![[r#"
        chat first Failed unavailable 0+0
        chat told Done 100+10
    "#]];
    check(run, expected).await;
}

#[tokio::test]
async fn a_model_that_is_recorded_is_told_of_once() {
    let folder = tempfile::tempdir().unwrap();
    let cassette = Cassette::create(folder.path().join("cassette.json")).unwrap();
    let first = Model::new("mock:first".parse().unwrap(), Told(Mutex::default()));
    let model = first.fallback(&model([Message::assistant("I can.")])).record(&cassette);
    let run = async { assert_eq!(model.chat("?").await.unwrap().text(), "I can.") };
    let expected = expect![[r#"
        chat first Done 100+10
    "#]];
    check(run, expected).await;
}
