//! `model`: who serves models, which models they have, the one to use, and whether it answers; what was downloaded.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lorewell::model::hub::Cached;
use lorewell::model::remote::{self, ModelInfo};
use lorewell::model::{Event, Fold, KeySource, Model, Reply, Retry};
use serde::Serialize;
use toml_edit::DocumentMut;

use super::{Session, hub};
use crate::args;
use crate::config::Layer;
use crate::exit::Exit;
use crate::interrupt::Interrupts;
use crate::models::{self, Models, NO_MODEL, Provider};
use crate::output::{self, BOLD, DIM, GOOD, WARN, columns, count, note, one_line, paint, plain};
use crate::spent::Spent;

/// What `test` asks.
const TEST_PROMPT: &str = "Say only this word: ready";
/// Enough for a word, and for models that think before they say it.
const TEST_TOKENS_MAX: u32 = 2048;

pub(super) async fn run(session: &Session, command: args::Model) -> Result<Exit> {
    match command {
        args::Model::Ls { provider: None } => providers(session),
        args::Model::Ls { provider: Some(provider) } => list(session, &provider).await,
        args::Model::Pull { name } => hub::pull(session, &name).await,
        args::Model::Rm { name, yes } => hub::remove(session, &name, yes),
        args::Model::Use { name } => choose(session, &name).await,
        args::Model::Test { name } => test(session, name.as_deref()).await,
    }
}

#[derive(Serialize)]
struct Providers<'a> {
    model: Option<&'a str>,
    providers: Vec<Served>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    downloaded: Vec<Cached>,
}

/// Who serves models, and whether there is a key.
#[derive(Serialize)]
struct Served {
    provider: &'static str,
    address: String,
    needs_key: bool,
    /// Where the key is.
    key: Option<String>,
}

fn providers(session: &Session) -> Result<Exit> {
    let (models, model) = (Models::new(&session.global, &session.folders), models::chosen(&session.config));
    let mut served = Vec::new();
    for info in remote::providers() {
        let key = models.key_source(&info)?.map(|source| match source {
            KeySource::Environment(variable) => variable,
            _ => "keys.json".to_owned(),
        });
        served.push(Served { provider: info.name, address: info.address(), needs_key: info.needs_key, key });
    }
    let downloaded = hub::downloaded(session);
    if session.global.json {
        session.json(&Providers { model, providers: served, downloaded })?;
        return Ok(Exit::Done);
    }
    if session.global.jsonl {
        served.iter().try_for_each(|served| session.json(served))?;
        downloaded.iter().try_for_each(|cached| session.json(cached))?;
        return Ok(Exit::Done);
    }
    list_providers(&served)?;
    if !downloaded.is_empty() {
        output::line(&format!("\n{}", paint(BOLD, "Downloaded")))?;
        hub::list(&downloaded)?;
    }
    note(&match model {
        Some(model) => format!("Model in use: {}.", plain(model)),
        None => "No model in use; choose one with `lorewell model use PROVIDER:MODEL`.".to_owned(),
    });
    Ok(Exit::Done)
}

fn list_providers(served: &[Served]) -> Result<()> {
    for served in served {
        let key = match &served.key {
            Some(from) => paint(GOOD, &format!("key in {from}")),
            None if served.needs_key => paint(DIM, "no key"),
            None => paint(DIM, "needs no key"),
        };
        let name = paint(BOLD, &format!("{:12}", served.provider));
        output::line(&columns([&name, &format!("{:49}", plain(&served.address)), &key]))?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Listed<'a> {
    provider: &'a str,
    models: &'a [ModelInfo],
}

async fn list(session: &Session, provider: &str) -> Result<Exit> {
    let models = Models::new(&session.global, &session.folders);
    let listed = match models.provider(provider).await? {
        Provider::Mock => ["cite", "echo"].map(mock).to_vec(),
        Provider::Remote(_) => models.list(provider)?.list().await?,
    };
    if session.global.json {
        session.json(&Listed { provider, models: &listed })?;
    } else if session.global.jsonl {
        listed.iter().try_for_each(|model| session.json(model))?;
    } else {
        for model in &listed {
            let name = plain(&format!("{provider}:{}", model.id));
            let tokens =
                |tokens: Option<u64>, what: &str| tokens.map(|tokens| format!("{} {what}", output::thousands(tokens)));
            let facts = [tokens(model.context_tokens_max, "in"), tokens(model.output_tokens_max, "out")];
            let facts: Vec<String> = facts.into_iter().flatten().collect();
            output::line(&columns([&name, &paint(DIM, &facts.join(" / "))]))?;
        }
        note(&format!("{}.", count(listed.len() as u64, "model")));
    }
    Ok(if listed.is_empty() { Exit::Nothing } else { Exit::Done })
}

fn mock(id: &str) -> ModelInfo {
    let mut info = ModelInfo::default();
    id.clone_into(&mut info.id);
    info
}

#[derive(Serialize)]
struct Chosen<'a> {
    model: Option<&'a str>,
    file: &'a Path,
}

async fn choose(session: &Session, name: &str) -> Result<Exit> {
    let models = Models::new(&session.global, &session.folders);
    let chosen = Some(name).filter(|name| *name != NO_MODEL);
    if let Some(name) = chosen {
        let name = models.check(name).await?;
        if let Provider::Remote(info) = models.provider(name.provider()).await?
            && info.needs_key
            && models.key_source(&info)?.is_none()
        {
            note(&format!("It needs a key: `lorewell key set {}`.", info.name));
        }
    }
    let file = &session.folders.config;
    write_setting(file, name)?;
    if session.is_json() {
        session.json(&Chosen { model: chosen, file })?;
    } else {
        output::line(&match chosen {
            Some(name) => format!("`ask` and `chat` use {} from now on", plain(name)),
            None => "No model is in use from now on".to_owned(),
        })?;
    }
    if let Layer::Environment(variable) = session.config.setting("model")?.layer {
        note(&format!("{variable} is set, and counts before it."));
    }
    Ok(Exit::Done)
}

/// Sets `model` in the file of settings, and leaves all else in it as it is.
fn write_setting(file: &Path, name: &str) -> Result<()> {
    // Where the file is a link, as in a folder of settings under version control, what it leads to is written.
    let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let text = match std::fs::read_to_string(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text.with_context(|| format!("reading `{}`", file.display()))?,
    };
    let mut document: DocumentMut = text.parse().with_context(|| format!("`{}` is not TOML", file.display()))?;
    match document.get_mut("model").and_then(toml_edit::Item::as_value_mut) {
        Some(value) => {
            let decor = value.decor().clone(); // the comment behind it
            *value = name.into();
            *value.decor_mut() = decor;
        }
        None => drop(document.insert("model", toml_edit::value(name))),
    }
    replace(&file, &document.to_string()).with_context(|| format!("writing `{}`", file.display()))
}

/// Writes a file anew, all of it or nothing.
fn replace(file: &Path, text: &str) -> Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    crate::folders::make_private(folder)?;
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(text.as_bytes())?;
    if let Ok(old) = std::fs::metadata(file) {
        new.as_file().set_permissions(old.permissions())?;
    }
    new.as_file().sync_all()?;
    new.persist(file)?;
    Ok(())
}

/// How a test went.
#[derive(Serialize)]
struct Tested<'a> {
    model: &'a str,
    answer: String,
    seconds_first_token: f64,
    seconds: f64,
    usage: lorewell::model::Usage,
    cost_usd: Option<f64>,
}

async fn test(session: &Session, name: Option<&str>) -> Result<Exit> {
    let name = models::wanted(name, &session.config, "name one: `lorewell model test NAME`")?;
    let models = Models::new(&session.global, &session.folders);
    // What fails is to be seen at once.
    let model = models.open_with(&name, Retry::never()).await?;
    let interrupts = Interrupts::listen();
    let (reply, first, all) = tokio::select! {
        answer = ask(&model) => answer?,
        () = interrupts.next() => return Ok(Exit::Interrupted),
    };
    let spent = Spent::new(reply.usage, &model);
    let answer = one_line(&reply.text());
    if session.is_json() {
        let (first, all) = (first.as_secs_f64(), all.as_secs_f64());
        let (usage, cost_usd) = (spent.usage, spent.cost());
        session.json(&Tested { model: &name, answer, seconds_first_token: first, seconds: all, usage, cost_usd })?;
        return Ok(Exit::Done);
    }
    let said = if answer.is_empty() { paint(WARN, "nothing") } else { answer };
    for (what, value) in [
        ("model", plain(&name)),
        ("answer", said),
        ("first token", format!("{:.2} s", first.as_secs_f64())),
        ("all of it", format!("{:.2} s", all.as_secs_f64())),
        ("tokens", spent.say_tokens()),
        ("cost", spent.say_cost()),
    ] {
        output::line(&format!("{}  {value}", paint(BOLD, &format!("{what:11}"))))?;
    }
    Ok(Exit::Done)
}

/// Asks for a word, and takes the time.
async fn ask(model: &Model) -> Result<(Reply, Duration, Duration)> {
    let began = Instant::now();
    let request = lorewell::model::Request::from(TEST_PROMPT).output_tokens_max(TEST_TOKENS_MAX);
    let mut events = model.stream(request);
    let (mut fold, mut first) = (Fold::new(), None);
    while let Some(event) = events.next().await {
        let event = event.map_err(|error| error.context(format!("asking `{}`", model.name())))?;
        if matches!(event, Event::Text { .. } | Event::Reasoning { .. }) {
            first.get_or_insert_with(|| began.elapsed());
        }
        fold.push(&event)?;
    }
    let all = began.elapsed();
    Ok((fold.reply()?, first.unwrap_or(all), all))
}
