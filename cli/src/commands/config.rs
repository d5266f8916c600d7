//! `config`: what the settings are and which layer each comes from.

use anyhow::Result;
use serde::Serialize;

use crate::args::{Config as Command, Global};
use crate::brain::Brain;
use crate::config::{Config, KEYS, Setting};
use crate::exit::Exit;
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
}

pub(super) fn run(global: &Global, command: &Command) -> Result<Exit> {
    let folders = Folders::find()?;
    let brain = Brain::find(global.brain.as_deref(), &folders)?;
    match command {
        Command::Path => {
            output::line(&format!("user     {}", folders.config.display()))?;
            output::line(&format!("project  {}", brain.dir.join("config.toml").display()))?;
        }
        Command::Explain { key } => {
            let config = Config::read(&folders, Some(&brain.dir))?;
            let settings = match key {
                Some(key) => vec![config.setting(key)?.clone()],
                None => config.settings().to_vec(),
            };
            explain(global, settings)?;
        }
    }
    Ok(Exit::Done)
}

fn explain(global: &Global, settings: Vec<Setting>) -> Result<()> {
    let settings: Vec<Explained> = settings.into_iter().map(Explained::from).collect();
    if global.json || global.jsonl {
        return output::json(&All { settings }, global.json);
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
    Ok(())
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
