//! `search`, `ask` and `show` over the sample library.

use std::io::Write as _;
use std::process::Stdio;

use snapbox::str;

use crate::place::{Place, check, copy, library};

#[test]
fn passages_are_shown_with_their_place() {
    let place = Place::sample();
    check(&place, r#"search "cargo bike deposit" -n 1"#, str![]);
    check(&place, r#"search "boiler years old" --type pdf -n 1"#, str![]);
    check(&place, "search xyzzyqux --mode words", str![]);
}

#[test]
fn scripts_get_json() {
    let place = Place::sample();
    let found = place.json("search deposit -n 2 --json");
    assert_eq!(found["schema"], 1);
    assert_eq!(found["hits"].as_array().unwrap().len(), 2);
    assert_eq!(found["hits"][0]["path"], "library/bike-library.md");
    let lines = place.ok("search deposit -n 2 --jsonl").stdout;
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["place"], found["hits"][0]["place"]);
    let nothing = place.run("search xyzzyqux --mode words --json");
    assert_eq!(nothing.code, 3);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&nothing.stdout).unwrap()["hits"], serde_json::json!([]));
}

#[test]
fn scores_are_explained() {
    let place = Place::sample();
    let explained = place.ok("search deposit --explain -n 1").stdout;
    assert!(explained.contains("words: rank 1 score") && explained.contains("words: deposit "), "{explained}");
    check(&place, "search deposit --why library/bike-library.md", str![]);
    check(&place, "search deposit --why library/bike-library.md --type pdf", str![]);
    check(&place, "search deposit --why nope.md", str![]);
}

#[test]
fn the_reason_why_a_file_is_missing_is_kept() {
    let place = Place::with_brain();
    place.write("docs/good.md", "# Good\n");
    place.write("docs/plan.svg", "<svg/>");
    place.write("docs/torn.pdf", "%PDF-1.7\nnot much more");
    assert_eq!(place.run("ingest docs").code, 5);
    check(&place, "search good --why docs/plan.svg", str![]);
    check(&place, "search good --why docs/torn.pdf", str![]);
}

#[test]
fn filters_leave_out_what_does_not_pass() {
    let place = Place::sample();
    let paths = |line: &str| {
        let found = place.ok(&format!("search {line} --json"));
        let found: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
        let paths = found["hits"].as_array().unwrap().iter().map(|hit| hit["path"].as_str().unwrap().to_owned());
        paths.collect::<Vec<String>>()
    };
    let all_of = |line: &str, passes: &dyn Fn(&str) -> bool| {
        let paths = paths(line);
        assert!(!paths.is_empty() && paths.iter().all(|path| passes(path)), "`{line}` finds {paths:?}");
    };
    all_of("members --type text", &|path| path.ends_with(".txt"));
    all_of("members --path library/meeting-notes", &|path| path.starts_with("library/meeting-notes/"));
    all_of("members --path *.md", &|path| path.ends_with(".md"));
    all_of("members --tag basics", &|path| path == "library/handbook.md");
    all_of("bicycle --since 2026-03-01 --type markdown", &|path| path == "library/bike-library.md");
    all_of("bicycle --until 2026-02-15 --type markdown", &|path| path != "library/bike-library.md");
    check(&place, "search deposit --tag nonono", str![]);
}

#[test]
fn what_cannot_be_asked_is_said() {
    let place = Place::sample();
    check(&place, "search deposit --type foo", str![]);
    check(&place, "search deposit --since yesterday", str![]);
    check(&place, "search deposit --path [", str![]);
    check(&place, "search deposit --mode foo", str![]);
    check(&place, "search deposit -n 0", str![]);
    check(&place, "search deposit -n 1001", str![]);
    check(&place, "search deposit -n 99999999999999999999999", str![]);
    check(&place, "search", str![]);
    check(&place, r#"search " ""#, str![]);
    assert_eq!(place.ok("search bicycle -n 1000 -q").stdout.matches("\n[").count() + 1, 43);
}

#[test]
fn an_empty_brain_says_how_to_fill_it() {
    let place = Place::empty();
    check(&place, "search tea", str![]);
    check(&place, "ask tea", str![]);
    place.ok("init");
    check(&place, "search tea", str![]);
    check(&place, "ask tea", str![]);
    check(&place, "ls", str![]);
}

#[test]
fn an_answer_cites_its_sources() {
    let place = Place::sample();
    check(&place, r#"ask "how much is the deposit for a cargo bike?""#, str![]);
    check(&place, "show 1 -C 1", str![]);
    check(&place, "show 2", str![]);
    let answer = place.json(r#"ask "how much is the deposit for a cargo bike?" --json"#);
    assert_eq!(answer["citations"][0]["path"], "library/bike-library.md");
    assert_eq!(answer["citations"][0]["standing"], "verified");
    assert_eq!(answer["abstained"], serde_json::Value::Null);
}

#[test]
fn no_answer_is_better_than_a_wrong_one() {
    let place = Place::sample();
    let run = place.run(r#"ask "who won the 1998 world cup?""#);
    assert_eq!((run.code, run.stdout.as_str()), (3, "Your documents do not answer this.\n"));
    assert!(run.stderr.contains("Closest passages (not an answer):\n  library/"), "{}", run.stderr);
    let run = place.run(r#"ask "who won the 1998 world cup?" --json"#);
    let answer: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, &answer["citations"]), (3, &serde_json::json!([])));
    assert!(answer["abstained"].is_string());
}

#[test]
fn a_question_comes_by_standard_input_too() {
    let place = Place::sample();
    let asked = |words: &[&str], question: &[u8]| {
        let mut command = place.command();
        command.arg("ask").args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(question).unwrap();
        place.read(child.wait_with_output().unwrap())
    };
    for words in [&["-"][..], &[]] {
        let run = asked(words, b"how much is the deposit for a cargo bike?\n");
        assert!(run.code == 0 && run.stdout.contains("100 euros"), "{}", run.transcript());
    }
    snapbox::assert_data_eq!(asked(&["-"], b" \n").transcript(), str![]);
    snapbox::assert_data_eq!(asked(&["-"], b"\xff\xff").transcript(), str![]);
}

#[test]
fn a_folder_is_asked_without_set_up() {
    let place = Place::empty();
    copy(&library(), &place.path("library"));
    let line = r#"ask --in library "how much is the deposit for a cargo bike?""#;
    check(&place, line, str![]);
    check(&place, line, str![]);
    assert!(!place.path("library/.lorewell").exists(), "the folder itself is left alone");
    check(&place, "ask --in nope x", str![]);
    check(&place, "ask --in library/handbook.md x", str![]);
}

#[test]
fn sources_are_shown_with_line_numbers() {
    let place = Place::sample();
    check(&place, "show library/handbook.md:3 -C 1", str![]);
    check(&place, "show library/handbook.md:2-4 -C 0 --json", str![]);
    check(&place, "show library/handbook.md:bad", str![]);
    check(&place, "show library/handbook.md:99999", str![]);
    check(&place, "show library/nope.md", str![]);
    check(&place, "show 1", str![]);
    check(&place, "show --open library/handbook.md", str![]);
    let from_below = place.finish(place.command().args(["show", "handbook.md:1", "-C", "0"]).current_dir(place.path("library")));
    assert!(from_below.stdout.contains("     1 ---"), "{}", from_below.transcript());
}

#[test]
fn a_source_opens_in_the_editor_at_its_line() {
    let place = Place::sample();
    let run = place.finish(place.command().env("EDITOR", "echo -n").args(["show", "library/handbook.md:3", "--open"]));
    assert_eq!((run.code, run.stdout.as_str()), (0, "+3 [PROJECT]/library/handbook.md"));
    let run = place.finish(place.command().env("EDITOR", "false").args(["show", "library/handbook.md", "--open"]));
    snapbox::assert_data_eq!(run.transcript(), str![]);
}
