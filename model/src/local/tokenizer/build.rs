//! Builds a tokenizer of what a GGUF file says.

use std::sync::Arc;

use super::super::gguf::Gguf;
use super::super::vocabulary::Vocabulary;
use super::facts::{Class, Facts, byte_of, corrupt, key};
use super::library::Library;
use super::marks::Marks;
use super::merges::Merges;
use super::pre::pre;
use super::unigram::Unigram;
use super::{Engine, Inner, Names, byte_level};
use crate::{Error, Kind, Result};

/// What a family of tokenizers has unless the file says otherwise.
#[derive(Debug, Default)]
struct Usual {
    begins: bool,
    ends: bool,
    bos: Option<u32>,
    eos: Option<u32>,
    unk: Option<u32>,
    pad: Option<u32>,
}

/// How tokens of text are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// A character for each byte.
    Bytes,
    /// `▁` for a space, `<0x0A>` for a byte.
    Characters,
}

/// Builds the tokenizer that a file describes.
pub(super) fn build(gguf: &Gguf) -> Result<Inner> {
    let facts = Facts::read(gguf)?;
    match gguf.text(&key("model"))?.unwrap_or_default() {
        "gpt2" => by_rank(&facts, family(gguf)?),
        "gemma4" => by_rank(&facts, "gemma4"),
        "llama" => by_score(&facts),
        "t5" => unigram(&facts),
        "bert" => wordpiece(&facts),
        other => {
            let message =
                format!("its tokenizer is a `{other}`, which is not known; take its folder with `tokenizer.json`");
            Err(Error::new(Kind::BadInput, message))
        }
    }
}

/// Returns the name of the rules by which a file cuts words.
fn family(gguf: &Gguf) -> Result<&str> {
    let name = gguf.text(&key("pre"))?.filter(|name| !name.is_empty());
    Ok(name.unwrap_or_else(|| {
        tracing::warn!("`{}` does not say how it cuts words; a newer file may answer better", gguf.path().display());
        "default"
    }))
}

fn by_rank(facts: &Facts<'_>, name: &str) -> Result<Inner> {
    let family = pre(name)?;
    let merges = Merges::by_rank(facts, family)?;
    let spelling = if family.characters { Spelling::Characters } else { Spelling::Bytes };
    // Files of Gemma 4 say that texts do not begin with a mark, and they do.
    let usual = Usual { begins: family.begins, ..Usual::default() };
    let mut inner = finish(facts, &usual, Engine::Merges(Marks::new(facts), Box::new(merges)), spelling)?;
    if name == "gemma4" && inner.before.is_empty() {
        inner.before = facts.id("bos_token_id")?.into_iter().collect();
    }
    Ok(inner)
}

fn by_score(facts: &Facts<'_>) -> Result<Inner> {
    let usual = Usual { begins: true, bos: Some(1), eos: Some(2), unk: Some(0), ..Usual::default() };
    let prefix = facts.gguf.flag(&key("add_space_prefix"))?.unwrap_or(true);
    let unknown = facts.id_or("unknown_token_id", usual.unk)?;
    let merges = Merges::by_score(facts, unknown, prefix)?;
    finish(facts, &usual, Engine::Merges(Marks::new(facts), Box::new(merges)), Spelling::Characters)
}

fn unigram(facts: &Facts<'_>) -> Result<Inner> {
    let usual = Usual { ends: true, eos: Some(1), unk: Some(2), pad: Some(0), ..Usual::default() };
    let unigram = Unigram::new(facts, facts.id_or("unknown_token_id", usual.unk)?)?;
    finish(facts, &usual, Engine::Unigram(Marks::new(facts), Box::new(unigram)), Spelling::Characters)
}

fn wordpiece(facts: &Facts<'_>) -> Result<Inner> {
    // Where BERT has `[CLS]`, `[SEP]`, `[UNK]` and `[PAD]`.
    let (bos, eos) = (facts.id_or("cls_token_id", Some(101))?, facts.id_or("seperator_token_id", Some(102))?);
    let usual = Usual { begins: true, ends: true, bos, eos, unk: Some(100), pad: Some(0) };
    let unknown = facts.id_or("unknown_token_id", usual.unk)?;
    let unknown = unknown.ok_or_else(|| corrupt("it has no `tokenizer.ggml.unknown_token_id`"))?;
    let library = Library::wordpiece(facts, unknown)?;
    let vocabulary = library.vocabulary(facts.stops()?);
    let mut inner = finish(facts, &usual, Engine::Library(Box::new(library)), Spelling::Characters)?;
    inner.vocabulary = Arc::new(vocabulary);
    Ok(inner)
}

fn finish(facts: &Facts<'_>, usual: &Usual, engine: Engine, spelling: Spelling) -> Result<Inner> {
    let flag = |name: &str, usual: bool| Ok::<_, Error>(facts.gguf.flag(&key(name))?.unwrap_or(usual));
    let (begins, ends) = (flag("add_bos_token", usual.begins)?, flag("add_eos_token", usual.ends)?);
    let (bos, eos) = (facts.id_or("bos_token_id", usual.bos)?, facts.id_or("eos_token_id", usual.eos)?);
    let name = |id: Option<u32>| id.map(|id| facts.texts[id as usize].to_owned());
    let names = Names {
        bos: name(bos),
        eos: name(eos),
        unk: name(facts.id_or("unknown_token_id", usual.unk)?),
        pad: name(facts.id_or("padding_token_id", usual.pad)?),
    };
    Ok(Inner {
        drops_space: engine.drops_space(),
        engine,
        vocabulary: Arc::new(vocabulary(facts, spelling)?),
        ids: facts.ids.iter().map(|(text, id)| ((*text).into(), *id)).collect(),
        before: bos.filter(|_| begins).into_iter().collect(),
        after: eos.filter(|_| ends).into_iter().collect(),
        names,
    })
}

fn vocabulary(facts: &Facts<'_>, spelling: Spelling) -> Result<Vocabulary> {
    let bytes = |id: usize, text: &str| match (facts.classes[id], spelling) {
        (Class::Added | Class::Control | Class::Unknown, _) => text.as_bytes().to_vec(),
        (Class::Byte, _) => byte_of(text).map_or_else(|| text.as_bytes().to_vec(), |byte| vec![byte]),
        (Class::Normal | Class::Unused, Spelling::Bytes) => {
            byte_level::bytes(text).unwrap_or_else(|| text.as_bytes().to_vec())
        }
        (Class::Normal | Class::Unused, Spelling::Characters) => text.replace('▁', " ").into_bytes(),
    };
    let tokens = facts.texts.iter().enumerate().map(|(id, text)| (bytes(id, text), facts.kind(id)));
    Ok(Vocabulary::new(tokens, facts.stops()?))
}
