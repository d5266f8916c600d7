//! `chat` over a pipe: sessions that are kept and go on, Ctrl-C and SIGKILL in the middle of an answer, torn files.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

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

/// Returns the lines of a session, without times.
fn lines(place: &Place, name: &str) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(place.home().join(format!("data/sessions/{name}.jsonl"))).unwrap();
    let read = |line: &str| {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        line.as_object_mut().unwrap().remove("at").unwrap();
        line
    };
    text.lines().map(read).collect()
}

fn said(line: &serde_json::Value) -> (&str, &str) {
    (line["line"].as_str().unwrap(), line["message"]["parts"][0]["text"].as_str().unwrap_or_default())
}

#[test]
fn lines_are_answered_and_kept() {
    let place = Place::empty();
    let run = place.piped("chat --model mock:echo --session trip -v", b"hello **there**\n\n//etc\n/usage\nlast");
    snapbox::assert_data_eq!(
        run.transcript(),
        str![[r#"
hello **there**
/etc
2 messages, 7 in / 3 out - $0
last
2> 2 in / 2 out - $0
2> 5 in / 1 out - $0   in all 7 in / 3 out - $0
2> 7 in / 1 out - $0   in all 14 in / 4 out - $0
exit 0

"#]]
    );
    let kept = lines(&place, "trip");
    let expected = [
        ("session", ""),
        ("asked", "hello **there**"),
        ("answered", "hello **there**"),
        ("asked", "/etc"),
        ("answered", "/etc"),
        ("asked", "last"),
        ("answered", "last"),
    ];
    assert_eq!(kept.iter().map(said).collect::<Vec<_>>(), expected);
    assert_eq!((&kept[2]["model"], &kept[2]["usage"]["output_tokens"]), (&"mock:echo".into(), &2.into()));
    // The model of the session goes on with it, and reads all of it.
    let run = place.piped("chat -c -v", b"more\n");
    assert_eq!((run.stdout.as_str(), run.code), ("more\n", 0), "{}", run.transcript());
    assert!(run.stderr.starts_with("9 in / 1 out"), "{}", run.transcript());
    let run =
        place.piped("chat --session other --model mock:echo", b"hi\n/sessions\n/resume trip\n/usage\n/new\n/usage\n");
    let listed: Vec<&str> = run.stdout.lines().filter(|line| line.contains("trip") || line.contains("other")).collect();
    assert!(listed[0].starts_with("* other  ") && listed[0].ends_with("  hi"), "{}", run.transcript());
    assert!(listed[1].starts_with("  trip  ") && listed[1].ends_with("  hello **there**"), "{}", run.transcript());
    assert!(run.stdout.ends_with("4 messages, 23 in / 5 out - $0\n0 messages, 0 in / 0 out - $0\n"), "{}", run.stdout);
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
    let run = place.piped("chat --continue --model mock:echo", b"one\n/frob\ntwo\n");
    snapbox::assert_data_eq!(
        run.transcript(),
        str![[r#"
one
2> There is no session to go on with; this is a new one.
2> error: there is no command `/frob`; `/help` lists them
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
    let kept = lines(&place, "a");
    assert_eq!((said(&kept[2]), &kept[2]["interrupted"]), (("answered", "Mont Blanc is "), &true.into()));
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
    assert_eq!(lines(&place, "a").len(), 3);
}

#[test]
fn a_kill_costs_the_answer_on_its_way_and_no_more() {
    let place = Place::empty();
    let server = Server::start(Manner::Whole("a mountain"));
    let mut command = place.command();
    command.env("COMPATIBLE_BASE_URL", &server.address).args(["chat", "--model", "compatible:m", "--session", "a"]);
    let mut first = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    first.stdin.take().unwrap().write_all(b"what is it?\n").unwrap();
    assert!(first.wait().unwrap().success());

    let hanging = Server::start(Manner::Hanging("it is 48"));
    let mut chat = Chat::start(&place, &hanging, "chat --session a");
    chat.say("how high is it?");
    chat.read("it is 48");
    let second = place.run("chat --session a");
    assert!(second.code == 1 && second.stderr.contains("is open in another process"), "{}", second.transcript());
    chat.signal("KILL");
    assert_eq!(chat.end(), None);
    assert_eq!(lines(&place, "a").iter().map(said).next_back(), Some(("asked", "how high is it?")));

    // Whatever a crash leaves of a line is dropped, and said.
    let file = place.home().join("data/sessions/a.jsonl");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, [&whole[..], b"{\"line\":\"answered\",\"mess"].concat()).unwrap();
    let mut chat = Chat::start(&place, &server, "chat --session a");
    chat.say("/retry");
    chat.read("a mountain\n");
    drop(chat.0.stdin.take());
    let mut stderr = String::new();
    chat.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(
        (stderr.as_str(), chat.end()),
        ("The last line of `a` was only half written, and is dropped.\n", Some(0))
    );
    let asked = server.asked();
    assert_eq!(
        asked.last().unwrap(),
        "\"user\": \"what is it?\"\n\"assistant\": \"a mountain\"\n\"user\": \"how high is it?\""
    );
    assert_eq!(lines(&place, "a").len(), 5);
}

#[test]
fn a_question_that_fails_is_kept_and_not_asked_again_by_the_next() {
    let place = Place::empty();
    let refusing = Server::start(Manner::Refusing(400));
    let mut chat = Chat::start(&place, &refusing, "chat --model compatible:m --session a");
    chat.say("bad");
    assert_eq!(chat.end(), Some(4));
    let server = Server::start(Manner::Whole("good"));
    let mut chat = Chat::start(&place, &server, "chat --model compatible:m --session a");
    chat.say("next");
    chat.read("good\n");
    assert_eq!(chat.close(), Some(0));
    assert_eq!(server.asked(), ["\"user\": \"next\""]);
    assert_eq!(
        lines(&place, "a").iter().map(said).skip(1).collect::<Vec<_>>(),
        [("asked", "bad"), ("asked", "next"), ("answered", "good")]
    );
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
