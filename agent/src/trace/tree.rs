//! A trace as it is read: its spans in the order of a tree, each with what it and all inside of it have used. Nothing here reads a
//! file.

use std::collections::HashMap;
use std::ops::AddAssign;
use std::time::{Duration, SystemTime};

use lorewell_model::{Usage, semconv};
use serde::Serialize;
use serde_json::{Map, Value};

use super::id::{SpanId, TraceId};

/// Spans of one trace that are read; a person looks at far fewer.
pub const SPANS_MAX: usize = 100_000;

/// What a span or a trace has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SpanState {
    /// It still goes on, or its process has died.
    Unfinished,
    /// It ended well.
    Done,
    /// It waits for a person.
    Paused,
    /// It was stopped.
    Cancelled,
    /// It failed.
    Failed,
}

/// What was used, summed up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Totals {
    /// Answers of models.
    pub answers: u64,
    /// Calls of tools.
    pub tool_calls: u64,
    /// Spans that failed, and not only because something inside of them did.
    pub errors: u64,
    /// Tokens.
    pub usage: Usage,
    /// US dollars, as far as prices are known.
    pub cost_usd: f64,
    /// Answers that used tokens whose price is not known.
    pub unpriced: u64,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.answers += other.answers;
        self.tool_calls += other.tool_calls;
        self.errors += other.errors;
        self.usage += other.usage;
        self.cost_usd += other.cost_usd;
        self.unpriced += other.unpriced;
    }
}

/// A trace in one line.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TraceSummary {
    /// Its id.
    pub id: TraceId,
    /// The name of its outermost span.
    pub name: String,
    /// When it began.
    #[serde(serialize_with = "seconds_since_1970")]
    pub started: SystemTime,
    /// How long it took; none if it is not finished.
    #[serde(rename = "duration_seconds", serialize_with = "seconds")]
    pub duration: Option<Duration>,
    /// What it has come to.
    pub state: SpanState,
    /// What all of it has used.
    pub totals: Totals,
}

/// A trace.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Trace {
    /// All of it in one line.
    #[serde(flatten)]
    pub summary: TraceSummary,
    /// Its spans, each before those inside of it, siblings as they began.
    pub spans: Vec<TraceSpan>,
    /// Whether there are more than [`SPANS_MAX`].
    pub is_cut: bool,
}

/// One span of a trace.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TraceSpan {
    /// Its id.
    pub id: SpanId,
    /// The span that it is inside of.
    pub parent: Option<SpanId>,
    /// How many spans it is inside of.
    pub depth: usize,
    /// What it is called, such as `chat gpt-5`.
    pub name: String,
    /// When it began.
    #[serde(serialize_with = "seconds_since_1970")]
    pub started: SystemTime,
    /// How long it took; none if it is not finished.
    #[serde(rename = "duration_seconds", serialize_with = "seconds")]
    pub duration: Option<Duration>,
    /// What it has come to.
    pub state: SpanState,
    /// What it and those inside of it have used.
    pub totals: Totals,
    /// What else is known of it, by the names of [`semconv`].
    pub attributes: Map<String, Value>,
}

impl TraceSpan {
    /// Returns a text among its attributes.
    #[must_use]
    pub fn text(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute)?.as_str()
    }
}

/// A span as it is stored.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) id: SpanId,
    pub(super) parent: Option<SpanId>,
    pub(super) name: String,
    pub(super) started: SystemTime,
    pub(super) duration: Option<Duration>,
    pub(super) attributes: Map<String, Value>,
}

/// Makes a trace of its spans, which come as they began; none of no spans.
pub(super) fn trace(id: TraceId, mut rows: Vec<Row>) -> Option<Trace> {
    let is_cut = rows.len() > SPANS_MAX;
    rows.truncate(SPANS_MAX);
    let spans = in_order(rows);
    let mut totals = Totals::default();
    spans.iter().filter(|span| span.depth == 0).for_each(|span| totals += span.totals);
    let first = spans.iter().find(|span| span.parent.is_none()).or(spans.first())?;
    let summary = TraceSummary {
        id,
        name: first.name.clone(),
        started: first.started,
        duration: first.duration,
        state: first.state,
        totals,
    };
    Some(Trace { summary, spans, is_cut })
}

/// Puts each span before those inside of it. One whose parent is not known counts as outermost.
fn in_order(rows: Vec<Row>) -> Vec<TraceSpan> {
    let places: HashMap<SpanId, usize> = rows.iter().enumerate().map(|(place, row)| (row.id, place)).collect();
    let mut inside: Vec<Vec<usize>> = vec![Vec::new(); rows.len()];
    let mut open = Vec::new();
    for (place, row) in rows.iter().enumerate().rev() {
        match row.parent.and_then(|parent| places.get(&parent)) {
            Some(parent) => inside[*parent].push(place),
            None => open.push((place, None)),
        }
    }
    let mut rows: Vec<Option<Row>> = rows.into_iter().map(Some).collect();
    let mut spans: Vec<TraceSpan> = Vec::with_capacity(rows.len());
    let mut outer = Vec::with_capacity(rows.len());
    while let Some((place, around)) = open.pop() {
        let Some(row) = rows[place].take() else { continue };
        let depth = around.map_or(0, |around: usize| spans[around].depth + 1);
        open.extend(inside[place].iter().map(|inside| (*inside, Some(spans.len()))));
        spans.push(span(row, depth));
        outer.push(around);
    }
    sum_up(&mut spans, &outer);
    spans
}

/// Adds to each span what those inside of it have used. What a model has used that stands for others, it tells itself; and what
/// fails because something inside of it has failed is no second error.
fn sum_up(spans: &mut [TraceSpan], outer: &[Option<usize>]) {
    for place in (0..spans.len()).rev() {
        let span = &mut spans[place];
        if span.state == SpanState::Failed {
            span.totals.errors = span.totals.errors.max(1);
        }
        let totals = span.totals;
        let Some(outer) = outer[place].map(|outer| &mut spans[outer]) else { continue };
        match operation(&outer.attributes) {
            Some(semconv::operation::CHAT) => outer.totals.errors += totals.errors,
            _ => outer.totals += totals,
        }
    }
}

fn span(row: Row, depth: usize) -> TraceSpan {
    let Row { id, parent, name, started, duration, attributes } = row;
    let state = state(duration.is_some(), &attributes);
    let totals = own(&attributes);
    TraceSpan { id, parent, depth, name, started, duration, state, totals, attributes }
}

fn operation(attributes: &Map<String, Value>) -> Option<&str> {
    attributes.get(semconv::OPERATION_NAME)?.as_str()
}

fn state(is_finished: bool, attributes: &Map<String, Value>) -> SpanState {
    let text = |name: &str| attributes.get(name).and_then(Value::as_str);
    match (text(semconv::ERROR_TYPE), text(semconv::OUTCOME)) {
        (Some("cancelled"), _) => SpanState::Cancelled,
        (Some(_), _) => SpanState::Failed,
        (None, _) if !is_finished => SpanState::Unfinished,
        (None, Some("paused")) => SpanState::Paused,
        (None, _) => SpanState::Done,
    }
}

/// What a span has used itself. Those of agents sum up what their models have used, and count for nothing here.
fn own(attributes: &Map<String, Value>) -> Totals {
    let number = |name: &str| attributes.get(name).and_then(Value::as_u64).unwrap_or_default();
    match operation(attributes) {
        Some(semconv::operation::EXECUTE_TOOL) => Totals { tool_calls: 1, ..Totals::default() },
        Some(semconv::operation::CHAT) => {
            let usage = Usage {
                input_tokens: number(semconv::USAGE_INPUT_TOKENS),
                cache_read_tokens: number(semconv::USAGE_CACHE_READ_INPUT_TOKENS),
                cache_write_tokens: number(semconv::USAGE_CACHE_WRITE_INPUT_TOKENS),
                output_tokens: number(semconv::USAGE_OUTPUT_TOKENS),
                reasoning_tokens: number(semconv::USAGE_REASONING_OUTPUT_TOKENS),
            };
            let cost = attributes.get(semconv::COST_USD).and_then(Value::as_f64);
            let unpriced = u64::from(cost.is_none() && usage.total_tokens() > 0);
            Totals { answers: 1, usage, cost_usd: cost.unwrap_or_default(), unpriced, ..Totals::default() }
        }
        _ => Totals::default(),
    }
}

fn seconds<S: serde::Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs_f64()).serialize(serializer)
}

fn seconds_since_1970<S: serde::Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    serializer.serialize_f64(since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(id: u64, parent: u64, attributes: &Value) -> Row {
        let span = |id: u64| SpanId::from_bytes(id.to_be_bytes());
        Row {
            id: span(id),
            parent: (parent > 0).then(|| span(parent)),
            name: id.to_string(),
            started: SystemTime::UNIX_EPOCH,
            duration: Some(Duration::ZERO),
            attributes: attributes.as_object().cloned().unwrap_or_default(),
        }
    }

    fn chat(tokens: u64, cost: Option<f64>) -> Value {
        json!({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": tokens, "lorewell.usage.cost_usd": cost})
    }

    fn check(rows: Vec<Row>, expected: &[&str]) -> Totals {
        let trace = trace(TraceId::from_bytes([1; 16]), rows).unwrap();
        let shown = trace.spans.iter().map(|span| {
            let Totals { answers, errors, usage, cost_usd, unpriced, .. } = span.totals;
            let used = format!("{answers} answers {} tokens ${cost_usd} {unpriced} unpriced", usage.input_tokens);
            format!("{:width$}{} {used} {errors} errors", "", span.name, width = span.depth)
        });
        assert_eq!(shown.collect::<Vec<_>>(), expected);
        trace.summary.totals
    }

    #[test]
    fn each_span_knows_what_is_inside_of_it() {
        let agent = json!({"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 30});
        let rows = vec![
            row(1, 0, &json!({})),
            row(2, 1, &agent),
            row(3, 2, &chat(10, Some(0.5))),
            row(4, 1, &json!({})),
            row(5, 2, &chat(20, None)),
        ];
        let totals = check(
            rows,
            &[
                "1 2 answers 30 tokens $0.5 1 unpriced 0 errors",
                " 2 2 answers 30 tokens $0.5 1 unpriced 0 errors",
                "  3 1 answers 10 tokens $0.5 0 unpriced 0 errors",
                "  5 1 answers 20 tokens $0 1 unpriced 0 errors",
                " 4 0 answers 0 tokens $0 0 unpriced 0 errors",
            ],
        );
        assert_eq!((totals.answers, totals.usage.input_tokens), (2, 30));
    }

    #[test]
    fn a_model_that_stands_for_another_counts_once() {
        let rows = vec![row(1, 0, &chat(10, Some(0.5))), row(2, 1, &chat(10, Some(0.5)))];
        let expected =
            ["1 1 answers 10 tokens $0.5 0 unpriced 0 errors", " 2 1 answers 10 tokens $0.5 0 unpriced 0 errors"];
        assert_eq!(check(rows, &expected).answers, 1);
    }

    #[test]
    fn an_error_counts_once_however_far_it_goes() {
        let failed = json!({"error.type": "timeout"});
        let rows = vec![row(1, 0, &failed), row(2, 1, &failed), row(3, 2, &failed), row(4, 1, &failed)];
        assert_eq!(trace(TraceId::from_bytes([1; 16]), rows).unwrap().summary.totals.errors, 2);
    }

    #[test]
    fn a_span_whose_parent_was_lost_is_outermost() {
        let expected = ["2 0 answers 0 tokens $0 0 unpriced 0 errors", " 3 0 answers 0 tokens $0 0 unpriced 0 errors"];
        check(vec![row(2, 1, &json!({})), row(3, 2, &json!({}))], &expected);
        assert_eq!(trace(TraceId::from_bytes([1; 16]), Vec::new()), None);
    }

    #[test]
    fn a_deep_tree_needs_no_stack() {
        let rows: Vec<Row> = (1..=50_000).map(|id| row(id, id - 1, &json!({}))).collect();
        let trace = trace(TraceId::from_bytes([1; 16]), rows).unwrap();
        assert_eq!(trace.spans.last().map(|span| span.depth), Some(49_999));
    }

    #[test]
    fn states_follow_from_how_it_ended() {
        let of = |is_finished, attributes: Value| state(is_finished, attributes.as_object().unwrap());
        assert_eq!(of(true, json!({})), SpanState::Done);
        assert_eq!(of(false, json!({})), SpanState::Unfinished);
        assert_eq!(of(true, json!({"lorewell.outcome": "paused"})), SpanState::Paused);
        assert_eq!(of(true, json!({"error.type": "cancelled"})), SpanState::Cancelled);
        assert_eq!(of(true, json!({"error.type": "limit", "lorewell.outcome": "done"})), SpanState::Failed);
    }
}
