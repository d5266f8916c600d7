//! A thread: a durable sequence of runs under a name. It can be resumed, asked, looked back upon, forked, edited and
//! copied; every call claims it for as long as it writes, so nobody writes between.

mod history;
mod recall;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use lorewell_model::{Budget, Error, Kind, Origin, Result, Spent};
use serde::Serialize;

pub use history::{Checkpoint, CheckpointId};
use recall::Recall;

use crate::checkpoint::{
    Batch, Body, Checkpoints, Claim, EntryKey, EntryKind, Fork, Loaded, Place, Record, Span, ThreadInfo,
};
use crate::engine::{Answers, Engine, Known, Left, Limits, Persist, Step, decode};
use crate::flow::Flow;
use crate::question::Question;
use crate::record::Tape;
use crate::run::{Cancel, Durability, Input, Link, Run, Session, lineage};
use crate::scope::{Scope, ThreadName};
use crate::state::State;

/// A durable sequence of runs under a name.
///
/// Who runs it more than once by the same handle, or by clones of that, has the state that the last run came to kept in memory, so
/// that the next one does not read it again; unless someone else has written to it meanwhile, here or in another process.
/// [`forget`](Self::forget) lets go of it. What a state keeps apart from its stored form, such as a value behind a lock that others
/// hold too, is then as it was left.
pub struct Thread<S: State> {
    flow: Flow<S>,
    name: Arc<str>,
    store: Arc<dyn Checkpoints>,
    retain: Option<usize>,
    recall: Recall<S>,
}

/// Where a thread stands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Standing<S> {
    /// The newest checkpoint.
    pub checkpoint: CheckpointId,
    /// The state there.
    pub state: S,
    /// The nodes that run next; none if the last run came to its end.
    pub next: Vec<Arc<str>>,
    /// The questions that are open.
    pub questions: Vec<Question>,
    /// What the newest run has spent so far; of tasks that are unfinished nothing is known before they go on.
    pub spent: Spent,
    /// Whose texts were read for what stands in the state, as far as nobody vouches for them.
    pub has_read: BTreeSet<Origin>,
}

/// A thread that has been claimed and read.
pub(crate) struct Opened<S: State> {
    pub(crate) engine: Engine<S>,
    pub(crate) session: Arc<Session>,
    pub(crate) guard: Guard,
}

/// What a run brings when its thread is opened.
#[derive(Clone)]
pub(crate) struct RunOf {
    pub(crate) limits: Arc<Limits>,
    pub(crate) durability: Durability,
    pub(crate) cancel: Option<Cancel>,
    pub(crate) budget: Option<Budget>,
    pub(crate) tape: Tape,
}

/// Gives a claim back when it is dropped.
pub(crate) struct Guard {
    store: Arc<dyn Checkpoints>,
    claim: Claim,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.store.release(&self.claim);
    }
}

impl<S: State> Thread<S> {
    pub(crate) fn new(flow: Flow<S>, name: Arc<str>, store: Arc<dyn Checkpoints>) -> Self {
        Self { flow, name, store, retain: None, recall: Recall::default() }
    }

    /// Keeps only the newest `keep` checkpoints: after each run that leaves more than twice as many, the others are
    /// [pruned](Self::prune).
    #[must_use]
    pub fn retain(mut self, keep: usize) -> Self {
        self.retain = Some(keep.max(1));
        self
    }

    /// Prunes as the thread was told to, and keeps what a run has left, under its claim.
    pub(crate) async fn ran(&self, guard: &Guard, left: Option<Left<S>>) -> Result<()> {
        self.retain_newest(guard).await.map_err(|error| error.context("pruning the thread after its run"))?;
        left.into_iter().for_each(|left| self.keep(guard, left));
        Ok(())
    }

    async fn retain_newest(&self, guard: &Guard) -> Result<()> {
        let Some(keep) = self.retain else { return Ok(()) };
        let enough = keep.saturating_mul(2);
        match self.history(None, enough.saturating_add(1)).await?.len() > enough {
            true => self.prune_claimed(guard, keep).await,
            false => Ok(()),
        }
    }

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Begins a run: from exactly a state, which takes the place of all that stood, or with an update of what stands.
    pub fn run(&self, input: impl Into<Input<S>>) -> Run<S> {
        Run::new(self.flow.plan().clone(), Some(self.clone()), Some(input.into()))
    }

    /// Goes on with the run that was left: after a pause, a failure, a crash. What finished does not run again, and what
    /// waits for an answer that is not there does not run either. If nothing is left, the outcome is that of the last
    /// run.
    pub fn resume(&self) -> Run<S> {
        Run::new(self.flow.plan().clone(), Some(self.clone()), None)
    }

    /// Answers an open question. The answer is stored; [`resume`](Self::resume) lets the task go on that asked.
    ///
    /// # Errors
    /// `NotFound` if no such question was asked, `Conflict` if it was answered before or the thread runs, `BadInput` if the
    /// answer does not fit; nothing is stored then.
    pub async fn answer(&self, question: &str, answer: impl Serialize) -> Result<()> {
        let answer = serde_json::to_value(answer)?;
        self.must_exist().await?;
        let Opened { engine, session, guard } = self.open_plain().await?;
        let open = engine.questions(&HashMap::new());
        let Some(asked) = open.iter().find(|open| open.id == question) else {
            return Err(self.not_open(question, &open).await?);
        };
        if session.answers.contains_key(question) {
            let message = format!("question `{question}` has its answer already; resume the thread");
            return Err(Error::new(Kind::Conflict, message));
        }
        asked.check(&answer)?;
        let key = EntryKey { task: 0, kind: EntryKind::Answer, name: question.to_owned() };
        let body = Body::Entry { key, value: crate::engine::encode(&answer)? };
        let place = Place { path: "".into(), branch: engine.scope().branch(), seq: engine.seq() };
        let (given_at, key) = given(question);
        let mark = Record { place: given_at, body: Body::Entry { key, value: b"{}".to_vec() } };
        let batch = Batch { records: vec![Record { place, body }, mark], durable: true, ..Batch::default() };
        self.store.write(&guard.claim, batch).await
    }

    /// Says why a question cannot be answered.
    async fn not_open(&self, question: &str, open: &[Question]) -> Result<Error> {
        let (place, key) = given(question);
        let was_answered = self.store.entry(&self.name, &place, &key).await?.is_some();
        let ids: Vec<_> = open.iter().map(|open| format!("`{}`", open.id)).collect();
        let hint = match ids.is_empty() {
            true => "none is open".to_owned(),
            false => format!("open are {}", ids.join(", ")),
        };
        Ok(match was_answered {
            true => {
                Error::new(Kind::Conflict, format!("question `{question}` was answered, and its task went on; {hint}"))
            }
            false => Error::new(Kind::NotFound, format!("thread `{}` has no question `{question}`; {hint}", self.name)),
        })
    }

    /// Returns the questions that are open.
    ///
    /// # Errors
    /// `NotFound` if the thread does not exist.
    pub async fn questions(&self) -> Result<Vec<Question>> {
        Ok(self.standing().await?.questions)
    }

    /// Returns where the thread stands.
    ///
    /// # Errors
    /// `NotFound` if the thread does not exist.
    pub async fn standing(&self) -> Result<Standing<S>> {
        let info = self.info().await?;
        let spans = lineage(&info.forks, "", info.head);
        self.read(&info, "", info.head, &spans).await
    }

    /// Writes to the state by hand. What comes next stays the same, and questions stay open.
    ///
    /// # Errors
    /// `NotFound` if the thread does not exist, `Conflict` while it runs.
    pub async fn edit(&self, update: S::Update) -> Result<()> {
        self.edit_with(update, None).await
    }

    /// Writes to the state by hand as if a node had: what follows that node comes next, and if it waits to run it counts
    /// as done.
    ///
    /// # Errors
    /// `NotFound` if the thread does not exist, `BadInput` if the node does not, `Conflict` while it runs.
    pub async fn edit_as(&self, node: &str, update: S::Update) -> Result<()> {
        self.edit_with(update, Some(node)).await
    }

    async fn edit_with(&self, update: S::Update, node: Option<&str>) -> Result<()> {
        self.must_exist().await?;
        let Opened { mut engine, session, guard } = self.open_plain().await?;
        if engine.head().is_none() {
            return Err(self.no_thread());
        }
        let mut batch = engine.edit(update, node, now_ms())?;
        // The answers that are there belong to tasks that still wait.
        for (id, answer) in &session.answers {
            let key = EntryKey { task: 0, kind: EntryKind::Answer, name: id.clone() };
            let body = Body::Entry { key, value: crate::engine::encode(answer)? };
            let place = Place { path: "".into(), branch: engine.scope().branch(), seq: engine.seq() + 1 };
            batch.records.push(Record { place, body });
        }
        self.store.write(&guard.claim, batch).await
    }

    /// Copies the thread, with its history and its open questions, under another name.
    ///
    /// # Errors
    /// `NotFound` if it does not exist, `Conflict` if the other one does.
    pub async fn copy(&self, to: &str) -> Result<Self> {
        self.store.copy(&self.name, to).await?;
        Ok(Self { name: to.into(), recall: Recall::default(), ..self.clone() })
    }

    /// Deletes the thread. Returns whether it was there.
    ///
    /// # Errors
    /// `Conflict` while it runs.
    pub async fn delete(&self) -> Result<bool> {
        self.store.delete(&self.name).await
    }

    /// Keeps the newest `keep` checkpoints of the branch that runs go on from, at least one, and removes all others, other
    /// branches too.
    ///
    /// # Errors
    /// `NotFound` if the thread does not exist, `Conflict` while it runs.
    pub async fn prune(&self, keep: usize) -> Result<()> {
        self.must_exist().await?;
        self.prune_claimed(&self.claim().await?, keep).await
    }

    async fn prune_claimed(&self, guard: &Guard, keep: usize) -> Result<()> {
        let info = self.info().await?;
        let spans = lineage(&info.forks, "", info.head);
        let rows = self.store.steps(&self.name, "", &spans, None, keep.max(1)).await?;
        crate::retain::prune(self, &guard.claim, &info, &rows).await
    }

    pub(crate) fn store(&self) -> &Arc<dyn Checkpoints> {
        &self.store
    }

    /// Claims the thread and reads where it stands.
    pub(crate) async fn open(&self, run: RunOf) -> Result<Opened<S>> {
        self.open_claimed(self.claim().await?, run).await
    }

    /// Reads where the thread stands.
    async fn open_claimed(&self, guard: Guard, run: RunOf) -> Result<Opened<S>> {
        let info = self.store.thread(&self.name).await?;
        let (head, forks) = info.map_or_else(Default::default, |info| (info.head, info.forks));
        let spans = lineage(&forks, "", head);
        let (loaded, known) = self.load(&guard.claim, &spans, &run.tape).await?;
        let answers = answers(&loaded)?;
        let born = match &loaded.step {
            Some(row) => decode::<Step>("the step record", row.place.seq, &row.value)?.born,
            None => guard.claim.epoch,
        };
        let name = Arc::new(ThreadName::new(self.name.clone(), born));
        let scope = Scope::root(name.clone(), head);
        run.tape.note_loaded("", &loaded);
        let engine = Engine::restore(self.flow.plan().clone(), scope, run.limits, loaded, &answers, known)
            .map_err(|error| error.context(format!("thread `{}`", self.name)))?;
        let link = Link::new(self.store.clone(), guard.claim.clone(), forks, run.durability).await?;
        let session = Session::new(name, Some(link), answers, run.cancel, run.tape);
        let session = Arc::new(session.budget(run.budget));
        Ok(Opened { engine, session, guard })
    }

    /// Reads what is needed to go on, or recalls it. A recording has all that was read.
    async fn load(&self, claim: &Claim, spans: &[Span], tape: &Tape) -> Result<(Loaded, Option<Known<S>>)> {
        let recalled = self.recalled(claim, spans).await?.filter(|_| matches!(tape, Tape::Off));
        Ok(match recalled {
            Some((step, left)) => (Loaded { step: Some(step), ..Loaded::default() }, Some(Known::Left(left))),
            None => (self.store.load(&self.name, "", spans).await?, None),
        })
    }

    /// Leaves what is unfinished behind on its branch, so that nothing of it can be taken for something of the next run.
    pub(crate) async fn leave(&self, opened: Opened<S>, run: RunOf) -> Result<Opened<S>> {
        let Opened { engine, session, guard } = opened;
        let Some(seq) = engine.head() else { return Ok(Opened { engine, session, guard }) };
        drop((engine, session));
        let info = self.info().await?;
        let spans = lineage(&info.forks, "", info.head);
        let rows = self.store.steps(&self.name, "", &spans, None, 1).await?;
        let from = rows.first().map_or(info.head, |row| row.place.branch);
        let new = history::next_branch(&info);
        let forks = vec![Fork { path: "".into(), branch: new, from, seq }];
        let batch = Batch { forks, head: Some(new), durable: true, ..Batch::default() };
        self.store.write(&guard.claim, batch).await?;
        self.open_claimed(guard, run).await
    }

    async fn open_plain(&self) -> Result<Opened<S>> {
        let limits = Arc::new(Limits { persist: Persist::Each, ..Limits::default() });
        self.open(RunOf { limits, durability: Durability::Sync, cancel: None, budget: None, tape: Tape::Off }).await
    }

    async fn claim(&self) -> Result<Guard> {
        let claim = self.store.claim(&self.name).await?;
        Ok(Guard { store: self.store.clone(), claim })
    }

    /// Claiming makes a thread, so what only works on one that is there asks first.
    pub(crate) async fn must_exist(&self) -> Result<()> {
        self.info().await.map(drop)
    }

    async fn info(&self) -> Result<ThreadInfo> {
        self.store.thread(&self.name).await?.ok_or_else(|| self.no_thread())
    }

    async fn read(&self, info: &ThreadInfo, path: &str, branch: u32, spans: &[Span]) -> Result<Standing<S>> {
        let loaded = self.store.load(&self.name, path, spans).await?;
        if let Some(row) = &loaded.step {
            let step: Step = decode("the step record", row.place.seq, &row.value)?;
            if step.shared {
                let message = format!("the graph at `{path}` works on the state of the one around it; look there");
                return Err(Error::new(Kind::BadInput, message));
            }
        }
        let place = loaded.step.as_ref().map(|row| row.place.clone());
        let answers = answers(&loaded)?;
        let name = Arc::new(ThreadName::new(info.name.clone(), 0));
        let scope = Scope::at(name, path, branch);
        let plan = self.flow.plan().clone();
        let engine = Engine::restore(plan, scope, Arc::new(Limits::default()), loaded, &answers, None)
            .map_err(|error| error.context(format!("thread `{}`", self.name)))?;
        let Some(place) = place else { return Err(self.no_thread()) };
        Ok(Standing {
            checkpoint: CheckpointId(place),
            state: S::clone(engine.state()),
            next: engine.next(),
            questions: engine.questions(&answers),
            spent: engine.spent(),
            has_read: engine.read(),
        })
    }

    /// Makes an engine of what was loaded of the thread's own graph, to look at.
    pub(crate) fn restore(&self, info: &ThreadInfo, loaded: Loaded, branch: u32) -> Result<Engine<S>> {
        let scope = Scope::root(Arc::new(ThreadName::new(info.name.clone(), 0)), branch);
        let answers = answers(&loaded)?;
        Engine::restore(self.flow.plan().clone(), scope, Arc::new(Limits::default()), loaded, &answers, None)
    }

    fn no_thread(&self) -> Error {
        Error::new(Kind::NotFound, format!("there is no thread `{}` with a run in it", self.name))
    }
}

/// Where it is noted that a question was answered, whatever becomes of the superstep that asked: beside the first
/// checkpoint, as something of a task that cannot be there.
fn given(question: &str) -> (Place, EntryKey) {
    let place = Place { path: "".into(), branch: 0, seq: 0 };
    (place, EntryKey { task: u32::MAX, kind: EntryKind::Answer, name: question.to_owned() })
}

/// The answers that were given to the tasks of the open superstep.
fn answers(loaded: &Loaded) -> Result<Answers> {
    let rows = loaded.entries.iter().filter(|row| row.key.kind == EntryKind::Answer);
    rows.map(|row| Ok((row.key.name.clone(), decode("an answer", row.seq, &row.value)?))).collect()
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl<S: State> Clone for Thread<S> {
    fn clone(&self) -> Self {
        Self {
            flow: self.flow.clone(),
            name: self.name.clone(),
            store: self.store.clone(),
            retain: self.retain,
            recall: self.recall.clone(),
        }
    }
}

impl<S: State> fmt::Debug for Thread<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread").field("name", &self.name).field("store", &self.store).finish_non_exhaustive()
    }
}
