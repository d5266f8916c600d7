//! Tests of the analyser: snapshots of what it makes of texts, and what holds for every text. They stand apart as
//! they are as long as the analyser itself.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

use super::*;

/// Position, kind (`w`ord, `p`art, `s`topword, pair `2`, character `1`), term.
fn check(text: &str, language: Language, expected: &Expect) {
    let show = |term: Term| {
        let kind = match term.kind {
            TermKind::Word => 'w',
            TermKind::Part => 'p',
            TermKind::Stopword => 's',
            TermKind::Pair => '2',
            TermKind::Character => '1',
        };
        format!("{}{kind}:{}", term.position, term.term)
    };
    let terms: Vec<String> = Analyzer::new(language).terms(text).map(show).collect();
    expected.assert_eq(&terms.join(" "));
}

#[test]
fn prose_is_split_folded_and_stemmed() {
    check("What are the Ownership rules?", Language::English, &expect!["0s:what 1s:are 2s:the 3w:ownership 4w:rule"]);
    check("state-of-the-art naïve CAFÉS", Language::English, &expect!["0w:state 1s:of 2s:the 3w:art 4w:naiv 5w:cafe"]);
    check(
        "It isn’t the owner's, don't",
        Language::English,
        &expect!["0s:it 1s:isn 2s:t 3s:the 4w:owner 5s:s 6s:don 7s:t"],
    );
    check("Die Häuser der Straße", Language::German, &expect!["0w:die 1w:haus 2w:der 3w:strass"]);
    check("правила владения", Language::Russian, &expect!["0w:прав 1w:владен"]);
    check("zasady własności", Language::Other, &expect!["0w:zasady 1w:wlasnosci"]);
}

#[test]
fn identifiers_are_kept_whole_and_in_pieces() {
    check("getUserName", Language::English, &expect!["0w:getusernam 0p:get 1p:user 2p:name"]);
    check("get_user_name next", Language::English, &expect!["0w:getusernam 0p:get 1p:user 2p:name 3w:next"]);
    check("parse_HTTPHeader", Language::English, &expect!["0w:parsehttphead 0p:pars 1p:httpheader 1p:http 2p:header"]);
    check(
        "x86_64 utf8 H1N1 APIs",
        Language::English,
        &expect!["0w:x8664 0p:x86 0p:86 1p:64 2w:utf8 2p:utf 3w:h1n1 4w:api"],
    );
}

#[test]
fn scripts_without_spaces_become_pairs() {
    check("東京都 猫", Language::Other, &expect!["01:東 02:東京 11:京 12:京都 21:都 3w:猫"]);
    check("RustでWeb開発", Language::English, &expect!["0w:rust 1w:で 2w:web 31:開 32:開発 41:発"]);
    check("ｶﾞｽ 한국", Language::Other, &expect!["01:ガ 02:ガス 11:ス 21:한 22:한국 31:국"]);
    check("ที่นี่", Language::Other, &expect!["01:ที่ 02:ที่นี่ 11:นี่"]);
}

#[test]
fn ranges_lead_back_to_the_text() {
    let text = "Der getUserName—Aufruf";
    let words: Vec<&str> = Analyzer::new(Language::German).terms(text).map(|term| &text[term.range]).collect();
    assert_eq!(words, ["Der", "getUserName", "get", "User", "Name", "Aufruf"]);
}

#[test]
fn signs_that_fold_to_nothing_are_no_terms() {
    check("ﹰ ـ\u{64b} a", Language::Arabic, &expect!["0w:a"]);
}

#[test]
fn a_blob_is_one_short_term() {
    let blob = "aB3x".repeat(10_000);
    let terms: Vec<Term> = Analyzer::new(Language::English).terms(&blob).collect();
    assert_eq!(terms.len(), 1);
    assert_eq!(terms[0].term.chars().count(), TERM_CHARS_MAX);
}

fn any_text() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "getUserName",
        "_",
        "__",
        "東京都",
        "ガ",
        "ｶﾞ",
        "e\u{301}",
        "É",
        "ß",
        "İ",
        "'t",
        "’s",
        "don",
        "ﷺ",
        "½",
        "\u{ad}",
        "ที่",
        "한",
        "\u{1112}\u{1161}\u{11ab}",
        "हिन्दी",
        "العربية",
        "🦀",
        " ",
        "\u{0}",
        "9",
        "ǅ",
        "ﬁ",
        "ΟΔΟΣ",
    ]);
    prop_oneof![
        any::<String>(),
        prop::collection::vec(prop_oneof![pieces.prop_map(str::to_owned), "\\PC{0,3}"], 0..12)
            .prop_map(|pieces| pieces.concat()),
    ]
}

fn any_language() -> impl Strategy<Value = Language> {
    prop::sample::select(Language::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_text_gives_sound_terms(text in any_text(), language in any_language()) {
        let (mut start, mut position) = (0, 0);
        for term in Analyzer::new(language).terms(&text) {
            prop_assert!(!text[term.range.clone()].is_empty());
            prop_assert!(!term.term.is_empty() && !term.term.contains(char::is_whitespace), "{term:?}");
            prop_assert!(term.term.chars().count() <= 4 * TERM_CHARS_MAX);
            prop_assert!(term.range.start >= start, "{term:?} starts before the term before it");
            prop_assert!(term.position + 1 >= position, "{term:?} stands before the word before it");
            (start, position) = (term.range.start, term.position);
        }
    }

    #[test]
    fn composed_and_decomposed_texts_have_the_same_terms(text in any_text(), language in any_language()) {
        let terms = |text: String| -> Vec<(String, usize)> {
            Analyzer::new(language).terms(&text).map(|term| (term.term, term.position)).collect()
        };
        prop_assert_eq!(terms(text.nfc().collect()), terms(text.nfd().collect()));
    }

    #[test]
    fn languages_differ_in_stems_only(text in any_text(), language in any_language()) {
        let ranges = |language| Analyzer::new(language).terms(&text).map(|term| term.range).collect::<Vec<_>>();
        prop_assert_eq!(ranges(language), ranges(Language::English));
    }
}
