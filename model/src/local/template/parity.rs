//! Holds our renderings against those of jinja2: with `LOREWELL_TEMPLATES` a folder of templates, `LOREWELL_PEERS_PYTHON` a
//! Python that has jinja2.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::Value as Json;

use super::*;
use crate::message::Message;
use crate::request::ToolSpec;

/// The moment at which the other side writes dates.
const NOW: Duration = Duration::from_secs(1_770_091_506);

/// Renderings that differ, and why.
const DIFFERENT: &[(&str, &[&str], &str)] = &[
    ("llama-cpp-deepseek-r1", TOOLS, "jinja2 does not write what `map` gives as JSON, and fails; we do"),
    (
        "meetkai-functionary-medium-v3.1",
        TOOLS,
        "`|safe` makes jinja2 write `&#34;` for what is joined to it; we keep it",
    ),
];
/// The conversations with tools.
const TOOLS: &[&str] = &["tools", "call", "parallel", "thoughtful call"];

#[derive(Deserialize)]
struct Expected {
    template: String,
    conversation: String,
    context: Json,
    prompt: Option<String>,
    error: Option<String>,
}

#[test]
fn renderings_are_those_of_jinja() {
    let variables = (std::env::var("LOREWELL_TEMPLATES"), std::env::var("LOREWELL_PEERS_PYTHON"));
    let (Ok(folder), Ok(python)) = variables else {
        eprintln!(
            "skipped: set LOREWELL_TEMPLATES to a folder of templates, LOREWELL_PEERS_PYTHON to a Python with jinja2"
        );
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates/render.py");
    let output = Command::new(python).arg(script).arg(&folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut templates = BTreeMap::new();
    let (mut same, mut both_fail, mut different) = (0, 0, Vec::new());
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let expected: Expected = serde_json::from_str(line).unwrap();
        let template = templates.entry(expected.template.clone()).or_insert_with(|| {
            let source =
                std::fs::read_to_string(Path::new(&folder).join(format!("{}.jinja", expected.template))).unwrap();
            Template::of_clock(&source, Names::default(), Arc::new(|| UNIX_EPOCH + NOW))
        });
        let ours = match template {
            Ok(template) => template.render_json(&expected.context).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match (&ours, &expected.prompt) {
            (Ok(ours), Some(theirs)) if ours == theirs => same += 1,
            (Err(_), None) => both_fail += 1,
            _ => {
                different.push((expected.template, expected.conversation, ours, expected.prompt.ok_or(expected.error)));
            }
        }
    }
    let all = same + both_fail + different.len();
    eprintln!("{same} of {all} renderings are the same, {both_fail} are refused by both");
    for (template, conversation, ours, theirs) in &different {
        eprintln!("{template} {conversation}:\n  ours   {ours:?}\n  theirs {theirs:?}");
    }
    let names: Vec<_> = different.iter().map(|(template, conversation, ..)| (&**template, &**conversation)).collect();
    let known =
        DIFFERENT.iter().flat_map(|(template, conversations, _)| conversations.iter().map(|name| (*template, *name)));
    assert_eq!(names, known.collect::<Vec<_>>());
}

fn paths(folder: &str) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jinja"));
    paths.sort();
    paths
}

/// What each template can say; read it after a change.
#[test]
fn abilities_of_templates() {
    let Ok(folder) = std::env::var("LOREWELL_TEMPLATES") else {
        eprintln!("skipped: set LOREWELL_TEMPLATES to a folder of templates");
        return;
    };
    for path in paths(&folder) {
        let template = Template::new(&std::fs::read_to_string(&path).unwrap(), Names::default()).unwrap();
        let Form::Jinja { abilities, .. } = &template.form else { panic!("no template") };
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        eprintln!("{name:50} {:?} {abilities:?}", template.dialect());
    }
}

/// Whether the bound on steps leaves room for conversations that are far longer than usual.
#[test]
fn long_conversations_fit() {
    let Ok(folder) = std::env::var("LOREWELL_TEMPLATES") else {
        eprintln!("skipped: set LOREWELL_TEMPLATES to a folder of templates");
        return;
    };
    let turns = |n: usize| {
        let turn =
            |at: usize| if at.is_multiple_of(2) { Message::user("Tell me more.") } else { Message::assistant("So:") };
        (0..n).map(turn).chain([Message::user("And?")])
    };
    let tool = ToolSpec::new("f", "d", serde_json::json!({"type": "object", "properties": {}}));
    let request = |n| (0..20).fold(Request::new(turns(n)), |request, _| request.tool(tool.clone()));
    for path in paths(&folder) {
        let template = Template::new(&std::fs::read_to_string(&path).unwrap(), Names::default()).unwrap();
        if template.render(&request(2), None).is_ok() {
            let long = template.render(&request(1000), None);
            assert!(long.is_ok(), "{}: {:?}", path.display(), long.map(drop));
        }
    }
}
