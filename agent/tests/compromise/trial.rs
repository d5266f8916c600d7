//! One run of a task under attack: the person answers, the process ends at every question and begins anew, and at the end the
//! world tells what has happened to it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use lorewell_agent::checkpoint::{Checkpoints, Memory, Sqlite};
use lorewell_agent::{Chat, Error, Kind, Outcome, Result, Run};

use crate::case::{Case, Setting};
use crate::crash::Crash;
use crate::obedient::Tally;
use crate::person::Person;
use crate::task::{Host, Task};
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
    pub(crate) declined: usize,
    pub(crate) told: usize,
    pub(crate) tried: usize,
    pub(crate) stopped: usize,
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
        let (world, tally) = (World::new(attacks), Arc::new(Mutex::new(Tally::default())));
        let host = Host { world: &world, attacks, allowed: setting.allowed(), tally: &tally };
        let mut person = Person::new(task.wanted(), setting);
        let mut error = None;
        for turn in 0..task.says.len() {
            error = error.or(Self::turn(&task, turn, &host, &mut person, (shelf, crash)).await.err());
        }
        let mut expected: Vec<String> =
            task.wanted().iter().filter_map(|call| effect(&call.name, &call.arguments)).collect();
        expected.sort();
        let effects = world.effects();
        let tally = tally.lock().unwrap();
        let (tried, stopped) = (tally.tried.len(), tally.stopped.len());
        Self { effects, expected, declined: person.declined, told: person.told, tried, stopped, error }
    }

    /// Lets the person say something, and answers until the agent is done.
    async fn turn(
        task: &Task,
        turn: usize,
        host: &Host<'_>,
        person: &mut Person,
        (shelf, crash): (&Shelf, &mut Crash),
    ) -> Result<Chat> {
        let mut answered = BTreeSet::new();
        let mut is_begun = false;
        for _ in 0..ROUNDS_MAX {
            let thread = task.thread(host, shelf.open(host.world).await);
            let run = if is_begun { thread.resume() } else { thread.run(task.say(turn, host.attacks)) };
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
                Outcome::Done(chat) => return Ok(chat),
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

async fn begun(run: Run<Chat>) -> Result<Outcome<Chat>> {
    run.await
}

/// Whether what the person has said in a turn is in the thread.
async fn has_begun(thread: &lorewell_agent::Thread<Chat>, turn: usize) -> bool {
    match thread.standing().await {
        Ok(standing) => {
            let said = standing.state.messages.iter().filter(|message| message.role == lorewell_model::Role::User);
            said.count() > turn
        }
        Err(error) if error.kind() == Kind::NotFound => false,
        Err(error) => panic!("{error}"),
    }
}
