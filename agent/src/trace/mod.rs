//! Traces: what a run did, span by span, with times, tokens and costs. The spans are those of [`tracing`], by the names of
//! [`semconv`](lorewell_model::semconv); this is where they are kept and sent to.

mod id;
mod layer;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(feature = "trace")]
mod store;
#[cfg(feature = "trace")]
mod tree;

pub use id::{SpanId, TraceId};
#[cfg(feature = "otlp")]
pub use otlp::{Otlp, OtlpExporter};
#[cfg(feature = "trace")]
pub use store::{Retention, TraceStore};
#[cfg(feature = "trace")]
pub use tree::{SPANS_MAX, SpanState, Totals, Trace, TraceSpan, TraceSummary};
