//! The span of a search: what was searched, how many hits were wanted and found. The question and the hits are content, so they are
//! told only where that is wanted.

use lorewell_model::semconv as name;
use lorewell_model::{Result, span};
use serde_json::{Value, json};
use tracing::Span;
use tracing::field::Empty;

use super::{Hits, Search};

pub(super) fn of_search(search: &Search) -> Span {
    let source = search.index.dir().file_name().unwrap_or_default().to_string_lossy();
    let span = tracing::info_span!(
        target: span::TARGET,
        "retrieval",
        { name::SPAN_NAME } = %format_args!("retrieval {source}"),
        { name::SPAN_KIND } = "internal",
        { name::SPAN_STATUS } = Empty,
        { name::SPAN_STATUS_DESCRIPTION } = Empty,
        { name::OPERATION_NAME } = name::operation::RETRIEVAL,
        { name::DATA_SOURCE_ID } = &*source,
        { name::RETRIEVAL_TOP_K } = search.limit,
        { name::RETRIEVAL_HITS } = Empty,
        { name::RETRIEVAL_QUERY_TEXT } = Empty,
        { name::RETRIEVAL_DOCUMENTS } = Empty,
        { name::ERROR_TYPE } = Empty,
    );
    span::content(&span, name::RETRIEVAL_QUERY_TEXT, || search.question.clone());
    span
}

/// Notes what a search found.
pub(super) fn found(span: &Span, found: &Result<Hits>) {
    match found {
        Ok(found) => {
            span.record(name::RETRIEVAL_HITS, found.hits.len());
            span::content(span, name::RETRIEVAL_DOCUMENTS, || {
                let documents = found.hits.iter().map(|hit| json!({"id": hit.path, "score": hit.score}));
                Value::from_iter(documents).to_string()
            });
        }
        Err(error) => span::failed(span, error),
    }
}
