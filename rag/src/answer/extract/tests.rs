//! Extraction over a small library of passages: lists, definitions, single sentences, and abstention.
//! The terms are stemmed here by a small analyser, since the index brings its own.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

const STOP_WORDS: &[&str] = &[
    "the", "a", "an", "is", "are", "was", "what", "how", "who", "when", "do", "does", "of", "in", "on", "to", "and",
    "for", "it", "can", "be", "at", "by", "i", "my", "has", "there", "will", "this", "that", "with", "which", "let",
];

fn terms_of(text: &str) -> Vec<String> {
    let stemmer = rust_stemmers::Stemmer::create(rust_stemmers::Algorithm::English);
    let folded = text.to_lowercase();
    let words =
        folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty() && !STOP_WORDS.contains(word));
    words.map(|word| stemmer.stem(word).into_owned()).collect()
}

const RULES: &str = "\
### Ownership Rules

First, let’s take a look at the ownership rules. Keep these rules in mind as we
work through the examples that illustrate them:

- Each value in Rust has an _owner_.
- There can only be one owner at a time.
- When the owner goes out of scope, the value will be dropped.
";
const INTRO: &str = "\
## What Is Ownership?

_Ownership_ is a set of rules that govern how a Rust program manages memory.
All programs have to manage the way they use a computer’s memory while running.
";
const REFUNDS: &str = "\
Customers may ask for a refund within 30 days of delivery. The fee is kept. Was it a gift? Then the giver is paid.
";
const HELLO: &str = "Let us print `Hello, world!` once more. The `1` is a number.";

fn passages(texts: &[(&'static str, &[&str])]) -> Vec<Passage<'static>> {
    let mut score = 1.0;
    let mut passages = Vec::new();
    for (text, headings) in texts {
        let headings: Vec<String> = headings.iter().map(|&heading| heading.to_owned()).collect();
        passages.push(Passage { text, format: Format::Markdown, headings: headings.leak(), score });
        score *= 0.9;
    }
    passages
}

fn library() -> Vec<Passage<'static>> {
    passages(&[
        (INTRO, &["Understanding Ownership", "What Is Ownership?"]),
        (RULES, &["Understanding Ownership", "What Is Ownership?", "Ownership Rules"]),
        (REFUNDS, &["Terms", "Refunds"]),
        (HELLO, &["Hello, World!"]),
        (REFUNDS, &["Old terms"]),
    ])
}

fn check(question: &str, expected: &Expect) {
    let passages = library();
    let shown = match Draft::new(question, &passages, &terms_of).extract() {
        Extraction::Found { groups, left_out, .. } => {
            let quotes = groups.iter().flat_map(|group| group.quotes.iter().map(|quote| (group.passage, quote)));
            let lines =
                quotes.map(|(index, quote)| format!("[{index}] {}\n", &passages[index].text[quote.range.clone()]));
            format!("{}{left_out} left out\n", lines.collect::<String>())
        }
        Extraction::Abstained { reason: Reason::Unsupported { missing, .. }, nearest } => {
            format!(
                "nothing; missing {missing:?}, nearest {:?}\n",
                nearest.iter().map(|near| near.0).collect::<Vec<_>>()
            )
        }
        Extraction::Abstained { reason, nearest } => format!("{reason:?}, nearest {nearest:?}\n"),
    };
    expected.assert_eq(&shown);
}

#[test]
fn a_list_under_the_heading_asked_for_is_the_answer() {
    check(
        "what are the ownership rules?",
        &expect![[r#"
            [1] Each value in Rust has an _owner_.
            [1] There can only be one owner at a time.
            [1] When the owner goes out of scope, the value will be dropped.
            0 left out
        "#]],
    );
    check(
        "rules of ownership",
        &expect![[r#"
            [1] Each value in Rust has an _owner_.
            [1] There can only be one owner at a time.
            [1] When the owner goes out of scope, the value will be dropped.
            0 left out
        "#]],
    );
}

#[test]
fn a_definition_answers_what_something_is() {
    check(
        "What is ownership?",
        &expect![[r#"
            [0] _Ownership_ is a set of rules that govern how a Rust program manages memory.
            0 left out
        "#]],
    );
}

#[test]
fn one_sentence_answers_and_its_repetition_is_left_out() {
    check(
        "Within how many days of delivery may customers ask for a refund?",
        &expect![[r#"
        [2] Customers may ask for a refund within 30 days of delivery.
        0 left out
    "#]],
    );
}

#[test]
fn what_is_not_said_is_not_answered() {
    check(
        "who won the 1998 world cup?",
        &expect![[r#"
        nothing; missing ["won", "1998", "cup"], nearest [3, 0, 1]
    "#]],
    );
    check(
        "what is it?",
        &expect![[r#"
            NoTerms, nearest [(0, 0.009013301), (1, 0.008577486), (2, 0.00820315)]
        "#]],
    );
}

/// Code, questions and comments of another kind are not quoted, but they are in the passage.
#[test]
fn what_stands_where_nothing_can_be_quoted_is_not_missing() {
    let text = "Some words on parsing.\n\n```\nlet frobnicator = 1;\n```\n\nWhat of the gizmo?\n";
    let passages = [Passage { text, format: Format::Markdown, headings: &["Widgets".to_owned()], score: 1.0 }];
    let found = Draft::new("Who won the frobnicator, gizmo and widgets cup in 1998?", &passages, &terms_of).extract();
    let Extraction::Abstained { reason: Reason::Unsupported { missing, .. }, .. } = found else { panic!("{found:?}") };
    assert_eq!(missing, ["won", "cup", "1998"]);
}

#[test]
fn closeness_stands_in_for_words() {
    let passages = library();
    let mut draft = Draft::new("Can I get my money back?", &passages, &terms_of);
    assert!(matches!(draft.extract(), Extraction::Abstained { .. }));
    let all = draft.shortlist(usize::MAX);
    let (sentence, _) = *all.iter().find(|(_, text)| text.starts_with("Customers")).unwrap();
    draft.set_closeness(sentence, 1.0);
    let before = draft.quotes().map(|(_, quote)| quote.support).fold(0.0, f32::max);
    draft.set_closeness(sentence, -1.0);
    let after = draft.quotes().map(|(_, quote)| quote.support).fold(0.0, f32::max);
    assert!(before > after, "{before} {after}");
}

#[test]
fn nothing_to_read_is_said_so() {
    let extraction = Draft::new("what are the ownership rules?", &[], &terms_of).extract();
    assert_eq!(extraction, Extraction::Abstained { reason: Reason::NoSentences, nearest: vec![] });
}

#[test]
fn long_lists_are_cut_and_said_so() {
    let text = "Supported formats:\n\n- pdf\n- docx\n- html\n- csv\n- json\n- text\n- code\n";
    let passages =
        [Passage { text, format: Format::Markdown, headings: &["Supported formats".to_owned()], score: 1.0 }];
    let Extraction::Found { groups, left_out, .. } = Draft::new("supported formats", &passages, &terms_of).extract()
    else {
        panic!("the list answers");
    };
    assert_eq!((groups[0].quotes.len(), left_out), (5, 2));
    assert_eq!(&text[groups[0].quotes[0].range.clone()], "pdf");
}

proptest! {
    #[test]
    fn quotes_are_sound(question in ".{0,60}", text in "(?s)(- |# |rule|owner|[a-z .:?\n]|.){0,120}", score in -1.0f32..2.0) {
        let headings = ["Rules".to_owned()];
        let passages = [Passage { text: &text, format: Format::Markdown, headings: &headings, score }, Passage { text: &text, format: Format::Markdown, headings: &[], score }];
        let mut draft = Draft::new(&question, &passages, &terms_of);
        let listed: Vec<usize> = draft.shortlist(3).into_iter().map(|(index, _)| index).collect();
        for index in listed {
            draft.set_closeness(index, 0.9);
        }
        if let Extraction::Found { groups, support, .. } = draft.extract() {
            prop_assert!((SUPPORT_MIN..=1.0).contains(&support));
            let quotes: Vec<&Quote> = groups.iter().flat_map(|group| &group.quotes).collect();
            prop_assert!((1..=QUOTES_MAX).contains(&quotes.len()));
            for quote in quotes {
                prop_assert!(!text[quote.range.clone()].trim().is_empty());
            }
        }
    }
}
