//! What commands leave to be looked at: where it is kept, what it tells, and what it does not unless it is asked to.

use snapbox::str;

use crate::place::{Place, check};
use crate::server::{Manner, Server};

#[test]
fn each_command_that_asks_a_model_leaves_a_trace() {
    let place = Place::empty();
    check(
        &place,
        "trace ls",
        str![[r#"
2> No traces yet; `ask`, `chat` and `run` leave them.
exit 3

"#]],
    );
    place.ok("run mock:echo \"a secret question\"");
    assert_eq!(place.piped("chat --model mock:echo", b"one\ntwo\n").code, 0);
    let listed = place.json("trace ls --json");
    let traces = listed["traces"].as_array().unwrap();
    let names: Vec<_> = traces.iter().map(|trace| (trace["name"].as_str().unwrap(), trace["state"].as_str())).collect();
    assert_eq!(
        names,
        [("lorewell chat", Some("done")), ("lorewell chat", Some("done")), ("lorewell run", Some("done"))]
    );
    assert!(traces.iter().all(|trace| trace["totals"]["answers"] == 1), "{listed}");
    assert_eq!(listed["dropped"], 0);

    let id = traces[2]["id"].as_str().unwrap();
    let shown = place.ok(&format!("trace show {}", &id[..8]));
    let lines: Vec<_> = shown.stdout.lines().collect();
    assert!(lines[0].starts_with(&format!("trace {id}, ")), "{}", shown.stdout);
    assert!(lines[1].starts_with("lorewell run  ") && lines[1].ends_with("  $0"), "{}", shown.stdout);
    assert!(lines[2].starts_with("  chat echo  "), "{}", shown.stdout);
    assert_eq!((lines.len(), shown.stderr.as_str()), (3, ""));
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{}", shown.stdout);
    let shown = place.json(&format!("trace show {id} --json"));
    assert_eq!((&shown["id"], &shown["spans"][1]["attributes"]["gen_ai.request.model"]), (&id.into(), &"echo".into()));
    assert!(!shown.to_string().contains("secret question"), "{shown}");

    assert_eq!(place.ok(&format!("trace rm {id}")).stderr, "1 trace removed.\n");
    assert_eq!(place.ok("trace rm --all").stderr, "2 traces removed.\n");
    assert_eq!(place.run("trace show").code, 1);
}

#[test]
fn what_was_said_is_kept_only_where_that_is_wanted() {
    let place = Place::empty();
    let run = |trace: &str| {
        let mut command = place.command();
        place.finish(command.env("LOREWELL_TRACE", trace).args(["run", "mock:echo", "a secret question"]))
    };
    assert_eq!(run("off").code, 0);
    assert!(!place.home().join("data/traces.sqlite").exists());
    assert_eq!(run("content").code, 0);
    let shown = place.ok("trace show last").stdout;
    assert!(shown.contains("in: [{\"") && shown.contains("a secret question"), "{shown}");
    let run = run("yes");
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("`trace` = `yes` (from environment LOREWELL_TRACE)"), "{}", run.stderr);
}

#[test]
fn a_project_does_not_choose_what_is_kept_of_its_reader() {
    let place = Place::with_brain();
    place.write(".lorewell/config.toml", "trace = \"content\"\n");
    let run = place.run("run mock:echo hi");
    assert!(run.stderr.contains("`trace` is no setting of a project"), "{}", run.stderr);
}

#[test]
fn what_went_wrong_is_told_without_the_key() {
    let place = Place::empty();
    let server = Server::start(Manner::Refusing(401));
    let mut command = place.command();
    command.env("OPENAI_BASE_URL", &server.address).env("OPENAI_API_KEY", "sk-canary-0123456789abcdef");
    let run = place.finish(command.env("LOREWELL_TRACE", "content").args(["run", "openai-chat:m", "hi"]));
    assert_eq!(run.code, 4, "{}", run.transcript());
    let shown = place.ok("trace show last").stdout;
    assert!(shown.contains("failed") && shown.contains("Incorrect API key provided: …"), "{shown}");
    let stored = std::fs::read(place.home().join("data/traces.sqlite")).unwrap();
    assert!(!String::from_utf8_lossy(&stored).contains("canary"));
}

#[test]
fn an_answer_is_given_even_if_no_trace_can_be_kept() {
    let place = Place::empty();
    std::fs::create_dir_all(place.home().join("data")).unwrap();
    std::fs::write(place.home().join("data/traces.sqlite"), "no database".repeat(1000)).unwrap();
    let run = place.ok("run mock:echo hi");
    assert_eq!(run.stdout, "hi\n");
    assert!(run.stderr.starts_with("No trace is kept: `"), "{}", run.stderr);
    let listed = place.run("trace ls");
    assert_eq!(listed.code, 1);
    assert!(listed.stderr.contains("is damaged or no database"), "{}", listed.stderr);
}

#[test]
fn the_search_and_the_answer_are_in_one_trace() {
    let place = Place::sample();
    place.run("ask \"how long is the refund window?\"");
    let shown = place.json("trace show --json");
    let names: Vec<_> = shown["spans"].as_array().unwrap().iter().map(|span| span["name"].as_str().unwrap()).collect();
    assert_eq!(names[0], "lorewell ask");
    assert!(names.iter().any(|name| name.starts_with("embeddings ")), "{names:?}");
}
