//! What holds for the events of every model, as a check that an implementation runs in its tests.

use std::collections::HashSet;

use crate::chat::ChatModel;
use crate::event::Event;
use crate::{Error, Fold, Kind, Request, Result};

/// Asks a model three times, and checks that
///
/// - [`Event::Finish`] comes once and last, or an error comes last,
/// - a call begins once, before its arguments, and nothing of it comes after its end,
/// - a [`Fold`] takes the events and has a reply,
/// - its events can be dropped on the way, and the model answers again.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use lorewell_model::{conformance, model};
///
/// conformance::check(&model("mock:echo").await?).await?;
/// # Ok::<(), lorewell_model::Error>(()) }).unwrap();
/// ```
///
/// # Errors
/// Those of the model; `Internal` with what does not hold.
pub async fn check(model: &impl ChatModel) -> Result<()> {
    let request = || Request::from("Say two words.");
    let _dropped = model.stream(request());
    let mut events = model.stream(request());
    let _first = events.next().await;
    drop(events);
    whole(model, request()).await
}

async fn whole(model: &impl ChatModel, request: Request) -> Result<()> {
    let mut events = model.stream(request);
    let (mut fold, mut is_over) = (Fold::new(), false);
    let (mut begun, mut ended) = (HashSet::new(), HashSet::new());
    while let Some(event) = events.next().await {
        if is_over {
            return Err(broken("something comes after the end"));
        }
        let event = event?;
        match &event {
            Event::ToolCallStart { index, .. } if !begun.insert(*index) => return Err(broken("a call begins twice")),
            Event::ToolCallArguments { index, .. } if ended.contains(index) => {
                return Err(broken("arguments come after the end of their call"));
            }
            Event::ToolCallEnd { index, .. } if !begun.contains(index) || !ended.insert(*index) => {
                return Err(broken("a call ends that is not open"));
            }
            Event::Finish { .. } => is_over = true,
            _ => {}
        }
        fold.push(&event)?;
    }
    match begun == ended {
        true => fold.reply().map(drop),
        false => Err(broken("a call does not end")),
    }
}

fn broken(what: &str) -> Error {
    Error::new(Kind::Internal, format!("the events of the model are not as they should be: {what}"))
}
