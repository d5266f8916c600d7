//! `key`: stores keys of providers, says where they are, and forgets them. A key itself is never printed.

use std::io::IsTerminal as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use lorewell::model::remote::{self, ProviderInfo};
use lorewell::model::{KeySource, Secret};
use lorewell::{Error, Kind};
use serde::Serialize;

use crate::args::{Global, Key};
use crate::exit::Exit;
use crate::folders::{Folders, make_private};
use crate::models::{Models, Provider};
use crate::output::{self, BOLD, DIM, columns, note, paint, plain};
use crate::stdin;

/// Bytes of a key; the longest are tokens of some kilobytes.
const KEY_BYTES_MAX: usize = 16 * 1024;

#[derive(Serialize)]
struct Listed {
    keys: Vec<Place>,
}

/// Where a key is.
#[derive(Serialize)]
struct Place {
    provider: String,
    from: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variable: Option<String>,
    /// Whether the file has one too, which does not count then.
    hides_file: bool,
}

#[derive(Serialize)]
struct Changed<'a> {
    provider: &'a str,
    file: &'a Path,
    changed: bool,
}

pub(super) async fn run(global: &Global, command: Key) -> Result<Exit> {
    let models = Models::new(global, &Folders::find()?);
    match command {
        Key::Set { provider } => set(global, &models, &provider).await,
        Key::Ls => list(global, &models),
        Key::Rm { provider } => remove(global, &models, &provider).await,
    }
}

async fn set(global: &Global, models: &Models, provider: &str) -> Result<Exit> {
    let Provider::Remote(info) = models.provider(provider).await? else {
        return Err(Error::new(Kind::BadInput, format!("`{provider}` needs no key")).into());
    };
    let key = read(provider)?;
    let file = models.key_file();
    make_private(file.parent().unwrap_or(Path::new(".")))?;
    models.keys().set(provider, &key)?;
    if global.json || global.jsonl {
        output::json(&Changed { provider, file: &file, changed: true }, global.json)?;
    } else {
        output::line(&format!("Stored the key of {provider} in {}", plain(&file.display().to_string())))?;
    }
    if let Some(KeySource::Environment(variable)) = models.key_source(&info)? {
        note(&format!("{variable} is set, and counts before it."));
    }
    Ok(Exit::Done)
}

/// Reads a key: without showing it on a terminal, else from standard input.
fn read(provider: &str) -> Result<Secret> {
    let text = if std::io::stdin().is_terminal() {
        rpassword::prompt_password(format!("Key of {provider} (it is not shown): ")).context("reading the key")?
    } else {
        stdin::read(KEY_BYTES_MAX, "a key is shorter than that")?
    };
    Ok(Secret::new(text))
}

fn list(global: &Global, models: &Models) -> Result<Exit> {
    let keys = places(models)?;
    let exit = if keys.is_empty() { Exit::Nothing } else { Exit::Done };
    if global.json {
        output::json(&Listed { keys }, true)?;
        return Ok(exit);
    }
    if keys.is_empty() {
        note("No keys yet; store one with `lorewell key set PROVIDER` (`lorewell model ls` lists the providers).");
    }
    let width = keys.iter().map(|place| place.provider.len()).max().unwrap_or_default();
    for place in &keys {
        if global.jsonl {
            output::json(place, false)?;
            continue;
        }
        let from = match &place.variable {
            Some(variable) => format!("environment {variable}"),
            None => format!("file {}", plain(&models.key_file().display().to_string())),
        };
        let hides = if place.hides_file { paint(DIM, "(hides the one in the file)") } else { String::new() };
        let provider = paint(BOLD, &format!("{:width$}", plain(&place.provider)));
        output::line(&columns([&provider, &from, &hides]))?;
    }
    Ok(exit)
}

fn places(models: &Models) -> Result<Vec<Place>> {
    let mut stored = models.keys().stored()?;
    let mut places = Vec::new();
    for info in remote::providers() {
        places.extend(place(models, &info, &mut stored)?);
    }
    // Of providers that this version does not know.
    places.extend(stored.into_iter().map(|provider| Place {
        provider,
        from: "file",
        variable: None,
        hides_file: false,
    }));
    Ok(places)
}

/// Finds the key of a provider, and takes it off the list of stored ones.
fn place(models: &Models, info: &ProviderInfo, stored: &mut Vec<String>) -> Result<Option<Place>> {
    let is_stored = stored.iter().any(|name| name == info.name);
    stored.retain(|name| name != info.name);
    let provider = info.name.to_owned();
    Ok(match models.key_source(info)? {
        Some(KeySource::Environment(variable)) => {
            Some(Place { provider, from: "environment", variable: Some(variable), hides_file: is_stored })
        }
        Some(_) => Some(Place { provider, from: "file", variable: None, hides_file: false }),
        None => None,
    })
}

async fn remove(global: &Global, models: &Models, provider: &str) -> Result<Exit> {
    let changed = models.keys().remove(provider)?;
    if !changed {
        models.provider(provider).await?;
    }
    let file = models.key_file();
    let shown = plain(&file.display().to_string());
    if global.json || global.jsonl {
        output::json(&Changed { provider, file: &file, changed }, global.json)?;
    } else if changed {
        output::line(&format!("Removed the key of {provider} from {shown}"))?;
    } else {
        note(&format!("There is no key of `{}` in {shown}.", plain(provider)));
    }
    let known = remote::providers().find(|info| info.name == provider);
    if let Some(info) = known
        && let Some(KeySource::Environment(variable)) = models.key_source(&info)?
    {
        note(&format!("{variable} is set all the same."));
    }
    Ok(if changed { Exit::Done } else { Exit::Nothing })
}
