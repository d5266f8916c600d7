//! Settings: flag > environment > project > user > default, always, and `config explain` says which layer won.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use lorewell::rag::search::LIMIT_MAX;
use toml_edit::{Document, Item, Value};

use crate::folders::{Folders, non_empty};

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
pub(crate) const KEYS: [Key; 6] = [
    Key {
        name: "chunk_tokens_max",
        environment: "LOREWELL_CHUNK_TOKENS_MAX",
        default: "256",
        help: "tokens of a passage, at most",
        check: number,
    },
    Key {
        name: "chunk_tokens_overlap",
        environment: "LOREWELL_CHUNK_TOKENS_OVERLAP",
        default: "32",
        help: "tokens that neighbours share where a block had to be split",
        check: number,
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
        help: "what makes vectors: bundled, none, or the folder of a BERT-family model",
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
];

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layer {
    Environment(&'static str),
    Project(PathBuf, usize),
    User(PathBuf, usize),
    Default,
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
    /// Reads all layers. `project` is the brain of a project, if one is used.
    pub(crate) fn read(folders: &Folders, project: Option<&Path>) -> Result<Self> {
        let user = File::read(&folders.config)?;
        let project = project.map(|brain| File::read(&brain.join("config.toml"))).transpose()?.flatten();
        let mut settings = Vec::with_capacity(KEYS.len());
        for key in &KEYS {
            let mut values = Vec::new();
            if let Some(value) = non_empty(key.environment) {
                values.push((value, Layer::Environment(key.environment)));
            }
            if let Some((value, line)) = project.as_ref().and_then(|file| file.value(key.name)) {
                values
                    .push((value, Layer::Project(project.as_ref().map(|f| f.path.clone()).unwrap_or_default(), line)));
            }
            if let Some((value, line)) = user.as_ref().and_then(|file| file.value(key.name)) {
                values.push((value, Layer::User(folders.config.clone(), line)));
            }
            values.push((key.default.to_owned(), Layer::Default));
            for (value, layer) in &values {
                (key.check)(value).map_err(|why| anyhow!("`{}` = `{value}` (from {layer}): {why}", key.name))?;
            }
            let (value, layer) = values.remove(0);
            settings.push(Setting { key: key.name, value, layer, hides: values });
        }
        Ok(Self { settings })
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
        let setting = self.settings.iter().find(|setting| setting.key == key);
        setting.map(|setting| setting.value.as_str()).expect("the key is one of KEYS")
    }

    /// Returns the value of a setting that is a number.
    pub(crate) fn number(&self, key: &'static str) -> usize {
        self.value(key).parse().expect("the value was checked in `read`")
    }
}

/// One configuration file.
struct File {
    path: PathBuf,
    text: String,
    document: Document<String>,
}

impl File {
    fn read(path: &Path) -> Result<Option<Self>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("reading `{}`", path.display())),
        };
        let document = match Document::parse(text.clone()) {
            Ok(document) => document,
            Err(error) => bail!("`{}` is not TOML: {}", path.display(), error.to_string().trim_end()),
        };
        let file = Self { path: path.to_owned(), text, document };
        file.check()?;
        Ok(Some(file))
    }

    /// A misspelt setting is an error: it would otherwise be ignored for ever.
    fn check(&self) -> Result<()> {
        for (name, item) in self.document.as_table() {
            let place = format!("{}:{}", self.path.display(), self.line(item));
            if !KEYS.iter().any(|key| key.name == name) {
                match nearest(name) {
                    Some(near) => bail!("{place}: no setting `{name}`; did you mean `{near}`?"),
                    None => bail!("{place}: no setting `{name}`; `lorewell config explain` lists them"),
                }
            }
            if scalar(item).is_none() {
                bail!("{place}: `{name}` must be a string or a number");
            }
        }
        Ok(())
    }

    fn value(&self, name: &str) -> Option<(String, usize)> {
        let item = self.document.as_table().get(name)?;
        Some((scalar(item)?, self.line(item)))
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
        Value::Float(_) | Value::Datetime(_) | Value::Array(_) | Value::InlineTable(_) => None,
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

fn number(value: &str) -> Result<(), String> {
    match value.parse::<usize>() {
        Ok(1..) => Ok(()),
        _ => Err("it must be a whole number above 0".into()),
    }
}

fn limit(value: &str) -> Result<(), String> {
    match value.parse::<usize>() {
        Ok(1..=LIMIT_MAX) => Ok(()),
        _ => Err(format!("it must be a whole number from 1 to {LIMIT_MAX}")),
    }
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
}
