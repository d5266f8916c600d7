//! The state of an agent: its conversation, what was approved in it, what it has read and used.

use std::collections::BTreeSet;

use lorewell_model::{Error, Finish, Kind, Message, Origin, Result, Role, Usage};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Grant, Summary};
use crate::state::State;

/// A conversation with an agent. `Chat::say("...")` is what a person says next: `thread.run(Chat::say("Hello"))`.
#[derive(Debug, Clone, Default, PartialEq, State)]
#[non_exhaustive]
pub struct Chat {
    /// What was said, oldest first; without the instructions, which are the agent's.
    #[reduce(append)]
    pub messages: Vec<Message>,
    /// Approvals that hold for more than one call.
    #[reduce(append)]
    pub grants: Vec<Grant>,
    /// Where texts came from that it has read and nobody vouches for. Whoever puts such a text into what a person says adds to
    /// this: `Chat::say(..).has_read([Origin::Document])`.
    #[reduce(merge)]
    pub has_read: BTreeSet<Origin>,
    /// What stands for the beginning of the conversation, where the model is not shown all of it.
    pub summary: Option<Summary>,
    /// What the models have used.
    #[reduce(with = std::ops::AddAssign::add_assign)]
    pub usage: Usage,
    /// Why the model stopped at last.
    pub finish: Option<Finish>,
    /// The answer, if it was asked for in a form.
    pub result: Option<Value>,
}

impl Chat {
    /// Says something.
    pub fn say(text: impl Into<String>) -> ChatUpdate {
        Self::update().messages([Message::user(text)])
    }

    /// Reads the answer that was asked for in a form.
    ///
    /// # Errors
    /// `BadOutput` if there is none, or it is no `T`.
    pub fn result_as<T: DeserializeOwned>(&self) -> Result<T> {
        let no_result = || Error::new(Kind::BadOutput, "the model gave no answer in the form that was asked for");
        T::deserialize(self.result.as_ref().ok_or_else(no_result)?).map_err(|error| {
            Error::new(Kind::BadOutput, format!("the answer is no `{}`: {error}", std::any::type_name::<T>()))
        })
    }

    /// Returns the words of the newest answer.
    #[must_use]
    pub fn text(&self) -> String {
        let last = self.messages.iter().rev().find(|message| message.role == Role::Assistant);
        last.map(|message| message.text().into_owned()).unwrap_or_default()
    }
}
