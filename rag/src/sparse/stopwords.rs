//! Words of English that carry grammar, not content. Other languages have no list: BM25 gives little weight to what
//! is in every chunk, and questions in mixed collections are not hurt by a word too many.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Tells whether an English word carries grammar, not content, whatever its case: `the`, `What`.
#[must_use]
pub fn is_stopword(word: &str) -> bool {
    contains(&word.to_lowercase())
}

/// The same for a word in lower case.
pub(super) fn contains(word: &str) -> bool {
    SET.contains(word)
}

/// Tells whether letters after an apostrophe are the rest of a contraction or a possessive: `'s`, `'ve`.
pub(super) fn is_clitic(word: &str) -> bool {
    matches!(word, "s" | "t" | "d" | "m" | "ll" | "re" | "ve")
}

// Articles, pronouns, prepositions, conjunctions, auxiliaries, question words and the politeness of questions. Words
// that are also keywords of programming languages stay out where prose seldom has them: `while`, `else`, `self`.
const ENGLISH: &str = "
    a about above after again against all also although am among an and another any are as at be because been
    before being below between both but by can cannot could did do does doing done down during each either etc
    ever every few for from further had has have having he hence her here hers herself him himself his how
    however i if in into is it its itself just may me might mine more most much must my myself neither no nor
    not of off often on once only onto or other others ought our ours ourselves out over own per please quite
    rather really same shall she should since so some such tell than that the their theirs them themselves then
    there thereby therefore these they this those though through thus to too toward towards under until up upon
    us very via was we were what whatever when whenever where whereas whether which who whom whose why will with
    within without would yet you your yours yourself yourselves
";

static SET: LazyLock<HashSet<&str>> = LazyLock::new(|| ENGLISH.split_ascii_whitespace().collect());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order_and_has_no_doubles() {
        let words: Vec<&str> = ENGLISH.split_ascii_whitespace().collect();
        assert!(words.is_sorted_by(|left, right| left < right));
        assert!(words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase())));
    }

    #[test]
    fn case_does_not_matter() {
        assert!(is_stopword("What") && is_stopword("THE") && is_stopword("are"));
        assert!(!is_stopword("ownership") && !is_stopword("") && !is_stopword("while"));
    }
}
