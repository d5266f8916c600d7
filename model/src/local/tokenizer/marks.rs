//! Finds tokens by name in a text, before anything else is done with it: marks where they are meant, and tokens of text
//! that a vocabulary has beside those that merging makes.

use std::collections::HashMap;

use super::Markers;
use super::facts::{Class, Facts};
use super::prefixes::Prefixes;

/// Names of tokens that are found as they are.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Those that a text may hold.
    text: Prefixes,
    /// Those, and marks.
    all: Prefixes,
    /// Tokens that take the white space beside them.
    strips: HashMap<u32, Strip>,
}

/// Which white space beside it a token takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strip {
    Before,
    After,
}

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fragment<'t> {
    /// To be made tokens.
    Text(&'t str),
    /// A token already.
    Token(u32),
}

impl Marks {
    pub(super) fn new(facts: &Facts<'_>) -> Self {
        let of = |classes: &[Class]| {
            let ids = (0_u32..).zip(&facts.texts).filter(|(id, _)| classes.contains(&facts.class(*id)));
            Prefixes::new(ids.map(|(id, text)| (*text, id)))
        };
        Self {
            text: of(&[Class::Added]),
            all: of(&[Class::Added, Class::Control, Class::Unknown]),
            strips: strips(facts),
        }
    }

    /// Parts a text where names of tokens are.
    pub(super) fn split<'t>(&self, text: &'t str, markers: Markers) -> Vec<Fragment<'t>> {
        let names = match markers {
            Markers::Parse => &self.all,
            Markers::Text => &self.text,
        };
        let (mut fragments, mut done, mut at) = (Vec::new(), 0, 0);
        while at < text.len() {
            let Some((length, id)) = names.longest(&text.as_bytes()[at..]) else {
                at += 1;
                continue;
            };
            let (strip, before) = (self.strips.get(&id), &text[done..at]);
            let before = if strip == Some(&Strip::Before) { before.trim_end_matches(is_space) } else { before };
            if !before.is_empty() {
                fragments.push(Fragment::Text(before));
            }
            fragments.push(Fragment::Token(id));
            let after = &text[at + length..];
            let rest = if strip == Some(&Strip::After) { after.trim_start_matches(is_space) } else { after };
            at = text.len() - rest.len();
            done = at;
        }
        if done < text.len() {
            fragments.push(Fragment::Text(&text[done..]));
        }
        fragments
    }
}

/// White space, as C has it.
fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t'..='\r')
}

/// Which tokens take white space is not in the files, so it goes by what llama.cpp knows of families.
fn strips(facts: &Facts<'_>) -> HashMap<u32, Strip> {
    let text = |name: &str| facts.gguf.text(name).ok().flatten().unwrap_or_default().to_lowercase();
    let (pre, family, name) = (text("tokenizer.ggml.pre"), text("general.architecture"), text("general.name"));
    let id = |name: &str| facts.ids.get(name).copied();
    if pre.starts_with("jina-v2") || ["nomic-bert-moe", "jina-bert-v3"].contains(&family.as_str()) {
        return id("<mask>").map(|id| (id, Strip::Before)).into_iter().collect();
    }
    if name.contains("modern-bert") {
        return id("[MASK]").map(|id| (id, Strip::Before)).into_iter().collect();
    }
    if !(name.contains("phi-3") || name.contains("phi3")) {
        return HashMap::new();
    }
    let marks = (0_u32..).zip(&facts.texts).filter(|(id, text)| {
        let is_mark = matches!(facts.class(*id), Class::Added | Class::Control | Class::Unknown);
        is_mark && !["<unk>", "<s>", "<|endoftext|>"].contains(text)
    });
    marks.map(|(id, _)| (id, Strip::After)).collect()
}
