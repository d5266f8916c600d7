//! `ask` with a model: what it writes is shown with the citations as they were checked.

use snapbox::str;

use crate::place::{Place, check};
use crate::server::{Manner, Server};

#[test]
fn a_model_answers_with_checked_citations() {
    let place = Place::sample();
    check(
        &place,
        "ask --model mock:cite \"how much is the deposit for a cargo bike?\"",
        str![[r#"
"The deposit is 100 euros for a cargo bike and 20 euros for a children's bike." [1]

[1] library/bike-library.md:21-22  The bike library > How it works  verified
2> engine: mock:cite - each sentence is held against your documents
2> 
2> 16 of 16 passages used - 2,003 in / 17 out - $0
2> [TIME] s - open a source: lorewell show 1 --open
exit 0

"#]],
    );
    let answer = place.json("ask --model mock:cite \"how much is the deposit for a cargo bike?\" --json");
    assert_eq!((&answer["model"], &answer["cost_usd"]), (&"mock:cite".into(), &0.0.into()));
    assert!(answer["citations"][0]["ref"].is_string(), "{}", answer["citations"]);
    let events = place.ok("ask --model mock:cite \"how much is the deposit for a cargo bike?\" --jsonl").stdout;
    let events: Vec<serde_json::Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&events[0]["event"], &events.last().unwrap()["event"]), (&"passages".into(), &"answer".into()));
    assert!(place.ok("show 1").stdout.contains("deposit"));
}

#[test]
fn what_nothing_supports_is_named() {
    let place = Place::sample();
    let ask = |manner| {
        let server = Server::start(manner);
        let mut command = place.command();
        command.env("COMPATIBLE_BASE_URL", &server.address);
        command.args(["ask", "--model", "compatible:m", "how much is the deposit for a cargo bike?"]);
        place.finish(&mut command).transcript()
    };
    let half = "The deposit is 100 euros for a cargo bike [1]. It is paid in gold coins on the moon [1].";
    snapbox::assert_data_eq!(
        ask(Manner::Whole(half)),
        str![[r#"
The deposit is 100 euros for a cargo bike. [1] It is paid in gold coins on the moon. [unsupported]

[1] library/bike-library.md:21-22  The bike library > How it works  verified
2> engine: compatible:m - each sentence is held against your documents
2> 
2> ! your documents do not say this (1 sentence):
2>   - It is paid in gold coins on the moon.
2> 16 of 16 passages used - 12 in / 3 out - price not known
2> [TIME] s - open a source: lorewell show 1 --open
exit 0

"#]]
    );
    let invented = "The moon is made of cheese and costs 7 euro. [1]";
    snapbox::assert_data_eq!(
        ask(Manner::Whole(invented)),
        str![[r#"
Your documents do not answer this.
2> engine: compatible:m - each sentence is held against your documents
2> 
2> (no passage supports what the model wrote)
2> Closest passages (not an answer):
2>   library/bike-library.md:19-25  The bike library > How it works
2>   library/bike-library.md:7-17  The bike library
2>   library/annual-report.pdf p.1  Annual report 2025 > 2 What we did
2> 16 passages went to compatible:m: 12 in / 3 out - price not known.
exit 3

"#]]
    );
    let cut = ask(Manner::Cut("The deposit is 100 euros for a cargo bike [1]. It is paid"));
    assert!(cut.contains("! the answer is cut off: the model reached the limit of tokens\n"), "{cut}");
    let mute = ask(Manner::Cut(""));
    assert!(mute.contains("(the model reached the limit of tokens before it said anything)"), "{mute}");
}

#[test]
fn the_settings_choose_and_flags_count_before_them() {
    let place = Place::sample();
    let question = "how much is the deposit for a cargo bike?";
    let ask = |variable: &str, flags: &[&str]| {
        let mut command = place.command();
        place.finish(command.env("LOREWELL_MODEL", variable).arg("ask").args(flags).arg(question))
    };
    assert!(ask("mock:cite", &[]).stderr.contains("engine: mock:cite"));
    assert!(ask("mock:cite", &["--no-model"]).stderr.contains("engine: extractive"));
    assert!(ask("none", &[]).stderr.contains("engine: extractive"));
    let offline = ask("ollama:qwen3", &["--offline"]);
    assert!(
        offline.code == 0 && offline.stderr.contains("Going on without the model of the settings: "),
        "{}",
        offline.stderr
    );
    let no_key = ask("openai:gpt-5", &[]);
    assert!(no_key.code == 4 && no_key.stderr.contains("`--no-model` answers without one."), "{}", no_key.stderr);
    assert_eq!(place.run("ask --offline --model ollama:qwen3 what?").code, 1);
}
