//! `trace`: what `ask`, `chat` and `run` did, step by step, and what it took.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use jiff::Timestamp;
use lorewell::agent::trace::{Retention, SpanState, Totals, Trace, TraceId, TraceSpan, TraceStore, TraceSummary};
use lorewell::model::semconv;
use lorewell::{Error, Kind};
use serde::Serialize;
use serde_json::Value;

use super::Session;
use crate::args::trace::Trace as Command;
use crate::exit::Exit;
use crate::output::{self, BAD, DIM, REFERENCE, WARN, count, note, paint, plain, thousands};
use crate::spent::Spent;
use crate::traces;

/// Digits of an id that tell one trace from others of the same account.
const ID_DIGITS: usize = 8;
/// Columns of the name of a trace or a step; what is longer is cut.
const NAME_COLUMNS: usize = 38;

/// Traces as `--json` prints them.
#[derive(Serialize)]
struct Listed<'a> {
    traces: &'a [TraceSummary],
    /// Records that came faster than they could be stored.
    dropped: u64,
}

#[derive(Serialize)]
struct Removed {
    removed: u64,
}

pub(super) async fn run(session: &Session, command: Command) -> Result<Exit> {
    if !traces::file(&session.folders).exists() {
        return none(session, &command);
    }
    let traces = TraceStore::open(traces::file(&session.folders)).await?;
    match command {
        Command::Ls { limit } => list(session, &traces, limit).await,
        Command::Show { id } => show(session, &traces, &id).await,
        Command::Rm { ids, all } => remove(session, &traces, &ids, all).await,
    }
}

/// What there is to say where no command has left a trace.
fn none(session: &Session, command: &Command) -> Result<Exit> {
    match command {
        Command::Ls { .. } => say_list(session, &[], 0),
        Command::Show { .. } => Err(nothing_yet().into()),
        Command::Rm { ids, .. } if ids.is_empty() => say_removed(session, 0),
        Command::Rm { .. } => Err(nothing_yet().into()),
    }
}

fn nothing_yet() -> Error {
    Error::new(Kind::NotFound, "there are no traces yet; `ask`, `chat` and `run` leave them")
}

async fn list(session: &Session, traces: &TraceStore, limit: usize) -> Result<Exit> {
    say_list(session, &traces.list(limit).await?, traces.dropped().await?)
}

fn say_list(session: &Session, traces: &[TraceSummary], dropped: u64) -> Result<Exit> {
    if session.global.json {
        session.json(&Listed { traces, dropped })?;
    } else if session.global.jsonl {
        traces.iter().try_for_each(|trace| session.json(trace))?;
    } else {
        for trace in traces {
            let id = &trace.id.to_string()[..ID_DIGITS];
            let line = line(&format!("{} {}", when(trace.started), plain(&trace.name)), trace.duration, &trace.totals);
            output::line(&format!("{} {line}{}", paint(REFERENCE, id), state(trace.state)))?;
        }
        if traces.is_empty() {
            note("No traces yet; `ask`, `chat` and `run` leave them.");
        }
        if dropped > 0 {
            note(&format!("{} of spans came too fast to be kept.", count(dropped, "record")));
        }
    }
    Ok(if traces.is_empty() { Exit::Nothing } else { Exit::Done })
}

async fn show(session: &Session, traces: &TraceStore, id: &str) -> Result<Exit> {
    let id = wanted(traces, id).await?;
    let trace = traces.read(id).await?;
    if session.is_json() {
        session.json(&trace)?;
        return Ok(Exit::Done);
    }
    print(&trace)?;
    Ok(Exit::Done)
}

async fn wanted(traces: &TraceStore, id: &str) -> Result<TraceId> {
    match id {
        "last" => Ok(traces.list(1).await?.first().map(|trace| trace.id).ok_or_else(nothing_yet)?),
        _ => Ok(traces.find(id).await?),
    }
}

fn print(trace: &Trace) -> Result<()> {
    output::line(&paint(DIM, &format!("trace {}, {}", trace.summary.id, when(trace.summary.started))))?;
    for span in &trace.spans {
        let indent = "  ".repeat(span.depth);
        let name = format!("{indent}{}", plain(&span.name));
        output::line(&format!("{}{}", line(&name, span.duration, &span.totals), state(span.state)))?;
        if let Some(why) = why(span) {
            output::line(&paint(BAD, &format!("{indent}  {}", output::one_line(why))))?;
        }
        for (what, text) in said(span) {
            output::line(&paint(DIM, &format!("{indent}  {what}: {}", output::one_line(text))))?;
        }
    }
    if trace.is_cut {
        note("There are more steps; `--json` shows no more either.");
    }
    Ok(())
}

/// What went wrong in a step itself.
fn why(span: &TraceSpan) -> Option<&str> {
    let is_own = span.state == SpanState::Failed && span.totals.errors > 0;
    span.text(semconv::SPAN_STATUS_DESCRIPTION).filter(|_| is_own)
}

/// What was said in a step, where that was kept.
fn said(span: &TraceSpan) -> impl Iterator<Item = (&'static str, &str)> {
    let told = [
        ("told", semconv::SYSTEM_INSTRUCTIONS),
        ("in", semconv::INPUT_MESSAGES),
        ("out", semconv::OUTPUT_MESSAGES),
        ("arguments", semconv::TOOL_CALL_ARGUMENTS),
        ("result", semconv::TOOL_CALL_RESULT),
        ("question", semconv::RETRIEVAL_QUERY_TEXT),
        ("found", semconv::RETRIEVAL_DOCUMENTS),
    ];
    told.into_iter().filter_map(|(what, name)| Some((what, span.attributes.get(name).and_then(Value::as_str)?)))
}

/// A name with what it took: `lorewell ask           1.2 s    1,830 in / 92 out - $0.0021`.
fn line(name: &str, duration: Option<Duration>, totals: &Totals) -> String {
    let name: String = match name.chars().count() > NAME_COLUMNS {
        true => name.chars().take(NAME_COLUMNS - 1).chain(['…']).collect(),
        false => name.to_owned(),
    };
    let used = match totals.answers {
        0 => String::new(),
        _ => {
            let is_unpriced = totals.unpriced > 0;
            let spent = Spent { usage: totals.usage, cost_usd: totals.cost_usd, is_unpriced };
            let tokens = format!("{}+{}", thousands(totals.usage.input_tokens), thousands(totals.usage.output_tokens));
            format!("{tokens:>12}  {}", spent.say_cost())
        }
    };
    format!("{name:NAME_COLUMNS$} {:>8} {used}", duration.map(took).unwrap_or_default()).trim_end().to_owned()
}

/// Says how a trace or a step has ended, where that is not well.
fn state(state: SpanState) -> String {
    match state {
        SpanState::Unfinished => paint(WARN, "  unfinished"),
        SpanState::Paused => paint(WARN, "  paused"),
        SpanState::Cancelled => paint(WARN, "  stopped"),
        SpanState::Failed => paint(BAD, "  failed"),
        _ => String::new(),
    }
}

/// Writes a time as long as it matters: `3 ms`, `1.24 s`, `2 min 5 s`.
fn took(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        _ => format!("{}m {:02}s", seconds / 60, seconds % 60),
    }
}

/// Writes a moment in the time of this place.
fn when(time: SystemTime) -> String {
    let Ok(time) = Timestamp::try_from(time) else { return String::new() };
    time.to_zoned(jiff::tz::TimeZone::system()).strftime("%m-%d %H:%M:%S").to_string()
}

async fn remove(session: &Session, traces: &TraceStore, ids: &[String], all: bool) -> Result<Exit> {
    if all {
        return say_removed(session, traces.expire(Retention::new().bytes_max(0)).await?);
    }
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.push(wanted(traces, id).await?);
    }
    let mut removed = 0;
    for id in found {
        removed += u64::from(traces.remove(id).await?);
    }
    say_removed(session, removed)
}

fn say_removed(session: &Session, removed: u64) -> Result<Exit> {
    if session.is_json() {
        session.json(&Removed { removed })?;
    } else {
        note(&format!("{} removed.", count(removed, "trace")));
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let said = [7, 1_240, 59_949, 125_000].map(|ms| took(Duration::from_millis(ms)));
        assert_eq!(said, ["7 ms", "1.2 s", "59.9 s", "2m 05s"]);
    }

    #[test]
    fn a_line_fits_into_eighty_columns() {
        let mut totals = Totals::default();
        totals.answers = 2;
        totals.usage.input_tokens = 1_234_567;
        totals.usage.output_tokens = 8_901;
        totals.cost_usd = 12.5;
        let line = line(&"a name that is longer than its place ".repeat(2), Some(Duration::from_secs(4000)), &totals);
        assert_eq!(line, "a name that is longer than its place …  66m 40s 1,234,567+8,901  $12.50");
        assert!(line.chars().count() + ID_DIGITS < 80, "{}", line.chars().count());
        assert_eq!(super::line("node", None, &Totals::default()), "node");
    }
}
