//! Sentences of prose, of Markdown and of scripts without spaces, one test a kind of difficulty.
//! Cuts are shown with `--` between sentences.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn check(text: &str, expected: &Expect) {
    let quotes: Vec<&str> = sentences(text).into_iter().map(|range| &text[range]).collect();
    expected.assert_eq(&quotes.join("\n--\n"));
}

#[test]
fn plain_prose() {
    check(
        "It works. Does it? Yes! “Quoted.” (In brackets.) The rest",
        &expect![[r#"
            It works.
            --
            Does it?
            --
            Yes!
            --
            “Quoted.”
            --
            (In brackets.)
            --
            The rest"#]],
    );
}

#[test]
fn abbreviations_initials_and_numbers_do_not_end_one() {
    check(
        "Dr. J. R. Smith paid approx. $3.50, e.g. in the U.S. Senate, cf. Fig. 3 and No. 5. The bill of Acme Inc. was \
         0.5 % of it, etc. Then at 5 p.m. They left for St. Paul. See Roe v. Wade.",
        &expect![[r#"
            Dr. J. R. Smith paid approx. $3.50, e.g. in the U.S. Senate, cf. Fig. 3 and No. 5.
            --
            The bill of Acme Inc. was 0.5 % of it, etc.
            --
            Then at 5 p.m.
            --
            They left for St. Paul.
            --
            See Roe v. Wade."#]],
    );
}

#[test]
fn addresses_versions_and_code_do_not_end_one() {
    check(
        "See https://example.org/a.b?c=1. Version 1.2.3 is out... really. Call `a. B` first. Use `x.y()`. Node.js is fine.",
        &expect![[r#"
            See https://example.org/a.b?c=1.
            --
            Version 1.2.3 is out... really.
            --
            Call `a. B` first.
            --
            Use `x.y()`.
            --
            Node.js is fine."#]],
    );
}

#[test]
fn quotations_that_go_on_do_not_end_one() {
    check(
        "“Stop!” he cried. “Why?” She left.[1] Nobody spoke.[^note] End.",
        &expect![[r#"
            “Stop!” he cried.
            --
            “Why?”
            --
            She left.[1]
            --
            Nobody spoke.[^note]
            --
            End."#]],
    );
}

#[test]
fn other_european_languages() {
    check(
        "Das gilt z.B. Am 3. Oktober bzw. später. Es waren 5. Der Rest, d.h. Alles, blieb. ¿Qué pasa? ¡Nada! C’est fini. \
         Это работает. И это тоже.",
        &expect![[r#"
            Das gilt z.B. Am 3. Oktober bzw. später.
            --
            Es waren 5.
            --
            Der Rest, d.h. Alles, blieb.
            --
            ¿Qué pasa?
            --
            ¡Nada!
            --
            C’est fini.
            --
            Это работает.
            --
            И это тоже."#]],
    );
}

#[test]
fn scripts_without_spaces() {
    check(
        "所有权是规则。值被丢弃！「本当ですか。」と彼は言った。「はい。」「いいえ。」终",
        &expect![[r#"
            所有权是规则。
            --
            值被丢弃！
            --
            「本当ですか。」と彼は言った。
            --
            「はい。」
            --
            「いいえ。」终"#]],
    );
}

#[test]
fn text_without_capitals() {
    check(
        "as of december the company had $7 million, approx. a third. a deferred asset was kept. it expired",
        &expect![[r#"
            as of december the company had $7 million, approx. a third.
            --
            a deferred asset was kept.
            --
            it expired"#]],
    );
}

const MARKDOWN: &str = "\
### Ownership Rules ###

First, let’s look at the rules. Keep these rules in mind as we
work through the examples:

- Each value in Rust has an _owner_.
- There can only be one owner
  at a time. Always.
1. First step
2. [x] Second step

> Quoted text that
> goes on. Second.

Setext title
============

| a. B | c |
|------|---|
| d. E | f |

```rust
let x = 1. + 2.;

// A comment. Two.
```
<Listing number=\"4-1\">
It began in
1998. It ended.

[ch04]: ch04-01.html
";

#[test]
fn markdown_structure_bounds_them() {
    check(
        MARKDOWN,
        &expect![[r#"
            Ownership Rules
            --
            First, let’s look at the rules.
            --
            Keep these rules in mind as we
            work through the examples:
            --
            Each value in Rust has an _owner_.
            --
            There can only be one owner
              at a time.
            --
            Always.
            --
            First step
            --
            Second step
            --
            Quoted text that
            > goes on.
            --
            Second.
            --
            Setext title
            --
            | a. B | c |
            --
            | d. E | f |
            --
            let x = 1. + 2.;
            --
            // A comment. Two.
            --
            It began in
            1998.
            --
            It ended."#]],
    );
}

#[test]
fn kinds_are_told() {
    let kinds: Vec<SentenceKind> = classified(MARKDOWN).into_iter().map(|sentence| sentence.kind).collect();
    use SentenceKind::{Code, Heading, Item, Prose, Row};
    let expected = [
        Heading, Prose, Prose, Item, Item, Item, Item, Item, Prose, Prose, Heading, Row, Row, Code, Code, Prose, Prose,
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn a_passage_may_begin_inside_a_listing() {
    let text = "let x = 1;\n```\n\nProse again. More.";
    let kinds: Vec<SentenceKind> = classified(text).into_iter().map(|sentence| sentence.kind).collect();
    assert_eq!(kinds, [SentenceKind::Code, SentenceKind::Prose, SentenceKind::Prose]);
}

#[test]
fn comments_have_none() {
    check(
        "<!-- A note. -->\nText.\n<!--\nOld. Very old.\n-->\nMore.",
        &expect![[r#"
        Text.
        --
        More."#]],
    );
}

#[test]
fn nothing_has_none() {
    for text in ["", " \n\t\n", "```\n```", "---\n", "<br>\n"] {
        assert!(sentences(text).is_empty(), "{text:?}");
    }
}

#[test]
fn stray_backticks_stay_cheap() {
    let text = "`` ` ``` ".repeat(50_000);
    assert_eq!(sentences(&text).len(), 1);
}

proptest! {
    #[test]
    fn ranges_are_sound(text in "(?s)([a-zA-Z0-9 .!?。「」é`#>|*_\\-\\[\\]()\n]|.){0,200}") {
        let mut end = 0;
        for range in sentences(&text) {
            prop_assert!(end <= range.start && range.start < range.end);
            let sentence = &text[range.clone()];
            prop_assert_eq!(sentence, sentence.trim());
            prop_assert!(!sentence.is_empty());
            end = range.end;
        }
    }
}
