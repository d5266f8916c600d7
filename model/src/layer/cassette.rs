//! Record and replay: what models were asked and answered, on a cassette, a file with a JSON object on each line. A
//! request that is played must be one that was recorded. Keys are no part of a request, so none is on it.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chat::{ChatModel, Events};
use crate::event::Event;
use crate::model::Model;
use crate::name::ModelName;
use crate::request::Request;
use crate::{Error, Kind, Result, ResultExt};

/// Lines that a cassette may have when it is played.
const TAKES_MAX: usize = 100_000;

/// A file of requests and their answers, to be recorded or to be played. Handles share it.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use lorewell_model::{Cassette, model};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("run.jsonl");
/// model("mock:echo").await?.record(&Cassette::create(&path)?).chat("hi").await?;
///
/// // No model, no key, no network:
/// let model = Cassette::open(&path)?.model("mock:echo")?;
/// let error = model.chat("ho").await.unwrap_err();
/// assert!(error.to_string().contains("-          \"text\": \"hi\""), "{error}");
/// assert_eq!(model.chat("hi").await?.text(), "hi");
/// # Ok::<(), lorewell_model::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Cassette(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    tape: Mutex<Tape>,
}

#[derive(Debug)]
enum Tape {
    Recording(File),
    /// What was recorded, and whether it was played.
    Playing(Vec<(Take, bool)>),
}

/// One request and its answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Take {
    model: ModelName,
    request: Request,
    events: Vec<Event>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Failed>,
}

/// How an answer failed.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Failed {
    kind: Kind,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after: Option<Duration>,
}

impl From<&Error> for Failed {
    fn from(error: &Error) -> Self {
        Self { kind: error.kind(), message: error.to_string(), retry_after: error.retry_after() }
    }
}

impl From<Failed> for Error {
    fn from(Failed { kind, message, retry_after }: Failed) -> Self {
        let error = Self::new(kind, message);
        match retry_after {
            Some(wait) => error.after(wait),
            None => error,
        }
    }
}

impl Cassette {
    /// Begins a recording. A file that is there is written anew.
    ///
    /// # Errors
    /// `Io` if it cannot be written.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::create(path).context(|| format!("making the cassette `{}`", path.display()))?;
        Ok(Self::new(path, Tape::Recording(file)))
    }

    /// Opens a recording to play it.
    ///
    /// # Errors
    /// `NotFound` and `Io` if it cannot be read; `Corrupt` if a line of it is no recording; `Limit` above 100,000 lines.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let doing = || format!("playing the cassette `{}`", path.display());
        let file = File::open(path).context(doing)?;
        let mut takes = Vec::new();
        for (line, n) in BufReader::new(file).lines().zip(1..) {
            let line = line.context(doing)?;
            if takes.len() == TAKES_MAX {
                return Err(Error::new(Kind::Limit, format!("more than {TAKES_MAX} lines")).context(doing()));
            }
            let take = serde_json::from_str(&line).map_err(|error| {
                Error::new(Kind::Corrupt, format!("line {n} is no recording: {error}"))
                    .caused_by(error)
                    .context(doing())
            })?;
            takes.push((take, false));
        }
        Ok(Self::new(path, Tape::Playing(takes)))
    }

    fn new(path: &Path, tape: Tape) -> Self {
        Self(Arc::new(Inner { path: path.to_owned(), tape: Mutex::new(tape) }))
    }

    /// Returns a model that answers as the recorded one did.
    ///
    /// # Errors
    /// `Config` if the name is none.
    pub fn model(&self, name: &str) -> Result<Model> {
        let name: ModelName = name.parse()?;
        Ok(Model::new(name.clone(), Player { cassette: self.clone(), name }))
    }

    /// Returns how many recorded answers were not played yet.
    #[must_use]
    pub fn unplayed(&self) -> usize {
        match &*self.tape() {
            Tape::Recording(_) => 0,
            Tape::Playing(takes) => takes.iter().filter(|(_, is_played)| !is_played).count(),
        }
    }

    fn tape(&self) -> std::sync::MutexGuard<'_, Tape> {
        self.0.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, take: &Take) -> Result<()> {
        let Tape::Recording(file) = &mut *self.tape() else {
            let message = format!("`{}` is being played, so nothing is recorded on it", self.0.path.display());
            return Err(Error::new(Kind::Config, message));
        };
        let mut line = serde_json::to_vec(take)?;
        line.push(b'\n');
        file.write_all(&line).context(|| format!("recording on `{}`", self.0.path.display()))
    }

    fn play(&self, name: &ModelName, request: &Request) -> Result<Take> {
        let Tape::Playing(takes) = &mut *self.tape() else {
            let message = format!("`{}` is being recorded, so it cannot be played", self.0.path.display());
            return Err(Error::new(Kind::Config, message));
        };
        let mut left = takes.iter_mut().filter(|(take, is_played)| !is_played && take.model == *name).peekable();
        let Some((next, _)) = left.peek() else {
            let message = format!("`{}` has no further answer of `{name}`; record it again", self.0.path.display());
            return Err(Error::new(Kind::NotFound, message));
        };
        let next = next.request.clone();
        match left.find(|(take, _)| take.request == *request) {
            Some((take, is_played)) => {
                *is_played = true;
                Ok(take.clone())
            }
            None => {
                let message = format!(
                    "the request is not the recorded one; record `{}` again if that is meant\n{}",
                    self.0.path.display(),
                    difference(&next, request)?
                );
                Err(Error::new(Kind::Conflict, message))
            }
        }
    }
}

/// Lines around a difference that are shown with it.
const CONTEXT_LINES: usize = 3;

/// What is different, as a person reads it.
fn difference(recorded: &Request, asked: &Request) -> Result<String> {
    let (recorded, asked) = (serde_json::to_string_pretty(recorded)?, serde_json::to_string_pretty(asked)?);
    let diff = similar::TextDiff::from_lines(&recorded, &asked);
    Ok(diff.unified_diff().context_radius(CONTEXT_LINES).header("recorded", "asked").to_string())
}

/// A model that is recorded.
#[derive(Debug)]
pub(crate) struct Recorded {
    inner: Arc<dyn ChatModel>,
    cassette: Cassette,
    name: Arc<ModelName>,
}

impl Recorded {
    pub(crate) fn new(inner: Arc<dyn ChatModel>, cassette: Cassette, name: Arc<ModelName>) -> Self {
        Self { inner, cassette, name }
    }
}

impl ChatModel for Recorded {
    fn stream(&self, request: Request) -> Events {
        let (inner, cassette, model) = (self.inner.clone(), self.cassette.clone(), (*self.name).clone());
        Events::new(async_stream::stream! {
            let mut events = inner.stream(request.clone());
            let mut taking = Taking { cassette, take: Some(Take { model, request, events: Vec::new(), error: None }) };
            while let Some(event) = events.next().await {
                // It is written before its end is known, so that whoever knows the end finds it there.
                if let Err(error) = taking.see(&event) {
                    yield Err(error);
                    return;
                }
                yield event;
            }
        })
    }

    fn window_tokens(&self) -> Option<usize> {
        self.inner.window_tokens()
    }

    fn count_tokens(&self, text: &str) -> Option<usize> {
        self.inner.count_tokens(text)
    }

    fn can_constrain(&self) -> bool {
        self.inner.can_constrain()
    }
}

/// A recording on its way. One that is dropped before its end is written, too: what was heard of it, and that no more was.
#[derive(Debug)]
struct Taking {
    cassette: Cassette,
    /// Gone when it is written.
    take: Option<Take>,
}

impl Taking {
    fn see(&mut self, event: &Result<Event>) -> Result<()> {
        let Some(take) = &mut self.take else { return Ok(()) };
        match event {
            Ok(event) => take.events.push(event.clone()),
            Err(error) => take.error = Some(error.into()),
        }
        match event {
            Err(_) | Ok(Event::Finish { .. }) => self.write(),
            Ok(_) => Ok(()),
        }
    }

    fn write(&mut self) -> Result<()> {
        self.take.take().map_or(Ok(()), |take| self.cassette.write(&take))
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        let Some(take) = &mut self.take else { return };
        let error = Error::new(Kind::Cancelled, "whoever asked stopped listening here when it was recorded");
        take.error = Some((&error).into());
        if let Err(error) = self.write() {
            tracing::warn!(%error, "an answer that was broken off is not on the cassette");
        }
    }
}

/// A model that is played.
#[derive(Debug)]
struct Player {
    cassette: Cassette,
    name: ModelName,
}

impl ChatModel for Player {
    fn stream(&self, request: Request) -> Events {
        let (cassette, name) = (self.cassette.clone(), self.name.clone());
        Events::new(async_stream::try_stream! {
            let take = cassette.play(&name, &request)?;
            for event in take.events {
                yield event;
            }
            if let Some(failed) = take.error {
                Err(Error::from(failed))?;
            }
        })
    }
}
