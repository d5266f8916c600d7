//! Quotations that must pass, and the ones that must not: a changed number, a dropped negation, an exchanged word.
//! The adversarial half is the point of the module.

use proptest::prelude::*;

use super::*;

const SOURCE: &str = "\
# Refunds

Customers may return goods within 17 days of delivery, at their _own_ cost. \
It is not allowed to return opened software. See [the terms](terms.md#refunds) for “special cases”—there are many.

The committee of the northern region increased the fee to 2.5 % in the spring of 1998, and the organi-
zation agreed to it after a long debate about colour and taste.
";

/// Checks a quotation expected at a passage, and what of the source is shown for it.
fn check_at(passage: &str, quote: &str, expected: &str) {
    let start = SOURCE.find(passage).expect("the passage is in the source");
    let shown = match check(quote, SOURCE, start..start + passage.len()) {
        Verdict::Verified { range } => format!("verified: {}", &SOURCE[range]),
        Verdict::Moved { range } => format!("moved: {}", &SOURCE[range]),
        Verdict::Unsupported => "unsupported".to_owned(),
    };
    assert_eq!(shown, expected, "{quote:?}");
}

const FIRST: &str = "Customers may return goods within 17 days of delivery, at their _own_ cost.";
const SECOND: &str = "It is not allowed to return opened software.";

#[test]
fn exact_slices_are_verified() {
    check_at(FIRST, FIRST, &format!("verified: {FIRST}"));
    check_at(SECOND, "  It is not allowed to return opened software.\n", &format!("verified: {SECOND}"));
    check_at("—", "—", "verified: —");
}

#[test]
fn markup_typography_and_line_breaks_do_not_matter() {
    check_at(
        FIRST,
        "goods within 17 days of delivery, at their own cost.",
        "verified: goods within 17 days of delivery, at their _own_ cost.",
    );
    check_at(
        "See",
        "See the terms for \"special cases\" - there are many.",
        "verified: See [the terms](terms.md#refunds) for “special cases”—there are many.",
    );
    check_at("increased", "2.5\u{a0}% in the\nspring of 1998", "verified: 2.5 % in the spring of 1998");
    check_at(FIRST, "their **own** cost", "verified: their _own_ cost");
}

#[test]
fn what_stands_elsewhere_has_moved() {
    let far = format!("{}{SOURCE}", "Nothing of interest here. ".repeat(40));
    let verdict = check(SECOND, &far, 0..25);
    let Verdict::Moved { range } = verdict else { panic!("{verdict:?}") };
    assert_eq!(&far[range], SECOND);
    // A small shift is the same place after an edit.
    assert!(matches!(check(SECOND, SOURCE, 0..9), Verdict::Verified { .. }));
}

#[test]
fn small_harmless_differences_pass() {
    check_at(
        "The committee",
        "the organization agreed to it after a long debate about color and taste",
        "verified: the organi-\nzation agreed to it after a long debate about colour and taste",
    );
    check_at(
        FIRST,
        "Customers may return goods within 17 days of delivry, at own cost.",
        &format!("verified: {FIRST}"),
    );
    check_at(
        FIRST,
        "Customers may return the goods within 17 days of delivery",
        "verified: Customers may return goods within 17 days of delivery",
    );
}

#[test]
fn changed_meaning_does_not() {
    for quote in [
        "Customers may return goods within 71 days of delivery, at their own cost.",
        "Customers may return goods within 7 days of delivery, at their own cost.",
        "Customers may return goods within seventeen days of delivery, at their own cost.",
        "Customers must return goods within 17 days of delivery, at their own cost.",
        "Customers may never return goods within 17 days of delivery, at their own cost.",
        "It is allowed to return opened software.",
        "allowed to return opened software",
        "allowed to return opend software.",
        "It is not allowed to return unopened software.",
        "The committee of the northern region decreased the fee to 2.5 % in the spring of 1998",
        "The committee of the southern region increased the fee to 2.5 % in the spring of 1998",
        "The committee of the northern region increased the fee to 25 % in the spring of 1998",
        "The committee of the northern region increased the fee to 2.5 € in the spring of 1998",
        "5 % in the spring of 1998",
        "The whole committee of the northern region increased the fee to 2.5 % in the spring of 1998",
        "of 1998, and the organi",
        "own cost in Paris",
        "See the terms for special cases, there are many.",
    ] {
        check_at(
            FIRST,
            quote,
            if quote == "of 1998, and the organi" { "verified: of 1998, and the organi" } else { "unsupported" },
        );
    }
}

#[test]
fn another_operator_is_another_claim() {
    for (source, other) in [
        ("The total is price * count and no more.", "The total is price / count and no more."),
        ("The total is price + count and no more.", "The total is price - count and no more."),
        ("The total is price - count and no more.", "The total is price count and no more."),
        ("The area grows with 2 ^ n over time.", "The area grows with 2 n over time."),
        ("It holds for a < b in all cases.", "It holds for a > b in all cases."),
        ("It holds for a = b in all cases.", "It holds for a b in all cases."),
        ("The result of 3*4 is what we want.", "The result of 3/4 is what we want."),
    ] {
        assert_eq!(check(other, source, 0..source.len()), Verdict::Unsupported, "{other}");
        assert!(matches!(check(source, source, 0..source.len()), Verdict::Verified { .. }));
    }
    // The same in another typography.
    let source = "The **total** is price – count,\nand no more.";
    let verdict = check("The total is price - count, and no more.", source, 0..source.len());
    assert_eq!(verdict, Verdict::Verified { range: 0..source.len() });
}

#[test]
fn another_name_is_another_claim() {
    for (name, other) in [("Johnson", "Johnston"), ("Hansen", "Hanssen"), ("", "Maria"), ("Maria", "")] {
        let source = format!("The contract was signed by Anna {name} in the office on the first floor.");
        let quote = source.replace(&format!("Anna {name}"), &format!("Anna {other}"));
        assert_eq!(check(&quote, &source, 0..source.len()), Verdict::Unsupported, "{quote}");
    }
}

#[test]
fn nothing_is_never_a_quotation() {
    for quote in ["", "  \n", "...", "“”", "**"] {
        assert_eq!(check(quote, SOURCE, 0..SOURCE.len()), Verdict::Unsupported, "{quote:?}");
    }
    assert_eq!(check("anything", "", 0..0), Verdict::Unsupported);
}

#[test]
fn places_outside_the_source_are_no_fault() {
    for expected in [9_000..9_010, Range { start: 5, end: 3 }, 0..usize::MAX / 2] {
        assert!(matches!(
            check("17 days of delivery", SOURCE, expected),
            Verdict::Verified { .. } | Verdict::Moved { .. }
        ));
    }
    // `é` is two bytes; the range points into it.
    assert!(matches!(check("been here", "é been here", 1..12), Verdict::Verified { .. }));
}

#[test]
fn the_nearest_of_equal_passages_is_taken() {
    let source = "Alpha beta gamma.\n\nAlpha beta gamma.\n";
    assert_eq!(check("alpha beta gamma.", source, 19..36), Verdict::Verified { range: 19..36 });
}

#[test]
fn cost_stays_linear_in_large_sources() {
    // Every window nearly fits: the worst case of the search.
    let near_miss = "customers may return goods within 18 days of delivery at their cost and ".repeat(20_000);
    assert_eq!(check(FIRST, &near_miss, 0..100), Verdict::Unsupported);
    let unbroken = "x".repeat(1_000_000);
    assert_eq!(check(FIRST, &unbroken, 500_000..500_100), Verdict::Unsupported);
    let signs = ">".repeat(300_000) + &"](".repeat(100_000) + &"[^".repeat(100_000);
    assert_eq!(check(FIRST, &signs, 0..100), Verdict::Unsupported);
}

proptest! {
    #[test]
    fn every_sentence_of_a_source_is_verified_where_it_stands(source in "(?s)([a-zé所]{1,8}|[ .,\n!?*_`0-9-]){1,60}") {
        for range in crate::sentences::sentences(&source) {
            prop_assert_eq!(check(&source[range.clone()], &source, range.clone()), Verdict::Verified { range });
        }
    }

    #[test]
    fn a_changed_number_is_never_supported(number in 10u32..99_999, other in 10u32..99_999, filler in "[a-z ]{20,60}") {
        prop_assume!(number != other);
        let source = format!("{filler}. The machine made exactly {number} parts during the whole night shift. {filler}");
        let quote = format!("The machine made exactly {other} parts during the whole night shift.");
        prop_assert_eq!(check(&quote, &source, 0..source.len()), Verdict::Unsupported);
    }

    #[test]
    fn ranges_are_sound(quote in "(?s).{0,40}", source in "(?s).{0,200}", start in 0usize..220, length in 0usize..220) {
        match check(&quote, &source, start..start + length) {
            Verdict::Verified { range } | Verdict::Moved { range } => prop_assert!(source.get(range).is_some()),
            Verdict::Unsupported => {}
        }
    }
}
