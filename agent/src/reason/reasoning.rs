//! A line of reasoning. All calls of a strategy go through here: they keep to the budget, get their seeds from where they stand
//! and not from when they are made, and are journalled under the same place.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use lorewell_model::{Budget, Error, Finish, Fold, Kind, Message, Model, Reply, Request, Result, Spent};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::Solution;
use super::allowance::Allowance;
use super::extract::Extract;
use super::journal::{Failed, Journal};
use super::solution::Tried;

/// How often an answer that cannot be read is sent back.
pub const REPAIRS_MAX: usize = 1;

/// What is the same for all questions of a reasoner.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) model: Model,
    pub(super) seed: u64,
    pub(super) parallel_max: usize,
    pub(super) request: Request,
    pub(super) extract: Extract,
    pub(super) journal: Journal,
}

/// What all lines of reasoning on one question share.
pub(super) struct Solving {
    setup: Setup,
    /// A permit for each call that may be made at the same time.
    permits: Semaphore,
    /// The first error after which nothing more may be done.
    stop: Mutex<Option<Error>>,
}

impl Solving {
    pub(super) fn new(setup: Setup) -> Self {
        let permits = Semaphore::new(setup.parallel_max.clamp(1, Semaphore::MAX_PERMITS));
        Self { setup, permits, stop: Mutex::default() }
    }

    fn stop(&self) -> std::sync::MutexGuard<'_, Option<Error>> {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop().is_some()
    }

    pub(super) fn take_stop(&self) -> Option<Error> {
        self.stop().take()
    }
}

/// A line of reasoning: a model to ask, a place of its own, and what is left of the budget. Cheap to clone; clones share both.
#[derive(Clone)]
pub struct Reasoning {
    pub(super) solving: Arc<Solving>,
    /// Who is asked; the reasoner's own unless said.
    pub(super) model: Option<Model>,
    pub(super) path: Arc<str>,
    pub(super) allowance: Arc<Allowance>,
}

impl Reasoning {
    pub(super) fn new(solving: Arc<Solving>, path: Arc<str>, allowance: Arc<Allowance>) -> Self {
        Self { solving, model: None, path, allowance }
    }

    /// Returns a line that stands below this one and shares its budget. Names tell lines apart: two that have the same name and
    /// place would draw the same.
    #[must_use]
    pub fn inside(&self, name: &str) -> Self {
        Self { path: self.place(name).into(), ..self.clone() }
    }

    pub(super) fn place(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// Returns how many calls are left.
    #[must_use]
    pub fn calls_left(&self) -> u64 {
        self.allowance.calls_left()
    }

    /// Tells whether the budget has kept something from being asked here.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.allowance.is_cut()
    }

    /// Notes that something was left out for want of calls.
    pub(super) fn cut(&self) {
        self.allowance.cut();
    }

    /// Returns the error of a strategy that has nothing to return when the budget is spent.
    #[must_use]
    pub fn nothing(&self) -> Error {
        let message = format!("the budget was spent at `{}` before there was any answer; raise `calls_max`", self.path);
        Error::new(Kind::Limit, message)
    }

    /// Draws a number that depends on the seed, this place and a name, and on nothing else.
    #[must_use]
    pub fn draw(&self, name: &str) -> u64 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.solving.setup.seed.to_le_bytes()).update(self.place(name).as_bytes());
        u64::from_le_bytes(hasher.finalize().as_bytes()[..8].try_into().expect("a hash has 32 bytes"))
    }

    /// Makes a request of words, as the reasoner's own [request](super::Reasoner::request) has it.
    #[must_use]
    pub fn request(&self, words: impl Into<String>) -> Request {
        let mut request = self.solving.setup.request.clone();
        request.output = None;
        request.message(Message::user(words))
    }

    /// Finds the answer in what a model wrote.
    #[must_use]
    pub fn answer(&self, text: &str) -> Option<String> {
        self.solving.setup.extract.find(text)
    }

    /// Says how an answer is to end, so that it is found.
    pub(super) fn ending(&self) -> &'static str {
        self.solving.setup.extract.ending()
    }

    /// Makes a solution of what a model wrote.
    #[must_use]
    pub fn solution(&self, text: impl Into<String>) -> Solution {
        let text = text.into();
        Solution { answer: self.answer(&text), text, ..Solution::default() }
    }

    /// Notes the score of something that was tried.
    pub fn note_score(&self, name: &str, text: impl Into<String>, score: f64) {
        self.allowance.note(Tried::scored(&self.place(name), text.into(), score));
    }

    /// Notes that something came to nothing.
    pub(super) fn note_failure(&self, name: &str, error: &Error) {
        self.allowance.note(Tried::failed(&self.place(name), &error.to_string()));
    }

    /// Returns this line with another model to ask, within the same budget.
    #[must_use]
    pub fn model(&self, model: &Model) -> Self {
        Self { model: Some(model.clone()), ..self.clone() }
    }

    /// Asks the model; `None` if the budget is spent. The name tells the call from others of this place.
    ///
    /// # Errors
    /// Those of the model; `Refused` if it declines to answer.
    pub async fn ask(&self, name: &str, request: Request) -> Result<Option<Reply>> {
        if !self.allowance.take_call() {
            return Ok(None);
        }
        let setup = &self.solving.setup;
        let model = self.model.as_ref().unwrap_or(&setup.model);
        let (place, request) = (self.place(name), request.seed(self.seed(name)));
        let _permit = self.solving.permits.acquire().await.expect("the semaphore is never closed");
        let mut is_new = false;
        let asked = self.once(&place, async {
            is_new = true;
            let own = Budget::new();
            let reply = said(&setup.journal.paid(model, &own), request, &setup.journal).await?;
            Ok(Answered { reply, spent: own.spent() })
        });
        let Answered { reply, spent } = asked.await?;
        setup.journal.spend(&place, spent, is_new);
        self.allowance.add_usage(reply.usage);
        self.allowance.note(Tried::said(&place, reply.text()));
        match reply.finish {
            Finish::Refused => Err(Error::new(Kind::Refused, format!("`{place}`: the model declined to answer"))),
            _ => Ok(Some(reply)),
        }
    }

    /// Asks the model for a value in a form, which `read` checks; an answer that it does not take is sent back, [`REPAIRS_MAX`]
    /// times. `None` if the budget is spent.
    ///
    /// # Errors
    /// Those of the model; `BadOutput` if the answer stays unreadable.
    pub async fn ask_as<T, U>(
        &self,
        name: &str,
        mut request: Request,
        read: impl Fn(T) -> Result<U> + Send + Sync,
    ) -> Result<Option<U>>
    where
        T: DeserializeOwned + Send,
        U: Send,
    {
        for repair in 0..=REPAIRS_MAX {
            let name = if repair == 0 { name.to_owned() } else { format!("{name} repair {repair}") };
            let Some(reply) = self.ask(&name, request.clone()).await? else { return Ok(None) };
            match reply.json::<T>().and_then(&read) {
                Ok(value) => return Ok(Some(value)),
                Err(error) if repair == REPAIRS_MAX || reply.finish != Finish::Stop => {
                    return Err(error.context(format!("`{}`", self.place(&name))));
                }
                Err(error) => request.messages.extend([reply.message, Message::user(error.message())]),
            }
        }
        unreachable!("the last round returns")
    }

    /// Does something once. What fails in a way that stops everything is kept aside, for a strategy may go past errors.
    pub(super) async fn once<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        act: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match self.solving.setup.journal.once(name, act).await {
            Ok(value) => Ok(value),
            Err(Failed::Act(error)) if error.kind() != Kind::Cancelled && !Budget::is_over(&error) => Err(error),
            Err(Failed::Act(error) | Failed::Journal(error)) => {
                let copy = Error::new(error.kind(), error.to_string());
                self.solving.stop().get_or_insert(error);
                Err(copy)
            }
        }
    }

    /// The seed of a call: 31 bits, which every provider takes.
    fn seed(&self, name: &str) -> u64 {
        self.draw(name) & u64::from(u32::MAX >> 1)
    }
}

/// An answer, as it is journalled.
#[derive(Serialize, Deserialize)]
struct Answered {
    reply: Reply,
    /// With attempts that failed.
    spent: Spent,
}

/// Asks a model, and reads its whole answer.
async fn said(model: &Model, request: Request, journal: &Journal) -> Result<Reply> {
    let reply = async {
        let mut events = model.stream(request);
        let mut fold = Fold::new();
        while let Some(event) = events.next().await {
            journal.alive();
            fold.push(&event?)?;
        }
        fold.reply()
    };
    reply.await.map_err(|error: Error| error.context(format!("asking `{}`", model.name())))
}

impl fmt::Debug for Reasoning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reasoning")
            .field("path", &self.path)
            .field("allowance", &self.allowance)
            .finish_non_exhaustive()
    }
}
