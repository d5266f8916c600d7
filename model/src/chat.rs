//! What a model is: something that answers a request with events. Dropping the events stops the model.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};

use crate::event::Event;
use crate::fold::{Fold, Reply};
use crate::request::Request;
use crate::{Error, Result};

/// A chat model.
pub trait ChatModel: Send + Sync + fmt::Debug {
    /// Answers a request. What goes wrong is an event of the answer, after which there are no more. Nothing is asked
    /// before the events are read, and dropping them stops the model.
    fn stream(&self, request: Request) -> Events;

    /// Returns how many tokens a conversation may have, its answers included, where the model itself can tell.
    fn window_tokens(&self) -> Option<usize> {
        None
    }

    /// Returns how many tokens a text has, where the model itself can tell.
    fn count_tokens(&self, text: &str) -> Option<usize> {
        let _ = text;
        None
    }

    /// Tells whether the fields `regex` and `grammar` of a request's [`extra`](Request::extra) hold its answers to a form.
    fn can_constrain(&self) -> bool {
        false
    }
}

/// The events of an answer. [`Event::Finish`] is the last, or an error.
#[must_use = "a model is asked when its events are read"]
pub struct Events(BoxStream<'static, Result<Event>>);

impl Events {
    /// Makes events of a stream of them.
    pub fn new(stream: impl Stream<Item = Result<Event>> + Send + 'static) -> Self {
        Self(stream.boxed())
    }

    /// Makes one that only fails.
    pub fn failed(error: Error) -> Self {
        Self::new(futures_util::stream::once(std::future::ready(Err(error))))
    }

    /// Makes events that are known already.
    pub fn of(events: impl IntoIterator<Item = Event, IntoIter: Send + 'static>) -> Self {
        Self::new(futures_util::stream::iter(events.into_iter().map(Ok)))
    }

    /// Returns the next event; `None` after the last.
    ///
    /// # Errors
    /// Those of the model.
    pub async fn next(&mut self) -> Option<Result<Event>> {
        self.0.next().await
    }

    /// Reads the whole answer.
    ///
    /// # Errors
    /// Those of the model, and of [`Fold`].
    pub async fn reply(mut self) -> Result<Reply> {
        let mut fold = Fold::new();
        while let Some(event) = self.next().await {
            fold.push(&event?)?;
        }
        fold.reply()
    }
}

impl Stream for Events {
    type Item = Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}
