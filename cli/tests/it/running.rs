//! Two writers at once, readers beside a writer, and Ctrl-C: signals stop and continue a real ingest, so nothing here
//! depends on how fast it runs.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::place::{Place, Run};

/// Passages to embed: more than one batch of them, so that a stopped run leaves some.
const NOTES: usize = 20;
const SECTIONS: usize = 15; // each too long to share a passage with the next
/// Files of a report that is longer than a pipe holds, 64 KiB on Linux.
const REPORTED: usize = 2_000;
/// A process that has not ended by then does not listen.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn one_writes_others_read_and_ctrl_c_keeps_what_is_done() {
    let place = Place::with_brain();
    write_notes(&place);
    let mut writer = Running::start(&place, &["ingest", "docs"]);
    writer.wait_for("Searchable by words now");
    writer.signal("STOP");

    let second = place.run("ingest docs");
    let pid = writer.child.id();
    assert_eq!((second.code, second.stdout.as_str()), (1, ""));
    assert!(second.stderr.contains(&format!("is being written by process {pid} since ")), "{}", second.stderr);
    assert!(second.stderr.ends_with("; wait for it to end, or stop it\n"), "{}", second.stderr);
    let removed = place.run("rm docs");
    assert!(removed.code == 1 && removed.stderr.contains("is being written by"), "{}", removed.transcript());

    let found = place.ok("search kettle -n 1");
    assert!(found.stderr.contains("ready; the rest was searched by words"), "{}", found.transcript());
    let status = place.ok("status");
    assert!(status.stderr.contains("An ingest is running, or was interrupted"), "{}", status.transcript());

    writer.signal("INT");
    writer.signal("CONT");
    let stopped = writer.end(&place);
    assert_eq!(stopped.code, 130, "{}", stopped.transcript());
    assert!(stopped.stdout.starts_with("Stopped in "), "{}", stopped.transcript());
    assert!(stopped.stderr.contains("without a vector yet: the next ingest goes on"), "{}", stopped.transcript());

    let resumed = place.json("ingest --json");
    assert_eq!((&resumed["unchanged"], &resumed["indexed"]), (&NOTES.into(), &0.into()));
    assert!(resumed["vectors_made"].as_u64().unwrap() > 0, "{resumed}");
    let status = place.json("status --json");
    assert_eq!((&status["embedded"], &status["interrupted"]), (&status["chunks"], &false.into()));
}

#[test]
fn a_second_ctrl_c_stops_at_once_and_nothing_is_lost() {
    let place = Place::with_brain();
    write_notes(&place);
    let mut writer = Running::start(&place, &["ingest", "docs"]);
    writer.wait_for("Searchable by words now");
    writer.signal("INT");
    writer.wait_for("Ctrl-C again: stop at once");
    writer.signal("INT");
    assert_eq!(writer.end(&place).code, 130);
    place.ok("ingest -q");
    let status = place.json("status --json");
    assert_eq!((&status["embedded"], &status["indexed"]), (&status["chunks"], &NOTES.into()));
    place.ok("doctor");
}

#[test]
fn ctrl_c_while_a_folder_is_read_asks_nothing() {
    let place = Place::empty();
    write_notes(&place);
    let mut asking = Running::start(&place, &["ask", "--in", "docs", "who has a kettle?"]);
    asking.wait_for("Searchable by words now");
    asking.signal("STOP");
    asking.signal("INT");
    asking.signal("CONT");
    let stopped = asking.end(&place);
    assert_eq!((stopped.code, stopped.stdout.as_str()), (130, ""), "{}", stopped.transcript());
    assert!(
        stopped.stderr.ends_with("Stopped; the question was not asked. Ask again to go on.\n"),
        "{}",
        stopped.stderr
    );
}

#[test]
fn ctrl_c_after_an_ingest_ends_the_process() {
    let place = Place::with_brain();
    // A report that fills the pipe: while nobody reads it, the process is busy with it.
    for number in 0..REPORTED {
        place.write(&format!("docs/{number:0>100}.svg"), "");
    }
    let mut ingest = Running::start(&place, &["ingest", "docs", "--json"]);
    let mut first = [0];
    ingest.child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    ingest.signal("INT");
    let began = Instant::now();
    let status = loop {
        match ingest.child.try_wait().unwrap() {
            Some(status) => break status,
            None if began.elapsed() > PATIENCE => panic!("Ctrl-C did nothing"),
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    assert_eq!(status.code(), Some(130));
}

fn write_notes(place: &Place) {
    for note in 0..NOTES {
        let mut text = format!("# The kettle of house {note}\n");
        for section in 0..SECTIONS {
            let sentence =
                format!("Room {section} of house {note} has a kettle that was bought in {}. ", 1900 + section);
            write!(text, "\n## Room {section}\n\n{}\n", sentence.repeat(10)).unwrap();
        }
        place.write(&format!("docs/note-{note}.md"), text);
    }
}

/// A command in its own process; none outlives the test.
struct Running {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    said: String,
}

impl Running {
    fn start(place: &Place, words: &[&str]) -> Self {
        let mut command = place.command();
        command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr, said: String::new() }
    }

    fn wait_for(&mut self, words: &str) {
        loop {
            let mut line = String::new();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0, "it ended without `{words}`: {}", self.said);
            self.said.push_str(&line);
            if line.contains(words) {
                return;
            }
        }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    fn end(mut self, place: &Place) -> Run {
        let mut stdout = Vec::new();
        self.child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
        self.stderr.read_to_string(&mut self.said).unwrap();
        let status = self.child.wait().unwrap();
        place.read(std::process::Output { status, stdout, stderr: std::mem::take(&mut self.said).into_bytes() })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it has ended already, unless the test is failing
        let _ = self.child.wait();
    }
}
