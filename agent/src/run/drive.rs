//! The driver: carries out what the engine wants, and tells it what came of it. One task is polled where the run is
//! polled; several are spawned, so that they share the cores.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use lorewell_model::{Budget, Error, Kind, Origin, Result, Spent};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::task::Attempt;
use super::{Cancel, Session};
use crate::checkpoint::Batch;
use crate::cx::{Cx, Parts, TaskScope};
use crate::engine::{Begin, End, Engine, Input, Launch, Left, Limits, Output, TaskEnd};
use crate::event::{Burst, Event};
use crate::graph::Plan;
use crate::scope::Scope;
use crate::state::State;

/// Bursts of events that wait to be read; then the tasks that tell them wait too.
const BURSTS_MAX: usize = 64;

/// One graph that is being run.
pub(crate) struct Drive<S: State> {
    engine: Engine<S>,
    plan: Arc<Plan<S>>,
    scope: Arc<Scope>,
    session: Arc<Session>,
    limits: Arc<Limits>,
    out: VecDeque<Output<S>>,
    one: Option<(u32, u32, Attempt<S>)>,
    many: JoinSet<(u32, u32, TaskEnd<S>)>,
    /// Whether the tasks of this superstep may end in any order.
    is_parallel: bool,
    /// Ends that wait for the events which came before them.
    ended: VecDeque<Item<S>>,
    inbox: Option<Inbox>,
    /// In a replay, what came before its turn.
    early: HashMap<u32, VecDeque<Item<S>>>,
    cache_keys: HashMap<u32, String>,
    /// What is being stored. The rest waits for it.
    writing: Option<BoxFuture<'static, Result<()>>>,
    /// The end, while what comes before it is being stored.
    end: Option<End<S>>,
    /// Which time it is that the graph on this path is run.
    occurrence: u32,
    /// In a replay, the task whose turn it is.
    turn: Option<u32>,
    cancelled: Option<BoxFuture<'static, ()>>,
    clock: Option<Clock>,
}

/// How long the run has run, against what it may.
struct Clock {
    budget: Budget,
    began: Instant,
    late: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Clock {
    fn new(budget: Budget) -> Self {
        let late = budget.time_left().map(|left| Box::pin(tokio::time::sleep(left)));
        Self { budget, began: Instant::now(), late }
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        let time_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.budget.count(Spent::default().time_ms(time_ms));
    }
}

/// Events of tasks, with the place of the task.
struct Inbox {
    sender: mpsc::Sender<Burst>,
    receiver: mpsc::Receiver<Burst>,
    /// What is left of the burst that came last.
    rest: (u32, std::vec::IntoIter<Event>),
}

impl Inbox {
    fn new() -> Self {
        let (sender, receiver) = mpsc::channel(BURSTS_MAX);
        Self { sender, receiver, rest: (0, Vec::new().into_iter()) }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(u32, Event)> {
        loop {
            if let Some(event) = self.rest.1.next() {
                return Poll::Ready((self.rest.0, event));
            }
            match self.receiver.poll_recv(cx) {
                Poll::Ready(Some((task, events))) => self.rest = (task, events.into_iter()),
                // There is always a sender: the inbox has one.
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Something that a task did.
enum Item<S: State> {
    Told(u32, Event),
    Ended(u32, u32, TaskEnd<S>),
    /// The run was cancelled, or the runtime shuts down.
    Lost,
    /// The run has taken as long as it may.
    Late,
    /// No task runs, so nothing can happen.
    Idle,
}

fn nothing_runs() -> Error {
    Error::new(Kind::BadOutput, "the replay has left the recording: it waits for a task that does not run")
}

/// What a driven run tells.
pub(crate) enum Told<S: State> {
    Event(Event),
    End(End<S>),
}

impl<S: State> Drive<S> {
    pub(crate) fn new(
        engine: Engine<S>,
        plan: Arc<Plan<S>>,
        scope: Arc<Scope>,
        session: Arc<Session>,
        limits: Arc<Limits>,
    ) -> Self {
        let occurrence = session.tape.occurrence(&scope);
        let inbox = limits.listening.then(Inbox::new);
        let cancelled = session
            .cancel
            .clone()
            .map(|cancel| -> BoxFuture<'static, ()> { Box::pin(async move { cancel.cancelled().await }) });
        Self {
            engine,
            plan,
            scope,
            session,
            limits,
            out: VecDeque::new(),
            one: None,
            many: JoinSet::new(),
            is_parallel: false,
            ended: VecDeque::new(),
            inbox,
            early: HashMap::new(),
            cache_keys: HashMap::new(),
            writing: None,
            end: None,
            occurrence,
            turn: None,
            cancelled,
            clock: None,
        }
    }

    /// Counts the time of the run, and what it has spent before it was stored if it goes on.
    pub(crate) fn count_time(&mut self, goes_on: bool) {
        let Some(budget) = self.session.purse().cloned() else { return };
        if goes_on {
            budget.count(self.engine.spent());
        }
        self.clock = Some(Clock::new(budget));
    }

    /// Returns what a run that has come to its end leaves for the next one.
    pub(crate) fn left(&self) -> Option<Left<S>> {
        self.engine.left()
    }

    /// Returns what the graph has spent.
    pub(crate) fn spent(&self) -> Spent {
        self.engine.spent()
    }

    /// Returns whose texts the graph has read.
    pub(crate) fn read(&self) -> BTreeSet<Origin> {
        self.engine.read()
    }

    /// Begins with an input, or goes on from the newest checkpoint.
    pub(crate) fn begin(&mut self, begin: Option<Begin<S>>) {
        let now = self.now();
        let input = match begin {
            Some(input) => Input::Begin { input, now },
            None => Input::Resume { now },
        };
        self.engine.handle(input, &mut self.out);
    }

    /// Takes what the engine has collected.
    pub(crate) fn collected(&mut self) -> Vec<S::Update> {
        self.engine.collected()
    }

    /// Goes on until there is something to tell. After the end it is not called again. If the future is dropped, nothing is
    /// lost: the next call goes on.
    pub(crate) async fn next(&mut self) -> Told<S> {
        loop {
            if let Err(error) = self.finish_write().await {
                return self.fail(error);
            }
            if let Some(end) = self.end.take() {
                return Told::End(end);
            }
            match self.out.pop_front() {
                Some(Output::Start(launch)) => self.start(launch),
                Some(Output::Emit(event)) => return Told::Event(event),
                Some(Output::Write { batch, at_once }) => self.begin_write(batch, at_once),
                Some(Output::End(end)) => self.begin_end(end),
                None => {
                    // So that a long run of nodes that never wait lets others have their turn.
                    tokio::task::consume_budget().await;
                    match self.wait().await {
                        Item::Told(_, event) => return Told::Event(event),
                        Item::Ended(task, attempt, end) => self.ended(task, attempt, end),
                        Item::Lost => {
                            self.stop(Error::new(Kind::Cancelled, "the run was cancelled; it can be resumed"));
                        }
                        Item::Late => self.stop(self.session.late()),
                        Item::Idle => return self.fail(nothing_runs()),
                    }
                }
            }
        }
    }

    fn stop(&mut self, error: Error) {
        self.stop_tasks();
        self.engine.handle(Input::Stop(error), &mut self.out);
    }

    fn begin_write(&mut self, batch: Batch, at_once: bool) {
        let (session, scope) = (self.session.clone(), self.scope.clone());
        if session.link.is_none() {
            return;
        }
        self.writing = Some(Box::pin(async move {
            match at_once {
                true => session.write_now(&scope, batch.records).await,
                false => session.write(&scope, batch).await,
            }
        }));
    }

    async fn finish_write(&mut self) -> Result<()> {
        let Some(writing) = &mut self.writing else { return Ok(()) };
        let written = writing.await;
        self.writing = None;
        written
    }

    /// The end is told when all is stored.
    fn begin_end(&mut self, end: End<S>) {
        self.end = Some(end);
        if self.scope.is_root() && self.session.link.is_some() {
            let session = self.session.clone();
            self.writing = Some(Box::pin(async move { session.flush().await }));
        }
    }

    /// Stops all tasks.
    fn fail(&mut self, error: Error) -> Told<S> {
        self.stop_tasks();
        self.out.clear();
        self.end = None;
        Told::End(End::Failed(error))
    }

    fn stop_tasks(&mut self) {
        self.one = None;
        self.many = JoinSet::new();
        self.ended.clear();
    }

    fn now(&self) -> u64 {
        if self.session.link.is_none() {
            return 0;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn start(&mut self, launch: Launch<S>) {
        let (task, attempt, alone) = (launch.task, launch.attempt, launch.alone);
        self.is_parallel = !alone;
        let delay = if self.session.tape.is_replay() { Duration::ZERO } else { launch.delay };
        let plan = self.plan.clone();
        let node = plan.node(launch.node);
        let state = launch.state.clone();
        let scope = self.task_scope(launch, &node.name, node.settings.retry.is_some());
        if let Some(error) = self.session.tape.timeout(&self.scope, self.occurrence, scope.seq, task, attempt) {
            self.ended.push_back(Item::Ended(task, attempt, TaskEnd::Failed { error, journal: scope.take_journal() }));
            return;
        }
        let cx = Cx::new(state, scope.clone());
        if let Some((cache, key)) = &node.cache {
            match key(&cx).and_then(|key| self.cached(task, &node.name, cache, &key, &scope)) {
                Ok(None) => {}
                Ok(Some(end)) => return self.ended.push_back(Item::Ended(task, attempt, end)),
                Err(error) => {
                    let end = TaskEnd::Failed { error, journal: scope.take_journal() };
                    return self.ended.push_back(Item::Ended(task, attempt, end));
                }
            }
        }
        let attempt_future = Attempt::new((node.run)(cx), scope, &node.settings, delay);
        if alone {
            self.one = Some((task, attempt, attempt_future));
        } else {
            self.many.spawn(async move { (task, attempt, attempt_future.await) });
        }
    }

    fn task_scope(&self, launch: Launch<S>, node: &Arc<str>, is_retried: bool) -> Arc<TaskScope> {
        TaskScope::new(Parts {
            scope: self.scope.clone(),
            session: self.session.clone(),
            limits: self.limits.clone(),
            node: node.clone(),
            key: launch.key,
            seq: launch.seq,
            index: launch.task,
            tries: launch.tries,
            fresh: launch.fresh,
            keeps_results: is_retried || self.session.keeps_results(),
            input: launch.input,
            failure: launch.failure,
            journal: launch.journal,
            asked: launch.asked,
            read: launch.read,
            recorded: self.session.tape.pause(&self.scope, self.occurrence, launch.seq, launch.task, launch.attempt),
            events: self.inbox.as_ref().map(|inbox| inbox.sender.clone()),
        })
    }

    fn ended(&mut self, task: u32, attempt: u32, end: TaskEnd<S>) {
        if let Some(key) = self.cache_keys.remove(&task) {
            self.keep_in_cache(task, key, &end);
        }
        let end = self.as_recorded(task, attempt, end);
        let now = self.now();
        self.engine.handle(Input::Ended { task, attempt, end, now }, &mut self.out);
    }

    /// Notes how an attempt failed; in a replay, lets it fail as it did then, for its reasons may have lain outside.
    fn as_recorded(&self, task: u32, attempt: u32, end: TaskEnd<S>) -> TaskEnd<S> {
        let (tape, seq) = (&self.session.tape, self.engine.seq());
        match &end {
            TaskEnd::Failed { error, .. } => {
                tape.note_failure(&self.scope, self.occurrence, seq, task, attempt, error);
            }
            TaskEnd::Asked { pause, .. } => {
                tape.note_pause(&self.scope, self.occurrence, seq, task, attempt, pause);
            }
            TaskEnd::Done { .. } => {}
        }
        match (tape.failure(&self.scope, self.occurrence, seq, task, attempt), end) {
            (Some(error), TaskEnd::Failed { journal, .. } | TaskEnd::Done { journal, .. }) => {
                TaskEnd::Failed { error, journal }
            }
            (_, end) => end,
        }
    }

    /// Waits for what happens next; in a replay, for what happened next.
    async fn wait(&mut self) -> Item<S> {
        if !self.is_parallel {
            return self.wait_any().await;
        }
        self.turn = self.turn.or_else(|| self.session.tape.expected(&self.scope, self.occurrence));
        let Some(turn) = self.turn else {
            let item = self.wait_any().await;
            match &item {
                Item::Told(_, event) if event.by_effect => {}
                Item::Told(task, _) | Item::Ended(task, ..) => {
                    self.session.tape.note_order(&self.scope, self.occurrence, *task);
                }
                Item::Lost | Item::Late | Item::Idle => {}
            }
            return item;
        };
        loop {
            if let Some(item) = self.early.get_mut(&turn).and_then(VecDeque::pop_front) {
                self.turn = None;
                return item;
            }
            match self.wait_any().await {
                item @ (Item::Lost | Item::Late | Item::Idle) => return item,
                item @ (Item::Told(task, _) | Item::Ended(task, ..)) => {
                    self.early.entry(task).or_default().push_back(item);
                }
            }
        }
    }

    async fn wait_any(&mut self) -> Item<S> {
        let item = poll_fn(|cx| match self.cancelled.as_mut().map(|cancelled| cancelled.as_mut().poll(cx)) {
            Some(Poll::Ready(())) => Poll::Ready(Item::Lost),
            Some(Poll::Pending) | None => self.poll_item(cx),
        })
        .await;
        // What fails because the run is cancelled has not failed.
        match self.session.cancel.as_ref().is_some_and(Cancel::is_cancelled) {
            true => Item::Lost,
            false => item,
        }
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Item<S>> {
        let late = self.clock.as_mut().and_then(|clock| clock.late.as_mut());
        if late.is_some_and(|late| late.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Item::Late);
        }
        if let Some(inbox) = &mut self.inbox
            && let Poll::Ready((task, event)) = inbox.poll(cx)
        {
            return Poll::Ready(Item::Told(task, event));
        }
        self.poll_tasks(cx);
        if self.ended.is_empty() {
            let is_idle = self.one.is_none() && self.many.is_empty();
            return if is_idle { Poll::Ready(Item::Idle) } else { Poll::Pending };
        }
        // What a task told before it ended comes first.
        if let Some(inbox) = &mut self.inbox
            && let Poll::Ready((task, event)) = inbox.poll(cx)
        {
            return Poll::Ready(Item::Told(task, event));
        }
        self.ended.pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    fn poll_tasks(&mut self, cx: &mut Context<'_>) {
        if let Some((task, attempt, future)) = &mut self.one {
            if let Poll::Ready(end) = Pin::new(future).poll(cx) {
                self.ended.push_back(Item::Ended(*task, *attempt, end));
                self.one = None;
            }
        } else if !self.many.is_empty()
            && let Poll::Ready(Some(joined)) = self.many.poll_join_next(cx)
        {
            // A task of ours does not panic; it is lost only when the runtime shuts down.
            self.ended.push_back(joined.map_or(Item::Lost, |(task, attempt, end)| Item::Ended(task, attempt, end)));
        }
    }

    fn cached(
        &mut self,
        task: u32,
        node: &str,
        cache: &crate::graph::Cache,
        key: &str,
        scope: &TaskScope,
    ) -> Result<Option<TaskEnd<S>>> {
        let key = format!("{node} {key}");
        let value = match self.session.tape.cached(&self.scope, scope.seq, task) {
            Some(recorded) => recorded,
            None => cache.get(&key, Instant::now()),
        };
        self.session.tape.note_cached(&self.scope, scope.seq, task, value.as_deref());
        match value {
            Some(value) => crate::engine::decode_command(&value).map(|(command, read)| {
                scope.note_read(read);
                let journal = scope.take_journal();
                Some(TaskEnd::Done { command, journal })
            }),
            None => {
                self.cache_keys.insert(task, key);
                Ok(None)
            }
        }
    }

    fn keep_in_cache(&self, task: u32, key: String, end: &TaskEnd<S>) {
        let TaskEnd::Done { command, journal } = end else { return };
        let Some(node) = self.engine.running_node(task) else { return };
        let Some((cache, _)) = &self.plan.node(node).cache else { return };
        let mut read = &self.engine.read() | &self.limits.has_read;
        read.extend(journal.tally.iter().flat_map(|tally| &tally.read));
        // What has no form in JSON is not kept.
        if let Ok(value) = crate::engine::encode_command(&**self.engine.state(), command, read) {
            cache.put(key, value.into(), Instant::now());
        }
    }
}
