//! Recording a run and replaying it. What a recording holds is all that a run could not decide by itself: what it began
//! with, the results of its effects, which of its parallel tasks did something first. With that a replay gives the same
//! events and the same state, byte for byte, and reaches nothing outside.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lorewell_model::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::checkpoint::Loaded;
use crate::engine::{End, Limits};
use crate::event::{Event, Gate};
use crate::question::{Pause, Question};
use crate::run::{Input, Session};
use crate::scope::Scope;
use crate::state::{Saved, State};

/// What a run could not decide by itself, and what came of it. Serialises to a file that can be kept as a test.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Recording {
    pub(crate) thread: String,
    pub(crate) branch: u32,
    pub(crate) born: u64,
    pub(crate) limits: Limits,
    pub(crate) answers: HashMap<String, Value>,
    /// What was stored when it began: of the thread's own graph under the empty path.
    loaded: BTreeMap<String, VecDeque<Loaded>>,
    /// The input: a state or an update.
    pub(crate) input: Option<RecordedInput>,
    /// By graph: which task did something, in order, where several ran at once.
    order: BTreeMap<String, VecDeque<u32>>,
    effects: BTreeMap<String, Box<RawValue>>,
    failures: BTreeMap<String, RecordedFailure>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pauses: BTreeMap<String, Pause>,
    cached: BTreeMap<String, Option<String>>,
    events: Vec<Box<RawValue>>,
    /// The places of those that an effect has told.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    by_effects: BTreeSet<usize>,
    /// How it ended.
    end: Option<Box<RawValue>>,
}

/// The input of a recorded run.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RecordedInput {
    State(Box<RawValue>),
    Update(Box<RawValue>),
}

#[derive(Clone, Serialize, Deserialize)]
struct RecordedFailure {
    kind: Kind,
    message: String,
}

impl Recording {
    /// Returns the events as JSON, in order.
    pub fn events(&self) -> impl Iterator<Item = &str> {
        self.events.iter().map(|event| event.get())
    }

    /// Reads the input.
    pub(crate) fn input<S: State>(&self, blank: &S) -> Result<Option<Input<S>>> {
        let no_input = |error: serde_json::Error| {
            Error::new(Kind::BadInput, format!("the input of the recording does not fit: {error}")).caused_by(error)
        };
        Ok(match &self.input {
            None => None,
            Some(RecordedInput::State(state)) => {
                let mut saved: Saved = serde_json::from_str(state.get()).map_err(no_input)?;
                Some(Input::State(blank.load(&mut saved)?))
            }
            Some(RecordedInput::Update(update)) => {
                Some(Input::Update(serde_json::from_str(update.get()).map_err(no_input)?))
            }
        })
    }

    /// Returns how the run ended, as JSON: `{"done": state}`, `{"paused": …}` or `{"failed": message}`.
    #[must_use]
    pub fn end(&self) -> Option<&str> {
        self.end.as_deref().map(RawValue::get)
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("thread", &self.thread)
            .field("events", &self.events.len())
            .finish_non_exhaustive()
    }
}

/// Takes a recording while a run runs. Handles share it.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    recording: Arc<Mutex<Recording>>,
    occurrences: Arc<Mutex<BTreeMap<String, u32>>>,
}

impl Recorder {
    /// Begins an empty recording.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns what was recorded so far; after the run, all of it.
    #[must_use]
    pub fn recording(&self) -> Recording {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Recording> {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a run does with recordings: nothing, take one, or follow one.
#[derive(Debug, Clone, Default)]
pub(crate) enum Tape {
    #[default]
    Off,
    Record(Recorder),
    Replay(Arc<Replay>),
}

/// A recording that is followed.
#[derive(Debug)]
pub(crate) struct Replay {
    recording: Recording,
    /// What is left of the order.
    order: Mutex<BTreeMap<String, VecDeque<u32>>>,
    occurrences: Mutex<BTreeMap<String, u32>>,
    /// What is left of what was stored.
    loaded: Mutex<BTreeMap<String, VecDeque<Loaded>>>,
    /// How many events were compared.
    compared: Mutex<usize>,
}

/// Names one of the times that a graph was run on a path.
fn time(scope: &Scope, occurrence: u32) -> String {
    format!("{}|{occurrence}", scope.path())
}

/// Names something of a task in a recording.
fn name(scope: &Scope, seq: u64, task: u32, what: &str) -> String {
    format!("{}|{seq}#{task} {what}", scope.path())
}

impl Tape {
    pub(crate) fn replay(recording: Recording) -> Self {
        let order = Mutex::new(recording.order.clone());
        let (loaded, occurrences) = (Mutex::new(recording.loaded.clone()), Mutex::default());
        Self::Replay(Arc::new(Replay { recording, order, occurrences, loaded, compared: Mutex::new(0) }))
    }

    pub(crate) fn is_replay(&self) -> bool {
        matches!(self, Self::Replay(_))
    }

    fn recorder(&self) -> Option<MutexGuard<'_, Recording>> {
        match self {
            Self::Record(recorder) => Some(recorder.lock()),
            Self::Off | Self::Replay(_) => None,
        }
    }

    pub(crate) fn recording(&self) -> Option<&Recording> {
        match self {
            Self::Replay(replay) => Some(&replay.recording),
            Self::Off | Self::Record(_) => None,
        }
    }

    /// Notes what a run begins with.
    pub(crate) fn note_start<S: State>(
        &self,
        session: &Session,
        branch: u32,
        limits: &Limits,
        input: Option<&Input<S>>,
        blank: &S,
    ) -> Result<()> {
        let Some(mut recording) = self.recorder() else { return Ok(()) };
        recording.thread = session.thread.get().to_string();
        recording.branch = branch;
        recording.born = session.thread.born();
        recording.limits = limits.clone();
        recording.answers = session.answers.clone();
        recording.input = match input {
            None => None,
            Some(Input::State(state)) => Some(RecordedInput::State(raw(&saved(state)?)?)),
            Some(Input::Update(update)) => {
                Some(RecordedInput::Update(RawValue::from_string(blank.encode(update)?).map_err(no_json)?))
            }
        };
        Ok(())
    }

    pub(crate) fn loaded(&self, path: &str) -> Option<Loaded> {
        let Self::Replay(replay) = self else { return None };
        replay.loaded.lock().unwrap_or_else(PoisonError::into_inner).get_mut(path)?.pop_front()
    }

    pub(crate) fn note_loaded(&self, path: &str, loaded: &Loaded) {
        if let Some(mut recording) = self.recorder() {
            recording.loaded.entry(path.to_owned()).or_default().push_back(loaded.clone());
        }
    }

    pub(crate) fn effect(&self, scope: &Scope, seq: u64, task: u32, entry: &str) -> Option<Vec<u8>> {
        let value = self.recording()?.effects.get(&name(scope, seq, task, entry))?;
        Some(value.get().as_bytes().to_vec())
    }

    /// In a replay nothing is done: what has no recorded result was not done in the recorded run.
    pub(crate) fn must_know(&self, scope: &Scope, seq: u64, task: u32, entry: &str) -> Result<()> {
        match self.recording() {
            None => Ok(()),
            Some(_) => {
                let name = name(scope, seq, task, entry);
                let message =
                    format!("the replay has left the recording: `{name}` is not in it; a node has changed since");
                Err(Error::new(Kind::BadOutput, message))
            }
        }
    }

    pub(crate) fn note_effect(&self, scope: &Scope, seq: u64, task: u32, entry: &str, value: &[u8]) {
        if let Some(mut recording) = self.recorder() {
            // Values were written by `serde_json`.
            if let Ok(value) = serde_json::from_slice(value) {
                recording.effects.insert(name(scope, seq, task, entry), value);
            }
        }
    }

    /// Counts how often a graph was run on a path: a task that is tried again runs it again.
    pub(crate) fn occurrence(&self, scope: &Scope) -> u32 {
        let count = |occurrences: &Mutex<BTreeMap<String, u32>>| {
            let mut occurrences = occurrences.lock().unwrap_or_else(PoisonError::into_inner);
            let count = occurrences.entry(scope.path().to_string()).or_default();
            *count += 1;
            *count - 1
        };
        match self {
            Self::Off => 0,
            Self::Record(recorder) => count(&recorder.occurrences),
            Self::Replay(replay) => count(&replay.occurrences),
        }
    }

    pub(crate) fn expected(&self, scope: &Scope, occurrence: u32) -> Option<u32> {
        let Self::Replay(replay) = self else { return None };
        let mut order = replay.order.lock().unwrap_or_else(PoisonError::into_inner);
        order.get_mut(&time(scope, occurrence))?.pop_front()
    }

    pub(crate) fn note_order(&self, scope: &Scope, occurrence: u32, task: u32) {
        if let Some(mut recording) = self.recorder() {
            recording.order.entry(time(scope, occurrence)).or_default().push_back(task);
        }
    }

    pub(crate) fn failure(&self, scope: &Scope, occurrence: u32, seq: u64, task: u32, attempt: u32) -> Option<Error> {
        let what = format!("{occurrence} {attempt}");
        let failure = self.recording()?.failures.get(&name(scope, seq, task, &what))?;
        Some(Error::new(failure.kind, failure.message.clone()))
    }

    /// The failure of an attempt that took too long: a replay does not wait for it.
    pub(crate) fn timeout(&self, scope: &Scope, occurrence: u32, seq: u64, task: u32, attempt: u32) -> Option<Error> {
        self.failure(scope, occurrence, seq, task, attempt).filter(|error| error.kind() == Kind::Timeout)
    }

    pub(crate) fn note_failure(
        &self,
        scope: &Scope,
        occurrence: u32,
        seq: u64,
        task: u32,
        attempt: u32,
        error: &Error,
    ) {
        if let Some(mut recording) = self.recorder() {
            let failure = RecordedFailure { kind: error.kind(), message: error.to_string() };
            recording.failures.insert(name(scope, seq, task, &format!("{occurrence} {attempt}")), failure);
        }
    }

    pub(crate) fn pause(&self, scope: &Scope, occurrence: u32, seq: u64, task: u32, attempt: u32) -> Option<Pause> {
        self.recording()?.pauses.get(&name(scope, seq, task, &format!("{occurrence} {attempt}"))).cloned()
    }

    pub(crate) fn note_pause(&self, scope: &Scope, occurrence: u32, seq: u64, task: u32, attempt: u32, pause: &Pause) {
        if let Some(mut recording) = self.recorder() {
            recording.pauses.insert(name(scope, seq, task, &format!("{occurrence} {attempt}")), pause.clone());
        }
    }

    pub(crate) fn cached(&self, scope: &Scope, seq: u64, task: u32) -> Option<Option<Arc<str>>> {
        let cached = self.recording()?.cached.get(&name(scope, seq, task, "cache"))?;
        Some(cached.as_deref().map(Arc::from))
    }

    pub(crate) fn note_cached(&self, scope: &Scope, seq: u64, task: u32, value: Option<&str>) {
        if let Some(mut recording) = self.recorder() {
            recording.cached.insert(name(scope, seq, task, "cache"), value.map(str::to_owned));
        }
    }

    /// In a replay, takes the next event from the recording if an effect told it: effects are not done again.
    pub(crate) fn told_by_effect(&self) -> Result<Option<Event>> {
        let Self::Replay(replay) = self else { return Ok(None) };
        let mut compared = replay.compared.lock().unwrap_or_else(PoisonError::into_inner);
        if !replay.recording.by_effects.contains(&*compared) {
            return Ok(None);
        }
        let event = replay.recording.events.get(*compared).map(|event| Event::read(event.get()));
        *compared += 1;
        event.transpose()
    }

    /// Takes an event into the recording, or compares it with the recorded one.
    pub(crate) fn see(&self, event: &Event) -> Result<()> {
        match self {
            Self::Off => Ok(()),
            Self::Record(recorder) => {
                let (mut recording, event_json) = (recorder.lock(), raw(event)?);
                if event.by_effect {
                    let place = recording.events.len();
                    recording.by_effects.insert(place);
                }
                recording.events.push(event_json);
                Ok(())
            }
            Self::Replay(replay) => {
                let mut compared = replay.compared.lock().unwrap_or_else(PoisonError::into_inner);
                let recorded = replay.recording.events.get(*compared).map_or("nothing more", |event| event.get());
                *compared += 1;
                differ(&format!("event {}", *compared), recorded, raw(event)?.get())
            }
        }
    }

    /// Takes the end into the recording, or compares it with the recorded one.
    pub(crate) fn see_end<S: State>(&self, end: &End<S>) -> Result<()> {
        if matches!(self, Self::Off) {
            return Ok(());
        }
        let end = Ended::new(end)?;
        match self {
            Self::Off => Ok(()),
            Self::Record(recorder) => {
                recorder.lock().end = Some(raw(&end)?);
                Ok(())
            }
            Self::Replay(replay) => {
                let compared = *replay.compared.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(event) = replay.recording.events.get(compared) {
                    return differ(&format!("event {}", compared + 1), event.get(), "nothing more");
                }
                differ("the end", replay.recording.end().unwrap_or("nothing"), raw(&end)?.get())
            }
        }
    }
}

/// How a run ended, as a recording has it.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Ended<'a> {
    Done(Saved),
    Paused { questions: &'a [Question], gates: &'a [Gate], state: Saved },
    Failed(String),
}

impl<'a> Ended<'a> {
    fn new<S: State>(end: &'a End<S>) -> Result<Self> {
        Ok(match end {
            End::Done { state, .. } => Self::Done(saved(&**state)?),
            End::Paused { questions, gates, state } => Self::Paused { questions, gates, state: saved(&**state)? },
            End::Failed(error) => Self::Failed(error.to_string()),
        })
    }
}

fn saved<S: State>(state: &S) -> Result<Saved> {
    let mut saved = Saved::default();
    state.save(&mut saved)?;
    Ok(saved)
}

fn raw<T: Serialize>(value: &T) -> Result<Box<RawValue>> {
    serde_json::value::to_raw_value(value).map_err(no_json)
}

fn no_json(error: serde_json::Error) -> Error {
    Error::new(Kind::BadInput, format!("it has no form in JSON: {error}")).caused_by(error)
}

fn differ(what: &str, recorded: &str, now: &str) -> Result<()> {
    if recorded == now {
        return Ok(());
    }
    let message = format!("the replay has left the recording at {what}: recorded {recorded}, now {now}");
    Err(Error::new(Kind::BadOutput, message))
}
