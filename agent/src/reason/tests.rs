//! Strategies against models whose answers depend only on what they are asked and under which seed.

mod budgets;
mod durability;
mod failures;
mod laws;
mod search;
mod strategies;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use lorewell_model::{ChatModel, Event, Events, Finish, Model, Request, Result, Usage};
use tokio::sync::Notify;

use super::*;

/// A model that answers by a function of the request.
#[derive(Clone)]
struct Known(Arc<Inner>);

type Answer = dyn Fn(&Request) -> Result<String> + Send + Sync;

struct Inner {
    answer: Box<Answer>,
    /// What decides how long each answer takes; none for at once.
    delays: Option<u64>,
    /// How many calls are answered before none is any more, and who hears of that.
    hangs: Option<(usize, Arc<Notify>)>,
    begun: AtomicUsize,
    usage: Usage,
    asked: Mutex<Vec<Request>>,
    running: AtomicUsize,
    running_most: AtomicUsize,
}

impl Known {
    fn new(answer: impl Fn(&Request) -> Result<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            answer: Box::new(answer),
            delays: None,
            hangs: None,
            begun: AtomicUsize::new(0),
            usage: Usage { input_tokens: 6, output_tokens: 4, ..Usage::default() },
            asked: Mutex::default(),
            running: AtomicUsize::new(0),
            running_most: AtomicUsize::new(0),
        }))
    }

    /// Lets answers come in an order that has nothing to do with that of the questions.
    fn delays(self, salt: u64) -> Self {
        self.with(|inner| inner.delays = Some(salt))
    }

    /// Answers so many calls and then no more.
    fn hangs_after(self, calls: usize, hangs: &Arc<Notify>) -> Self {
        self.with(|inner| inner.hangs = Some((calls, hangs.clone())))
    }

    fn with(self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Arc::into_inner(self.0).expect("nobody else holds it yet");
        change(&mut inner);
        Self(Arc::new(inner))
    }

    fn model(&self) -> Model {
        Model::new("mock:known".parse().unwrap(), self.clone())
    }

    fn reasoner(&self) -> Reasoner {
        Reasoner::new(self.model())
    }

    fn asked(&self) -> Vec<Request> {
        self.0.asked.lock().unwrap().clone()
    }

    fn calls(&self) -> u64 {
        self.0.asked.lock().unwrap().len() as u64
    }

    fn running_most(&self) -> usize {
        self.0.running_most.load(Ordering::Relaxed)
    }
}

impl ChatModel for Known {
    fn stream(&self, request: Request) -> Events {
        let inner = self.0.clone();
        let answered = async move {
            let running = inner.running.fetch_add(1, Ordering::Relaxed) + 1;
            inner.running_most.fetch_max(running, Ordering::Relaxed);
            let begun = inner.begun.fetch_add(1, Ordering::Relaxed);
            if let Some((_, hangs)) = inner.hangs.as_ref().filter(|(calls, _)| begun >= *calls) {
                hangs.notify_one();
                std::future::pending::<()>().await;
            }
            let answer = (inner.answer)(&request);
            if let Some(salt) = inner.delays {
                let share = chance(&request, &format!("delay {salt}"));
                tokio::time::sleep(Duration::from_secs_f64(share)).await;
            }
            inner.asked.lock().unwrap().push(request);
            inner.running.fetch_sub(1, Ordering::Relaxed);
            events(answer, inner.usage)
        };
        Events::new(stream::once(answered).flat_map(stream::iter))
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Known").finish()
    }
}

fn events(answer: Result<String>, usage: Usage) -> Vec<Result<Event>> {
    match answer {
        Ok(text) => {
            let events = [Event::Text { text }, Event::Usage { usage }, Event::Finish { finish: Finish::Stop }];
            events.into_iter().map(Ok).collect()
        }
        Err(error) => vec![Err(error)],
    }
}

/// A number in 0..1 that depends on the seed of a request and on a word.
fn chance(request: &Request, word: &str) -> f64 {
    let seed = request.seed.expect("every call has a seed");
    let hash = blake3::hash(format!("{seed} {word}").as_bytes());
    let drawn = u32::from_le_bytes(hash.as_bytes()[..4].try_into().unwrap());
    f64::from(drawn) / 2f64.powi(32)
}

/// What a model is asked at last.
fn words(request: &Request) -> String {
    request.messages.last().unwrap().text().into_owned()
}

/// Answers a question right with probability `p`; all wrong answers are the same.
fn right(request: &Request, p: f64) -> String {
    let answer = if chance(request, "right") < p { 42 } else { 13 };
    format!("I think so.\nAnswer: {answer}")
}

/// A model that answers right with probability `p`, and judges each answer that it is shown rightly with probability `q`.
fn known(p: f64, q: f64) -> Known {
    Known::new(move |request| {
        if request.output.is_none() {
            return Ok(right(request, p));
        }
        let words = words(request);
        let shown = words.split("<answer number=").skip(1).enumerate();
        let scores = shown.map(|(at, shown)| {
            let is_right = shown.contains("Answer: 42");
            let is_seen = chance(request, &format!("judge {at}")) < q;
            if is_right == is_seen { 10 } else { 0 }
        });
        Ok(serde_json::json!({"comparison": "", "scores": scores.collect::<Vec<_>>()}).to_string())
    })
}
