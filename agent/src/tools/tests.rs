//! The tools that come along, each called as an agent calls it.

use std::fs;

use lorewell_model::{Access, Part, Tool, ToolCall, ToolCx};
use serde_json::{Value, json};

use super::*;

/// What a tool says, or what the model is told instead.
async fn call(tool: &dyn Tool, arguments: Value) -> Result<String, String> {
    let name = tool.spec().name.clone();
    let cx = ToolCx::new(ToolCall::new("1", &name, &arguments), "key");
    let output = tool.call(cx, arguments).await.map_err(|error| error.for_model(&name))?;
    Ok(output.parts.iter().map(|part| if let Part::Text(text) = part { &*text.text } else { "" }).collect())
}

#[tokio::test]
async fn sums_are_right() {
    let sum = async |expression: &str| call(&*calculator(), json!({"expression": expression})).await;
    for (expression, expected) in [
        ("2 + 3 * 4", "14"),
        ("0.1 + 0.2", "0.3"),
        ("(1 + 1)^10 / 4", "256"),
        ("-7.5", "-7.5"),
        ("sqrt(2)", "1.414213562373"),
        ("log10(100) + ln(E) + floor(2.7) + ceil(0.1) + round(2.4)", "8"),
        ("7 - 4 + abs(-2)", "5"),
        ("cos(PI) + sin(0) + tan(0) + exp(0)", "0"),
    ] {
        assert_eq!(sum(expression).await.as_deref(), Ok(expected), "{expression}");
    }
    for wrong in ["2 +", "import os", "", "((((", "x + 1"] {
        let told = sum(wrong).await.unwrap_err();
        assert!(told.contains("Call `calculator` again"), "{wrong}: {told}");
    }
    assert_eq!(sum("1 / 0").await, Err("`1 / 0` has no finite value".to_owned()));
    assert!(sum(&"1+".repeat(1000)).await.unwrap_err().contains("more than 1000 characters"));
    assert!(sum(&"(".repeat(999)).await.is_err());
}

#[tokio::test]
async fn the_time_is_told() {
    let told = call(&*clock(), json!({"zone": "UTC"})).await.unwrap();
    assert!(told.ends_with("+00:00") && told.contains("day, 2"), "{told}");
    assert!(call(&*clock(), json!({})).await.is_ok());
    assert!(call(&*clock(), json!({"zone": "Mars"})).await.unwrap_err().contains("`Mars` is no time zone"));
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
            let replaced_link = path == "link" && tool.spec().name == "write_file";
            assert!(told.is_err() || replaced_link, "{path}: {told:?}");
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
    let tools = Files::open(folder.path()).unwrap().writing().tools();
    for path in [".env", "./.env", "notes/../.env", ".ssh/id", ".ssh/../.env", "notes/.git/hook", "link", "folder/hook"]
    {
        for (tool, arguments) in [
            (&tools[1], json!({"path": path})),
            (&tools[2], json!({"path": path, "text": "mine"})),
            (&tools[3], json!({"path": path, "old": "secret", "new": "mine"})),
        ] {
            let told = call(tool, arguments).await.unwrap_err();
            assert!(told.contains("hidden"), "{path}: {told}");
        }
    }
    for path in [".new", ".new/a", "notes/.git/new", "folder/new", "folder/deep/new"] {
        let told = call(&tools[2], json!({"path": path, "text": "mine"})).await.unwrap_err();
        assert!(told.contains("hidden"), "{path}: {told}");
    }
    for path in [".ssh", "folder", "notes/.git"] {
        assert!(call(&tools[0], json!({"path": path})).await.unwrap_err().contains("hidden"), "{path}");
    }
    assert_eq!(call(&tools[0], json!({"path": "notes"})).await.as_deref(), Ok("a.txt 6\n[1 hidden, not shown]"));
    assert_eq!(call(&tools[1], json!({"path": "notes/a.txt"})).await.as_deref(), Ok("secret"));
    assert_eq!(fs::read_to_string(folder.path().join(".env")).unwrap(), "secret");

    let tools = Files::open(folder.path()).unwrap().hidden().tools();
    assert_eq!(call(&tools[1], json!({"path": "folder/hook"})).await.as_deref(), Ok("secret"));
    assert_eq!(call(&tools[0], json!({"path": "notes"})).await.as_deref(), Ok(".git/\na.txt 6"));
}

/// Names of tables are the words of whoever made them, and an agent has read them before it does anything.
#[cfg(all(feature = "fetch", feature = "sqlite"))]
#[tokio::test]
async fn an_agent_with_a_database_asks_before_it_fetches() {
    use lorewell_model::mock::Script;
    use lorewell_model::{Message, Model, Role};

    use crate::checkpoint::Memory;
    use crate::{Agent, Chat, Outcome};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.sqlite");
    rusqlite::Connection::open(&path).unwrap().execute("CREATE TABLE orders (id)", ()).unwrap();
    let tools = [Sql::open(&path).unwrap().tool(), Fetch::new().tool().unwrap()];
    let call = ToolCall::new("1", "fetch_url", &json!({"url": "https://example.com/"}));
    let script = Script::new([Message::new(Role::Assistant, [Part::ToolCall(call)])]);
    let agent = Agent::new(Model::new("mock:script".parse().unwrap(), script)).tools(tools);
    let thread = agent.thread("t", Memory::new()).unwrap();
    let Outcome::Paused(paused) = thread.run(Chat::say("Look it up.")).await.unwrap() else { panic!("it asks") };
    assert_eq!(paused.questions[0].prompt["has_read"], json!(["document"]));
}
