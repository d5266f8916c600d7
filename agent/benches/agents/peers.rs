//! The peers, LangGraph and rig. Every side is started in the same way and answers the same.

use std::path::{Path, PathBuf};

use lorewell_agent::{Error, Kind, Result};

use crate::case::{Case, Stored};
use crate::install::{build, environment, report, script, start};
use crate::measure::Measured;

/// Whose figures stand in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// This crate.
    Lorewell,
    /// LangGraph's prebuilt agent, in Python.
    LangGraph,
    /// rig's agent, in Rust.
    Rig,
}

impl Side {
    /// All of them, in the order of the tables.
    pub(crate) const ALL: [Self; 3] = [Self::Lorewell, Self::LangGraph, Self::Rig];

    /// Its name in the tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lorewell => "lorewell",
            Self::LangGraph => "LangGraph",
            Self::Rig => "rig",
        }
    }
}

/// The programs of all sides; of a peer that could not be installed, why.
#[derive(Debug)]
pub(crate) struct Programs {
    langgraph: Result<PathBuf, String>,
    rig: Result<PathBuf, String>,
}

impl Programs {
    /// Installs the peers, unless they are there already.
    pub(crate) fn install() -> Self {
        let why = |error: Error| error.to_string();
        Self { langgraph: environment().map_err(why), rig: build("rig").map_err(why) }
    }

    /// Does without the peers.
    pub(crate) fn alone() -> Self {
        let why = || Err("left out by `--alone`".to_owned());
        Self { langgraph: why(), rig: why() }
    }

    /// Says why a side does not run; none if it does.
    pub(crate) fn missing(&self, side: Side) -> Option<&str> {
        match side {
            Side::Lorewell => None,
            Side::LangGraph => self.langgraph.as_ref().err().map(String::as_str),
            Side::Rig => self.rig.as_ref().err().map(String::as_str),
        }
    }

    /// The command that starts a side, without its arguments.
    fn command(&self, side: Side) -> Result<Vec<PathBuf>> {
        let missing = |why: &String| Error::new(Kind::Unavailable, format!("{}: {why}", side.name()));
        Ok(match side {
            Side::Lorewell => vec![std::env::current_exe()?, "--measure".into()],
            Side::LangGraph => {
                vec![self.langgraph.clone().map_err(|why| missing(&why))?, script("langgraph_agents.py")]
            }
            Side::Rig => vec![self.rig.clone().map_err(|why| missing(&why))?],
        })
    }

    /// Measures a case in a process of its own.
    pub(crate) fn measure(
        &self,
        side: Side,
        case: Case,
        stored: Stored,
        samples: usize,
        scratch: &Path,
    ) -> Result<Measured> {
        let mut command = start(&self.command(side)?);
        command.args([case.name(), stored.name().to_owned(), samples.to_string()]).arg(scratch);
        report(&mut command, &format!("{} of {}, stored: {}", case.name(), side.name(), stored.name()))
    }
}
