//! What is said in a team, and how it looks to one of its members.

use std::collections::BTreeSet;

use lorewell_model::{Message, Origin, Role, Usage};
use serde::{Deserialize, Serialize};

use crate::agent::{Chat, ChatUpdate};
use crate::state::State;

/// The person, among those who speak.
pub(super) const PERSON: &str = "person";

/// What was said in a team.
#[derive(Debug, Clone, Default, PartialEq, State)]
#[non_exhaustive]
pub struct Talk {
    /// All that was said, oldest first.
    #[reduce(append)]
    pub said: Vec<Said>,
    /// Who speaks next, where somebody decides; who has the word, where it is handed over.
    pub next: Option<String>,
    /// What is still to be done, where there is a plan.
    pub plan: Vec<String>,
    /// The answer of the team; what was said last unless it is there.
    pub answer: Option<String>,
    /// Where texts came from that a member has read and nobody vouches for.
    #[reduce(merge)]
    pub has_read: BTreeSet<Origin>,
    /// What the models have used.
    #[reduce(with = std::ops::AddAssign::add_assign)]
    pub usage: Usage,
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Said {
    /// Who said it; `person` for who gave the task.
    pub by: String,
    /// What was said.
    pub text: String,
}

impl Said {
    /// Lets somebody say something.
    pub fn new(by: impl Into<String>, text: impl Into<String>) -> Self {
        Self { by: by.into(), text: text.into() }
    }
}

impl Talk {
    /// Gives the team a task, or says something else to it.
    pub fn say(text: impl Into<String>) -> TalkUpdate {
        Self::update().said([Said::new(PERSON, text)]).answer(None).plan(Vec::new())
    }

    /// Returns the answer of the team, or what was said last.
    #[must_use]
    pub fn text(&self) -> &str {
        let last = self.said.last().map(|said| &*said.text);
        self.answer.as_deref().or(last).unwrap_or_default()
    }

    /// Returns what a member has said last.
    #[must_use]
    pub fn by(&self, name: &str) -> Option<&str> {
        self.said.iter().rev().find(|said| said.by == name).map(|said| &*said.text)
    }

    /// Returns what was said since the person spoke last.
    #[must_use]
    pub fn since_task(&self) -> &[Said] {
        let task = self.said.iter().rposition(|said| said.by == PERSON).map_or(0, |at| at + 1);
        &self.said[task..]
    }

    /// Returns what the person has said last.
    #[must_use]
    pub fn task(&self) -> &str {
        self.by(PERSON).unwrap_or_default()
    }

    /// How it looks to a member: its own words are its own, those of others are told to it, and `asked` comes last.
    pub(super) fn seen_by(&self, me: &str, asked: Option<&str>) -> Shown {
        self.seen(me, &self.said, asked)
    }

    /// How a part of it looks to a member.
    pub(super) fn seen<'a>(&self, me: &str, said: impl IntoIterator<Item = &'a Said>, asked: Option<&str>) -> Shown {
        let mut shown = Shown { turns: Vec::new(), has_read: self.has_read.clone() };
        for Said { by, text } in said {
            match &**by {
                PERSON => shown.hear(Role::User, text),
                by if by == me => shown.hear(Role::Assistant, text),
                by => shown.hear(Role::User, &format!("[{by}] {text}")),
            }
        }
        if let Some(asked) = asked {
            shown.hear(Role::User, asked);
        }
        // Who has spoken last is asked to go on: models answer a person.
        if shown.turns.last().is_none_or(|(role, _)| *role == Role::Assistant) {
            shown.hear(Role::User, "Go on.");
        }
        shown
    }
}

/// What a member is shown.
pub(super) struct Shown {
    turns: Vec<(Role, String)>,
    has_read: BTreeSet<Origin>,
}

impl Shown {
    fn hear(&mut self, role: Role, text: &str) {
        match self.turns.last_mut() {
            Some((last, all)) if *last == role => {
                all.push_str("\n\n");
                all.push_str(text);
            }
            _ => self.turns.push((role, text.to_owned())),
        }
    }

    /// As the conversation of an agent.
    pub(super) fn chat(self) -> ChatUpdate {
        let messages = self.turns.into_iter().map(|(role, text)| match role {
            Role::Assistant => Message::assistant(text),
            _ => Message::user(text),
        });
        Chat::update().messages(messages.collect::<Vec<_>>()).has_read(self.has_read)
    }

    /// As the task of a team.
    pub(super) fn task(self) -> TalkUpdate {
        let told: Vec<String> = self.turns.into_iter().map(|(_, text)| text).collect();
        Talk::say(told.join("\n\n")).has_read(self.has_read)
    }
}
