//! `search`, `ask` and `show` over the sample library.

use snapbox::str;

use crate::place::{Place, check, copy, library};

#[test]
fn passages_are_shown_with_their_place() {
    let place = Place::sample();
    check(
        &place,
        r#"search "cargo bike deposit" -n 1"#,
        str![[r#"
[1] library/bike-library.md:19-25  The bike library > How it works
    ## How it works
    Borrowing is free for members; everyone else pays 12 euros a day for a cargo bike and 4 euros for anything else. The
    deposit is 100 euros for a cargo bike and 20 euros for a children's bike. You can keep a cargo bike for three days and
    a children's bike for six months.
    Book by e-mail at least one day ahead. Pick-up is during opening hours only, and we need to see an identity card.
exit 0

"#]],
    );
    check(
        &place,
        r#"search "boiler years old" --type pdf -n 1"#,
        str![[r#"
[1] library/annual-report.pdf p.3  5 Outlook
    5 Outlook
    The boiler is 27 years old and will be replaced in May 2026. The landlord pays for the boiler, and we pay for two new radiators, about 1,300 euros.
    Rent rises by 60 euros a month from July 2026. The lease runs until the end of 2029.
    We want to win twelve new shift leads. From spring on, everyone who leads ten shifts may take part in a repair course of their choice for nothing.
    Risks
    One supplier, Radwerk Nord, delivers 61 percent of our parts. A second one is sought for tyres and chains. The cellar holds more donated bicycles than the fire inspector allows, and this must be put right before the inspection in June 2026.
    … 2 more lines
exit 0

"#]],
    );
    check(
        &place,
        "search xyzzyqux --mode words",
        str![[r#"
2> Nothing found.
exit 3

"#]],
    );
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
    check(
        &place,
        "search deposit --why library/bike-library.md",
        str![[r#"
library/bike-library.md is indexed (3 passages).
Its best passage ranks 1 of 47 for this query.
  by words: rank 1    by meaning: rank 5
  words found: deposit    words missing: none
exit 0

"#]],
    );
    check(
        &place,
        "search deposit --why library/bike-library.md --type pdf",
        str![[r#"
library/bike-library.md is indexed (3 passages).
A filter of this search leaves it out.
exit 3

"#]],
    );
    check(
        &place,
        "search deposit --why nope.md",
        str![[r#"
2> error: `nope.md` was never ingested; run `lorewell ingest` on it or on its folder
exit 1

"#]],
    );
}

#[test]
fn the_reason_why_a_file_is_missing_is_kept() {
    let place = Place::with_brain();
    place.write("docs/good.md", "# Good\n");
    place.write("docs/plan.svg", "<svg/>");
    place.write("docs/torn.pdf", "%PDF-1.7\nnot much more");
    assert_eq!(place.run("ingest docs").code, 5);
    check(
        &place,
        "search good --why docs/plan.svg",
        str![[r#"
docs/plan.svg was skipped: unknown type `.svg`.
exit 3

"#]],
    );
    check(
        &place,
        "search good --why docs/torn.pdf",
        str![[r#"
docs/torn.pdf could not be read: it is not a PDF document or is damaged (its cross-references lead nowhere); open and save it again.
exit 3

"#]],
    );
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
    check(
        &place,
        "search deposit --tag nonono",
        str![[r#"
2> Nothing found.
exit 3

"#]],
    );
}

#[test]
fn what_cannot_be_asked_is_said() {
    let place = Place::sample();
    check(
        &place,
        "search deposit --type foo",
        str![[r#"
2> error: invalid value 'foo' for '--type <FORMAT>': there are text, markdown, html, pdf, docx, code, json, jsonl, csv
2> 
2> For more information, try '--help'.
exit 2

"#]],
    );
    check(
        &place,
        "search deposit --since yesterday",
        str![[r#"
2> error: invalid value 'yesterday' for '--since <DATE>': give a day like 2026-01-31
2> 
2> For more information, try '--help'.
exit 2

"#]],
    );
    check(
        &place,
        "search deposit --path [",
        str![[r#"
2> error: the path filter `[` is no glob: unclosed character class; missing ']'
exit 1

"#]],
    );
    check(
        &place,
        "search deposit --mode foo",
        str![[r#"
2> error: invalid value 'foo' for '--mode <MODE>'
2>   [possible values: hybrid, words, meaning]
2> 
2> For more information, try '--help'.
exit 2

"#]],
    );
    check(
        &place,
        "search deposit -n 0",
        str![[r#"
2> error: invalid value '0' for '--limit <COUNT>': give a number from 1 to 1000
2> 
2> For more information, try '--help'.
exit 2

"#]],
    );
    check(
        &place,
        "search deposit -n 1001",
        str![[r#"
2> error: invalid value '1001' for '--limit <COUNT>': give a number from 1 to 1000
2> 
2> For more information, try '--help'.
exit 2

"#]],
    );
    check(
        &place,
        "search deposit -n 99999999999999999999999",
        str![[r#"
2> error: invalid value '99999999999999999999999' for '--limit <COUNT>': give a number from 1 to 1000
2> 
2> For more information, try '--help'.
exit 2

"#]],
    );
    check(
        &place,
        "search",
        str![[r#"
2> error: what to search for? for example: lorewell search "cache"
exit 2

"#]],
    );
    check(
        &place,
        r#"search " ""#,
        str![[r#"
2> error: what to search for? for example: lorewell search "cache"
exit 2

"#]],
    );
    assert_eq!(place.ok("search bicycle -n 1000 -q").stdout.matches("\n[").count() + 1, 47);
}

#[test]
fn an_empty_brain_says_how_to_fill_it() {
    let place = Place::empty();
    check(
        &place,
        "search tea",
        str![[r#"
2> error: no documents yet; read some with `lorewell ingest FOLDER`
exit 1

"#]],
    );
    check(
        &place,
        "ask tea",
        str![[r#"
2> error: no documents yet; read some with `lorewell ingest FOLDER`
exit 1

"#]],
    );
    place.ok("init");
    check(
        &place,
        "search tea",
        str![[r#"
2> Nothing found: there are no documents yet; read some with `lorewell ingest FOLDER`.
exit 3

"#]],
    );
    check(
        &place,
        "ask tea",
        str![[r#"
2> Nothing found: there are no documents yet; read some with `lorewell ingest FOLDER`.
exit 3

"#]],
    );
    std::fs::create_dir(place.path("empty")).unwrap();
    check(
        &place,
        "ask --in empty tea",
        str![[r#"
2> Nothing found: `empty` has no documents that could be read.
exit 3

"#]],
    );
    check(
        &place,
        "ls",
        str![[r#"
2> No documents yet; read some with `lorewell ingest FOLDER`.
exit 3

"#]],
    );
}

#[test]
fn an_answer_cites_its_sources() {
    let place = Place::sample();
    check(
        &place,
        r#"ask "how much is the deposit for a cargo bike?""#,
        str![[r#"
  - The deposit is 100 euros for a cargo bike and 20 euros for a children's bike. [1]

[1] library/bike-library.md:21-22  The bike library > How it works  verified
2> engine: extractive (no language model) - quoting your documents directly
2> 
2> [TIME] s - open a source: lorewell show 1 --open
exit 0

"#]],
    );
    check(
        &place,
        "show 1 -C 1",
        str![[r#"
library/bike-library.md
    20 
    21 Borrowing is free for members; everyone else pays 12 euros a day for a cargo bike and 4 euros for anything else. The
    22 deposit is 100 euros for a cargo bike and 20 euros for a children's bike. You can keep a cargo bike for three days and
    23 a children's bike for six months.
exit 0

"#]],
    );
    check(
        &place,
        "show 2",
        str![[r#"
2> error: the last result is numbered 1 to 1; there is no 2
exit 1

"#]],
    );
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
    let question = b"how much is the deposit for a cargo bike?\n";
    for line in ["ask -", "ask", "search - -n 1", "search -n 1"] {
        let run = place.piped(line, question);
        assert!(run.code == 0 && run.stdout.contains("100 euros"), "`{line}`: {}", run.transcript());
    }
    snapbox::assert_data_eq!(
        place.piped("ask -", b" \n").transcript(),
        str![[r#"
2> error: what is the question? for example: lorewell ask "what did we decide about the cache?"
exit 2

"#]]
    );
    snapbox::assert_data_eq!(
        place.piped("ask -", b"\xff\xff").transcript(),
        str![[r#"
2> error: reading standard input as UTF-8: invalid utf-8 sequence of 1 bytes from index 0
exit 1

"#]]
    );
}

#[test]
fn a_long_question_is_refused_and_not_cut() {
    let place = Place::sample();
    let mut question = b"how much is the deposit for a cargo bike? ".repeat(1600);
    question.truncate(64 * 1024 + 1);
    for line in ["ask -", "search -"] {
        snapbox::assert_data_eq!(
            place.piped(line, &question).transcript(),
            str![[r#"
2> error: standard input is longer than 65536 bytes; ask a shorter question
exit 1

"#]]
        );
    }
    question.pop();
    assert_eq!(place.piped("search - -n 1", &question).code, 0);
}

#[test]
fn standard_input_is_left_alone_where_words_are_given() {
    let place = Place::sample();
    for line in ["ask how much is the deposit for a cargo bike?", "search cargo bike deposit -n 1"] {
        let run = place.piped(line, b"\xff\xff");
        assert!(run.code == 0 && run.stdout.contains("100 euros"), "`{line}`: {}", run.transcript());
    }
}

#[test]
fn a_folder_is_asked_without_set_up() {
    let place = Place::empty();
    copy(&library(), &place.path("library"));
    let line = r#"ask --in library "how much is the deposit for a cargo bike?""#;
    check(
        &place,
        line,
        str![[r#"
  - The deposit is 100 euros for a cargo bike and 20 euros for a children's bike. [1]

[1] bike-library.md:21-22  The bike library > How it works  verified
2> Searchable by words now; 47 passages to embed.
2> Read 14 files in [TIME] s (47 passages).
2> engine: extractive (no language model) - quoting your documents directly
2> 
2> [TIME] s - open a source: lorewell show 1 --open
exit 0

"#]],
    );
    check(
        &place,
        line,
        str![[r#"
  - The deposit is 100 euros for a cargo bike and 20 euros for a children's bike. [1]

[1] bike-library.md:21-22  The bike library > How it works  verified
2> engine: extractive (no language model) - quoting your documents directly
2> 
2> [TIME] s - open a source: lorewell show 1 --open
exit 0

"#]],
    );
    check(
        &place,
        "show 1 -C 0",
        str![[r#"
bike-library.md
    21 Borrowing is free for members; everyone else pays 12 euros a day for a cargo bike and 4 euros for anything else. The
    22 deposit is 100 euros for a cargo bike and 20 euros for a children's bike. You can keep a cargo bike for three days and
exit 0

"#]],
    );
    assert!(!place.path("library/.lorewell").exists(), "the folder itself is left alone");
    check(
        &place,
        "ask --in nope x",
        str![[r#"
2> error: `nope` does not exist; check the spelling
exit 1

"#]],
    );
    check(
        &place,
        "ask --in library/handbook.md x",
        str![[r#"
2> error: `library/handbook.md` is not a folder; give the folder it lies in
exit 1

"#]],
    );
}

#[test]
fn sources_are_shown_with_line_numbers() {
    let place = Place::sample();
    check(
        &place,
        "show library/handbook.md:3 -C 1",
        str![[r#"
library/handbook.md
     2 title: Member handbook
     3 date: 2026-02-02
     4 tags: [members, basics]
exit 0

"#]],
    );
    check(
        &place,
        "show library/handbook.md:2-4 -C 0 --json",
        str![[r#"
{
  "schema": 1,
  "path": "library/handbook.md",
  "first": 2,
  "lines": [
    "title: Member handbook",
    "date: 2026-02-02",
    "tags: [members, basics]"
  ]
}
exit 0

"#]],
    );
    check(
        &place,
        "show library/handbook.md:bad",
        str![[r#"
2> error: `bad` is neither a line nor lines like 12-18; give `library/handbook.md:12`
exit 2

"#]],
    );
    check(
        &place,
        "show library/handbook.md:99999",
        str![[r#"
2> error: `library/handbook.md` has 56 lines; there is no line 99999
exit 1

"#]],
    );
    check(
        &place,
        "show library/nope.md",
        str![[r#"
2> error: `library/nope.md` was never ingested; run `lorewell ingest` on it or on its folder
exit 1

"#]],
    );
    check(
        &place,
        "show 1",
        str![[r#"
2> error: nothing was shown yet; search or ask first
exit 1

"#]],
    );
    check(
        &place,
        "show --open library/handbook.md",
        str![[r#"
2> error: no editor is set; set EDITOR, for example to `vi`
exit 1

"#]],
    );
    let from_below =
        place.finish(place.command().args(["show", "handbook.md:1", "-C", "0"]).current_dir(place.path("library")));
    assert!(from_below.stdout.contains("     1 ---"), "{}", from_below.transcript());
}

#[test]
fn a_source_opens_in_the_editor_at_its_line() {
    let place = Place::sample();
    let run = place.finish(place.command().env("EDITOR", "echo -n").args(["show", "library/handbook.md:3", "--open"]));
    assert_eq!((run.code, run.stdout.as_str()), (0, "+3 [PROJECT]/library/handbook.md"));
    place.ok(r#"search "boiler years old" --type pdf -n 1"#);
    let run = place.finish(place.command().env("EDITOR", "echo -n").args(["show", "1", "--open"]));
    assert_eq!((run.code, run.stdout.as_str()), (0, "+1 [PROJECT]/library/annual-report.pdf"));
    let run = place.finish(place.command().env("EDITOR", "false").args(["show", "library/handbook.md", "--open"]));
    snapbox::assert_data_eq!(
        run.transcript(),
        str![[r#"
2> error: the editor `false` ended with exit status: 1
exit 1

"#]]
    );
}
