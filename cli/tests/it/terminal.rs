//! `chat` in a terminal: what a person types and sees there. The terminal is a real one, so that keys, Ctrl-C and the line
//! editor are what they are for people. A test waits for words and never for a time; what does not come ends it.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use crate::place::Place;
use crate::server::{Manner, Server};

/// How long words may take to come: a machine that is busy takes some seconds, and nothing comes for ever.
const WAIT_MAX: Duration = Duration::from_secs(120);
const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";

/// A command in a terminal of its own, which `script` of util-linux makes. It does not outlive the test.
struct Terminal {
    seen: Receiver<Vec<u8>>,
    screen: String,
    script: Child,
    /// The process of the command.
    id: String,
}

impl Terminal {
    fn start(place: &Place, server: &Server, line: &str) -> Self {
        let lorewell = env!("CARGO_BIN_EXE_lorewell");
        let within = format!("echo process $$.; exec '{lorewell}' {line}");
        let mut command = place.command_of("script");
        command.args(["--quiet", "--return", "--command", &within, "/dev/null"]);
        command.env("COMPATIBLE_BASE_URL", &server.address).env("TERM", "xterm").env("NO_COLOR", "1");
        command.env("EDITOR", place.path("editor.sh")).env("SHELL", "/bin/sh");
        let mut script = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let seen = watch(script.stdout.take().unwrap());
        let mut terminal = Self { seen, screen: String::new(), script, id: String::new() };
        terminal.expect("process ");
        terminal.id = terminal.expect(".");
        terminal
    }

    fn press(&mut self, keys: &str) {
        self.script.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    fn type_line(&mut self, line: &str) {
        self.press(&format!("{line}\r"));
    }

    /// Waits until words are seen, after all that were waited for before. Returns what came before them.
    fn expect(&mut self, words: &str) -> String {
        loop {
            if let Some(at) = self.screen.find(words) {
                let rest = self.screen.split_off(at + words.len());
                let mut before = std::mem::replace(&mut self.screen, rest);
                before.truncate(at);
                return before;
            }
            match self.seen.recv_timeout(WAIT_MAX) {
                Ok(bytes) => self.screen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(end) => panic!("`{words}` is not seen ({end}), but: {:?}", self.screen),
            }
        }
    }

    /// Waits for the end of the command.
    fn end(mut self) -> Option<i32> {
        let _open = self.script.stdin.take();
        self.script.wait().unwrap().code()
    }

    fn kill(mut self) {
        let status = Command::new("kill").args(["-s", "KILL", &self.id]).status().unwrap();
        assert!(status.success());
        self.script.wait().unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The command ends with its terminal. Both have ended already, unless the test leaves off in the middle.
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

/// Reads what is shown until the terminal is gone.
fn watch(mut terminal: ChildStdout) -> Receiver<Vec<u8>> {
    let (sender, seen) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = terminal.read(&mut bytes) {
            if sender.send(bytes[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    seen
}

/// Writes a file once, and says so.
const WRITING: Manner =
    Manner::Calling(&[("write_file", r#"{"path": "todo.md", "text": "vent it"}"#)], &Manner::Whole("Well then."));
const ASKS: &str = "write_file [y/a/t/e/n/q";

/// Starts a chat that is about to ask whether it may write.
fn asking(place: &Place, server: &Server) -> Terminal {
    asking_with(place, server, "")
}

fn asking_with(place: &Place, server: &Server, flags: &str) -> Terminal {
    let line = format!("chat --model compatible:m --session a --write . {flags}");
    let mut terminal = Terminal::start(place, server, &line);
    terminal.expect("/help lists the commands");
    terminal.expect("> ");
    terminal.type_line("note it");
    terminal.expect("write_file wants to run. It may touch: write");
    terminal.expect("text: \"vent it\"");
    terminal.expect(ASKS);
    terminal
}

/// Reads what was written.
fn written(place: &Place) -> Option<String> {
    std::fs::read_to_string(place.path("todo.md")).ok()
}

#[test]
fn a_call_is_approved() {
    let (place, server) = (Place::empty(), Server::start(WRITING));
    let mut terminal = asking(&place, &server);
    assert_eq!(written(&place), None);
    terminal.type_line("?");
    terminal.expect("leave the question open");
    terminal.type_line("y");
    terminal.expect("· write_file {\"path\":\"todo.md\",\"text\":\"vent it\"} → ");
    terminal.expect("Well then.");
    terminal.expect("24 in / 6 out");
    assert_eq!(written(&place).as_deref(), Some("vent it"));
    // Yes to one call is no to the next.
    terminal.expect("> ");
    terminal.type_line("again");
    terminal.expect(ASKS);
    terminal.type_line("t");
    terminal.expect("Well then.");
    terminal.expect("> ");
    terminal.type_line("again");
    terminal.expect("Well then.");
    terminal.expect("> ");
    terminal.type_line("/tools");
    terminal.expect("approved in this session: write_file, whatever its arguments");
    terminal.expect("> ");
    terminal.press(CTRL_D);
    terminal.expect("kept as a; go on with: lorewell chat --session a");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn a_call_is_declined_with_a_reason() {
    let (place, server) = (Place::empty(), Server::start(WRITING));
    let mut terminal = asking(&place, &server);
    terminal.type_line("n");
    terminal.expect("why not");
    terminal.type_line("not in this folder");
    terminal.expect("Well then.");
    assert_eq!(written(&place), None);
    assert!(server.asked()[1].contains("a person has declined this call: not in this folder"), "{:?}", server.asked());
}

/// Makes an editor of a script, which finds the file as `$2`.
fn editor(place: &Place, script: &str) {
    place.write("editor.sh", format!("#!/bin/sh\n{script}\n"));
    let allowed = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(place.path("editor.sh"), allowed).unwrap();
}

#[test]
fn arguments_are_edited() {
    let (place, server) = (Place::empty(), Server::start(WRITING));
    editor(&place, "sed -i s/vent/close/ \"$2\"");
    let mut terminal = asking(&place, &server);
    terminal.type_line("e");
    terminal.expect("text: \"close it\"");
    terminal.expect(ASKS);
    terminal.type_line("y");
    terminal.expect("Well then.");
    assert_eq!(written(&place).as_deref(), Some("close it"));
}

#[test]
fn what_is_approved_is_what_is_shown_after_any_number_of_edits() {
    let (place, server) = (Place::empty(), Server::start(WRITING));
    editor(&place, "sed -i s/vent/close/ \"$2\"");
    let mut terminal = asking(&place, &server);
    // The second time the editor finds nothing to change.
    for _ in 0..2 {
        terminal.type_line("e");
        terminal.expect("text: \"close it\"");
        terminal.expect(ASKS);
    }
    terminal.type_line("y");
    terminal.expect("Well then.");
    assert_eq!(written(&place).as_deref(), Some("close it"));
    assert!(server.asked()[1].contains("a person has changed the arguments"), "{:?}", server.asked());
}

#[test]
fn a_call_is_approved_for_good_with_the_same_arguments() {
    const TWO: [(&str, &str); 3] = [
        ("write_file", r#"{"path": "todo.md", "text": "vent it"}"#),
        ("write_file", r#"{"path": "todo.md", "text": "vent it"}"#),
        ("write_file", r#"{"path": "todo.md", "text": "sell it"}"#),
    ];
    let (place, server) = (Place::empty(), Server::start(Manner::Calling(&TWO, &Manner::Whole("Well then."))));
    let mut terminal = asking(&place, &server);
    terminal.type_line("a");
    // The same call is made without another word, and one that differs is not.
    terminal.expect("text: \"sell it\"");
    terminal.expect(ASKS);
    assert_eq!((written(&place).as_deref(), server.asked().len()), (Some("vent it"), 3));
    terminal.type_line("n");
    terminal.expect("why not");
    terminal.type_line("");
    terminal.expect("Well then.");
    terminal.expect("> ");
    terminal.type_line("/tools");
    terminal.expect("approved in this session: write_file {");
    assert_eq!(written(&place).as_deref(), Some("vent it"));
}

/// Searches for ever, or until it is stopped.
const ENDLESS: (&str, &str) =
    ("sql_query", r#"{"sql": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"}"#);

/// What is seen while it runs.
const RUNS: &str = "sql_query \"WITH RECURSIVE";

/// Makes a database with tables.
fn database(place: &Place) {
    let file = place.path("some.sqlite");
    let open = lorewell::agent::checkpoint::Sqlite::open(&file);
    drop(tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(open).unwrap());
}

#[test]
fn ctrl_c_stops_a_call_and_what_was_done_is_known() {
    const CALLS: [(&str, &str); 2] = [("write_file", r#"{"path": "todo.md", "text": "vent it"}"#), ENDLESS];
    let (place, server) = (Place::empty(), Server::start(Manner::Calling(&CALLS, &Manner::Whole("Well then."))));
    database(&place);
    let mut terminal = asking_with(&place, &server, "--db some.sqlite");
    terminal.type_line("y");
    terminal.expect("· write_file {");
    terminal.expect(RUNS);
    terminal.press(CTRL_C);
    terminal.expect("(stopped)");
    terminal.expect("> ");
    // It goes on where it was: neither is the model asked again nor the file written again.
    std::fs::remove_file(place.path("todo.md")).unwrap();
    terminal.type_line("/retry");
    terminal.expect(RUNS);
    terminal.press(CTRL_C);
    terminal.expect("(stopped)");
    terminal.expect("> ");
    assert_eq!((written(&place), server.asked().len()), (None, 2));
    terminal.type_line("/usage");
    terminal.expect("1 message, 24 in / 6 out");
    terminal.expect("> ");
    terminal.press(CTRL_D);
    assert_eq!(terminal.end(), Some(0));
    // Another message gives it up, and the model learns of all of it.
    let next = Server::start(Manner::Whole("I see."));
    let mut terminal = Terminal::start(&place, &next, "chat --session a --write .");
    terminal.expect("(calls made by then: write_file {");
    terminal.expect("(stopped; /retry goes on with it)");
    terminal.type_line("what now?");
    terminal.expect("the model is told which calls it has led to");
    terminal.expect("I see.");
    let asked = next.asked().remove(0);
    let (made, begun) = asked.split_once("(calls begun by then, which may have been made or not: ").unwrap();
    assert!(made.contains("(calls made by then: write_file {") && made.contains("note it"), "{asked}");
    assert!(begun.starts_with("sql_query ") && begun.ends_with("\"user\": \"what now?\""), "{asked}");
    terminal.expect("> ");
    terminal.type_line("/usage");
    terminal.expect("2 messages, 36 in / 9 out");
    terminal.expect("> ");
    // Back where it was given up, the message is asked again after what it has led to, and all of it counts.
    terminal.type_line("/undo");
    terminal.expect("taken back: what now?");
    terminal.expect("> ");
    terminal.type_line("/retry");
    terminal.expect("I see.");
    let asked = next.asked().remove(1);
    assert!(asked.contains("(calls made by then: write_file {") && asked.ends_with("\"user\": \"note it\""), "{asked}");
    terminal.expect("> ");
    terminal.type_line("/usage");
    terminal.expect("2 messages, 48 in / 12 out");
}

#[test]
fn words_that_come_of_a_file_are_marked_when_they_are_stopped() {
    const CALLS: [(&str, &str); 2] =
        [("read_file", r#"{"path": "note.md"}"#), ("write_file", r#"{"path": "todo.md", "text": "vent it"}"#)];
    let (place, server) = (Place::empty(), Server::start(Manner::Calling(&CALLS, &Manner::Hanging("It says "))));
    place.write("note.md", "Sell the boiler.\n");
    let mut terminal = asking(&place, &server);
    terminal.type_line("n");
    terminal.expect("why not");
    terminal.type_line("");
    terminal.expect("It says ");
    terminal.press(CTRL_C);
    terminal.expect("(stopped)");
    terminal.expect("> ");
    terminal.kill();
    let next = Server::start(WRITING);
    let mut terminal = Terminal::start(&place, &next, "chat --session a --write .");
    terminal.type_line("note it");
    terminal.expect("write_file wants to run");
    terminal.expect("read before: tool");
    terminal.expect(ASKS);
    let asked = next.asked().remove(0);
    assert!(asked.contains(r#"It says\n\n(calls made by then: read_file \"note.md\")"#), "{asked}");
    terminal.type_line("q");
}

#[test]
fn an_approval_holds_for_a_time_and_is_taken_back() {
    let (place, server) = (Place::empty(), Server::start(WRITING));
    let mut terminal = asking(&place, &server);
    terminal.type_line("t 25h");
    terminal.expect("for so long at most");
    terminal.expect(ASKS);
    terminal.type_line("/revoke");
    terminal.expect("for so long at most");
    terminal.type_line("t 30m");
    for _ in 0..2 {
        terminal.expect("Well then.");
        terminal.expect("> ");
        terminal.type_line("again");
    }
    terminal.expect("Well then.");
    terminal.expect("> ");
    terminal.type_line("/tools");
    terminal.expect("approved in this session: write_file, until 2");
    terminal.expect("> ");
    terminal.type_line("/revoke fetch_url");
    terminal.expect("Nothing of the kind is approved");
    terminal.expect("> ");
    terminal.type_line("/revoke write_file");
    terminal.expect("taken back: write_file, until 2");
    terminal.expect("> ");
    // What is taken back after it does not bring it back.
    terminal.type_line("/undo");
    terminal.expect("taken back: again");
    terminal.expect("> ");
    terminal.type_line("again");
    terminal.expect(ASKS);
    terminal.type_line("q");
    terminal.expect("The question stays open");
    terminal.expect("> ");
    terminal.type_line("/revoke");
    terminal.expect("the last message has no answer yet");
}

#[test]
fn a_copy_has_the_open_question_too() {
    let (place, server) = (Place::empty(), Server::start(WRITING));
    let mut terminal = asking(&place, &server);
    terminal.type_line("q");
    terminal.expect("The question stays open");
    terminal.expect("> ");
    terminal.type_line("/fork");
    terminal.expect("This is a-2, a copy of a.");
    terminal.expect("> ");
    terminal.type_line("/retry");
    terminal.expect(ASKS);
    terminal.type_line("n");
    terminal.expect("why not");
    terminal.type_line("");
    terminal.expect("Well then.");
    terminal.expect("> ");
    assert_eq!(written(&place), None);
    // What was said there is not said here.
    terminal.type_line("/resume a");
    terminal.expect(ASKS);
    terminal.type_line("y");
    terminal.expect("Well then.");
    assert_eq!(written(&place).as_deref(), Some("vent it"));
}

#[test]
fn a_question_that_is_left_open_waits() {
    let (place, server) = (Place::empty(), Server::start(WRITING));
    let mut terminal = asking(&place, &server);
    terminal.type_line("q");
    terminal.expect("The question stays open");
    terminal.expect("> ");
    terminal.type_line("what now?");
    terminal.expect("A question waits for you");
    terminal.kill();
    // It is asked again after a kill, too.
    let mut terminal = Terminal::start(&place, &server, "chat --session a --write .");
    terminal.expect("session a, 1 message so far");
    terminal.expect(ASKS);
    terminal.kill();
    assert_eq!(written(&place), None);
    let mut terminal = Terminal::start(&place, &server, "chat --session a --write .");
    terminal.expect(ASKS);
    terminal.type_line("y");
    terminal.expect("Well then.");
    assert_eq!(written(&place).as_deref(), Some("vent it"));
    assert_eq!(server.asked().len(), 2, "the model was not asked again for what it had said");
}

#[test]
fn ctrl_c_stops_an_answer_and_then_leaves() {
    let (place, server) = (Place::empty(), Server::start(Manner::Hanging("Mont Blanc is ")));
    let mut terminal = Terminal::start(&place, &server, "chat --model compatible:m --session a");
    terminal.expect("> ");
    terminal.type_line("how high is it?");
    // It is seen while the rest is on its way.
    terminal.expect("Mont Blanc is ");
    terminal.press(CTRL_C);
    terminal.expect("(stopped)");
    terminal.expect("> ");
    terminal.press(CTRL_C);
    terminal.expect("(Ctrl-C again leaves)");
    terminal.expect("> ");
    terminal.press(CTRL_C);
    assert_eq!(terminal.end(), Some(130));
    let mut terminal = Terminal::start(&place, &server, "chat --session a");
    terminal.expect("> how high is it?");
    terminal.expect("Mont Blanc is");
    terminal.expect("(stopped; /retry goes on with it)");
}
