//! Projects from templates: where they may go, what they may be called, and that what is written is what this repository
//! builds and tests as `new-agent`, `new-rag` and `new-workflow`, the members of the workspace in `tests/templates`.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use snapbox::str;
use toml_edit::{DocumentMut, Item};

use crate::place::{Place, check};

/// Bytes of a path that leaves 45 of the 4096 that Linux takes, with the zero at its end: files lie 29 and their name deeper.
#[cfg(target_os = "linux")]
const DEEP: usize = 4096 - 45;

const TEMPLATES: [&str; 3] = ["agent", "rag", "workflow"];

#[test]
fn it_makes_a_project_and_says_how_to_go_on() {
    let place = Place::empty();
    check(
        &place,
        "new my-shop",
        str![[r#"
Made `my-shop` in my-shop from the template `agent` (6 files)
2> Go on there with `cargo test`, then `cargo run`: both work offline once the dependencies are there.
2> README.md says how to take a model.
exit 0

"#]],
    );
    snapbox::assert_data_eq!(
        read(&place, "my-shop/Cargo.toml"),
        str![[r#"
[package]
name = "my-shop"
version = "0.1.0"
edition = "2024"
publish = false

[dependencies]
lorewell = { version = "0.1.0", default-features = false, features = ["remote", "sqlite"] }
schemars = "1.2"
serde = { version = "1.0.228", features = ["derive"] }
serde_json = "1.0.148"
tokio = { version = "1.50", features = ["macros", "rt-multi-thread"] }

[dev-dependencies]
tempfile = "3.27"

"#]]
    );
    assert!(read(&place, "my-shop/README.md").starts_with("# my-shop\n"));
    assert!(read(&place, "my-shop/src/main.rs").contains("my_shop::agent(chosen().await?)"));
}

#[test]
fn the_templates_are_listed() {
    let place = Place::empty();
    check(
        &place,
        "new --list",
        str![[r#"
agent     An agent with typed tools, one of which a person approves
rag       Answers from the documents of a folder, quoted or by an agent
workflow  A graph of steps with a question to a person, kept in SQLite
exit 0

"#]],
    );
    let listed = place.json("new --list --json");
    let names: Vec<_> = listed["templates"].as_array().unwrap().iter().map(|about| &about["name"]).collect();
    assert_eq!(names, TEMPLATES);
    assert_eq!(place.ok("new --list --jsonl").stdout.lines().count(), TEMPLATES.len());
    assert_eq!(place.run("new x --list").code, 2);
}

#[test]
fn help_says_what_there_is() {
    let help = Place::empty().ok("new --help").stdout;
    for said in [
        "Usage: lorewell new [OPTIONS] [NAME]",
        "--template <TEMPLATE>",
        "- workflow:",
        "--path <DIR>",
        "--local <DIR>",
    ] {
        assert!(help.contains(said), "`{said}` is not in {help}");
    }
}

#[test]
fn a_name_that_cargo_does_not_take_is_refused() {
    let place = Place::empty();
    check(
        &place,
        r#"new "My Shop""#,
        str![[r#"
2> error: `My Shop` is no name for a crate: use the letters a to z, digits, `-` and `_`, and begin with a letter
exit 2

"#]],
    );
    check(
        &place,
        "new ../shop",
        str![[r#"
2> error: `../shop` is no name for a crate: it is a path; give a word, and the folder with `--path`
exit 2

"#]],
    );
    check(
        &place,
        "new schemars",
        str![[r#"
2> error: `schemars` is no name for a crate: the project uses a crate of this name; give another
exit 2

"#]],
    );
    place.ok("new schemars --template workflow"); // which does not use it
    let nothing = place.run("new");
    assert!(nothing.code == 2 && nothing.stderr.contains("<NAME>"), "{}", nothing.transcript());
    assert_eq!(left_in(&place.path(".")), ["schemars"]);
}

#[test]
fn what_is_there_is_never_touched() {
    let place = Place::empty();
    place.write("shop/notes.md", "mine");
    place.write("file", "mine");
    symlink("nowhere", place.path("link")).unwrap();
    check(
        &place,
        "new shop",
        str![[r#"
2> error: `shop` is not empty, there is `notes.md`; give another folder with `--path`
exit 1

"#]],
    );
    check(
        &place,
        "new shop --path file",
        str![[r#"
2> error: `file` is not a folder; give the folder it lies in
exit 1

"#]],
    );
    check(
        &place,
        "new shop --path a/b",
        str![[r#"
2> error: `[PROJECT]/a` does not exist; check the spelling
exit 1

"#]],
    );
    check(
        &place,
        "new shop --path link",
        str![[r#"
2> error: `link` does not exist; check the spelling
exit 1

"#]],
    );
    assert_eq!(left_in(&place.path(".")), ["file", "link", "shop"]);
    assert_eq!((read(&place, "file"), read(&place, "shop/notes.md")), ("mine".to_owned(), "mine".to_owned()));
}

#[test]
fn an_empty_folder_is_taken_unless_one_stands_in_it() {
    let place = Place::empty();
    check(
        &place,
        "new shop --path .",
        str![[r#"
2> error: `.` is where you are, and is to be replaced; go up, and name it with `--path`
exit 1

"#]],
    );
    fs::create_dir(place.path("empty")).unwrap();
    symlink("empty", place.path("link")).unwrap();
    place.ok("new shop --path link --template workflow");
    assert!(read(&place, "empty/Cargo.toml").contains("name = \"shop\""));
    assert!(place.path("link").is_symlink());
}

/// A folder so deep that the first files of a project have room in the longest path of the system, and the last has not.
#[cfg(target_os = "linux")]
#[test]
fn a_project_that_cannot_be_written_to_its_end_leaves_nothing() {
    let place = Place::empty();
    let mut deep = place.path("").into_os_string().into_string().unwrap();
    deep.truncate(deep.trim_end_matches('/').len());
    while deep.len() < DEEP {
        let name = "d".repeat((DEEP - deep.len() - 1).clamp(1, 200));
        deep = format!("{deep}/{name}");
    }
    fs::create_dir_all(&deep).unwrap();
    let run = place.run(&format!("new shop --path {deep}/shop"));
    assert!(run.code == 1 && run.stderr.contains("tests/approval.rs`: File name too long"), "{}", run.transcript());
    assert_eq!(left_in(Path::new(&deep)), [""; 0]);
}

#[test]
fn a_project_is_as_open_as_other_folders() {
    let place = Place::empty();
    fs::create_dir(place.path("other")).unwrap();
    place.ok("new shop");
    let mode = |name| fs::metadata(place.path(name)).unwrap().permissions().mode();
    assert_eq!(mode("shop"), mode("other"));
}

#[test]
fn sources_may_stand_for_a_release() {
    let place = Place::empty();
    let root = Place::repository().path(".").canonicalize().unwrap();
    place.ok(&format!(r#"new shop --local "{}""#, root.display()));
    let lorewell = parsed(&read(&place, "shop/Cargo.toml"))["dependencies"]["lorewell"].clone();
    assert_eq!((lorewell["path"].as_str(), lorewell.get("version").is_none()), (root.to_str(), true));

    place.write("other/Cargo.toml", "[package]\nname = \"other\"\n");
    check(
        &place,
        "new second --local other",
        str![[r#"
2> error: `other` does not hold the sources of Lorewell; give the root of its repository
exit 1

"#]],
    );
    assert!(!place.path("second").exists());
}

#[test]
fn programs_learn_what_was_made() {
    let place = Place::empty();
    let made = place.json("new shop --template rag --json");
    assert_eq!((&made["project"], &made["template"]), (&"[PROJECT]/shop".into(), &"rag".into()));
    let mut files: Vec<_> = made["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
    files.sort_unstable();
    assert_eq!(files, relative(&place.path("shop")));
}

/// Every file of a template is written, and nothing is changed in it but the name.
#[test]
fn what_is_written_is_what_is_tested_here() {
    for template in TEMPLATES {
        let place = Place::empty();
        // A name in which the template's own one stands: it is put in once.
        let (name, identifier) = (format!("new_{template}-2"), format!("new_{template}_2"));
        place.ok(&format!("new {name} --template {template}"));
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates").join(template);
        let mut expected: Vec<_> = relative(&sources).into_iter().filter(|path| path != "manifest.toml").collect();
        for path in &expected {
            let source = fs::read_to_string(sources.join(path)).unwrap();
            let source =
                source.replace(&format!("new-{template}"), "[NAME]").replace(&format!("new_{template}"), "[CODE]");
            let source = source.replace("[NAME]", &name).replace("[CODE]", &identifier);
            assert_eq!(read(&place, &format!("{name}/{path}")), source, "{template}: {path}");
        }
        expected.extend([".gitignore".to_owned(), "Cargo.toml".to_owned()]);
        expected.sort_unstable();
        assert_eq!(relative(&place.path(&name)), expected, "{template}");
    }
}

/// A project names the crates that its template is tested with, in the versions of this workspace.
#[test]
fn what_is_written_needs_what_is_tested_here() {
    let root = Place::repository();
    let versions = parsed(&read(&root, "Cargo.toml"));
    let versions = &versions["workspace"]["dependencies"];
    for template in TEMPLATES {
        let written = parsed(&read(&root, &format!("cli/templates/{template}/manifest.toml")));
        let tested = parsed(&read(&root, &format!("tests/templates/{template}/Cargo.toml")));
        for kind in ["dependencies", "dev-dependencies"] {
            assert_eq!(names(&written[kind]), names(&tested[kind]), "{template}: {kind}");
            for name in names(&written[kind]).into_iter().filter(|name| name != "lorewell") {
                assert_eq!(version(&written[kind][&name]), version(&versions[&name]), "{template}: `{name}`");
            }
        }
        let features = |manifest: &DocumentMut| manifest["dependencies"]["lorewell"]["features"].to_string();
        assert_eq!(features(&written).trim(), features(&tested).trim(), "{template}");
    }
}

/// The workspace builds all members with the features of all. Whether those of a project are enough shows only where it is
/// built by itself. A check will do, as its tests run here; it shares folder, versions and profiles with other builds.
#[test]
fn a_project_builds_by_itself() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = target.join("new");
    let root = Place::repository().path(".").canonicalize().unwrap();
    make_workspace(&folder, &root);
    let place = Place::empty();
    for template in TEMPLATES {
        let (dir, name) = (folder.join(template), format!("a-{template}")); // which sorts before all other crates
        let paths = format!(r#"--path "{}" --local "{}""#, dir.display(), root.display());
        place.ok(&format!("new {name} --template {template} {paths}"));
        let package = ["-p", name.as_str()];
        cargo(&folder, target, &[&["check", "--offline", "--quiet", "--all-targets"], &package[..]].concat());
        cargo(&folder, target, &[&["fmt", "--check"], &package[..]].concat());
    }
}

/// Makes an empty workspace with the lock file and the profiles of this one.
fn make_workspace(folder: &Path, root: &Path) {
    if folder.exists() {
        fs::remove_dir_all(folder).unwrap();
    }
    fs::create_dir_all(folder).unwrap();
    let mut workspace = parsed("[workspace]\nresolver = \"3\"\nmembers = [\"*\"]\n");
    workspace["profile"] = parsed(&fs::read_to_string(root.join("Cargo.toml")).unwrap())["profile"].clone();
    fs::write(folder.join("Cargo.toml"), workspace.to_string()).unwrap();
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    // As where a person makes a project: nothing says how wide its lines are.
    fs::write(folder.join("rustfmt.toml"), "").unwrap();
}

/// Runs cargo, which must have nothing to say.
fn cargo(folder: &Path, target: &Path, args: &[&str]) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(args).current_dir(folder).env("CARGO_TARGET_DIR", target.parent().unwrap());
    let output = cargo.output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(output.status.success() && said.is_empty(), "{args:?}: {said}");
}

fn parsed(manifest: &str) -> DocumentMut {
    manifest.parse().unwrap()
}

fn names(dependencies: &Item) -> Vec<String> {
    let mut names: Vec<_> = dependencies.as_table().unwrap().iter().map(|(name, _)| name.to_owned()).collect();
    names.sort_unstable();
    names
}

/// Returns the version that a dependency asks for, written alone or among its settings.
fn version(dependency: &Item) -> &str {
    dependency.as_str().or_else(|| dependency.get("version")?.as_str()).unwrap()
}

fn read(place: &Place, path: &str) -> String {
    fs::read_to_string(place.path(path)).unwrap()
}

/// Returns the names in a folder.
fn left_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.collect();
    names.sort_unstable();
    names
}

/// Returns the paths of the files below a folder, from there.
fn relative(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for name in left_in(dir) {
        if dir.join(&name).is_dir() {
            found.extend(relative(&dir.join(&name)).into_iter().map(|path| format!("{name}/{path}")));
        } else {
            found.push(name);
        }
    }
    found.sort_unstable();
    found
}
