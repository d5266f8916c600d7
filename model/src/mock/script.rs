//! Answers that are known beforehand, one after the other.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::answer;
use crate::chat::{ChatModel, Events};
use crate::message::Message;
use crate::request::Request;
use crate::{Error, Kind, Result, ResultExt};

/// Gives answers one after the other, and keeps what it was asked.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use lorewell_model::mock::Script;
/// use lorewell_model::{Message, Model};
///
/// let script = Script::new([Message::assistant("4807 metres")]);
/// let model = Model::new("mock:mountains".parse()?, script.clone());
/// assert_eq!(model.chat("How high is Mont Blanc?").await?.text(), "4807 metres");
/// assert_eq!(script.asked()[0].messages, [Message::user("How high is Mont Blanc?")]);
/// # Ok::<(), lorewell_model::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Default)]
pub struct Script(Arc<Mutex<Played>>);

#[derive(Debug, Default)]
struct Played {
    answers: VecDeque<Result<Message, (Kind, String)>>,
    asked: Vec<Request>,
}

impl Script {
    /// Makes a script of answers.
    pub fn new(answers: impl IntoIterator<Item = Message>) -> Self {
        answers.into_iter().fold(Self::default(), Self::then)
    }

    /// Reads a script: a JSON object of a [`Message`] on each line.
    ///
    /// # Errors
    /// `NotFound` and `Io` if it cannot be read; `Config` if a line of it is no message.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).context(|| format!("reading `{}`", path.display()))?;
        let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
        let answers = lines.map(|(line, n)| {
            serde_json::from_str(line).map_err(|error| {
                let message = format!("line {n} of `{}` is no message: {error}", path.display());
                Error::new(Kind::Config, message).caused_by(error)
            })
        });
        Ok(Self::new(answers.collect::<Result<Vec<Message>>>()?))
    }

    /// Adds an answer.
    #[must_use]
    pub fn then(self, message: Message) -> Self {
        self.played().answers.push_back(Ok(message));
        self
    }

    /// Adds a failure.
    #[must_use]
    pub fn then_fail(self, kind: Kind, message: impl Into<String>) -> Self {
        self.played().answers.push_back(Err((kind, message.into())));
        self
    }

    /// Returns what it was asked so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Request> {
        self.played().asked.clone()
    }

    fn played(&self) -> std::sync::MutexGuard<'_, Played> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChatModel for Script {
    fn stream(&self, request: Request) -> Events {
        let script = self.clone();
        Events::new(async_stream::stream! {
            let next = {
                let mut played = script.played();
                played.asked.push(request.clone());
                played.answers.pop_front()
            };
            let mut events = match next {
                Some(Ok(message)) => answer(&request, message),
                Some(Err((kind, message))) => Events::failed(Error::new(kind, message)),
                None => Events::failed(Error::new(Kind::NotFound, "the script has no further answer")),
            };
            while let Some(event) = events.next().await {
                yield event;
            }
        })
    }
}
