//! The world outside the process, which no kill takes back: a ledger that knows by idempotency keys what it has booked,
//! and a diary of what happened in which order.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use lorewell_agent::{Cx, Error, Kind, Result, State};

use crate::diary::Line;

/// Each record is one write of this length, so none crosses a page, where a kill could cut it in two.
const RECORD_BYTES: usize = 256;
/// The other side takes up to so long to say what it has done: time for a kill.
const SEND_MAX: Duration = Duration::from_millis(4);

/// Ledger and diary of one thread.
#[derive(Clone)]
pub(crate) struct Outside {
    folder: PathBuf,
}

/// What came of booking something.
pub(crate) struct Booked {
    /// The same in every run.
    pub(crate) line: String,
    /// What was booked and what chance and the clock gave for it.
    pub(crate) drawn: (String, String),
}

impl Outside {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Notes that a task runs.
    pub(crate) async fn begin<S: State>(&self, cx: &Cx<S>, task: &str) {
        self.note(&Line::Runs { task: task.to_owned() });
        cx.emit("task", task.to_owned()).await;
    }

    /// Books something, as an effect. What is booked depends on what was drawn before.
    pub(crate) async fn book<S: State>(&self, cx: &Cx<S>, task: &str, what: &str) -> Result<Booked> {
        let micros = cx.now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        let drawn = format!("{micros} {:016x} {}", cx.random(), cx.id());
        let entry = format!("{task}/{what}");
        let value = format!("{entry} {drawn}");
        let send = |key: String| {
            let value = &value;
            async move {
                let wait = SEND_MAX.mul_f64(f64::from(key.as_bytes()[0] % 16) / 16.0);
                let receipt = self.send(key, value);
                tokio::time::sleep(wait).await;
                Ok(receipt)
            }
        };
        let (key, has): (String, String) = cx.effect(what, send).await?;
        self.note(&Line::Journalled { key: key.clone() });
        if has != value {
            let message = format!("drawn anew: the ledger has `{has}` for `{key}`, the task `{value}`");
            return Err(Error::new(Kind::Internal, message));
        }
        Ok(Booked { line: format!("booked {entry}"), drawn: (entry, drawn) })
    }

    /// The other side: books what it does not know by its key, and tells what it has.
    fn send(&self, key: String, value: &str) -> (String, String) {
        self.note(&Line::Sends { key: key.clone() });
        let known = self.ledger().into_iter().find(|(known, _)| *known == key);
        let value = known.map_or_else(
            || {
                append(&self.folder.join("ledger"), &format!("{key} {value}"));
                value.to_owned()
            },
            |(_, value)| value,
        );
        (key, value)
    }

    /// What was booked, in order: keys with values.
    pub(crate) fn ledger(&self) -> Vec<(String, String)> {
        let records = records(&self.folder.join("ledger"));
        records
            .iter()
            .map(|record| record.split_once(' ').unwrap())
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect()
    }

    pub(crate) fn note(&self, line: &Line) {
        append(&self.folder.join("diary"), &line.to_string());
    }

    pub(crate) fn diary(&self) -> Vec<Line> {
        records(&self.folder.join("diary")).iter().map(|record| record.parse().unwrap()).collect()
    }

    /// The file of the threads.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.join("threads.sqlite")
    }

    /// Holds the ledger against what the threads know: what was drawn, by what was booked.
    pub(crate) fn check(&self, drawn: &BTreeMap<String, String>) {
        let mut left = drawn.clone();
        for (key, value) in self.ledger() {
            let (entry, drawn) = value.split_once(' ').unwrap();
            let known = left.remove(entry);
            assert_eq!(known.as_deref(), Some(drawn), "`{entry}` with key `{key}` stands once too often in the ledger");
        }
        assert!(left.is_empty(), "in the state, but not in the ledger: {left:?}");
    }
}

fn append(path: &Path, record: &str) {
    assert!(record.len() < RECORD_BYTES, "`{record}` is too long for a record");
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    let padded = format!("{record:<width$}\n", width = RECORD_BYTES - 1);
    assert_eq!(file.write(padded.as_bytes()).unwrap(), RECORD_BYTES);
}

fn records(path: &Path) -> Vec<String> {
    let Ok(text) = fs::read_to_string(path) else { return Vec::new() };
    assert_eq!(text.len() % RECORD_BYTES, 0, "a record of `{}` is cut", path.display());
    text.lines().map(|line| line.trim_end().to_owned()).collect()
}
