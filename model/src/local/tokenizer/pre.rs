//! How each family of byte-pair tokenizers cuts a text into words before it merges within them. Files name the family, and
//! a cut that is not the one a model was trained with makes it worse without a sign, so an unknown name is an error.
//!
//! The patterns are those of the models' own tokenizers, as far as llama.cpp's `llama-vocab.cpp` tells them; where that
//! approximates one (`tekken`, `gpt-4o`, `kimi-k2`), the original stands here. All of them end in `\s+(?!\S)|\s+`, which is
//! written `\s+` here and finished by [`Spaces`], so that no pattern looks around and none takes more than linear time.

use crate::{Error, Kind, Result};

/// How a family cuts, and what else its name settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pre {
    /// What cuts the text, then the pieces of that, and so on.
    pub(super) rules: &'static [Rule],
    /// Which words are taken as they are if they are tokens, without merging.
    pub(super) whole: Whole,
    /// Whether tokens are characters, with `▁` for a space, rather than bytes.
    pub(super) characters: bool,
    /// Whether texts begin with the token for that, unless the file says otherwise.
    pub(super) begins: bool,
}

/// Words that are not merged if they are tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// None.
    Nothing,
    /// All.
    Words,
    /// Those of line breaks alone.
    Breaks,
}

/// One cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Each match is a piece, and so is what lies between two of them.
    Pattern(&'static str, Spaces),
    /// Digits go in threes from the right: `1 234 567`.
    Thousands,
}

/// What becomes of several spaces before a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spaces {
    /// Nothing; the pattern knows.
    Together,
    /// The last goes with what follows.
    LastApart,
    /// The last goes with what follows, unless it is a line break.
    LastApartNotBreak,
    /// The last goes with what follows, and the others in powers of two.
    Powers,
}

/// `'s` and the like, in any case.
macro_rules! short {
    () => {
        "'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])"
    };
}

/// The end of most patterns: signs with the line breaks after them, lines, and spaces.
macro_rules! signs_and_spaces {
    () => {
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"
    };
}

/// Words in which small letters follow capital ones.
macro_rules! cased {
    ($after:expr) => {
        concat!(
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
            $after,
            r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
            $after,
        )
    };
}

macro_rules! short_or_not {
    () => {
        concat!("(?:", short!(), ")?")
    };
}

const fn words(pattern: &'static str) -> Rule {
    Rule::Pattern(pattern, Spaces::LastApartNotBreak)
}

const fn all(pattern: &'static str) -> Rule {
    Rule::Pattern(pattern, Spaces::Together)
}

const GPT2_WORDS: Rule =
    Rule::Pattern(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+", Spaces::LastApart);
const GPT2: &[Rule] = &[GPT2_WORDS];
const STARCODER: &[Rule] = &[all(r"\p{N}"), GPT2_WORDS];
const FALCON: &[Rule] = &[all(r"[\p{P}$+<=>^~|`]+"), GPT2_WORDS, all("[0-9][0-9][0-9]")];
const OLD: &[Rule] = &[all(r"[\p{P}$+<=>^~|]+"), GPT2_WORDS, all(r"\p{N}+"), all("[0-9][0-9][0-9]")];
const LLAMA3: &[Rule] = &[words(concat!(short!(), r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}", signs_and_spaces!()))];
const JAIS2: &[Rule] =
    &[Rule::Pattern(concat!(short!(), r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}", signs_and_spaces!()), Spaces::Powers)];
const QWEN2_WORDS: Rule = words(concat!(short!(), r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}", signs_and_spaces!()));
const QWEN2: &[Rule] = &[QWEN2_WORDS];
const LAGUNA: &[Rule] = &[all(r"\n+"), QWEN2_WORDS];
const QWEN35: &[Rule] = &[words(concat!(
    short!(),
    r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"
))];
const UFAKZEKA: &[Rule] = &[words(concat!(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}", signs_and_spaces!()))];
const MINICPM5: &[Rule] =
    &[all(r"\p{N}{1,3}"), words(concat!(short!(), r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+", signs_and_spaces!()))];
const SEED_CODER: &[Rule] =
    &[words(concat!(short!(), r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+"))];
const EXAONE_MOE: &[Rule] = &[words(concat!(
    short!(),
    r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+"
))];
const TEKKEN: &[Rule] = &[words(concat!(cased!(""), r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+"))];
const GPT4O_WORDS: Rule =
    words(concat!(cased!(short_or_not!()), r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+"));
const GPT4O: &[Rule] = &[GPT4O_WORDS];
const TINY_AYA: &[Rule] = &[Rule::Thousands, GPT4O_WORDS];
const SUPERBPE: &[Rule] = &[Rule::Thousands];
const KIMI: &[Rule] = &[words(concat!(
    r"\p{Han}+",
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+",
    short_or_not!(),
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*",
    short_or_not!(),
    r"|\p{N}{1,3}",
    signs_and_spaces!(),
))];
const BLOOM_WORDS: Rule = all(r" ?[^(\s|.,!?\u{2026}\u{3002}\u{FF0C}\u{3001}\u{964}\u{6D4}\u{60C})]+");
const BLOOM: &[Rule] = &[BLOOM_WORDS];
const VIKING: &[Rule] = &[BLOOM_WORDS, all(r"\p{N}")];
const DEEPSEEK_LLM: &[Rule] = &[
    all(r"[\r\n]"),
    // Letters of scripts with capital and small ones, of Unicode as it was when the model was made.
    all(concat!(
        r"\s?[",
        r"A-Za-z\u{B5}\u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{1BA}\u{1BC}-\u{1BF}\u{1C4}-\u{293}\u{295}-\u{2AF}\u{370}",
        r"-\u{373}\u{376}\u{377}\u{37B}-\u{37D}\u{37F}\u{386}\u{388}-\u{38A}\u{38C}\u{38E}-\u{3A1}\u{3A3}-\u{3F5}",
        r"\u{3F7}-\u{481}\u{48A}-\u{52F}\u{531}-\u{556}\u{10A0}-\u{10C5}\u{13A0}-\u{13F5}\u{13F8}-\u{13FD}\u{1C90}",
        r"-\u{1CBA}\u{1CBD}-\u{1CBF}\u{1D00}-\u{1D2B}\u{1D6B}-\u{1D77}\u{1D79}-\u{1D9A}\u{1E00}-\u{1F15}\u{1F18}-",
        r"\u{1F1D}\u{1F20}-\u{1F45}\u{1F48}-\u{1F4D}\u{1F50}-\u{1F57}\u{1F59}\u{1F5B}\u{1F5D}\u{1F5F}-\u{1F7D}",
        r"\u{1F80}-\u{1FB4}\u{1FB6}-\u{1FBC}\u{1FBE}\u{1FC2}-\u{1FC4}\u{1FC6}-\u{1FCC}\u{1FD0}-\u{1FD3}\u{1FD6}-",
        r"\u{1FDB}\u{1FE0}-\u{1FEC}\u{1FF2}-\u{1FF4}\u{1FF6}-\u{1FFC}\u{2102}\u{2107}\u{210A}-\u{2113}\u{2115}",
        r"\u{2119}-\u{211D}\u{2124}\u{2126}\u{2128}\u{212A}-\u{212D}\u{212F}-\u{2134}\u{2139}\u{213C}-\u{213F}",
        r"\u{2145}-\u{2149}\u{214E}\u{2183}\u{2184}\u{2C00}-\u{2C7B}\u{2C7E}-\u{2CE4}\u{2CEB}-\u{2CEE}\u{2CF2}",
        r"\u{2CF3}\u{A640}-\u{A66D}\u{A680}-\u{A69B}\u{A722}-\u{A76F}\u{A771}-\u{A787}\u{A78B}-\u{A78E}\u{AB70}-",
        r"\u{ABBF}\u{FB00}-\u{FB06}\u{FB13}-\u{FB17}\u{FF21}-\u{FF3A}\u{FF41}-\u{FF5A}\u{10400}-\u{1044F}\u{104B0}",
        r"-\u{104D3}\u{104D8}-\u{104FB}\u{10C80}-\u{10CB2}\u{10CC0}-\u{10CF2}\u{118A0}-\u{118DF}\u{1E900}-",
        r"\u{1E943}",
        "]+",
    )),
    all(r"\s?[!-/:-~\u{FF01}-\u{FF0F}\u{FF1A}-\u{FF5E}\u{2018}-\u{201F}\u{3000}-\u{3002}]+"),
    all(r"\s+$"),
    DEEPSEEK_EAST,
    all(r"\p{N}+"),
];
const DEEPSEEK_EAST: Rule = all(r"[\u{4E00}-\u{9FA5}\u{800}-\u{4E00}\u{AC00}-\u{D7FF}]+");
const DEEPSEEK_CODER: &[Rule] = &[all(r"[\r\n]"), all(r"\s?\p{L}+"), all(r"\s?\p{P}+"), DEEPSEEK_EAST, all(r"\p{N}")];
macro_rules! deepseek3_words {
    () => {
        concat!(
            r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"##,
            r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+",
        )
    };
}
const DEEPSEEK3_WORDS: Rule = words(concat!(deepseek3_words!(), r"[\r\n]*|\s*[\r\n]+|\s+"));
const HAN_AND_KANA: Rule = all(r"[\u{4E00}-\u{9FA5}\u{3040}-\u{309F}\u{30A0}-\u{30FF}]+");
const DEEPSEEK3: &[Rule] = &[all(r"\p{N}{1,3}"), HAN_AND_KANA, DEEPSEEK3_WORDS];
const SPARK: &[Rule] = &[
    all(r"\p{N}{1,3}"),
    HAN_AND_KANA,
    Rule::Pattern(concat!(deepseek3_words!(), r"|[\r\n]|\s+"), Spaces::LastApart),
    all(r"\p{N}"),
];
const AFMOE: &[Rule] = &[
    Rule::Thousands,
    all(concat!(
        r"[\u{4E00}-\u{9FFF}\u{3400}-\u{4DBF}\u{8C48}-\u{FAFF}\u{3040}-\u{309F}\u{30A0}-\u{30FF}\u{FF65}-\u{FF9F}",
        r"\u{2F00}-\u{2FDF}\u{E40}-\u{E7F}\u{E80}-\u{EFF}\u{1780}-\u{17FF}\u{1000}-\u{109F}\u{AA60}-\u{AA7F}",
        r"\u{A9E0}-\u{A9FF}\u{AC00}-\u{D7AF}\u{1100}-\u{11FF}]+"
    )),
    DEEPSEEK3_WORDS,
];
const YOUTU: &[Rule] = &[
    all(concat!(
        r"[\u{AC00}-\u{D7A3}\u{3131}-\u{318E}]+",
        r"|[\u{FF01}\u{2026}\u{201C}\u{201D}\u{2018}\u{2019}\u{2014}\u{FF1A}\u{FF1B}\u{FF0C}\u{3001}-\u{303F}",
        r"\u{FE30}-\u{FE4F}]+|[\u{3105}-\u{312F}]+|[\u{4E00}-\u{9FA5}\u{3040}-\u{309F}\u{30A0}-\u{30FF}]+",
    )),
    words(concat!(cased!(short_or_not!()), r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+")),
];
const CHAMELEON: &[Rule] = &[
    all("<sentinel:[0-9]+>"),
    all("(?:IMGIMG)[A-I]{1,4}Z"),
    all(r"[\t\n]|    |  "),
    all(r"\p{N}"),
    all(r"[\p{P}!-/:-@\[-`{-~]"),
    GPT2_WORDS,
];
const LINES: &[Rule] = &[all(r"\n+")];

/// The names of families, and how they cut.
const FAMILIES: &[(&[&str], &[Rule])] = &[
    (&["default"], OLD),
    (
        &[
            "llama3",
            "llama-v3",
            "llama-bpe",
            "falcon3",
            "falcon-h1",
            "pixtral",
            "midm-2.0",
            "lfm2",
            "jina-v5-nano",
            "dbrx",
            "smaug-bpe",
            "chatglm-bpe",
            "glm4",
            "glm5",
        ],
        LLAMA3,
    ),
    (&["jais-2"], JAIS2),
    (&["deepseek-llm"], DEEPSEEK_LLM),
    (&["deepseek-coder"], DEEPSEEK_CODER),
    (&["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"], DEEPSEEK3),
    (&["spark2_5"], SPARK),
    (&["youtu"], YOUTU),
    (&["falcon"], FALCON),
    (&["starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"], STARCODER),
    (
        &[
            "gpt-2",
            "phi-2",
            "jina-es",
            "jina-de",
            "gigachat",
            "jina-v2-es",
            "jina-v2-de",
            "a.x-4.0",
            "mellum",
            "modern-bert",
            "jina-v1-en",
            "jina-v2-code",
            "roberta-bpe",
            "mpt",
            "olmo",
            "jais",
            "trillion",
            "granite-docling",
            "exaone4",
        ],
        GPT2,
    ),
    (
        &[
            "stablelm2",
            "qwen2",
            "deepseek-r1-qwen",
            "kormo",
            "f2llmv2",
            "hunyuan",
            "solar-open",
            "megrez",
            "grok-2",
            "bailingmoe",
            "bailingmoe2",
            "llada-moe",
        ],
        QWEN2,
    ),
    (&["qwen35"], QWEN35),
    (&["laguna"], LAGUNA),
    (&["ufakzeka"], UFAKZEKA),
    (&["minicpm5"], MINICPM5),
    (&["seed-coder"], SEED_CODER),
    (&["exaone-moe"], EXAONE_MOE),
    (&["poro-chat", "bloom", "gpt3-finnish"], BLOOM),
    (&["viking"], VIKING),
    (&["tekken"], TEKKEN),
    (&["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2", "granite-embed-multi-97m"], GPT4O),
    (&["tiny_aya", "cohere2moe"], TINY_AYA),
    (&["superbpe"], SUPERBPE),
    (&["kimi-k2"], KIMI),
    (&["afmoe"], AFMOE),
    (&["chameleon"], CHAMELEON),
    (&["gemma4", "granite-embed-multi-311m", "sarvam-moe"], LINES),
];

/// Finds a family by the name that `tokenizer.ggml.pre` gives.
///
/// # Errors
/// `BadInput` if there is none.
pub(super) fn pre(name: &str) -> Result<Pre> {
    let Some((_, rules)) = FAMILIES.iter().find(|(names, _)| names.contains(&name)) else {
        let message = format!(
            "its tokenizer cuts text as `{name}`, which is not known; take another file of the model, or its folder with \
             `tokenizer.json`"
        );
        return Err(Error::new(Kind::BadInput, message));
    };
    let characters = matches!(name, "gemma4" | "granite-embed-multi-311m" | "sarvam-moe");
    Ok(Pre { rules, whole: whole(name), characters, begins: begins(name) })
}

fn whole(name: &str) -> Whole {
    match name {
        "gemma4" | "granite-embed-multi-311m" => Whole::Breaks,
        "youtu" | "glm4" | "glm5" | "granite-embed-multi-97m" | "minicpm5" => Whole::Words,
        "chameleon" => Whole::Nothing,
        other if begins(other) => Whole::Words,
        _ => Whole::Nothing,
    }
}

fn begins(name: &str) -> bool {
    matches!(
        name,
        "llama3"
            | "llama-v3"
            | "llama-bpe"
            | "falcon3"
            | "falcon-h1"
            | "pixtral"
            | "midm-2.0"
            | "lfm2"
            | "jina-v5-nano"
            | "tekken"
            | "chameleon"
            | "gemma4"
            | "granite-embed-multi-311m"
    )
}

#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().flat_map(|(names, _)| names.iter().copied())
}
