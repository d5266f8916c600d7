//! The language of a text, as far as search cares: which stemmer fits. Stemmers and the guesser of languages are used
//! nowhere else.

use rust_stemmers::{Algorithm, Stemmer};

/// Bytes of a document that are looked at to tell its language; more does not make the guess better.
const SAMPLE_BYTES: usize = 2048;

/// A language with a Snowball stemmer, or any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names of the languages are the documentation")]
pub enum Language {
    Arabic,
    Danish,
    Dutch,
    English,
    Finnish,
    French,
    German,
    Greek,
    Hungarian,
    Italian,
    Norwegian,
    Portuguese,
    Romanian,
    Russian,
    Spanish,
    Swedish,
    Tamil,
    Turkish,
    /// A language without a stemmer: its words are indexed as they stand.
    Other,
}

impl Language {
    /// Every language, [`Self::Other`] last.
    pub const ALL: [Self; 19] = [
        Self::Arabic,
        Self::Danish,
        Self::Dutch,
        Self::English,
        Self::Finnish,
        Self::French,
        Self::German,
        Self::Greek,
        Self::Hungarian,
        Self::Italian,
        Self::Norwegian,
        Self::Portuguese,
        Self::Romanian,
        Self::Russian,
        Self::Spanish,
        Self::Swedish,
        Self::Tamil,
        Self::Turkish,
        Self::Other,
    ];

    /// Finds the language of an ISO 639-3 code (`deu`). No code means English: short texts and source code, whose
    /// comments are English more often than not.
    #[must_use]
    pub fn from_code(code: Option<&str>) -> Self {
        let Some(code) = code else { return Self::English };
        let code = if code == "nob" || code == "nno" { "nor" } else { code };
        STEMMED.iter().find(|&&(_, own, _)| own == code).map_or(Self::Other, |&(language, ..)| language)
    }

    /// Returns the ISO 639-3 code, `und` for [`Self::Other`].
    #[must_use]
    pub fn code(self) -> &'static str {
        STEMMED.iter().find(|&&(language, ..)| language == self).map_or("und", |&(_, code, _)| code)
    }

    /// Takes the ending off a word in lower case.
    pub(super) fn stem(self, word: &str) -> String {
        let Some(&(.., algorithm)) = STEMMED.iter().find(|&&(language, ..)| language == self) else {
            return word.to_owned();
        };
        Stemmer::create(algorithm).stem(word).into_owned()
    }
}

/// Tells the language of a document (ISO 639-3, `deu`), if its beginning leaves no doubt. Source code is not prose:
/// do not ask for it.
#[must_use]
pub fn detect_language(text: &str) -> Option<&'static str> {
    let sample = &text[..text.floor_char_boundary(SAMPLE_BYTES)];
    whatlang::detect(sample).filter(whatlang::Info::is_reliable).map(|info| info.lang().code())
}

const STEMMED: [(Language, &str, Algorithm); 18] = [
    (Language::Arabic, "ara", Algorithm::Arabic),
    (Language::Danish, "dan", Algorithm::Danish),
    (Language::Dutch, "nld", Algorithm::Dutch),
    (Language::English, "eng", Algorithm::English),
    (Language::Finnish, "fin", Algorithm::Finnish),
    (Language::French, "fra", Algorithm::French),
    (Language::German, "deu", Algorithm::German),
    (Language::Greek, "ell", Algorithm::Greek),
    (Language::Hungarian, "hun", Algorithm::Hungarian),
    (Language::Italian, "ita", Algorithm::Italian),
    (Language::Norwegian, "nor", Algorithm::Norwegian),
    (Language::Portuguese, "por", Algorithm::Portuguese),
    (Language::Romanian, "ron", Algorithm::Romanian),
    (Language::Russian, "rus", Algorithm::Russian),
    (Language::Spanish, "spa", Algorithm::Spanish),
    (Language::Swedish, "swe", Algorithm::Swedish),
    (Language::Tamil, "tam", Algorithm::Tamil),
    (Language::Turkish, "tur", Algorithm::Turkish),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_lead_to_languages_and_back() {
        for (language, code, _) in STEMMED {
            assert_eq!((Language::from_code(Some(code)), language.code()), (language, code));
        }
        assert_eq!(Language::from_code(None), Language::English);
        assert_eq!(Language::from_code(Some("pol")), Language::Other);
        assert_eq!(Language::from_code(Some("nob")), Language::Norwegian);
    }

    #[test]
    fn a_language_is_told_only_without_doubt() {
        let german = "Die Kündigung muss dem Vermieter spätestens am dritten Werktag des Monats zugehen.";
        let russian = "Владение — это набор правил, по которым программа управляет памятью.";
        assert_eq!(detect_language(german), Some("deu"));
        assert_eq!(detect_language(russian), Some("rus"));
        assert_eq!(detect_language(&german.repeat(200)), Some("deu"));
        assert_eq!(detect_language("ok 42"), None);
        assert_eq!(detect_language(""), None);
    }
}
