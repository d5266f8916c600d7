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
library/annual-report.pdf  Annual report 2025  pdf, 4 passages
library/bike-library.md  The bike library  markdown, 3 passages
library/handbook.md  Member handbook  markdown, 5 passages
library/incidents.jsonl  jsonl, 6 passages
library/meeting-notes/2026-01-14-members.txt  text, 1 passage
library/meeting-notes/2026-02-11-members.txt  text, 1 passage
library/meeting-notes/2026-03-18-assembly.txt  text, 1 passage
library/opening-hours.json  json, 2 passages
library/prices.csv  csv, 2 passages
library/refunds-and-returns.md  Refunds and returns  markdown, 2 passages
library/supplier-agreement.docx  Supplier agreement  docx, 5 passages
library/tools/torque.py  code, 4 passages
library/volunteer-guide.md  Your first shifts  markdown, 4 passages
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
{"schema":1,"path":"library/tools/torque.py","format":"code","title":null,"date":null,"tags":[],"bytes":2247,"chunks":4}
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
passages   43
vectors    43 of 43, by all-MiniLM-L6-v2 (int8)
chunker    structure/1 max=256 overlap=32
generation 1
source     library
2> No file was skipped or failed.
exit 0

"#]],
    );
    let status = place.json("status --json");
    assert_eq!((&status["indexed"], &status["chunks"], &status["embedded"]), (&14.into(), &43.into(), &43.into()));
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
2> error: nothing under `nope` is in the index; `lorewell ls` lists the documents
exit 1

"#]],
    );
    check(
        &place,
        "rm docs/a.md",
        str![[r#"
Took 1 file (1 passage) out of the brain; nothing on disk was touched.
exit 0

"#]],
    );
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
  ok    brain   [PROJECT]/.lorewell: 14 files, 43 passages, generation 1, words and vectors agree
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
  fail  vectors opening the setting `embedder`: opening the embedder `nowhere`: there is no `config.json`; is it a model directory?   fix: lorewell config explain embedder
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
