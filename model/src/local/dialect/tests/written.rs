//! Reads back what the templates themselves write for an answer with calls: what a model was trained on. It needs a folder of
//! templates in `LOREWELL_TEMPLATES`.

use super::*;
use crate::local::{Names, Template};
use crate::{Message, ToolCall, ToolResult};

/// Templates whose calls are not read back, and why.
const KNOWN: &[(&str, &str)] = &[
    ("Kimi-K3", "marks of its own, not read yet"),
    ("MiniMax-M3", "marks of its own, not read yet"),
    ("fireworks-ai-llama-3-firefunction-v2", "it asks for `functions`, and fails without"),
    ("meetkai-functionary-medium-v3.2", "recipients without marks, not read yet"),
    ("muse-glimmer", "marks of its own, not read yet"),
    ("tencent-Hy3", "marks of its own, not read yet"),
];

#[test]
fn what_templates_write_is_read_back() {
    let Ok(folder) = std::env::var("LOREWELL_TEMPLATES") else {
        eprintln!("skipped: set LOREWELL_TEMPLATES to a folder of templates");
        return;
    };
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jinja"));
    paths.sort();
    let (mut wrong, mut right) = (Vec::new(), 0);
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let template = Template::new(&std::fs::read_to_string(&path).unwrap(), Names::default()).unwrap();
        match read_back(&template) {
            Ok(()) => right += 1,
            Err(shown) => {
                eprintln!("{name} as {:?}: {shown}\n", template.dialect());
                wrong.push(name);
            }
        }
    }
    eprintln!("{right} read back, {} not", wrong.len());
    let known: Vec<_> = KNOWN.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(wrong, known);
}

/// Renders a conversation with a call, and reads what stands between the prompt of the answer and the result.
fn read_back(template: &Template) -> Result<(), String> {
    let call = ToolCall::new("abcdefgh1", "weather", &json!({"city": "Zürich", "days": 2}));
    let question = tools().into_iter().fold(Request::from("How is it?"), Request::tool);
    let answer = Message::new(crate::Role::Assistant, [Part::ToolCall(call.clone())]);
    let whole = question.clone().message(answer).message(Message::results([ToolResult::new(&call, "rain7531")]));
    let render = |request: &Request| template.render(request, Some(false)).map_err(|error| error.to_string());
    let expected = json!({"city": "Zürich", "days": 2});
    let (prompt, all) = (render(&question)?, render(&whole)?);
    let end = all.rfind("rain7531").ok_or("the result is not written")?;
    let same = prompt.char_indices().zip(all.chars()).find(|((_, ours), theirs)| ours != theirs);
    let asked = all[..end].rfind("How is it?").ok_or("the question is not written")?;
    // Some prompts begin an answer as no answer in a conversation begins.
    let begins = [same.map_or(prompt.len(), |((at, _), _)| at), asked];
    let mut shown = Vec::new();
    for begin in begins.into_iter().filter(|begin| *begin < end) {
        shown = read(template.dialect(), false, [&all[begin..end]]);
        let mut arguments = shown.iter().filter_map(|part| part.strip_prefix("weather: "));
        if arguments.any(|json| serde_json::from_str(json).ok().as_ref() == Some(&expected)) {
            return Ok(());
        }
    }
    Err(format!("{:?} gave {shown:?}", &all[asked..end]))
}
