//! The cases that are measured: which section they belong to, who can run them and how, and what of ours does.

use std::path::Path;

use crate::crowd::Crowd;
use crate::idle;
use crate::measure::{Measured, Outcome, measure};
use crate::peers::Side;
use crate::talk::Talk;

/// A part of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// W3: one turn with many calls.
    React,
    /// A turn at the end of a conversation.
    Long,
    /// Many agents at once.
    Crowd,
    /// Many agents that do nothing.
    Idle,
}

impl Section {
    /// All of them, in order.
    pub(crate) const ALL: [Self; 4] = [Self::React, Self::Long, Self::Crowd, Self::Idle];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::React => "react",
            Self::Long => "long",
            Self::Crowd => "crowd",
            Self::Idle => "idle",
        }
    }

    /// Lists its cases.
    pub(crate) fn cases(self) -> Vec<Case> {
        match self {
            Self::React => [10, 100].map(Case::React).to_vec(),
            Self::Long => [10, 100, 1000, 3000].map(Case::Long).to_vec(),
            Self::Crowd => vec![Case::Crowd(1000)],
            Self::Idle => vec![Case::Agents, Case::Threads],
        }
    }
}

/// A workload of a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    /// Calls of the turn.
    React(usize),
    /// Messages of the conversation.
    Long(usize),
    /// Agents at once.
    Crowd(usize),
    /// Agents that have answered once and wait.
    Agents,
    /// Threads that have had a turn and wait.
    Threads,
}

impl Case {
    /// Its name in the tables and between processes.
    pub(crate) fn name(self) -> String {
        match self {
            Self::React(calls) => format!("react_{calls}"),
            Self::Long(messages) => format!("long_{messages}"),
            Self::Crowd(agents) => format!("crowd_{agents}"),
            Self::Agents => "idle_agents".to_owned(),
            Self::Threads => "idle_threads".to_owned(),
        }
    }

    /// Finds one by its name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Section::ALL.into_iter().flat_map(Section::cases).find(|case| case.name() == name)
    }

    /// Tells whether a side runs it, stored so.
    pub(crate) fn has(self, side: Side, stored: Stored) -> bool {
        match (self, side) {
            // A peer has no handle of a thread.
            (Self::Long(_), side) if stored == Stored::Held => side == Side::Lorewell,
            (_, _) if stored == Stored::Held => false,
            // It keeps no threads.
            (_, Side::Rig) if stored == Stored::Sqlite => false,
            (Self::React(_) | Self::Long(_), _) => true,
            (Self::Crowd(_) | Self::Agents, _) => stored == Stored::Not,
            (Self::Threads, side) => side == Side::Lorewell && stored == Stored::Sqlite,
        }
    }

    /// Measures our side, in this process.
    pub(crate) async fn measure(self, stored: Stored, samples: usize, scratch: &Path) -> Outcome<Measured> {
        match self {
            Self::React(calls) => measure(&Talk::react(calls, stored), samples, scratch).await,
            Self::Long(messages) => measure(&Talk::long(messages, stored), samples, scratch).await,
            Self::Crowd(agents) => measure(&Crowd { agents }, samples, scratch).await,
            Self::Agents => idle::agents().await,
            Self::Threads => idle::threads(scratch).await,
        }
    }
}

/// Where a turn is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// Nowhere.
    Not,
    /// In SQLite, each step before the next one begins.
    Sqlite,
    /// The same, in a thread that is held from one turn to the next.
    Held,
}

impl Stored {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Not, Self::Sqlite, Self::Held];

    /// Its name in the tables and between processes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Not => "none",
            Self::Sqlite => "SQLite, sync",
            Self::Held => "SQLite, held",
        }
    }

    /// Finds one by its name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stored| stored.name() == name)
    }
}
