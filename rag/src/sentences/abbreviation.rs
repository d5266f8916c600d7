//! Words that end with a period of their own, and what may follow the period if it also ends a sentence.
//!
//! Where it cannot be told, sentences are joined rather than cut: a quotation that is too long is still true.

/// What must follow a word and its period for the period to end the sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// An ordinary word.
    Anything,
    /// The period is only the abbreviation's: `Dr.`
    Never,
    /// Ends it unless a number follows: `No. 5`.
    NoDigit,
    /// Ends it unless a month follows, as after German ordinals: `am 3. Oktober`.
    NoMonth,
    /// Ends it before a capital: `etc. Then`.
    Capital,
    /// Ends it only before a word that often opens a sentence: `Inc. The`.
    Starter,
}

const NEVER: &[&str] = &[
    "adm", "approx", "bspw", "bzw", "ca", "capt", "cf", "col", "d.h", "dr", "e.g", "eds", "evtl", "fig", "figs", "fr",
    "gen", "ggf", "gov", "hon", "i.d.r", "i.e", "lt", "m.e", "messrs", "mlle", "mme", "mr", "mrs", "ms", "mt", "o.ä",
    "p.ex", "p.ej", "prof", "rep", "resp", "rev", "sen", "sgt", "sog", "sr", "sra", "st", "u.a", "v", "v.a", "viz",
    "vgl", "vs", "z.b", "zzgl", "т.д", "т.е", "т.к",
];
const NO_DIGIT: &[&str] = &[
    "abb", "abs", "apr", "art", "aug", "bd", "chap", "ch", "dec", "eq", "eqs", "eqn", "feb", "jan", "jul", "jun",
    "kap", "mar", "n", "no", "nos", "nov", "nr", "oct", "p", "para", "pp", "sec", "sect", "sep", "sept", "tab", "vol",
    "vols", "рис", "стр",
];
const CAPITAL: &[&str] = &["a.m", "etc", "p.m", "usw", "usf", "ecc", "др"];
const STARTER: &[&str] = &[
    "al", "assn", "ave", "blvd", "bros", "co", "corp", "dept", "ed", "est", "gmbh", "inc", "jr", "llc", "ltd", "max",
    "min", "mio", "mrd", "ph.d", "plc", "rd", "univ",
];

// No abbreviation above is longer; what is longer need not be folded to be looked up.
const ABBREVIATION_BYTES_MAX: usize = 12;

/// Classifies the word before a period. The word comes without that period.
pub(super) fn follow(word: &str) -> Follow {
    if word.len() > ABBREVIATION_BYTES_MAX || word.is_empty() {
        return Follow::Anything;
    }
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        return if word.len() <= 2 { Follow::NoMonth } else { Follow::Anything };
    }
    let folded = word.to_lowercase();
    let listed = |list: &[&str]| list.contains(&folded.as_str());
    if listed(NEVER) {
        Follow::Never
    } else if listed(CAPITAL) {
        Follow::Capital
    } else if listed(NO_DIGIT) && !is_initial(word) {
        Follow::NoDigit
    } else if listed(STARTER) || is_initial(word) || is_acronym(word) {
        Follow::Starter
    } else {
        Follow::Anything
    }
}

/// `J` of `J. R. Smith`.
fn is_initial(word: &str) -> bool {
    let mut chars = word.chars();
    matches!((chars.next(), chars.next()), (Some(first), None) if first.is_uppercase())
}

/// `U.S` or `J.R`: single letters with periods between them.
fn is_acronym(word: &str) -> bool {
    word.contains('.') && word.split('.').all(|part| part.chars().count() == 1 && part.chars().all(char::is_alphabetic))
}

const MONTHS: &[&str] = &[
    "Januar",
    "Jänner",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
    "Jahrhundert",
    "Jh",
];

/// Tells whether a word is a German month, or another word that follows an ordinal.
pub(super) fn is_month(word: &str) -> bool {
    MONTHS.contains(&word)
}

const STARTERS: &[&str] = &[
    "A",
    "After",
    "All",
    "Also",
    "Although",
    "An",
    "And",
    "Another",
    "Any",
    "As",
    "At",
    "Because",
    "Before",
    "Both",
    "But",
    "By",
    "During",
    "Each",
    "Either",
    "Even",
    "Every",
    "Finally",
    "First",
    "For",
    "From",
    "Furthermore",
    "He",
    "Her",
    "Here",
    "His",
    "How",
    "However",
    "If",
    "In",
    "Instead",
    "Is",
    "It",
    "Its",
    "Many",
    "Meanwhile",
    "Moreover",
    "Most",
    "Much",
    "My",
    "Neither",
    "Next",
    "No",
    "Not",
    "Nothing",
    "Now",
    "Of",
    "On",
    "Once",
    "One",
    "Only",
    "Or",
    "Other",
    "Our",
    "Over",
    "Perhaps",
    "She",
    "Similarly",
    "Since",
    "So",
    "Some",
    "Still",
    "Such",
    "That",
    "The",
    "Their",
    "Then",
    "There",
    "Therefore",
    "These",
    "They",
    "This",
    "Those",
    "Though",
    "Thus",
    "To",
    "Today",
    "Under",
    "Unless",
    "Until",
    "We",
    "What",
    "When",
    "Where",
    "Which",
    "While",
    "Who",
    "Why",
    "With",
    "Without",
    "Yes",
    "Yet",
    "You",
    "Your",
    "Aber",
    "Auch",
    "Bei",
    "Da",
    "Das",
    "Dem",
    "Den",
    "Der",
    "Die",
    "Dies",
    "Diese",
    "Dieser",
    "Ein",
    "Eine",
    "Er",
    "Es",
    "Für",
    "Ich",
    "Ihr",
    "Im",
    "Man",
    "Mit",
    "Nach",
    "Sie",
    "Und",
    "Von",
    "Wenn",
    "Wir",
    "Zu",
    "Cela",
    "Ce",
    "Ces",
    "Cette",
    "Dans",
    "Elle",
    "En",
    "Et",
    "Il",
    "Ils",
    "Je",
    "La",
    "Le",
    "Les",
    "Mais",
    "Nous",
    "Pour",
    "Un",
    "Une",
    "Vous",
    "El",
    "Ella",
    "Esta",
    "Este",
    "Los",
    "Las",
    "Pero",
    "Por",
    "Se",
    "Si",
    "Una",
    "Y",
];

/// Tells whether a word often opens a sentence.
pub(super) fn is_starter(word: &str) -> bool {
    STARTERS.contains(&word)
}
