//! An answer that a model writes: streamed, then the citations as they were checked, and what nothing supports.

use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use lorewell::model::Model;
use lorewell::rag::answer::{AskEvent, Written};
use lorewell::rag::index::Index;
use lorewell::rag::search::Filter;
use serde::Serialize;

use super::{abstain, cited, keep, says_empty, search};
use crate::commands::Session;
use crate::exit::Exit;
use crate::interrupt::Interrupts;
use crate::markdown::Renderer;
use crate::output::{self, DIM, WARN, count, note, one_line, paint, plain};
use crate::pace::Pace;
use crate::spent::Spent;

/// An answer as `--json` prints it.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    written: &'a Written,
    cost_usd: Option<f64>,
}

pub(super) async fn run(
    session: &Session,
    index: &Index,
    model: &Model,
    question: &str,
    filter: Filter,
    folder: Option<&Path>,
) -> Result<Exit> {
    let interrupts = Interrupts::listen();
    let began = Instant::now();
    let mut events = index.ask(model, question).filter(filter).fusion(search::fusion(session, None)).stream();
    let is_styled = std::io::stdout().is_terminal() && output::is_coloured();
    let mut renderer = Renderer::new(is_styled);
    let (mut written, mut pace) = (None, Pace::begin());
    loop {
        let event = tokio::select! {
            biased;
            () = interrupts.next() => {
                stop(session, &mut renderer)?;
                return Ok(Exit::Interrupted);
            }
            event = events.next() => event,
        };
        let event = match event {
            Some(Ok(event)) => event,
            Some(Err(error)) => {
                stop(session, &mut renderer)?;
                return Err(error.into());
            }
            None => break,
        };
        if session.global.jsonl {
            session.json(&event)?;
        }
        match event {
            AskEvent::Passages { used, .. } if used > 0 && !session.is_json() => {
                let name = plain(&model.name().to_string());
                note(&paint(DIM, &format!("engine: {name} - each sentence is held against your documents")));
                note("");
            }
            AskEvent::Text { text } => {
                pace.come();
                if !session.is_json() {
                    output::piece(&renderer.push(&text))?;
                }
            }
            AskEvent::Answer(answer) => written = Some(answer),
            _ => {}
        }
    }
    let Some(written) = written else { anyhow::bail!("the answer broke off before its end; ask again") };
    let spent = Spent::new(written.usage, model);
    keep(session, &written.citations, &written.nearest);
    if session.global.json {
        session.json(&Printed { written: &written, cost_usd: spent.cost() })?;
    } else if !session.is_json() {
        output::piece(&renderer.finish())?;
        let pace = if session.global.verbose > 0 { pace.say(model, &spent.usage) } else { String::new() };
        print(index, &written, &format!("{}{pace}", spent.say()), began, folder).await?;
    }
    Ok(if written.abstained.is_some() { Exit::Nothing } else { Exit::Done })
}

/// Ends the line at hand.
fn stop(session: &Session, renderer: &mut Renderer) -> Result<()> {
    if session.is_json() { Ok(()) } else { output::piece(&format!("{}\n", renderer.finish())) }
}

async fn print(index: &Index, written: &Written, spent: &str, began: Instant, folder: Option<&Path>) -> Result<()> {
    search::say_meaning(&written.meaning);
    if let Some(why) = &written.abstained {
        if says_empty(index, folder).await? {
            return Ok(());
        }
        let sent = match written.used {
            0 => "Nothing was sent anywhere.".to_owned(),
            used => format!("{} went to {}: {}.", count(used as u64, "passage"), plain(&written.model), spent),
        };
        return abstain(&written.nearest, why, &sent);
    }
    if !written.text.ends_with('\n') {
        output::line("")?;
    }
    output::line("")?;
    for citation in &written.citations {
        output::line(&cited(citation))?;
    }
    if written.is_cut {
        note(&format!("{} the answer is cut off: the model reached the limit of tokens", paint(WARN, "!")));
    }
    if written.is_chosen {
        note(&format!(
            "{} your documents do not say what the model wrote at first; these are sentences of theirs that it chose",
            paint(WARN, "!")
        ));
    } else if !written.unsupported.is_empty() {
        let many = count(written.unsupported.len() as u64, "sentence");
        note(&format!("{} your documents do not say this ({many}):", paint(WARN, "!")));
        for sentence in &written.unsupported {
            note(&format!("  - {}", one_line(sentence)));
        }
    }
    let used = format!("{} of {} used", written.used, count(written.found as u64, "passage"));
    note(&paint(DIM, &format!("{used} - {spent}")));
    note(&paint(DIM, &format!("{:.2} s - open a source: lorewell show 1 --open", began.elapsed().as_secs_f64())));
    Ok(())
}
