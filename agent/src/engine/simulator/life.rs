//! One opening of the thread: an engine and the reference beside it, the attempts that run, the commands that are being
//! carried out. It ends with the run, or when the world stops it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use lorewell_model::{Error, Kind};
use serde_json::Value;

use super::attempt::{Attempt, Ending, Progress, Task};
use super::check;
use super::expected::Looks;
use super::reference::{Reference, Start, Status};
use super::script::Actor;
use super::trace::Line;
use super::world::World;
use crate::checkpoint::Batch;
use crate::engine::{Begin, Engine, Input, Launch, Output, Persist};
use crate::run;
use crate::state::{Json, JsonUpdate, Saved, State};

/// An open thread.
pub(super) struct Life {
    pub(super) engine: Engine<Json>,
    pub(super) reference: Reference,
    pub(super) answers: BTreeMap<String, Value>,
    /// Attempts that run.
    pub(super) attempts: Vec<Attempt>,
    /// Attempts that have ended, of which the engine does not know yet.
    pub(super) mail: Vec<(u32, u32, Ending)>,
    /// What the engine was told: each of these may come again.
    told: Vec<(u32, u32, Ending)>,
    /// Batches that are on their way to the store.
    behind: VecDeque<Batch>,
    pub(super) is_background: bool,
    looks: Looks,
    /// The newest checkpoint at which the engine and the reference were held against each other.
    seen_at: Option<u64>,
    /// The newest checkpoint when it was opened.
    stood: Option<u64>,
}

/// How it goes on after something was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    On,
    /// The run is over.
    Over,
    /// The process is to die here.
    Dies,
}

impl Life {
    pub(super) fn new(engine: Engine<Json>, reference: Reference, answers: BTreeMap<String, Value>) -> Self {
        Self {
            looks: Looks::default(),
            seen_at: reference.head,
            stood: reference.head,
            engine,
            reference,
            answers,
            attempts: Vec::new(),
            mail: Vec::new(),
            told: Vec::new(),
            behind: VecDeque::new(),
            is_background: false,
        }
    }

    /// Begins a run, or goes on with the one that was left.
    pub(super) fn start(&mut self, world: &mut World, start: Option<&Start>) -> Fate {
        world.trace.say(format!("run {:?} with {:?}", start, self.reference.limits));
        let now = world.tick();
        self.reference.now = now;
        let input = match start {
            None => Input::Resume { now },
            Some(start) => Input::Begin { input: Begin::Input(Self::input(&world.plan.blank, start)), now },
        };
        match start {
            None => self.reference.open(),
            Some(start) => self.reference.begin(start),
        }
        self.handle(world, input)
    }

    fn input(blank: &Json, start: &Start) -> run::Input<Json> {
        match start {
            Start::Update(update) => run::Input::Update(JsonUpdate::try_from(update.clone()).expect("it is an object")),
            Start::State(fields) => {
                let mut saved = Saved::default();
                for (name, value) in fields {
                    saved.put(name, value).expect("it is JSON");
                }
                run::Input::State(blank.load(&mut saved).expect("the values fit"))
            }
        }
    }

    fn handle(&mut self, world: &mut World, input: Input<Json>) -> Fate {
        let mut out = VecDeque::new();
        self.engine.handle(input, &mut out);
        check::same_commands(&world.plan, &mut self.looks, &out, &mut self.reference, &mut world.trace);
        self.perform(world, out)
    }

    /// Does the next thing that can be done.
    pub(super) fn go_on(&mut self, world: &mut World) -> Fate {
        let Some(what) = world.dice.below(self.attempts.len() + self.mail.len() + 1).checked_sub(1) else {
            return self.nuisance(world);
        };
        if what < self.attempts.len() {
            return self.advance(world, what);
        }
        let (task, attempt, ending) = self.mail.remove(what - self.attempts.len());
        world.notes_failure(&self.reference, task, &ending);
        self.told.push((task, attempt, ending.clone()));
        self.tell(world, task, attempt, &ending)
    }

    /// Tells the engine something that it must not listen to, or stores a batch that was on its way.
    fn nuisance(&mut self, world: &mut World) -> Fate {
        if !self.behind.is_empty() {
            return self.store_next(world);
        }
        if world.cancels() {
            world.trace.count("cancels");
            self.reference.cancel();
            (self.attempts, self.mail) = (Vec::new(), Vec::new());
            return self.handle(world, Input::Stop(Error::new(Kind::Cancelled, "the run was cancelled")));
        }
        if self.told.is_empty() || !world.is_calm_over(30) {
            return Fate::On;
        }
        let (mut task, mut attempt, ending) = world.dice.pick(&self.told).clone();
        match world.dice.below(6) {
            0 => task += 7,
            1 => attempt += 1000,
            _ => {}
        }
        world.trace.count("stale deliveries");
        world.trace.say(format!("again: task {task}, attempt {attempt}"));
        self.tell(world, task, attempt, &ending)
    }

    fn tell(&mut self, world: &mut World, task: u32, attempt: u32, ending: &Ending) -> Fate {
        world.trace.note(Line::Ended(task, attempt, ending.clone()));
        let now = world.tick();
        self.reference.ran += now - self.reference.now;
        self.reference.now = now;
        self.reference.ended(task, attempt, ending);
        self.handle(world, Input::Ended { task, attempt, end: ending.tell(), now })
    }

    /// Lets an attempt do one thing.
    fn advance(&mut self, world: &mut World, index: usize) -> Fate {
        let progress = self.attempts[index].step(&world.spec, &mut world.outside, &self.answers);
        let Attempt { of: Task { task, attempt, .. }, .. } = self.attempts[index];
        match progress {
            Progress::On => Fate::On,
            Progress::Ended(ending) => {
                self.attempts.remove(index);
                self.mail.push((task, attempt, ending));
                Fate::On
            }
            Progress::Store => {
                let records = self.attempts[index].unstored();
                world.trace.say(format!("task {task} stores {records:?}"));
                world.trace.count("effects");
                if world.dies() {
                    return Fate::Dies;
                }
                // Behind what is on its way.
                let fate = match self.flush(world) {
                    Fate::On if !records.is_empty() => world.store_effect(records),
                    fate => fate,
                };
                if fate != Fate::On {
                    return Fate::Dies;
                }
                self.attempts[index].is_stored(&mut world.outside);
                Fate::On
            }
        }
    }

    pub(super) fn flush(&mut self, world: &mut World) -> Fate {
        while !self.behind.is_empty() {
            if self.store_next(world) != Fate::On {
                return Fate::Dies;
            }
        }
        Fate::On
    }

    /// Stores what has been on its way for longest. After a batch that failed a store takes no more.
    fn store_next(&mut self, world: &mut World) -> Fate {
        let fate = self.behind.pop_front().map_or(Fate::On, |batch| world.store_batch(batch));
        if fate == Fate::Dies {
            self.behind.clear();
        }
        fate
    }

    /// A process that dies may have stored some of what was on its way.
    pub(super) fn leave_behind(&mut self, world: &mut World) {
        let left = world.dice.below(self.behind.len() + 1);
        for batch in self.behind.drain(..).take(left) {
            world.store_plainly(batch);
        }
    }

    /// Carries out commands; the process may die between any two of them.
    fn perform(&mut self, world: &mut World, mut out: VecDeque<Output<Json>>) -> Fate {
        while let Some(output) = out.pop_front() {
            if world.dies() {
                return Fate::Dies;
            }
            let fate = match output {
                Output::Start(launch) => self.launched(world, &launch),
                Output::Write { batch, .. } if self.is_background => {
                    self.behind.push_back(batch);
                    Fate::On
                }
                Output::Write { batch, .. } => world.store_batch(batch),
                Output::Emit(_) => Fate::On,
                Output::End(_) => self.ended(world),
            };
            if fate != Fate::On {
                return fate;
            }
            // Tasks that were started do not wait until all commands are carried out.
            if !self.attempts.is_empty() && world.dice.percent(15) {
                let index = world.dice.below(self.attempts.len());
                if self.advance(world, index) != Fate::On {
                    return Fate::Dies;
                }
            }
        }
        if self.seen_at != self.reference.head {
            check::same_place(&self.engine, &self.reference);
            self.seen_at = self.reference.head;
        }
        check::as_much_runs_as_may(&self.reference, self.attempts.len());
        Fate::On
    }

    fn launched(&mut self, world: &mut World, launch: &Launch<Json>) -> Fate {
        if let Some(store) = &world.store {
            check::may_start(&store.rows(), launch, &self.answers);
        }
        world.trace.count("starts");
        world.count_start(launch);
        let spec = world.spec.clone();
        let state = launch.state.clone();
        let actor = Actor {
            node: world.plan.node(launch.node).name.to_string(),
            seen: spec.view(state.object().iter()),
            input: launch.input.as_ref().map(|input| input.read().expect("inputs are JSON")),
            failed: launch.failure.as_ref().map(|failure| failure.message.clone()),
        };
        let part = actor.part(&spec);
        let is_failing = part.fault.is_some_and(|fault| match spec.has_exits {
            true => launch.tries <= fault.times,
            false => world.failures_of(launch.key, &actor.node) < fault.times,
        });
        let journal = launch.journal.iter().flat_map(|journal| journal.iter());
        let journal = journal.map(|(name, value)| (name.clone(), value.clone())).collect();
        let (task, attempt, key, seq) = (launch.task, launch.attempt, launch.key, launch.seq);
        let asked = launch.asked.as_ref().map_or_else(Vec::new, |asked| asked.ids.clone());
        let of = Task { task, attempt, key, seq, actor, journal, asked, state, part, is_failing };
        self.attempts.push(Attempt::new(of, Arc::clone(self.engine.scope())));
        Fate::On
    }

    fn ended(&mut self, world: &mut World) -> Fate {
        if self.flush(world) != Fate::On {
            return Fate::Dies;
        }
        check::same_place(&self.engine, &self.reference);
        assert!(self.attempts.is_empty() && self.mail.is_empty(), "the run ended while tasks ran");
        let is_paused = self.reference.tasks.iter().any(|task| matches!(task.status, Status::Paused(_)));
        world.trace.count(match (self.reference.tasks.is_empty(), self.reference.stopped, is_paused) {
            (true, ..) => "runs done",
            (_, true, _) => "stops at gates",
            (.., true) => "pauses or failures beside questions",
            _ => "runs failed",
        });
        Fate::Over
    }

    /// Whether it has come further than it began.
    pub(super) fn has_moved(&self) -> bool {
        self.reference.head != self.stood
    }

    /// Whether what it did may be known outside and not in the store.
    pub(super) fn stores_at_end(&self) -> bool {
        self.reference.limits.persist == Persist::AtEnd
    }
}
