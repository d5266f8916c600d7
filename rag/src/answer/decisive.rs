//! Words that turn the meaning of a sentence around. A quotation may differ from its source in small things, never in
//! these: numbers, negations, quantities, directions, obligations.

/// Tells whether a folded word decides what a sentence claims.
pub(super) fn is_decisive(word: &str) -> bool {
    let is_plain = word.chars().all(|c| c.is_alphabetic() || matches!(c, '\'' | '_'));
    !is_plain || is_negation(word) || OTHERS.contains(&word)
}

/// Tells whether a folded word negates.
pub(super) fn is_negation(word: &str) -> bool {
    NEGATIONS.contains(&word) || word.ends_with("n't")
}

/// Tells whether one word negates the other by its prefix: `legal` and `illegal`.
pub(super) fn are_opposites(a: &str, b: &str) -> bool {
    let negates = |long: &str, short: &str| long.strip_suffix(short).is_some_and(|prefix| PREFIXES.contains(&prefix));
    negates(a, b) || negates(b, a) || are_turned(a, b) || are_turned(b, a)
}

fn are_turned(a: &str, b: &str) -> bool {
    TURNS.iter().any(|(one, other)| {
        let rest = a.strip_prefix(one).filter(|rest| !rest.is_empty());
        rest.is_some_and(|rest| b.strip_prefix(other) == Some(rest))
    })
}

/// Tells whether a word may be missing from a source that is quoted with it.
pub(super) fn is_light(word: &str) -> bool {
    LIGHT.contains(&word)
}

const NEGATIONS: &[&str] = &[
    "not",
    "no",
    "never",
    "none",
    "nor",
    "neither",
    "nobody",
    "nothing",
    "nowhere",
    "without",
    "cannot",
    "hardly",
    "barely",
    "rarely",
    "seldom",
    "except",
    "unless",
    "nicht",
    "kein",
    "keine",
    "keinen",
    "keiner",
    "keinem",
    "nie",
    "niemals",
    "ohne",
    "weder",
    "pas",
    "jamais",
    "sans",
    "aucun",
    "aucune",
    "ne",
    "nunca",
    "sin",
    "ningún",
    "ninguno",
    "ninguna",
    "non",
    "mai",
    "senza",
    "nessun",
    "nessuno",
    "não",
    "sem",
    "не",
    "нет",
    "ни",
    "никогда",
    "без",
    "不",
    "没",
    "沒",
    "無",
    "无",
    "未",
    "非",
    "别",
    "莫",
];

const OTHERS: &[&str] = &[
    "all",
    "any",
    "every",
    "each",
    "both",
    "either",
    "some",
    "few",
    "fewer",
    "fewest",
    "many",
    "most",
    "much",
    "more",
    "less",
    "least",
    "only",
    "always",
    "sometimes",
    "often",
    "above",
    "below",
    "over",
    "under",
    "before",
    "after",
    "until",
    "since",
    "up",
    "down",
    "first",
    "last",
    "maximum",
    "minimum",
    "max",
    "min",
    "higher",
    "lower",
    "larger",
    "smaller",
    "greater",
    "must",
    "may",
    "might",
    "shall",
    "should",
    "can",
    "could",
    "would",
    "if",
    "or",
    "and",
    "but",
    "true",
    "false",
    "yes",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
    "hundred",
    "thousand",
    "million",
    "billion",
    "half",
    "double",
    "once",
    "twice",
    "zero",
];

const PREFIXES: &[&str] = &["un", "in", "im", "il", "ir", "dis", "non", "mis", "anti", "de", "a", "an"];

const TURNS: &[(&str, &str)] = &[
    ("in", "de"),
    ("in", "ex"),
    ("im", "ex"),
    ("en", "dis"),
    ("over", "under"),
    ("pre", "post"),
    ("up", "down"),
    ("hyper", "hypo"),
];

const LIGHT: &[&str] = &["the", "a", "an", "of", "that", "der", "die", "das", "le", "la", "les", "el", "los", "las"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_is_known() {
        for word in ["17", "%", "v17", "not", "don't", "seventeen", "only", "不"] {
            assert!(is_decisive(word), "{word}");
        }
        for word in ["owner", "the", "isn", "所", "snake_case"] {
            assert!(!is_decisive(word), "{word}");
        }
    }

    #[test]
    fn opposites_are_known() {
        for (a, b) in [("legal", "illegal"), ("increase", "decrease"), ("safe", "unsafe"), ("enable", "disable")] {
            assert!(are_opposites(a, b) && are_opposites(b, a), "{a} {b}");
        }
        for (a, b) in [("owner", "owners"), ("legal", "legal"), ("colour", "color")] {
            assert!(!are_opposites(a, b), "{a} {b}");
        }
    }
}
