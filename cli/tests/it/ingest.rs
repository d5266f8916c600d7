//! `init` and `ingest`: what a brain takes in, what it leaves alone, and what it says of each.

use std::process::Command;

use snapbox::str;

use crate::place::{Place, check, copy, library};

#[test]
fn a_brain_is_made_once() {
    let place = Place::empty();
    check(
        &place,
        "init",
        str![[r#"
Created brain in ./.lorewell  (ignored by git; delete the folder to undo)
exit 0

"#]],
    );
    check(
        &place,
        "init",
        str![[r#"
Brain in ./.lorewell is there already; nothing changed
exit 0

"#]],
    );
    check(
        &place,
        "init --json",
        str![[r#"
{
  "schema": 1,
  "brain": "[PROJECT]/.lorewell",
  "created": false
}
exit 0

"#]],
    );
    assert_eq!(std::fs::read_to_string(place.path(".lorewell/.gitignore")).unwrap(), "*\n");
    place.write("note.md", "a note");
    check(
        &place,
        "init nope",
        str![[r#"
2> error: `nope` does not exist; check the spelling
exit 1

"#]],
    );
    check(
        &place,
        "init note.md",
        str![[r#"
2> error: `note.md` is not a folder; give the folder it lies in
exit 1

"#]],
    );
}

#[test]
fn an_init_that_was_cut_short_is_made_whole() {
    let place = Place::with_brain();
    std::fs::remove_file(place.path(".lorewell/.gitignore")).unwrap();
    check(
        &place,
        "init",
        str![[r#"
Brain in ./.lorewell is there already; it is ignored by git now
exit 0

"#]],
    );
    assert_eq!(std::fs::read_to_string(place.path(".lorewell/.gitignore")).unwrap(), "*\n");
    check(
        &place,
        "init --brain ./kb",
        str![[r#"
Created brain in ./kb  (delete the folder to undo)
exit 0

"#]],
    );
    assert!(!place.path("kb/.gitignore").exists());
}

#[test]
fn a_library_is_read_once() {
    let place = Place::with_brain();
    copy(&library(), &place.path("library"));
    check(
        &place,
        "ingest",
        str![[r#"
2> error: nothing was ingested yet; name a folder: `lorewell ingest FOLDER`
exit 1

"#]],
    );
    check(
        &place,
        "ingest library --dry-run",
        str![[r#"
Would read 14 new or changed files.
exit 0

"#]],
    );
    check(
        &place,
        "ingest library",
        str![[r#"
Done in [TIME] s: 14 indexed.
2> Searchable by words now; 47 passages to embed.
exit 0

"#]],
    );
    check(
        &place,
        "ingest library",
        str![[r#"
Done in [TIME] s: 0 indexed, 14 unchanged.
exit 0

"#]],
    );
    check(
        &place,
        "ingest -v",
        str![[r#"
Done in [TIME] s: 0 indexed, 14 unchanged.
passages: 0 new, 0 kept, 0 removed; vectors: 0 made, 0 reused; words searchable after [TIME] s
exit 0

"#]],
    );
    check(
        &place,
        "ingest -q",
        str![[r#"
Done in [TIME] s: 0 indexed, 14 unchanged.
exit 0

"#]],
    );
}

#[test]
fn only_what_changed_is_embedded() {
    let place = Place::with_brain();
    let section = |name: &str, about: &str| {
        format!("## On {name}\n\n{}\n\n", format!("The {about} is kept by {name}. ").repeat(40))
    };
    let text = |about: &str| {
        format!("# Notes\n\n{}{}{}", section("Ada", "kettle"), section("Bo", about), section("Cy", "ledger"))
    };
    place.write("docs/notes.md", text("stone"));
    place.write("docs/other.md", "# Other\n\nIt stays.\n");
    let first = place.json("ingest docs --json");
    assert_eq!((&first["indexed"], &first["unchanged"]), (&2.into(), &0.into()));
    assert_eq!(first["vectors_made"], first["chunks_added"]);

    place.write("docs/notes.md", text("mirror"));
    let edited = place.json("ingest --json");
    let (made, kept) = (edited["vectors_made"].as_u64().unwrap(), edited["chunks_kept"].as_u64().unwrap());
    assert_eq!((&edited["indexed"], &edited["unchanged"]), (&1.into(), &1.into()));
    assert!(made > 0 && kept > 0 && made == edited["chunks_added"].as_u64().unwrap(), "{edited}");

    std::fs::rename(place.path("docs/notes.md"), place.path("docs/renamed.md")).unwrap();
    let renamed = place.json("ingest --json");
    assert_eq!((&renamed["vectors_made"], &renamed["removed"]), (&0.into(), &serde_json::json!(["docs/notes.md"])));
    assert_eq!(renamed["vectors_reused"], renamed["chunks_added"]);

    std::fs::remove_dir_all(place.path("docs")).unwrap();
    check(
        &place,
        "ingest docs",
        str![[r#"
Done in [TIME] s: 0 indexed, 2 removed.
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
}

#[test]
fn words_come_first_and_vectors_when_they_are_wanted() {
    let place = Place::with_brain();
    place.write("tea.md", "# Tea\n\nGreen tea wants water of 80 degrees.\n");
    check(
        &place,
        "ingest --words-only tea.md",
        str![[r#"
Done in [TIME] s: 1 indexed.
exit 0

"#]],
    );
    check(
        &place,
        "search degrees",
        str![[r#"
[1] tea.md:1-3  Tea
    # Tea
    Green tea wants water of 80 degrees.
2> Vectors are 0 % ready; the rest was searched by words. Continue: lorewell ingest
exit 0

"#]],
    );
    check(
        &place,
        "status",
        str![[r#"
brain      [PROJECT]/.lorewell
files      1 indexed, 0 skipped, 0 failed
passages   1
vectors    0 of 1, by all-MiniLM-L6-v2 (int8)
chunker    structure/1 max=222 overlap=32
generation 1
source     tea.md
2> 1 passage without a vector yet: `lorewell ingest` goes on.
exit 0

"#]],
    );
    check(
        &place,
        "ingest",
        str![[r#"
Done in [TIME] s: 0 indexed, 1 unchanged.
2> Searchable by words now; 1 passage to embed.
exit 0

"#]],
    );
    check(
        &place,
        "search degrees -q --mode meaning",
        str![[r#"
[1] tea.md:1-3  Tea
    # Tea
    Green tea wants water of 80 degrees.
exit 0

"#]],
    );
}

#[test]
fn a_dry_run_leaves_no_trace() {
    let place = Place::empty();
    place.write("docs/tea.md", "# Tea\n");
    check(
        &place,
        "ingest --dry-run docs",
        str![[r#"
Would read 1 new or changed file.
exit 0

"#]],
    );
    assert!(!place.home().exists(), "a dry run has made {}", place.home().display());
    check(
        &place,
        "ls",
        str![[r#"
2> error: no documents yet; read some with `lorewell ingest FOLDER`
exit 1

"#]],
    );
}

#[test]
fn what_is_not_there_is_said() {
    let place = Place::with_brain();
    std::fs::create_dir(place.path("empty")).unwrap();
    check(
        &place,
        "ingest empty",
        str![[r#"
Done in [TIME] s: 0 indexed.
exit 0

"#]],
    );
    check(
        &place,
        "ingest nope",
        str![[r#"
2> error: `nope` does not exist; check the spelling
exit 1

"#]],
    );
    check(
        &place,
        "ingest - empty",
        str![[r#"
2> error: `-` stands alone; read the other sources in a second call
exit 2

"#]],
    );
    place.write("shapes.svg", "<svg/>");
    check(
        &place,
        "ingest shapes.svg",
        str![[r#"
Done in [TIME] s: 0 indexed, 1 skipped.
2> skipped: 1 × unknown type `.svg`
exit 0

"#]],
    );
}

#[test]
fn a_text_comes_by_standard_input_under_a_name() {
    let place = Place::with_brain();
    let piped = |line: &str, text: &[u8]| place.piped(line, text).transcript();
    snapbox::assert_data_eq!(
        piped("ingest - --name minutes", b"The boiler is 27 years old.\n"),
        str![[r#"
Done in [TIME] s: 1 indexed.
2> Searchable by words now; 1 passage to embed.
exit 0

"#]]
    );
    snapbox::assert_data_eq!(
        piped("ingest - --name minutes", b"The boiler is 27 years old.\n"),
        str![[r#"
Done in [TIME] s: 0 indexed, 1 unchanged.
exit 0

"#]]
    );
    snapbox::assert_data_eq!(
        piped("ingest -", b"\xff\xfe"),
        str![[r#"
2> error: reading standard input as UTF-8: invalid utf-8 sequence of 1 bytes from index 0
exit 1

"#]]
    );
    check(
        &place,
        "search boiler",
        str![[r#"
[1] text:minutes:1
    The boiler is 27 years old.
exit 0

"#]],
    );
    check(
        &place,
        "rm text:minutes",
        str![[r#"
Took 1 file (1 passage) out of the brain; nothing on disk was touched.
exit 0

"#]],
    );
}

#[test]
fn a_file_that_may_not_be_read_fails_alone() {
    let place = Place::with_brain();
    place.write("docs/open.md", "# Open\n");
    place.write("docs/shut.md", "# Shut\n");
    assert!(Command::new("chmod").arg("000").arg(place.path("docs/shut.md")).status().unwrap().success());
    let mut command = place.command();
    if std::fs::read(place.path("docs/shut.md")).is_ok() {
        // The administrator may read everything, until that right is dropped.
        let setpriv = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
        if !Command::new("setpriv").args(&setpriv[1..]).arg("true").status().is_ok_and(|status| status.success()) {
            return eprintln!("skipped: this account may read every file");
        }
        command = place.command_by(&setpriv);
    }
    snapbox::assert_data_eq!(
        place.finish(command.args(["ingest", "docs"])).transcript(),
        str![[r#"
Done in [TIME] s: 1 indexed, 1 failed.
2> Searchable by words now; 1 passage to embed.
2> ! docs/shut.md: reading it: Permission denied
exit 5

"#]]
    );
    check(
        &place,
        "status --problems",
        str![[r#"
brain      [PROJECT]/.lorewell
files      1 indexed, 0 skipped, 1 failed
passages   1
vectors    1 of 1, by all-MiniLM-L6-v2 (int8)
chunker    structure/1 max=222 overlap=32
generation 1
source     docs
failed  docs/shut.md  reading it: Permission denied
exit 0

"#]],
    );
    check(
        &place,
        "search shut --why docs/shut.md",
        str![[r#"
docs/shut.md could not be read: reading it: Permission denied.
exit 3

"#]],
    );
}

#[test]
fn no_brain_is_made_for_a_slip_of_the_fingers() {
    let place = Place::empty();
    for (line, said) in [
        ("ingest nope", "error: `nope` does not exist; check the spelling\n"),
        ("ingest", "error: nothing was ingested yet; name a folder: `lorewell ingest FOLDER`\n"),
        ("ingest - nope", "error: `-` stands alone; read the other sources in a second call\n"),
    ] {
        let run = place.run(line);
        assert!(run.code != 0 && run.stderr == said, "`{line}`: {}", run.transcript());
    }
    assert_eq!(place.piped("ingest -", b"\xff").code, 1);
    assert!(!place.home().exists(), "something was made in {}", place.home().display());
}

#[test]
fn a_cache_that_cannot_be_used_costs_only_time() {
    let place = Place::with_brain();
    place.write("tea.md", "# Tea\n\nGreen tea wants water of 80 degrees.\n");
    std::fs::create_dir_all(place.home()).unwrap();
    std::fs::write(place.home().join("cache"), "no folder").unwrap();
    check(
        &place,
        "ingest tea.md",
        str![[r#"
Done in [TIME] s: 1 indexed.
2> ! going on without the embedding cache: creating `[HOME]/cache/embeddings`: Not a directory
2> Searchable by words now; 1 passage to embed.
exit 0

"#]],
    );
    assert_eq!(place.json("status --json")["embedded"], 1);
}
