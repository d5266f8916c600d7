//! `config`: four layers, the one that wins, and slips in files and variables.

use snapbox::str;

use crate::place::{Place, check};

#[test]
fn every_layer_is_named() {
    let place = Place::with_brain();
    check(
        &place,
        "config explain limit",
        str![[r#"
limit = "8" (from default)
    passages that a search shows, at most
exit 0

"#]],
    );
    std::fs::create_dir_all(place.home()).unwrap();
    std::fs::write(place.home().join("config.toml"), "# mine\nlimit = 3\n").unwrap();
    check(
        &place,
        "config explain limit",
        str![[r#"
limit = "3" (from user [HOME]/config.toml:2; hides default = 8)
    passages that a search shows, at most
exit 0

"#]],
    );
    place.write(".lorewell/config.toml", "limit = 4\n");
    check(
        &place,
        "config explain limit",
        str![[r#"
limit = "4" (from project [PROJECT]/.lorewell/config.toml:1; hides user [HOME]/config.toml:2 = 3, default = 8)
    passages that a search shows, at most
exit 0

"#]],
    );
    let by_environment = place.finish(place.command().env("LOREWELL_LIMIT", "5").args(["config", "explain", "limit"]));
    snapbox::assert_data_eq!(
        by_environment.transcript(),
        str![[r#"
limit = "5" (from environment LOREWELL_LIMIT; hides project [PROJECT]/.lorewell/config.toml:1 = 4, user [HOME]/config.toml:2 = 3, default = 8)
    passages that a search shows, at most
exit 0

"#]]
    );
    let all = place.json("config explain --json");
    assert_eq!(all["settings"].as_array().unwrap().len(), 15);
    check(
        &place,
        "config path",
        str![[r#"
user     [HOME]/config.toml
project  [PROJECT]/.lorewell/config.toml
exit 0

"#]],
    );
}

#[test]
fn slips_are_named_with_their_line() {
    let place = Place::with_brain();
    check(
        &place,
        "config explain limmit",
        str![[r#"
2> error: no setting `limmit`; did you mean `limit`?
exit 1

"#]],
    );
    for (text, expected) in [
        (
            "\nlimmit = 3\n",
            str![[r#"
2> error: [PROJECT]/.lorewell/config.toml:2: no setting `limmit`; did you mean `limit`?
exit 1

"#]],
        ),
        (
            "limit = 0\n",
            str![[r#"
2> error: `limit` = `0` (from project [PROJECT]/.lorewell/config.toml:1): it must be a whole number from 1 to 1000
exit 1

"#]],
        ),
        (
            "limit = 5000\n",
            str![[r#"
2> error: `limit` = `5000` (from project [PROJECT]/.lorewell/config.toml:1): it must be a whole number from 1 to 1000
exit 1

"#]],
        ),
        (
            "limit = [1]\n",
            str![[r#"
2> error: [PROJECT]/.lorewell/config.toml:1: `limit` must be a string or a number
exit 1

"#]],
        ),
        (
            "fusion = \"max\"\n",
            str![[r#"
2> error: `fusion` = `max` (from project [PROJECT]/.lorewell/config.toml:1): it must be one of dbsf, rrf
exit 1

"#]],
        ),
        (
            "limit = \n",
            str![[r#"
2> error: `[PROJECT]/.lorewell/config.toml` is not TOML: TOML parse error at line 1, column 9
2>   |
2> 1 | limit = 
2>   |         ^
2> string values must be quoted, expected literal string
exit 1

"#]],
        ),
    ] {
        place.write(".lorewell/config.toml", text);
        check(&place, "ls", expected);
    }
}

#[test]
fn passages_may_share_nothing_but_not_half_of_themselves() {
    let place = Place::empty();
    std::fs::create_dir_all(place.home()).unwrap();
    std::fs::write(place.home().join("config.toml"), "chunk_tokens_overlap = 0\n").unwrap();
    place.ok("init");
    let status = place.ok("status").stdout;
    assert!(status.contains(" overlap=0\n"), "{status}");
    place.write(".lorewell/config.toml", "chunk_tokens_max = 64\n\nchunk_tokens_overlap = 32\n");
    check(
        &place,
        "ls",
        str![[r#"
2> error: `chunk_tokens_overlap` = `32` (from project [PROJECT]/.lorewell/config.toml:3): it must be less than half of `chunk_tokens_max` = `64` (from project [PROJECT]/.lorewell/config.toml:1)
exit 1

"#]],
    );
}

#[test]
fn what_is_broken_is_said_and_the_rest_explained() {
    let place = Place::with_brain();
    place.write(".lorewell/config.toml", "limit = 0\nfusion = \"rrf\"\nembeder = \"none\"\n");
    let run = place.run("config explain");
    assert_eq!(run.stdout.lines().count(), 30, "{}", run.transcript());
    for line in [
        "fusion = \"rrf\" (from project [PROJECT]/.lorewell/config.toml:2; hides default = dbsf)",
        "limit = \"8\" (from default)",
    ] {
        assert!(run.stdout.contains(line), "no `{line}` in {}", run.stdout);
    }
    check(
        &place,
        "config explain limit",
        str![[r#"
limit = "8" (from default)
    passages that a search shows, at most
2> error: [PROJECT]/.lorewell/config.toml:3: no setting `embeder`; did you mean `embedder`?
2> error: `limit` = `0` (from project [PROJECT]/.lorewell/config.toml:1): it must be a whole number from 1 to 1000
exit 1

"#]],
    );
    place.write(".lorewell/config.toml", "limit = \n");
    let run = place.run("config explain limit --json");
    let explained: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, &explained["settings"][0]["value"]), (1, &"8".into()));
    assert!(explained["broken"][0].as_str().unwrap().contains("is not TOML"), "{explained}");
    check(
        &place,
        "config path --json",
        str![[r#"
{
  "schema": 1,
  "user": "[HOME]/config.toml",
  "project": "[PROJECT]/.lorewell/config.toml"
}
exit 0

"#]],
    );
}

#[test]
fn a_slip_in_the_environment_is_named() {
    let place = Place::with_brain();
    let run = place.finish(place.command().env("LOREWELL_CHUNKER", "knife").arg("ls"));
    snapbox::assert_data_eq!(
        run.transcript(),
        str![[r#"
2> error: `chunker` = `knife` (from environment LOREWELL_CHUNKER): it must be one of structure, recursive, sentence, fixed
exit 1

"#]]
    );
}
