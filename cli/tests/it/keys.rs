//! `key`: where keys are, who can read them, and that none of them is ever printed.

use std::os::unix::fs::PermissionsExt as _;

use snapbox::str;

use crate::place::{Place, Run, check};
use crate::server::{Manner, Server};

const KEY: &str = "sk-never-to-be-seen-0123456789";

fn stored() -> Place {
    let place = Place::empty();
    let run = place.piped("key set openai", format!("{KEY}\n").as_bytes());
    assert_eq!(run.code, 0, "{}", run.transcript());
    place
}

fn assert_unseen(run: &Run) {
    assert!(!run.transcript().contains("never-to-be-seen"), "{}", run.transcript());
}

#[test]
fn a_key_is_kept_for_its_owner_alone() {
    let place = Place::empty();
    check(
        &place,
        "key ls",
        str![[r#"
2> No keys yet; store one with `lorewell key set PROVIDER` (`lorewell model ls` lists the providers).
exit 3

"#]],
    );
    let run = place.piped("key set openai", format!("  {KEY}\r\n").as_bytes());
    snapbox::assert_data_eq!(
        run.transcript(),
        str![[r#"
Stored the key of openai in [HOME]/keys.json
exit 0

"#]]
    );
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(place.home().join("keys.json")), mode(place.home())), (0o600, 0o700));
    check(
        &place,
        "key ls",
        str![[r#"
openai  file [HOME]/keys.json
exit 0

"#]],
    );
    let mut command = place.command();
    let run = place.finish(command.env("OPENAI_API_KEY", "sk-2").env("XAI_API_KEY", "sk-3").args(["key", "ls"]));
    snapbox::assert_data_eq!(
        run.transcript(),
        str![[r#"
openai       environment OPENAI_API_KEY  (hides the one in the file)
openai-chat  environment OPENAI_API_KEY
xai          environment XAI_API_KEY
exit 0

"#]]
    );
    let run = place.finish(command.args(["--json"]));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&run.stdout).unwrap()["keys"][2]["variable"], "XAI_API_KEY");
    check(
        &place,
        "key rm openai",
        str![[r#"
Removed the key of openai from [HOME]/keys.json
exit 0

"#]],
    );
    check(
        &place,
        "key rm openai",
        str![[r#"
2> There is no key of `openai` in [HOME]/keys.json.
exit 3

"#]],
    );
}

#[test]
fn what_is_no_key_or_no_provider_is_said() {
    let place = Place::empty();
    let named = place.piped("key set antropic", b"sk-1\n");
    assert!(named.code == 1 && named.stderr.contains("did you mean `anthropic`?"), "{}", named.transcript());
    let named = place.run("key rm opnai");
    assert!(named.code == 1 && named.stderr.contains("did you mean `openai`?"), "{}", named.transcript());
    let run = place.piped("key set openai", format!("{KEY} oh\n").as_bytes());
    assert_unseen(&run);
    snapbox::assert_data_eq!(
        run.transcript(),
        str![[r#"
2> error: the key of `openai` is empty or has spaces in it
exit 1

"#]]
    );
    check(
        &place,
        "key set mock",
        str![[r#"
2> error: `mock` needs no key
exit 1

"#]],
    );
    // An argument is seen by every process, so it is none.
    assert_eq!(place.run("key set openai sk-1").code, 2);
    assert!(!place.home().join("keys.json").exists());
}

#[test]
fn no_key_is_ever_printed() {
    let place = stored();
    let server = Server::start(Manner::Refusing(401));
    for line in [
        "key ls",
        "key ls --json",
        "key ls --jsonl",
        "key ls -vv",
        "model ls",
        "model ls --json",
        "model ls openai",
        "model use openai:gpt-5",
        "config explain",
        "model test openai:gpt-5",
        "model test openai:gpt-5 -vv",
        "run openai:gpt-5 hi",
        "run openai:gpt-5 hi -vv",
        "run openai:gpt-5 hi --json",
        "run openai:gpt-5 hi --jsonl",
        "doctor",
        "key rm openai",
    ] {
        let mut command = place.command();
        command.env("OPENAI_BASE_URL", &server.address).env("LOREWELL_LOG", "trace").args(line.split(' '));
        let run = place.finish(&mut command);
        assert_unseen(&run);
        if line.contains("run ") || line.contains("test ") || line == "model ls openai" {
            assert_eq!(run.code, 4, "{line}: {}", run.transcript());
            assert!(run.stderr.contains("Incorrect API key provided: …"), "{line}: {}", run.transcript());
        }
    }
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let place = stored();
    let file = place.home().join("keys.json");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    check(
        &place,
        "run openai:gpt-5 hi",
        str![[r#"
2> error: reading the keys in `[HOME]/keys.json`: others can read it (mode 644); run `chmod 600 [HOME]/keys.json`
exit 1

"#]],
    );
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&file, format!("{{\"openai\": \"{KEY}\" oh}}")).unwrap();
    for line in ["run openai:gpt-5 hi", "key ls", "key rm openai"] {
        let run = place.run(line);
        assert_unseen(&run);
        assert!(run.code == 1 && run.stderr.contains("line 1 is not as it should be"), "{}", run.transcript());
    }
}
