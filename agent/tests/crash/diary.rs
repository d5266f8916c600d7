//! What happened in the life of a thread, in order, whichever processes it lived in; and what must not have happened.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use lorewell_agent::Durability;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Line {
    /// A process begins to run the thread.
    Starts,
    /// A process was refused because another one runs the thread.
    Refused,
    /// A task runs.
    Runs { task: String },
    /// The other side was sent an effect with this key.
    Sends { key: String },
    /// The task was given the result of an effect, so it is journalled.
    Journalled { key: String },
    /// The engine has told that a task has finished.
    Finished { task: String },
    /// The engine has told of a checkpoint.
    Checkpoint { path: String, seq: u64, print: String },
    /// The run has paused, and this task waits for an answer.
    Waits { task: String },
    /// Somebody is about to answer a question of this task.
    Answers { task: String },
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starts => write!(f, "starts"),
            Self::Refused => write!(f, "refused"),
            Self::Runs { task } => write!(f, "runs {task}"),
            Self::Sends { key } => write!(f, "sends {key}"),
            Self::Journalled { key } => write!(f, "journalled {key}"),
            Self::Finished { task } => write!(f, "finished {task}"),
            Self::Checkpoint { path, seq, print } => write!(f, "checkpoint {path}~{seq} {print}"),
            Self::Waits { task } => write!(f, "waits {task}"),
            Self::Answers { task } => write!(f, "answers {task}"),
        }
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (what, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (task, key) = (rest.to_owned(), rest.to_owned());
        Ok(match what {
            "starts" => Self::Starts,
            "refused" => Self::Refused,
            "runs" => Self::Runs { task },
            "sends" => Self::Sends { key },
            "journalled" => Self::Journalled { key },
            "finished" => Self::Finished { task },
            "waits" => Self::Waits { task },
            "answers" => Self::Answers { task },
            "checkpoint" => {
                let (place, print) = rest.split_once(' ').ok_or(text)?;
                let (path, seq) = place.split_once('~').ok_or(text)?;
                let seq = seq.parse().map_err(|_| text)?;
                Self::Checkpoint { path: path.to_owned(), seq, print: print.to_owned() }
            }
            _ => return Err(format!("`{text}` is no line of a diary")),
        })
    }
}

/// What a diary comes to.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// What can be relied on: the checkpoints that must be there, each with the print of what it held.
    pub(crate) checkpoints: BTreeMap<(String, u64), String>,
    /// Effects that were sent more than once, because a kill came before their result was journalled.
    pub(crate) sent_again: usize,
    /// Tasks that ran more than once.
    pub(crate) ran_again: usize,
    pub(crate) refused: usize,
    finished: BTreeSet<String>,
    journalled: BTreeSet<String>,
    waiting: BTreeSet<String>,
    sent: BTreeSet<String>,
    ran: BTreeSet<String>,
    /// What was told since the process began; only the first `stored` lines can be relied on.
    pending: Vec<Line>,
    stored: usize,
    /// How much was pending when an effect was sent: once it is journalled, all that is stored.
    pending_at: BTreeMap<String, usize>,
}

/// Reads a diary.
///
/// # Panics
/// Something happened that must not.
pub(crate) fn read(diary: &[Line], durability: Durability) -> Told {
    let mut told = Told::default();
    for (n, line) in diary.iter().enumerate() {
        told.take(line, durability).unwrap_or_else(|fault| panic!("line {} of the diary: {fault}", n + 1));
    }
    told
}

impl Told {
    fn take(&mut self, line: &Line, durability: Durability) -> Result<(), String> {
        match line {
            Line::Starts => {
                self.pending.clear();
                self.pending_at.clear();
                self.stored = 0;
            }
            Line::Refused => self.refused += 1,
            Line::Runs { task } => {
                self.runs(task)?;
                if let Some(round) = task.strip_suffix("/mend") {
                    // An error handler runs because the node has failed for good.
                    let failed = Line::Finished { task: format!("{round}/broken") };
                    return self.take(&failed, durability);
                }
            }
            Line::Sends { key } => {
                if self.journalled.contains(key) {
                    return Err(format!("effect `{key}` is sent again, although it is journalled"));
                }
                self.sent_again += usize::from(!self.sent.insert(key.clone()));
                self.pending_at.insert(key.clone(), self.pending.len());
            }
            Line::Journalled { key } => {
                self.journalled.insert(key.clone());
                return self.settle(key);
            }
            Line::Finished { .. } | Line::Checkpoint { .. } if durability == Durability::Sync => {
                return self.rely_on(line);
            }
            Line::Finished { .. } | Line::Checkpoint { .. } => self.pending.push(line.clone()),
            Line::Waits { task } => drop(self.waiting.insert(task.clone())),
            Line::Answers { task } => drop(self.waiting.remove(task)),
        }
        Ok(())
    }

    fn runs(&mut self, task: &str) -> Result<(), String> {
        if self.finished.contains(task) {
            return Err(format!("task `{task}` runs again, although it has finished"));
        }
        if self.waiting.contains(task) {
            return Err(format!("task `{task}` runs again, although nobody has answered it"));
        }
        self.ran_again += usize::from(!self.ran.insert(task.to_owned()));
        Ok(())
    }

    /// An effect is stored, so all that was told before it was sent is stored too.
    fn settle(&mut self, key: &str) -> Result<(), String> {
        let Some(until) = self.pending_at.remove(key) else { return Ok(()) };
        while self.stored < until {
            let line = self.pending[self.stored].clone();
            self.stored += 1;
            self.rely_on(&line)?;
        }
        Ok(())
    }

    fn rely_on(&mut self, line: &Line) -> Result<(), String> {
        match line {
            Line::Finished { task } => drop(self.finished.insert(task.clone())),
            Line::Checkpoint { path, seq, print } => {
                let before = self.checkpoints.insert((path.clone(), *seq), print.clone());
                if before.is_some_and(|before| before != *print) {
                    return Err(format!("checkpoint {seq} of `{path}` was made again, and another one"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
