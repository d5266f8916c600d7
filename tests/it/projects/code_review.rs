//! The code review: what a person sees, what becomes of the files, and that a review that was killed goes on where it was.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::Stdio;

use expect_test::expect;
use lorewell::Message;
use lorewell::model::{Part, Role, ToolCall};
use serde_json::{Value, json};

use super::{Printed, command, printed, run};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/code_review/sample");
/// Each file that is mended, with words that only the faulty and only the mended one has.
const MENDED: [(&str, &str, &str); 4] = [
    ("reports/tickets.py", "query = f\"", "WHERE customer = ?"),
    ("src/api.rs", "let mut open", "let found ="),
    ("reports/nightly.py", "TARGET])", "TARGET], check=True)"),
    ("src/page.rs", "size + 1", "(first + size)"),
];

/// Tells which files are mended, each wholly and once, or as they were.
#[track_caller]
fn mended(folder: &Path) -> Vec<&'static str> {
    let copy = folder.join("target/code_review/sample");
    let is_mended = |(file, faulty, right): &(&str, &str, &str)| {
        let text = fs::read_to_string(copy.join(file)).unwrap();
        let is_as_it_was = text == fs::read_to_string(Path::new(SAMPLE).join(file)).unwrap();
        assert_eq!(
            (text.matches(faulty).count(), text.matches(right).count()),
            if is_as_it_was { (1, 0) } else { (0, 1) }
        );
        !is_as_it_was
    };
    MENDED.iter().filter(|mended| is_mended(mended)).map(|(file, ..)| *file).collect()
}

/// Runs it with answers typed in.
fn typed(answers: &str, editor: Option<&Path>, folder: &Path) -> Printed {
    let mut command = command("code_review", &[], folder);
    command.envs(editor.map(|editor| ("EDITOR", editor)));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
    printed(child.wait_with_output().unwrap())
}

#[test]
fn what_is_refused_is_not_done() {
    let folder = tempfile::tempdir().unwrap();
    let (shown, errors, code) = run("code_review", &["--no"], folder.path());
    assert_eq!((errors.as_str(), code), ("", Some(0)));
    // A blank line of a diff is one space, which a snapshot does not keep.
    let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
    expect![[r#"
        Reviewing target/code_review/sample with mock:reviewer.
        The model is scripted: what it says was written beforehand.
        4 findings; the first answer pointed nowhere and was sent back

        HIGH    reports/tickets.py:8  the name of the customer becomes part of the SQL
                A name with a quote in it breaks the query, and ' OR 1=1 -- reads the
                tickets of everyone. `main` in reports/nightly.py passes names from the
                command line.
                Fix: Bind it as a parameter, as before.

        HIGH    src/api.rs:17  the lock is held while the ticket is archived
                The guard lives across `.await`: every other request waits for the other
                machine, and the future is not `Send`. `close_all` does it once per
                ticket.
                Fix: Copy the ticket under the lock, archive it, then lock again to
                remove it.

        HIGH    reports/nightly.py:15  a failed upload is not noticed
                Without check=True a failure of rsync is ignored, and the next line
                removes the only copy of the report.
                Fix: Pass check=True again.

        MEDIUM  src/page.rs:11  a page has one ticket too many
                `size + 1` reaches into the next page: `list` in src/api.rs shows its
                first ticket twice.
                Fix: End at `first + size`.

        A patch for reports/tickets.py:

        --- a/reports/tickets.py
        +++ b/reports/tickets.py
        @@ -5,5 +5,5 @@

         def tickets_of(db: sqlite3.Connection, customer: str) -> list[tuple]:
             """Returns the tickets of a customer, newest first."""
        -    query = f"SELECT id, closed FROM tickets WHERE customer = '{customer}' ORDER BY id DESC"
        -    return db.execute(query).fetchall()
        +    query = "SELECT id, closed FROM tickets WHERE customer = ? ORDER BY id DESC"
        +    return db.execute(query, (customer,)).fetchall()

        Refused by --no.

        A patch for src/api.rs:

        --- a/src/api.rs
        +++ b/src/api.rs
        @@ -14,10 +14,10 @@

         /// Closes a ticket. It stays open if it cannot be archived.
         pub async fn close(desk: &Desk, archive: &Archive, id: u64) -> io::Result<()> {
        -    let mut open = desk.open.lock().expect("no holder of the lock panics");
        -    let ticket = open.get(&id).cloned().ok_or(io::ErrorKind::NotFound)?;
        +    let found = desk.open.lock().expect("no holder of the lock panics").get(&id).cloned();
        +    let ticket = found.ok_or(io::ErrorKind::NotFound)?;
             archive.store(&ticket).await?;
        -    open.remove(&id);
        +    desk.open.lock().expect("no holder of the lock panics").remove(&id);
             Ok(())
         }

        Refused by --no.

        A patch for reports/nightly.py:

        --- a/reports/nightly.py
        +++ b/reports/nightly.py
        @@ -12,7 +12,7 @@

         def upload(report: Path) -> None:
             """Uploads a report, then removes it here."""
        -    subprocess.run(["rsync", "--compress", str(report), TARGET])
        +    subprocess.run(["rsync", "--compress", str(report), TARGET], check=True)
             report.unlink()

        Refused by --no.

        A patch for src/page.rs:

        --- a/src/page.rs
        +++ b/src/page.rs
        @@ -8,7 +8,7 @@
         /// Returns the tickets of a page of some size; the first page is 0.
         pub fn page(tickets: &[Ticket], number: usize, size: usize) -> &[Ticket] {
             let first = (number * size).min(tickets.len());
        -    let last = (first + size + 1).min(tickets.len());
        +    let last = (first + size).min(tickets.len());
             &tickets[first..last]
         }

        Refused by --no.

        reports/tickets.py: a person has declined this call: not wanted
        src/api.rs: a person has declined this call: not wanted
        reports/nightly.py: a person has declined this call: not wanted
        src/page.rs: a person has declined this call: not wanted
        0 of 4 patches applied"#]]
    .assert_eq(&lines.join("\n"));
    assert_eq!(mended(folder.path()), Vec::<&str>::new());
}

#[test]
fn what_is_approved_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let (shown, _, code) = run("code_review", &["--yes"], folder.path());
    assert!(shown.ends_with("src/page.rs: applied to `src/page.rs`\n4 of 4 patches applied\n"), "{shown}");
    assert_eq!((mended(folder.path()).len(), code), (4, Some(0)));

    // A review that is done is no longer there: the next one begins with the sample as it was.
    run("code_review", &["--no"], folder.path());
    assert_eq!(mended(folder.path()).len(), 0);
}

#[test]
fn it_waits_for_who_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let (shown, _, code) = typed("y\nperhaps\nn\nq\n", None, folder.path());
    assert!(shown.ends_with("Nothing is lost: run the same command again to go on here.\n"), "{shown}");
    assert_eq!((mended(folder.path()), code), (vec!["reports/tickets.py"], Some(3)));

    let (shown, _, code) = typed("y\n", None, folder.path());
    assert!(shown.contains("Going on with the review that was begun."), "{shown}");
    assert_eq!((mended(folder.path()), code), (vec!["reports/tickets.py", "reports/nightly.py"], Some(3)));

    let (shown, _, code) = run("code_review", &["--yes"], folder.path());
    expect![[r#"
        reports/tickets.py: applied to `reports/tickets.py`
        src/api.rs: a person has declined this call: not wanted
        reports/nightly.py: applied to `reports/nightly.py`
        src/page.rs: applied to `src/page.rs`
        3 of 4 patches applied
    "#]]
    .assert_eq(shown.split_once("Approved by --yes.\n\n").unwrap().1);
    assert_eq!((mended(folder.path()).len(), code), (3, Some(0)));

    let (shown, ..) = run("code_review", &["--yes", "--again"], folder.path());
    assert!(!shown.contains("Going on"), "{shown}");
}

#[test]
fn a_killed_review_goes_on_and_applies_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command("code_review", &[], folder.path());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut shown = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    stdin.write_all(b"y\n").unwrap();
    let questions = shown.by_ref().filter(|line| line.starts_with("Apply it?")).take(2).count();
    child.kill().unwrap(); // SIGKILL, in the middle of the second question
    child.wait().unwrap();
    assert_eq!((questions, mended(folder.path())), (2, vec!["reports/tickets.py"]));

    let (shown, errors, code) = run("code_review", &["--yes"], folder.path());
    assert_eq!((errors.as_str(), code), ("", Some(0)));
    // What was answered before is not asked again.
    assert_eq!(shown.matches("A patch for ").count(), 3, "{shown}");
    assert!(shown.ends_with("4 of 4 patches applied\n"), "{shown}");
    assert_eq!(mended(folder.path()).len(), 4);
}

#[cfg(unix)]
#[test]
fn a_person_may_change_the_patch() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let script = |name: &str, words: &str| {
        let path = folder.path().join(name);
        fs::write(
            &path,
            format!("#!/bin/sh\nsed '{words}' \"$1\" > \"$1.new\" && cat \"$1.new\" > \"$1\"\nrm \"$1.new\"\n"),
        )
        .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let newest = script("newest", "s/^+\\(.*\\) ORDER BY id DESC\"/+\\1\"/");
    let (.., code) = typed("e\nq\n", Some(&newest), folder.path());
    let text = fs::read_to_string(folder.path().join("target/code_review/sample/reports/tickets.py")).unwrap();
    assert!(text.contains("WHERE customer = ?\"\n"), "{text}");
    assert_eq!(code, Some(3));

    // A patch that no longer fits changes nothing, and it is said.
    let misfit = script("misfit", "s/archive.store/archive.keep/");
    let (shown, ..) = typed("e\nn\nn\n", Some(&misfit), folder.path());
    assert!(shown.contains("src/api.rs: it does not fit `src/api.rs`, which is unchanged"), "{shown}");
    let api = |root: &Path| fs::read_to_string(root.join("src/api.rs")).unwrap();
    assert_eq!(api(&folder.path().join("target/code_review/sample")), api(Path::new(SAMPLE)));
}

#[test]
fn findings_are_json_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    let (shown, said, _) = run("code_review", &["--json", "--no"], folder.path());
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let lines: Vec<_> = shown["findings"].as_array().unwrap().iter().map(|finding| &finding["line"]).collect();
    assert_eq!(lines, [8, 17, 15, 11]);
    assert!(said.contains("Refused by --no."), "{said}");
}

#[test]
fn the_reviewer_sees_who_calls_what_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (shown, ..) = run("code_review", &["--context"], folder.path());
    let items: Vec<_> = shown.lines().filter(|line| line.starts_with("c") && line.contains(" in ")).collect();
    expect![[r#"
        changed: def upload in reports/nightly.py
        changed: def tickets_of in reports/tickets.py
        changed: fn list in src/api.rs
        changed: fn close in src/api.rs
        changed: const PAGE_SIZE in src/page.rs
        changed: fn page in src/page.rs
        calls what has changed: def main in reports/nightly.py
        calls what has changed: fn close_all in src/api.rs"#]]
    .assert_eq(&items.join("\n"));
}

#[test]
fn wrong_folders_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let (_, error, code) = run("code_review", &["nowhere"], folder.path());
    assert_eq!((error.as_str(), code), ("error: there is no folder `nowhere`\n", Some(1)));

    fs::create_dir(folder.path().join("own")).unwrap();
    let write = |text: &str| fs::write(folder.path().join("own/changes.diff"), text).unwrap();
    write("");
    let (_, error, _) = run("code_review", &["own"], folder.path());
    assert_eq!(error, "error: nothing has changed in `own`\n");
    write("no diff\n");
    let (_, error, _) = run("code_review", &["own"], folder.path());
    assert!(error.starts_with("error: reading the diff: "), "{error}");
    write("--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-a\n+b\n");
    let (_, error, _) = run("code_review", &["own"], folder.path());
    assert!(error.starts_with("error: the scripted model knows only the sample; name a real one: "), "{error}");
}

/// Lets a model say these things, one after the other, about a folder of its own.
fn said_by(answers: impl IntoIterator<Item = Message>, folder: &Path) -> Printed {
    let own = folder.join("own");
    fs::create_dir(&own).unwrap();
    fs::write(own.join("sum.py"), "def total(prices):\n    return sum(prices[1:])\n").unwrap();
    let diff = "--- a/sum.py\n+++ b/sum.py\n@@ -1,2 +1,2 @@\n def total(prices):\n-    return sum(prices)\n+    return sum(prices[1:])\n";
    fs::write(own.join("changes.diff"), diff).unwrap();
    let lines: Vec<String> = answers.into_iter().map(|answer| serde_json::to_string(&answer).unwrap()).collect();
    fs::write(folder.join("script.jsonl"), lines.join("\n")).unwrap();
    run("code_review", &["own", "--yes", "--model", "mock:script=script.jsonl"], folder)
}

fn calls(tool: &str, arguments: &Value) -> Message {
    Message::new(Role::Assistant, [Part::ToolCall(ToolCall::new(format!("call of {arguments}"), tool, arguments))])
}

fn finding(file: &str, line: usize) -> Value {
    let fix = Some("Sum all of them.");
    json!({"file": file, "line": line, "severity": "high", "title": "\u{1b}[2J\u{202e}lost", "why": "The first is lost.", "fix": fix})
}

#[test]
fn what_points_nowhere_is_dropped_and_nothing_outside_is_written() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("outside.py"), "a\n").unwrap();
    let findings = json!({"findings": [finding("sum.py", 2), finding("sum.py", 9), finding("../outside.py", 1)]});
    let outside = json!({"file": "../outside.py", "diff": "--- a\n+++ b\n@@ -1 +1 @@\n-a\n+b\n"});
    let script = [
        calls("final_answer", &findings),
        calls("final_answer", &findings), // the same again, though it was sent back
        calls("apply_patch", &outside),
        Message::assistant("Done."),
    ];
    let (shown, errors, code) = said_by(script, folder.path());
    assert_eq!((errors.as_str(), code), ("", Some(0)));
    expect![[r#"
        Reviewing own with mock:script=script.jsonl.
        The model is scripted: what it says was written beforehand.
        1 finding; the first answer pointed nowhere and was sent back

        HIGH    sum.py:2  �[2J�lost
                The first is lost.
                Fix: Sum all of them.

        dropped, it points nowhere: "�[2J�lost": `sum.py` has 2 lines and no line 9
        dropped, it points nowhere: "�[2J�lost": `../outside.py` is none of the changed files
        A patch for ../outside.py:

        --- a
        +++ b
        @@ -1 +1 @@
        -a
        +b

        Approved by --yes.

        ../outside.py: `../outside.py` cannot be reached
        0 of 1 patches applied
    "#]]
    .assert_eq(&shown);
    assert_eq!(fs::read_to_string(folder.path().join("outside.py")).unwrap(), "a\n");
}

#[test]
fn a_model_that_fails_leaves_a_review_that_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (_, errors, code) = said_by([], folder.path());
    assert!(errors.contains("the script has no further answer"), "{errors}");
    assert_eq!(code, Some(1));

    fs::remove_dir_all(folder.path().join("own")).unwrap();
    let (shown, errors, code) = said_by([calls("final_answer", &json!({"findings": []}))], folder.path());
    assert_eq!((errors.as_str(), code), ("", Some(0)));
    assert!(shown.contains("Going on with the review that was begun."), "{shown}");
    assert!(shown.ends_with("0 findings\n\n0 of 0 patches applied\n"), "{shown}");
}
