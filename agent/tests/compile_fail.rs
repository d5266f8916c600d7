//! What `#[derive(State)]` refuses, with the messages that a user sees, and what it accepts under strict lints.

#[test]
fn refusals_say_what_to_do() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/*.rs");
    cases.pass("tests/strict.rs");
}
