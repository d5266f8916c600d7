//! What may be spent, over any number of models, requests, calls of tools and runs of agents.

use std::fmt;
use std::ops::AddAssign;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chat::{ChatModel, Events};
use crate::event::Event;
use crate::name::ModelName;
use crate::price::Price;
use crate::request::Request;
use crate::usage::Usage;
use crate::{Error, Kind, Result};

/// What may be spent. Handles share it: give one to each model that spends from it, or to a run of an agent with all that
/// work for it. A request that has begun is answered to its end; the next one is refused with `Limit`.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use lorewell_model::{Budget, Kind, model};
///
/// let budget = Budget::new().requests_max(1);
/// let model = model("mock:echo").await?.budget(&budget);
/// model.chat("one").await?;
/// assert_eq!(model.chat("two").await.unwrap_err().kind(), Kind::Limit);
/// assert_eq!(budget.spent().requests, 1);
/// # Ok::<(), lorewell_model::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Default)]
pub struct Budget {
    requests_max: Option<u64>,
    tokens_max: Option<u64>,
    cost_usd_max: Option<f64>,
    calls_max: Option<u64>,
    time_max: Option<Duration>,
    spent: Arc<Mutex<Spent>>,
}

/// The cause of an error that says that a budget is spent.
#[derive(Debug)]
struct Over;

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a budget is spent")
    }
}

impl std::error::Error for Over {}

/// What was spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Spent {
    /// Requests.
    pub requests: u64,
    /// Their tokens.
    pub usage: Usage,
    /// What they cost, in US dollars, as far as prices are known.
    pub cost_usd: f64,
    /// Calls of tools.
    pub calls: u64,
    /// How long runs have run, in milliseconds; without the time in which they waited for a person.
    pub time_ms: u64,
}

impl Spent {
    /// Sets the time.
    #[must_use]
    pub fn time_ms(mut self, time_ms: u64) -> Self {
        self.time_ms = time_ms;
        self
    }

    /// Tells whether it is nothing.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.usage += other.usage;
        self.cost_usd += other.cost_usd;
        self.calls = self.calls.saturating_add(other.calls);
        self.time_ms = self.time_ms.saturating_add(other.time_ms);
    }
}

impl Budget {
    /// Makes a budget without limits, which only counts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits the number of requests.
    #[must_use]
    pub fn requests_max(mut self, requests: u64) -> Self {
        self.requests_max = Some(requests);
        self
    }

    /// Limits the tokens, of requests and answers together.
    #[must_use]
    pub fn tokens_max(mut self, tokens: u64) -> Self {
        self.tokens_max = Some(tokens);
        self
    }

    /// Limits the cost, in US dollars. A model whose price is not known is refused.
    #[must_use]
    pub fn cost_usd_max(mut self, usd: f64) -> Self {
        self.cost_usd_max = Some(usd);
        self
    }

    /// Limits the calls of tools.
    #[must_use]
    pub fn calls_max(mut self, calls: u64) -> Self {
        self.calls_max = Some(calls);
        self
    }

    /// Limits the time that runs take together; without the time in which they wait for a person.
    #[must_use]
    pub fn time_max(mut self, time: Duration) -> Self {
        self.time_max = Some(time);
        self
    }

    /// Returns what was spent so far.
    #[must_use]
    pub fn spent(&self) -> Spent {
        *self.lock()
    }

    /// Returns how much time is left, if it is limited.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        Some(self.time_max?.saturating_sub(Duration::from_millis(self.lock().time_ms)))
    }

    /// Counts what was spent elsewhere: in an earlier process, or by something that is no model.
    pub fn count(&self, spent: Spent) {
        *self.lock() += spent;
    }

    /// Takes a call of a tool from it.
    ///
    /// # Errors
    /// `Limit` if no more may be made.
    pub fn begin_call(&self) -> Result<()> {
        let mut spent = self.lock();
        match self.calls_max {
            Some(max) if spent.calls >= max => Err(Self::over(&format!("{max} calls of tools"))),
            _ => {
                spent.calls += 1;
                Ok(())
            }
        }
    }

    /// Makes the error of a budget that is spent.
    #[must_use]
    pub fn over(what: &str) -> Error {
        Error::new(Kind::Limit, format!("the budget is spent: {what}")).caused_by(Over)
    }

    /// Tells whether an error says that a budget is spent: whatever is tried next will fail as well.
    #[must_use]
    pub fn is_over(error: &Error) -> bool {
        std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<Over>)
    }

    fn lock(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request from it.
    fn begin(&self, price: Option<Price>, name: &ModelName) -> Result<()> {
        let mut spent = self.lock();
        let limit = |what: String| Err(Self::over(&what));
        if self.cost_usd_max.is_some() && price.is_none() {
            let message = format!("the price of `{name}` is not known, and the budget limits the cost; add its price");
            return Err(Error::new(Kind::Config, message));
        }
        match (self.requests_max, self.tokens_max, self.cost_usd_max) {
            (Some(max), ..) if spent.requests >= max => limit(format!("{max} requests")),
            (_, Some(max), _) if spent.usage.total_tokens() >= max => limit(format!("{max} tokens")),
            (.., Some(max)) if spent.cost_usd >= max => limit(format!("{max} US dollars")),
            _ => {
                spent.requests += 1;
                Ok(())
            }
        }
    }

    /// Counts what a request has used since it was last counted.
    fn add(&self, usage: Usage, before: Usage, price: Option<Price>) {
        let mut spent = self.lock();
        spent.usage += usage.since(before);
        if let Some(price) = price {
            spent.cost_usd += price.cost_usd(&usage) - price.cost_usd(&before);
        }
    }
}

/// A model that spends from a budget.
#[derive(Debug)]
pub(crate) struct Budgeted {
    inner: Arc<dyn ChatModel>,
    budget: Budget,
    price: Option<Price>,
    name: Arc<ModelName>,
}

impl Budgeted {
    pub(crate) fn new(inner: Arc<dyn ChatModel>, budget: Budget, price: Option<Price>, name: Arc<ModelName>) -> Self {
        Self { inner, budget, price, name }
    }
}

impl ChatModel for Budgeted {
    fn stream(&self, request: Request) -> Events {
        let (inner, budget, price, name) = (self.inner.clone(), self.budget.clone(), self.price, self.name.clone());
        Events::new(async_stream::try_stream! {
            budget.begin(price, &name)?;
            let mut events = inner.stream(request);
            let mut counted = Usage::default();
            while let Some(event) = events.next().await {
                let event = event?;
                // Who was asked again begins anew.
                if matches!(event, Event::Start { .. }) {
                    counted = Usage::default();
                }
                if let Event::Usage { usage } = &event {
                    budget.add(*usage, counted, price);
                    counted = *usage;
                }
                yield event;
            }
        })
    }

    fn window_tokens(&self) -> Option<usize> {
        self.inner.window_tokens()
    }

    fn count_tokens(&self, text: &str) -> Option<usize> {
        self.inner.count_tokens(text)
    }

    fn can_constrain(&self) -> bool {
        self.inner.can_constrain()
    }
}
