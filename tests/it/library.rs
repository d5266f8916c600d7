//! The sample library and the questions that come with it: every quote stands in its file, or what is measured with
//! these questions would be measured against nothing.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Questions of each kind in each half that a measured threshold should rest on.
const QUESTIONS_MIN: usize = 15;

#[test]
fn questions_about_the_sample_library_are_sound() {
    check("library-questions.jsonl", &examples().join("library"));
}

#[test]
fn questions_about_the_rust_book_are_sound() {
    let Some(data) = std::env::var_os("LOREWELL_DATA") else {
        eprintln!("skipped: `LOREWELL_DATA` does not name a folder that holds `rust-book`");
        return;
    };
    check("rust-book-questions.jsonl", &Path::new(&data).join("rust-book/src"));
}

#[test]
fn a_quote_is_found_across_line_ends_and_an_invented_one_is_not() {
    assert!(stands_in("a b\nc", "one a\n  b c two"));
    assert!(!stands_in("a b c", "a b d c"));
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

#[track_caller]
fn check(questions: &str, folder: &Path) {
    let questions = fs::read_to_string(examples().join(questions)).unwrap();
    let questions: Vec<Value> = questions.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for question in &questions {
        match question["answerable"].as_bool().expect("`answerable` is true or false") {
            true => check_quote(question, folder),
            false => assert!(matches!(question["topic"].as_str(), Some("near" | "off")), "{question}"),
        }
    }
    for split in ["dev", "test"] {
        for answerable in [true, false] {
            let half = questions.iter().filter(|one| one["split"] == split && one["answerable"] == answerable).count();
            assert!(half >= QUESTIONS_MIN, "{half} questions in `{split}` with `answerable` {answerable}");
        }
    }
    let mut texts: Vec<&str> = questions.iter().map(|one| one["question"].as_str().expect("a question")).collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), questions.len(), "a question is asked twice");
}

/// Formats whose text is not simply their bytes are for the loaders' own tests; here only their file must exist.
#[track_caller]
fn check_quote(question: &Value, folder: &Path) {
    let path = folder.join(question["file"].as_str().expect("an answerable question names its file"));
    let quote = question["quote"].as_str().expect("an answerable question has a quote");
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let is_wrapped =
        path.extension().is_some_and(|ending| ["pdf", "docx", "html"].iter().any(|other| ending == *other));
    if !is_wrapped {
        let text = String::from_utf8(bytes).unwrap();
        assert!(stands_in(quote, &text), "`{quote}` does not stand in {}", path.display());
    }
}

/// Compares word by word: a quote may run over a line end.
fn stands_in(quote: &str, text: &str) -> bool {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    words(text).contains(&words(quote))
}
