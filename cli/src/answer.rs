//! Follows the answer of a model to its end, which may be Ctrl-C, and reads the files that go with a question.

use std::path::Path;

use anyhow::{Context as _, Result};
use lorewell::model::{Event, Finish, Fold, Media, Model, Part, Reply, Request, Usage};
use lorewell::{Error, Kind};

use crate::interrupt::Interrupts;
use crate::output::{WARN, note, paint, plain};
use crate::pace::Pace;

/// An answer, as far as it came.
#[derive(Debug)]
pub(crate) struct Answered {
    /// What it used.
    pub(crate) usage: Usage,
    /// How it ended.
    pub(crate) end: End,
    /// How fast it came.
    pub(crate) pace: Pace,
}

/// How an answer ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The model said all it wanted to, or was allowed to.
    Whole(Box<Reply>),
    /// Ctrl-C.
    Interrupted,
    /// It failed, perhaps after some words.
    Failed(Error),
}

/// Asks a model, and shows each event as it comes.
///
/// # Errors
/// Those of showing the events; how the model failed is told by the end of the answer.
pub(crate) async fn follow(
    model: &Model,
    request: Request,
    interrupts: &Interrupts,
    mut show: impl FnMut(&Event) -> Result<()>,
) -> Result<Answered> {
    let mut events = model.stream(request);
    let (mut fold, mut pace) = (Fold::new(), Pace::begin());
    let end = loop {
        let event = tokio::select! {
            biased;
            () = interrupts.next() => break End::Interrupted,
            event = events.next() => event,
        };
        match event {
            Some(Ok(event)) => {
                if let Err(error) = fold.push(&event) {
                    break End::Failed(error);
                }
                if !matches!(event, Event::Start { .. } | Event::Usage { .. } | Event::Finish { .. }) {
                    pace.come();
                }
                show(&event)?;
            }
            Some(Err(error)) => break End::Failed(error),
            None => {
                let usage = fold.usage();
                return Ok(match fold.reply() {
                    Ok(reply) => Answered { usage, end: End::Whole(Box::new(reply)), pace },
                    Err(error) => Answered { usage, end: End::Failed(asking(model, error)), pace },
                });
            }
        }
    };
    let end = match end {
        End::Failed(error) => End::Failed(asking(model, error)),
        end => end,
    };
    Ok(Answered { usage: fold.usage(), end, pace })
}

fn asking(model: &Model, error: Error) -> Error {
    error.context(format!("asking `{}`", model.name()))
}

/// Says so when an answer ended before its time.
pub(crate) fn say_finish(finish: &Finish) {
    let what = match finish {
        Finish::Stop | Finish::ToolCalls => return,
        Finish::Length => "the answer was cut off: it had come to the most tokens allowed".to_owned(),
        Finish::Refused => "the model declined to answer".to_owned(),
        Finish::Paused => "the provider paused the answer".to_owned(),
        Finish::Other(reason) => format!("the answer ended early: {}", plain(reason)),
        _ => "the answer ended early".to_owned(),
    };
    note(&format!("{} {what}", paint(WARN, "!")));
}

/// Reads a file that a question is about. Text goes in as words, which every model reads; the rest as it is.
pub(crate) fn attach(path: &Path) -> Result<Part> {
    let path = crate::folders::in_home(path)?;
    match Media::read(&path) {
        Ok(media) if media.is_image() => Ok(Part::Image(media)),
        Ok(media) if !media.media_type.starts_with("text/") => Ok(Part::File(media)),
        Ok(_) => text(&path)?.with_context(|| format!("reading `{}` as UTF-8", path.display())),
        Err(error) if error.kind() == Kind::BadInput => Ok(text(&path)?.ok_or(error)?),
        Err(error) => Err(error.into()),
    }
}

/// Reads a file as words; none if it has none. Its size was looked at by then.
fn text(path: &Path) -> Result<Option<Part>> {
    let bytes = std::fs::read(path).with_context(|| format!("reading `{}`", path.display()))?;
    let Ok(text) = String::from_utf8(bytes) else { return Ok(None) };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_text = !text.contains('\0');
    Ok(is_text.then(|| Part::text(format!("<file name={name:?}>\n{}\n</file>\n\n", text.trim_end()))))
}
