//! `config`: what the settings are and which layer each comes from.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::args::{Config as Command, Global};
use crate::brain::{self, Brain};
use crate::config::{Config, KEYS, Setting};
use crate::exit::{Exit, message};
use crate::folders::Folders;
use crate::output::{self, BOLD, DIM, paint};

#[derive(Serialize)]
struct Explained {
    key: &'static str,
    value: String,
    from: String,
    hides: Vec<Hidden>,
}

#[derive(Serialize)]
struct Hidden {
    value: String,
    from: String,
}

#[derive(Serialize)]
struct All {
    settings: Vec<Explained>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    broken: Vec<String>,
}

#[derive(Serialize)]
struct Paths<'a> {
    user: &'a Path,
    project: &'a Path,
}

pub(super) fn run(global: &Global, command: &Command) -> Result<Exit> {
    let folders = Folders::find()?;
    let brain = Brain::find(brain::named(global.brain.as_deref()).as_deref(), &folders)?;
    match command {
        Command::Path => {
            paths(global, &Paths { user: &folders.config, project: &brain.dir.join("config.toml") })?;
            Ok(Exit::Done)
        }
        Command::Explain { key } => {
            let (config, faults) = Config::read_what_is_sound(&folders, Some(&brain.dir));
            let settings = match key {
                Some(key) => vec![config.setting(key)?.clone()],
                None => config.settings().to_vec(),
            };
            explain(global, settings, faults.iter().map(message).collect())
        }
    }
}

fn paths(global: &Global, paths: &Paths<'_>) -> Result<()> {
    if global.json || global.jsonl {
        return output::json(paths, global.json);
    }
    output::line(&format!("user     {}", paths.user.display()))?;
    output::line(&format!("project  {}", paths.project.display()))
}

/// Says what cannot be used, then what applies without it.
fn explain(global: &Global, settings: Vec<Setting>, broken: Vec<String>) -> Result<Exit> {
    broken.iter().for_each(|fault| output::error(fault));
    let exit = if broken.is_empty() { Exit::Done } else { Exit::Failed };
    let settings: Vec<Explained> = settings.into_iter().map(Explained::from).collect();
    if global.json || global.jsonl {
        output::json(&All { settings, broken }, global.json)?;
        return Ok(exit);
    }
    for setting in settings {
        let hides: Vec<String> =
            setting.hides.iter().map(|hidden| format!("{} = {}", hidden.from, hidden.value)).collect();
        let hides = if hides.is_empty() { String::new() } else { format!("; hides {}", hides.join(", ")) };
        let from = paint(DIM, &format!("(from {}{hides})", setting.from));
        output::line(&format!("{} = {:?} {from}", paint(BOLD, setting.key), setting.value))?;
        let help = KEYS.iter().find(|key| key.name == setting.key).map_or("", |key| key.help);
        output::line(&paint(DIM, &format!("    {help}")))?;
    }
    Ok(exit)
}

impl From<Setting> for Explained {
    fn from(setting: Setting) -> Self {
        let hidden = |(value, layer): (String, crate::config::Layer)| Hidden { value, from: layer.to_string() };
        Self {
            key: setting.key,
            value: setting.value,
            from: setting.layer.to_string(),
            hides: setting.hides.into_iter().map(hidden).collect(),
        }
    }
}
