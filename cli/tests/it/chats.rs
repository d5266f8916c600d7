//! `chat` over a pipe: sessions that are kept and go on, tools and their approval, Ctrl-C and SIGKILL at any moment, going back
//! and copies. What only a terminal has is in `terminal`.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use snapbox::str;

use crate::place::{Place, check};
use crate::server::{Manner, Server};

/// A chat that a test talks with. It does not outlive the test.
struct Chat(Child);

impl Chat {
    fn start(place: &Place, server: &Server, line: &str) -> Self {
        let mut command = place.command();
        command.env("COMPATIBLE_BASE_URL", &server.address).args(line.split(' '));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    fn say(&mut self, line: &str) {
        writeln!(self.0.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits until so much of an answer has come.
    fn read(&mut self, words: &str) {
        let mut read = vec![0; words.len()];
        self.0.stdout.as_mut().unwrap().read_exact(&mut read).unwrap();
        assert_eq!(String::from_utf8(read).unwrap(), words);
    }

    /// Ends what it reads, and waits for its end.
    fn close(mut self) -> Option<i32> {
        drop(self.0.stdin.take());
        self.end()
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.0.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end, without an end of what it reads.
    fn end(mut self) -> Option<i32> {
        let _open = self.0.stdin.take();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it has ended already, unless the test is failing
        let _ = self.0.wait();
    }
}

/// Returns who said what in a session, as its export tells it.
fn said(place: &Place, name: &str) -> Vec<(String, String)> {
    let exported = exported(place, name);
    let messages = exported["messages"].as_array().unwrap().iter();
    let text = |message: &Value| {
        let texts = message["parts"].as_array().unwrap().iter().filter_map(|part| part["text"].as_str());
        (message["role"].as_str().unwrap().to_owned(), texts.collect())
    };
    messages.map(text).collect()
}

/// Returns a session as JSON.
fn exported(place: &Place, name: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("session.json");
    let run = place
        .piped(&format!("chat --model mock:echo --session {name}"), format!("/export {}", file.display()).as_bytes());
    assert!(run.code == 0 || run.code == 7, "{}", run.transcript());
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn pairs<const N: usize>(said: [(&str, &str); N]) -> Vec<(String, String)> {
    said.map(|(role, text)| (role.to_owned(), text.to_owned())).into()
}

#[test]
fn lines_are_answered_and_kept() {
    let place = Place::empty();
    let run = place.piped("chat --model mock:echo --session trip", b"hello **there**\n\n//etc\nlast");
    assert_eq!((run.stdout.as_str(), run.code), ("hello **there**\n/etc\nlast\n", 0), "{}", run.transcript());
    let expected = [
        ("user", "hello **there**"),
        ("assistant", "hello **there**"),
        ("user", "/etc"),
        ("assistant", "/etc"),
        ("user", "last"),
        ("assistant", "last"),
    ];
    assert_eq!(said(&place, "trip"), pairs(expected));
    // The model of the session goes on with it.
    let run = place.piped("chat -c -v", b"more\n/usage\n");
    assert!(run.stdout.starts_with("more\n4 messages, "), "{}", run.transcript());
    assert!(run.stderr.contains(" / 1 out - $0   in all "), "{}", run.transcript());
    let run = place.piped(
        "chat --session other --model mock:echo",
        b"hi\n/sessions\n/sessions THERE hello\n/sessions nowhere\n/resume trip\n/usage\n/new\n/usage\n",
    );
    let listed: Vec<&str> = run.stdout.lines().filter(|line| line.contains("trip") || line.contains("other")).collect();
    assert!(listed[0].starts_with("* other  ") && listed[0].ends_with("  hi"), "{}", run.transcript());
    assert!(listed[1].starts_with("  trip  ") && listed[1].ends_with("  hello **there**"), "{}", run.transcript());
    assert!(listed[2].starts_with("  trip  ") && listed.len() == 3, "{}", run.transcript());
    assert!(run.stdout.ends_with("0 messages, 0 in / 0 out - $0\n"), "{}", run.stdout);
    assert!(run.stderr.contains("Nothing found."), "{}", run.stderr);
}

#[test]
fn a_model_is_needed_and_what_is_wrong_ends_a_pipe() {
    let place = Place::empty();
    check(
        &place,
        "chat",
        str![[r#"
2> error: no model is chosen; name one with `--model`, or choose one with `lorewell model use NAME` (`lorewell model ls` lists the providers)
exit 2

"#]],
    );
    check(
        &place,
        "chat --json",
        str![[r#"
2> error: `chat` has no JSON; ask with `lorewell run --json`
exit 2

"#]],
    );
    check(
        &place,
        "chat --model mock:echo --session ../x",
        str![[r#"
2> error: `../x` is no name of a session; take letters, digits, `-`, `_`, at most 64
exit 2

"#]],
    );
    check(
        &place,
        "chat --model mock:echo --yes-to write_file",
        str![[r#"
2> error: there is no tool `write_file`; there are `calculator`, `clock`, `list_files`, `read_file`
exit 2

"#]],
    );
    let run = place.piped("chat --continue --model mock:echo", b"one\n/serach x\ntwo\n");
    snapbox::assert_data_eq!(
        run.transcript(),
        str![[r#"
one
2> There is no session to go on with; this is a new one.
2> error: there is no command `/serach`; did you mean `/search`?
exit 2

"#]]
    );
    let run = place.piped("chat --model openai:gpt-5", b"one\n");
    assert_eq!(run.code, 4, "{}", run.transcript());
}

#[test]
fn ctrl_c_keeps_what_was_said() {
    let place = Place::empty();
    let server = Server::start(Manner::Hanging("Mont Blanc is "));
    let mut chat = Chat::start(&place, &server, "chat --model compatible:m --session a");
    chat.say("how high is it?");
    chat.read("Mont Blanc is ");
    chat.signal("INT");
    assert_eq!(chat.end(), Some(130));
    let expected = [("user", "how high is it?"), ("assistant", "Mont Blanc is")];
    assert_eq!((said(&place, "a"), &exported(&place, "a")["is_stopped"]), (pairs(expected), &true.into()));
    // The question is asked again as if it had not been.
    let server = Server::start(Manner::Whole("4806 m"));
    let mut chat = Chat::start(&place, &server, "chat --model compatible:m --session a");
    chat.say("/retry");
    chat.read("4806 m\n");
    assert_eq!(chat.close(), Some(0));
    assert_eq!(said(&place, "a"), pairs([("user", "how high is it?"), ("assistant", "4806 m")]));
}

#[test]
fn ctrl_c_between_two_lines_ends_it() {
    let place = Place::empty();
    let server = Server::start(Manner::Whole("yes"));
    let mut chat = Chat::start(&place, &server, "chat --model compatible:m --session a");
    chat.say("well?");
    chat.read("yes\n");
    chat.signal("INT");
    assert_eq!(chat.end(), Some(130));
    assert_eq!(said(&place, "a"), pairs([("user", "well?"), ("assistant", "yes")]));
}

#[test]
fn a_kill_costs_the_answer_on_its_way_and_no_more() {
    let place = Place::empty();
    let server = Server::start(Manner::Whole("a mountain"));
    let mut chat = Chat::start(&place, &server, "chat --model compatible:m --session a");
    chat.say("what is it?");
    chat.read("a mountain\n");
    assert_eq!(chat.close(), Some(0));

    let hanging = Server::start(Manner::Hanging("it is 48"));
    let mut chat = Chat::start(&place, &hanging, "chat --session a");
    chat.say("how high is it?");
    chat.read("it is 48");
    let second = place.run("chat --session a");
    assert!(second.code == 1 && second.stderr.contains("is open in another process"), "{}", second.transcript());
    chat.signal("KILL");
    assert_eq!(chat.end(), None);
    assert_eq!(said(&place, "a").last(), pairs([("user", "how high is it?")]).last());

    let mut chat = Chat::start(&place, &server, "chat --session a");
    chat.say("/retry");
    chat.read("a mountain\n");
    assert_eq!(chat.close(), Some(0));
    let asked = server.asked();
    let expected = "\"user\": \"what is it?\"\n\"assistant\": \"a mountain\"\n\"user\": \"how high is it?\"";
    assert!(asked.last().unwrap().ends_with(expected), "{asked:?}");
    assert_eq!(said(&place, "a").len(), 4);
}

#[test]
fn a_question_that_fails_is_not_asked_again_by_the_next() {
    let place = Place::empty();
    let refusing = Server::start(Manner::Refusing(400));
    let mut chat = Chat::start(&place, &refusing, "chat --model compatible:m --session a");
    chat.say("bad");
    assert_eq!(chat.end(), Some(4));
    assert_eq!(said(&place, "a"), pairs([("user", "bad")]));
    let server = Server::start(Manner::Whole("good"));
    let mut chat = Chat::start(&place, &server, "chat --model compatible:m --session a");
    chat.say("next");
    chat.read("good\n");
    assert_eq!(chat.close(), Some(0));
    assert!(server.asked()[0].ends_with("\n\"user\": \"next\"") && !server.asked()[0].contains("bad"));
    assert_eq!(said(&place, "a"), pairs([("user", "next"), ("assistant", "good")]));
}

/// Returns the last message of each checkpoint that a session has ever had, newest first.
fn stands(place: &Place, name: &str) -> Vec<String> {
    use lorewell::agent::{Agent, checkpoint::Sqlite};
    let read = async {
        let store = Sqlite::open(place.home().join("data/threads.sqlite")).await.unwrap();
        let agent = Agent::new(lorewell::model("mock:echo").await.unwrap()).name("lorewell");
        let thread = agent.thread(name, store).unwrap();
        let mut last = Vec::new();
        for checkpoint in thread.history(None, 1000).await.unwrap() {
            let chat = thread.standing_at(&checkpoint.id).await.unwrap().state;
            last.push(chat.messages.last().map(|message| message.text().into_owned()).unwrap_or_default());
        }
        last
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(read)
}

#[test]
fn what_is_taken_back_stays_in_the_store() {
    let place = Place::empty();
    let run = place.piped("chat --model mock:echo --session a", b"one\n/undo\n/undo\n/usage\n/retry\n");
    assert!(run.code == 0 && run.stdout.contains("taken back: one\n0 messages, "), "{}", run.transcript());
    assert!(run.stderr.contains("There is nothing to take back.\nNothing was said yet."), "{}", run.transcript());
    assert_eq!(stands(&place, "a"), ["", "", "one", "one"]);
    let run = place.piped("chat --session a", b"two\nthree\n/undo\n/undo\n/undo\nfour\n");
    assert!(run.code == 0 && run.stderr.contains("There is nothing to take back."), "{}", run.transcript());
    assert_eq!(said(&place, "a"), pairs([("user", "four"), ("assistant", "four")]));
    assert!(["one", "two"].iter().all(|words| stands(&place, "a").contains(&(*words).to_owned())));
    // A message that failed is taken back too, and nothing else.
    let refusing = Server::start(Manner::Refusing(400));
    let mut chat = Chat::start(&place, &refusing, "chat --model compatible:m --session a");
    chat.say("bad");
    assert_eq!(chat.end(), Some(4));
    let run = place.piped("chat --session a --model mock:echo", b"five\n/undo\n");
    assert!(run.stderr.contains("taken back, for it has no answer: bad"), "{}", run.transcript());
    assert!(run.stdout.ends_with("five\ntaken back: five\n"), "{}", run.transcript());
    assert_eq!(said(&place, "a"), pairs([("user", "four"), ("assistant", "four")]));
    assert!(stands(&place, "a").iter().any(|words| words == "one"));
}

#[test]
fn a_turn_that_is_given_up_leaves_what_it_has_done_in_words() {
    let place = Place::empty();
    const CALLS: [(&str, &str); 2] =
        [("write_file", r#"{"path": "todo.md", "text": "vent it"}"#), ("list_files", "{}")];
    let server = Server::start(Manner::Calling(&CALLS, &Manner::Whole("Written.")));
    let line = "chat --model compatible:m --session a --write . --yes-to write_file";
    let mut command = place.command();
    let run = place.piped_by(command.env("COMPATIBLE_BASE_URL", &server.address), line, b"/budget 20\nnote it\n");
    assert!(run.code == 1 && run.stderr.contains("the budget is spent: 20 tokens"), "{}", run.transcript());
    assert!(place.path("todo.md").exists());
    let next = Server::start(Manner::Whole("I see."));
    let mut command = place.command();
    let run = place.piped_by(command.env("COMPATIBLE_BASE_URL", &next.address), line, b"well?\n/undo\n/undo\n");
    assert!(
        run.code == 0 && run.stderr.contains("the model is told which calls it has led to"),
        "{}",
        run.transcript()
    );
    assert!(run.stdout.ends_with("taken back: well?\ntaken back: note it\n"), "{}", run.transcript());
    let asked = next.asked().remove(0);
    assert!(asked.contains("\"user\": \"note it\"") && asked.contains("(calls made by then: write_file {"), "{asked}");
    assert!(asked.ends_with("\"user\": \"well?\""), "{asked}");
}

#[test]
fn words_of_a_turn_that_went_on_after_a_kill_are_marked() {
    let place = Place::empty();
    place.write("note.md", "Sell the boiler.\n");
    let server =
        Server::start(Manner::Calling(&[("read_file", r#"{"path": "note.md"}"#)], &Manner::Hanging("It says ")));
    let line = "chat --model compatible:m --session a --write .";
    let mut chat = Chat::start(&place, &server, line);
    chat.say("what is in it?");
    chat.read("It says ");
    chat.signal("KILL");
    assert_eq!(chat.end(), None);
    let mut chat = Chat::start(&place, &server, line);
    chat.say("/retry");
    chat.read("It says ");
    chat.signal("INT");
    assert_eq!(chat.end(), Some(130));
    let writing = Server::start(WRITING);
    let run = place.piped_by(place.command().env("COMPATIBLE_BASE_URL", &writing.address), line, b"note it\n");
    assert!(run.code == 7 && run.stderr.contains("read before: tool"), "{}", run.transcript());
    assert!(writing.asked()[0].contains("calls made by then: read_file"), "{:?}", writing.asked());
}

#[test]
fn a_session_that_is_damaged_does_not_hide_the_others() {
    use lorewell::agent::checkpoint::{Batch, Body, Checkpoints as _, Place as At, Record, Sqlite};
    let place = Place::empty();
    let run = place.piped("chat --model mock:echo --session a", b"the old boiler\n");
    assert_eq!(run.code, 0, "{}", run.transcript());
    let damage = async {
        let store = Sqlite::open(place.home().join("data/threads.sqlite")).await.unwrap();
        let claim = store.claim("broken").await.unwrap();
        let at = At { path: "".into(), branch: 0, seq: 0 };
        let record = Record { place: at, body: Body::Step { root: 0, value: b"no step".to_vec() } };
        store.write(&claim, Batch { records: vec![record], durable: true, ..Batch::default() }).await.unwrap();
        store.release(&claim);
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(damage);
    let run = place.piped("chat --model mock:echo --session b", b"/sessions boiler\nhello\n");
    assert!(run.code == 0 && run.stdout.contains("  a  ") && run.stdout.ends_with("hello\n"), "{}", run.transcript());
    assert!(run.stderr.contains("The session broken cannot be read, so it was not searched: "), "{}", run.transcript());
}

#[test]
fn the_web_is_there_when_it_is_asked_for_and_asks_each_time() {
    let place = Place::empty();
    check(
        &place,
        "chat --model mock:echo --web --offline",
        str![[r#"
2> error: `--offline` allows no network connection, and `--web` needs one
exit 2

"#]],
    );
    const FETCH: (&str, &str) = ("fetch_url", r#"{"url": "https://example.com/"}"#);
    let server = Server::start(Manner::Calling(&[FETCH], &Manner::Whole("Read.")));
    let mut command = place.command();
    let run = place.piped_by(
        command.env("COMPATIBLE_BASE_URL", &server.address),
        "chat --model compatible:m --web --session a",
        b"/tools\nlook\n",
    );
    assert!(run.code == 7 && run.stdout.contains("fetch_url  touches network  asks first"), "{}", run.transcript());
    assert!(run.stderr.contains("fetch_url wants to run. It may touch: network"), "{}", run.transcript());
    let run = place.piped("chat --model mock:echo", b"/tools\n");
    assert!(run.code == 0 && !run.stdout.contains("fetch_url"), "{}", run.transcript());
}

#[test]
fn a_database_is_asked_and_what_it_says_is_not_trusted() {
    let place = Place::empty();
    // Its own store is a database like any other.
    let run = place.piped("chat --model mock:echo --session a", b"hi\n");
    assert_eq!(run.code, 0, "{}", run.transcript());
    const COUNT: (&str, &str) = ("sql_query", r#"{"sql": "SELECT 6 * 7 AS answer"}"#);
    const WRITE: (&str, &str) = ("write_file", r#"{"path": "todo.md", "text": "42"}"#);
    let server = Server::start(Manner::Calling(&[COUNT, WRITE], &Manner::Whole("Done.")));
    let line = format!(
        "chat --model compatible:m --session b --write . -v --db {}",
        place.home().join("data/threads.sqlite").display()
    );
    let run = |line: &str, text: &[u8]| {
        place.piped_by(place.command().env("COMPATIBLE_BASE_URL", &server.address), line, text)
    };
    // A query harms nobody. Whoever made the database has words in what the model reads, so what is written then is asked about.
    let run = run(&line, b"how many?\n");
    assert!(run.code == 7 && run.stderr.contains("· sql_query \"SELECT 6 * 7 AS answer\" → "), "{}", run.transcript());
    assert!(run.stderr.contains("read before: document"), "{}", run.transcript());
    assert!(server.asked()[1].contains("[42]"), "{:?}", server.asked());
    let run = place.run("chat --model mock:echo --db none.sqlite");
    assert!(run.code != 0 && run.stderr.contains("none.sqlite"), "{}", run.transcript());
}

#[test]
fn a_memory_lives_on_in_other_sessions() {
    let place = Place::empty();
    std::fs::create_dir_all(place.home()).unwrap();
    std::fs::write(place.home().join("config.toml"), "chat_memory = true\n").unwrap();
    const NOTE: (&str, &str) = ("remember", r#"{"text": "The boiler is in the cellar."}"#);
    let server = Server::start(Manner::Calling(&[NOTE], &Manner::Whole("Noted.")));
    let run = |server: &Server, line: &str| {
        place.piped_by(place.command().env("COMPATIBLE_BASE_URL", &server.address), line, b"go on\n")
    };
    let asks = run(&server, "chat --model compatible:m --session a");
    assert!(asks.code == 7 && asks.stderr.contains("text: \"The boiler is in the cellar.\""), "{}", asks.transcript());
    let noted = run(&server, "chat --model compatible:m --session b --yes-to remember");
    assert_eq!((noted.stdout.as_str(), noted.code), ("Noted.\n", 0), "{}", noted.transcript());
    const FIND: (&str, &str) = ("recall", r#"{"query": "boiler"}"#);
    let server = Server::start(Manner::Calling(&[FIND], &Manner::Whole("In the cellar.")));
    let found = run(&server, "chat --model compatible:m --session c");
    assert_eq!((found.stdout.as_str(), found.code), ("In the cellar.\n", 0), "{}", found.transcript());
    assert!(server.asked()[1].contains("The boiler is in the cellar."), "{:?}", server.asked());
    std::fs::write(place.home().join("config.toml"), "").unwrap();
    let without = place.piped("chat --model mock:echo", b"/tools\n");
    assert!(without.code == 0 && !without.stdout.contains("remember"), "{}", without.transcript());
}

#[test]
fn the_library_is_searched_and_its_places_are_exported() {
    let place = Place::sample();
    let call =
        Manner::Calling(&[("search_library", r#"{"query": "deposit", "limit": 2}"#)], &Manner::Whole("In a file."));
    let server = Server::start(call);
    let mut chat = Chat::start(&place, &server, "chat --model compatible:m --session a -v");
    chat.say("where is the deposit?");
    chat.read("In a file.\n");
    chat.say("/search deposit");
    chat.read("[1] ");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.md");
    chat.say(&format!("/export {}", file.display()));
    assert_eq!(chat.close(), Some(0));
    let text = std::fs::read_to_string(&file).unwrap();
    let places: Vec<&str> = text.split("## Places that were read\n\n").nth(1).unwrap().lines().collect();
    assert!(!places.is_empty() && places.iter().all(|place| text.matches(&place[2..]).count() >= 2), "{text}");
    assert!(text.contains("Calls `search_library`:") && text.contains("## Lorewell\n\nIn a file.\n"), "{text}");
    // What is there stays as it is, and the ending says what is written.
    let again = place.piped("chat --session a --model mock:echo", format!("/export {}", file.display()).as_bytes());
    assert_eq!(again.code, 1, "{}", again.transcript());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    let odd = place.piped("chat --session a --model mock:echo", b"/export a.xyz");
    assert!(odd.code == 1 && odd.stderr.contains("end it with .md or .json"), "{}", odd.transcript());
}

/// Writes a file, and says so.
const WRITING: Manner = Manner::Calling(
    &[("write_file", r#"{"path": "todo.md", "text": "vent\u001b[2J\nit"}"#)],
    &Manner::Whole("Written."),
);

#[test]
fn nothing_is_written_before_a_person_says_so() {
    let place = Place::empty();
    let server = Server::start(WRITING);
    let run = |words: &str, text: &[u8]| {
        place.piped_by(place.command().env("COMPATIBLE_BASE_URL", &server.address), words, text)
    };
    let asks = run("chat --model compatible:m --session a --write .", b"note it\n");
    let shown = "\
2> ? write_file wants to run. It may touch: write
2>   path: \"todo.md\"
2>   text:
2>   | vent\\u{1b}[2J
2>   | it
2> It waits for a person. Answer in a terminal: lorewell chat --session a, or approve it with --yes-to write_file
exit 7
";
    assert_eq!(asks.transcript(), shown);
    assert!(!place.path("todo.md").exists());
    // Whoever looks at the session learns of it.
    let seen = run("chat --session a --model mock:echo --write .", b"/usage\n");
    assert!(seen.code == 7 && seen.stdout.starts_with("1 message, 12 in / 3 out"), "{}", seen.transcript());
    // It waits in the next run too, and another message does not get past it.
    let still = run("chat --session a --write .", b"go on\n");
    assert!(still.code == 7 && still.stdout.is_empty(), "{}", still.transcript());
    let done = run("chat --session a --write . --yes-to write_file -v", b"/usage\n");
    assert!(done.code == 0 && done.stdout.starts_with("Written.\n1 message, 24 in / 6 out"), "{}", done.transcript());
    assert!(done.stderr.contains("write_file is approved by --yes-to"), "{}", done.transcript());
    assert_eq!(std::fs::read_to_string(place.path("todo.md")).unwrap(), "vent\u{1b}[2J\nit");
}

#[test]
fn what_was_done_before_a_kill_is_not_done_again() {
    let place = Place::empty();
    const WRITE: (&str, &str) = ("write_file", r#"{"path": "todo.md", "text": "vent it"}"#);
    let hanging = Server::start(Manner::Calling(&[WRITE], &Manner::Hanging("I have ")));
    let line = "chat --model compatible:m --session a --write . --yes-to write_file";
    let mut chat = Chat::start(&place, &hanging, line);
    chat.say("note it");
    chat.read("I have ");
    chat.signal("KILL");
    assert_eq!(chat.end(), None);
    std::fs::remove_file(place.path("todo.md")).unwrap();
    let server = Server::start(Manner::Calling(&[WRITE], &Manner::Whole("Written.")));
    let mut chat = Chat::start(&place, &server, line);
    chat.say("/retry");
    chat.read("Written.\n");
    assert_eq!(chat.close(), Some(0));
    assert_eq!((server.asked().len(), place.path("todo.md").exists()), (1, false));
}

#[test]
fn without_being_told_so_a_chat_cannot_write() {
    let place = Place::empty();
    let server = Server::start(WRITING);
    let mut chat = Chat::start(&place, &server, "chat --model compatible:m --session a");
    chat.say("note it");
    chat.read("Written.\n");
    assert_eq!(chat.close(), Some(0));
    assert!(!place.path("todo.md").exists());
    assert!(server.asked()[1].contains("there is no tool `write_file`"), "{:?}", server.asked());
}

#[test]
fn a_session_is_copied_and_goes_back() {
    let place = Place::empty();
    let run = place.piped(
        "chat --model mock:echo --session a",
        b"one\ntwo\nthree\n/fork 2\nfour\n/undo\nfive\n/fork\nsix\n/undo\n/undo\n/undo\n/undo\n/usage\n",
    );
    assert!(run.code == 0 && run.stdout.contains("taken back: four\n"), "{}", run.transcript());
    assert!(
        run.stderr.contains("This is a-2, a copy of a.\nThis is a-2-2, a copy of a-2.\nThere is nothing to take back.")
    );
    assert!(run.stdout.contains("\n0 messages, "), "{}", run.transcript());
    let echoed = |words: &[&str]| {
        let both =
            |word: &&str| [("user".to_owned(), (*word).to_owned()), ("assistant".to_owned(), (*word).to_owned())];
        words.iter().flat_map(both).collect::<Vec<_>>()
    };
    assert_eq!(said(&place, "a"), echoed(&["one", "two", "three"]));
    assert_eq!(said(&place, "a-2"), echoed(&["one", "five"]));
    let run = place.piped("chat --session a", b"/fork 4\n");
    assert!(run.code == 2 && run.stderr.contains("there are only 3 messages"), "{}", run.transcript());
    let run = place.piped("chat --session b --model mock:echo", b"/resume a-3\n");
    assert!(run.code == 2 && run.stderr.contains("no session `a-3`"), "{}", run.transcript());
}

#[test]
fn a_turn_has_a_budget_and_goes_on_with_more() {
    let place = Place::empty();
    const READ: (&str, &str) = ("list_files", "{}");
    let server = Server::start(Manner::Calling(&[READ], &Manner::Whole("Nothing there.")));
    let mut command = place.command();
    command.env("COMPATIBLE_BASE_URL", &server.address);
    let run = place.piped_by(&mut command, "chat --model compatible:m --session a", b"/budget 10\nlook\n");
    assert!(run.code == 1 && run.stderr.contains("the budget is spent: 10 tokens"), "{}", run.transcript());
    assert!(run.stderr.contains("`/budget` lets a turn use more"), "{}", run.transcript());
    let mut chat = Chat::start(&place, &server, "chat --session a");
    chat.say("/retry");
    chat.read("Nothing there.\n");
    assert_eq!(chat.close(), Some(0));
    assert_eq!(server.asked().len(), 2, "what was answered is not asked again");
}

#[test]
fn a_question_alone_is_stopped_too() {
    let place = Place::empty();
    let server = Server::start(Manner::Hanging("Mont "));
    let mut run = Chat::start(&place, &server, "run compatible:m hi");
    drop(run.0.stdin.take());
    run.read("Mont ");
    run.signal("INT");
    assert_eq!(run.end(), Some(130));
}
