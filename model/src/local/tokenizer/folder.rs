//! What the files beside `tokenizer.json` say: which tokens begin and end texts and answers.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::folder::{object, read};
use super::library::Library;
use super::{Engine, Inner, Names};
use crate::{Result, ResultExt};

/// Files that name tokens; the first that names one counts.
const NAMING: [&str; 2] = ["tokenizer_config.json", "special_tokens_map.json"];
/// Files that tell where answers end.
const ENDING: [&str; 2] = ["generation_config.json", "config.json"];

/// Builds the tokenizer of a folder.
pub(super) fn build(path: &Path) -> Result<Inner> {
    let folder = Folder::read(path)?;
    let file = path.join("tokenizer.json");
    let json = read(&file)?;
    let library = Library::read(&json, folder.token("unk_token"));
    let library = library.context(|| format!("reading `{}`", file.display()))?;
    let (mut before, mut after) = library.around()?;
    let id = |name: &str| folder.token(name).and_then(|token| library.id(token));
    let put = |marks: &mut Vec<u32>, flag: Option<bool>, id: Option<u32>| match flag {
        Some(true) if marks.is_empty() => marks.extend(id),
        Some(false) if id.is_some_and(|id| marks.as_slice() == [id]) => marks.clear(),
        _ => {}
    };
    put(&mut before, folder.flag("add_bos_token"), id("bos_token"));
    put(&mut after, folder.flag("add_eos_token"), id("eos_token"));
    let names = |name: &str| folder.token(name).map(str::to_owned);
    let stops = library.stops(folder.ends(), folder.end_ids());
    Ok(Inner {
        vocabulary: Arc::new(library.vocabulary(stops)),
        ids: HashMap::new(),
        before,
        after,
        names: Names {
            bos: names("bos_token"),
            eos: names("eos_token"),
            unk: names("unk_token"),
            pad: names("pad_token"),
        },
        drops_space: library.drops_space,
        engine: Engine::Library(Box::new(library)),
    })
}

/// What the files of a folder say.
#[derive(Debug, Default)]
struct Folder {
    naming: Vec<Map<String, Value>>,
    ending: Vec<Map<String, Value>>,
}

impl Folder {
    fn read(folder: &Path) -> Result<Self> {
        let all = |names: [&str; 2]| -> Result<Vec<_>> {
            let read = names.into_iter().map(|name| object(&folder.join(name)));
            Ok(read.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
        };
        Ok(Self { naming: all(NAMING)?, ending: all(ENDING)? })
    }

    /// Returns the name of a token, such as `eos_token`.
    fn token(&self, name: &str) -> Option<&str> {
        self.naming.iter().find_map(|file| content(file.get(name)?))
    }

    /// Returns the names of tokens that end an answer.
    fn ends(&self) -> impl Iterator<Item = &str> {
        self.naming.iter().filter_map(|file| content(file.get("eos_token")?))
    }

    /// Returns the ids of tokens that end an answer.
    fn end_ids(&self) -> impl Iterator<Item = u32> {
        let values = self.ending.iter().filter_map(|file| file.get("eos_token_id"));
        let ids = values.flat_map(|value| value.as_array().map_or_else(|| vec![value], |list| list.iter().collect()));
        ids.filter_map(|id| u32::try_from(id.as_u64()?).ok())
    }

    /// Returns whether texts get a token such as that of `add_bos_token`, if the files say it.
    fn flag(&self, name: &str) -> Option<bool> {
        self.naming.iter().find_map(|file| file.get(name)?.as_bool())
    }
}

/// Returns the text of a token, which some files wrap.
fn content(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("content")?.as_str())
}
