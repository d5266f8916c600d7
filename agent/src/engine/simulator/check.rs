//! What must hold whatever happens: the engine and the reference agree, and what is stored forbids what is about to be
//! done nowhere.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::Value;

use super::expected::{Looks, given, parse};
use super::graph::Fields;
use super::reference::{Reference, Status};
use super::store::Rows;
use super::trace::{Line, Trace};
use crate::checkpoint::EntryKind;
use crate::engine::{Engine, Launch, Output};
use crate::graph::Plan;
use crate::state::Json;

/// The engine gave the commands that were expected, in that order.
pub(super) fn same_commands(
    plan: &Plan<Json>,
    looks: &mut Looks,
    outputs: &VecDeque<Output<Json>>,
    reference: &mut Reference,
    trace: &mut Trace,
) {
    let mut expected = std::mem::take(&mut reference.expected).into_iter();
    for output in outputs {
        let mut given = given(plan, looks, output);
        let expected = expected.next();
        let Some(expected) = expected else { panic!("nothing more was expected, but the engine gave {given}") };
        if let Some(state) = &expected.state {
            take_snapshot(&mut given, &expected.value, state, trace);
        }
        if given != expected.value {
            panic!("the engine gave\n  {given}\nand this was expected:\n  {}", expected.value);
        }
        trace.note(Line::Given(given));
    }
    if let Some(missing) = expected.next() {
        panic!("the engine gave nothing where this was expected: {}", missing.value);
    }
}

/// A snapshot may go with a checkpoint, if it holds the state there.
fn take_snapshot(given: &mut Value, expected: &Value, state: &Value, trace: &mut Trace) {
    let has_snapshot = |records: &Value| records["write"].as_array().is_some_and(|all| all.iter().any(is_snapshot));
    if has_snapshot(expected) || !has_snapshot(given) {
        return;
    }
    let Some(records) = given["write"].as_array_mut() else { return };
    let snapshot = records.extract_if(.., |record| is_snapshot(record)).next();
    assert_eq!(snapshot.as_ref().map(|snapshot| &snapshot["value"]["s"]), Some(state), "the snapshot of a checkpoint");
    trace.count("snapshots");
}

fn is_snapshot(record: &Value) -> bool {
    record.get("snapshot").is_some()
}

/// The engine stands where the reference does.
pub(super) fn same_place(engine: &Engine<Json>, reference: &Reference) {
    assert_eq!(engine.head(), reference.head, "the newest checkpoint");
    let next: Vec<String> = engine.next().iter().map(ToString::to_string).collect();
    let expected: Vec<String> = reference.tasks.iter().map(|task| task.node.clone()).collect();
    assert_eq!(next, expected, "the nodes that run next");
    // When a run has failed, nobody looks at the state in memory again.
    if !reference.over {
        let state: Fields = engine.state().object().into_iter().collect();
        assert_eq!(state, *reference.state, "the state");
    }
}

/// The questions that the engine knows are those that were asked.
pub(super) fn same_questions(engine: &Engine<Json>, reference: &Reference, answers: &BTreeMap<String, Value>) {
    let ids = |answers: &HashMap<String, Value>| -> Vec<String> {
        engine.questions(answers).into_iter().map(|question| question.id).collect()
    };
    let asked = reference.asked();
    assert_eq!(ids(&HashMap::new()), asked, "all questions that wait, answered or not");
    let open: Vec<String> = asked.into_iter().filter(|id| !answers.contains_key(id)).collect();
    assert_eq!(ids(&answers.clone().into_iter().collect()), open, "the questions that are open");
}

/// Between two events, as much runs as may.
pub(super) fn as_much_runs_as_may(reference: &Reference, attempts: usize) {
    let running = reference.running();
    assert!(running <= reference.limits.parallel_max, "{running} tasks run at the same time");
    assert!(attempts <= running, "an attempt runs that nobody waits for");
    let waits = reference.tasks.iter().any(|task| matches!(task.status, Status::Ready));
    assert!(reference.over || running == reference.limits.parallel_max || !waits, "a task could run and does not");
    assert!(reference.over || running > 0, "nothing runs, and the run is not over");
}

/// Nothing that is stored forbids a task to start, and it is given all that is stored of it.
pub(super) fn may_start(rows: &Rows, launch: &Launch<Json>, answers: &BTreeMap<String, Value>) {
    let is_open = rows.newest.is_none_or(|(_, newest)| launch.seq == newest + 1);
    assert!(!(is_open && rows.results.contains(&launch.task)), "a finished task starts again: {}", launch.task);
    let own = rows.entries.iter().filter(|((seq, key), _)| *seq == launch.seq && key.task == launch.task);
    for ((_, key), value) in own {
        match key.kind {
            EntryKind::Effect => {
                let known = launch.journal.as_ref().and_then(|journal| journal.get(&key.name));
                assert_eq!(known, Some(value), "an effect is lost: {}", key.name);
            }
            EntryKind::Pause => {
                let pause = parse(value);
                let is_seen =
                    |id: &str| pause["seen"].as_array().is_some_and(|seen| seen.iter().any(|seen| seen == id));
                let ids =
                    pause["questions"].as_array().into_iter().flatten().filter_map(|question| question["id"].as_str());
                let mut news = ids.filter(|id| answers.contains_key(*id) && !is_seen(id));
                assert!(news.next().is_some(), "task {} starts, and nobody has answered it", launch.task);
            }
            EntryKind::Failure | EntryKind::Answer | EntryKind::Gate => {}
        }
    }
}
