//! What the bench is told on its command line, and what the process of one case is told.

use std::path::PathBuf;

use lorewell_agent::{Error, Kind, Result};

use crate::case::{Case, Section, Stored};
use crate::install::products;

const SAMPLES_DEFAULT: usize = 10;
const SAMPLES_MAX: usize = 1000; // more is a typo

/// The command line, checked.
#[derive(Debug)]
pub(crate) struct Args {
    /// What to run, in the order asked for.
    pub(crate) sections: Vec<Section>,
    /// Samples of a case.
    pub(crate) samples: usize,
    /// Whether the peers are left out.
    pub(crate) alone: bool,
    /// Where the samples are written.
    pub(crate) json: PathBuf,
}

impl Args {
    /// Reads the command line. No section means all of them.
    pub(crate) fn parse(words: Vec<String>) -> Result<Self> {
        let json = products().join("agents.json");
        let mut args = Self { sections: Vec::new(), samples: SAMPLES_DEFAULT, alone: false, json };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| bad(format!("`{word}` needs a value")));
            match word.as_str() {
                "--bench" => {} // cargo adds it
                "--alone" => args.alone = true,
                "--samples" => args.samples = samples(&value()?)?,
                "--json" => args.json = value()?.into(),
                name => args.sections.push(section(name)?),
            }
        }
        if args.sections.is_empty() {
            args.sections = Section::ALL.to_vec();
        }
        Ok(args)
    }
}

/// What one process measures.
#[derive(Debug)]
pub(crate) struct Here {
    /// The case.
    pub(crate) case: Case,
    /// How it is stored.
    pub(crate) stored: Stored,
    /// How many samples to take.
    pub(crate) samples: usize,
    /// Where to work.
    pub(crate) scratch: PathBuf,
}

impl Here {
    /// Reads the words that the bench gives to each side.
    pub(crate) fn parse(words: &[String]) -> Result<Self> {
        let [case, stored, samples, scratch] = words else {
            return Err(bad("`--measure` needs a case, how it is stored, a number of samples and a folder".to_owned()));
        };
        Ok(Self {
            case: Case::named(case).ok_or_else(|| bad(format!("no case `{case}`")))?,
            stored: Stored::named(stored).ok_or_else(|| bad(format!("nothing is stored as `{stored}`")))?,
            samples: samples.parse().map_err(|_| bad(format!("`{samples}` is no number")))?,
            scratch: scratch.into(),
        })
    }
}

fn samples(value: &str) -> Result<usize> {
    let number = value.parse().ok().filter(|number| (1..=SAMPLES_MAX).contains(number));
    number.ok_or_else(|| bad(format!("`--samples {value}`: give a number from 1 to {SAMPLES_MAX}")))
}

fn section(name: &str) -> Result<Section> {
    Section::ALL.into_iter().find(|section| section.name() == name).ok_or_else(|| {
        let known: Vec<&str> = Section::ALL.into_iter().map(Section::name).collect();
        bad(format!("no section `{name}`; there are {}", known.join(", ")))
    })
}

fn bad(message: String) -> Error {
    Error::new(Kind::BadInput, message)
}
