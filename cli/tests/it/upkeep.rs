//! `ls`, `status`, `rm`, `doctor`: what the brain holds and how it is kept well.

use snapbox::str;

use crate::place::{Place, check};

#[test]
fn documents_are_listed() {
    let place = Place::sample();
    check(&place, "ls", str![]);
    check(&place, "ls *.csv", str![]);
    check(&place, "ls library/tools --jsonl -q", str![]);
    check(&place, "ls *.xlsx", str![]);
}

#[test]
fn the_status_adds_up() {
    let place = Place::sample();
    check(&place, "status --problems", str![]);
    let status = place.json("status --json");
    assert_eq!((&status["indexed"], &status["chunks"], &status["embedded"]), (&14.into(), &43.into(), &43.into()));
}

#[test]
fn documents_are_taken_out_and_files_stay() {
    let place = Place::with_brain();
    place.write("docs/a.md", "# Kettle\n");
    place.write("docs/b.md", "# Ledger\n");
    place.ok("ingest docs -q");
    check(&place, "rm nope", str![]);
    check(&place, "rm docs/a.md", str![]);
    check(&place, "rm docs --json", str![]);
    check(&place, "ls", str![]);
    check(&place, "ingest", str![]);
    assert!(place.path("docs/a.md").is_file() && place.path("docs/b.md").is_file());
}

#[test]
fn the_doctor_finds_nothing_wrong() {
    let place = Place::sample();
    let run = place.ok("doctor");
    let rest = run.stdout.split_once('\n').unwrap().1; // the first line is about this machine
    snapbox::assert_data_eq!(rest, str![]);
    check(&Place::empty(), "doctor", str![]);
}

#[test]
fn the_doctor_says_how_to_mend_what_is_wrong() {
    let place = Place::with_brain();
    place.write("tea.md", "# Tea\n");
    place.ok("ingest tea.md -q --words-only");
    place.write("tea.md", "# Tea\n\nGreen tea.\n");
    check(&place, "doctor", str![]);
    place.write(".lorewell/config.toml", "embedder = \"nowhere\"\n");
    check(&place, "doctor", str![]);
    place.write(".lorewell/config.toml", "embeder = \"bundled\"\n");
    check(&place, "doctor", str![]);
}

#[test]
fn a_damaged_brain_is_reported_not_hidden() {
    let place = Place::with_brain();
    place.write(".lorewell/manifest.json", "{");
    check(&place, "doctor", str![]);
    check(&place, "ls", str![]);
}
