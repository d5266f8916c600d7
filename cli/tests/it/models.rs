//! `model` and `run`: choosing, trying and asking models, and what goes wrong on the way.

use snapbox::str;

use crate::place::{Place, check};
use crate::server::{Manner, Server};

#[test]
fn one_question_gets_one_answer() {
    let place = Place::empty();
    check(
        &place,
        "run mock:echo \"hi\"",
        str![[r#"
hi
exit 0

"#]],
    );
    check(
        &place,
        "run mock:echo hi there -v",
        str![[r#"
hi there
2> 2 in / 2 out - $0
exit 0

"#]],
    );
    let piped = place.piped("run mock:echo \"what does it do?\"", b"fn main() {}\n");
    assert_eq!(piped.stdout, "what does it do?\n\nfn main() {}\n");
    assert_eq!(place.piped("run mock:echo", b"**raw** \x1b[1m\n").stdout, "**raw** \u{1b}[1m\n");
    place.write("a.rs", "fn a() {}\n");
    let with_file = place.ok("run mock:echo --file a.rs \"what is this?\"");
    assert_eq!(with_file.stdout, "<file name=\"a.rs\">\nfn a() {}\n</file>\n\nwhat is this?\n");
    let reply = place.json("run mock:echo hi --json");
    assert_eq!(
        (&reply["message"]["parts"][0]["text"], &reply["finish"], &reply["cost_usd"]),
        (&"hi".into(), &"stop".into(), &0.0.into())
    );
    check(
        &place,
        "run mock:echo hi --jsonl",
        str![[r#"
{"schema":1,"event":"start"}
{"schema":1,"event":"text","text":"hi"}
{"schema":1,"event":"text_end"}
{"schema":1,"event":"usage","usage":{"input_tokens":1,"cache_read_tokens":0,"cache_write_tokens":0,"output_tokens":1,"reasoning_tokens":0}}
{"schema":1,"event":"finish","finish":"stop"}
exit 0

"#]],
    );
}

#[test]
fn what_is_asked_reaches_the_server() {
    let place = Place::empty();
    let server = Server::start(Manner::Whole("It is **a** cat."));
    place.write("cat.png", b"\x89PNG\r\n\x1a\n....");
    let mut command = place.command();
    command.env("COMPATIBLE_BASE_URL", &server.address).args(["run", "compatible:m", "what is it?", "-v"]);
    command.args(["--system", "be short", "--file", "cat.png", "--max-tokens", "9", "--temperature", "0.5"]);
    let run = place.finish(&mut command);
    snapbox::assert_data_eq!(
        run.transcript(),
        str![[r#"
It is **a** cat.
2> 12 in / 3 out - price not known
exit 0

"#]]
    );
    let asked = server.asked().concat();
    assert!(asked.contains("be short") && asked.contains("data:image/png;base64,"), "{asked}");
}

#[test]
fn a_schema_is_kept_to() {
    let place = Place::empty();
    place.write("age.json", r#"{"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}"#);
    let fits = place.piped("run mock:echo --schema age.json", b"```json\n{\"age\": 3}\n```");
    snapbox::assert_data_eq!(
        fits.transcript(),
        str![[r#"
{
  "age": 3
}
exit 0

"#]]
    );
    for (said, expected) in [
        ("{\"age\": \"three\"}", "`/age` of the answer does not fit the schema"),
        ("{}", "the answer does not fit the schema: \"age\" is a required property"),
        ("three", "the answer is not the JSON that was asked for"),
    ] {
        let run = place.piped("run mock:echo --schema age.json", said.as_bytes());
        assert!(run.code == 1 && run.stdout.is_empty() && run.stderr.contains(expected), "{}", run.transcript());
    }
    place.write("no.json", r#"{"type": "objct"}"#);
    let run = place.run("run mock:echo --schema no.json x");
    assert!(run.code == 1 && run.stderr.contains("`no.json` is no JSON schema"), "{}", run.transcript());
}

#[test]
fn what_cannot_be_asked_is_said_with_what_to_do() {
    let place = Place::empty();
    check(
        &place,
        "run mock:echo",
        str![[r#"
2> error: what to ask? for example: lorewell run mock:echo "hi"
exit 2

"#]],
    );
    check(
        &place,
        "run openai:gpt-5 hi",
        str![[r#"
2> error: `openai` needs a key; set `OPENAI_API_KEY`, or run `lorewell key set openai`
exit 4

"#]],
    );
    check(
        &place,
        "run gpt-5 hi",
        str![[r#"
2> error: `gpt-5` does not name a provider and its model; write `openai:gpt-5`
exit 1

"#]],
    );
    check(
        &place,
        "run mock:ecko hi",
        str![[r#"
2> error: `mock:ecko` is no mock model; there are `mock:echo`, `mock:cite` and `mock:script=FILE`
exit 1

"#]],
    );
    check(
        &place,
        "run --offline ollama:qwen3 hi",
        str![[r#"
2> error: `ollama` is reached over a network connection, and `--offline` allows none
exit 1

"#]],
    );
    check(
        &place,
        "model test",
        str![[r#"
2> error: no model is chosen; name one: `lorewell model test NAME`, or choose one with `lorewell model use NAME` (`lorewell model ls` lists the providers)
exit 2

"#]],
    );
    let misspelt = place.run("run antropic:claude hi");
    assert!(misspelt.code == 1 && misspelt.stderr.contains("did you mean `anthropic`?"), "{}", misspelt.transcript());
    let missing = place.run("run mock:echo --file nope.png hi");
    assert!(missing.code == 1 && missing.stderr.contains("reading `nope.png`: "), "{}", missing.transcript());
    for line in ["run mock:echo hi --temperature hot", "run mock:echo hi --max-tokens 0", "run mock:echo hi --effort x"]
    {
        assert_eq!(place.run(line).code, 2, "{line}");
    }
}

#[test]
fn a_model_is_chosen_for_the_account() {
    let place = Place::with_brain();
    std::fs::create_dir_all(place.home()).unwrap();
    let file = place.home().join("config.toml");
    std::fs::write(&file, "# mine\nlimit = 3 # few\n").unwrap();
    check(
        &place,
        "model use openai:gpt-5",
        str![[r#"
`ask` and `chat` use openai:gpt-5 from now on
2> It needs a key: `lorewell key set openai`.
exit 0

"#]],
    );
    place.ok("model use mock:echo");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "# mine\nlimit = 3 # few\nmodel = \"mock:echo\"\n");
    let listed = place.ok("model ls");
    assert_eq!(listed.stderr, "Model in use: mock:echo.\n");
    assert_eq!(place.json("model ls --json")["providers"][0]["address"], "https://api.openai.com/v1");
    let tested = place.ok("model test");
    snapbox::assert_data_eq!(
        tested.transcript(),
        str![[r#"
model        mock:echo
answer       Say only this word: ready
first token  [TIME] s
all of it    [TIME] s
tokens       5 in / 5 out
cost         $0
exit 0

"#]]
    );
    for wrong in ["model use gpt-5", "model use antropic:x", "model use mock:no"] {
        assert_eq!(place.run(wrong).code, 1, "{wrong}");
    }
    place.ok("model use none");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "# mine\nlimit = 3 # few\nmodel = \"none\"\n");
    place.write(".lorewell/config.toml", "model = \"mock:echo\"\n");
    check(
        &place,
        "ls",
        str![[r#"
2> error: [PROJECT]/.lorewell/config.toml:1: `model` is no setting of a project; it belongs into `[HOME]/config.toml`
exit 1

"#]],
    );
}

/// The variable of each provider's address is derived from its name here, and written down in a table there.
#[test]
fn the_models_of_a_server_are_listed() {
    let (place, server) = (Place::empty(), Server::start(Manner::Whole("")));
    let list = |flags: &[&str]| {
        let mut command = place.command();
        place
            .finish(command.env("COMPATIBLE_BASE_URL", &server.address).args(["model", "ls", "compatible"]).args(flags))
    };
    assert_eq!(list(&[]).stdout, "compatible:large\ncompatible:small\n");
    let listed: serde_json::Value = serde_json::from_str(&list(&["--json"]).stdout).unwrap();
    assert_eq!(listed["models"], serde_json::json!([{"id": "large"}, {"id": "small"}]));
    assert_eq!(list(&["--jsonl"]).stdout.lines().count(), 2);
}

#[test]
fn the_addresses_shown_are_those_that_are_used() {
    let place = Place::empty();
    let providers = place.json("model ls --json");
    for provider in providers["providers"].as_array().unwrap() {
        let name = provider["provider"].as_str().unwrap();
        let variable = format!("{}_BASE_URL", name.trim_end_matches("-chat").to_uppercase());
        let mut command = place.command();
        command.env(&variable, "http://127.0.0.1:9/x").args(["model", "ls", "--json"]);
        let shown: serde_json::Value = serde_json::from_str(&place.finish(&mut command).stdout).unwrap();
        let shown = shown["providers"].as_array().unwrap().iter().find(|shown| shown["provider"] == name).unwrap();
        assert_eq!(shown["address"], "http://127.0.0.1:9/x", "{name}");
        let mut command = place.command();
        let run = place.finish(command.env(&variable, "http://127.0.0.1:9/x").args(["model", "ls", name]));
        assert!(run.code == 1 && run.stderr.contains("no connection to `http://127.0.0.1:9`"), "{}", run.transcript());
    }
}

/// Where the tiny model of the tests is.
fn tiny(name: &str) -> String {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/tiny").join(name).display().to_string()
}

#[test]
fn a_model_of_this_machine_tells_a_story() {
    let place = Place::empty();
    for model in [format!("gguf:{}", tiny("tiny-Q8_0.gguf")), format!("safetensors:{}", tiny(""))] {
        let run = |seed: &str| {
            let mut command = place.command();
            let asked = "Tell me a story about a fox and a kite.";
            command.args(["run", &model, "--offline", "--seed", seed, "--max-tokens", "40", "-v", asked]);
            place.finish(&mut command)
        };
        let first = run("3");
        assert!(first.code == 0, "{}", first.transcript());
        assert!(first.stdout.starts_with("Once upon a time there was a fox named "), "{}", first.stdout);
        assert!(
            first.stderr.contains(" / 40 out - $0 - ") && first.stderr.contains(" tokens/s after "),
            "{}",
            first.stderr
        );
        assert_eq!(run("3").stdout, first.stdout);
        assert_ne!(run("4").stdout, first.stdout);
    }
}

#[test]
fn a_model_of_this_machine_that_makes_things_up_chooses_among_the_sentences_of_the_documents() {
    // The tiny model tells stories whatever it is asked, which no passage supports.
    let place = Place::sample();
    let model = format!("gguf:{}", tiny("tiny-Q8_0.gguf"));
    let ask = |question: &str| {
        let mut command = place.command();
        command.args(["ask", "--model", &model, "--offline", question]);
        place.finish(&mut command)
    };
    let run = ask("how much is the deposit for a cargo bike?");
    assert!(run.code == 0, "{}", run.transcript());
    assert!(run.stdout.contains(" verified"), "{}", run.transcript());
    assert!(run.stderr.contains("! your documents do not say what the model wrote at first; "), "{}", run.transcript());
    let run = ask("who won the world cup in 1998?");
    assert!(run.code == 3 && run.stdout == "Your documents do not answer this.\n", "{}", run.transcript());
}

#[test]
fn a_call_that_nobody_offered_is_shown() {
    let place = Place::empty();
    let model = format!("gguf:{}", tiny("tiny-Q8_0.gguf"));
    let mut command = place.command();
    command.args(["run", &model, "--offline", "--temperature", "0", "Add 4 and 5."]);
    let run = place.finish(&mut command);
    assert!(run.code == 0 && run.stdout.starts_with("<tool_call>"), "{}", run.transcript());
}
