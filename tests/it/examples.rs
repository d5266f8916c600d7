//! The programs under `examples/` that need nothing but themselves, and what they print. `cargo test` builds them; with
//! `--test it`, run `cargo build --examples` first.

use std::path::{Path, PathBuf};
use std::process::Command;

use expect_test::{Expect, expect};

#[test]
fn typed_graph() {
    check(
        "typed_graph",
        expect![[r#"
            The tyre is flat again.
              a new tyre and 20 minutes of work: 40.50 EUR
            My bell does not ring.
              a new bell and 5 minutes of work: 11.90 EUR
            What a lovely workshop!
              Thank you for your letter.
        "#]],
    );
}

#[cfg(feature = "sqlite")]
#[test]
fn approval() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let printed = run("approval", args, folder.path());
        // The receipt is made of a key, which says nothing to a reader.
        let receipt = printed.split_once("receipt ").map(|(_, receipt)| receipt.trim().to_owned());
        receipt.map_or(printed.clone(), |receipt| printed.replace(&receipt, "[..]"))
    };
    expect![[r#"
        (looking up order 42)
        Refund 25.00 EUR for order 42?
        Answer with `cargo run --example approval -- yes`, or `no`.
    "#]]
    .assert_eq(&run(&[]));
    expect![[r#"
        (paying back 2500 cents)
        refunded 25.00 EUR, receipt [..]
    "#]]
    .assert_eq(&run(&["yes"]));
    expect![[r#"
        refunded 25.00 EUR, receipt [..]
    "#]]
    .assert_eq(&run(&["yes"]));
}

#[test]
fn talk() {
    check(
        "talk",
        expect![[r#"
            Mont Blanc, Dufourspitze, Dom.
            Mont Blanc is 4807 m high
            (asked for weather {"city":"Chamonix"})
            It snows in Chamonix, at -3 °C.
        "#]],
    );
}

#[test]
fn record_replay() {
    check(
        "record_replay",
        expect![[r#"
            recorded: Where is Chamonix?
            drifted:
            -          "text": "Where is Chamonix?"
            +          "text": "Where is Paris?"
            played: Where is Chamonix?
            left: 0
        "#]],
    );
}

#[cfg(feature = "tantivy")]
#[test]
fn cited_answer() {
    check(
        "cited_answer",
        expect![[r#"
            1 of 1 passages used
            "Unused parts can be returned within 30 days." [1]
            [1] returns.md:3 Verified
        "#]],
    );
}

#[test]
fn map_reduce() {
    check(
        "map_reduce",
        expect![[r#"
        pages, in order: [0, 1, 2, 3]
        4 × bridge
        3 × river
        2 × keeps
    "#]],
    );
}

#[test]
fn subgraphs() {
    check(
        "subgraphs",
        expect![[r#"
        flowchart TD
          s(("start"))
          e((("end")))
          subgraph n0["depart"]
            n0_s(("start"))
            n0_e((("end")))
            n0_n0("pack")
            n0_n1("leave")
            n0_s --> n0_n0
            n0_n0 --> n0_n1
            n0_n1 --> n0_e
          end
          subgraph n1["visit"]
            n1_s(("start"))
            n1_e((("end")))
            n1_n0("market")
            n1_n1("museum")
            n1_s --> n1_n0
            n1_s --> n1_n1
            n1_n0 --> n1_e
            n1_n1 --> n1_e
          end
          s --> n0_s
          n1_e --> e
          n0_e -.-> n1_s

        pack the tent
        leave early
        Ghent: the market of Ghent, the museum of Ghent
        Lille: the market of Lille, the museum of Lille
    "#]],
    );
}

#[test]
fn time_travel() {
    check(
        "time_travel",
        expect![[r#"
            Once there was a hare. It slept, and lost.

            0.3  by Loop   hero: a hare      next: the end
            0.2  by Loop   hero: a hare      next: finish
            0.1  by Loop   hero: a hare      next: begin
            0.0  by Input  hero:             next: cast

            Once there was a tortoise. Slowly, it won.

            1.4  by Loop   hero: a tortoise  next: the end
            1.3  by Loop   hero: a tortoise  next: finish
            1.2  by Edit   hero: a tortoise  next: begin
            0.1  by Loop   hero: a hare      next: begin
            0.0  by Input  hero:             next: cast

            And 0.3 still says: Once there was a hare. It slept, and lost.
        "#]],
    );
}

#[expect(clippy::needless_pass_by_value, reason = "`expect!` makes a value")]
fn check(example: &str, expected: Expect) {
    let folder = tempfile::tempdir().unwrap();
    expected.assert_eq(&run(example, &[], folder.path()));
}

/// Runs an example with a folder of its own for what it stores, and returns what it prints.
pub(crate) fn run(example: &str, args: &[&str], folder: &Path) -> String {
    let mut command = Command::new(program(example));
    command.args(args).current_dir(folder).env("TMPDIR", folder).env("TMP", folder).env("TEMP", folder);
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{example}` ended with {}: {errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Finds an example where cargo puts it: beside the folder of this test.
pub(crate) fn program(example: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).expect("tests lie in `target/<profile>/deps`");
    let program = profile.join("examples").join(format!("{example}{}", std::env::consts::EXE_SUFFIX));
    assert!(program.exists(), "`{}` is missing; run `cargo build --examples`", program.display());
    program
}
