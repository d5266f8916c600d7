//! The program as its README runs it, each time in a process of its own.

use std::path::Path;
use std::process::{Command, Output};

fn run(folder: &Path, args: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_new-workflow"));
    program.args(args).current_dir(folder).output().expect("it starts")
}

/// Runs the program in a folder and returns what it prints.
fn printed(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn it_asks_and_goes_on_with_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let asks = "Refund 25.00 EUR? `cargo run -- yes`, or `no`\n";
    assert_eq!(printed(folder.path(), &["2500"]), asks);
    assert_eq!(printed(folder.path(), &["yes"]), "paid 25.00 EUR\n");
    assert_eq!(printed(folder.path(), &["yes"]), "paid 25.00 EUR\n");
    assert_eq!(printed(folder.path(), &["2500"]), asks);
    assert_eq!(printed(folder.path(), &["no"]), "declined\n");
    assert_eq!(printed(folder.path(), &["2000"]), "paid 20.00 EUR\n");
}

#[test]
fn what_is_no_sum_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["much"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("`much` is no sum; give cents"), "{said}");
}
