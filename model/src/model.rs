//! A handle to a model, and what every model can do because it can stream: answer whole, answer in a form, try again, stand
//! in for another, keep to a budget.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::chat::{ChatModel, Events};
use crate::event::Finish;
use crate::fold::Reply;
use crate::layer::{Budget, Budgeted, Cassette, Fallback, Observed, Paced, RateLimit, Recorded, Retried};
use crate::message::{Message, ToolResult};
use crate::name::ModelName;
use crate::price::{Price, Prices};
use crate::request::{OutputSchema, Request};
use crate::retry::Retry;
use crate::{Error, Kind, Result};

/// How often a model that wrote arguments or JSON which cannot be read is told so, before it is an error.
pub const REPAIRS_MAX: usize = 1;

/// A chat model. Cheap to clone; made by [`model`](crate::model()), or of any [`ChatModel`].
#[derive(Clone)]
pub struct Model {
    name: Arc<ModelName>,
    chat: Arc<dyn ChatModel>,
    price: Option<Price>,
    /// Around all layers, so that each attempt counts against a rate and a budget.
    retry: Option<Retry>,
    /// Who answers when it cannot, in this order.
    others: Vec<Self>,
    /// Whether each time that it is asked has a span.
    is_observed: bool,
}

impl Model {
    /// Gives a model its name.
    pub fn new(name: ModelName, chat: impl ChatModel + 'static) -> Self {
        let price = Prices::bundled().find(&name);
        Self { name: Arc::new(name), chat: Arc::new(chat), price, retry: None, others: Vec::new(), is_observed: true }
    }

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &ModelName {
        &self.name
    }

    /// Returns what its tokens cost, if that is known.
    #[must_use]
    pub fn price(&self) -> Option<Price> {
        self.price
    }

    /// Takes its price from a list.
    #[must_use]
    pub fn prices(mut self, prices: &Prices) -> Self {
        self.price = prices.find(&self.name);
        self
    }

    /// Answers event by event. Nothing is asked before the events are read; dropping them stops the model.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use lorewell_model::{Event, model};
    ///
    /// let mut events = model("mock:echo").await?.stream("hi");
    /// while let Some(event) = events.next().await {
    ///     if let Event::Text { text } = event? {
    ///         print!("{text}");
    ///     }
    /// }
    /// # Ok::<(), lorewell_model::Error>(()) }).unwrap();
    /// ```
    pub fn stream(&self, request: impl Into<Request>) -> Events {
        self.whole().stream(request.into())
    }

    /// The model with what is around it.
    fn whole(&self) -> Arc<dyn ChatModel> {
        let retried: Arc<dyn ChatModel> = match self.retry {
            Some(retry) => Arc::new(Retried::new(self.chat.clone(), retry)),
            None => self.chat.clone(),
        };
        // One span for all attempts, and one for each model: they have prices of their own.
        let first: Arc<dyn ChatModel> = match self.is_observed {
            true => Arc::new(Observed::new(retried, self.name.clone(), self.price)),
            false => retried,
        };
        self.others.iter().fold(first, |first, other| Arc::new(Fallback::new(self.name.clone(), first, other.clone())))
    }

    /// Answers whole. A model that asks for a tool with arguments that are no JSON is told so, [`REPAIRS_MAX`] times.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use lorewell_model::model;
    ///
    /// let reply = model("mock:echo").await?.chat("hi").await?;
    /// assert_eq!(reply.text(), "hi");
    /// # Ok::<(), lorewell_model::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// Those of the model, with its name as context; `BadOutput` if arguments stay unreadable.
    pub async fn chat(&self, request: impl Into<Request>) -> Result<Reply> {
        let mut request = request.into();
        let mut used = crate::Usage::default();
        for repairs_left in (0..=REPAIRS_MAX).rev() {
            let mut reply = self.reply(request.clone()).await?;
            used += reply.usage;
            reply.usage = used;
            let faults: Vec<_> = reply
                .message
                .tool_calls()
                .map(|call| (call, call.arguments::<serde_json::Map<String, serde_json::Value>>()))
                .collect();
            let Some(error) = faults.iter().find_map(|(_, read)| read.as_ref().err()) else { return Ok(reply) };
            // Arguments that were cut off are no mistake of the model.
            if repairs_left == 0 || reply.finish == Finish::Length {
                let message = match reply.finish {
                    Finish::Length => format!("{}; the answer was cut off: raise `output_tokens_max`", error.message()),
                    _ => error.message().to_owned(),
                };
                return Err(Error::new(Kind::BadOutput, message).context(format!("asking `{}`", self.name)));
            }
            let results = faults.iter().map(|(call, read)| match read {
                Ok(_) => ToolResult::failed(call, "not run: another call of this answer cannot be read"),
                Err(error) => ToolResult::failed(call, error.message()),
            });
            let results = Message::results(results);
            request.messages.extend([reply.message.with_readable_calls(), results]);
        }
        unreachable!("the last round returns")
    }

    /// Answers with a value of a type, whose schema the model is given. One that cannot be read is sent back,
    /// [`REPAIRS_MAX`] times.
    ///
    /// ```no_run
    /// # async fn example() -> lorewell_model::Result<()> {
    /// use lorewell_model::model;
    ///
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct Mountain { name: String, metres: u32 }
    ///
    /// let highest: Mountain = model("openai:gpt-5").await?.chat_as("the highest mountain of the Alps").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of the model; `BadOutput` if the answer stays unreadable.
    pub async fn chat_as<T: DeserializeOwned + JsonSchema>(&self, request: impl Into<Request>) -> Result<T> {
        let mut request = request.into().output(OutputSchema::of::<T>());
        for repairs_left in (0..=REPAIRS_MAX).rev() {
            let reply = self.chat(request.clone()).await?;
            match reply.json() {
                Ok(value) => return Ok(value),
                Err(error) if repairs_left == 0 || reply.finish != Finish::Stop => {
                    return Err(error.context(format!("asking `{}`", self.name)));
                }
                Err(error) => request.messages.extend([reply.message, Message::user(error.message())]),
            }
        }
        unreachable!("the last round returns")
    }

    async fn reply(&self, request: Request) -> Result<Reply> {
        self.stream(request).reply().await.map_err(|error| error.context(format!("asking `{}`", self.name)))
    }

    /// Asks again when it fails in a way that may pass, before anything was said. Takes the place of what was said before.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Lets another model answer when this one cannot, before anything was said.
    #[must_use]
    pub fn fallback(mut self, other: &Self) -> Self {
        self.others.push(other.clone());
        self
    }

    /// Keeps to a rate, with all that stand in for it; requests wait for their turn, and so does each attempt.
    #[must_use]
    pub fn rate_limit(self, limit: &RateLimit) -> Self {
        self.layer(&|chat, _| Arc::new(Paced::new(chat, limit.clone())))
    }

    /// Counts what it uses against a budget, each that stands in for it at its own price, and asks nothing more when that is
    /// spent.
    #[must_use]
    pub fn budget(self, budget: &Budget) -> Self {
        self.layer(&|chat, model| Arc::new(Budgeted::new(chat, budget.clone(), model.price, model.name.clone())))
    }

    /// Records what is asked and what is answered in the end.
    #[must_use]
    pub fn record(self, cassette: &Cassette) -> Self {
        let whole = self.clone().unobserved().whole();
        let chat = Arc::new(Recorded::new(whole, cassette.clone(), self.name.clone()));
        Self { chat, retry: None, others: Vec::new(), ..self }
    }

    /// The same without spans, for inside of something that has one.
    fn unobserved(mut self) -> Self {
        self.is_observed = false;
        self.others = std::mem::take(&mut self.others).into_iter().map(Self::unobserved).collect();
        self
    }

    fn layer(mut self, layer: Layer<'_>) -> Self {
        self.chat = layer(self.chat.clone(), &self);
        self.others = std::mem::take(&mut self.others).into_iter().map(|other| other.layer(layer)).collect();
        self
    }
}

/// Puts something around what a model asks with.
type Layer<'a> = &'a dyn Fn(Arc<dyn ChatModel>, &Model) -> Arc<dyn ChatModel>;

impl ChatModel for Model {
    fn stream(&self, request: Request) -> Events {
        self.whole().stream(request)
    }

    fn window_tokens(&self) -> Option<usize> {
        self.chat.window_tokens()
    }

    fn count_tokens(&self, text: &str) -> Option<usize> {
        self.chat.count_tokens(text)
    }

    fn can_constrain(&self) -> bool {
        self.chat.can_constrain()
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Model").field(&self.name.to_string()).finish()
    }
}
