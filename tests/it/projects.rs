//! The two larger examples, as a person runs them: as processes, in a folder of their own, with scripted models.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use expect_test::expect;

use crate::examples::program;

#[cfg(all(feature = "code", feature = "sqlite"))]
mod code_review;
mod financial_team;

fn command(example: &str, args: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(program(example));
    command.args(args).current_dir(folder).env_remove("EDITOR").stdin(Stdio::null());
    command
}

/// What a process printed to its standard output and error, and its exit code.
type Printed = (String, String, Option<i32>);

fn printed(output: Output) -> Printed {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code())
}

fn run(example: &str, args: &[&str], folder: &Path) -> Printed {
    printed(command(example, args, folder).output().unwrap())
}

/// The lines of the README stand in what is printed, in their order.
#[track_caller]
fn check_readme(example: &str) {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let shown = readme.split_once(&format!("$ cargo run --example {example}\n")).unwrap().1;
    let folder = tempfile::tempdir().unwrap();
    let (printed, ..) = run(example, &[], folder.path());
    let mut lines = printed.lines();
    for line in shown.lines().take_while(|line| !line.starts_with("```")) {
        assert!(lines.any(|printed| printed == line), "`{line}` is not printed there:\n{printed}");
    }
}

#[test]
fn the_readme_shows_what_is_printed() {
    check_readme("financial_team");
    #[cfg(all(feature = "code", feature = "sqlite"))]
    check_readme("code_review");
}

#[test]
fn financial_team_tells_how_it_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let (help, _, code) = run("financial_team", &["--help"], folder.path());
    assert!(help.contains("Company and data are invented.") && help.contains("--model <MODEL>"), "{help}");
    assert_eq!(code, Some(0));
    let (_, error, code) = run("financial_team", &["--colour"], folder.path());
    assert_eq!((error.lines().next(), code), (Some("error: unexpected argument '--colour' found"), Some(2)));
}

#[test]
fn an_unknown_ticker_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (_, error, code) = run("financial_team", &["XXXX"], folder.path());
    expect!["error: nothing is recorded of `XXXX`; there is `BRWD`\n"].assert_eq(&error);
    assert_eq!((code, folder.path().join("target").exists()), (Some(1), false));
}
