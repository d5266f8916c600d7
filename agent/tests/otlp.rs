//! Traces to a collector: a real one as far as HTTP and protobuf go, which decodes what comes, refuses, or redirects.

#![cfg(feature = "otlp")]
#![expect(clippy::unwrap_used, reason = "a test that cannot run has nothing to say")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lorewell_agent::trace::{Otlp, OtlpExporter};
use lorewell_agent::{Agent, Kind};
use lorewell_model::{model, semconv};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tracing_subscriber::prelude::*;

/// A collector at an address of its own, for as long as the test runs.
struct Collector {
    endpoint: String,
    taken: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
}

impl Collector {
    fn start(status: &'static str, headers: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let taken: Arc<Mutex<Vec<ExportTraceServiceRequest>>> = Arc::default();
        let kept = taken.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let request = request(&stream);
                kept.lock().unwrap().push(ExportTraceServiceRequest::decode(&*request).unwrap());
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n");
                (&stream).write_all(head.as_bytes()).unwrap();
            }
        });
        Self { endpoint, taken }
    }

    fn spans(&self) -> Vec<Span> {
        let taken = self.taken.lock().unwrap();
        let scopes = taken.iter().flat_map(|request| &request.resource_spans).flat_map(|spans| &spans.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }
}

fn request(stream: &TcpStream) -> Vec<u8> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "POST /v1/traces HTTP/1.1");
    while !line.trim().is_empty() {
        line.clear();
        reader.read_line(&mut line).unwrap();
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    body
}

fn exporter(endpoint: &str) -> OtlpExporter {
    Otlp::from_environment().endpoint(endpoint).timeout(Duration::from_secs(20)).build().unwrap()
}

async fn run(exporter: &OtlpExporter) {
    let _guard = tracing_subscriber::registry().with(exporter.layer()).set_default();
    Agent::new(model("mock:echo").await.unwrap()).run("A secret question").await.unwrap();
}

fn value<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a Value> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    found.value.as_ref()?.value.as_ref()
}

fn text(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}

#[tokio::test]
async fn a_collector_gets_the_spans_of_a_run() {
    let collector = Collector::start("200 OK", "");
    let exporter = exporter(&collector.endpoint);
    run(&exporter).await;
    exporter.flush().await.unwrap();
    assert_eq!(exporter.lost(), 0);
    let spans = collector.spans();
    let names: Vec<_> = spans.iter().map(|span| &*span.name).collect();
    assert_eq!(
        names,
        ["chat echo", "invoke_agent agent", "node agent", "invoke_workflow"],
        "in the order of their ends"
    );
    for (inner, outer) in spans.iter().zip(&spans[1..]) {
        assert_eq!((&inner.trace_id, &inner.parent_span_id), (&outer.trace_id, &outer.span_id));
        assert!(outer.start_time_unix_nano <= inner.start_time_unix_nano);
        assert!(inner.start_time_unix_nano <= inner.end_time_unix_nano);
    }
    assert!(spans[3].parent_span_id.is_empty());
    let chat = &spans[0].attributes;
    assert_eq!(value(chat, semconv::OPERATION_NAME), Some(&text("chat")));
    let Some(Value::ArrayValue(reasons)) = value(chat, semconv::RESPONSE_FINISH_REASONS) else { panic!("{chat:?}") };
    assert_eq!(reasons.values, [AnyValue { value: Some(text("stop")) }]);
    assert!(!format!("{spans:?}").contains("secret question"));

    let taken = collector.taken.lock().unwrap();
    let resource = &taken[0].resource_spans[0];
    let attributes = &resource.resource.as_ref().unwrap().attributes;
    assert_eq!(value(attributes, "service.name"), Some(&text("lorewell")));
    assert_eq!(resource.scope_spans[0].schema_url, semconv::SCHEMA_URL);
}

#[tokio::test]
async fn what_is_left_is_sent_when_the_exporter_goes() {
    let collector = Collector::start("200 OK", "");
    let exporter = exporter(&collector.endpoint);
    run(&exporter).await;
    drop(exporter);
    assert_eq!(collector.spans().len(), 4);
}

#[tokio::test]
async fn a_collector_that_refuses_is_told_of_and_what_it_refused_is_counted() {
    let collector = Collector::start("401 Unauthorized", "");
    let exporter = exporter(&collector.endpoint);
    run(&exporter).await;
    let error = exporter.flush().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.to_string().starts_with("sending traces: "), "{error}");
    assert_eq!(exporter.lost(), 4);
    exporter.flush().await.unwrap();
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Collector::start("200 OK", "");
    let location = format!("Location: {}\r\n", elsewhere.endpoint);
    let collector = Collector::start("307 Temporary Redirect", location.leak());
    let exporter = exporter(&collector.endpoint);
    run(&exporter).await;
    assert_eq!(exporter.flush().await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!((collector.spans().len(), elsewhere.spans().len()), (4, 0));
}

#[test]
fn plaintext_to_another_machine_must_be_allowed() {
    let otlp = Otlp::from_environment().endpoint("http://collector.example/v1/traces");
    assert_eq!(otlp.clone().build().unwrap_err().kind(), Kind::Config);
    drop(otlp.allow_plaintext().build().unwrap());
}
