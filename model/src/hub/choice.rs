//! Which files of a repository are wanted. It knows names only: those that a hub lists and those that lie in the cache are
//! chosen from alike.

use std::collections::BTreeMap;

use crate::{Error, Kind, Result};

/// Quantisations that are taken when none is named, in this order: small at little loss, then nearly without loss.
const PREFERRED: [&str; 2] = ["Q4_K_M", "Q8_0"];
/// What a model of safetensors needs besides its weights: shape, tokenizer, template; and how a model of sentences pools.
const BESIDE: [&str; 15] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "tokenizer.model",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
];
/// The file that says in which of several files each tensor is.
pub(super) const INDEX: &str = "model.safetensors.index.json";
/// The most names that an error lists.
const LISTED_MAX: usize = 20;
/// The most parts of one model.
const PARTS_MAX: usize = 10_000;

/// Which files of a repository are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Files {
    /// The model: GGUF if there is any, at `Q4_K_M`, else `Q8_0`, else the only one; else what [`Self::Safetensors`] is.
    #[default]
    Best,
    /// The safetensors, and what a model of them needs.
    Safetensors,
    /// One file by its name, or a GGUF by its quantisation, such as `Q8_0`. Where it is in parts, all of them.
    One(String),
}

/// Chooses among names of files.
pub(super) fn choose(all: &[String], wanted: &Files) -> Result<Vec<String>> {
    let ggufs = ggufs(all);
    match wanted {
        Files::Best if !ggufs.is_empty() => best(&ggufs),
        Files::Best | Files::Safetensors => safetensors(all),
        Files::One(name) => one(all, &ggufs, name),
    }
}

/// A model in one file, or in parts: its name without the number of the part, and its files.
type Groups = BTreeMap<String, Parts>;

/// The parts that are there, by number, and how many there are to be.
#[derive(Debug, Default)]
struct Parts {
    files: BTreeMap<usize, String>,
    of: usize,
}

impl Parts {
    fn complete(&self) -> Result<Vec<String>> {
        if let Some(missing) = (1..=self.of).find(|number| !self.files.contains_key(number)) {
            let first = self.files.values().next().map_or("", String::as_str);
            let message = format!("part {missing} of {} of `{first}` is not there", self.of);
            return Err(Error::new(Kind::NotFound, message));
        }
        Ok(self.files.values().cloned().collect())
    }
}

fn group<'a>(files: impl Iterator<Item = &'a String>) -> Groups {
    let mut groups = Groups::new();
    for file in files {
        let (whole, number, of) = part(file).unwrap_or((file.clone(), 1, 1));
        let parts = groups.entry(whole).or_default();
        parts.files.insert(number, file.clone());
        parts.of = of;
    }
    groups
}

/// Reads `a-00002-of-00003.gguf` as part 2 of 3 of `a-of-00003.gguf`.
fn part(file: &str) -> Option<(String, usize, usize)> {
    let (stem, ending) = file.rsplit_once('.')?;
    let (rest, of) = stem.rsplit_once("-of-")?;
    let (whole, number) = rest.rsplit_once('-')?;
    let parse = |digits: &str| digits.parse::<usize>().ok().filter(|_| digits.len() == 5);
    let (number, count) = (parse(number)?, parse(of)?);
    let is_good = (1..=count).contains(&number) && count <= PARTS_MAX;
    is_good.then(|| (format!("{whole}-of-{of}.{ending}"), number, count))
}

/// The models in GGUF. What sees or hears for a model is none by itself, and neither is what its makers measured.
fn ggufs(all: &[String]) -> Groups {
    let is_model = |file: &&String| {
        let base = base(file).to_ascii_lowercase();
        base.ends_with(".gguf") && !base.starts_with("mmproj") && !base.contains("imatrix")
    };
    group(all.iter().filter(is_model))
}

fn best(ggufs: &Groups) -> Result<Vec<String>> {
    for quantisation in PREFERRED {
        let fits: Vec<_> = ggufs.iter().filter(|(name, _)| has_quantisation(name, quantisation)).collect();
        match fits[..] {
            [] => {}
            [(_, parts)] => return parts.complete(),
            _ => return Err(several(&format!("several are `{quantisation}`"), ggufs)),
        }
    }
    match ggufs.values().collect::<Vec<_>>()[..] {
        [parts] => parts.complete(),
        _ => Err(several("none of them is `Q4_K_M` or `Q8_0`", ggufs)),
    }
}

fn several(why: &str, ggufs: &Groups) -> Error {
    let message = format!("{why}; name one of them after a colon: {}", listed(ggufs.values().filter_map(first_of)));
    Error::new(Kind::BadInput, message)
}

fn first_of(parts: &Parts) -> Option<&str> {
    parts.files.values().next().map(String::as_str)
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(LISTED_MAX);
    let shown = names[..names.len() - more].join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

fn one(all: &[String], ggufs: &Groups, name: &str) -> Result<Vec<String>> {
    if let Some(file) = all.iter().find(|file| *file == name) {
        return whole(all, file);
    }
    let below: Vec<_> = all.iter().filter(|file| base(file) == name).collect();
    if let [file] = below[..] {
        return whole(all, file);
    }
    let fits: Vec<_> = ggufs.iter().filter(|(file, _)| has_quantisation(file, name)).collect();
    match fits[..] {
        [(_, parts)] => parts.complete(),
        [] => Err(not_there(all, ggufs, name)),
        _ => Err(several(&format!("several are `{name}`"), &fits_of(all, name))),
    }
}

fn fits_of(all: &[String], quantisation: &str) -> Groups {
    ggufs(all).into_iter().filter(|(file, _)| has_quantisation(file, quantisation)).collect()
}

/// Returns a file, with the other parts if it is one.
fn whole(all: &[String], file: &str) -> Result<Vec<String>> {
    let Some((whole, ..)) = part(file) else { return Ok(vec![file.to_owned()]) };
    let same = |other: &&String| part(other).is_some_and(|(other, ..)| other == whole);
    group(all.iter().filter(same)).remove(&whole).unwrap_or_default().complete()
}

fn not_there(all: &[String], ggufs: &Groups, name: &str) -> Error {
    let nearest = all.iter().map(|file| (strsim::damerau_levenshtein(name, file), file)).min();
    let meant = match nearest {
        Some((distance, file)) if distance <= file.len() / 4 => format!("; did you mean `{file}`?"),
        _ => String::new(),
    };
    let there = if ggufs.is_empty() {
        listed(all.iter().map(String::as_str))
    } else {
        listed(ggufs.values().filter_map(first_of))
    };
    let message = format!("no file and no quantisation is called `{name}`{meant}; there are {there}");
    Error::new(Kind::NotFound, message)
}

/// Tells whether `Q4_K` is a word of the name of a file. `Q4_K_M` is another word, and `IQ4_K` too.
fn has_quantisation(file: &str, quantisation: &str) -> bool {
    let (file, word) = (base(file).to_ascii_uppercase(), quantisation.to_ascii_uppercase());
    let ends = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    !word.is_empty()
        && file.match_indices(&word).any(|(at, _)| {
            !file[..at].ends_with(|c: char| c.is_ascii_alphanumeric()) && file[at + word.len()..].starts_with(ends)
        })
}

fn safetensors(all: &[String]) -> Result<Vec<String>> {
    let has = |name: &str| all.iter().any(|file| file == name);
    let at_root = |file: &&String| file.ends_with(".safetensors") && !file.contains('/');
    let weights = if has(INDEX) {
        let shards = group(all.iter().filter(|file| file.starts_with("model-") && at_root(file)));
        let mut weights = vec![INDEX.to_owned()];
        for parts in shards.values() {
            weights.extend(parts.complete()?);
        }
        weights
    } else if has("model.safetensors") {
        vec!["model.safetensors".to_owned()] // others are the same once more, for other programs
    } else {
        group(all.iter().filter(at_root)).values().map(Parts::complete).collect::<Result<Vec<_>>>()?.concat()
    };
    if weights.iter().all(|file| file == INDEX) {
        let there = if all.is_empty() { "nothing".to_owned() } else { listed(all.iter().map(String::as_str)) };
        let message = format!("it holds no model in GGUF or safetensors; there is {there}");
        return Err(Error::new(Kind::NotFound, message));
    }
    let beside = BESIDE.iter().filter(|name| has(name)).map(|name| (*name).to_owned());
    Ok(beside.chain(weights).collect())
}

fn base(file: &str) -> &str {
    file.rsplit_once('/').map_or(file, |(_, base)| base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(all: &[&str], wanted: &Files, expected: Result<&[&str], &str>) {
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        match (choose(&all, wanted), expected) {
            (Ok(files), Ok(expected)) => assert_eq!(files, expected),
            (Err(error), Err(expected)) => assert!(error.message().contains(expected), "{error}"),
            (chosen, expected) => panic!("{chosen:?} instead of {expected:?}"),
        }
    }

    fn one(name: &str) -> Files {
        Files::One(name.to_owned())
    }

    #[test]
    fn a_quantisation_is_chosen() {
        let all = ["README.md", "m-Q8_0.gguf", "m-q4_k_m.gguf", "m-Q4_K_S.gguf", "mmproj-F16.gguf", "m-IQ4_XS.gguf"];
        check(&all, &Files::Best, Ok(&["m-q4_k_m.gguf"]));
        check(&all, &one("q8_0"), Ok(&["m-Q8_0.gguf"]));
        check(&all, &one("Q4_K"), Err("no file and no quantisation is called `Q4_K`"));
        check(&all, &one("Q4_XS"), Err("there are `m-IQ4_XS.gguf`"));
        check(&all, &one("mmproj-F16.gguf"), Ok(&["mmproj-F16.gguf"]));
        check(&all, &one("m-Q4_K_M.ggf"), Err("did you mean `m-"));
        check(&["m-Q8_0.gguf", "m-F16.gguf"], &Files::Best, Ok(&["m-Q8_0.gguf"]));
        check(&["m-F16.gguf"], &Files::Best, Ok(&["m-F16.gguf"]));
        check(&["m-F16.gguf", "m-Q2_K.gguf"], &Files::Best, Err("after a colon: `m-F16.gguf`, `m-Q2_K.gguf`"));
        check(&["a-Q8_0.gguf", "b-Q8_0.gguf"], &Files::Best, Err("several are `Q8_0`"));
        check(&["a-Q8_0.gguf", "b-Q8_0.gguf", "c.gguf"], &one("Q8_0"), Err("colon: `a-Q8_0.gguf`, `b-Q8_0.gguf`"));
        let many: Vec<String> = (0..30).map(|number| format!("m{number:02}.gguf")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        check(&many, &Files::Best, Err("`m19.gguf` and 10 more"));
    }

    #[test]
    fn parts_come_together() {
        let parts =
            ["q/m-Q4_K_M-00001-of-00003.gguf", "q/m-Q4_K_M-00002-of-00003.gguf", "q/m-Q4_K_M-00003-of-00003.gguf"];
        check(&parts, &Files::Best, Ok(&parts));
        check(&parts, &one("Q4_K_M"), Ok(&parts));
        check(&parts, &one(parts[1]), Ok(&parts));
        check(&parts, &one("m-Q4_K_M-00002-of-00003.gguf"), Ok(&parts));
        check(&parts[..2], &Files::Best, Err("part 3 of 3"));
        check(&["m-00009-of-00003.gguf"], &Files::Best, Ok(&["m-00009-of-00003.gguf"]));
    }

    #[test]
    fn safetensors_come_with_what_they_need() {
        let all = [
            "README.md",
            "config.json",
            "consolidated.safetensors",
            "model.safetensors",
            "onnx/model.onnx",
            "tokenizer.json",
        ];
        check(&all, &Files::Best, Ok(&["config.json", "tokenizer.json", "model.safetensors"]));
        let shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", INDEX, "x.safetensors"];
        check(&shards, &Files::Best, Ok(&[INDEX, shards[0], shards[1]]));
        check(&shards[1..], &Files::Best, Err("part 1 of 2"));
        check(&["adapter_model.safetensors"], &Files::Best, Ok(&["adapter_model.safetensors"]));
        check(&["m.gguf", "model.safetensors"], &Files::Safetensors, Ok(&["model.safetensors"]));
        check(&["model.bin"], &Files::Best, Err("no model in GGUF or safetensors; there is `model.bin`"));
        check(&[INDEX], &Files::Best, Err("no model in GGUF"));
        check(&[], &Files::Best, Err("there is nothing"));
    }
}
