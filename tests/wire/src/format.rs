//! What every format can do: read a request, write an answer whole or in events, and say what failed.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::answer::Answer;
use crate::ask::Ask;
use crate::failure::{Failure, Reply};
use crate::shape::Object;
use crate::state::State;
use crate::stream::{Event, Frame, Framing};
use serde_json::Value;

/// A request's surroundings.
pub(crate) struct Context {
    pub state: Arc<State>,
    /// Value of the `anthropic-beta` header.
    pub betas: String,
}

/// One wire format.
pub(crate) trait Format: Send + Sync {
    /// Checks a request as strictly as the provider does, and reads from it what matters.
    fn read(&self, body: &Object, cx: &Context) -> Result<Ask, Failure>;

    /// Writes an answer in one piece.
    fn whole(&self, ask: &Ask, answer: &Answer, state: &State) -> Value;

    /// Writes an answer as events.
    fn frames(&self, ask: &Ask, answer: &Answer, state: &State) -> VecDeque<Frame>;

    /// Says what failed.
    fn failure(&self, failure: &Failure, state: &State) -> Reply;

    fn framing(&self) -> Framing;

    /// The event that says in the middle of a stream that something failed.
    fn error_event(&self) -> Event;

    /// An event that nobody knows.
    fn unknown_event(&self) -> Event;
}
