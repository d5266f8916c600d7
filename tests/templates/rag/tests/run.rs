//! The program as its README runs it, in a project that has the documents of the template.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs the program in a folder and returns what it prints.
fn run(folder: &Path, args: &[&str]) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_new-rag"));
    let output = program.args(args).current_dir(folder).env_remove("LOREWELL_MODEL").output().expect("it starts");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn it_quotes_the_documents_and_says_when_they_do_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../cli/templates/rag/docs");
    fs::create_dir(folder.path().join("docs")).unwrap();
    for name in ["opening-hours.md", "returns.md"] {
        fs::copy(docs.join(name), folder.path().join("docs").join(name)).unwrap();
    }
    let returns = "Unused parts can be returned within 30 days. [1]\n[1] docs/returns.md:3\n";
    assert_eq!(run(folder.path(), &[]), returns);
    let hours = run(folder.path(), &["When is the workshop open?"]);
    assert!(hours.starts_with("The workshop is open from Tuesday to Saturday"), "{hours}");
    let unknown = run(folder.path(), &["Who painted the Mona Lisa?"]);
    assert!(unknown.starts_with("The documents do not answer this: "), "{unknown}");
}
