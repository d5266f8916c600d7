//! The simulated world: it runs the thread, answers, edits and forks it, lets results come late and twice, kills the
//! process and cuts the power, all as the seed says.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value, json};

use super::attempt::{Ending, Outside};
use super::check;
use super::dice::Dice;
use super::expected::{batch_written, parse, written};
use super::graph::{COUNT, DRAWN, LOG, Spec};
use super::life::{Fate, Life};
use super::past::Past;
use super::reference::{Reference, Start};
use super::script;
use super::store::{BORN, Store, THREAD, is_superstep};
use super::trace::Trace;
use crate::checkpoint::{Batch, Body, EntryKey, EntryKind, Fork, Loaded, Place, Record};
use crate::engine::{Engine, Launch, Limits, Persist, TaskKey, encode};
use crate::graph::Plan;
use crate::scope::{Scope, ThreadName};
use crate::state::{Json, JsonUpdate, Rule};

/// Enough for several runs of most graphs.
const EVENTS: usize = 180;
/// In peace every run must come to where it can go no further.
const PEACE_MAX: usize = 40;

/// A node that fails does so less often than this; a run that gets no further then never will.
const STUCK_MAX: usize = 8;

/// A world of one thread.
pub(super) struct World {
    pub(super) spec: Rc<Spec>,
    pub(super) plan: Arc<Plan<Json>>,
    pub(super) dice: Dice,
    pub(super) outside: Outside,
    pub(super) trace: Trace,
    /// None in a world where nothing is stored.
    pub(super) store: Option<Store>,
    past: Rc<RefCell<Past>>,
    now: u64,
    /// How often, in 1000, the process dies where it can.
    deaths: usize,
    /// How often, in 1000, a batch cannot be written.
    faults: usize,
    failures: BTreeMap<(u32, (u64, u32), String), u32>,
    /// How often in a row a run has ended where it began.
    stuck: usize,
    /// By branch: how far a run came that was lost. What it did outside is not undone.
    reached: BTreeMap<u32, u64>,
}

impl World {
    pub(super) fn new(seed: u64, is_played_twice: bool) -> Self {
        let spec = Rc::new(Spec::throw(seed));
        let mut dice = Dice::of(seed, &["world"]);
        let is_stored = dice.percent(92);
        let wild = dice.below(4);
        Self {
            plan: spec.plan(),
            outside: Outside::new(seed),
            trace: Trace::new(is_played_twice),
            store: is_stored.then(|| Store::new(spec.has_exits)),
            past: Rc::default(),
            now: 0,
            deaths: [0, 5, 20, 60][wild],
            faults: [0, 1, 5, 10][wild],
            failures: BTreeMap::new(),
            stuck: 0,
            reached: BTreeMap::new(),
            spec,
            dice,
        }
    }

    /// Lets a thread live, first in the world as it is, then in peace.
    pub(super) fn run(&mut self) {
        let mut life = None;
        for _ in 0..EVENTS {
            life = match life {
                None => self.between(),
                Some(life) => self.within(life),
            };
        }
        (self.deaths, self.faults) = (0, 0);
        self.peace(life);
        self.trace.counts.add("effects tried again", self.outside.repeated);
    }

    /// Nothing fails any more and all questions are answered: the run must get as far as it can.
    fn peace(&mut self, mut life: Option<Box<Life>>) {
        self.stuck = 0;
        for _ in 0..PEACE_MAX {
            while let Some(open) = life {
                life = self.within(open);
            }
            if self.store.is_none() || self.head().is_none() {
                return;
            }
            let open = self.open();
            if open.reference.tasks.is_empty() || self.stuck > STUCK_MAX {
                return;
            }
            life = match self.answer_one_of(&open) {
                true => None,
                false => self.begin(open, None),
            };
        }
    }

    fn within(&mut self, mut life: Box<Life>) -> Option<Box<Life>> {
        match life.go_on(self) {
            _ if self.dies() => self.crash(life),
            Fate::On => Some(life),
            Fate::Dies => self.crash(life),
            Fate::Over => {
                self.over(&life);
                None
            }
        }
    }

    fn over(&mut self, life: &Life) {
        self.trace.say("the run is over".to_owned());
        self.stuck = if life.has_moved() { 0 } else { self.stuck + 1 };
        if life.stores_at_end() && self.head() != life.reference.head {
            self.loses(life);
        }
    }

    fn loses(&mut self, life: &Life) {
        let reached = self.reached.entry(life.reference.scope.branch()).or_default();
        *reached = (*reached).max(life.reference.seq());
    }

    fn crash(&mut self, mut life: Box<Life>) -> Option<Box<Life>> {
        life.leave_behind(self);
        let has_power = self.dice.percent(60);
        self.trace.count(if has_power { "kills" } else { "power cuts" });
        let Some(store) = &mut self.store else {
            self.trace.say("all is lost".to_owned());
            return None;
        };
        let cut = if has_power { 0 } else { store.cut_power(&mut self.dice) };
        self.trace.say(format!("the process dies; {cut} batches are lost"));
        self.trace.counts.add("batches lost", cut);
        if life.stores_at_end() {
            self.loses(&life);
        }
        None
    }

    /// Nothing runs: something is done with the thread.
    fn between(&mut self) -> Option<Box<Life>> {
        if self.store.is_none() {
            return self.begin_unstored();
        }
        let open = self.open();
        if open.reference.head.is_none() {
            let start = self.start();
            return self.begin(open, Some(&start));
        }
        if self.is_bound() {
            if self.dice.percent(20) {
                self.outside.forget();
                self.trace.count("lost runs given up");
                let start = self.start();
                return self.begin(open, Some(&start));
            }
            return self.begin(open, None);
        }
        let is_stuck = self.stuck > STUCK_MAX && self.dice.percent(60);
        match (open.reference.tasks.is_empty(), if is_stuck { 90 } else { self.dice.below(100) }) {
            (_, 90) if self.dice.percent(50) => {
                self.stuck = 0;
                self.trace.count("runs given up");
                let start = self.start();
                return self.begin(open, Some(&start));
            }
            (false, 0..45) => return self.begin(open, None),
            (false, 45..75) => drop(self.answer_one_of(&open)),
            (_, 75..84) => self.edit(),
            (_, 84..90) => self.fork(),
            (_, 90..92) => self.unknown_answer(),
            (true, 0..30) => {
                let start = self.start();
                return self.begin(open, Some(&start));
            }
            _ => {}
        }
        None
    }

    /// Whether a run that stores at its end only was lost, so that it can only be done once more.
    fn is_bound(&self) -> bool {
        let branch = self.store.as_ref().map_or(0, Store::head);
        let next = self.head().map_or(0, |head| head + 1);
        self.reached.get(&branch).is_some_and(|reached| *reached > next)
    }

    pub(super) fn head(&self) -> Option<u64> {
        self.store.as_ref().and_then(|store| store.checkpoints().last_key_value().map(|(seq, _)| *seq))
    }

    fn begin_unstored(&mut self) -> Option<Box<Life>> {
        let scope = Scope::root(Arc::new(ThreadName::new(THREAD.into(), BORN)), 0);
        let limits = Limits { persist: Persist::Nothing, ..self.limits() };
        // What is done outside without a store is done again.
        self.outside = Outside::new(self.dice.next());
        let engine = Engine::fresh(self.plan.clone(), scope.clone(), Arc::new(limits.clone()));
        let reference = Reference::fresh(self.spec.clone(), scope, limits, self.past.clone());
        let start = self.start();
        self.begin(Box::new(Life::new(engine, reference, BTreeMap::new())), Some(&start))
    }

    fn begin(&mut self, mut life: Box<Life>, start: Option<&Start>) -> Option<Box<Life>> {
        life.is_background = life.reference.limits.persist == Persist::Each && self.dice.percent(25);
        match life.start(self, start) {
            Fate::On => Some(life),
            Fate::Dies => self.crash(life),
            Fate::Over => {
                self.over(&life);
                None
            }
        }
    }

    /// Claims the thread and reads where it stands.
    fn open(&mut self) -> Box<Life> {
        let limits = self.limits();
        let store = self.store.as_mut().expect("there is a store");
        store.take_over();
        let (rows, loaded, branch) = (store.rows(), store.load(), store.head());
        let answers = answers(&loaded);
        let given: HashMap<String, Value> = answers.clone().into_iter().collect();
        let scope = Scope::root(Arc::new(ThreadName::new(THREAD.into(), BORN)), branch);
        let engine = Engine::restore(self.plan.clone(), scope.clone(), Arc::new(limits.clone()), loaded, &given, None);
        let engine = engine.expect("what was stored can be read");
        let reference = Reference::fresh(self.spec.clone(), scope, limits, self.past.clone());
        let reference = reference.restore(rows, &answers);
        self.trace.count("restores");
        check::same_place(&engine, &reference);
        check::same_questions(&engine, &reference, &answers);
        Box::new(Life::new(engine, reference, answers))
    }

    fn limits(&mut self) -> Limits {
        let names: Vec<String> = self.spec.names().into_iter().map(str::to_owned).collect();
        let dice = &mut self.dice;
        let gates = |dice: &mut Dice| if dice.percent(6) { dice.some(&names, 2) } else { Vec::new() };
        Limits {
            steps_max: if dice.percent(15) { 3 } else { 8 + dice.below(12) as u64 },
            parallel_max: if dice.percent(50) { 1 + dice.below(3) } else { 64 },
            gates_before: gates(dice),
            gates_after: gates(dice),
            persist: if self.spec.has_exits && dice.percent(50) { Persist::AtEnd } else { Persist::Each },
            loads: false,
            listening: dice.percent(50),
            states: dice.percent(30),
            ..Limits::default()
        }
    }

    fn start(&mut self) -> Start {
        let n = self.dice.below(1000);
        self.trace.count("begins");
        if self.dice.percent(40) {
            let mut fields = self.spec.blank();
            fields.insert(LOG.to_owned(), json!([format!("state {n}")]));
            return Start::State(fields);
        }
        let mut update = json!({LOG: [format!("input {n}")], COUNT: 0});
        for field in self.spec.fields.iter().filter(|field| field.name != DRAWN) {
            match field.rule {
                Rule::Messages => update[&field.name] = json!([{ "text": n }]),
                Rule::Last | Rule::Ephemeral if n < 300 => update[&field.name] = json!(n),
                _ => {}
            }
        }
        Start::Update(update)
    }

    /// Answers one question; false if none is open.
    fn answer_one_of(&mut self, life: &Life) -> bool {
        let asked: Vec<String> =
            life.reference.asked().into_iter().filter(|id| !life.answers.contains_key(id)).collect();
        if asked.is_empty() {
            return false;
        }
        let id = self.dice.pick(&asked).clone();
        let answer = script::answer(self.spec.seed, &id);
        self.trace.say(format!("answer {id} with {answer}"));
        self.trace.count("answers");
        let record = answer_record(life.engine.scope().branch(), life.engine.seq(), &id, &answer);
        self.store_plainly(Batch { records: vec![record], durable: true, ..Batch::default() });
        true
    }

    fn unknown_answer(&mut self) {
        let life = self.open();
        let open = life.engine.questions(&HashMap::new());
        let past = self.dice.next().to_string();
        assert!(open.iter().all(|question| question.id != past), "a question that nobody asked");
        self.trace.count("answers to nothing");
    }

    fn edit(&mut self) {
        let mut life = self.open();
        life.reference.limits.persist = Persist::Each;
        let names: Vec<String> = self.spec.names().into_iter().map(str::to_owned).collect();
        let node = self.dice.percent(50).then(|| self.dice.pick(&names).clone());
        let update = json!({LOG: [format!("edit {}", self.dice.below(100))], COUNT: 1, "last 0": self.dice.below(9)});
        let mut update = update;
        if !self.spec.fields.iter().any(|field| field.name == "last 0") || self.dice.percent(50) {
            update.as_object_mut().expect("it is one").remove("last 0");
        }
        self.trace.say(format!("edit as {node:?}: {update}"));
        let now = self.tick();
        life.reference.now = now;
        let expected = life.reference.edit(&update, node.as_deref());
        let written_by = JsonUpdate::try_from(update).expect("it is an object");
        let mut batch = match (life.engine.edit(written_by, node.as_deref(), now), expected) {
            (Err(given), Err(expected)) if given.kind() == expected => return self.trace.count("edits refused"),
            (Ok(batch), Ok(expected)) => {
                assert_eq!(batch_written(&batch), written(&expected, true), "an edit");
                batch
            }
            (given, expected) => panic!("the edit gave {given:?} and not {expected:?}"),
        };
        for (id, answer) in &life.answers {
            batch.records.push(answer_record(life.engine.scope().branch(), life.reference.seq(), id, answer));
        }
        self.trace.count("edits");
        self.store_plainly(batch);
    }

    fn fork(&mut self) {
        let Some(store) = &self.store else { return };
        let checkpoints: Vec<(u64, u32)> = store.checkpoints().into_iter().collect();
        let (seq, from) = *self.dice.pick(&checkpoints);
        let branch = self.past.borrow().branches() + 1;
        let fork = Fork { path: "".into(), branch, from, seq };
        self.trace.say(format!("fork {fork:?}"));
        self.trace.count("forks");
        self.past.borrow_mut().fork((from, seq), (branch, seq));
        self.store_plainly(Batch { forks: vec![fork], head: Some(branch), durable: true, ..Batch::default() });
    }

    pub(super) fn tick(&mut self) -> u64 {
        self.now += 1 + self.dice.below(50) as u64;
        self.now
    }

    /// Whether the process dies at this point.
    pub(super) fn dies(&mut self) -> bool {
        self.deaths > 0 && self.dice.below(1000) < self.deaths
    }

    /// Whether somebody stops the run.
    pub(super) fn cancels(&mut self) -> bool {
        self.deaths > 0 && self.dice.below(1000) < 3 * self.deaths
    }

    pub(super) fn is_calm_over(&mut self, percent: usize) -> bool {
        self.deaths + self.faults == 0 || self.dice.percent(percent)
    }

    /// Stores a batch, unless that fails; then the process gives up.
    pub(super) fn store_batch(&mut self, batch: Batch) -> Fate {
        if self.store.is_none() {
            return Fate::On;
        }
        if self.faults > 0 && self.dice.below(1000) < self.faults {
            self.trace.say("the disk is full".to_owned());
            self.trace.count("write errors");
            return Fate::Dies;
        }
        self.store_plainly(batch);
        Fate::On
    }

    pub(super) fn store_effect(&mut self, records: Vec<Record>) -> Fate {
        self.store_batch(Batch { records, durable: true, ..Batch::default() })
    }

    pub(super) fn store_plainly(&mut self, batch: Batch) {
        let Some(store) = &mut self.store else { return };
        if is_superstep(&batch) {
            self.trace.count("supersteps");
        }
        store.write(batch).expect("memory takes all");
    }

    pub(super) fn notes_failure(&mut self, reference: &Reference, task: u32, ending: &Ending) {
        self.trace.count(match ending {
            Ending::Done { .. } => "ends",
            Ending::Asked { .. } => "questions asked",
            Ending::Failed { .. } => "failures",
        });
        if let Ending::Failed { .. } = ending {
            let key = reference.key(task as usize);
            let node = reference.tasks[task as usize].runs().to_owned();
            *self.failures.entry((reference.scope.branch(), (key.seq, key.index), node)).or_default() += 1;
        }
    }

    pub(super) fn failures_of(&self, key: TaskKey, node: &str) -> u32 {
        let branch = self.store.as_ref().map_or(0, Store::head);
        self.failures.get(&(branch, (key.seq, key.index), node.to_owned())).copied().unwrap_or(0)
    }

    pub(super) fn count_start(&mut self, launch: &Launch<Json>) {
        for (happened, what) in [
            (!launch.delay.is_zero(), "retries"),
            (launch.failure.is_some(), "handlers started"),
            (launch.input.is_some(), "sends"),
            (launch.journal.is_some(), "starts with a journal"),
            (!launch.alone, "starts beside others"),
        ] {
            if happened {
                self.trace.count(what);
            }
        }
    }
}

fn answer_record(branch: u32, seq: u64, id: &str, answer: &Value) -> Record {
    let key = EntryKey { task: 0, kind: EntryKind::Answer, name: id.to_owned() };
    let value = encode(answer).expect("it is JSON");
    Record { place: Place { path: "".into(), branch, seq }, body: Body::Entry { key, value } }
}

fn answers(loaded: &Loaded) -> BTreeMap<String, Value> {
    let rows = loaded.entries.iter().filter(|row| row.key.kind == EntryKind::Answer);
    rows.map(|row| (row.key.name.clone(), parse(&row.value))).collect()
}
