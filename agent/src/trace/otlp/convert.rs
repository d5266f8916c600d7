//! From a record to the span of OpenTelemetry's SDK. Attributes that the conventions have as lists are lists here, which the fields
//! of `tracing` cannot hold.

use lorewell_model::semconv;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use serde_json::Value;

use super::super::layer::Record;

pub(super) fn span(mut record: Record) -> SpanData {
    let mut taken = |name: &str| record.attributes.remove(name);
    let kind = taken(semconv::SPAN_KIND);
    let (is_error, why) = (taken(semconv::SPAN_STATUS).is_some(), taken(semconv::SPAN_STATUS_DESCRIPTION));
    let why = why.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
    let span = SpanId::from_bytes(record.ids.span.to_bytes());
    let trace = TraceId::from_bytes(record.ids.trace.to_bytes());
    SpanData {
        span_context: SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE),
        parent_span_id: record.parent.map_or(SpanId::INVALID, |parent| SpanId::from_bytes(parent.to_bytes())),
        parent_span_is_remote: false,
        span_kind: if kind == Some("client".into()) { SpanKind::Client } else { SpanKind::Internal },
        name: record.name.into(),
        start_time: record.started,
        end_time: record.ended.unwrap_or(record.started),
        attributes: record.attributes.into_iter().filter_map(|(name, value)| attribute(name, value)).collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: if is_error { Status::error(why) } else { Status::Unset },
        instrumentation_scope: InstrumentationScope::builder("lorewell")
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url(semconv::SCHEMA_URL)
            .build(),
    }
}

fn attribute(name: String, value: Value) -> Option<KeyValue> {
    Some(match value {
        Value::String(text) if name == semconv::RESPONSE_FINISH_REASONS => {
            let reasons: Vec<String> = serde_json::from_str(&text).ok()?;
            let reasons = reasons.into_iter().map(StringValue::from).collect();
            KeyValue::new(name, opentelemetry::Value::Array(Array::String(reasons)))
        }
        Value::String(text) => KeyValue::new(name, text),
        Value::Bool(is) => KeyValue::new(name, is),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => KeyValue::new(name, whole),
            (None, Some(number)) => KeyValue::new(name, number),
            (None, None) => return None,
        },
        // The fields of `tracing` are none of these.
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    })
}
