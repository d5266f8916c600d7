//! The program as its README runs it, each time in a process of its own.

use std::path::Path;
use std::process::Command;

/// Runs the program in a folder and returns what it prints.
fn run(folder: &Path, args: &[&str]) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_new-agent"));
    let output = program.args(args).current_dir(folder).env_remove("LOREWELL_MODEL").output().expect("it starts");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn it_stops_before_it_orders_and_goes_on_with_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let asks = "May it call \"order\" with {\"part\":\"chain\",\"pieces\":4}? `cargo run -- yes`, or `no`\n";
    assert_eq!(run(folder.path(), &[]), asks);
    assert_eq!(run(folder.path(), &["yes"]), "ordered 4 of `chain`\n");
    assert_eq!(run(folder.path(), &["And again."]), asks);
    let denied = run(folder.path(), &["no"]);
    assert!(!denied.contains("ordered"), "{denied}");
}
