//! Which brain is meant, by its name, by the environment or by a folder; and who may look into those of the account.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use snapbox::str;

use crate::place::{Place, check};

#[test]
fn a_bare_word_is_a_brain_of_the_account_whatever_lies_here() {
    let place = Place::empty();
    place.write("notes/tea.md", "# Tea\n\nGreen tea wants water of 80 degrees.\n");
    place.ok("ingest notes --brain notes -q --words-only");
    assert!(place.home().join("data/brains/notes").is_dir());
    let left: Vec<_> =
        std::fs::read_dir(place.path("notes")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["tea.md"]);
    for path in ["./kb", "notes/../kb2"] {
        place.ok(&format!("init --brain {path}"));
        assert!(place.path(path).join("manifest.json").is_file(), "{path}");
    }
    check(
        &place,
        "ls --brain=",
        str![[r#"
2> error: `--brain` is empty; give a name, or a path such as `./kb`
exit 2

"#]],
    );
}

#[test]
fn the_environment_names_a_brain_and_the_flag_another() {
    let place = Place::empty();
    place.write("tea.md", "# Tea\n\nGreen tea wants water of 80 degrees.\n");
    let by_environment = |name: &str, words: &[&str]| {
        place.finish(place.command().env("LOREWELL_BRAIN", name).args(words).args(["-q"])).transcript()
    };
    by_environment("one", &["ingest", "tea.md", "--words-only"]);
    by_environment("one", &["ingest", "tea.md", "--words-only", "--brain", "two"]);
    by_environment("", &["ingest", "tea.md", "--words-only"]);
    let mut brains: Vec<_> = std::fs::read_dir(place.home().join("data/brains"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    brains.sort_unstable();
    assert_eq!(brains, ["default", "one", "two"]);
}

#[test]
fn a_folder_to_ask_counts_more_than_the_environment() {
    let place = Place::empty();
    place.write("docs/tea.md", "# Tea\n\nGreen tea wants water of 80 degrees.\n");
    let question = ["ask", "--in", "docs", "how hot should the water for green tea be?"];
    let run = place.finish(place.command().env("LOREWELL_BRAIN", "one").args(question));
    assert!(run.code == 0 && run.stdout.contains("80 degrees"), "{}", run.transcript());
    for line in ["--brain one ask --in docs tea", "ask --in docs tea --brain one"] {
        check(
            &place,
            line,
            str![[r#"
2> error: `--in` and `--brain` name two brains; give one of them
exit 2

"#]],
        );
    }
}

#[test]
fn brains_of_the_account_are_private_and_those_of_projects_are_not() {
    let place = Place::empty();
    place.write("docs/tea.md", "# Tea\n\nGreen tea wants water of 80 degrees.\n");
    place.ok("ingest docs -q");
    place.ok(r#"ask --in docs "how hot should the water for green tea be?""#);
    place.ok("init");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for own in ["data/brains", "data/brains/default", "cache/embeddings", "cache/folders", "state"] {
        assert_eq!(mode(&place.home().join(own)), 0o700, "{own}");
    }
    assert_eq!(mode(&place.home().join("state/last.json")), 0o600);
    assert_eq!(mode(&place.path(".lorewell")), mode(&place.path("docs")), "as the umask has it");
    assert_ne!(mode(&place.path("docs")), 0o700, "with this umask the test shows nothing");
}
