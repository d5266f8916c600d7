//! A folder of damaged and hostile files: each ends in exactly one state with its reason, none takes the run down, and
//! no text of theirs moves the cursor of who reads it.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::Value;
use snapbox::str;

use crate::place::{Place, check, library};

/// Depth of the nested files: far beyond what a recursive reader survives.
const DEPTH: usize = 100_000;
/// Length of the file that is one line.
const LINE_BYTES: usize = 5 * 1024 * 1024;

#[test]
fn every_file_ends_in_exactly_one_state() {
    let place = Place::with_brain();
    fill(&place);
    let report = place.run("ingest docs --words-only --json");
    assert_eq!(report.code, 5, "some failed: {}", report.transcript());
    let report: Value = serde_json::from_str(&report.stdout).unwrap();
    let states = states(&place, &report);
    let shown: String = states.iter().map(|(path, state)| format!("{state}  {path:?}\n")).collect();
    snapbox::assert_data_eq!(
        shown,
        str![[r#"
skipped  unknown type `.bin`  "docs/binary.bin"
skipped  binary  "docs/binary.md"
skipped  empty  "docs/blank.txt"
failed   `[PROJECT]/docs/broken.json` is not valid JSON: EOF while parsing a value at line 1 column 6; correct it, or rename it to end in `.jsonl` or `.txt` if that is what it is  "docs/broken.json"
indexed  "docs/broken.jsonl"
failed   unreadable: nothing is there, or a link leads nowhere  "docs/dangling.md"
skipped  empty  "docs/empty.md"
failed   `[PROJECT]/docs/encrypted.docx` is encrypted; save a copy without a password  "docs/encrypted.docx"
failed   `[PROJECT]/docs/header-only.pdf` is not a PDF document or is damaged (its cross-references lead nowhere); open and save it again  "docs/header-only.pdf"
indexed  "docs/latin-1.txt"
failed   unreadable: nothing is there, or a link leads nowhere  "docs/loop/docs/dangling.md"
skipped  symbolic link loop  "docs/loop/docs/loop"
indexed  "docs/nested.html"
indexed  "docs/nested.json"
indexed  "docs/nested.md"
failed   `[PROJECT]/docs/not-a-zip.docx` is not a Word document or is damaged (invalid Zip archive: Could not find EOCD); open and save it again  "docs/not-a-zip.docx"
indexed  "docs/one-line.txt"
indexed  "docs/one-word.txt"
skipped  unknown type `.png`  "docs/photo.png"
skipped  not a regular file  "docs/pipe.md"
skipped  unknown type `.svg`  "docs/plan.svg"
indexed  "docs/ragged.csv"
failed   `[PROJECT]/docs/truncated.docx` is not a Word document or is damaged (invalid Zip archive: Could not find EOCD); open and save it again  "docs/truncated.docx"
failed   `[PROJECT]/docs/truncated.pdf` is not a PDF document or is damaged (its cross-references lead nowhere); open and save it again  "docs/truncated.pdf"
indexed  "docs/two/nlines.md"
skipped  unknown type `.xyzzy`  "docs/unknown.xyzzy"
indexed  "docs/utf-16.txt"
indexed  "docs/🚲 bicycle.md"

"#]]
    );

    let of = |wanted: &str| states.values().filter(|state| state.starts_with(wanted)).count();
    assert_eq!(report["indexed"], of("indexed"));
    let status = place.json("status --json");
    assert_eq!(status["indexed"], of("indexed"));
    assert_eq!(status["skipped"], of("skipped"));
    assert_eq!(status["failed"], of("failed"));

    let problems = place.ok("status --problems").stdout;
    for (path, state) in &states {
        let is_named = problems.contains(&path.replace(['\n', '\u{1b}'], "\u{FFFD}"));
        assert_eq!(is_named, !state.starts_with("indexed"), "{path:?} is {state}: {problems}");
    }
    let again = place.json("ingest --words-only --json");
    assert_eq!((&again["indexed"], &again["unchanged"]), (&0.into(), &report["indexed"]));
}

#[test]
fn documents_and_file_names_cannot_write_to_the_terminal() {
    let place = Place::with_brain();
    let evil = "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31mred\u{8}\u{202E}kettle\r";
    place.write(
        "docs/evil.md",
        format!("---\ntitle: {evil:?}\ntags: [\"{evil}\"]\n---\n# {evil} heading\n\nThe kettle is {evil} green.\n"),
    );
    place.write("docs/\u{1b}[31mname\n2 documents.md", "# Name\n\nA kettle of another name.\n");
    place.write("docs/\u{1b}[31mtorn.pdf", "%PDF-1.7\n");
    for line in [
        "ingest docs -v",
        "ls",
        "ls --color always",
        "search kettle --explain",
        "search kettle --why docs/evil.md",
        "ask \"what colour is the kettle?\"",
        "show docs/evil.md",
        "show 1",
        "show 2",
        "status --problems",
        "doctor",
        "show docs/\u{1b}[31mnope.md",
    ] {
        let run = place.run(line);
        let text = format!("{}{}", run.stdout, run.stderr);
        let ours = ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[36m"];
        let text =
            if line.contains("always") { ours.iter().fold(text, |text, code| text.replace(code, "")) } else { text };
        let control = |c: char| (c.is_control() && c != '\n' && c != '\t') || ('\u{202A}'..='\u{202E}').contains(&c);
        assert_eq!(text.find(control), None, "`{line}` prints {text:?}");
        assert!(!text.lines().any(|line| line.starts_with("2 documents.md")), "`{line}` prints {text:?}");
    }
}

#[test]
fn problems_are_shown_where_they_are_few_and_counted_where_they_are_many() {
    let place = Place::with_brain();
    for number in 10..30 {
        place.write(&format!("docs/torn-{number}.pdf"), "%PDF-1.7\n");
        place.write(&format!("docs/plan-{number}.svg"), "<svg/>");
    }
    check(
        &place,
        "ingest docs --words-only",
        str![[r#"
Done in [TIME] s: 0 indexed, 20 skipped, 20 failed.
2> skipped: 20 × unknown type `.svg`
2> ! docs/torn-10.pdf: it is not a PDF document or is damaged (its cross-references lead nowhere); open and save it again
2> ! docs/torn-11.pdf: it is not a PDF document or is damaged (its cross-references lead nowhere); open and save it again
2> ! docs/torn-12.pdf: it is not a PDF document or is damaged (its cross-references lead nowhere); open and save it again
2> ! docs/torn-13.pdf: it is not a PDF document or is damaged (its cross-references lead nowhere); open and save it again
2> ! docs/torn-14.pdf: it is not a PDF document or is damaged (its cross-references lead nowhere); open and save it again
2> ! docs/torn-15.pdf: it is not a PDF document or is damaged (its cross-references lead nowhere); open and save it again
2> ! docs/torn-16.pdf: it is not a PDF document or is damaged (its cross-references lead nowhere); open and save it again
2> ! docs/torn-17.pdf: it is not a PDF document or is damaged (its cross-references lead nowhere); open and save it again
2> ! docs/torn-18.pdf: it is not a PDF document or is damaged (its cross-references lead nowhere); open and save it again
2> ! docs/torn-19.pdf: it is not a PDF document or is damaged (its cross-references lead nowhere); open and save it again
2> … and 10 more: lorewell status --problems
exit 5

"#]],
    );
}

/// Returns what became of each file, by all that the command tells about it.
fn states(place: &Place, report: &Value) -> BTreeMap<String, String> {
    let mut states = BTreeMap::new();
    let mut put = |path: &str, state: String| {
        let before = states.insert(path.to_owned(), state);
        assert_eq!(before, None, "{path:?} has two states");
    };
    for (kind, files) in [("skipped", &report["skipped"]), ("failed ", &report["failed"])] {
        for (path, why) in files.as_object().unwrap() {
            assert_ne!(why, "", "{path:?} has no reason");
            put(path, format!("{kind}  {}", why.as_str().unwrap()));
        }
    }
    for document in place.ok("ls --jsonl -q").stdout.lines() {
        let document: Value = serde_json::from_str(document).unwrap();
        put(document["path"].as_str().unwrap(), "indexed".to_owned());
    }
    states
}

fn fill(place: &Place) {
    let file = |name: &str, content: &[u8]| place.write(&format!("docs/{name}"), content);
    file("empty.md", b"");
    file("blank.txt", b" \n\t\n");
    file("binary.bin", &[0, 159, 146, 150].repeat(500));
    file("binary.md", &[0, 159, 146, 150].repeat(500));
    file("unknown.xyzzy", b"what is this?");
    file("plan.svg", b"<svg/>");
    file("photo.png", b"\x89PNG\r\n\x1a\n");
    file("latin-1.txt", b"Der B\xe4cker br\xe4t \xc4pfel \xfcber dem Feuer, und das gef\xe4llt allen sehr.\n");
    file("utf-16.txt", &"\u{feff}Tee für alle".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    file("🚲 bicycle.md", "# A bicycle 🚲\n\nIt is red.\n".as_bytes());
    file("two\nlines.md", b"# Two lines\n");
    file("one-line.txt", &b"word ".repeat(LINE_BYTES / 5));
    file("one-word.txt", &b"x".repeat(LINE_BYTES));
    file("nested.html", &[b"<div>".repeat(DEPTH), b"deep".to_vec(), b"</div>".repeat(DEPTH)].concat());
    file("nested.json", &[b"[".repeat(DEPTH), b"]".repeat(DEPTH)].concat());
    file("nested.md", &[b"> ".repeat(DEPTH), b"deep\n".to_vec()].concat());
    file("broken.json", b"{\"a\": ");
    file("broken.jsonl", b"{\"a\": 1}\n{\n");
    file("ragged.csv", b"a,b\n1\n1,2,3\n\"open\n");
    let sample = |name: &str| std::fs::read(library().join(name)).unwrap();
    let (pdf, docx) = (sample("annual-report.pdf"), sample("supplier-agreement.docx"));
    file("truncated.pdf", &pdf[..pdf.len() / 2]);
    file("header-only.pdf", b"%PDF-1.7\n");
    file("truncated.docx", &docx[..docx.len() / 2]);
    file("encrypted.docx", &encrypted(docx));
    file("not-a-zip.docx", b"PK\x03\x04 it is none");
    symlink("..", place.path("docs/loop")).unwrap();
    symlink("nowhere.md", place.path("docs/dangling.md")).unwrap();
    let fifo = Command::new("mkfifo").arg(place.path("docs/pipe.md")).status().unwrap();
    assert!(fifo.success());
}

/// Marks all entries of a ZIP file as encrypted: bit 0 of the flags (APPNOTE 4.4.4), in both headers of each.
fn encrypted(mut zip: Vec<u8>) -> Vec<u8> {
    for (signature, flags) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        for start in 0..zip.len() - flags {
            if zip[start..].starts_with(signature) {
                zip[start + flags] |= 1;
            }
        }
    }
    zip
}
