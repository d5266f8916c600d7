//! A model behind HTTP.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use reqwest::{Method, Url};

use super::http::{Http, Timeouts};
use super::providers::address;
use super::quirks::Quirks;
use super::wire::{Decoder, ModelInfo, Wire};
use crate::chat::{ChatModel, Events};
use crate::event::Event;
use crate::request::Request;
use crate::{Error, Kind, Result};

/// Pages of a list of models.
const PAGES_MAX: usize = 50;

/// A model of a provider.
#[derive(Debug, Clone)]
pub(crate) struct Remote(Arc<Endpoint>);

/// Where a provider is and how to speak with it.
pub(crate) struct Endpoint {
    pub(crate) wire: &'static dyn Wire,
    pub(crate) http: Http,
    pub(crate) base_url: String,
    pub(crate) quirks: Quirks,
    pub(crate) model: String,
}

impl Remote {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self(Arc::new(endpoint))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("model", &self.model).finish_non_exhaustive()
    }
}

impl ChatModel for Remote {
    fn stream(&self, request: Request) -> Events {
        let endpoint = self.0.clone();
        Events::new(async_stream::stream! {
            let mut events = VecDeque::new();
            let mut answer = match endpoint.ask(&request).await {
                Ok(answer) => answer,
                Err(error) => {
                    yield Err(error);
                    return;
                }
            };
            drop(request);
            loop {
                let read = answer.read(&mut events).await;
                for event in events.drain(..) {
                    yield Ok(event);
                }
                match read {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => {
                        yield Err(endpoint.without_keys(error));
                        return;
                    }
                }
            }
        })
    }
}

impl Endpoint {
    async fn ask(&self, request: &Request) -> Result<Answer> {
        let body = self.wire.body(&self.model, request, &self.quirks)?;
        let body = serde_json::to_vec(&body)?;
        let body = self.http.send(Method::POST, self.url(&self.wire.path(&self.model))?, Some(body)).await?;
        Ok(Answer { body, decoder: Decoder::new(self.wire), made: Vec::new(), timeouts: *self.http.timeouts() })
    }

    fn url(&self, path: &str) -> Result<Url> {
        address(&self.base_url, path)
    }

    /// Keys that an error of the stream may quote are taken out.
    fn without_keys(&self, error: Error) -> Error {
        let message = self.http.redacted(error.message());
        match message == error.message() {
            true => error,
            false => match error.retry_after() {
                Some(wait) => Error::new(error.kind(), message).after(wait),
                None => Error::new(error.kind(), message),
            },
        }
    }

    /// Lists the models.
    pub(crate) async fn models(&self) -> Result<Vec<ModelInfo>> {
        let mut all = Vec::new();
        let mut path = self.wire.models_path().to_owned();
        for _ in 0..PAGES_MAX {
            let (models, next) = self.wire.models(&self.http.text(self.url(&path)?).await?)?;
            all.extend(models);
            match next {
                Some(next) => path = next,
                None => return Ok(all),
            }
        }
        Err(Error::new(Kind::Limit, format!("a list of models of more than {PAGES_MAX} pages")))
    }
}

/// An answer on its way.
struct Answer {
    body: super::http::Body,
    decoder: Decoder,
    made: Vec<Event>,
    timeouts: Timeouts,
}

impl Answer {
    /// Reads the next bytes into events; false at the end. Events that came before a fault are kept.
    async fn read(&mut self, events: &mut VecDeque<Event>) -> Result<bool> {
        let read = match self.body.next().await? {
            Some(bytes) => self.decoder.push(&bytes, &mut self.made).map(|()| !self.decoder.is_over()),
            None => self.decoder.end(&mut self.made).map(|()| false),
        };
        if self.made.iter().any(Event::is_content) {
            self.body.speaks(&self.timeouts);
        }
        events.extend(self.made.drain(..));
        read
    }
}
