//! `model pull`, `model rm`, and what `model ls` says of downloads: from a hub of the test, into a cache of the test.

use std::process::{Command, Stdio};

use snapbox::str;

use crate::hub::{Manner, Server, Setup, content};
use crate::place::{Place, Run};

fn hub() -> Server {
    let files = [("m-Q4_K_M.gguf", content(300_000)), ("m-Q8_0.gguf", content(400_000)), ("x-Q8_0.gguf", content(9))];
    Server::start(Setup::new(&files))
}

fn command(place: &Place, server: &Server, line: &str) -> Command {
    let mut command = place.command();
    command.env("HF_ENDPOINT", &server.address).env("HF_TOKEN", "hf_mine").args(line.split(' '));
    command
}

fn run(place: &Place, server: &Server, line: &str) -> Run {
    let mut run = place.finish(&mut command(place, server, line));
    for text in [&mut run.stdout, &mut run.stderr] {
        assert!(!text.contains("hf_mine"), "{text}");
        *text = text.replace(&server.address, "[HUB]");
    }
    run
}

#[track_caller]
fn check(place: &Place, server: &Server, line: &str, expected: snapbox::data::Inline) {
    snapbox::assert_data_eq!(run(place, server, line).transcript(), expected);
}

#[test]
fn a_model_is_pulled_listed_and_removed() {
    let (place, server) = (Place::empty(), hub());
    assert!(!place.ok("model ls").stdout.contains("Downloaded"));
    check(
        &place,
        &server,
        "model pull hf:acme/tiny",
        str![[r#"
[HOME]/.cache/huggingface/hub/models--acme--tiny/snapshots/5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e/m-Q4_K_M.gguf
2> Downloading 1 file, 292.97 KiB.
2> hf:acme/tiny is there: 1 file, 292.97 KiB.
exit 0

"#]],
    );
    assert_eq!(server.sent(), 300_000);
    check(
        &place,
        &server,
        "model pull hf:acme/tiny:Q4_K_M",
        str![[r#"
[HOME]/.cache/huggingface/hub/models--acme--tiny/snapshots/5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e/m-Q4_K_M.gguf
2> hf:acme/tiny:Q4_K_M is there: 1 file, 292.97 KiB.
exit 0

"#]],
    );
    assert_eq!(server.sent(), 0);
    check(
        &place,
        &server,
        "model pull hf:acme/tiny:m-Q8_0.gguf@main --offline",
        str![[r#"
2> error: what the cache has of `acme/tiny@main` will not do: no file and no quantisation is called `m-Q8_0.gguf`; there are `m-Q4_K_M.gguf`; no connection is allowed, so run `lorewell model pull hf:acme/tiny:m-Q8_0.gguf@main` when there may be one (the cache is `[HOME]/.cache/huggingface/hub`)
exit 1

"#]],
    );
    check(
        &place,
        &server,
        "model pull hf:acme/tiny:m-Q8_0.gguf@main -q",
        str![[r#"
[HOME]/.cache/huggingface/hub/models--acme--tiny/snapshots/5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e/m-Q8_0.gguf
exit 0

"#]],
    );
    check(
        &place,
        &server,
        "model pull hf:acme/tiny --offline",
        str![[r#"
[HOME]/.cache/huggingface/hub/models--acme--tiny/snapshots/5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e/m-Q4_K_M.gguf
2> hf:acme/tiny is there: 1 file, 292.97 KiB.
exit 0

"#]],
    );
    let listed = place.ok("model ls").stdout;
    let (_, downloaded) = listed.split_once("\n\n").unwrap();
    snapbox::assert_data_eq!(
        downloaded,
        str![[r#"
Downloaded
hf:acme/tiny  683.63 KiB  m-Q4_K_M.gguf, m-Q8_0.gguf

"#]]
    );
    assert_eq!(place.json("model ls --json")["downloaded"][0]["files"][1]["bytes"], 400_000);
    assert!(place.ok("model ls --jsonl").stdout.lines().last().unwrap().contains("\"repo\":\"acme/tiny\""));
    check(
        &place,
        &server,
        "model rm hf:acme/tiny",
        str![[r#"
2> error: nobody can be asked whether hf:acme/tiny is to be removed; add `--yes`
exit 2

"#]],
    );
    check(
        &place,
        &server,
        "model rm hf:acme/tiny:Q8_0 --yes",
        str![[r#"
2> error: a repository is removed as a whole; write `lorewell model rm hf:acme/tiny`
exit 2

"#]],
    );
    check(
        &place,
        &server,
        "model rm hf:acme/tiny --yes",
        str![[r#"
Removed hf:acme/tiny, 683.63 KiB
exit 0

"#]],
    );
    check(
        &place,
        &server,
        "model rm hf:acme/tiny --yes",
        str![[r#"
2> error: `acme/tiny` is not in the cache; there is nothing to remove
exit 1

"#]],
    );
}

#[test]
fn a_download_is_told_to_programs() {
    let (place, server) = (Place::empty(), hub());
    let pulled = run(&place, &server, "model pull hf:acme/tiny --json -q");
    snapbox::assert_data_eq!(
        pulled.transcript(),
        str![[r#"
{
  "schema": 1,
  "repo": "acme/tiny",
  "commit": "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e",
  "folder": "[HOME]/.cache/huggingface/hub/models--acme--tiny/snapshots/5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e",
  "files": [
    "m-Q4_K_M.gguf"
  ],
  "bytes": 300000,
  "path": "[HOME]/.cache/huggingface/hub/models--acme--tiny/snapshots/5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e/m-Q4_K_M.gguf"
}
exit 0

"#]]
    );
    let removed = run(&place, &server, "model rm hf:acme/tiny --yes --jsonl");
    snapbox::assert_data_eq!(
        removed.transcript(),
        str![[r#"
{"schema":1,"repo":"acme/tiny","bytes":300040}
exit 0

"#]]
    );
}

#[test]
fn what_cannot_be_pulled_is_said_with_what_to_do() {
    let (place, server) = (Place::empty(), hub());
    check(
        &place,
        &server,
        "model pull hf:acme/tony",
        str![[r#"
2> error: there is no `acme/tony`; check the spelling, or look at `[HUB]/models?search=tony`
exit 1

"#]],
    );
    check(
        &place,
        &server,
        "model pull hf:acme/tiny:Q8_0",
        str![[r#"
2> error: choosing from `acme/tiny`: several are `Q8_0`; name one of them after a colon: `m-Q8_0.gguf`, `x-Q8_0.gguf`
exit 1

"#]],
    );
    check(
        &place,
        &server,
        "model pull hf:acme/tiny:Q5_K_M",
        str![[r#"
2> error: choosing from `acme/tiny`: no file and no quantisation is called `Q5_K_M`; there are `m-Q4_K_M.gguf`, `m-Q8_0.gguf`, `x-Q8_0.gguf`
exit 1

"#]],
    );
    check(
        &place,
        &server,
        "model pull hf:acme/tiny@v9",
        str![[r#"
2> error: `acme/tiny` has no revision `v9`; see `[HUB]/acme/tiny`
exit 1

"#]],
    );
    check(
        &place,
        &server,
        "model pull tiny",
        str![[r#"
2> error: `tiny` names no repository; write `owner/name`, as in `hf:Qwen/Qwen3-0.6B-GGUF`
exit 1

"#]],
    );
    check(
        &place,
        &server,
        "model pull hf:acme/tiny --offline",
        str![[r#"
2> error: `acme/tiny` is not in the cache; no connection is allowed, so run `lorewell model pull hf:acme/tiny` when there may be one (the cache is `[HOME]/.cache/huggingface/hub`)
exit 1

"#]],
    );
    server.change(|setup| setup.access = crate::hub::Access::Gated);
    check(
        &place,
        &server,
        "model pull hf:acme/tiny",
        str![[r#"
2> error: `m-Q4_K_M.gguf` of `acme/tiny` is not open to everyone, and not to the token that is set; accept its terms at `[HUB]/acme/tiny` with the account of that token, or set another one as `HF_TOKEN`
exit 4

"#]],
    );
    assert_eq!(server.sent(), 0);
}

#[test]
fn a_download_that_breaks_off_goes_on() {
    let (place, server) = (Place::empty(), hub());
    server.change(|setup| setup.manners = [Manner::Cut(100_000), Manner::Well].into());
    let said = run(&place, &server, "model pull hf:acme/tiny");
    assert_eq!(said.code, 0, "{}", said.transcript());
    assert!(said.stderr.contains("`m-Q4_K_M.gguf`: it broke off: "), "{}", said.stderr);
    assert_eq!(server.sent(), 300_000);
}

#[test]
fn an_interrupted_download_is_kept() {
    let (place, server) = (Place::empty(), hub());
    server.change(|setup| setup.manners = [Manner::Stall(200_000), Manner::Well].into());
    let mut command = command(&place, &server, "model pull hf:acme/tiny");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    server.wait_for_bytes(200_000);
    std::thread::sleep(std::time::Duration::from_millis(200)); // until it is written
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    snapbox::assert_data_eq!(
        place.read(child.wait_with_output().unwrap()).transcript(),
        str![[r#"
2> Downloading 1 file, 292.97 KiB.
2> What came is kept; the same command goes on from there.
exit 130

"#]]
    );
    server.sent();
    let said = run(&place, &server, "model pull hf:acme/tiny");
    assert!(said.stderr.contains("goes on at"), "{}", said.stderr);
    assert!(server.sent() < 200_000);
}

#[test]
fn a_full_disk_is_said_with_what_it_needs() {
    let (place, server) = (Place::empty(), hub());
    let mut limited = place.command_by(&["sh", "-c", "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\""]);
    let run = place.finish(limited.env("HF_ENDPOINT", &server.address).args(["model", "pull", "hf:acme/tiny"]));
    assert_eq!(run.code, 1, "{}", run.transcript());
    assert!(run.stderr.contains("no room: this needs ") && run.stderr.contains(" more bytes in "), "{}", run.stderr);
}
