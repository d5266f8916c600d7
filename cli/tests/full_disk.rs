//! A disk that fills up in the middle of an ingest. What stands in for it is a limit on the size of files, at which
//! writing fails in the same places; several limits make it fail in several stores.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

const BLOCKS: [u32; 3] = [64, 400, 1500]; // of 512 bytes or of 1 KiB, as the shell has it
const NOTES: usize = 80;
const SECTIONS: usize = 12;

fn lorewell(place: &Path, blocks: Option<u32>, args: &str) -> Output {
    let limit = blocks.map(|blocks| format!("trap '' XFSZ; ulimit -f {blocks}; ")).unwrap_or_default();
    let mut shell = Command::new("sh");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LOREWELL_")) {
        shell.env_remove(name);
    }
    let line = format!("{limit}exec '{}' --brain ./kb {args}", env!("CARGO_BIN_EXE_lorewell"));
    shell.args(["-c", &line]).current_dir(place).env("LOREWELL_HOME", place.join("home")).output().unwrap()
}

/// Runs a command that must succeed and returns what it printed.
fn ok(place: &Path, args: &str) -> String {
    let output = lorewell(place, None, args);
    assert!(output.status.success(), "{args}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Notes whose words differ, so that they take room in every store.
fn write_notes(place: &Path) {
    for note in 0..NOTES {
        let mut text = format!("# Note {note}\n\n");
        for section in 0..SECTIONS {
            let words: Vec<String> =
                (0..120).map(|word| format!("w{}", note * 7919 + section * 104_729 + word)).collect();
            write!(text, "## Part {section}\n\n{}.\n\n", words.join(" ")).unwrap();
        }
        std::fs::write(place.join(format!("docs/{note}.md")), text).unwrap();
    }
}

#[test]
fn a_full_disk_loses_nothing_and_the_next_ingest_goes_on() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    std::fs::create_dir(place.join("docs")).unwrap();
    std::fs::write(place.join("docs/a.md"), "# Kettle\n\nThe kettle stands on the stove.\n").unwrap();
    ok(place, "init");
    ok(place, "ingest docs");
    write_notes(place);
    for blocks in BLOCKS {
        let full = lorewell(place, Some(blocks), "ingest --words-only docs");
        let said = String::from_utf8_lossy(&full.stderr);
        assert_eq!(full.status.code(), Some(1), "at {blocks} blocks: {said}");
        let why = said.split_once("error: ").map(|(_, why)| why).unwrap_or_default();
        assert!(why.contains("File too large") || why.contains("disk"), "{said}");
        assert!(ok(place, "search kettle -n 1").contains("The kettle stands on the stove."), "at {blocks} blocks");
    }
    ok(place, "ingest --words-only docs");
    let status: serde_json::Value = serde_json::from_str(&ok(place, "status --json")).unwrap();
    assert_eq!((&status["indexed"], &status["interrupted"]), (&(NOTES + 1).into(), &false.into()));
    assert!(ok(place, "doctor").contains("words and vectors agree"));
    let dry: serde_json::Value = serde_json::from_str(&ok(place, "ingest --dry-run --json docs")).unwrap();
    assert_eq!(dry["indexed"], 0);
}
