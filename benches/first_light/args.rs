//! What the bench is told on its command line: sections, how often, where the data lies, where the samples go.

use std::path::PathBuf;

use lorewell_model::{Error, Kind, Result};

/// A part of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// Sentences per second beside onnxruntime.
    Embed,
    /// Ingest of the Rust book beside LlamaIndex and Haystack.
    Book,
    /// Queries and re-ingest at 50,000 chunks.
    Scale,
    /// nDCG@10 on SciFact.
    Quality,
}

impl Section {
    const ALL: [Self; 4] = [Self::Embed, Self::Book, Self::Scale, Self::Quality];

    /// Returns the name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Embed => "embed",
            Self::Book => "book",
            Self::Scale => "scale",
            Self::Quality => "quality",
        }
    }
}

/// The command line, checked.
#[derive(Debug)]
pub(crate) struct Args {
    /// What to run, in the order asked for.
    pub(crate) sections: Vec<Section>,
    /// Turns each side gets in a comparison.
    pub(crate) rounds: usize,
    /// Where the samples are written.
    pub(crate) json: PathBuf,
    data: Option<PathBuf>,
}

const ROUNDS_DEFAULT: usize = 5; // an odd number, so that the median is a sample
const ROUNDS_MAX: usize = 101; // more is a typo: a round of the book takes a minute

impl Args {
    /// Reads the command line. No section means all of them.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let json = peers_dir().join("first_light.json");
        let data = std::env::var_os("LOREWELL_DATA").map(PathBuf::from);
        let mut args = Self { sections: Vec::new(), rounds: ROUNDS_DEFAULT, json, data };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--bench" => {} // cargo adds it
                "--rounds" => args.rounds = number(&word, words.next(), ROUNDS_MAX)?,
                "--json" => args.json = words.next().ok_or_else(|| wants_value(&word))?.into(),
                "--data" => args.data = Some(words.next().ok_or_else(|| wants_value(&word))?.into()),
                name => args.sections.push(section(name)?),
            }
        }
        if args.sections.is_empty() {
            args.sections = Section::ALL.to_vec();
        }
        Ok(args)
    }

    /// Returns a folder of the test data.
    pub(crate) fn data(&self, name: &str) -> Result<PathBuf> {
        let missing = |why: String| Error::new(Kind::Config, format!("{why}; `benches/README.md` says what is in it"));
        let data = self.data.as_ref().ok_or_else(|| missing("set `LOREWELL_DATA` to the test data".into()))?;
        let folder = data.join(name);
        if !folder.is_dir() {
            return Err(missing(format!("the test data in `{}` has no `{name}`", data.display())));
        }
        Ok(folder)
    }
}

/// Returns the folder of the build products.
pub(crate) fn target_dir() -> PathBuf {
    let mut dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    dir.pop();
    dir
}

/// Returns the folder that keeps the peers and the samples between runs: beside the other build products.
pub(crate) fn peers_dir() -> PathBuf {
    target_dir().join("bench-peers")
}

fn section(name: &str) -> Result<Section> {
    Section::ALL.into_iter().find(|section| section.name() == name).ok_or_else(|| {
        let known: Vec<&str> = Section::ALL.into_iter().map(Section::name).collect();
        Error::new(Kind::BadInput, format!("no section `{name}`; there are {}", known.join(", ")))
    })
}

fn number(option: &str, value: Option<String>, max: usize) -> Result<usize> {
    let value = value.ok_or_else(|| wants_value(option))?;
    let number = value.parse().ok().filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| Error::new(Kind::BadInput, format!("`{option} {value}`: give a number from 1 to {max}")))
}

fn wants_value(option: &str) -> Error {
    Error::new(Kind::BadInput, format!("`{option}` needs a value"))
}
