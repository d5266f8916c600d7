//! What a new user types first: nothing, `--help`, a question without a command, a slip; and what the program says
//! about itself.

use std::process::Stdio;

use snapbox::str;

use crate::place::{Place, check};

#[test]
fn the_bare_command_is_a_short_welcome() {
    check(
        &Place::empty(),
        "",
        str![[r#"
lorewell 0.1.0 - ask your own documents, with sources you can check

  lorewell ingest ~/notes          read a folder: PDF, Word, HTML, text, code
  lorewell ask "what did we decide about the cache?"
  lorewell search "cache" -n 3     the passages alone

Works offline, without keys, without a server.
All commands: lorewell help
exit 0

"#]],
    );
}

#[test]
fn help_lists_the_commands() {
    let place = Place::empty();
    let help = place.ok("--help");
    for command in [
        "init", "ingest", "search", "ask", "run", "chat", "show", "ls", "status", "rm", "model", "key", "trace",
        "doctor", "config", "new",
    ] {
        let run = place.ok(&format!("{command} --help"));
        assert!(help.stdout.contains(&format!("\n  {command}  ")), "`{command}` is not in {}", help.stdout);
        assert!(run.stdout.contains(&format!("Usage: lorewell {command}")), "{}", run.stdout);
        assert_eq!(run.stderr, "");
    }
    assert!(!help.stdout.contains("load-worker"), "{}", help.stdout);
    let too_wide = help.stdout.lines().find(|line| line.chars().count() > 80);
    assert_eq!(too_wide, None);
    check(
        &place,
        "-h",
        str![[r#"
Ask your own documents, with sources you can check

Usage: lorewell [OPTIONS] [COMMAND]

Commands:
  init         Make a brain for a project, in `.lorewell/`
  ingest       Read files and folders; unchanged ones are skipped [alias: add]
  search       Find passages
  ask          Answer a question, with citations that were checked against the
               sources
  run          Ask a model, without documents
  chat         Talk with an agent over your documents; the conversation is kept
  show         Show a source: PATH, a place in it as printed (PATH:LINE,
               PATH:LINE-LINE, `PATH p.PAGE`, `PATH §HEADING`), or the number of
               a hit of the last search or answer
  ls           List the documents
  status       Say what the brain holds and how it is
  rm           Take documents out of the brain; the files themselves are left
               alone
  model        Choose among models, and try them
  key          Keep the keys of providers, for this account alone
  trace        Look at what commands did, step by step: times, tokens, cost
  doctor       Check that everything works, and say how to fix what does not
  config       Show settings and where they come from
  completions  Print a completion script for a shell
  man          Print the manual page, or write all of them to a folder
  new          Make a Rust project that builds on Lorewell: an agent, answers
               from documents, a graph of steps
  help         Print this message or the help of the given subcommand(s)

Options:
  -h, --help     Print help (see more with '--help')
  -V, --version  Print version

Global options:
      --brain <NAME|PATH>  The brain to use: a name, or a path with a `/` or a
                           leading `.`. Default: the one that LOREWELL_BRAIN
                           names, else the nearest `.lorewell` folder upwards,
                           else the one of your account
      --json               Print one JSON object
      --jsonl              Print one JSON object a line
  -v, --verbose...         Say more (-vv: log what the library does)
  -q, --quiet              Print results and errors only
      --color <WHEN>       When to colour [default: auto] [possible values:
                           auto, always, never]
      --offline            Open no network connection at all [env:
                           LOREWELL_OFFLINE=]

Examples:
  lorewell ingest ~/notes          read a folder: PDF, Word, HTML, text, code
  lorewell ask "what did we decide about the cache?"
  lorewell search "cache" -n 3     the passages alone

Works offline, without keys, without a server.
exit 0

"#]],
    );
}

#[test]
fn exit_codes_are_documented() {
    check(
        &Place::empty(),
        "help exit-codes",
        str![[r#"
Exit codes:
  0    done
  1    failed
  2    the arguments cannot be read
  3    nothing found, or nothing supports an answer
  4    a key is missing or was rejected
  5    partly done: some files could not be read
  6    a check failed (doctor)
  7    a question waits for a person (chat)
  130  interrupted by Ctrl-C

Standard output carries the result and nothing else; everything else goes to
standard error.
exit 0

"#]],
    );
    assert_eq!(Place::empty().ok("exit-codes").stdout, Place::empty().ok("help exit-codes").stdout);
}

#[test]
fn a_question_without_a_command_gets_the_one_it_lacks() {
    let place = Place::empty();
    check(
        &place,
        r#""what is x?""#,
        str![[r#"
2> error: `what is x?` is not a command; to ask it: lorewell ask "what is x?"
exit 2

"#]],
    );
    check(
        &place,
        r#"-q "what is x?""#,
        str![[r#"
2> error: `what is x?` is not a command; to ask it: lorewell ask "what is x?"
exit 2

"#]],
    );
}

#[test]
fn slips_of_the_fingers_are_named() {
    let place = Place::empty();
    check(
        &place,
        "serch",
        str![[r#"
2> error: `serch` is not a command; did you mean `search`?
exit 2

"#]],
    );
    check(
        &place,
        "whatisx",
        str![[r#"
2> error: `whatisx` is not a command; `lorewell help` lists the commands
exit 2

"#]],
    );
    check(
        &place,
        "search --frob x",
        str![[r#"
2> error: unexpected argument '--frob' found
2> 
2>   tip: to pass '--frob' as a value, use '-- --frob'
2> 
2> Usage: lorewell search [OPTIONS] [QUESTION]...
2> 
2> For more information, try '--help'.
exit 2

"#]],
    );
    check(
        &place,
        "ls --json --jsonl",
        str![[r#"
2> error: the argument '--json' cannot be used with '--jsonl'
2> 
2> Usage: lorewell ls --json [GLOB]
2> 
2> For more information, try '--help'.
exit 2

"#]],
    );
    check(
        &place,
        "show",
        str![[r#"
2> error: the following required arguments were not provided:
2>   <REF>
2> 
2> Usage: lorewell show <REF>
2> 
2> For more information, try '--help'.
exit 2

"#]],
    );
    check(
        &place,
        "completions tcsh",
        str![[r#"
2> error: invalid value 'tcsh' for '<SHELL>'
2>   [possible values: bash, elvish, fish, powershell, zsh]
2> 
2>   tip: a similar value exists: 'zsh'
2> 
2> For more information, try '--help'.
exit 2

"#]],
    );
}

#[test]
fn every_shell_gets_completions_and_every_command_a_page() {
    let place = Place::empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.ok(&format!("completions {shell}")).stdout;
        assert!(
            ["ingest", "words-only", "chat", "continue"].iter().all(|word| script.contains(word))
                && !script.contains("load-worker"),
            "{shell}: {script}"
        );
    }
    let page = place.ok("man").stdout;
    assert!(page.contains(".TH lorewell 1") && page.contains(".SH EXAMPLES") | page.contains("Examples"), "{page}");
    place.ok("man --dir pages");
    for page in
        ["lorewell.1", "lorewell-ingest.1", "lorewell-config-explain.1", "lorewell-chat.1", "lorewell-key-set.1"]
    {
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
    for line in
        ["", "--help", "man", "completions bash", "ls", "ls --jsonl", "search bicycle -n 40 --json", "exit-codes"]
    {
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
