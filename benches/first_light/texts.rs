//! Texts to measure on, made from real prose and the same in every run: runs of words of the Rust book, cut to an
//! exact number of tokens.

use std::path::{Path, PathBuf};

use lorewell_model::{Error, Kind, Result, ResultExt};

/// SplitMix64 (Steele, Lea and Flood 2014): repeatable choices from a printed seed.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    /// Starts a sequence.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `bound`. The modulo's bias is far below what any bench could see.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("usize has at most 64 bits");
        usize::try_from(self.next() % bound).expect("it is below a usize")
    }
}

/// The words of the Rust book, in order, with their tokens.
#[derive(Debug)]
pub(crate) struct Words(Vec<(String, usize)>);

impl Words {
    /// Reads the book and counts the tokens of each of its words.
    pub(crate) fn of_book(folder: &Path, count_tokens: impl Fn(&str) -> usize) -> Result<Self> {
        let mut words = Vec::new();
        for path in markdown_files(folder)? {
            let text = std::fs::read_to_string(&path).context(|| format!("reading `{}`", path.display()))?;
            words.extend(text.split_whitespace().map(|word| (word.into(), count_tokens(word))));
        }
        Ok(Self(words))
    }

    /// Returns a run of words with exactly this many tokens. Words that would overshoot are left out.
    pub(crate) fn text(&self, rng: &mut Rng, tokens: usize) -> Result<String> {
        let (mut text, mut left) = (String::new(), tokens);
        let start = rng.below(self.0.len().max(1));
        for (word, cost) in self.0.iter().cycle().skip(start).take(self.0.len()) {
            if *cost == 0 || *cost > left {
                continue;
            }
            text.push_str(if text.is_empty() { "" } else { " " });
            text.push_str(word);
            left -= cost;
            if left == 0 {
                return Ok(text);
            }
        }
        Err(Error::new(Kind::BadInput, format!("the book has no text of exactly {tokens} tokens")))
    }
}

/// Lists the Markdown files of a folder, in order of their names.
pub(crate) fn markdown_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).context(|| format!("listing `{}`", folder.display()))? {
        let path = entry.context(|| format!("listing `{}`", folder.display()))?.path();
        if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
