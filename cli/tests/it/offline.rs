//! Nothing needs a network, and nothing touches one: each step runs where there is none, and its system calls name no
//! socket. Either check is left out, and says so, where the machine does not allow it.

use std::process::{Command, Stdio};

use crate::place::{Place, copy, library};

const STEPS: [&[&str]; 6] = [
    &["init"],
    &["--offline", "ingest", "library"],
    &["--offline", "search", "cargo bike deposit", "-n", "1"],
    &["--offline", "ask", "how much is the deposit for a cargo bike?"],
    &["--offline", "show", "1"],
    &["--offline", "doctor"],
];

#[test]
fn everything_works_without_a_network() {
    if !can_run(&["unshare", "--map-root-user", "--net"]) {
        return eprintln!("skipped: this machine does not let a process leave the network");
    }
    let place = place();
    for step in STEPS {
        let run = place.finish(place.command_by(&["unshare", "--map-root-user", "--net"]).args(step));
        assert_eq!(run.code, 0, "{step:?}: {}", run.transcript());
    }
}

#[test]
fn no_step_opens_a_socket() {
    let trace = ["strace", "--follow-forks", "--quiet=all", "--trace=socket,connect", "--signal=none"];
    if !can_run(&trace) {
        return eprintln!("skipped: `strace` is missing or not allowed");
    }
    let place = place();
    for (number, step) in STEPS.iter().enumerate() {
        let calls = place.path(&format!("calls-{number}"));
        let output = ["--output", calls.to_str().unwrap()];
        let run = place.finish(place.command_by(&[&trace[..], &output].concat()).args(*step));
        assert_eq!(run.code, 0, "{step:?}: {}", run.transcript());
        let calls = std::fs::read_to_string(calls).unwrap();
        assert_eq!(calls, "", "{step:?} opens sockets");
    }
}

fn place() -> Place {
    let place = Place::empty();
    copy(&library(), &place.path("library"));
    place
}

fn can_run(wrapper: &[&str]) -> bool {
    let mut command = Command::new(wrapper[0]);
    command.args(&wrapper[1..]).arg("true").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
