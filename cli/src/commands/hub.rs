//! `model pull` and `model rm`, and the part of `model ls` that says what was downloaded. The cache is the one that other
//! programs for models use too.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use indicatif::HumanBytes;
use lorewell::model::hub::{Cached, Files, Hub, HubName, Pulled};
use serde::Serialize;

use super::Session;
use crate::download::Download;
use crate::exit::{Exit, Misuse};
use crate::interrupt::Interrupts;
use crate::output::{self, BOLD, DIM, columns, count, note, paint, plain};

/// What a model was pulled to.
#[derive(Serialize)]
struct There<'a> {
    #[serde(flatten)]
    pulled: &'a Pulled,
    /// What a program opens: the GGUF, the only file, or the folder.
    path: PathBuf,
}

pub(super) async fn pull(session: &Session, name: &str) -> Result<Exit> {
    let name: HubName = name.parse()?;
    let (hub, interrupts) = (hub(session)?, Interrupts::listen());
    let mut display = Download::new();
    let pulled = tokio::select! {
        pulled = hub.pull(&name.repo, &name.files, |progress| display.update(progress)) => Some(pulled),
        () = interrupts.next() => None,
    };
    display.finish();
    let Some(pulled) = pulled else {
        note("What came is kept; the same command goes on from there.");
        return Ok(Exit::Interrupted);
    };
    let pulled = pulled?;
    let only = || pulled.paths().next().filter(|_| pulled.files.len() == 1);
    let path = pulled.gguf().or_else(only).unwrap_or_else(|| pulled.folder.clone());
    if session.is_json() {
        session.json(&There { pulled: &pulled, path })?;
        return Ok(Exit::Done);
    }
    output::line(&plain(&path.display().to_string()))?;
    let files = count(pulled.files.len() as u64, "file");
    note(&format!("{} is there: {files}, {}.", plain(&name.to_string()), HumanBytes(pulled.bytes)));
    Ok(Exit::Done)
}

/// What was removed.
#[derive(Serialize)]
struct Removed<'a> {
    repo: &'a str,
    bytes: u64,
}

pub(super) fn remove(session: &Session, name: &str, is_sure: bool) -> Result<Exit> {
    let name: HubName = name.parse()?;
    let repo = name.repo.name();
    if name.files != Files::Best || name.to_string() != format!("hf:{repo}") {
        let message = format!("a repository is removed as a whole; write `lorewell model rm hf:{repo}`");
        return Err(Misuse(message).into());
    }
    let hub = hub(session)?;
    let found = hub.list()?.into_iter().find(|cached| cached.repo == repo);
    if let Some(cached) = found
        && !is_sure
        && !confirm(session, &cached)?
    {
        note("Nothing was removed.");
        return Ok(Exit::Nothing);
    }
    let bytes = hub.remove(&name.repo)?;
    if session.is_json() {
        session.json(&Removed { repo, bytes })?;
    } else {
        output::line(&format!("Removed hf:{repo}, {}", HumanBytes(bytes)))?;
    }
    Ok(Exit::Done)
}

/// Asks whether it is to be removed. Other programs may use it as well, and to fetch it again takes long.
fn confirm(session: &Session, cached: &Cached) -> Result<bool> {
    if session.is_json() || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        let message = format!("nobody can be asked whether hf:{} is to be removed; add `--yes`", cached.repo);
        return Err(Misuse(message).into());
    }
    let folder = plain(&cached.folder.display().to_string());
    let question = format!("Remove hf:{} ({}) from {folder}? [y/N] ", plain(&cached.repo), HumanBytes(cached.bytes));
    let mut stderr = anstream::stderr();
    stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush()).context("asking")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).context("reading the answer")?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Returns what was downloaded. That the cache cannot be read is said, and is no reason to list nothing else.
pub(super) fn downloaded(session: &Session) -> Vec<Cached> {
    match hub(session).and_then(|hub| Ok(hub.list()?)) {
        Ok(cached) => cached,
        Err(error) => {
            note(&plain(&format!("What was downloaded cannot be listed: {error:#}")));
            Vec::new()
        }
    }
}

/// Lists what was downloaded.
pub(super) fn list(cached: &[Cached]) -> Result<()> {
    let width = cached.iter().map(|cached| cached.repo.len()).max().unwrap_or_default();
    for cached in cached {
        let name = paint(BOLD, &format!("hf:{:width$}", plain(&cached.repo)));
        let size = format!("{:>10}", HumanBytes(cached.bytes).to_string());
        let ggufs: Vec<_> = cached.files.iter().filter(|file| file.name.ends_with(".gguf")).collect();
        let files = match ggufs[..] {
            [] => count(cached.files.len() as u64, "file"),
            [one] => plain(&one.name),
            _ => ggufs.iter().map(|file| plain(&file.name)).collect::<Vec<_>>().join(", "),
        };
        let unfinished = match cached.unfinished_bytes {
            0 => String::new(),
            bytes => paint(DIM, &format!("({} unfinished)", HumanBytes(bytes))),
        };
        output::line(&columns([&name, &size, &files, &unfinished]))?;
    }
    Ok(())
}

fn hub(session: &Session) -> Result<Hub> {
    let hub = Hub::from_environment()?;
    let is_offline = session.global.offline || hub.is_offline();
    Ok(hub.offline(is_offline))
}
