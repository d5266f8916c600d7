//! One run of a task under attack: the person answers, the process ends at every question and begins anew, and at the end the
//! world tells what has happened to it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use lorewell_agent::checkpoint::{Checkpoints, Memory, Sqlite};
use lorewell_agent::team::Talk;
use lorewell_agent::{Chat, Error, Input, Kind, Outcome, Result, Run, Thread};

use crate::case::{Case, Setting};
use crate::crash::Crash;
use crate::obedient::Tally;
use crate::past::remembered;
use crate::person::Person;
use crate::stage::{Desk, Stage};
use crate::task::{Ground, Host, Stock, Task};
use crate::tools::effect;
use crate::world::World;

/// How often a person is asked in one turn: far more than any of the attacks comes to.
const ROUNDS_MAX: usize = 60;

/// Where the threads are kept. Each process opens the store anew; memory outlives it, which takes no time.
#[derive(Debug, Clone)]
pub(crate) enum Shelf {
    Memory(Memory),
    Sqlite,
}

impl Shelf {
    async fn open(&self, world: &World) -> Arc<dyn Checkpoints> {
        match self {
            Self::Memory(memory) => Arc::new(memory.clone()),
            Self::Sqlite => Arc::new(Sqlite::open(world.threads()).await.unwrap()),
        }
    }
}

/// What has come of it.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) effects: Vec<String>,
    /// What the task changes by itself.
    pub(crate) expected: Vec<String>,
    /// How many questions were asked.
    pub(crate) asked: usize,
    pub(crate) declined: usize,
    pub(crate) told: usize,
    pub(crate) tried: usize,
    pub(crate) stopped: usize,
    /// How many summaries were written.
    pub(crate) summaries: usize,
    /// Why the agent could not go on, if it could not.
    pub(crate) error: Option<Error>,
}

impl Trial {
    /// Runs a task while attacks stand in what it reads.
    pub(crate) async fn run(
        task: &Task,
        attacks: &[&Case],
        setting: &Setting,
        shelf: &Shelf,
        crash: &mut Crash,
    ) -> Self {
        let task = match setting.before {
            None => task.clone(),
            Some(_) => task.clone().after_greeting(),
        };
        let world = World::new(attacks);
        let task = task.at(&world);
        let person = Person::new(task.wanted(), setting);
        Self::with(person, &task, (&world, attacks), setting, (shelf, crash)).await
    }

    /// Runs a task before a person.
    pub(crate) async fn with(
        mut person: Person,
        task: &Task,
        (world, attacks): (&World, &[&Case]),
        setting: &Setting,
        place: (&Shelf, &mut Crash),
    ) -> Self {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let memory = match task.stock == Stock::Memory {
            true => Some(remembered(world).await),
            false => None,
        };
        let (allowed, stock) = (setting.allowed(), task.stock);
        let host = Host { world, attacks, allowed, tally: &tally, stock, memory };
        let error = match task.ground() {
            Ground::Chat => Self::turns::<Chat>(task, &host, &mut person, place).await,
            Ground::Talk => Self::turns::<Talk>(task, &host, &mut person, place).await,
            Ground::Desk => Self::turns::<Desk>(task, &host, &mut person, place).await,
        };
        let mut expected: Vec<String> =
            task.wanted().iter().filter_map(|call| effect(&call.name, &call.arguments)).collect();
        expected.sort();
        let effects = world.effects();
        let tally = tally.lock().unwrap();
        let (tried, stopped, summaries) = (tally.tried.len(), tally.stopped.len(), tally.summaries);
        let Person { asked, declined, told, .. } = person;
        Self { effects, expected, asked, declined, told, tried, stopped, summaries, error }
    }

    /// Runs all turns. Returns the first error.
    async fn turns<S: Stage>(
        task: &Task,
        host: &Host<'_>,
        person: &mut Person,
        (shelf, crash): (&Shelf, &mut Crash),
    ) -> Option<Error> {
        let mut error = None;
        for turn in 0..task.says.len() {
            error = error.or(Self::turn::<S>(task, turn, host, person, (shelf, &mut *crash)).await.err());
        }
        error
    }

    /// Lets the person say something, and answers until the agents are done.
    async fn turn<S: Stage>(
        task: &Task,
        turn: usize,
        host: &Host<'_>,
        person: &mut Person,
        (shelf, crash): (&Shelf, &mut Crash),
    ) -> Result<S> {
        let mut answered = BTreeSet::new();
        let mut is_begun = false;
        for _ in 0..ROUNDS_MAX {
            let thread = S::flow(task, host).thread("task", shelf.open(host.world).await);
            let (said, has_read) = task.say(turn, host.attacks);
            let say = || Input::<S>::Update(S::said(turn, said, has_read));
            let run = if is_begun { thread.resume() } else { thread.run(say()) };
            let outcome = match crash.cut(begun(run)).await {
                Some(outcome) => outcome?,
                None => {
                    // Whether the run was there before it was cut off, the store knows.
                    is_begun = is_begun || has_begun(&thread, turn).await;
                    continue;
                }
            };
            is_begun = true;
            let paused = match outcome {
                Outcome::Done(state) => return Ok(state),
                Outcome::Paused(paused) => paused,
            };
            for question in &paused.questions {
                assert!(answered.insert(question.id.clone()), "asked twice: {question:?}");
                thread.answer(&question.id, person.answer(question, turn)).await.unwrap();
            }
        }
        panic!("it has no end")
    }
}

async fn begun<S: Stage>(run: Run<S>) -> Result<Outcome<S>> {
    run.await
}

/// Whether what the person has said in a turn is in the thread.
async fn has_begun<S: Stage>(thread: &Thread<S>, turn: usize) -> bool {
    match thread.standing().await {
        Ok(standing) => standing.state.turns() > turn,
        Err(error) if error.kind() == Kind::NotFound => false,
        Err(error) => panic!("{error}"),
    }
}
