//! Where commands leave traces: a file in the folder of data, kept for some weeks, unless the settings say otherwise. A trace that
//! cannot be kept is said, and is no reason to give no answer.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Error, Result};
use lorewell::agent::trace::{Retention, TraceStore};
use lorewell::model::{semconv, span};
use tracing::{Instrument as _, Span};

use crate::commands::Session;
use crate::exit::Exit;
use crate::folders::{Folders, make_private};
use crate::output::{note, plain};

/// Bytes of the file of traces; thousands of them, or some hundred with what was said.
const BYTES_MAX: u64 = 256 << 20;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Returns the file of traces, which may not be there.
pub(crate) fn file(folders: &Folders) -> PathBuf {
    folders.data.join("traces.sqlite")
}

/// Opens the file of traces for a command, unless the settings say that there shall be none.
pub(crate) async fn open(session: &Session) -> Option<TraceStore> {
    let wanted = session.config.value("trace");
    if wanted == "off" {
        return None;
    }
    span::take_content(wanted == "content");
    match opened(session).await {
        Ok(traces) => Some(traces),
        Err(error) => {
            say_untold(&error);
            None
        }
    }
}

async fn opened(session: &Session) -> Result<TraceStore> {
    make_private(&session.folders.data)?;
    let traces = TraceStore::open(file(&session.folders)).await?;
    let days = u32::try_from(session.config.number("trace_keep_days")).unwrap_or(u32::MAX);
    traces.expire(Retention::new().age_max(DAY.saturating_mul(days)).bytes_max(BYTES_MAX)).await?;
    Ok(traces)
}

/// Waits until all is in the file.
pub(crate) async fn close(traces: Option<TraceStore>) {
    if let Some(traces) = traces
        && let Err(error) = traces.flush().await
    {
        say_untold(&error.into());
    }
}

fn say_untold(error: &Error) {
    note(&plain(&format!("No trace is kept: {error:#}")));
}

/// Runs a command, or a part of one, inside of a span that is the whole of a trace.
pub(crate) async fn traced<T>(
    name: &str,
    conversation: Option<&str>,
    is_stopped: impl FnOnce(&T) -> bool,
    run: impl Future<Output = Result<T>>,
) -> Result<T> {
    let span = tracing::info_span!(
        target: span::TARGET,
        "command",
        { semconv::SPAN_NAME } = %format_args!("lorewell {name}"),
        { semconv::SPAN_KIND } = "internal",
        { semconv::SPAN_STATUS } = tracing::field::Empty,
        { semconv::SPAN_STATUS_DESCRIPTION } = tracing::field::Empty,
        { semconv::CONVERSATION_ID } = conversation,
        { semconv::ERROR_TYPE } = tracing::field::Empty,
    );
    let ended = run.instrument(span.clone()).await;
    match &ended {
        Ok(value) if is_stopped(value) => span::failed_as(&span, "cancelled", "stopped by Ctrl-C"),
        Ok(_) => {}
        Err(error) => failed(&span, error),
    }
    ended
}

fn failed(span: &Span, error: &Error) {
    let kind = error.downcast_ref::<lorewell::Error>().map_or("error", |error| span::kind(error.kind()));
    span::failed_as(span, kind, format_args!("{error:#}"));
}

/// Tells whether a command was stopped by the person.
pub(crate) fn is_stopped(exit: &Exit) -> bool {
    matches!(exit, Exit::Interrupted)
}
