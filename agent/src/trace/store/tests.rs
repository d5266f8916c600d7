//! The store from the inside: what comes back, what a crash leaves, what is deleted, what is no store.

use std::path::PathBuf;

use lorewell_model::{semconv as name, span as spans};
use tracing::Span;
use tracing_subscriber::prelude::*;

use super::*;
use crate::trace::SpanState;

/// A store, and the folder it lies in.
struct Shelf {
    traces: TraceStore,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

async fn shelf() -> Shelf {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces.sqlite");
    Shelf { traces: TraceStore::open(&path).await.unwrap(), path, _folder: folder }
}

impl Shelf {
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        tracing_subscriber::registry().with(self.traces.layer()).set_default()
    }

    async fn listed(&self) -> Vec<(String, SpanState)> {
        self.traces.flush().await.unwrap();
        self.traces.list(100).await.unwrap().into_iter().map(|trace| (trace.name, trace.state)).collect()
    }
}

fn span(called: &str) -> Span {
    tracing::info_span!(
        target: spans::TARGET,
        "test",
        { name::SPAN_NAME } = called,
        { name::ERROR_TYPE } = tracing::field::Empty,
        { name::TOOL_CALL_RESULT } = tracing::field::Empty,
    )
}

#[tokio::test]
async fn what_has_begun_is_there_before_it_ends() {
    let shelf = shelf().await;
    let _guard = shelf.listen();
    let outer = span("outer");
    let inner = outer.in_scope(|| span("inner"));
    assert_eq!(shelf.listed().await, [("outer".to_owned(), SpanState::Unfinished)]);
    // As another process sees it after this one was killed.
    let other = TraceStore::open(&shelf.path).await.unwrap();
    let summary = other.list(1).await.unwrap().remove(0);
    let trace = other.read(summary.id).await.unwrap();
    assert_eq!(trace.summary, summary);
    let found: Vec<_> = trace.spans.iter().map(|span| (span.depth, &*span.name, span.duration)).collect();
    assert_eq!(found, [(0, "outer", None), (1, "inner", None)]);

    inner.record(name::ERROR_TYPE, "timeout");
    drop((inner, outer));
    assert_eq!(shelf.listed().await, [("outer".to_owned(), SpanState::Done)]);
    let trace = shelf.traces.read(summary.id).await.unwrap();
    assert_eq!(trace.spans.iter().map(|span| span.state).collect::<Vec<_>>(), [SpanState::Done, SpanState::Failed]);
    assert_eq!(trace.summary.totals.errors, 1);
}

#[tokio::test]
async fn the_last_handle_leaves_all_in_the_file() {
    let Shelf { traces, path, _folder } = shelf().await;
    let guard = tracing_subscriber::registry().with(traces.layer()).set_default();
    let first = span("first");
    drop(first);
    drop(traces);
    drop(span("too late"));
    drop(guard);
    let traces = TraceStore::open(&path).await.unwrap();
    let names: Vec<_> = traces.list(10).await.unwrap().into_iter().map(|trace| (trace.name, trace.state)).collect();
    assert_eq!(names, [("first".to_owned(), SpanState::Done)]);
}

#[tokio::test]
async fn spans_of_others_and_events_are_left_alone() {
    let shelf = shelf().await;
    let _guard = shelf.listen();
    let foreign = tracing::info_span!("foreign");
    foreign.in_scope(|| {
        tracing::error!(target: "lorewell::span", "an event");
        drop(span("own"));
    });
    drop(foreign);
    assert_eq!(shelf.listed().await, [("own".to_owned(), SpanState::Done)]);
}

#[tokio::test]
async fn content_is_read_with_the_trace() {
    let shelf = shelf().await;
    let _guard = shelf.listen();
    let called = span("called");
    called.record(name::TOOL_CALL_RESULT, "12 degrees");
    drop(called);
    shelf.traces.flush().await.unwrap();
    let id = shelf.traces.list(1).await.unwrap()[0].id;
    let trace = shelf.traces.read(id).await.unwrap();
    assert_eq!(trace.spans[0].text(name::TOOL_CALL_RESULT), Some("12 degrees"));
    assert_eq!(trace.spans[0].text(name::SPAN_NAME), None);
}

#[tokio::test]
async fn a_trace_is_found_by_the_beginning_of_its_id_and_removed() {
    let shelf = shelf().await;
    let _guard = shelf.listen();
    drop((span("a"), span("b")));
    shelf.traces.flush().await.unwrap();
    let ids: Vec<TraceId> = shelf.traces.list(10).await.unwrap().iter().map(|trace| trace.id).collect();
    let id = ids[0].to_string();
    assert_eq!(shelf.traces.find(&id[..31].to_uppercase()).await.unwrap(), ids[0]);
    for (beginning, kind) in [("", Kind::BadInput), ("%", Kind::BadInput), (&*format!("{id}0"), Kind::NotFound)] {
        assert_eq!(shelf.traces.find(beginning).await.unwrap_err().kind(), kind, "{beginning}");
    }
    assert!(shelf.traces.remove(ids[0]).await.unwrap());
    assert!(!shelf.traces.remove(ids[0]).await.unwrap());
    assert_eq!(shelf.traces.read(ids[0]).await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(shelf.listed().await.len(), 1);
}

#[tokio::test]
async fn one_beginning_of_several_ids_is_not_enough() {
    let shelf = shelf().await;
    let _guard = shelf.listen();
    // More than there are first digits.
    (0..17).for_each(|_| drop(span("a")));
    shelf.traces.flush().await.unwrap();
    let ids: Vec<String> = shelf.traces.list(17).await.unwrap().iter().map(|trace| trace.id.to_string()).collect();
    let shared = ids.iter().find(|id| ids.iter().filter(|other| other[..1] == id[..1]).count() > 1).unwrap();
    let error = shelf.traces.find(&shared[..1]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::BadInput);
    assert!(error.message().contains("give more of the id"), "{error}");
}

#[tokio::test]
async fn old_traces_go_and_young_ones_stay() {
    let shelf = shelf().await;
    let _guard = shelf.listen();
    drop(span("old"));
    drop(span("young"));
    shelf.traces.flush().await.unwrap();
    let day = Duration::from_secs(24 * 60 * 60);
    let connection = Connection::open(&shelf.path).unwrap();
    let back = i64::try_from(day.as_nanos()).unwrap() * 10;
    let made_old = connection
        .execute("UPDATE spans SET started = started - ?1, ended = ended - ?1 WHERE name = 'old'", [back])
        .unwrap();
    assert_eq!(made_old, 1);
    assert_eq!(shelf.traces.expire(Retention::new()).await.unwrap(), 0);
    assert_eq!(shelf.traces.expire(Retention::new().age_max(day * 5)).await.unwrap(), 1);
    assert_eq!(shelf.listed().await, [("young".to_owned(), SpanState::Done)]);
}

#[tokio::test]
async fn a_file_that_is_too_large_loses_its_oldest_traces() {
    let shelf = shelf().await;
    let _guard = shelf.listen();
    for n in 0..40 {
        let long = span(&format!("{n}"));
        long.record(name::TOOL_CALL_RESULT, "a".repeat(50_000));
    }
    shelf.traces.flush().await.unwrap();
    let bytes_max = 1 << 20;
    let deleted = shelf.traces.expire(Retention::new().bytes_max(bytes_max)).await.unwrap();
    let left = shelf.listed().await;
    assert_eq!(deleted + left.len() as u64, 40);
    assert!((1..40).contains(&deleted), "{deleted}");
    assert_eq!(left[0].0, "39");
    assert!(std::fs::metadata(&shelf.path).unwrap().len() <= bytes_max);
    // Nothing at all is small enough, so this ends with none.
    shelf.traces.expire(Retention::new().bytes_max(0)).await.unwrap();
    assert_eq!(shelf.listed().await, []);
}

#[tokio::test]
async fn what_was_dropped_is_told() {
    let shelf = shelf().await;
    assert_eq!(shelf.traces.dropped().await.unwrap(), 0);
    shelf.traces.0.queue.lost(3);
    shelf.traces.flush().await.unwrap();
    assert_eq!(shelf.traces.dropped().await.unwrap(), 3);
}

#[tokio::test]
async fn what_cannot_be_stored_is_told_and_counted() {
    let shelf = shelf().await;
    let _guard = shelf.listen();
    let connection = Connection::open(&shelf.path).unwrap();
    connection.execute_batch("ALTER TABLE spans RENAME TO away").unwrap();
    drop(span("lost"));
    let error = shelf.traces.flush().await.unwrap_err();
    assert!(error.to_string().starts_with("storing a trace: "), "{error}");
    connection.execute_batch("ALTER TABLE away RENAME TO spans").unwrap();
    drop(span("stored"));
    assert_eq!(shelf.listed().await, [("stored".to_owned(), SpanState::Done)]);
    assert_eq!(shelf.traces.dropped().await.unwrap(), 2);
}

#[tokio::test]
async fn a_file_of_something_else_is_refused_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("text"), "no database, but long enough to be looked at as one; ".repeat(100)).unwrap();
    Connection::open(path("other")).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    let newer = Connection::open(path("newer")).unwrap();
    newer.execute_batch("PRAGMA application_id = 0x4c775472; PRAGMA user_version = 99").unwrap();
    let other = std::fs::read(path("other")).unwrap();
    for (file, kind) in [
        ("text", Kind::Corrupt),
        ("other", Kind::BadInput),
        ("newer", Kind::Config),
        ("missing/traces", Kind::NotFound),
        (".", Kind::Io),
    ] {
        assert_eq!(TraceStore::open(path(file)).await.unwrap_err().kind(), kind, "{file}");
    }
    assert_eq!(std::fs::read(path("other")).unwrap(), other);
}

#[tokio::test]
async fn a_row_that_is_no_span_is_an_error() {
    let shelf = shelf().await;
    let _guard = shelf.listen();
    drop(span("a"));
    shelf.traces.flush().await.unwrap();
    let connection = Connection::open(&shelf.path).unwrap();
    connection.execute("UPDATE spans SET attributes = '['", []).unwrap();
    assert_eq!(shelf.traces.list(1).await.unwrap_err().kind(), Kind::Corrupt);
    connection.execute("UPDATE spans SET attributes = '{}', id = x'00'", []).unwrap();
    assert_eq!(shelf.traces.list(1).await.unwrap_err().kind(), Kind::Corrupt);
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let shelf = shelf().await;
    assert_eq!(std::fs::metadata(&shelf.path).unwrap().permissions().mode() & 0o777, 0o600);
}
