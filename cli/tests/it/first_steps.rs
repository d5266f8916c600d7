//! What a new user types first: nothing, `--help`, a question without a command, a slip; and what the program says
//! about itself.

use std::process::Stdio;

use snapbox::str;

use crate::place::{Place, check};

#[test]
fn the_bare_command_is_a_short_welcome() {
    check(&Place::empty(), "", str![]);
}

#[test]
fn help_lists_the_commands() {
    let place = Place::empty();
    let help = place.ok("--help");
    for command in ["init", "ingest", "search", "ask", "show", "ls", "status", "rm", "doctor", "config"] {
        let run = place.ok(&format!("{command} --help"));
        assert!(help.stdout.contains(&format!("\n  {command}  ")), "`{command}` is not in {}", help.stdout);
        assert!(run.stdout.contains(&format!("Usage: lorewell {command}")), "{}", run.stdout);
        assert_eq!(run.stderr, "");
    }
    assert!(!help.stdout.contains("load-worker"), "{}", help.stdout);
    let too_wide = help.stdout.lines().find(|line| line.chars().count() > 80);
    assert_eq!(too_wide, None);
    check(&place, "-h", str![]);
}

#[test]
fn exit_codes_are_documented() {
    check(&Place::empty(), "help exit-codes", str![]);
    assert_eq!(Place::empty().ok("exit-codes").stdout, Place::empty().ok("help exit-codes").stdout);
}

#[test]
fn a_question_without_a_command_gets_the_one_it_lacks() {
    let place = Place::empty();
    check(&place, r#""what is x?""#, str![]);
    check(&place, r#"-q "what is x?""#, str![]);
}

#[test]
fn slips_of_the_fingers_are_named() {
    let place = Place::empty();
    check(&place, "serch", str![]);
    check(&place, "whatisx", str![]);
    check(&place, "search --frob x", str![]);
    check(&place, "ls --json --jsonl", str![]);
    check(&place, "show", str![]);
    check(&place, "completions tcsh", str![]);
}

#[test]
fn every_shell_gets_completions_and_every_command_a_page() {
    let place = Place::empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.ok(&format!("completions {shell}")).stdout;
        assert!(script.contains("ingest") && script.contains("--words-only"), "{shell}: {script}");
    }
    let page = place.ok("man").stdout;
    assert!(page.contains(".TH lorewell 1") && page.contains(".SH EXAMPLES") | page.contains("Examples"), "{page}");
    place.ok("man --dir pages");
    for page in ["lorewell.1", "lorewell-ingest.1", "lorewell-config-explain.1"] {
        assert!(place.path("pages").join(page).is_file(), "{page} is missing");
    }
}

#[test]
fn colour_is_for_terminals_and_those_who_ask() {
    let place = Place::sample();
    let coloured = |line: &str, variable: Option<&str>| {
        let mut command = place.command();
        command.args(line.split(' ')).envs(variable.map(|name| (name, "1")));
        place.finish(&mut command).stdout.contains('\u{1b}')
    };
    assert!(!coloured("ls", None), "a pipe is not a terminal");
    assert!(coloured("ls --color always", None));
    assert!(coloured("ls --color always", Some("NO_COLOR")), "the flag says more than the environment");
    assert!(!coloured("ls --color never", Some("CLICOLOR_FORCE")));
    assert!(!coloured("ls", Some("NO_COLOR")));
    assert!(!coloured("ls --json --color always", None), "JSON has no colours");
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let place = Place::sample();
    for line in ["", "--help", "man", "completions bash", "ls", "ls --jsonl", "search bicycle -n 40 --json", "exit-codes"] {
        let mut child = place.command();
        child.args(line.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        drop(child.stdout.take()); // like `| head -0`
        let run = place.read(child.wait_with_output().unwrap());
        assert!(!run.stderr.contains("error"), "`{line}`: {}", run.transcript());
        assert_eq!(run.code, 0, "`{line}`: {}", run.transcript());
    }
}

#[test]
fn quiet_leaves_results_and_errors() {
    let place = Place::sample();
    let (quiet, usual) = (place.ok("ls -q"), place.ok("ls"));
    assert_eq!((quiet.stderr.as_str(), &quiet.stdout), ("", &usual.stdout));
    assert_eq!(usual.stderr, "14 documents.\n");
    assert!(place.run("show nope -q").stderr.contains("error"));
}
