//! Files as an agent reaches them: what it may read and change, what it cannot get at whatever it names, and what becomes of
//! changes that are made side by side.

#[cfg(unix)]
mod odd;

use std::fs;

use futures_util::future::join_all;
use lorewell_model::ToolCall;
use serde_json::json;

use super::*;
use crate::tools::tests::call;

/// A call that nobody stops.
fn cx() -> ToolCx {
    ToolCx::new(ToolCall::new("1", "write_file", &json!({})), "key")
}

#[tokio::test]
async fn files_are_read_and_written() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("notes")).unwrap();
    fs::write(folder.path().join("a.txt"), "one\ntwo\nthree\n").unwrap();
    let files = Files::open(folder.path()).unwrap();
    assert_eq!(files.tools().len(), 2);
    let tools = files.writing().tools();
    let [list, read, write, edit] = &*tools else { panic!("{}", tools.len()) };
    assert_eq!((read.access(), edit.access()), (Access::READ, Access::WRITE));

    assert_eq!(call(list, json!({})).await.as_deref(), Ok("a.txt 14\nnotes/"));
    assert_eq!(call(list, json!({"path": "notes"})).await.as_deref(), Ok("[empty]"));
    assert_eq!(call(read, json!({"path": "a.txt"})).await.as_deref(), Ok("one\ntwo\nthree"));
    let part = json!({"path": "a.txt", "line": 2, "lines": 1});
    assert_eq!(call(read, part).await.as_deref(), Ok("[lines 2-2 of 3]\ntwo"));
    let new = json!({"path": "deep/er/b.txt", "text": "x y x"});
    assert_eq!(call(write, new).await.as_deref(), Ok("wrote 5 bytes to `deep/er/b.txt`"));
    let change = |old: &str| json!({"path": "deep/er/b.txt", "old": old, "new": "z"});
    assert_eq!(call(edit, change("y")).await.as_deref(), Ok("replaced it in `deep/er/b.txt`"));
    assert_eq!(fs::read_to_string(folder.path().join("deep/er/b.txt")).unwrap(), "x z x");
    assert!(call(edit, change("x")).await.unwrap_err().starts_with("`old` stands 2 times"));
    assert!(call(edit, change("q")).await.unwrap_err().starts_with("`old` does not stand in"));
    assert_eq!(fs::read_dir(folder.path().join("deep/er")).unwrap().count(), 1, "nothing is left beside it");
    fs::write(folder.path().join("raw"), [0xff, 0xfe]).unwrap();
    assert_eq!(call(read, json!({"path": "raw"})).await, Err("`raw` is no text in UTF-8".to_owned()));
    assert_eq!(call(read, json!({"path": "notes"})).await, Err("`notes` is no file".to_owned()));
    assert_eq!(call(read, json!({"path": "missing"})).await, Err("there is no `missing`".to_owned()));
    assert!(Files::open(folder.path().join("missing")).unwrap_err().to_string().contains("for an agent"));
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_outside_of_the_folder_is_reached() {
    let all = tempfile::tempdir().unwrap();
    let folder = all.path().join("inside");
    fs::create_dir(&folder).unwrap();
    fs::write(all.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink("../secret", folder.join("link")).unwrap();
    std::os::unix::fs::symlink("..", folder.join("up")).unwrap();
    std::os::unix::fs::symlink(all.path(), folder.join("absolute")).unwrap();
    let tools = Files::open(&folder).unwrap().writing().tools();
    let absolute = all.path().join("secret").display().to_string();
    for path in ["../secret", "link", "up/secret", "absolute/secret", &absolute, "./../secret", "x/../../secret"] {
        for (tool, arguments) in [
            (&tools[1], json!({"path": path})),
            (&tools[2], json!({"path": path, "text": "mine"})),
            (&tools[3], json!({"path": path, "old": "secret", "new": "mine"})),
        ] {
            let told = call(tool, arguments).await;
            assert!(told.is_err(), "{path}: {told:?}");
            assert!(!format!("{told:?}").contains("secret\""), "{path}: {told:?}");
        }
    }
    assert_eq!(fs::read_to_string(all.path().join("secret")).unwrap(), "secret");
    assert_eq!(fs::read_dir(all.path()).unwrap().count(), 2);
}

#[cfg(unix)]
#[tokio::test]
async fn hidden_files_are_left_alone_unless_the_program_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    for path in [".ssh", "notes", "notes/.git"] {
        fs::create_dir(folder.path().join(path)).unwrap();
    }
    for path in [".env", ".ssh/id", "notes/.git/hook", "notes/a.txt"] {
        fs::write(folder.path().join(path), "secret").unwrap();
    }
    std::os::unix::fs::symlink(".env", folder.path().join("link")).unwrap();
    std::os::unix::fs::symlink("notes/.git", folder.path().join("folder")).unwrap();
    fs::write(folder.path().join("\u{200c}.git"), "secret").unwrap();
    let tools = Files::open(folder.path()).unwrap().writing().tools();
    for path in [
        ".env",
        "./.env",
        "notes/../.env",
        ".ssh/id",
        ".ssh/../.env",
        "notes/.git/hook",
        "link",
        "folder/hook",
        "notes/../folder/hook",
        "./notes/.././/folder/./hook",
        "folder/../a.txt",
        "nothing/.env",
        // As HFS+ compares names, it is `.git`.
        "\u{200c}.git",
    ] {
        for (tool, arguments) in [
            (&tools[1], json!({"path": path})),
            (&tools[2], json!({"path": path, "text": "mine"})),
            (&tools[3], json!({"path": path, "old": "secret", "new": "mine"})),
        ] {
            let told = call(tool, arguments).await.unwrap_err();
            assert!(told.contains("hidden"), "{path}: {told}");
        }
    }
    for path in [".new", ".new/a", "notes/.git/new", "folder/new", "folder/deep/new", "nothing/.git/new"] {
        let told = call(&tools[2], json!({"path": path, "text": "mine"})).await.unwrap_err();
        assert!(told.contains("hidden"), "{path}: {told}");
    }
    for path in ["nothing/../folder/hook", "nothing/../link", "notes/nothing/../../folder/hook", "nothing/no/../../a"] {
        let told = call(&tools[2], json!({"path": path, "text": "mine"})).await.unwrap_err();
        assert!(told.contains("give it without `..`"), "{path}: {told}");
    }
    assert!(!folder.path().join("nothing").exists(), "nothing is made for what is refused");
    for path in [".ssh", "folder", "notes/.git"] {
        assert!(call(&tools[0], json!({"path": path})).await.unwrap_err().contains("hidden"), "{path}");
    }
    assert_eq!(call(&tools[0], json!({"path": "notes"})).await.as_deref(), Ok("a.txt 6\n[1 hidden, not shown]"));
    assert!(call(&tools[0], json!({})).await.unwrap().contains("[3 hidden, not shown]"));
    assert_eq!(call(&tools[1], json!({"path": "notes/a.txt"})).await.as_deref(), Ok("secret"));
    for path in [".env", "notes/.git/hook"] {
        assert_eq!(fs::read_to_string(folder.path().join(path)).unwrap(), "secret");
    }

    let tools = Files::open(folder.path()).unwrap().hidden().tools();
    assert_eq!(call(&tools[1], json!({"path": "folder/hook"})).await.as_deref(), Ok("secret"));
    assert_eq!(call(&tools[0], json!({"path": "notes"})).await.as_deref(), Ok(".git/\na.txt 6"));
}

#[cfg(unix)]
#[tokio::test]
async fn links_within_the_folder_stay_links_and_files_keep_their_modes() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    fs::create_dir_all(at("bin/deep")).unwrap();
    fs::write(at("bin/run"), "one").unwrap();
    fs::set_permissions(at("bin/run"), fs::Permissions::from_mode(0o750)).unwrap();
    for (target, link) in
        [("../run", "bin/deep/link"), ("bin/deep/link", "link"), ("bin/new", "dangling"), ("b", "a"), ("a", "b")]
    {
        symlink(target, at(link)).unwrap();
    }
    let tools = Files::open(folder.path()).unwrap().writing().tools();
    let mode = || fs::metadata(at("bin/run")).unwrap().permissions().mode() & 0o777;

    call(&tools[3], json!({"path": "link", "old": "one", "new": "two"})).await.unwrap();
    assert_eq!((fs::read_to_string(at("bin/run")).unwrap(), mode()), ("two".to_owned(), 0o750));
    call(&tools[2], json!({"path": "bin/deep/link", "text": "three"})).await.unwrap();
    assert_eq!((fs::read_to_string(at("bin/run")).unwrap(), mode()), ("three".to_owned(), 0o750));
    call(&tools[2], json!({"path": "dangling", "text": "new"})).await.unwrap();
    assert_eq!(fs::read_to_string(at("bin/new")).unwrap(), "new");
    for (target, link) in [("../run", "bin/deep/link"), ("bin/deep/link", "link"), ("bin/new", "dangling")] {
        assert_eq!(fs::read_link(at(link)).unwrap(), Path::new(target));
    }
    for tool in &tools[1..] {
        let told = call(tool, json!({"path": "a", "text": "x", "old": "x", "new": "y"})).await;
        assert_eq!(told, Err("`a` leads through more than 40 links".to_owned()));
    }
    let deep = "d/".repeat(100) + "a.txt";
    let told = call(&tools[2], json!({"path": deep, "text": "x"})).await.unwrap_err();
    assert!(told.ends_with("is in more than 64 folders within each other"), "{told}");
    for path in ["bin", "", ".", "link/..", "bin/deep"] {
        assert!(call(&tools[2], json!({"path": path, "text": "x"})).await.is_err(), "{path}");
    }
}

/// What is not only a file may never end: nobody writes into this pipe.
#[cfg(unix)]
#[tokio::test]
async fn what_is_no_file_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap();
    assert!(made.success());
    let tools = Files::open(folder.path()).unwrap().writing().tools();
    for path in ["pipe", "socket"] {
        for tool in &tools[1..] {
            let told = call(tool, json!({"path": path, "text": "x", "old": "x", "new": "y"})).await;
            assert_eq!(told, Err(format!("`{path}` is no file")));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_changes_at_once_none_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    let places: Vec<String> = (0..60).map(|place| format!("<{place}>")).collect();
    fs::write(&path, places.join("\n")).unwrap();
    // It is of someone else.
    fs::write(folder.path().join(".a.txt.part"), "mine").unwrap();
    let files = Files::open(folder.path()).unwrap().writing();
    // Each call by tools of its own.
    let edits = places.iter().map(|place| {
        let tools = files.clone().tools();
        async move { call(&tools[3], json!({"path": "a.txt", "old": place, "new": format!("{place} done")})).await }
    });
    for told in join_all(edits).await {
        assert_eq!(told.as_deref(), Ok("replaced it in `a.txt`"));
    }
    let expected: Vec<String> = places.iter().map(|place| format!("{place} done")).collect();
    assert_eq!(fs::read_to_string(&path).unwrap(), expected.join("\n"));
    assert_eq!(fs::read_to_string(folder.path().join(".a.txt.part")).unwrap(), "mine");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside it");
}

#[test]
fn a_call_that_was_stopped_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), "one").unwrap();
    let files = Files::open(folder.path()).unwrap().folder;
    let (cx, attempt) = cx().attempt();
    let change = |old: &str| Edit { path: "a.txt".to_owned(), old: old.to_owned(), new: "two".to_owned() };
    edit(&files, &cx, &change("one")).unwrap();
    drop(attempt);
    for told in [
        edit(&files, &cx, &change("two")),
        write(&files, &cx, &Write { path: "b.txt".to_owned(), text: "late".to_owned() }),
    ] {
        assert!(told.unwrap_err().hidden().unwrap().to_string().contains("the call was stopped"));
    }
    assert_eq!(fs::read_to_string(folder.path().join("a.txt")).unwrap(), "two");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}
