//! From the spans of `tracing` to records: ids, times, attributes. A record goes to a sink when its span begins and when it ends;
//! what becomes of it is the sink's to know.

use std::fmt;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use lorewell_model::{semconv, span};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::id::{SpanId, TraceId};

/// What is known of a span.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) ids: Ids,
    pub(super) parent: Option<SpanId>,
    pub(super) name: String,
    pub(super) started: SystemTime,
    pub(super) ended: Option<SystemTime>,
    pub(super) attributes: Map<String, Value>,
}

/// What a span is called. All sinks of a process call it the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ids {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
}

/// Where records go.
pub(super) trait Sink: Send + Sync + 'static {
    /// A span has begun. More may become known of it.
    fn started(&self, record: &Record);

    /// A span has ended.
    fn ended(&self, record: Record);
}

/// Makes a layer that gives the spans of Lorewell to a sink, and nothing else.
pub(super) fn layer<S, K: Sink>(sink: Arc<K>) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    SpanLayer(sink).with_filter(OwnSpans)
}

/// Lets pass the spans of Lorewell. As a filter of this layer alone, it takes nothing from others, and costs nothing where they are
/// not wanted.
struct OwnSpans;

impl<S> Filter<S> for OwnSpans {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        metadata.is_span() && metadata.target() == span::TARGET
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> tracing::subscriber::Interest {
        match metadata.is_span() && metadata.target() == span::TARGET {
            true => tracing::subscriber::Interest::always(),
            false => tracing::subscriber::Interest::never(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }
}

struct SpanLayer<K>(Arc<K>);

/// A record that is not finished. Each kind of sink has its own.
struct Open<K> {
    record: Record,
    began: Instant,
    _sink: std::marker::PhantomData<fn(K)>,
}

impl<S, K: Sink> Layer<S> for SpanLayer<K>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let parent = span.parent().and_then(|parent| parent.extensions().get::<Ids>().copied());
        let known = span.extensions().get::<Ids>().copied();
        let ids = known.unwrap_or_else(|| Ids {
            trace: parent.map_or_else(TraceId::draw, |parent| parent.trace),
            span: SpanId::draw(),
        });
        let mut record = Record {
            ids,
            parent: parent.map(|parent| parent.span),
            name: attributes.metadata().name().to_owned(),
            started: SystemTime::now(),
            ended: None,
            attributes: Map::new(),
        };
        attributes.record(&mut record);
        self.0.started(&record);
        let mut extensions = span.extensions_mut();
        extensions.replace(ids);
        extensions.replace(Open::<K> { record, began: Instant::now(), _sink: std::marker::PhantomData });
    }

    fn on_record(&self, id: &Id, values: &tracing::span::Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open<K>>() {
            values.record(&mut open.record);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        if let Some(Open { mut record, began, .. }) = span.extensions_mut().remove::<Open<K>>() {
            // The clock of the day may be set meanwhile; how long it took does not depend on that.
            record.ended = Some(record.started + began.elapsed());
            self.0.ended(record);
        }
    }
}

impl Record {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            (semconv::SPAN_NAME, Value::String(name)) => self.name = name,
            (name, value) => drop(self.attributes.insert(name.to_owned(), value)),
        }
    }
}

impl Visit for Record {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}
