//! `ls`, `status`, `rm`, `doctor`: what the brain holds and how it is kept well.

use snapbox::str;

use crate::place::{Place, check};

#[test]
fn documents_are_listed() {
    let place = Place::sample();
    check(
        &place,
        "ls",
        str![[r#"
library/annual-report.pdf  Annual report 2025  pdf, 5 passages
library/bike-library.md  The bike library  markdown, 3 passages
library/handbook.md  Member handbook  markdown, 5 passages
library/incidents.jsonl  jsonl, 6 passages
library/meeting-notes/2026-01-14-members.txt  text, 1 passage
library/meeting-notes/2026-02-11-members.txt  text, 1 passage
library/meeting-notes/2026-03-18-assembly.txt  text, 2 passages
library/opening-hours.json  json, 2 passages
library/prices.csv  csv, 2 passages
library/refunds-and-returns.md  Refunds and returns  markdown, 2 passages
library/supplier-agreement.docx  Supplier agreement  docx, 5 passages
library/tools/torque.py  code, 5 passages
library/volunteer-guide.md  Your first shifts  markdown, 5 passages
library/workshop-manual.html  Workshop manual - Kettle Lane Cycles  html, 3 passages
2> 14 documents.
exit 0

"#]],
    );
    check(
        &place,
        "ls *.csv",
        str![[r#"
library/prices.csv  csv, 2 passages
2> 1 document.
exit 0

"#]],
    );
    check(
        &place,
        "ls library/tools --jsonl -q",
        str![[r#"
{"schema":1,"path":"library/tools/torque.py","format":"code","title":null,"date":"[..]","tags":[],"bytes":2247,"chunks":5}
exit 0

"#]],
    );
    check(
        &place,
        "ls *.xlsx",
        str![[r#"
2> 0 documents.
exit 3

"#]],
    );
}

#[test]
fn the_status_adds_up() {
    let place = Place::sample();
    check(
        &place,
        "status --problems",
        str![[r#"
brain      [PROJECT]/.lorewell
files      14 indexed, 0 skipped, 0 failed
passages   47
vectors    47 of 47, by all-MiniLM-L6-v2 (int8)
chunker    structure/1 max=222 overlap=32
generation 1
source     library
2> No file was skipped or failed.
exit 0

"#]],
    );
    let status = place.json("status --json");
    assert_eq!((&status["indexed"], &status["chunks"], &status["embedded"]), (&14.into(), &47.into(), &47.into()));
}

#[test]
fn documents_are_taken_out_and_files_stay() {
    let place = Place::with_brain();
    place.write("docs/a.md", "# Kettle\n");
    place.write("docs/b.md", "# Ledger\n");
    place.ok("ingest docs -q");
    check(
        &place,
        "rm nope",
        str![[r#"
2> error: nothing under `nope` is in the index, so nothing was taken out; `lorewell ls` lists the documents
exit 1

"#]],
    );
    check(
        &place,
        "rm docs/a.md",
        str![[r#"
Took 1 file (1 passage) out of the brain; nothing on disk was touched.
2> 1 file still lies under the source `docs`: the next ingest reads it again, unless it is deleted or named in `.lorewellignore`.
exit 0

"#]],
    );
    check(
        &place,
        "rm docs/b.md nope docs/c.md",
        str![[r#"
2> error: nothing under `nope` or `docs/c.md` is in the index, so nothing was taken out; `lorewell ls` lists the documents
exit 1

"#]],
    );
    assert_eq!(place.ok("ls").stderr, "1 document.\n");
    check(
        &place,
        "rm docs --json",
        str![[r#"
{
  "schema": 1,
  "removed": [
    "docs/b.md"
  ],
  "chunks": 1
}
exit 0

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
    check(
        &place,
        "ingest",
        str![[r#"
2> error: nothing was ingested yet; name a folder: `lorewell ingest FOLDER`
exit 1

"#]],
    );
    assert!(place.path("docs/a.md").is_file() && place.path("docs/b.md").is_file());
}

#[test]
fn what_the_next_ingest_reads_again_is_said() {
    let place = Place::with_brain();
    for name in ["a", "b", "c", "d"] {
        place.write(&format!("docs/{name}.md"), format!("# Note {name}\n"));
    }
    place.write("other.md", "# Other\n");
    place.ok("ingest docs other.md -q");
    std::fs::remove_file(place.path("docs/d.md")).unwrap();
    check(
        &place,
        "rm docs/a.md docs/b.md docs/a.md docs/d.md other.md",
        str![[r#"
Took 4 files (4 passages) out of the brain; nothing on disk was touched.
2> 2 files still lie under the source `docs`: the next ingest reads them again, unless they are deleted or named in `.lorewellignore`.
exit 0

"#]],
    );
    place.write("docs/.lorewellignore", "a.md\n");
    let again = place.json("ingest --json");
    assert_eq!((&again["indexed"], &again["unchanged"]), (&1.into(), &1.into()), "{again}");
    let run = place.ok("rm docs");
    assert_eq!(run.stderr, "", "the folder is no source any more");
}

#[test]
fn the_doctor_finds_nothing_wrong() {
    let place = Place::sample();
    let run = place.ok("doctor");
    let rest = run.stdout.split_once('\n').unwrap().1; // the first line is about this machine
    snapbox::assert_data_eq!(
        rest,
        str![[r#"
  ok    config  [HOME]/config.toml (none: defaults)
  ok    vectors by all-MiniLM-L6-v2 (int8)
  ok    loaders run isolated
  ok    brain   [PROJECT]/.lorewell: 14 files, 47 passages, generation 1, words and vectors agree
0 failures, 0 warnings

"#]]
    );
    check(
        &Place::empty(),
        "doctor",
        str![[r#"
  ok    lorewell [..] core[..]
  ok    config  [HOME]/config.toml (none: defaults)
  ok    vectors by all-MiniLM-L6-v2 (int8)
  ok    loaders run isolated
  warn  brain   no documents yet   fix: lorewell ingest FOLDER
0 failures, 1 warning
exit 0

"#]],
    );
}

#[test]
fn the_doctor_says_how_to_mend_what_is_wrong() {
    let place = Place::with_brain();
    place.write("tea.md", "# Tea\n");
    place.ok("ingest tea.md -q --words-only");
    place.write("tea.md", "# Tea\n\nGreen tea.\n");
    check(
        &place,
        "doctor",
        str![[r#"
  ok    lorewell [..] core[..]
  ok    config  [HOME]/config.toml (none: defaults)
  ok    vectors by all-MiniLM-L6-v2 (int8)
  ok    loaders run isolated
  ok    brain   [PROJECT]/.lorewell: 1 file, 1 passage, generation 1, words and vectors agree
  warn  1 passage without a vector yet   fix: lorewell ingest
  warn  1 file changed since the last ingest   fix: lorewell ingest
0 failures, 2 warnings
exit 0

"#]],
    );
    place.write(".lorewell/config.toml", "embedder = \"nowhere\"\n");
    check(
        &place,
        "doctor",
        str![[r#"
  ok    lorewell [..] core[..]
  ok    config  [HOME]/config.toml (none: defaults)
  fail  vectors opening the setting `embedder`: opening the embedder `[PROJECT]/nowhere`: there is no `config.json`; is it a model directory?   fix: lorewell config explain embedder
  ok    loaders run isolated
  ok    brain   [PROJECT]/.lorewell: 1 file, 1 passage, generation 1, words and vectors agree
  warn  1 passage without a vector yet   fix: lorewell ingest
  warn  1 file changed since the last ingest   fix: lorewell ingest
1 failure, 2 warnings
exit 6

"#]],
    );
    place.write(".lorewell/config.toml", "embeder = \"bundled\"\n");
    check(
        &place,
        "doctor",
        str![[r#"
  ok    lorewell [..] core[..]
  fail  config  [PROJECT]/.lorewell/config.toml:1: no setting `embeder`; did you mean `embedder`?   fix: edit the file named
1 failure, 0 warnings
exit 6

"#]],
    );
}

#[test]
fn a_damaged_brain_is_reported_not_hidden() {
    let place = Place::with_brain();
    place.write(".lorewell/manifest.json", "{");
    check(
        &place,
        "doctor",
        str![[r#"
  ok    lorewell [..] core[..]
  ok    config  [HOME]/config.toml (none: defaults)
  ok    vectors by all-MiniLM-L6-v2 (int8)
  ok    loaders run isolated
  fail  brain   `[PROJECT]/.lorewell/manifest.json` is damaged (EOF while parsing an object at line 1 column 1); delete the folder and ingest again
1 failure, 0 warnings
exit 6

"#]],
    );
    check(
        &place,
        "ls",
        str![[r#"
2> error: `[PROJECT]/.lorewell/manifest.json` is damaged (EOF while parsing an object at line 1 column 1); delete the folder and ingest again
exit 1

"#]],
    );
}

#[test]
fn a_model_is_looked_for_where_the_setting_was_written() {
    let place = Place::with_brain();
    place.write("below/note.md", "");
    std::fs::create_dir_all(place.home()).unwrap();
    let vectors = |variable: Option<&str>| {
        let mut command = place.command();
        command.arg("doctor").current_dir(place.path("below"));
        command.envs(variable.map(|value| ("LOREWELL_EMBEDDER", value)));
        let run = place.finish(&mut command);
        assert_eq!(run.code, 6, "{}", run.transcript());
        let said = run.stdout.lines().find(|line| line.contains("opening the embedder")).unwrap().to_owned();
        said.split('`').nth(3).unwrap().to_owned()
    };
    std::fs::write(place.home().join("config.toml"), "embedder = \"models/bge\"\n").unwrap();
    assert_eq!(vectors(None), "[HOME]/models/bge");
    place.write(".lorewell/config.toml", "embedder = \"models/bge\"\n");
    assert_eq!(vectors(None), "[PROJECT]/models/bge");
    place.write(".lorewell/config.toml", "embedder = \"~/bge\"\n");
    assert_eq!(vectors(None), "[HOME]/bge");
    assert_eq!(vectors(Some("models/bge")), "models/bge");
}
