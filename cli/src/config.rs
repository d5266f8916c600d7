//! Settings: flag > environment > project > user > default, always, and `config explain` says which layer won.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use lorewell::rag::search::LIMIT_MAX;
use toml_edit::{Document, Item, Value};

use crate::brain::PROJECT;
use crate::folders::{Folders, in_home, non_empty};
use crate::models::{NO_MODEL, check_name};

/// A setting that exists.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) environment: &'static str,
    pub(crate) default: &'static str,
    pub(crate) help: &'static str,
    check: fn(&str) -> Result<(), String>,
}

/// All settings, in alphabetical order.
pub(crate) const KEYS: [Key; 15] = [
    Key {
        name: "chat_memory",
        environment: "LOREWELL_CHAT_MEMORY",
        default: "false",
        help: "whether the model of `chat` may remember things beyond a session; not in a project's file",
        check: |value| one_of(value, &["true", "false"]),
    },
    Key {
        name: "chat_steps_max",
        environment: "LOREWELL_CHAT_STEPS_MAX",
        default: "50", // a stuck model repeats itself well before this
        help: "answers of the model within one turn of `chat`, at most; not in a project's file",
        check: |value| number(value, 1),
    },
    Key {
        name: "chat_tokens_max",
        environment: "LOREWELL_CHAT_TOKENS_MAX",
        default: "1000000", // ten long searches with a full window, and no more
        help: "tokens of one turn of `chat`, at most; not in a project's file",
        check: |value| number(value, 1),
    },
    Key {
        name: "chat_usd_max",
        environment: "LOREWELL_CHAT_USD_MAX",
        default: "1", // more than nearly all turns cost, and no more than one would pay by mistake
        help: "US dollars of one turn of `chat`, at most, where the price is known; not in a project's file",
        check: dollars,
    },
    Key {
        name: "chat_web",
        environment: "LOREWELL_CHAT_WEB",
        default: "false",
        help: "whether the model of `chat` may read pages of the web; not in a project's file",
        check: |value| one_of(value, &["true", "false"]),
    },
    Key {
        name: "chat_write",
        environment: "LOREWELL_CHAT_WRITE",
        default: "false",
        help: "whether the model of `chat` may write files of the current folder; not in a project's file",
        check: |value| one_of(value, &["true", "false"]),
    },
    Key {
        name: "chunk_tokens_max",
        environment: "LOREWELL_CHUNK_TOKENS_MAX",
        default: "222",
        help: "tokens of a passage, at most",
        check: |value| number(value, 1),
    },
    Key {
        name: "chunk_tokens_overlap",
        environment: "LOREWELL_CHUNK_TOKENS_OVERLAP",
        default: "32",
        help: "tokens that neighbours share where a block had to be split",
        check: |value| number(value, 0),
    },
    Key {
        name: "chunker",
        environment: "LOREWELL_CHUNKER",
        default: "structure",
        help: "how documents are cut: structure, recursive, sentence or fixed",
        check: |value| one_of(value, &["structure", "recursive", "sentence", "fixed"]),
    },
    Key {
        name: "embedder",
        environment: "LOREWELL_EMBEDDER",
        default: "bundled",
        help: "what makes vectors: bundled, none, or the folder of a model of the BERT architecture (`model_type` = `bert`)",
        check: |_| Ok(()),
    },
    Key {
        name: "fusion",
        environment: "LOREWELL_FUSION",
        default: "dbsf",
        help: "how words and meaning are fused: dbsf or rrf",
        check: |value| one_of(value, &["dbsf", "rrf"]),
    },
    Key {
        name: "limit",
        environment: "LOREWELL_LIMIT",
        default: "8",
        help: "passages that a search shows, at most",
        check: limit,
    },
    Key {
        name: "model",
        environment: "LOREWELL_MODEL",
        default: NO_MODEL,
        help: "the language model of `ask` and `chat`: none, or one such as ollama:qwen3; not in a project's file",
        check: check_name,
    },
    Key {
        name: "trace",
        environment: "LOREWELL_TRACE",
        default: "on",
        help: "what `ask`, `chat` and `run` leave for `lorewell trace`: on, off, or content, with what was said; not in a project's file",
        check: |value| one_of(value, &["on", "off", "content"]),
    },
    Key {
        name: "trace_keep_days",
        environment: "LOREWELL_TRACE_KEEP_DAYS",
        default: "30",
        help: "days that traces are kept; not in a project's file",
        check: |value| number(value, 1),
    },
];

/// Settings that a project must not have: whoever shares a folder would say where its reader's questions go, and stay, and
/// what a model may do there.
const PERSONAL: [&str; 9] = [
    "chat_memory",
    "chat_steps_max",
    "chat_tokens_max",
    "chat_usd_max",
    "chat_web",
    "chat_write",
    "model",
    "trace",
    "trace_keep_days",
];

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layer {
    Environment(&'static str),
    Project(PathBuf, usize),
    User(PathBuf, usize),
    Default,
}

impl Layer {
    /// Returns the folder that relative paths start from: the project's, or the one that the file lies in. Who sets a
    /// variable speaks of where they are.
    fn folder(&self) -> Option<&Path> {
        let folder = match self {
            Self::Project(file, _) | Self::User(file, _) => file.parent()?,
            Self::Environment(_) | Self::Default => return None,
        };
        if folder.file_name().is_some_and(|name| name == PROJECT) { folder.parent() } else { Some(folder) }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Project(path, line) => write!(f, "project {}:{line}", path.display()),
            Self::User(path, line) => write!(f, "user {}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// The value of a setting, and the values it hides.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) key: &'static str,
    pub(crate) value: String,
    pub(crate) layer: Layer,
    pub(crate) hides: Vec<(String, Layer)>,
}

/// All settings of this run.
#[derive(Debug)]
pub(crate) struct Config {
    settings: Vec<Setting>,
}

impl Config {
    /// Reads all layers. `brain` may have a file of settings of its own.
    pub(crate) fn read(folders: &Folders, brain: Option<&Path>) -> Result<Self> {
        let (config, faults) = Self::read_what_is_sound(folders, brain);
        faults.into_iter().next().map_or(Ok(config), Err)
    }

    /// Reads all layers, leaving out what is wrong in them, and says what that is.
    pub(crate) fn read_what_is_sound(folders: &Folders, brain: Option<&Path>) -> (Self, Vec<anyhow::Error>) {
        let mut faults = Vec::new();
        let user = File::read(&folders.config, &mut faults);
        let project = brain.and_then(|brain| File::read(&brain.join("config.toml"), &mut faults));
        if let Some(project) = &project {
            faults.extend(project.personal(&folders.config));
        }
        let mut settings = Vec::with_capacity(KEYS.len());
        for key in &KEYS {
            let mut values = Vec::new();
            if let Some(value) = non_empty(key.environment) {
                values.push((value, Layer::Environment(key.environment)));
            }
            let project = project.as_ref().filter(|_| !PERSONAL.contains(&key.name));
            if let Some((path, value, line)) = project.and_then(|file| file.value(key.name)) {
                values.push((value, Layer::Project(path, line)));
            }
            if let Some((path, value, line)) = user.as_ref().and_then(|file| file.value(key.name)) {
                values.push((value, Layer::User(path, line)));
            }
            values.push((key.default.to_owned(), Layer::Default));
            values.retain(|(value, layer)| match (key.check)(value) {
                Ok(()) => true,
                Err(why) => {
                    faults.push(anyhow!("`{}` = `{value}` (from {layer}): {why}", key.name));
                    false
                }
            });
            let (value, layer) = values.remove(0);
            settings.push(Setting { key: key.name, value, layer, hides: values });
        }
        let config = Self { settings };
        faults.extend(config.too_much_overlap());
        (config, faults)
    }

    /// Refuses passages that are more than half repetition, as the chunker does, but names who asked for them.
    fn too_much_overlap(&self) -> Option<anyhow::Error> {
        let [most, overlap] = ["chunk_tokens_max", "chunk_tokens_overlap"].map(|key| self.known(key));
        let is_too_much = self.number(overlap.key) >= self.number(most.key).div_ceil(2);
        is_too_much.then(|| anyhow!("{overlap}: it must be less than half of {most}"))
    }

    /// Returns a setting.
    pub(crate) fn setting(&self, key: &str) -> Result<&Setting> {
        let unknown = || match nearest(key) {
            Some(near) => anyhow!("no setting `{key}`; did you mean `{near}`?"),
            None => anyhow!("no setting `{key}`; `lorewell config explain` lists them"),
        };
        self.settings.iter().find(|setting| setting.key == key).ok_or_else(unknown)
    }

    /// Returns all settings.
    pub(crate) fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Returns the value of a setting that exists.
    pub(crate) fn value(&self, key: &'static str) -> &str {
        &self.known(key).value
    }

    /// Returns the value of a setting that is a number.
    pub(crate) fn number(&self, key: &'static str) -> usize {
        self.value(key).parse().expect("the value was checked in `read_what_is_sound`")
    }

    /// Tells whether a setting that is true or false is true.
    pub(crate) fn is_on(&self, key: &'static str) -> bool {
        self.value(key) == "true"
    }

    /// Returns the value of a setting that is an amount of US dollars.
    pub(crate) fn dollars(&self, key: &'static str) -> f64 {
        self.value(key).parse().expect("the value was checked in `read_what_is_sound`")
    }

    /// Returns the value of a setting that is a path, as it was meant where it was written.
    pub(crate) fn path(&self, key: &'static str) -> Result<PathBuf> {
        let setting = self.known(key);
        let path = in_home(Path::new(&setting.value))?;
        Ok(setting.layer.folder().map_or_else(|| path.clone(), |folder| folder.join(&path)))
    }

    fn known(&self, key: &'static str) -> &Setting {
        self.settings.iter().find(|setting| setting.key == key).expect("the key is one of KEYS")
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` = `{}` (from {})", self.key, self.value, self.layer)
    }
}

/// One configuration file.
struct File {
    path: PathBuf,
    text: String,
    document: Document<String>,
}

impl File {
    /// Reads a file, if there is one that can be read; what is wrong with it joins the faults.
    fn read(path: &Path, faults: &mut Vec<anyhow::Error>) -> Option<Self> {
        match Self::parse(path) {
            Ok(file) => {
                faults.extend(file.iter().flat_map(Self::faults));
                file
            }
            Err(error) => {
                faults.push(error);
                None
            }
        }
    }

    fn parse(path: &Path) -> Result<Option<Self>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("reading `{}`", path.display())),
        };
        let document = match Document::parse(text.clone()) {
            Ok(document) => document,
            Err(error) => bail!("`{}` is not TOML: {}", path.display(), error.to_string().trim_end()),
        };
        Ok(Some(Self { path: path.to_owned(), text, document }))
    }

    /// Says what cannot be used. A misspelt setting would otherwise be ignored for ever.
    fn faults(&self) -> Vec<anyhow::Error> {
        let mut faults = Vec::new();
        for (name, item) in self.document.as_table() {
            let place = format!("{}:{}", self.path.display(), self.line(item));
            if !KEYS.iter().any(|key| key.name == name) {
                faults.push(match nearest(name) {
                    Some(near) => anyhow!("{place}: no setting `{name}`; did you mean `{near}`?"),
                    None => anyhow!("{place}: no setting `{name}`; `lorewell config explain` lists them"),
                });
            } else if scalar(item).is_none() {
                faults.push(anyhow!("{place}: `{name}` must be a string or a number"));
            }
        }
        faults
    }

    /// Says which settings of this file belong into that of the account.
    fn personal(&self, user: &Path) -> Vec<anyhow::Error> {
        let found = PERSONAL.iter().filter_map(|name| Some((name, self.value(name)?)));
        let fault = |(name, (path, _, line)): (_, (PathBuf, _, _))| {
            let (path, user) = (path.display(), user.display());
            anyhow!("{path}:{line}: `{name}` is no setting of a project; it belongs into `{user}`")
        };
        found.map(fault).collect()
    }

    /// Returns this file, a setting's value in it, and the line of that.
    fn value(&self, name: &str) -> Option<(PathBuf, String, usize)> {
        let item = self.document.as_table().get(name)?;
        Some((self.path.clone(), scalar(item)?, self.line(item)))
    }

    fn line(&self, item: &Item) -> usize {
        let start = item.span().map_or(0, |span| span.start);
        self.text[..start].matches('\n').count() + 1
    }
}

fn scalar(item: &Item) -> Option<String> {
    match item.as_value()? {
        Value::String(value) => Some(value.value().clone()),
        Value::Integer(value) => Some(value.value().to_string()),
        Value::Boolean(value) => Some(value.value().to_string()),
        Value::Float(value) => Some(value.value().to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::InlineTable(_) => None,
    }
}

fn nearest(name: &str) -> Option<&'static str> {
    let distance = |key: &&Key| common_letters(key.name, name);
    let best = KEYS.iter().max_by_key(distance)?;
    (common_letters(best.name, name) * 2 > name.len()).then_some(best.name)
}

/// Counts letters that two names have in the same order: enough to catch a slip of the fingers.
fn common_letters(a: &str, b: &str) -> usize {
    let mut rest = a.chars();
    b.chars().filter(|wanted| rest.clone().any(|have| have == *wanted) && rest.any(|have| have == *wanted)).count()
}

fn number(value: &str, least: usize) -> Result<(), String> {
    match value.parse::<usize>() {
        Ok(number) if number >= least => Ok(()),
        _ => Err(format!("it must be a whole number, {least} or more")),
    }
}

fn limit(value: &str) -> Result<(), String> {
    match value.parse::<usize>() {
        Ok(1..=LIMIT_MAX) => Ok(()),
        _ => Err(format!("it must be a whole number from 1 to {LIMIT_MAX}")),
    }
}

fn dollars(value: &str) -> Result<(), String> {
    let parsed = value.parse::<f64>().ok().filter(|usd| usd.is_finite() && *usd > 0.0);
    parsed.map(drop).ok_or_else(|| "it must be an amount above 0, such as 0.5".to_owned())
}

fn one_of(value: &str, values: &[&str]) -> Result<(), String> {
    if values.contains(&value) { Ok(()) } else { Err(format!("it must be one of {}", values.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(dir: &Path) -> Folders {
        let config = dir.join("config.toml");
        Folders { config, data: dir.into(), cache: dir.into(), state: dir.into() }
    }

    #[test]
    fn the_project_hides_the_user_and_explains_itself() {
        let dir = tempfile::tempdir().unwrap();
        let project = dir.path().join("project");
        std::fs::create_dir(&project).unwrap();
        std::fs::write(dir.path().join("config.toml"), "# mine\nlimit = 3\nfusion = \"rrf\"\n").unwrap();
        std::fs::write(project.join("config.toml"), "limit = 5\n").unwrap();
        let config = Config::read(&folders(dir.path()), Some(&project)).unwrap();
        assert_eq!(config.number("limit"), 5);
        assert_eq!(config.value("fusion"), "rrf");
        let limit = config.setting("limit").unwrap();
        assert_eq!(limit.layer, Layer::Project(project.join("config.toml"), 1));
        assert_eq!(limit.hides[0], ("3".into(), Layer::User(dir.path().join("config.toml"), 2)));
    }

    #[test]
    fn a_slip_of_the_fingers_is_found_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.toml"), "limit = 3\nembeder = \"none\"\n").unwrap();
        let error = Config::read(&folders(dir.path()), None).unwrap_err().to_string();
        assert!(error.contains("config.toml:2: no setting `embeder`; did you mean `embedder`?"), "{error}");
        std::fs::write(dir.path().join("config.toml"), "limit = \"many\"\n").unwrap();
        let error = Config::read(&folders(dir.path()), None).unwrap_err().to_string();
        assert!(error.contains("`limit` = `many`") && error.contains("whole number"), "{error}");
    }

    #[test]
    fn no_overlap_is_an_overlap_and_half_a_passage_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.toml");
        std::fs::write(&file, "chunk_tokens_overlap = 0\n").unwrap();
        assert_eq!(Config::read(&folders(dir.path()), None).unwrap().number("chunk_tokens_overlap"), 0);
        std::fs::write(&file, "chunk_tokens_max = 64\nchunk_tokens_overlap = 32\n").unwrap();
        let error = Config::read(&folders(dir.path()), None).unwrap_err().to_string();
        let layer = format!("from user {}", file.display());
        let expected = format!(
            "`chunk_tokens_overlap` = `32` ({layer}:2): it must be less than half of `chunk_tokens_max` = `64` ({layer}:1)"
        );
        assert_eq!(error, expected);
    }

    #[test]
    fn a_path_is_meant_from_where_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let (user, project) = (dir.path().join("config.toml"), dir.path().join("project").join(PROJECT));
        let brain = dir.path().join("brains/work");
        for folder in [&project, &brain] {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join("config.toml"), "embedder = \"models/bge\"\n").unwrap();
        }
        let path = |brain| Config::read(&folders(dir.path()), brain).unwrap().path("embedder").unwrap();
        assert_eq!(path(Some(&project)), dir.path().join("project/models/bge"));
        assert_eq!(path(Some(&brain)), brain.join("models/bge"));
        std::fs::write(&user, "embedder = \"models/e5\"\n").unwrap();
        assert_eq!(path(None), dir.path().join("models/e5"));
        std::fs::write(&user, "embedder = \"~/models/e5\"\n").unwrap();
        assert_eq!(path(None), in_home(Path::new("~/models/e5")).unwrap());
        assert!(path(None).is_absolute() && path(None).ends_with("models/e5"));
    }
}
