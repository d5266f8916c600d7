//! Odd paths through a folder full of links: whatever is named, and whatever changes meanwhile, nothing hidden and nothing outside
//! is read or written.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Component, PathBuf};

use proptest::prelude::{ProptestConfig, Strategy, prop, prop_assert, prop_assert_eq, proptest};
use tempfile::TempDir;

use super::*;

/// What the paths of the tests are made of: folders, files, links of all kinds, what is not there, and what is no name.
const PARTS: [&str; 18] = [
    "notes",
    "notes/deep",
    "a.txt",
    "nothing",
    "new",
    "..",
    ".",
    "",
    "/",
    "git",
    "env",
    "out",
    "up",
    "self",
    "loop",
    "dangling",
    ".git",
    "hook",
];

/// The folder `in` of another, in which there are secrets.
fn world() -> (TempDir, PathBuf) {
    let all = tempfile::tempdir().unwrap();
    let root = all.path().join("in");
    fs::create_dir_all(root.join("notes/.git/hooks")).unwrap();
    fs::create_dir_all(root.join("notes/deep")).unwrap();
    for path in ["hook", "in/.env", "in/notes/.git/hook", "in/notes/.git/hooks/hook", "in/notes/.git/a.txt"] {
        fs::write(all.path().join(path), "secret").unwrap();
    }
    for path in ["in/a.txt", "in/notes/a.txt", "in/notes/deep/a.txt", "in/hook"] {
        fs::write(all.path().join(path), "plain").unwrap();
    }
    for (target, link) in [
        ("notes/.git", "git"),
        ("../.git/hooks", "notes/deep/git"),
        ("nothing/../notes/.git/hook", "notes/git"),
        (".env", "env"),
        ("../../.env", "notes/deep/env"),
        ("..", "out"),
        ("../../hook", "notes/out"),
        ("..", "notes/up"),
        (".", "self"),
        ("notes/up/self/loop", "loop"),
        ("notes/.git/new", "dangling"),
        ("deep/new", "notes/dangling"),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    (all, root)
}

/// All files and folders that must be left alone, with what they hold.
fn kept(all: &Path) -> BTreeMap<PathBuf, String> {
    let (mut kept, mut folders) = (BTreeMap::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(all.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(path.clone());
            }
            let is_dotted = |part: Component<'_>| part.as_os_str().as_encoded_bytes().starts_with(b".");
            if kind.is_symlink() {
                kept.insert(path.clone(), fs::read_link(all.join(&path)).unwrap().display().to_string());
            } else if !path.starts_with("in") || path.components().any(is_dotted) {
                let text = if kind.is_file() { fs::read_to_string(all.join(&path)).unwrap() } else { String::new() };
                kept.insert(path, text);
            }
        }
    }
    kept
}

fn paths() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&PARTS[..]), 1..7).prop_map(|parts| parts.join("/"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_hidden_and_nothing_outside_is_read_or_written(calls in prop::collection::vec((0..4, paths()), 1..8)) {
        let (all, root) = world();
        let before = kept(all.path());
        let (folder, cx) = (Files::open(&root).unwrap().folder, cx());
        for (what, path) in calls {
            let told = match what {
                0 => list(&folder, &cx, &List { path: Some(path.clone()) }),
                1 => read(&folder, &cx, &Read { path: path.clone(), line: None, lines: None }),
                2 => write(&folder, &cx, &Write { path: path.clone(), text: "mine".to_owned() }),
                _ => edit(&folder, &cx, &Edit { path: path.clone(), old: "in".to_owned(), new: "IN".to_owned() }),
            };
            prop_assert_eq!(&kept(all.path()), &before, "{}", path);
            if let Ok(told) = told {
                prop_assert!(!told.contains("secret") && !told.contains(".git"), "{}: {}", path, told);
                // A dot behind a file means nothing here, and is an error to the system.
                let path: PathBuf = root.join(&path).components().collect();
                let resolved = fs::canonicalize(&path).unwrap();
                let within = resolved.strip_prefix(fs::canonicalize(&root).unwrap()).unwrap();
                prop_assert!(!within.components().any(|part| is_hidden(part.as_os_str())), "{}: {:?}", path.display(), within);
            }
        }
    }
}

/// Somebody who works in the same folder puts a link where something else was just found.
#[test]
fn what_becomes_a_link_meanwhile_leads_nowhere_else() {
    let (all, root) = world();
    let before = kept(all.path());
    let folder = Files::open(&root).unwrap().folder;
    let file = folder.place("a.txt", Missing::Fails).unwrap();
    let inside = folder.place("notes/deep/a.txt", Missing::Fails).unwrap();
    let new = folder.place("notes/new", Missing::IsMade).unwrap();
    fs::remove_file(root.join("a.txt")).unwrap();
    fs::rename(root.join("notes/deep"), root.join("moved")).unwrap();
    for (target, link) in [(".env", "a.txt"), (".git/hook", "notes/new"), (".git", "notes/deep")] {
        symlink(target, root.join(link)).unwrap();
    }
    assert!(file.text().is_err(), "it is not the file that was found");
    assert_eq!(inside.text().unwrap(), "plain");
    for place in [file, new, inside] {
        place.put("mine", &cx()).unwrap();
    }
    for path in ["a.txt", "notes/new", "moved/a.txt"] {
        let written = root.join(path);
        assert!(fs::symlink_metadata(&written).unwrap().is_file(), "{path}");
        assert_eq!(fs::read_to_string(written).unwrap(), "mine", "{path}");
    }
    fs::remove_file(root.join("notes/deep")).unwrap();
    fs::rename(root.join("moved"), root.join("notes/deep")).unwrap();
    assert_eq!(kept(all.path()), before);
}
