//! `init` and `ingest`: what a brain takes in, what it leaves alone, and what it says of each.

use std::io::Write as _;
use std::process::{Command, Stdio};

use snapbox::str;

use crate::place::{Place, check, copy, library};

#[test]
fn a_brain_is_made_once() {
    let place = Place::empty();
    check(&place, "init", str![]);
    check(&place, "init", str![]);
    check(&place, "init --json", str![]);
    assert_eq!(std::fs::read_to_string(place.path(".lorewell/.gitignore")).unwrap(), "*\n");
    place.write("note.md", "a note");
    check(&place, "init nope", str![]);
    check(&place, "init note.md", str![]);
}

#[test]
fn a_library_is_read_once() {
    let place = Place::with_brain();
    copy(&library(), &place.path("library"));
    check(&place, "ingest", str![]);
    check(&place, "ingest library --dry-run", str![]);
    check(&place, "ingest library", str![]);
    check(&place, "ingest library", str![]);
    check(&place, "ingest -v", str![]);
    check(&place, "ingest -q", str![]);
}

#[test]
fn only_what_changed_is_embedded() {
    let place = Place::with_brain();
    let section = |name: &str, about: &str| format!("## On {name}\n\n{}\n\n", format!("The {about} is kept by {name}. ").repeat(40));
    let text = |about: &str| format!("# Notes\n\n{}{}{}", section("Ada", "kettle"), section("Bo", about), section("Cy", "ledger"));
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
    check(&place, "ingest docs", str![]);
    check(&place, "ls", str![]);
}

#[test]
fn words_come_first_and_vectors_when_they_are_wanted() {
    let place = Place::with_brain();
    place.write("tea.md", "# Tea\n\nGreen tea wants water of 80 degrees.\n");
    check(&place, "ingest --words-only tea.md", str![]);
    check(&place, "search degrees", str![]);
    check(&place, "status", str![]);
    check(&place, "ingest", str![]);
    check(&place, "search degrees -q --mode meaning", str![]);
}

#[test]
fn a_dry_run_leaves_no_trace() {
    let place = Place::empty();
    place.write("docs/tea.md", "# Tea\n");
    check(&place, "ingest --dry-run docs", str![]);
    assert!(!place.home().exists(), "a dry run has made {}", place.home().display());
    check(&place, "ls", str![]);
}

#[test]
fn what_is_not_there_is_said() {
    let place = Place::with_brain();
    std::fs::create_dir(place.path("empty")).unwrap();
    check(&place, "ingest empty", str![]);
    check(&place, "ingest nope", str![]);
    check(&place, "ingest - empty", str![]);
    place.write("shapes.svg", "<svg/>");
    check(&place, "ingest shapes.svg", str![]);
}

#[test]
fn a_text_comes_by_standard_input_under_a_name() {
    let place = Place::with_brain();
    let piped = |line: &str, text: &[u8]| {
        let mut command = place.command();
        command.args(line.split(' ')).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text).unwrap();
        place.read(child.wait_with_output().unwrap()).transcript()
    };
    snapbox::assert_data_eq!(piped("ingest - --name minutes", b"The boiler is 27 years old.\n"), str![]);
    snapbox::assert_data_eq!(piped("ingest - --name minutes", b"The boiler is 27 years old.\n"), str![]);
    snapbox::assert_data_eq!(piped("ingest -", b"\xff\xfe"), str![]);
    check(&place, "search boiler", str![]);
    check(&place, "rm text:minutes", str![]);
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
    snapbox::assert_data_eq!(place.finish(command.args(["ingest", "docs"])).transcript(), str![]);
    check(&place, "status --problems", str![]);
    check(&place, "search shut --why docs/shut.md", str![]);
}
