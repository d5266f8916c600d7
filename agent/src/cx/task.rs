//! What a task knows and remembers while it runs, whatever the state of its graph is: its journal, its questions, the
//! way to those who listen.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use lorewell_model::{Origin, Result, Spent};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc;

use super::within::is_within;
use crate::checkpoint::{Body, EntryKey, EntryKind, Place, Record};
use crate::engine::{Failure, Journal, Journaled, Limits, Tallied, TaskKey, decode, encode, note_read, pay};
use crate::event::{Burst, Event, EventKind};
use crate::payload::Payload;
use crate::question::{Pause, Question};
use crate::run::Session;
use crate::scope::{Call, Scope, id_within};

/// A task that runs.
pub(crate) struct TaskScope {
    parts: Parts,
    id: OnceLock<[u8; 16]>,
    has_paused: AtomicBool,
    /// Milliseconds after `began` of the last sign of life.
    alive_ms: AtomicU64,
    began: OnceLock<Instant>,
    memory: Mutex<Memory>,
}

/// What changes while the task runs.
#[derive(Default)]
struct Memory {
    /// How many entries of each name were asked for.
    counts: HashMap<String, u32>,
    /// What was journalled in this attempt.
    new: Vec<(String, Vec<u8>)>,
    /// How many of those are stored.
    stored: usize,
    calls: u32,
    ids: u32,
    pause: Pause,
    tally: Tallied,
    /// What of it is journalled with the effects that were done.
    kept: BTreeSet<Origin>,
}

/// The entry that says what was read for an effect.
fn read_for(entry: &str) -> String {
    format!("{entry} read")
}

/// What a task is made of.
pub(crate) struct Parts {
    pub(crate) scope: Arc<Scope>,
    pub(crate) session: Arc<Session>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) node: Arc<str>,
    pub(crate) key: TaskKey,
    /// The checkpoint that the superstep leads to, and the place among its tasks.
    pub(crate) seq: u64,
    pub(crate) index: u32,
    pub(crate) tries: u32,
    pub(crate) fresh: bool,
    /// Whether results of effects may be read back: by another attempt, from the store, in a replay.
    pub(crate) keeps_results: bool,
    pub(crate) input: Option<Payload>,
    pub(crate) failure: Option<Failure>,
    pub(crate) journal: Option<Arc<Journal>>,
    /// The pause that the task was in when it was last run.
    pub(crate) asked: Option<Arc<Pause>>,
    /// Whose texts the run has read before.
    pub(crate) read: BTreeSet<Origin>,
    /// In a replay, how the recorded attempt paused, if it did.
    pub(crate) recorded: Option<Pause>,
    pub(crate) events: Option<mpsc::Sender<Burst>>,
}

impl TaskScope {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            parts,
            id: OnceLock::new(),
            has_paused: AtomicBool::new(false),
            alive_ms: AtomicU64::new(0),
            began: OnceLock::new(),
            memory: Mutex::default(),
        })
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn task_id(&self) -> [u8; 16] {
        *self.id.get_or_init(|| self.scope.task_id(self.key, &self.node))
    }

    /// The name of the next entry called `name`.
    fn entry_name(&self, name: &str) -> String {
        let mut memory = self.memory();
        let count = memory.counts.entry(name.to_owned()).or_default();
        *count += 1;
        let n = *count - 1;
        // With the node, for a task that runs again after a crash may turn out to be another one.
        format!("{} {name}#{n}", self.node)
    }

    fn known(&self, entry: &str) -> Option<Vec<u8>> {
        if let Some(value) = self.session.tape.effect(&self.scope, self.seq, self.index, entry) {
            return Some(value);
        }
        let stored = self.journal.as_ref().and_then(|journal| journal.get(entry)).cloned();
        stored.or_else(|| {
            let memory = self.memory();
            memory.new.iter().find(|(name, _)| name == entry).map(|(_, value)| value.clone())
        })
    }

    /// Names the next effect and returns its result, if it has one.
    pub(crate) async fn effect(&self, name: &str) -> Result<(String, Option<Vec<u8>>)> {
        let entry = self.entry_name(&format!("effect {name}"));
        let known = self.known(&entry);
        match &known {
            Some(value) => {
                self.session.tape.note_effect(&self.scope, self.seq, self.index, &entry, value);
                self.read_again(&entry)?;
            }
            None => self.must_know(&entry).await?,
        }
        Ok((entry, known))
    }

    /// Whoever takes the result of an effect has read what was read for it.
    fn read_again(&self, entry: &str) -> Result<()> {
        let entry = read_for(entry);
        let Some(value) = self.known(&entry) else { return Ok(()) };
        self.session.tape.note_effect(&self.scope, self.seq, self.index, &entry, &value);
        let read: BTreeSet<Origin> = decode("what was read for an effect", self.seq, &value)?;
        self.memory().kept.extend(&read);
        self.note_read(read);
        Ok(())
    }

    /// What the task has read that is not journalled yet, as an entry beside that of an effect.
    fn read_for_effect(&self, entry: &str) -> Result<Option<(String, Vec<u8>)>> {
        let mut memory = self.memory();
        let Some(tally) = memory.tally.clone().filter(|tally| !tally.read.is_subset(&memory.kept)) else {
            return Ok(None);
        };
        memory.kept.extend(&tally.read);
        Ok(Some((read_for(entry), encode(&tally.read)?)))
    }

    /// In a replay nothing is done: what has no recorded result was not done in the recorded run, or waited for a person.
    async fn must_know(&self, entry: &str) -> Result<()> {
        let Some(recorded) = &self.recorded else {
            return self.session.tape.must_know(&self.scope, self.seq, self.index, entry);
        };
        self.memory().pause = recorded.clone();
        self.has_paused.store(true, Ordering::Release);
        std::future::pending().await
    }

    /// The idempotency key of an effect.
    pub(crate) fn key(&self, entry: &str) -> String {
        id_within(self.task_id(), "effect", entry, 0)
    }

    /// Stores what was drawn so far: an effect may depend on it, so it must not be drawn anew. And what led here: if that
    /// were lost, another task could come to the same place, and act with the same key.
    pub(crate) async fn before_effect(&self) -> Result<()> {
        self.session.flush().await?;
        self.store_new().await
    }

    pub(crate) async fn store_effect(&self, entry: String, value: Vec<u8>) -> Result<()> {
        let read = self.read_for_effect(&entry)?;
        for (entry, value) in [(entry, value)].into_iter().chain(read) {
            self.session.tape.note_effect(&self.scope, self.seq, self.index, &entry, &value);
            self.memory().new.push((entry, value));
        }
        self.alive();
        self.store_new().await
    }

    async fn store_new(&self) -> Result<()> {
        let (records, count) = {
            let memory = self.memory();
            let new = memory.new[memory.stored..].iter();
            (new.map(|(name, value)| self.record(name, value)).collect::<Vec<_>>(), memory.new.len())
        };
        if !records.is_empty() {
            self.session.write_now(&self.scope, records).await?;
            let mut memory = self.memory();
            memory.stored = memory.stored.max(count);
        }
        Ok(())
    }

    fn record(&self, name: &str, value: &[u8]) -> Record {
        let place = Place { path: self.scope.path().clone(), branch: self.scope.branch(), seq: self.seq };
        let key = EntryKey { task: self.index, kind: EntryKind::Effect, name: name.to_owned() };
        Record { place, body: Body::Entry { key, value: value.to_owned() } }
    }

    /// Draws something once; when the task runs again it gets the same.
    pub(crate) fn drawn<T: Serialize + DeserializeOwned>(&self, name: &str, draw: impl FnOnce() -> T) -> T {
        let entry = self.entry_name(name);
        let known = self.known(&entry);
        // One that cannot be read is drawn anew.
        let value = known.as_deref().and_then(|bytes| serde_json::from_slice(bytes).ok());
        let is_new = value.is_none();
        let value = value.unwrap_or_else(draw);
        let bytes = serde_json::to_vec(&value).expect("numbers have a form in JSON");
        self.session.tape.note_effect(&self.scope, self.seq, self.index, &entry, &bytes);
        if is_new {
            self.session.note_drawn(|| self.record(&entry, &bytes));
            self.memory().new.push((entry, bytes));
        }
        value
    }

    pub(crate) fn id(&self) -> String {
        let mut memory = self.memory();
        memory.ids += 1;
        id_within(self.task_id(), "id", "", memory.ids - 1)
    }

    /// Returns the answer to the next question, or notes that it is open.
    pub(crate) fn ask(&self, prompt: Value, schema: Value) -> Result<(String, Option<Value>)> {
        let mut memory = self.memory();
        let n = memory.pause.ids.len();
        let stored = self.asked.as_ref().and_then(|asked| asked.ids.get(n)).cloned();
        let number = u32::try_from(n).unwrap_or(u32::MAX);
        let id = stored.unwrap_or_else(|| id_within(self.task_id(), "question", "", number));
        memory.pause.ids.push(id.clone());
        if let Some(answer) = self.session.answers.get(&id) {
            memory.pause.seen.push(id.clone());
            return Ok((id, Some(answer.clone())));
        }
        let question = Question::new(id.clone(), self.scope.path(), &self.node, prompt, schema);
        memory.pause.questions.push(question);
        self.has_paused.store(true, Ordering::Release);
        Ok((id, None))
    }

    /// The id of a question that has a name of its own: those of calls that run side by side cannot be told apart by order.
    fn question_named(&self, name: &str) -> String {
        let stored = self.asked.as_ref().and_then(|asked| asked.named.get(name)).cloned();
        stored.unwrap_or_else(|| id_within(self.task_id(), "question", name, 0))
    }

    /// Returns the answer to a question with a name, if there is one.
    pub(crate) fn answer_named(&self, name: &str) -> Option<Value> {
        let id = self.question_named(name);
        let answer = self.session.answers.get(&id).cloned()?;
        let mut memory = self.memory();
        memory.pause.seen.push(id.clone());
        memory.pause.named.insert(name.to_owned(), id);
        Some(answer)
    }

    /// Notes that a question with a name is open.
    pub(crate) fn ask_named(&self, name: &str, prompt: Value, schema: Value) {
        let id = self.question_named(name);
        let question = Question::new(id.clone(), self.scope.path(), &self.node, prompt, schema);
        let mut memory = self.memory();
        memory.pause.named.insert(name.to_owned(), id);
        memory.pause.questions.push(question);
        self.has_paused.store(true, Ordering::Release);
    }

    /// A number in 0..1 for the jitter of an attempt.
    pub(crate) fn chance(&self, attempt: u32) -> f64 {
        crate::scope::chance(self.task_id(), attempt)
    }

    /// Pauses because a graph inside has.
    pub(crate) fn pause_with(&self, questions: Vec<Question>, gates: Vec<crate::event::Gate>) {
        let mut memory = self.memory();
        memory.pause.questions.extend(questions);
        memory.pause.gates.extend(gates);
        self.has_paused.store(true, Ordering::Release);
    }

    /// Tells whether the task waits for a person.
    pub(crate) fn has_paused(&self) -> bool {
        self.has_paused.load(Ordering::Acquire)
    }

    /// Takes the pause, and the answers that count as seen: all there are to its questions.
    pub(crate) fn take_pause(&self) -> Pause {
        let mut pause = std::mem::take(&mut self.memory().pause);
        let seen = pause.questions.iter().filter(|question| self.session.answers.contains_key(&question.id));
        let seen: Vec<String> = seen.map(|question| question.id.clone()).collect();
        pause.seen.extend(seen);
        pause
    }

    /// Takes what was journalled in this attempt.
    pub(crate) fn take_journal(&self) -> Journaled {
        let mut memory = self.memory();
        Journaled { entries: std::mem::take(&mut memory.new), stored: memory.stored, tally: memory.tally.take() }
    }

    /// Counts what something has spent that this task has done, now or before a crash. `what` names it within the task: in
    /// the budget of the run it counts once, however often the task runs.
    pub(crate) fn spend(&self, what: &str, spent: Spent, is_counted: bool) {
        pay(&mut self.memory().tally, spent);
        self.session.spend(|| id_within(self.task_id(), "spent", what, 0), spent, is_counted);
    }

    /// Takes over what a graph inside has spent, which its own tasks have counted.
    pub(crate) fn spend_inside(&self, spent: Spent) {
        pay(&mut self.memory().tally, spent);
    }

    /// Notes whose texts the task has read.
    pub(crate) fn note_read(&self, read: impl IntoIterator<Item = Origin>) {
        note_read(&mut self.memory().tally, read.into_iter().filter(|origin| !self.read.contains(origin)));
    }

    /// Whose texts were read before this, by the task, for the state that it works on, and by whoever has called the graph.
    pub(crate) fn has_read(&self) -> BTreeSet<Origin> {
        let mut read = &self.read | &self.limits.has_read;
        read.extend(self.memory().tally.iter().flat_map(|tally| &tally.read));
        read
    }

    /// The next graph that the task runs.
    pub(crate) fn next_call(&self) -> Call {
        let mut memory = self.memory();
        memory.calls += 1;
        Call::Nth(memory.calls - 1)
    }

    /// The scope of a graph that the task runs.
    pub(crate) fn inside(&self, call: Call, keep: bool) -> Arc<Scope> {
        self.scope.inside(&self.node, self.key, self.seq, call, keep)
    }

    pub(crate) fn is_heard(&self) -> bool {
        self.events.is_some() || self.began.get().is_some()
    }

    pub(crate) async fn emit(&self, kind: EventKind) {
        let task = Some((&self.node, self.index));
        self.forward(vec![Event::new(&self.scope, self.seq, task, kind)]).await;
    }

    pub(crate) async fn forward(&self, mut events: Vec<Event>) {
        self.alive();
        if is_within() {
            events.iter_mut().for_each(|event| event.by_effect = true);
        }
        if let Some(sender) = &self.events
            && !events.is_empty()
        {
            // The other end is gone only when the run is, and this task with it.
            let _ = sender.send((self.index, events)).await;
        }
    }

    /// Begins to watch for signs of life.
    pub(crate) fn watch(&self) -> Instant {
        *self.began.get_or_init(Instant::now)
    }

    pub(crate) fn alive(&self) {
        if let Some(began) = self.began.get() {
            let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.alive_ms.store(ms, Ordering::Relaxed);
        }
    }

    /// Milliseconds from the beginning to the last sign of life.
    pub(crate) fn alive_ms(&self) -> u64 {
        self.alive_ms.load(Ordering::Relaxed)
    }
}

impl Deref for TaskScope {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl fmt::Debug for TaskScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskScope").field("node", &self.node).field("key", &self.key).finish_non_exhaustive()
    }
}
